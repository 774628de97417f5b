"""Writes a CSV file of a release as Parquet, a row group at a time, and reads it back as the same text.

fastparquet is at hand, because the pipeline reads Parquet with it. It has no type for dates without a time when it
writes; a date is stored as a number of days, so that the type is set in the file's description.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ingestion.release.dictionary import Column

if TYPE_CHECKING:
    import pandas as pd

ROWS_PER_GROUP = 100_000
_DTYPES = {"smallint": "Int16", "integer": "Int32", "bigint": "Int64", "boolean": "boolean"}
_FLOATS = ("double precision", "real", "numeric")


def write(source: Path, path: Path, columns: tuple[Column, ...]) -> None:
    """Write a CSV file as Parquet. The same CSV file always gives the same bytes.

    Arguments:
        source: the CSV file, with a header.
        path: the Parquet file.
        columns: the columns, with their PostgreSQL types.

    Raises:
        OSError: the file cannot be written.

    """
    import pandas as pd  # noqa: PLC0415  (importing it takes a second, which no other command needs)
    from fastparquet import parquet_thrift, writer  # noqa: PLC0415

    types = {column.name: _DTYPES.get(column.type) or _float(column) or "str" for column in columns}
    options: Any = {"dtype": types, "keep_default_na": False, "na_values": [""]}
    empty = _typed(pd.read_csv(source, nrows=0, **options), columns)
    description = writer.make_metadata(empty, has_nulls=True, object_encoding="utf8")
    for element, column in zip(description.schema[1:], columns, strict=True):
        if column.type == "date":
            element.converted_type = parquet_thrift.ConvertedType.DATE
    # the versions of Python's libraries say nothing about the data
    description.key_value_metadata = []
    with pd.read_csv(source, chunksize=ROWS_PER_GROUP, **options) as chunks:
        frames = (_typed(chunk, columns) for chunk in chunks)
        writer.write_simple(str(path), frames, description, compression="ZSTD", stats="auto")


def rows(path: Path, columns: tuple[tuple[str, str], ...]) -> Iterator[tuple[str, ...]]:
    """Yield the rows of a Parquet file as text, "" for none: numbers as Python writes them, times without a zone.

    Arguments:
        path: the Parquet file.
        columns: the name and the Table Schema type of each wanted column.

    """
    from fastparquet import ParquetFile  # noqa: PLC0415

    for frame in ParquetFile(str(path)).iter_row_groups(columns=[name for name, _ in columns]):
        yield from zip(*(_texts(frame[name], kind) for name, kind in columns), strict=True)


def as_read(value: str, kind: str) -> str:
    """Return the text of a value in a CSV file as `rows` yields it for a Parquet file.

    Arguments:
        value: the text.
        kind: its Table Schema type.

    """
    if kind == "number" and value:
        return repr(float(value))
    return value.removesuffix("Z") if kind == "datetime" else value


def _float(column: Column) -> str | None:
    return "float64" if column.type.startswith(_FLOATS) else None


def _typed(frame: "pd.DataFrame", columns: tuple[Column, ...]) -> "pd.DataFrame":
    import numpy as np  # noqa: PLC0415
    import pandas as pd  # noqa: PLC0415

    typed: dict[str, Any] = {}
    for column in columns:
        values = frame[column.name]
        if column.type == "date":
            days = values.to_numpy(dtype="datetime64[D]", na_value=np.datetime64("NaT"))
            is_missing = np.isnat(days)
            numbers = np.where(is_missing, 0, days.astype("int64")).astype("int32")
            typed[column.name] = pd.Series(pd.arrays.IntegerArray(numbers, is_missing), index=values.index)
        elif column.type == "timestamp without time zone":
            typed[column.name] = pd.to_datetime(values, format="ISO8601").astype("datetime64[us]")
        elif column.type == "timestamp with time zone":
            typed[column.name] = pd.to_datetime(values, format="ISO8601", utc=True).astype("datetime64[us, UTC]")
        else:
            typed[column.name] = values
    return pd.DataFrame(typed)


def _texts(values: "pd.Series[Any]", kind: str) -> list[str]:
    forms: dict[str, Callable[[Any], str]] = {
        "date": lambda value: value.strftime("%Y-%m-%d"),
        "datetime": lambda value: value.strftime("%Y-%m-%dT%H:%M:%S.%f"),
        "number": repr,
        "integer": lambda value: str(int(value)),
        "boolean": lambda value: str(bool(value)).lower(),
    }
    form = forms.get(kind, str)
    pairs = zip(values.tolist(), values.isna().tolist(), strict=True)
    return ["" if is_missing else form(value) for value, is_missing in pairs]
