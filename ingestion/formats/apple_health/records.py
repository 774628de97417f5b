"""Read the records of an export.xml as a stream.

Expat gets the file from its root element on. Without a document type there are no entities to expand; Apple's own
document type, which some versions write wrongly, does no harm either.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from xml.parsers import expat
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from ingestion.db import Readable
from ingestion.errors import FileRefusedError
from ingestion.formats.base import CHUNK_BYTES

_ROOT = "HealthData"
# Apple's document type has 10 kB
_MAX_HEAD_BYTES = 1 << 20
_MAX_TOKEN_BYTES = 16 << 20
# XML allows none of these, and exports contain them
_CONTROL_CHARACTERS = bytes(set(range(32)) - set(b"\t\n\r"))
MOMENT = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d [+-]\d{4}")
_EXPORT_AGAIN = "Export it again from the Health app: Export All Health Data."


@dataclass(frozen=True)
class Record:
    """One record of the export.

    Arguments:
        values: its attributes.
        metadata: the entries that devices and programs added to it.

    """

    values: Mapping[str, str]
    metadata: Mapping[str, str]

    @property
    def device(self) -> str:
        """The device or program that wrote it."""
        return self.values.get("sourceName", "")

    @property
    def value(self) -> str:
        """Its value, as text."""
        return self.values.get("value", "")

    @property
    def unit(self) -> str:
        """The unit of its value."""
        return self.values.get("unit", "")

    @property
    def begin(self) -> datetime | None:
        """When it began; None where that is invalid."""
        return self._moment("startDate")

    @property
    def end(self) -> datetime | None:
        """When it ended; None where that is invalid."""
        return self._moment("endDate")

    def _moment(self, name: str) -> datetime | None:
        """Return a time in the time zone of the record if it has one, or else in that of the export."""
        text = self.values.get(name, "")
        if not MOMENT.fullmatch(text):
            return None
        try:
            moment = datetime.fromisoformat(f"{text[:19]}{text[20:]}")
        except ValueError:
            return None
        zone = _zone(self.metadata.get("HKTimeZone", ""))
        return moment.astimezone(zone) if zone else moment

    def number(self, *units: str) -> float | None:
        """Return its value if that is a number, not negative, and in one of these units; or else None."""
        try:
            number = float(self.value)
        except ValueError:
            return None
        return number if self.unit in units and 0 <= number < float("inf") else None

    def __str__(self) -> str:
        """Its content as one text. This is neither a number nor a date, so that the load rejects its row."""
        parts = (self.value or "no value", self.unit, self.values.get("startDate"), self.values.get("endDate"))
        return " ".join(" ".join(filter(None, parts)).split())


def read_records(stream: Readable, record_type: str) -> Iterator[Record]:
    """Yield the records of one type.

    Arguments:
        stream: the export, in UTF-8.
        record_type: the type, as the export writes it.

    Raises:
        FileRefusedError: this is not an export of Apple Health, or it is damaged or incomplete.

    """
    found: list[Record] = []
    reader = _Reader(record_type, found.append)
    for chunk in _from_root(stream):
        reader.feed(chunk)
        yield from found
        found.clear()
    reader.close()
    yield from found


class _Reader:
    """Calls a function with each record of one type."""

    def __init__(self, record_type: str, on_record: Callable[[Record], None]) -> None:
        self._type = record_type
        self._on_record = on_record
        self._depth = 0
        self._size = 0
        self._record: dict[str, str] | None = None
        self._metadata: dict[str, str] = {}
        self._parser = expat.ParserCreate("utf-8")
        self._parser.StartElementHandler = self._begin
        self._parser.EndElementHandler = self._end

    def feed(self, chunk: bytes) -> None:
        try:
            self._parser.Parse(chunk)
        except expat.ExpatError as exc:
            raise FileRefusedError("invalid XML", hint=_EXPORT_AGAIN, line=exc.lineno) from exc
        self._size += len(chunk)
        if self._size - self._parser.CurrentByteIndex > _MAX_TOKEN_BYTES:
            raise FileRefusedError(f"an element is longer than {_MAX_TOKEN_BYTES >> 20} MiB", hint=_EXPORT_AGAIN)

    def close(self) -> None:
        try:
            self._parser.Parse(b"", True)
        except expat.ExpatError as exc:
            raise FileRefusedError("the export is incomplete", hint=_EXPORT_AGAIN) from exc

    def _begin(self, name: str, values: dict[str, str]) -> None:
        # records inside a correlation are repeated at the top level
        if self._depth == 1 and name == "Record" and values.get("type") == self._type:
            self._record = values
            self._metadata = {}
        elif self._record is not None and name == "MetadataEntry":
            self._metadata[values.get("key", "")] = values.get("value", "")
        self._depth += 1

    def _end(self, _name: str) -> None:
        self._depth -= 1
        if self._depth == 1 and self._record is not None:
            self._on_record(Record(self._record, self._metadata))
            self._record = None


def _from_root(stream: Readable) -> Iterator[bytes]:
    """Yield the export from its root element on. Line ends before it stay, so that line numbers are right."""
    head = b""
    root = f"<{_ROOT}".encode()
    while root not in head:
        chunk = stream.read(CHUNK_BYTES)
        if not chunk or len(head) > _MAX_HEAD_BYTES:
            raise FileRefusedError("this is not an export of Apple Health", hint=_EXPORT_AGAIN)
        head += chunk
    begin = head.index(root)
    yield b"\n" * head.count(b"\n", 0, begin)
    chunk = head[begin:]
    while chunk:
        yield chunk.translate(None, _CONTROL_CHARACTERS)
        chunk = stream.read(CHUNK_BYTES)


@cache
def _zone(name: str) -> ZoneInfo | None:
    try:
        return ZoneInfo(name) if name else None
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None
