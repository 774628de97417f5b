"""Read the declarations: one TOML file per dataset, and one per additional device."""

import codecs
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields, replace
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any, TypeVar, get_args

from ingestion.errors import ConfigurationError
from ingestion.sources.model import (
    OFFSET,
    Clock,
    Column,
    ColumnType,
    Dataset,
    DateOrder,
    ExportFormat,
    Layout,
    Written,
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
_OFFSET_COLUMN = Column(OFFSET, OFFSET, "integer", minimum=-12 * 60, maximum=14 * 60)
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
    found = {dataset.name: dataset for dataset in map(_read_dataset, sorted(datasets.glob("*.toml")))}
    layouts: dict[str, list[Layout]] = {name: [] for name in found}
    for path in sorted(devices.glob("*.toml")):
        for name, layout in _read_device(path, found):
            layouts[name].append(layout)
    return tuple(replace(dataset, exports=tuple(layouts[name])) for name, dataset in found.items())


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

    def get_texts(self, key: str) -> tuple[str, ...]:
        """Return the texts of a list, none without the key."""
        return self.need_texts(key) if key in self._values else ()

    def get_one_or_more(self, key: str) -> tuple[str, ...]:
        """Return a text, or the texts of a list, none without the key."""
        if isinstance(self._values.get(key), str):
            return (self.need(key, str),)
        return self.get_texts(key)

    def get_wanted(self, key: str) -> tuple[tuple[str, tuple[str, ...]], ...]:
        """Return the texts of a table, one or more for each of its keys."""
        table = _Table(f"{self.place}: {key}", self.get(key, dict, {}))
        return tuple((name, table.get_one_or_more(name)) for name in tuple(table))

    def __iter__(self) -> Iterator[str]:
        return iter(tuple(self._values))

    def get_groups(self, key: str) -> tuple[tuple[str, ...], ...]:
        """Return a list of texts, or of lists of texts, as groups."""
        found = self.get(key, list, [])
        groups = tuple(tuple(each) if isinstance(each, list) else (each,) for each in found)
        if not all(group and all(isinstance(text, str) and text for text in group) for group in groups):
            raise _wrong(self.place, f"{key} must be a list of strings, or of lists of them")
        return groups

    def get_conditions(self, key: str) -> tuple[tuple[str, str], ...]:
        """Return the texts of a table, by their keys."""
        found = self.get(key, dict, {})
        if not all(isinstance(each, str) for each in found.values()):
            raise _wrong(self.place, f"{key} must be a table of strings")
        return tuple(found.items())

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


def _read_dataset(path: Path) -> Dataset:
    table = _open(path)
    dataset = Dataset(
        name=path.stem,
        stems=table.get_texts("files"),
        key=table.need_texts("key"),
        columns=tuple(
            _read_column(f"{table.place}: columns.{name}", name, values)
            for name, values in table.need("columns", dict).items()
        ),
        moment=table.get("moment", str, None),
        device=table.get("device", str, Dataset.device),
        date_order=table.get_word("date_order", get_args(DateOrder), None),
        max_rejected_percent=table.get("max_rejected_percent", float, Dataset.max_rejected_percent),
        max_rejected_rows=table.get("max_rejected_rows", int, Dataset.max_rejected_rows),
        delimiter=table.get("delimiter", str, None),
        quote=table.get("quote", str, Dataset.quote),
        encoding=table.get("encoding", str, Dataset.encoding),
    )
    known = {field.name for field in fields(Dataset)} - {"name", "stems", "exports", "layouts"}
    table.close("files", *(field.name for field in fields(Dataset) if field.name in known))
    for problem in _problems(dataset):
        raise _wrong(table.place, problem)
    return dataset


def _read_column(place: str, name: str, values: Any) -> Column:
    if not isinstance(values, dict):
        raise _wrong(place, 'must be a table, such as { header = "Steps", type = "integer" }')
    table = _Table(place, values)
    column = Column(
        name=name,
        header=table.get("header", str, name),
        type=table.get_word("type", get_args(ColumnType)),
        required=table.get("required", bool, default=False),
        minimum=table.get("minimum", int, None),
        maximum=table.get("maximum", int, None),
        aliases=table.get_texts("aliases"),
        usual=table.get("usual", bool, Column.usual),
    )
    table.close("header", "type", "required", "minimum", "maximum", "aliases", "usual")
    return column


def _read_device(path: Path, datasets: Mapping[str, Dataset]) -> Iterator[tuple[str, Layout]]:
    table = _open(path)
    device = table.need("device", str)
    for number, values in enumerate(table.need("exports", list), 1):
        place = f"{table.place}: exports {number}"
        if not isinstance(values, dict):
            raise _wrong(place, "must be a table: [[exports]]")
        export = _Table(place, values)
        dataset = datasets.get(name := export.need("dataset", str))
        if dataset is None:
            raise _wrong(place, f"there is no dataset {name}")
        yield name, _read_export(device, dataset, export)
    table.close("device", "exports")


def _read_export(device: str, dataset: Dataset, table: _Table) -> Layout:
    date_order = table.get_word("date_order", get_args(DateOrder), None)
    columns = [
        _read_export_column(f"{table.place}: columns.{name}", name, values, dataset)
        for name, values in table.need("columns", dict).items()
    ]
    layout = Layout(
        device=device,
        columns=tuple(columns),
        usual_order=date_order or table.get_word("usual_order", get_args(DateOrder), "YMD"),
        stems=table.need_texts("files"),
        date_order=date_order,
        format=table.get_word("format", get_args(ExportFormat), Layout.format),
        table=table.get("table", str, Layout.table),
        section=table.get("section", str, Layout.section),
        rows=table.get("rows", str, None),
        when=table.get_conditions("when"),
        where=table.get_wanted("where"),
        has=table.get_groups("has"),
        lacks=table.get_texts("lacks"),
        drop_extra=table.get("drop_extra", bool, Layout.drop_extra),
        clock=table.get_word("clock", get_args(Clock), Layout.clock),
        needs_name=table.get("needs_name", bool, None),
        person=table.get("person", str, Layout.person),
    )
    if layout.table:
        layout = replace(layout, columns=(dataset.by_name["user_id"], *layout.columns))
    table.close(
        *("dataset", "files", "columns", "date_order", "usual_order", "format", "table", "section", "rows"),
        *("when", "where", "has", "lacks"),
        *("needs_name", "drop_extra", "clock", "person"),
    )
    for problem in _layout_problems(dataset, layout):
        raise _wrong(table.place, problem)
    return layout


def _read_export_column(place: str, name: str, values: Any, dataset: Dataset) -> Column:
    if isinstance(values, str):
        values = {"header": values}
    if not isinstance(values, dict):
        raise _wrong(place, 'must be a header, or a table such as { header = "Total", factor = "1/60" }')
    column = _OFFSET_COLUMN if dataset.moment and name == OFFSET else dataset.by_name.get(name)
    if column is None:
        raise _wrong(place, f"the dataset {dataset.name} has no such column")
    table = _Table(place, values)
    parts = table.get_texts("sum")
    constant = table.get("constant", str, None)
    join = table.get_texts("join")
    if len([each for each in (parts, constant, join, values.get("header")) if each]) != 1:
        raise _wrong(place, "needs one of header, sum, join and constant")
    optional = tuple(part.removesuffix("?") for part in parts if part.endswith("?"))
    parts = tuple(part for part in parts if not part.endswith("?"))
    if optional and not parts:
        raise _wrong(place, "sum needs a part without ?")
    filled = replace(
        column,
        header=constant if constant is not None else table.get("header", str, " + ".join(parts) or " ".join(join)),
        factor=table.get_factor(),
        required=table.get("required", bool, default=True),
        aliases=table.get_texts("aliases"),
        parts=parts,
        optional_parts=optional,
        constant=constant,
        join=join,
        values=tuple((word.casefold(), text) for word, text in table.get_conditions("values")),
        written=table.get_word("written", get_args(Written), None),
        offset=table.get_one_or_more("offset"),
        shift=table.get_one_or_more("shift"),
    )
    table.close(
        *("header, sum, join or constant", "aliases", "factor", "required"), *("values", "written", "offset", "shift")
    )
    if filled.is_computed and filled.aliases:
        raise _wrong(place, "aliases are for a header only")
    return filled


def _problems(dataset: Dataset) -> Iterator[str]:
    """Yield the contradictions of a declaration."""
    if len(dataset.quote) != 1 or len(dataset.delimiter or ",") != 1:
        yield "delimiter and quote must be one character each"
    if not _is_encoding(dataset.encoding):
        yield f"{dataset.encoding} is not an encoding that Python knows"
    if not 0 <= dataset.max_rejected_percent <= 100 or dataset.max_rejected_rows < 0:  # noqa: PLR2004
        yield "max_rejected_percent must be from 0 to 100, and max_rejected_rows not negative"
    yield from _column_problems(dataset)


def _layout_problems(dataset: Dataset, layout: Layout) -> Iterator[str]:
    """Yield the contradictions of an export."""
    filled = {column.name for column in layout.columns}
    if missing := set(dataset.key) - filled - {"user_id"}:
        yield f"{layout.device} does not fill {', '.join(sorted(missing))}, which is part of the key"
    if optional := sorted(
        column.name
        for column in layout.columns
        # the path names the person where a file does not
        if column.name in dataset.key and column.name != "user_id" and not column.required
    ):
        yield f"{', '.join(optional)} is part of the key, and must be required"
    if layout.format != "json" and (layout.rows is not None or layout.when):
        yield 'rows and when need format = "json"'
    if layout.when and not layout.rows:
        yield "when needs rows: it is about the objects around them"
    if layout.drop_extra and layout.parts - layout.by_header.keys():
        yield "a sum needs its parts, which drop_extra drops"
    if OFFSET in filled and not layout.table:
        yield f'{OFFSET} is for a table; write offset = "..." on the column of time'
    if layout.table and layout.computed:
        yield "a table has no sum and no constant"
    for header, columns in _by_header(layout.columns).items():
        if len(columns) > 1:
            yield f"{' and '.join(columns)} both match the header {header}"


def _column_problems(dataset: Dataset) -> Iterator[str]:
    for name in (dataset.name, *(column.name for column in dataset.columns)):
        if not _IDENTIFIER.fullmatch(name):
            yield f"{name} is not a valid name: use lower-case letters, digits and _"
    required = {column.name for column in dataset.columns if column.required}
    if "user_id" not in required:
        yield "columns must have a required user_id"
    if missing := set(dataset.key) - required:
        yield f"key: {', '.join(sorted(missing))} must be a required column"
    if dataset.moment and not any(each.name == dataset.moment and each.type == "timestamp" for each in dataset.columns):
        yield f"moment: {dataset.moment} must be a column of type timestamp"
    for header, columns in _by_header(dataset.columns, with_names=True).items():
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


def _by_header(columns: Iterable[Column], *, with_names: bool = False) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for column in columns:
        headers = (*(() if column.is_computed else column.headers), *((column.name,) if with_names else ()))
        for header in {normalise(text) for text in headers}:
            found.setdefault(header, []).append(column.name)
    return found


def _wrong(place: Path | str, problem: str) -> ConfigurationError:
    return ConfigurationError(
        f"ingestion/sources/{place.name if isinstance(place, Path) else place}: {problem}",
        hint="See docs/datasets.md for the keys of a declaration.",
    )
