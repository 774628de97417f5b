"""Rules for the code of ingestion/; test_floors has those for imports."""

import ast
import re
from collections.abc import Iterator

from ingestion.config import ROOT

PACKAGE = ROOT / "ingestion"
MODULES = {path.relative_to(PACKAGE).as_posix(): ast.parse(path.read_text("utf-8")) for path in PACKAGE.rglob("*.py")}

# the modules that may use the environment of the process, and why
MAY_USE_THE_ENVIRONMENT = {
    "config/settings.py": "reads it, once",
    "config/environment.py": "sets variables for libraries that read nothing else",
    "cli/psql.py": "passes it to psql",
    "cli/reports.py": "looks for a screen",
    "storage/stores.py": "the libraries of the stores have their own variables",
}
# raw tables of another schema are copies of those in raw: the only tables that are created outside of sql/
MAY_CREATE = {
    "ingest.py": ("create schema if not exists {}", "create table if not exists {} (like raw.{} including all)")
}

MOST_LINES = 400
MOST_METHODS = 20
# larger modules and classes that still have to come apart
TOO_LONG: set[str] = set()
TOO_MANY_METHODS: set[str] = set()

DDL = re.compile(
    r"(create|alter|drop)\s+(or\s+replace\s+)?(schema|table|view|materialized|index|unique|function|role|type|trigger)\b",
    re.IGNORECASE,
)


def test_only_the_command_line_prints() -> None:
    printing = {
        name
        for name, tree in MODULES.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in {"print", "input"}
    }
    assert all(name.startswith("cli/") for name in printing)


# the modules that may end the process at once, and why
MAY_EXIT = {
    "__main__.py": "a signal has come before anything has begun",
    "signals.py": "the clean-up after a signal takes too long",
}


def test_only_the_command_line_exits() -> None:
    for name, tree in MODULES.items():
        if name in MAY_EXIT:
            continue
        guarded = {id(node) for guard in guards(tree) for node in ast.walk(guard)}
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and ast.unparse(node) in {"sys.exit", "os._exit"}:
                assert id(node) in guarded, f"{name}, line {node.lineno}"


def test_only_listed_modules_use_the_environment() -> None:
    using = {
        name
        for name, tree in MODULES.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and ast.unparse(node) in {"os.environ", "os.getenv", "os.putenv"}
    }
    assert using <= set(MAY_USE_THE_ENVIRONMENT)


def test_imports_stand_at_the_top_or_in_a_main_guard() -> None:
    for name, tree in MODULES.items():
        allowed = {id(node) for body in (tree.body, *(guard.body for guard in guards(tree))) for node in body}
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "ingestion":
                assert id(node) in allowed or name in LAZY, f"{name}, line {node.lineno}: an import inside a function"


# packages that a run imports only if it uses them
LAZY = {f"{name}/__init__.py" for name in ("alerts", "digest", "lineage", "storage", "telemetry")}


def guards(tree: ast.Module) -> Iterator[ast.If]:
    for node in tree.body:
        if isinstance(node, ast.If) and ast.unparse(node.test) == "__name__ == '__main__'":
            yield node


def test_every_public_name_has_a_docstring() -> None:
    undocumented = []
    for name, tree in MODULES.items():
        assert ast.get_docstring(tree), name
        for owner, node in public(tree):
            if not ast.get_docstring(node):
                undocumented.append(f"{name}: {owner}{node.name}")
    assert not undocumented


def public(tree: ast.Module) -> Iterator[tuple[str, ast.FunctionDef | ast.ClassDef]]:
    """Functions, classes and methods. Methods that implement a base class or a protocol are described there."""
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_"):
            yield "", node
            described = isinstance(node, ast.FunctionDef) or node.bases or implements(node)
            for method in [] if described else node.body:
                if isinstance(method, ast.FunctionDef) and not method.name.startswith("_"):
                    yield f"{node.name}.", method


def implements(node: ast.ClassDef) -> bool:
    return node.name.endswith(("Storage", "Shelf"))


def test_tables_are_created_in_sql_only() -> None:
    for name, tree in MODULES.items():
        docstrings = {id(expr.value) for expr in ast.walk(tree) if isinstance(expr, ast.Expr)}
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings:
                text = node.value
                if text in MAY_CREATE.get(name, ()) or re.match(r"drop table (incoming|odd_date)", text):
                    continue
                assert not DDL.match(text.strip()), f"{name}, line {node.lineno}: {text}"


def test_no_module_is_too_long() -> None:
    lengths = {
        path.relative_to(PACKAGE).as_posix(): len(path.read_text("utf-8").splitlines())
        for path in PACKAGE.rglob("*.py")
    }
    assert {name for name, lines in lengths.items() if lines > MOST_LINES} <= TOO_LONG


def test_no_class_has_too_many_methods() -> None:
    large = {
        f"{name}: {node.name}"
        for name, tree in MODULES.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef)
        and sum(isinstance(method, ast.FunctionDef) for method in node.body) >= MOST_METHODS
    }
    assert large <= TOO_MANY_METHODS
