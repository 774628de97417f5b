"""Every query that Python names is in a .sql file, and every query in a .sql file is named by Python."""

import ast
import re
from collections.abc import Iterator

from ingestion.config import ROOT

PACKAGE = ROOT / "ingestion"
QUERIES = PACKAGE / "queries"
APPLICATION_NAME = "wearables-pipeline"


def named_queries() -> Iterator[tuple[str, str, str]]:
    """Yield file, query and place for each `_queries.query`, where `_queries = db.queries("file")`."""
    for path in PACKAGE.rglob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        files = {
            target.id: ast.literal_eval(node.value.args[0])
            for node in tree.body
            if isinstance(node, ast.Assign)
            and isinstance(node.value, ast.Call)
            and ast.unparse(node.value.func) in {"db.queries", "queries"}
            for target in node.targets
            if isinstance(target, ast.Name)
        }
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in files:
                yield files[node.value.id], node.attr, f"{path.relative_to(PACKAGE)}, line {node.lineno}"


def stored_queries() -> set[tuple[str, str]]:
    return {
        (path.stem, name)
        for path in QUERIES.glob("*.sql")
        for name in re.findall(r"^-- name: (\w+)", path.read_text(encoding="utf-8"), re.MULTILINE)
    }


def test_python_names_no_query_that_is_missing() -> None:
    stored = stored_queries()
    missing = [f"{file}.{query} ({place})" for file, query, place in named_queries() if (file, query) not in stored]
    assert not missing


def test_python_names_every_stored_query() -> None:
    named = {(file, query) for file, query, _ in named_queries()}
    assert not stored_queries() - named


def test_each_query_has_a_name_of_its_own() -> None:
    for path in QUERIES.glob("*.sql"):
        names = re.findall(r"^-- name: (\w+)", path.read_text(encoding="utf-8"), re.MULTILINE)
        assert len(names) == len(set(names)), path.name


def test_no_query_spells_the_name_of_the_application() -> None:
    assert not [path.name for path in QUERIES.glob("*.sql") if APPLICATION_NAME in path.read_text(encoding="utf-8")]
