"""Check the form of one record, and rewrite it as a line for COPY."""

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

from ingestion.load.dialect import Dialect
from ingestion.load.header import Header
from ingestion.quarantine import Reason
from ingestion.sources import Column, normalise


@dataclass(frozen=True)
class Record:
    """One record of a file, not yet parsed.

    Arguments:
        line: the physical line that it begins on; the first line of the file is 1.
        raw: its bytes, without the line end.

    """

    line: int
    raw: bytes


def parse(record: Record, header: Header) -> tuple[str, None] | tuple[None, Reason]:
    """Check the form of a record.

    Arguments:
        record: a record that is not blank.
        header: the file's header.

    Returns:
        The fields as a line for COPY in the file's dialect, or the reason to reject the record.

    """
    if b"\x00" in record.raw:
        return None, "nul_byte"
    try:
        text = record.raw.decode()
    except UnicodeDecodeError:
        return None, "undecodable"
    if header.dialect.format == "ndjson":
        return _parse_object(text, header)
    return _parse_fields(text, header)


def join_fields(values: Sequence[Any], dialect: Dialect) -> str:
    """Return values as one line, without a line end.

    Arguments:
        values: the values, converted by `str`; None for no value.
        dialect: how to write them.

    """
    line = io.StringIO()
    csv.writer(line, delimiter=dialect.delimiter, quotechar=dialect.quote, lineterminator="").writerow(values)
    return line.getvalue()


def _parse_fields(text: str, header: Header) -> tuple[str, None] | tuple[None, Reason]:
    if text.count(header.dialect.quote) % 2:
        return None, "unclosed_quote"
    found = count_fields(text, header.dialect)
    if found is None:
        return None, "stray_carriage_return"
    if found != len(header.fields):
        return None, "too_few_fields" if found < len(header.fields) else "too_many_fields"
    return text, None


def count_fields(text: str, dialect: Dialect) -> int | None:
    """Return the number of fields, or None where a line end is outside quotes.

    Fields are counted as COPY does: a quote opens and closes anywhere. For Python's csv, a quote inside a field is a
    character like any other.

    Arguments:
        text: the record.
        dialect: how the file is written.

    """
    outside = "".join(text.split(dialect.quote)[::2])
    return None if "\r" in outside or "\n" in outside else outside.count(dialect.delimiter) + 1


def _parse_object(text: str, header: Header) -> tuple[str, None] | tuple[None, Reason]:
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
    line = join_fields(fields, header.dialect)
    if "\x00" in line or "\\u0000" in line:
        return None, "nul_byte"
    try:
        line.encode()
    except UnicodeEncodeError:
        return None, "undecodable"
    return line, None


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
