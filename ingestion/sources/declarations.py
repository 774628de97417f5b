"""Read the declarations: one TOML file per dataset, and one per additional device."""

import codecs
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import fields
from fractions import Fraction
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import Any, TypeVar, get_args

from ingestion.errors import ConfigurationError
from ingestion.sources.model import (
    Column,
    ColumnType,
    Dataset,
    DateOrder,
    Export,
    ExportColumn,
    ExportFormat,
    normalise,
)

_HERE = Path(__file__).parent
_IDENTIFIER = re.compile(r"[a-z][a-z0-9_]{0,62}")
_TYPES = {
    str: "a string",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    list: "a list",
    dict: "a table",
}
_T = TypeVar("_T")
_D = TypeVar("_D")


@cache
def declared() -> tuple[Dataset, ...]:
    """Return the declared datasets, in the order of their names.

    Raises:
        ConfigurationError: a declaration is invalid.

    """
    return read(_HERE / "datasets", _HERE / "devices")


def read(datasets: Path, devices: Path) -> tuple[Dataset, ...]:
    """Read declarations.

    Arguments:
        datasets: a folder of TOML files, each named after its raw table.
        devices: a folder of TOML files, each for the exports of one more device.

    Raises:
        ConfigurationError: a declaration is invalid.

    """
    exports = sorted(
        (pair for path in sorted(devices.glob("*.toml")) for pair in _read_device(path)), key=lambda pair: pair[0]
    )
    by_dataset = {
        name: tuple(export for _, export in pairs) for name, pairs in groupby(exports, key=lambda pair: pair[0])
    }
    declared_datasets = tuple(
        _read_dataset(path, by_dataset.pop(path.stem, ())) for path in sorted(datasets.glob("*.toml"))
    )
    if by_dataset:
        raise _wrong(devices, f"there is no dataset {', '.join(by_dataset)}")
    return declared_datasets


class _Table:
    """A TOML table. Reading a key removes it, so that `close` finds keys that nothing reads.

    Arguments:
        place: where the table is, for messages.
        values: its keys and values.

    """

    def __init__(self, place: str, values: Mapping[str, Any]) -> None:
        self.place = place
        self._values = dict(values)

    def need(self, key: str, kind: type[_T]) -> _T:
        """Return the value of a required key."""
        if key not in self._values:
            raise _wrong(self.place, f"{key} is missing")
        return self.get(key, kind, kind())

    def get(self, key: str, kind: type[_T], default: _D) -> _T | _D:
        """Return the value of a key, or the default without the key."""
        if key not in self._values:
            return default
        value = self._values.pop(key)
        if kind is float and type(value) is int:
            value = float(value)
        if type(value) is not kind:
            raise _wrong(self.place, f"{key} must be {_TYPES[kind]}")
        return value

    def need_texts(self, key: str) -> tuple[str, ...]:
        """Return the texts of a required list."""
        found = self.need(key, list)
        if not found or not all(isinstance(each, str) and each for each in found):
            raise _wrong(self.place, f"{key} must be a list of strings")
        return tuple(found)

    def get_word(self, key: str, allowed: tuple[str, ...], default: str | None = "") -> Any:
        """Return the value of a key that allows only certain words. It is required where the default is ""."""
        word = self.get(key, str, default)
        if word is not None and word not in allowed:
            raise _wrong(self.place, f"{key} must be one of {', '.join(allowed)}")
        return word

    def get_factor(self) -> float | None:
        """Return `factor`, which is a number or a fraction in quotes."""
        factor = self._values.pop("factor", None)
        if factor is None:
            return None
        try:
            value = float(Fraction(factor)) if type(factor) in {str, int, float} else 0
        except (ValueError, ZeroDivisionError):
            value = 0
        if value <= 0:
            raise _wrong(self.place, 'factor must be a number, or a fraction like "1/60"')
        return value

    def close(self, *known: str) -> None:
        """Refuse keys that were not read: a misspelt key would have no effect."""
        if self._values:
            raise _wrong(self.place, f"unknown key {', '.join(self._values)}; the keys are {', '.join(known)}")


def _open(path: Path) -> _Table:
    place = f"{path.parent.name}/{path.name}"
    try:
        return _Table(place, tomllib.loads(path.read_text(encoding="utf-8")))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as exc:
        raise _wrong(place, str(exc)) from exc


def _read_dataset(path: Path, exports: tuple[Export, ...]) -> Dataset:
    table = _open(path)
    dataset = Dataset(
        name=path.stem,
        stems=table.need_texts("files"),
        key=table.need_texts("key"),
        columns=tuple(
            _read_column(f"{table.place}: columns.{name}", name, values)
            for name, values in table.need("columns", dict).items()
        ),
        date_order=table.get_word("date_order", get_args(DateOrder), None),
        max_rejected_percent=table.get("max_rejected_percent", float, Dataset.max_rejected_percent),
        max_rejected_rows=table.get("max_rejected_rows", int, Dataset.max_rejected_rows),
        delimiter=table.get("delimiter", str, None),
        quote=table.get("quote", str, Dataset.quote),
        encoding=table.get("encoding", str, Dataset.encoding),
        exports=exports,
    )
    table.close("files", *(field.name for field in fields(Dataset) if field.name not in {"name", "stems", "layouts"}))
    for problem in _problems(dataset):
        raise _wrong(table.place, problem)
    return dataset


def _read_column(place: str, name: str, values: Any) -> Column:
    if not isinstance(values, dict):
        raise _wrong(place, 'must be a table, such as { header = "Steps", type = "integer" }')
    table = _Table(place, values)
    column = Column(
        name=name,
        header=table.need("header", str),
        type=table.get_word("type", get_args(ColumnType)),
        required=table.get("required", bool, default=False),
        minimum=table.get("minimum", int, None),
        maximum=table.get("maximum", int, None),
        aliases=table.need_texts("aliases") if "aliases" in values else (),
    )
    table.close(*(field.name for field in fields(Column) if field.name not in {"name", "factor", "parts"}))
    return column


def _read_device(path: Path) -> Iterator[tuple[str, Export]]:
    table = _open(path)
    device = table.need("device", str)
    for number, values in enumerate(table.need("exports", list), 1):
        place = f"{table.place}: exports {number}"
        if not isinstance(values, dict):
            raise _wrong(place, "must be a table: [[exports]]")
        yield _read_export(device, _Table(place, values))
    table.close("device", "exports")


def _read_export(device: str, table: _Table) -> tuple[str, Export]:
    dataset = table.need("dataset", str)
    export = Export(
        device=device,
        stems=table.need_texts("files"),
        columns=tuple(
            _read_export_column(f"{table.place}: columns.{name}", name, values)
            for name, values in table.need("columns", dict).items()
        ),
        date_order=table.get_word("date_order", get_args(DateOrder), None),
        format=table.get_word("format", get_args(ExportFormat), Export.format),
        table=table.get("table", str, Export.table),
    )
    table.close("dataset", "files", "columns", "date_order", "format", "table")
    return dataset, export


def _read_export_column(place: str, name: str, values: Any) -> ExportColumn:
    if isinstance(values, str):
        return ExportColumn(name, values)
    if not isinstance(values, dict):
        raise _wrong(place, 'must be a header, or a table such as { header = "Total", factor = "1/60" }')
    table = _Table(place, values)
    parts = table.need_texts("sum") if "sum" in values else ()
    taken = ExportColumn(
        name=name,
        header=" + ".join(parts) or table.need("header", str),
        factor=table.get_factor(),
        required=table.get("required", bool, default=True),
        parts=parts,
    )
    table.close("header or sum", "factor", "required")
    return taken


def _problems(dataset: Dataset) -> Iterator[str]:
    """Yield the contradictions of a declaration."""
    if len(dataset.quote) != 1 or len(dataset.delimiter or ",") != 1:
        yield "delimiter and quote must be one character each"
    if not _is_encoding(dataset.encoding):
        yield f"{dataset.encoding} is not an encoding that Python knows"
    if not 0 <= dataset.max_rejected_percent <= 100 or dataset.max_rejected_rows < 0:  # noqa: PLR2004
        yield "max_rejected_percent must be from 0 to 100, and max_rejected_rows not negative"
    yield from _column_problems(dataset)
    names = {column.name for column in dataset.columns}
    for export in dataset.exports:
        taken = {column.name for column in export.columns}
        if unknown := taken - names:
            yield f"{export.device} fills {', '.join(sorted(unknown))}, which the dataset does not have"
        if missing := set(dataset.key) - taken - {"user_id"}:
            yield f"{export.device} does not fill {', '.join(sorted(missing))}, which is part of the key"
        if export.format != "json" and any(column.parts for column in export.columns):
            yield f'{export.device} has a sum, which needs format = "json"'


def _column_problems(dataset: Dataset) -> Iterator[str]:
    for name in (dataset.name, *(column.name for column in dataset.columns)):
        if not _IDENTIFIER.fullmatch(name):
            yield f"{name} is not a valid name: use lower-case letters, digits and _"
    required = {column.name for column in dataset.columns if column.required}
    if "user_id" not in required:
        yield "columns must have a required user_id"
    if missing := set(dataset.key) - required:
        yield f"key: {', '.join(sorted(missing))} must be a required column"
    for header, columns in _by_header(dataset).items():
        if len(columns) > 1:
            yield f"{' and '.join(columns)} both match the header {header}"
    for column in dataset.columns:
        if column.minimum is not None and column.maximum is not None and column.minimum > column.maximum:
            yield f"columns.{column.name}: minimum is above maximum"


def _is_encoding(name: str) -> bool:
    try:
        codecs.lookup(name)
    except LookupError:
        return False
    return True


def _by_header(dataset: Dataset) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for column in dataset.columns:
        for header in {normalise(text) for text in (column.header, column.name, *column.aliases)}:
            found.setdefault(header, []).append(column.name)
    return found


def _wrong(place: Path | str, problem: str) -> ConfigurationError:
    return ConfigurationError(
        f"ingestion/sources/{place.name if isinstance(place, Path) else place}: {problem}",
        hint="See docs/datasets.md for the keys of a declaration.",
    )
