"""dbt's models, macros and hooks name a schema with its prefix only: no comparison may write into the marts in use."""

import re
from pathlib import Path

import pytest

from ingestion.config import ROOT

PROJECT = ROOT / "dbt"
SCHEMAS = "staging|intermediate|marts|dbt_test_failures"
SQL = sorted(
    path for folder in ("macros", "models", "tests") for path in (PROJECT / folder).rglob("*.sql") if path.is_file()
)
YAML = [PROJECT / "dbt_project.yml", *sorted((PROJECT / "models").rglob("*.yml"))]
PREFIXED = "{{ var('schema_prefix') }}"
COMMENT = re.compile(r"\{#.*?#\}|/\*.*?\*/|--[^\n]*", re.DOTALL)
# the name of the macro, and the names that it gives a prefix to
ALLOWED = re.compile(rf"in_schema\('(?:{SCHEMAS})'\)|\bintermediate\(\)")


def schemas_named_in_sql(text: str) -> list[str]:
    """Schemas before a point, in quotes, or after the word; a text may say that all marts count something."""
    named = rf"\b(?:{SCHEMAS})\.\w+|['\"](?:{SCHEMAS})['\"]|\bschema\s+(?:if\s+\w+\s+exists\s+)?(?:{SCHEMAS})\b"
    return re.findall(named, ALLOWED.sub("", COMMENT.sub("", text)))


def schemas_named_in_yaml(text: str) -> list[str]:
    """Schemas of relations; a description may name a page such as docs/marts.md."""
    return re.findall(rf"\b(?:from|join|table|schema|function|on)\s+((?:{SCHEMAS})(?:\.\w+)?)", text)


@pytest.mark.parametrize("path", SQL, ids=lambda path: path.relative_to(PROJECT).as_posix())
def test_no_model_macro_or_test_names_a_schema_literally(path: Path) -> None:
    assert schemas_named_in_sql(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("path", YAML, ids=lambda path: path.relative_to(PROJECT).as_posix())
def test_no_description_or_hook_names_a_schema_literally(path: Path) -> None:
    assert schemas_named_in_yaml(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    "text",
    [
        "select * from marts.fct_user_day",
        "create schema if not exists intermediate;",
        "select intermediate.cusum(1)",
        "where relnamespace = to_regnamespace('staging')",
        "{% if x %}grant usage on schema marts to {{ reader }}{% endif %}",
    ],
)
def test_a_literal_name_in_sql_is_found(text: str) -> None:
    assert schemas_named_in_sql(text)


@pytest.mark.parametrize(
    "text", ["where: day = (select day from intermediate.int_as_of)", "- grant on schema marts to x"]
)
def test_a_literal_name_in_yaml_is_found(text: str) -> None:
    assert schemas_named_in_yaml(text)


@pytest.mark.parametrize(
    "text",
    [
        "select {{ intermediate() }}.cusum(1) -- of intermediate.cusum",
        "grant usage on schema {{ in_schema('marts') }} to x",
        "{# marts.fct_user_day #}select * from {{ ref('fct_user_day') }}",
    ],
)
def test_a_name_with_the_prefix_is_fine(text: str) -> None:
    assert schemas_named_in_sql(text) == []
    assert schemas_named_in_yaml(f"select x from {PREFIXED}marts.fct_user_day") == []
