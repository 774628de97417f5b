"""The lists beside the tables of a release: files, cut-offs and the codebook, and how they are written."""

import csv
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ingestion.release import codebook
from ingestion.release.cut_offs import CutOff
from ingestion.release.dictionary import Column, Table


def _column(name: str, data_type: str, description: str, **more: Any) -> Column:
    return Column(name, data_type, description, **more)


FILES = Table(
    "",
    "files",
    "The files that were offered to the pipeline. Grain: content of a file under a name.",
    (
        _column("file_id", "bigint", "The number of the file, which the staging tables name.", is_required=True),
        _column("file", "text", "The path in the landing zone; *** stands for a user id.", is_required=True),
        _column("sha256", "text", "The SHA-256 of its bytes.", is_required=True),
        _column("dataset", "text", "The dataset that it belongs to.", is_required=True),
        _column(
            "status",
            "text",
            "loaded: its rows are in the data. replaced: a newer file took their place. duplicate: the same bytes are "
            "loaded under another name. refused: the whole file. retracted: taken out by a person.",
            is_required=True,
            values=("loaded", "replaced", "duplicate", "refused", "retracted"),
        ),
        _column("size_bytes", "bigint", "Its size.", unit="bytes"),
        _column("rows_read", "bigint", "Records in the file.", unit="rows"),
        _column("rows_loaded", "bigint", "Records that were loaded.", unit="rows"),
        _column("rows_rejected", "bigint", "Records that were rejected.", unit="rows"),
        _column("rows_blank", "bigint", "Blank records.", unit="rows"),
        _column("rows_erased", "bigint", "Records of participants who were erased.", unit="rows"),
        _column("ingested_at", "timestamp with time zone", "When it was loaded, in UTC."),
    ),
    ("file_id",),
    (),
)
CUT_OFFS = Table(
    "",
    "cut_offs",
    "The numbers that decide which days count and which status somebody has, and other values for the models. "
    "Grain: name.",
    (
        _column("name", "text", "The name of dbt's var.", is_required=True),
        _column("value", "text", "The value that was used, as JSON.", is_required=True),
        _column("default", "text", "The pipeline's own value, as JSON."),
        _column("is_changed", "boolean", "Whether the value is not the pipeline's own.", is_required=True),
        _column("tables", "text", "The tables whose values it decides."),
    ),
    ("name",),
    (),
)
CODEBOOK = Table(
    "",
    "codebook",
    "What each table and column contains. Grain: table and position.",
    (
        _column("table", "text", "The table.", is_required=True),
        _column("position", "integer", "The place of the column; 0 for the table itself.", is_required=True),
        _column("column", "text", "The column."),
        _column("type", "text", "Its type in PostgreSQL."),
        _column("unit", "text", "The unit of its numbers."),
        _column("description", "text", "What it contains."),
        _column("values", "text", "The only values that it may have."),
        _column("minimum", "double precision", "The smallest number that it may have."),
        _column("maximum", "double precision", "The greatest number that it may have."),
        _column("is_required", "boolean", "Whether it is never empty."),
        _column("is_key", "boolean", "Whether it is part of the key of the table."),
        _column(
            "cut_offs", "text", "The cut-offs that its description names; of a table, those that decide its values."
        ),
    ),
    ("table", "position"),
    (),
)


def flow_of(tables: Iterable[Table]) -> Table | None:
    """Return the table that flow.csv has the rows of, in the order of the steps; None if the marts have none.

    Arguments:
        tables: the tables of the release.

    """
    for table in tables:
        if table.name == "rpt_flow":
            return replace(table, key=tuple("position" if name == "step" else name for name in table.key))
    return None


def write_files(path: Path, rows: Iterable[Any], mask: Callable[[str], str]) -> None:
    """Write files.csv.

    Arguments:
        path: the file.
        rows: the rows of the manifest.
        mask: removes user ids from the name of a file.

    """
    write(path, FILES, ({**row._asdict(), "file": mask(row.file)} for row in rows))


def write_cut_offs(path: Path, cut_offs: Iterable[CutOff], tables: Iterable[Table]) -> None:
    """Write cut_offs.csv.

    Arguments:
        path: the file.
        cut_offs: the cut-offs in force.
        tables: the tables of the release.

    """
    used = list(tables)
    rows = (
        {
            "name": each.name,
            "value": each.value,
            "default": each.default,
            "is_changed": each.is_changed,
            "tables": "; ".join(table.name for table in used if each.name in table.cut_offs),
        }
        for each in cut_offs
    )
    write(path, CUT_OFFS, rows)


def write_codebook(path: Path, tables: list[Table], cut_offs: list[CutOff]) -> None:
    """Write codebook.csv.

    Arguments:
        path: the file.
        tables: the tables of the release.
        cut_offs: the cut-offs in force.

    """
    write(path, CODEBOOK, codebook.rows(tables, cut_offs))


def write(path: Path, table: Table, rows: Iterable[Mapping[str, Any]]) -> None:
    """Write a list as CSV, as COPY writes tables.

    Arguments:
        path: the file.
        table: its columns.
        rows: its rows, by the names of the columns.

    Raises:
        OSError: the file cannot be written.

    """
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(column.name for column in table.columns)
        writer.writerows([_text(row.get(column.name)) for column in table.columns] for row in rows)


def masked(source: Path, target: Path, table: Table, mask: Callable[[str], str]) -> None:
    """Copy the CSV file of a table, with the user ids removed from the columns that may contain them.

    Arguments:
        source: the CSV file, with a header.
        target: the copy.
        table: the table.
        mask: removes user ids from a text.

    Raises:
        OSError: a file cannot be read or written.

    """
    places = {place for place, column in enumerate(table.columns) if column.handling == "masked"}

    def rows(lines: Iterable[list[str]]) -> Iterator[list[str]]:
        for line in lines:
            yield [mask(cell) if place in places else cell for place, cell in enumerate(line)]

    with source.open(encoding="utf-8", newline="") as file, target.open("w", encoding="utf-8", newline="") as copy:
        csv.writer(copy, lineterminator="\n").writerows(rows(csv.reader(file)))


def _text(value: object) -> object:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    return value
