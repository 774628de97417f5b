"""Read records: check their form, and rewrite them as lines for COPY."""

import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal, InvalidOperation
from typing import Any, NamedTuple

from ingestion.errors import FileRefusedError
from ingestion.load.fields import join_fields, split
from ingestion.load.header import Header
from ingestion.load.offsets import split_offset
from ingestion.load.rewriting import rewrite
from ingestion.load.written import Written, is_no_value
from ingestion.quarantine import Reason
from ingestion.results import Remark
from ingestion.sources import Column, Layout, normalise

TOTALS = frozenset({"total", "totals", "grand total", "sum", "average", "mean", "gesamt", "summe", "mittelwert"})


# texts by normalised header
_Found = Mapping[str, str | None]


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
        moment: the column of time whose offset from UTC is kept, as one more field at the end.

    """

    def __init__(self, header: Header, key: Collection[str], moment: str | None = None) -> None:
        self._header = header
        self._dialect = header.dialect
        self._places = [(place, each) for place, each in enumerate(header.fields) if isinstance(each, Column)]
        self._key_places = {place for place, column in self._places if column.name in key}
        self._first_key = min(self._key_places, default=0)
        self._written = {column.name: Written(column, is_key=column.name in key) for _, column in self._places}
        self._written_at = [(place, self._written[column.name]) for place, column in self._places]
        self._normalised = [normalise(name) for name in header.names]
        self._names = set(self._normalised)
        self._computed = [column for column in header.fields[len(header.names) :] if isinstance(column, Column)]
        self._moment = moment
        self._companions = {
            column.name: tuple(map(normalise, column.companions)) for _, column in self._places if column.companions
        }
        self._rewritten = [(place, column) for place, column in self._places if column.is_rewritten]
        self._where = [(normalise(name), _Wanted.of(texts)) for name, texts in header.layout.where]
        self._left_out = 0
        self._totals = 0
        self._headers = 0

    @property
    def written(self) -> list[Written]:
        """How the values of each declared column are written."""
        return list(self._written.values())

    def remarks(self) -> Iterator[Remark]:
        """Yield what was left out."""
        if self._left_out:
            yield Remark(f"{self._left_out:,} rows are left out, for what the declaration says of them")
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
        values, found, reason = self._values(record)
        if values is None or self._is_header(values, record.line):
            return None, reason
        if not self._is_wanted(found):
            self._left_out += 1
            return None, None
        self._complete(values, found)
        for place, written in self._written_at:
            if value := values[place]:
                values[place] = written.clean(value, record.line)
        if self._is_of_totals(values):
            self._totals += 1
            return None, None
        if self._moment:
            values.append(self._take_offset(values))
        line = join_fields(values, self._dialect)
        reason = _fault_of_object(line) if self._dialect.format == "ndjson" else None
        return (None, reason) if reason else (line, None)

    def values(self, record: Record) -> list[Any] | None:
        """Return the values of a record in the order of the header's fields, not cleaned and without effect.

        None where it has none, or where they may be a header or totals, or are not wanted.

        Arguments:
            record: a record.

        """
        values, found, _ = self._values(record)
        if values is None or self._may_be_header(values) or not self._is_wanted(found):
            return None
        self._complete(values, found)
        return None if self._is_of_totals(values) else values

    @property
    def first_key_place(self) -> int:
        """The place of the value that tells a header among the rows."""
        return min((place for place in self._key_places if place < len(self._normalised)), default=0)

    def declared(self, record: Record) -> Record:
        """Return a record with no more than what is declared of it, nothing where its form is bad.

        Arguments:
            record: a record.

        """
        values, _, _ = self._values(record)
        if values is None:
            return replace(record, raw=b"")
        if self._dialect.format == "ndjson":
            pairs = zip(self._header.columns, values, strict=False)
            text = json.dumps({column.header: value for column, value in pairs if value and not column.is_computed})
        else:
            fields = zip(self._header.fields, values, strict=False)
            text = join_fields(["" if isinstance(field, str) else value for field, value in fields], self._dialect)
        return replace(record, raw=text.encode())

    def _is_wanted(self, found: _Found) -> bool:
        return not self._where or all(wanted.takes(found.get(name)) for name, wanted in self._where)

    def _complete(self, values: list[Any], found: _Found) -> None:
        """Compute and rewrite the values that the file does not have as they are needed."""
        if self._computed and self._dialect.format == "csv":
            values += [_computed(column, found) for column in self._computed]
        for place, column in self._rewritten:
            if value := values[place]:
                values[place] = rewrite(column, value, self._offset_of(column, found))

    def _take_offset(self, values: list[Any]) -> str:
        """Take the offset out of the row's moment, and return it."""
        place = next((place for place, column in self._places if column.name == self._moment), None)
        if place is None or not values[place]:
            return ""
        values[place], offset = split_offset(values[place])
        return offset

    def _offset_of(self, column: Column, found: _Found) -> str | None:
        return next((text for name in self._companions.get(column.name, ()) if (text := found.get(name))), None)

    def _values(self, record: Record) -> tuple[list[Any] | None, _Found, Reason | None]:
        """Return the values in the order of the header, and those that are looked at besides, by their headers.

        Without values, return the reason to reject them, if there are any.
        """
        if b"\x00" in record.raw:
            return None, {}, "nul_byte"
        try:
            text = record.raw.decode()
        except UnicodeDecodeError:
            return None, {}, "undecodable"
        if not text.strip():
            return None, {}, None
        if self._dialect.format == "ndjson":
            return _values_of_object(text, self._header)
        return self._values_of_fields(text)

    def _values_of_fields(self, text: str) -> tuple[list[Any] | None, _Found, Reason | None]:
        values, reason = split(text, self._dialect)
        if values is None or not any(value.strip() for value in values):
            return None, {}, reason
        reason = self._fit(values)
        if reason:
            return None, {}, reason
        looks_at_others = self._computed or self._companions or self._where
        found = dict(zip(self._normalised, values, strict=True)) if looks_at_others else {}
        return values, found, None

    def _fit(self, values: list[str]) -> Reason | None:
        """Remove a delimiter at the end of the row that all rows have, and return what is wrong with their number."""
        count = len(self._header.names)
        if self._dialect.has_trailing_delimiter and len(values) == count + 1 and not values[-1]:
            values.pop()
        elif self._dialect.has_trailing_delimiter:
            return "too_few_fields" if len(values) <= count else "too_many_fields"
        if len(values) == count:
            return None
        return "too_few_fields" if len(values) < count else "too_many_fields"

    def _is_header(self, values: Sequence[Any], line: int) -> bool:
        """Whether this is the header once more. Another header begins another table."""
        if not self._may_be_header(values):
            return False
        names = [normalise(str(value or "")) for value in values]
        if len(self._names.intersection(names)) * 2 < len(self._names):
            return False
        if names != [normalise(name) for name in self._header.names]:
            raise FileRefusedError("another table begins", hint="Save each table as a file of its own.", line=line)
        self._headers += 1
        return True

    def _may_be_header(self, values: Sequence[Any]) -> bool:
        place = self._first_key if self._first_key < len(values) else 0
        found = str(values[place] or "")
        return not found[:1].isdecimal() and normalise(found) in self._names

    def _is_of_totals(self, values: Sequence[Any]) -> bool:
        place, first = next(((place, value) for place, value in enumerate(values) if value), (0, ""))
        if str(first).rstrip(":").lower() not in TOTALS:
            return False
        return place in self._key_places or not all(values[each] for each in self._key_places)


def _values_of_object(text: str, header: Header) -> tuple[list[Any] | None, _Found, Reason | None]:
    try:
        pairs = _DECODER.decode(text)
    except (ValueError, RecursionError):
        return None, {}, "not_json"
    if not isinstance(pairs, _Pairs):
        return None, {}, "not_json"
    taken = _Taken({}, {})
    try:
        extra = {name: _as_text(value) for name, value in _take(pairs, header.layout, taken)}
    except _RepeatedKeyError:
        return None, {}, "not_json"
    values = taken.values | {column.name: _computed(column, taken.parts) for column in header.layout.computed}
    fields = [values.get(field.name) if isinstance(field, Column) else None for field in header.fields]
    kept = {name: value for name, value in extra.items() if value is not None}
    fields[-1] = json.dumps(kept, ensure_ascii=False) if kept and not header.layout.drop_extra else None
    return fields, taken.parts, None


class _Wanted(NamedTuple):
    """What a value must be: one of these texts, if there are any, none of those, and perhaps anything but blank."""

    one_of: frozenset[str]
    none_of: frozenset[str]
    is_needed: bool

    @classmethod
    def of(cls, texts: Iterable[str]) -> "_Wanted":
        words = [text.casefold() for text in texts]
        plain = frozenset(word for word in words if word != "*" and not word.startswith("!"))
        return cls(plain, frozenset(word[1:] for word in words if word.startswith("!")), "*" in words)

    def takes(self, value: str | None) -> bool:
        """Whether a value is wanted."""
        text = (value or "").strip().casefold().removesuffix(".0")
        return (
            not (self.is_needed and not text) and text not in self.none_of and (not self.one_of or text in self.one_of)
        )


class _RepeatedKeyError(ValueError):
    """An object has a key twice, or two keys of one column."""


class _Taken(NamedTuple):
    """The texts that were taken from an object: of columns by their names, and of parts by their normalised paths."""

    values: dict[str, str | None]
    parts: dict[str, str | None]


def _take(pairs: "_Pairs", layout: Layout, taken: _Taken, prefix: str = "") -> "_Pairs":
    """Take the declared columns from an object and those in it, and return the others."""
    others, keys = _Pairs(), set()
    for key, value in pairs:
        path = normalise(f"{prefix}{key}")
        if path in layout.parts:
            taken.parts[path] = _as_text(value)
        if column := layout.by_header.get(path):
            if column.name in taken.values:
                raise _RepeatedKeyError
            taken.values[column.name] = _as_text(value)
            continue
        if key in keys:
            raise _RepeatedKeyError
        keys.add(key)
        if path in layout.objects and isinstance(value, _Pairs):
            if inner := _take(value, layout, taken, f"{prefix}{key}."):
                others.append((key, inner))
        else:
            others.append((key, value))
    return others


def _fault_of_object(line: str) -> Reason | None:
    """Return what PostgreSQL cannot store of an object: escapes of characters that are none."""
    if "\x00" in line or "\\u0000" in line:
        return "nul_byte"
    try:
        line.encode()
    except UnicodeEncodeError:
        return "undecodable"
    return None


def _computed(column: Column, found: Mapping[str, str | None]) -> str | None:
    """Return the constant of a column, or the sum of its parts: none where one of them has no value.

    Arguments:
        column: the column.
        found: the values by normalised header.

    """
    if column.constant is not None:
        return column.constant
    if column.join:
        return " ".join(text for part in column.join if (text := (found.get(normalise(part)) or "").strip())) or None
    needed, optional = (
        [(found.get(normalise(part)) or "").strip() for part in parts]
        for parts in (column.parts, column.optional_parts)
    )
    texts = [text for text in (*needed, *optional) if not is_no_value(text)]
    try:
        total = str(sum(Decimal(text) for text in texts))
    except InvalidOperation:
        # not a number either, so that PostgreSQL rejects the row
        return " + ".join(texts)
    return None if any(map(is_no_value, needed)) else total


class _Pairs(list[tuple[str, Any]]):
    """The pairs of a JSON object in their order, repeated keys included."""


# `json.loads` would make one for each row
_DECODER = json.JSONDecoder(parse_float=str, parse_int=str, parse_constant=str, object_pairs_hook=_Pairs)


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
