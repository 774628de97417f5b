"""The description of a release for programs: datapackage.json, a Frictionless Data Package."""

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ingestion.release.checksums import sha256_of
from ingestion.release.dictionary import PARTICIPANT, PARTICIPANTS, Column, Table

_TYPES = {
    "smallint": "integer",
    "integer": "integer",
    "bigint": "integer",
    "boolean": "boolean",
    "date": "date",
    "timestamp without time zone": "datetime",
    "timestamp with time zone": "datetime",
    "text": "string",
}
PARQUET = "application/vnd.apache.parquet"


@dataclass(frozen=True)
class Written:
    """A table that is written.

    Arguments:
        table: the table.
        rows: the number of its rows.
        formats: `csv`, `parquet` or both, the first first.

    """

    table: Table
    rows: int
    formats: tuple[str, ...]


def describe(folder: Path, written: list[Written], others: list[Table], referring: Collection[str]) -> dict[str, Any]:
    """Return the description of the files of a release.

    Arguments:
        folder: the folder of the files.
        written: the tables in `data/`.
        others: the tables beside it, as CSV files.
        referring: the tables whose participants are all in the table of participants.

    """
    has_participants = any(each.table.name == PARTICIPANTS for each in written)
    resources = []
    for each in written:
        for form in each.formats:
            name = each.table.name if form == each.formats[0] else f"{each.table.name}-{form}"
            refers = has_participants and each.table.name in referring
            resource = _resource(folder, f"data/{each.table.name}.{form}", name, each.table)
            # the other format has the same rows: one of them is enough to check
            if form == each.formats[0]:
                resource["schema"] = _schema(each.table, refers=refers)
            resources.append(resource)
    for table in others:
        resource = _resource(folder, f"{table.name}.csv", table.name.replace("_", "-"), table)
        resources.append({**resource, "schema": _schema(table, refers=False)})
    return {
        "$schema": "https://datapackage.org/profiles/2.0/datapackage.json",
        "name": "wearables-release",
        "description": "Marts of a study with wearable devices. README.md says how to check and cite them.",
        "resources": resources,
    }


def type_of(column: Column) -> str:
    """Return the type of a column in a Table Schema.

    Arguments:
        column: the column.

    """
    return _TYPES.get(column.type, "number")


def _resource(folder: Path, path: str, name: str, table: Table) -> dict[str, Any]:
    file = folder / path
    described = {"name": name, "path": path, "description": table.description, "format": file.suffix[1:]}
    if file.suffix != ".csv":
        # Frictionless counts and hashes no Parquet files, and calls them wrong if their size is given
        return {**described, "mediatype": PARQUET}
    size = {"bytes": file.stat().st_size, "hash": f"sha256:{sha256_of(file)}"}
    return {**described, "type": "table", "encoding": "utf-8", "mediatype": "text/csv", **size}


def _schema(table: Table, *, refers: bool) -> dict[str, Any]:
    schema: dict[str, Any] = {"fields": [_field(column) for column in table.columns], "missingValues": [""]}
    if table.key:
        schema["primaryKey"] = list(table.key)
    if refers and table.name != PARTICIPANTS:
        reference = {"resource": PARTICIPANTS, "fields": [PARTICIPANT]}
        schema["foreignKeys"] = [{"fields": [PARTICIPANT], "reference": reference}]
    return schema


def _field(column: Column) -> dict[str, Any]:
    limits: dict[str, Any] = {"required": True} if column.is_required else {}
    if column.values:
        limits["enum"] = list(column.values)
    for name, value in (("minimum", column.minimum), ("maximum", column.maximum)):
        if value is not None:
            limits[name] = int(value) if value.is_integer() else value
    return {
        "name": column.name,
        "type": type_of(column),
        "description": column.description,
        **({"unit": column.unit} if column.unit else {}),
        **({"constraints": limits} if limits else {}),
    }
