"""House rules of ingestion/ that a reader relies on; which floor may import which is in test_floors."""

import ast
import re
from collections.abc import Iterator

from ingestion.config import ROOT

PACKAGE = ROOT / "ingestion"
MODULES = {path.relative_to(PACKAGE).as_posix(): ast.parse(path.read_text("utf-8")) for path in PACKAGE.rglob("*.py")}

# who but config/ touches the process's environment, and why
TOUCH_THE_ENVIRONMENT = {
    "config/settings.py": "reads it, once",
    "config/environment.py": "lends variables to libraries that look nowhere else",
    "cli/commands.py": "passes it on to psql",
    "storage/stores.py": "the stores' libraries have variables of their own",
}
# the one thing created outside sql/: another schema's tables, after the model of raw's
MAY_CREATE = {
    "ingest.py": ("create schema if not exists {}", "create table if not exists {} (like raw.{} including all)")
}

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


def test_only_the_command_line_exits() -> None:
    for name, tree in MODULES.items():
        guarded = {id(node) for guard in guards(tree) for node in ast.walk(guard)}
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and ast.unparse(node) in {"sys.exit", "os._exit"}:
                assert id(node) in guarded, f"{name}, line {node.lineno}"


def test_the_environment_is_touched_where_it_is_said() -> None:
    touching = {
        name
        for name, tree in MODULES.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and ast.unparse(node) in {"os.environ", "os.getenv", "os.putenv"}
    }
    assert touching <= set(TOUCH_THE_ENVIRONMENT)


def test_the_package_imports_itself_at_the_top_or_where_it_is_run_as_a_program() -> None:
    for name, tree in MODULES.items():
        allowed = {id(node) for body in (tree.body, *(guard.body for guard in guards(tree))) for node in body}
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "ingestion":
                assert id(node) in allowed or name in LAZY, f"{name}, line {node.lineno}: an import inside a function"


# what a run without it need not pay for
LAZY = {"alerts/__init__.py", "lineage/__init__.py", "storage/__init__.py", "telemetry/__init__.py"}


def guards(tree: ast.Module) -> Iterator[ast.If]:
    for node in tree.body:
        if isinstance(node, ast.If) and ast.unparse(node.test) == "__name__ == '__main__'":
            yield node


def test_a_public_name_says_what_it_is_for() -> None:
    silent = []
    for name, tree in MODULES.items():
        assert ast.get_docstring(tree), name
        for owner, node in public(tree):
            if not ast.get_docstring(node):
                silent.append(f"{name}: {owner}{node.name}")
    assert not silent


def public(tree: ast.Module) -> Iterator[tuple[str, ast.FunctionDef | ast.ClassDef]]:
    """Functions and classes, and the methods of classes; what a protocol or a base has described is not repeated."""
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_"):
            yield "", node
            described = isinstance(node, ast.FunctionDef) or node.bases or implements(node)
            for method in [] if described else node.body:
                if isinstance(method, ast.FunctionDef) and not method.name.startswith("_"):
                    yield f"{node.name}.", method


def implements(node: ast.ClassDef) -> bool:
    return node.name.endswith(("Storage", "Shelf"))


def test_tables_are_made_in_sql_and_nowhere_else() -> None:
    for name, tree in MODULES.items():
        docstrings = {id(expr.value) for expr in ast.walk(tree) if isinstance(expr, ast.Expr)}
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings:
                text = node.value
                if text in MAY_CREATE.get(name, ()) or re.match(r"drop table (incoming|odd_date)", text):
                    continue
                looks = DDL.match(text.strip())
                assert not looks, f"{name}, line {node.lineno}: {text}"
