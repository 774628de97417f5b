"""Read records: check their form, and rewrite them as lines for COPY."""

import json
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

from ingestion.errors import FileRefusedError
from ingestion.load.fields import join_fields, split
from ingestion.load.header import Header
from ingestion.load.written import Written
from ingestion.quarantine import Reason
from ingestion.results import Remark
from ingestion.sources import Column, normalise

_TOTALS = frozenset({"total", "totals", "grand total", "sum", "average", "mean", "gesamt", "summe", "mittelwert"})


@dataclass(frozen=True)
class Record:
    """One record of a file, not yet parsed.

    Arguments:
        line: the physical line that it begins on; the first line of the file is 1.
        raw: its bytes, without the line end.

    """

    line: int
    raw: bytes


class RowReader:
    """Reads records: checks their form, cleans their values, and gathers evidence on how the values are written.

    Arguments:
        header: the file's header.
        key: the names of the columns that a row must have.

    """

    def __init__(self, header: Header, key: Collection[str]) -> None:
        self._header = header
        self._dialect = header.dialect
        self._places = [(place, each) for place, each in enumerate(header.fields) if isinstance(each, Column)]
        self._key_places = {place for place, column in self._places if column.name in key}
        self._written = {column.name: Written(column, is_key=column.name in key) for _, column in self._places}
        self._names = {normalise(name) for name in header.names}
        self._totals = 0
        self._headers = 0

    @property
    def written(self) -> list[Written]:
        """How the values of each declared column are written."""
        return list(self._written.values())

    def remarks(self) -> Iterator[Remark]:
        """Yield what was left out."""
        if self._totals:
            yield Remark(f"{self._totals:,} lines of totals are left out")
        if self._headers:
            yield Remark(f"the header stands {self._headers:,} times more among the rows")

    def read(self, record: Record) -> tuple[str, None] | tuple[None, Reason | None]:
        """Check the form of a record, and clean its values.

        Arguments:
            record: a record.

        Returns:
            The fields as a line for COPY in the file's dialect; or None and the reason to reject the record; or None
            twice where it has no values, or is a line of totals.

        """
        values, reason = self._values(record)
        if values is None or self._is_header(values, record.line):
            return None, reason
        for place, column in self._places:
            if value := values[place]:
                values[place] = self._written[column.name].clean(value, record.line)
        if self._is_of_totals(values):
            self._totals += 1
            return None, None
        line = join_fields(values, self._dialect)
        reason = _fault_of_object(line) if self._dialect.format == "ndjson" else None
        return (None, reason) if reason else (line, None)

    def _values(self, record: Record) -> tuple[list[Any], None] | tuple[None, Reason | None]:
        """Return the values in the order of the header; or None and the reason to reject them, if there are any."""
        if b"\x00" in record.raw:
            return None, "nul_byte"
        try:
            text = record.raw.decode()
        except UnicodeDecodeError:
            return None, "undecodable"
        if not text.strip():
            return None, None
        if self._dialect.format == "ndjson":
            return _values_of_object(text, self._header)
        values, reason = split(text, self._dialect)
        if values is None or not any(value.strip() for value in values):
            return None, reason
        reason = self._fit(values)
        return (None, reason) if reason else (values, None)

    def _fit(self, values: list[str]) -> Reason | None:
        """Remove a delimiter at the end of the row that all rows have, and return what is wrong with their number."""
        if self._dialect.has_trailing_delimiter and len(values) == len(self._header.fields) + 1 and not values[-1]:
            values.pop()
        elif self._dialect.has_trailing_delimiter:
            return "too_few_fields" if len(values) <= len(self._header.fields) else "too_many_fields"
        if len(values) == len(self._header.fields):
            return None
        return "too_few_fields" if len(values) < len(self._header.fields) else "too_many_fields"

    def _is_header(self, values: Sequence[Any], line: int) -> bool:
        """Whether this is the header once more. Another header begins another table."""
        found = str(values[min(self._key_places, default=0)] or "")
        if found[:1].isdecimal() or normalise(found) not in self._names:
            return False
        names = [normalise(str(value or "")) for value in values]
        if len(self._names.intersection(names)) * 2 < len(self._names):
            return False
        if names != [normalise(name) for name in self._header.names]:
            raise FileRefusedError("another table begins", hint="Save each table as a file of its own.", line=line)
        self._headers += 1
        return True

    def _is_of_totals(self, values: Sequence[Any]) -> bool:
        place, first = next(((place, value) for place, value in enumerate(values) if value), (0, ""))
        if str(first).rstrip(":").lower() not in _TOTALS:
            return False
        return place in self._key_places or not all(values[each] for each in self._key_places)


def _values_of_object(text: str, header: Header) -> tuple[list[Any], None] | tuple[None, Reason]:
    try:
        pairs = json.loads(text, parse_float=str, parse_int=str, parse_constant=str, object_pairs_hook=_Pairs)
    except (ValueError, RecursionError):
        return None, "not_json"
    if not isinstance(pairs, _Pairs):
        return None, "not_json"
    values: dict[str, str | None] = {}
    extra: dict[str, str | None] = {}
    for name, value in pairs:
        column = header.layout.by_header.get(normalise(name))
        place, key = (values, column.name) if column else (extra, name)
        if key in place:
            return None, "not_json"
        place[key] = _as_text(value)
    if header.layout.parts:
        values |= _sums(extra, header)
    fields = [values.get(field.name) if isinstance(field, Column) else None for field in header.fields]
    kept = {name: value for name, value in extra.items() if value is not None}
    fields[-1] = json.dumps(kept, ensure_ascii=False) if kept else None
    return fields, None


def _fault_of_object(line: str) -> Reason | None:
    """Return what PostgreSQL cannot store of an object: escapes of characters that are none."""
    if "\x00" in line or "\\u0000" in line:
        return "nul_byte"
    try:
        line.encode()
    except UnicodeEncodeError:
        return "undecodable"
    return None


def _sums(found: dict[str, str | None], header: Header) -> dict[str, str | None]:
    """Return the columns that are sums of parts. A missing part counts as zero, unless all are missing."""
    by_key = {normalise(name): text for name, text in found.items()}
    sums: dict[str, str | None] = {}
    for column in header.columns:
        parts = [text for part in column.parts if (text := by_key.get(normalise(part))) is not None]
        if parts:
            try:
                sums[column.name] = str(sum(Decimal(part) for part in parts))
            except InvalidOperation:
                # not a number either, so that PostgreSQL rejects the row
                sums[column.name] = " + ".join(parts)
    return sums


class _Pairs(list[tuple[str, Any]]):
    """The pairs of a JSON object in their order, repeated keys included."""


def _as_text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value or None
    if isinstance(value, bool):
        return "true" if value else "false"
    return json.dumps(_plain(value), ensure_ascii=False)


def _plain(value: Any) -> Any:
    if isinstance(value, _Pairs):
        return {name: _plain(inner) for name, inner in value}
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    return value
