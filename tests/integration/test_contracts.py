"""A dataset is said three times: its declaration, its table, and dbt's dataset and staging model. They must agree."""

import re
from collections.abc import Iterator
from typing import Any

import psycopg2
import pytest
import yaml
from psycopg2.sql import SQL, Identifier, Literal

from ingestion import db
from ingestion.config import ROOT
from ingestion.sources import EXTRA, Dataset
from tests.datasets import DATASETS

STAGING = ROOT / "dbt" / "models" / "staging"
LOAD_METADATA = {"_extra": "jsonb", "_file_id": "bigint", "_loaded_at": "timestamp with time zone"}
TYPES = {"timestamp": "timestamp without time zone"}

each_source = pytest.mark.parametrize("dataset", DATASETS, ids=lambda dataset: dataset.name)


@pytest.fixture
def connection(engine: db.Engine) -> Iterator[db.Connection]:
    with db.transaction(engine) as connection:
        yield connection


def fetch(connection: db.Connection, query: str, dataset: Dataset) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(query, {"name": dataset.name})
        return list(cursor.fetchall())


@each_source
def test_the_table_has_the_declared_columns(dataset: Dataset, connection: db.Connection) -> None:
    found = fetch(
        connection,
        "select column_name, data_type, is_nullable = 'NO' from information_schema.columns"
        " where table_schema = 'raw' and table_name = %(name)s order by ordinal_position",
        dataset,
    )
    declared = {column.name: TYPES.get(column.type, column.type) for column in dataset.columns}
    offset = {"_offset": "smallint"} if dataset.moment else {}
    # a dataset that keeps nothing undeclared has no column for it
    keeps_others = not all(layout.drop_extra for layout in dataset.layouts)
    metadata = {name: kind for name, kind in LOAD_METADATA.items() if keeps_others or name != EXTRA}
    assert {name: data_type for name, data_type, _ in found} == declared | offset | metadata
    assert [name for name, *_ in found if name in declared] == list(declared)
    # a row without its key means nothing; a value that is missing says so
    assert {name for name, _, not_null in found if not_null} == {*dataset.key, "_file_id", "_loaded_at"}


@each_source
def test_the_table_checks_the_declared_ranges(dataset: Dataset, connection: db.Connection) -> None:
    key: dict[str, object] = {name: "2026-01-20" if name != "user_id" else 1 for name in dataset.key}
    for column in dataset.columns:
        if column.name in dataset.key or column.type not in {"integer", "bigint", "double precision"}:
            continue
        lowest, highest = column.minimum, column.maximum
        assert takes(connection, dataset, {**key, column.name: -1_000_000 if lowest is None else lowest})
        assert takes(connection, dataset, {**key, column.name: 1_000_000 if highest is None else highest})
        assert lowest is None or not takes(connection, dataset, {**key, column.name: lowest - 1})
        assert highest is None or not takes(connection, dataset, {**key, column.name: highest + 1})
    assert takes(connection, dataset, key), "no value is in range"


def takes(connection: db.Connection, dataset: Dataset, row: dict[str, object]) -> bool:
    """Tell whether the raw table takes a row that has these values and no others."""
    names = SQL(", ").join(map(Identifier, row))
    values = SQL(", ").join(map(Literal, row.values()))
    statement = SQL("insert into raw.{} ({}, _file_id) values ({}, 1)").format(Identifier(dataset.name), names, values)
    try:
        with db.savepoint(connection), connection.cursor() as cursor:
            cursor.execute(statement)
    except psycopg2.errors.CheckViolation:
        return False
    return True


@each_source
def test_the_tables_are_described(dataset: Dataset, connection: db.Connection) -> None:
    ((comment,),) = fetch(connection, "select obj_description(format('raw.%%I', %(name)s::text)::regclass)", dataset)
    assert comment


@each_source
def test_dbt_knows_the_table_and_stages_it(dataset: Dataset) -> None:
    declared = yaml.safe_load((STAGING / "_sources.yml").read_text())["sources"]
    tables = {table["name"] for entry in declared if entry["name"] == "raw" for table in entry["tables"]}
    assert dataset.name in tables
    model = (STAGING / f"stg_{dataset.name}.sql").read_text()
    for word in dataset.key:
        assert word in model
    (described,) = yaml.safe_load((STAGING / f"stg_{dataset.name}.yml").read_text())["models"]
    names = {column["name"] for column in described["columns"]}
    assert {"user_id", "file_id"} <= names
    # every value of the export is staged, under its own name or under one that the model gives it
    unused = {c.name for c in dataset.columns if not re.search(rf"\b{c.name}\b", model)}
    assert unused <= {"weight_pounds"}


def test_dbt_knows_no_other_raw_table() -> None:
    declared = yaml.safe_load((STAGING / "_sources.yml").read_text())["sources"]
    tables = {table["name"] for entry in declared if entry["name"] == "raw" for table in entry["tables"]}
    assert tables == {dataset.name for dataset in DATASETS}
