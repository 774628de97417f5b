"""docs/architecture.md describes the code: its map lists every module, and imports point down its floors."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from ingestion.config import ROOT

PACKAGE = ROOT / "ingestion"
MAP = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")


def modules() -> set[str]:
    """The modules and packages at the top of the program."""
    names = {path.stem for path in PACKAGE.glob("*.py")} | {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    return names - {"__init__"}


def paths() -> set[str]:
    """The paths that the map names."""
    return {path for path in re.findall(r"`([\w./-]+)`", MAP) if "/" in path}


def floors() -> dict[str, int]:
    """The floor of each module, counted from the top."""
    rows = MAP.partition("| floor | modules |\n")[2].partition("\n\n")[0].splitlines()[1:]
    return {module: floor for floor, row in enumerate(rows) for module in re.findall(r"`(\w+)`", row)}


def imports(path: Path) -> Iterator[str]:
    """The modules of the program that a file imports at its top; `__version__` is not a module."""
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ImportFrom) and node.module == "ingestion":
            yield from (alias.name for alias in node.names if not alias.name.startswith("__"))
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("ingestion."):
            yield str(node.module).split(".")[1]


def test_the_map_lists_every_module() -> None:
    listed = {Path(path).stem for path in paths() if re.fullmatch(r"ingestion/\w+(/|\.py)", path)}
    assert modules() <= listed, "describe the module in docs/architecture.md"


def test_every_path_of_the_map_exists() -> None:
    assert [path for path in sorted(paths()) if not (ROOT / path).exists()] == []


def test_every_module_has_a_floor() -> None:
    assert modules() == set(floors()), "give each module a floor in docs/architecture.md"


def test_imports_point_down() -> None:
    floor = floors()
    wrong = []
    for path in sorted(PACKAGE.rglob("*.py")):
        module = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
        if module == "__init__":
            continue
        wrong += [
            f"{module} imports {name}" for name in imports(path) if name != module and floor[name] <= floor[module]
        ]
    assert not wrong
