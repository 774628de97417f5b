r"""Rewrite rows that are certainly good as lines for COPY into the raw table.

COPY cannot read a row as it is that has undeclared columns, or columns that are computed, or no column for the
participant; or an object of JSON. It can read such a row once it is rewritten. Lines whose form is plain are rewritten
many at a time. Others are read one by one, and are left to the judge unless PostgreSQL certainly accepts them.

The lines have COPY's text format: a tab between fields, and nothing for no value.
"""

import csv
import json
import re
from collections.abc import Sequence
from functools import lru_cache, partial
from operator import methodcaller
from typing import Any

from psycopg2.sql import SQL, Composable, Identifier

from ingestion.load.dialect import Dialect
from ingestion.load.header import Header
from ingestion.load.offsets import NO_OFFSET, offset_of, split_offset
from ingestion.load.parse import Record, RowReader
from ingestion.load.sure_lines import field_pattern
from ingestion.load.sure_values import sure_value
from ingestion.sources import EXTRA, MOMENTS, OFFSET, Column, Dataset, normalise

# moments whose dates have been looked at
_MOST_SEEN = 10_000
# the files of a landing zone have few different headers
_MOST_PATTERNS = 64
# the escape of a character that PostgreSQL does not store, in JSON in a field of COPY's text format
_NUL = rb"\\u0000"


def can_rewrite(header: Header) -> bool:
    """Whether rows with this header can be rewritten.

    Arguments:
        header: the file's header.

    """
    dialect = header.dialect
    has_plain_form = None not in header.fields and (dialect.delimiter + dialect.quote).isascii()
    has_offsets = any(column.name == OFFSET for column in header.columns)
    return not dialect.marks and not has_offsets and (dialect.format == "ndjson" or has_plain_form)


class SureRows:
    """Rewrites rows that are certainly good.

    Each of `patterns` matches any number of lines that `rewrite` can take, the fastest first. There are none where each
    row must be read alone.

    Arguments:
        dataset: the file's dataset.
        header: the file's header, for which `can_rewrite` is true.
        reader: reads rows of the file. It learns which dates the rewritten rows have.

    """

    def __init__(self, dataset: Dataset, header: Header, reader: RowReader) -> None:
        self._header = header
        self._dialect = header.dialect
        self._reader = reader
        self._places = [(place, each) for place, each in enumerate(header.fields) if isinstance(each, Column)]
        self._extra = [
            (place, each)
            for place, each in enumerate(header.fields)
            if isinstance(each, str) and not header.layout.drop_extra
        ]
        self._written = {each.column.name: each for each in reader.written}
        self._moments = [
            (place, self._written[column.name].dates, set[bytes]())
            for place, column in self._places
            if column.type in MOMENTS
        ]
        # where the rows are objects, the last field has what is not declared of them
        self._has_rest = None in header.fields and not header.layout.drop_extra
        self._checks = {
            column.name: sure_value(column, header.dialect, is_key=column.name in dataset.key)
            for _, column in self._places
        }
        self._moment = dataset.moment
        self._default_offset = offset_of(header.layout.clock)
        self._user_id = "" if header.user_id is None else "\t" + _escaped(header.user_id)
        self._newline = header.dialect.newline.decode()
        self.patterns: tuple[re.Pattern[bytes], ...] = ()
        if header.dialect.format == "csv" and not (header.layout.where or any(map(_is_made, header.columns))):
            self.patterns = tuple(
                _pattern(header.fields, dataset.key, header.dialect, has_quotes=each) for each in (False, True)
            )
            self._prepare()

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of the raw table that the lines have, in their order."""
        names = [column.name for _, column in self._places]
        names += [EXTRA] if self._extra or self._has_rest else []
        names += [] if self._header.user_id is None else ["user_id"]
        names += [OFFSET] if self._moment else []
        return tuple(names)

    def command(self, table: Composable) -> Composable:
        """Return the command that copies the rewritten rows.

        Arguments:
            table: the raw table.

        """
        columns = SQL(", ").join(map(Identifier, self.columns))
        return SQL("copy {} ({}) from stdin (format text, encoding 'utf8', null '')").format(table, columns)

    def rewrite(self, lines: bytes, line: int) -> bytes | None:
        """Return lines for COPY, or None where each of these rows has to be read alone.

        Arguments:
            lines: lines that one of `patterns` matches.
            line: the number of the first of them.

        """
        try:
            text = lines.decode()
        except UnicodeDecodeError:
            return None
        rows = text.split(self._newline)
        rows.pop()
        needs_reader = text.startswith(" ") or any(each in text for each in self._odd)
        needs_escapes = any(each in text for each in self._escaped)
        fields_of = self._read(rows) if needs_reader else map(self._split, rows)
        order, count, parts = self._order, len(self._places), self._parts
        written = []
        for number, fields in enumerate(fields_of, line):
            first = fields[self._first_key]
            if not "0" <= first[:1] <= "9" and normalise(first) in self._names:
                return None
            for place, dates, seen in self._moments:
                if (moment := fields[place]) not in seen:
                    if len(seen) >= _MOST_SEEN:
                        seen.clear()
                    seen.add(moment)
                    dates.add(moment, number)
            if order:
                fields = [fields[place] for place in order]  # noqa: PLW2901
            if needs_escapes:
                fields[count:] = map(_escaped_in_json, fields[count:])
            if "" in fields[count:]:
                written.append(self._with_gaps(fields[:count], fields[count:]))
            else:
                parts[1::2] = fields
                written.append("".join(parts))
        return "".join(written).encode()

    def rewrite_record(self, record: Record) -> bytes | None:
        """Return a line for COPY, or None where it is not certain that the row is good.

        Arguments:
            record: the row.

        """
        values = self._reader.values(record)
        if values is None:
            return None
        offset = ""
        texts = []
        for place, column in self._places:
            text = values[place] or ""
            if column.name == self._moment and text.isascii():
                text, offset = split_offset(text)
            found = None if offset == NO_OFFSET else self._checks[column.name].written(text)
            if found is None:
                return None
            texts.append(found)
        if self._extra or self._has_rest:
            texts.append(self._extra_of(values))
        line = "\t".join(texts)
        try:
            written = f"{line}{self._user_id}{self._offset(offset)}\n".encode()
        except UnicodeEncodeError:
            return None
        if self._has_rest and _NUL in written:
            return None
        for place, dates, _ in self._moments:
            dates.add(values[place] or "", record.line)
        return written

    def _extra_of(self, values: Sequence[Any]) -> str:
        """Return what is not declared of a row, as a field of COPY's text format."""
        if self._has_rest:
            return _escaped(values[-1] or "")
        kept = {name: text for place, name in self._extra if (text := values[place])}
        return _escaped(json.dumps(kept, ensure_ascii=False)) if kept else ""

    def _prepare(self) -> None:
        """Prepare what `rewrite` puts between the fields of a row."""
        delimiter, quote = self._dialect.delimiter, self._dialect.quote
        self._split = methodcaller("split", delimiter)
        self._read = partial(csv.reader, delimiter=delimiter, quotechar=quote, skipinitialspace=True, strict=True)
        # a reader of CSV skips blanks before a field
        self._odd = (quote, '"', "\\", f"{delimiter} ", f"{self._newline[-1:]} ")
        # what stands for a quote in a field, or for what JSON and COPY escape
        self._escaped = ("\\", quote * 2) if quote == '"' else ("\\", '"')
        self._names = {normalise(name) for name in self._header.names}
        self._first_key = self._reader.first_key_place
        places = [*(place for place, _ in self._places), *(place for place, _ in self._extra)]
        is_in_order = places == list(range(len(self._header.names))) and not self._dialect.has_trailing_delimiter
        self._order = [] if is_in_order else places
        self._keys = [f'{_escaped(json.dumps(name, ensure_ascii=False))}:"' for _, name in self._extra]
        self._tail = f"{self._user_id}{self._offset('')}\n"
        between = ["\t"] * (len(self._places) - 1)
        if self._keys:
            between += ["\t{" + self._keys[0], *('",' + key for key in self._keys[1:])]
        # where the fields go, there is nothing yet
        self._parts = [""] * (2 * len(places) + 1)
        self._parts[2:-1:2] = between
        self._parts[-1] = ('"}' if self._keys else "") + self._tail

    def _with_gaps(self, declared: list[str], extra: list[str]) -> str:
        kept = '",'.join([key + value for key, value in zip(self._keys, extra, strict=True) if value])
        return "\t".join([*declared, "{" + kept + '"}' if kept else ""]) + self._tail

    def _offset(self, found: str) -> str:
        """Return the last field, the offset of the row's moment, with the delimiter before it."""
        if not self._moment:
            return ""
        default = self._default_offset
        # in a file in UTC, +00:00 is UTC's clock too
        is_unsaid = not found or (default is not None and found == "0")
        return f"\t{default or ''}" if is_unsaid else f"\t{found}"


@lru_cache(maxsize=_MOST_PATTERNS)
def _pattern(
    columns: tuple[Column | str | None, ...], key: tuple[str, ...], dialect: Dialect, *, has_quotes: bool
) -> re.Pattern[bytes]:
    """Return a pattern of any number of certainly good lines."""
    quote, delimiter = re.escape(dialect.quote), re.escape(dialect.delimiter)
    newline = re.escape(dialect.newline.decode())
    end = f"(?:{delimiter}|{newline}|{quote})" if has_quotes else f"(?:{delimiter}|{newline})"
    text = rf"[^{delimiter}{quote}\x00-\x1f]*+" if has_quotes else rf'[^{delimiter}{quote}"\\\x00-\x1f]*+'
    quoted = rf"{quote}[^{quote}\x00-\x1f]*+(?:{quote}{quote}[^{quote}\x00-\x1f]*+)*+{quote}"

    def pattern(field: Column | str | None) -> str:
        if isinstance(field, Column):
            value = field_pattern(field, dialect, end, is_key=field.name in key)
            return f"(?:{value}|{quote}{value}{quote})" if has_quotes else value
        return f"(?:{quoted}|{text})" if has_quotes else text

    fields = [pattern(field) for field in columns]
    if dialect.has_trailing_delimiter:
        fields.append("")
    # atomic: the engine does not backtrack into a line that has matched
    return re.compile(f"(?>{delimiter.join(fields)}{newline})*+".encode())


def _is_made(column: Column) -> bool:
    """Whether its values are not those that the file has."""
    return column.is_computed or column.is_rewritten or column.factor is not None


def _escaped(text: str) -> str:
    """Return a text as a field of COPY's text format."""
    return text.replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n").replace("\r", "\\r")


def _escaped_in_json(text: str) -> str:
    """Return a text without control characters as a string of JSON in a field of COPY's text format, without quotes."""
    return text.replace("\\", "\\\\\\\\").replace('"', '\\\\"')
