"""A dataset is said three times: its declaration, its table, and dbt's source and staging model. They must agree."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from sqlalchemy import Engine

from ingestion import db
from ingestion.config import ROOT
from ingestion.sources import SOURCES, Column, Source

STAGING = ROOT / "dbt" / "models" / "staging"
LOAD_METADATA = {"_extra": "jsonb", "_file_id": "bigint", "_loaded_at": "timestamp with time zone"}
TYPES = {"timestamp": "timestamp without time zone"}

each_source = pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.name)


@pytest.fixture
def connection(engine: Engine) -> Iterator[db.Connection]:
    with db.transaction(engine) as connection:
        yield connection


def fetch(connection: db.Connection, query: str, source: Source) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(query, {"name": source.name})
        return list(cursor.fetchall())


@each_source
def test_the_table_has_the_declared_columns(source: Source, connection: db.Connection) -> None:
    found = fetch(
        connection,
        "select column_name, data_type, is_nullable = 'NO' from information_schema.columns"
        " where table_schema = 'raw' and table_name = %(name)s order by ordinal_position",
        source,
    )
    declared = {column.name: TYPES.get(column.type, column.type) for column in source.columns}
    assert {name: data_type for name, data_type, _ in found} == declared | LOAD_METADATA
    assert [name for name, *_ in found if name in declared] == list(declared)
    # a row without its key means nothing; a value that is missing says so
    assert {name for name, _, not_null in found if not_null} == {*source.key, "_file_id", "_loaded_at"}


@each_source
def test_the_table_checks_the_declared_ranges(source: Source, connection: db.Connection) -> None:
    found = fetch(
        connection,
        "select pg_get_constraintdef(c.oid) from pg_constraint as c"
        " where c.conrelid = format('raw.%%I', %(name)s::text)::regclass and c.contype = 'c'",
        source,
    )
    checks = " ".join(check for (check,) in found)
    assert {column.name: bounds(checks, column.name) for column in source.columns} == {
        column.name: declared_bounds(column) for column in source.columns
    }


def bounds(checks: str, column: str) -> dict[str, int]:
    found = re.findall(rf"(?<!\w){column} (>=|<=) \(?'?(\d+)", checks)
    return {operator: int(number) for operator, number in found}


def declared_bounds(column: Column) -> dict[str, int]:
    return {
        operator: number for operator, number in ((">=", column.minimum), ("<=", column.maximum)) if number is not None
    }


@each_source
def test_the_tables_are_described(source: Source, connection: db.Connection) -> None:
    ((comment,),) = fetch(connection, "select obj_description(format('raw.%%I', %(name)s::text)::regclass)", source)
    assert comment


@each_source
def test_dbt_knows_the_table_and_stages_it(source: Source) -> None:
    declared = yaml.safe_load((STAGING / "_sources.yml").read_text())["sources"]
    tables = {table["name"] for entry in declared if entry["name"] == "raw" for table in entry["tables"]}
    assert source.name in tables
    model = (STAGING / f"stg_fitbit__{source.name}.sql").read_text()
    for word in source.key:
        assert word in model
    (described,) = yaml.safe_load((STAGING / f"stg_fitbit__{source.name}.yml").read_text())["models"]
    names = {column["name"] for column in described["columns"]}
    assert {"user_id", "file_id"} <= names
    # every value of the export is staged, under its own name or under one that the model gives it
    unused = {c.name for c in source.columns if not re.search(rf"\b{c.name}\b", model)}
    assert unused <= {"weight_pounds"}


def test_dbt_knows_no_other_raw_table() -> None:
    declared = yaml.safe_load((STAGING / "_sources.yml").read_text())["sources"]
    tables = {table["name"] for entry in declared if entry["name"] == "raw" for table in entry["tables"]}
    assert tables == {source.name for source in SOURCES}
