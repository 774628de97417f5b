"""The beginning of a file: its format, and the names of its columns."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from functools import cached_property
from pathlib import PurePosixPath
from typing import Any, BinaryIO

from ingestion.db import Readable
from ingestion.errors import FileRefusedError
from ingestion.formats import Text, format_of, table_format_of, zipped_table_format
from ingestion.load.candidates import Candidate, candidate_of, candidate_of_keys, first_objects, names_of_keys, readings
from ingestion.load.content import Content
from ingestion.load.stream import HashedStream
from ingestion.sources import Dataset, Layout, normalise

Opener = Callable[[], BinaryIO]

_FIRST_BYTES = 1 << 16
# a line, a delimiter, the names on the line, and these normalised
_Reading = tuple[int, str, list[str], frozenset[str]]


class Glimpse:
    """What the beginning of a file says.

    Arguments:
        name: the file's name in the landing zone.
        opened: opens the file at its beginning.

    """

    def __init__(self, name: str, opened: Opener) -> None:
        self._name = name
        self._opened = opened
        self._inside: dict[object, bytes] = {}
        self._raw = b""
        self.table_format: str | None = None
        self.is_json = False
        self._beginning = b""
        self.was_read = False

    def look(self) -> None:
        """Read the beginning.

        Raises:
            FileRefusedError: it is empty, damaged, or not what the end of its name says.

        """
        try:
            with self._text() as text:
                self.is_json = text.format == "ndjson"
                self._beginning = Content(text).peek()
        except FileRefusedError:
            if PurePosixPath(self._name).suffix.lower() == ".zip":
                self.table_format = self._zipped()
            # a document may hold rows that are read one by one
            self.is_json = not self.table_format and ".json" in map(str.lower, PurePosixPath(self._name).suffixes)
            if not self.table_format and not self.is_json:
                raise
        self.table_format = self.table_format or table_format_of(self._beginning)

    def candidates(self, dataset: Dataset, layout: Layout, *, is_strict: bool) -> Iterator[Candidate]:
        """Yield the readings of the header in which a layout has all that it needs.

        Arguments:
            dataset: the layout's dataset.
            layout: the layout.
            is_strict: whether in JSON, too, each part of a sum has to be there.

        """
        if layout.table or self.table_format:
            return
        if self.is_json:
            objects = self._objects if layout.rows is None else first_objects(self._beginning_of(layout))
            keys = names_of_keys(objects, layout.objects)
            found = candidate_of_keys(layout, keys, is_strict=is_strict)
            if keys and found.is_complete:
                yield found
        elif layout.format == "any":
            found_readings = _with_names(readings(self._beginning_of(layout))) if layout.section else self._readings
            for line, delimiter, names, normalised in found_readings:
                if any(needed.isdisjoint(normalised) for needed in layout.needed):
                    continue
                if dataset.delimiter in {None, delimiter} and (
                    (found := candidate_of(layout, names, delimiter, line)).is_complete
                ):
                    yield found

    @cached_property
    def names(self) -> tuple[str, ...]:
        """All names that may be those of columns."""
        if self.is_json:
            return names_of_keys(self._objects, frozenset())
        return tuple(dict.fromkeys(name for _, _, names, _ in self._readings for name in names))

    @property
    def beginning(self) -> bytes:
        """The first bytes as UTF-8."""
        return self._beginning

    @cached_property
    def _readings(self) -> list[_Reading]:
        return _with_names(readings(self._beginning))

    @cached_property
    def _objects(self) -> list[dict[str, Any]]:
        return first_objects(self._beginning)

    def _beginning_of(self, layout: Layout) -> bytes:
        """Return the beginning of the rows of a layout that are somewhere in the file."""
        key = layout.rows, layout.when, layout.section
        if key not in self._inside:
            self._inside[key] = self._read(layout) if self._may_have(layout) else b""
        return self._inside[key]

    def _may_have(self, layout: Layout) -> bool:
        """Whether the beginning of the file has the title, or the first key on the way to the rows."""
        if layout.section:
            return layout.section.lower().encode() in self._beginning.lower()
        first = (layout.rows or "").partition(".")[0]
        is_packed = not self._name.lower().endswith(".json")
        return is_packed or not first or f'"{first.lower()}"'.encode() in self._raw.lower()

    def _read(self, layout: Layout) -> bytes:
        try:
            with closing(HashedStream(self._opened())) as stream:
                text = Text(self._name, stream, own_format=format_of(layout, None))
                with closing(text):
                    return Content(text).peek()
        except FileRefusedError:
            return b""

    def _zipped(self) -> str | None:
        with closing(HashedStream(self._opened())) as stream:
            return zipped_table_format(self._name, stream)

    @contextmanager
    def _text(self) -> Iterator[Text]:
        with (
            closing(HashedStream(self._opened())) as stream,
            closing(Text(self._name, _Recorded(stream, self))) as text,
        ):
            yield text

    def record(self, chunk: bytes) -> None:
        """Keep the first bytes as they are in the file."""
        self.was_read = True
        if len(self._raw) < _FIRST_BYTES:
            self._raw += chunk[: _FIRST_BYTES - len(self._raw)]


def _with_names(found: Iterable[tuple[int, str, list[str]]]) -> list[_Reading]:
    return [(line, delimiter, names, frozenset(map(normalise, names))) for line, delimiter, names in found]


class _Recorded:
    def __init__(self, stream: Readable, glimpse: Glimpse) -> None:
        self._stream = stream
        self._glimpse = glimpse

    def read(self, size: int, /) -> bytes:
        chunk = self._stream.read(size)
        self._glimpse.record(chunk)
        return chunk
