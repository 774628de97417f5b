"""SQL that Citus answers wrongly or not at all: docs/decisions.md says why each form is avoided."""

import re
from pathlib import Path

import pytest

from ingestion.config import ROOT

# a comparison builds marts beside the present ones, which is done on one node
_ON_ONE_NODE = {"ingestion/queries/compare.sql"}
_COMMENT = re.compile(r"\{#.*?#\}|--[^\n]*", re.DOTALL)
FILES = sorted(
    path
    for folder in ("dbt/models", "dbt/macros", "dbt/tests", "ingestion/queries")
    for path in (ROOT / folder).rglob("*.sql")
    if path.relative_to(ROOT).as_posix() not in _ON_ONE_NODE
)


def _statements(path: Path) -> str:
    return _COMMENT.sub("", path.read_text("utf-8")).lower()


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_no_full_join(path: Path) -> None:
    assert not re.search(r"\bfull\s+(outer\s+)?join\b", _statements(path))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_no_subquery_without_a_column_and_without_a_condition(path: Path) -> None:
    assert not re.search(r"exists\s*\(\s*select\s+from\s+\{\{[^}]*\}\}\s*\)", _statements(path))
