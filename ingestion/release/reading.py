"""Reads a release from its folder, without a database."""

import csv
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from ingestion.errors import BadDataError, UsageError
from ingestion.release import checksums, parquet
from ingestion.release.writing import FORM

Row = tuple[str, ...]


@dataclass(frozen=True)
class Data:
    """The file of a table.

    Arguments:
        path: the file.
        columns: the columns with their types in the Table Schema, in the order of the file.
        key: the columns that identify a row; empty where none do.

    """

    path: Path
    columns: dict[str, str]
    key: tuple[str, ...]

    @property
    def is_parquet(self) -> bool:
        """Whether it is a Parquet file."""
        return self.path.suffix == ".parquet"

    def rows(self, names: tuple[str, ...], *, as_parquet: bool = False) -> Iterator[Row]:
        """Yield the values of some columns as text, "" for none.

        Arguments:
            names: the columns.
            as_parquet: write numbers and times as they are read from Parquet.

        """
        if self.is_parquet:
            yield from parquet.rows(self.path, tuple((name, self.columns[name]) for name in names))
            return
        with self.path.open(encoding="utf-8", newline="") as file:
            lines = csv.reader(file)
            header = next(lines)
            places = [header.index(name) for name in names]
            kinds = [self.columns[name] for name in names]
            for line in lines:
                values = tuple(line[place] for place in places)
                yield tuple(map(parquet.as_read, values, kinds)) if as_parquet else values

    def order(self, names: tuple[str, ...]) -> Callable[[Row], tuple[Any, ...]]:
        """Return the function that sorts the values of some columns as the file is sorted.

        Arguments:
            names: the columns.

        """
        kinds = [self.columns[name] for name in names]

        def position(values: Row) -> tuple[Any, ...]:
            # PostgreSQL sorts what has no value to the end
            return tuple((not value, _comparable(value, kind)) for value, kind in zip(values, kinds, strict=True))

        return position


class Release:
    """A release in a folder.

    Arguments:
        folder: the folder.

    Raises:
        UsageError: the folder contains no release.
        BadDataError: it was altered, or another version of the pipeline wrote it.

    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        if not (folder / checksums.NAME).is_file() or not (folder / "datapackage.json").is_file():
            raise UsageError(f"{folder} is not a release", hint="Name two folders that `release` has written.")
        try:
            altered = checksums.altered(folder)
            if not altered:
                self.checksums = checksums.read(folder)
                self.versions = self._json("versions.json")
                self._package = self._json("datapackage.json")
        except (OSError, ValueError) as exc:
            raise BadDataError(f"{folder} cannot be read ({type(exc).__name__})", hint="Copy it again.") from exc
        if altered:
            raise BadDataError(
                f"{folder} was altered after it was written: {', '.join(altered)}",
                hint="Copy it again from where it was written. sha256sum -c SHA256SUMS says the same.",
            )
        if self.versions["form"] != FORM:
            raise BadDataError(f"{folder} was written in another form", hint="Use the version that wrote it.")

    @cached_property
    def tables(self) -> dict[str, Data]:
        """The file of each table in `data/`."""
        return {
            resource["name"]: Data(
                self.folder / resource["path"],
                {field["name"]: field["type"] for field in resource["schema"]["fields"]},
                tuple(resource["schema"].get("primaryKey", ())),
            )
            for resource in self._package["resources"]
            if resource["path"].startswith("data/") and "schema" in resource
        }

    def checksum_of(self, data: Data) -> str:
        """Return the recorded SHA-256 of a table's file.

        Arguments:
            data: the file.

        """
        return self.checksums[data.path.relative_to(self.folder).as_posix()]

    def listed(self, name: str) -> list[dict[str, str]]:
        """Return the rows of a list beside the tables.

        Arguments:
            name: the list: `files` or `cut_offs`.

        """
        with (self.folder / f"{name}.csv").open(encoding="utf-8", newline="") as file:
            return list(csv.DictReader(file))

    def _json(self, name: str) -> dict[str, Any]:
        document: dict[str, Any] = json.loads((self.folder / name).read_text(encoding="utf-8"))
        return document


def _comparable(value: str, kind: str) -> Any:
    if not value:
        return ""
    if kind == "integer":
        return int(value)
    return float(value) if kind == "number" else value
