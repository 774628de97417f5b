"""Imports point down: the table of floors in docs/decisions.md is what the modules do."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from ingestion.config import ROOT

PACKAGE = ROOT / "ingestion"


def floors() -> dict[str, int]:
    """The floor of each module, counted from the top."""
    text = (ROOT / "docs" / "decisions.md").read_text(encoding="utf-8")
    rows = text.partition("| floor | modules |\n")[2].partition("\n\n")[0].splitlines()[1:]
    return {module: floor for floor, row in enumerate(rows) for module in re.findall(r"`(\w+)`", row)}


def imports(path: Path) -> Iterator[str]:
    """The modules of the package that a file imports at its top; `__version__` is none."""
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ImportFrom) and node.module == "ingestion":
            yield from (alias.name for alias in node.names if not alias.name.startswith("__"))
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("ingestion."):
            yield str(node.module).split(".")[1]


def test_every_module_is_on_a_floor() -> None:
    modules = {path.stem for path in PACKAGE.glob("*.py")} | {
        path.parent.name for path in PACKAGE.glob("*/__init__.py")
    }
    assert not modules - {"__init__"} - set(floors()), "give it a floor in docs/decisions.md"


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
