"""The beginning of a file: its format, and the names of its columns."""

import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from functools import cache, cached_property
from pathlib import PurePosixPath
from typing import Any, BinaryIO

from ingestion.db import Readable
from ingestion.errors import FileRefusedError
from ingestion.formats import Text, format_of, table_format_of, zipped_table_format
from ingestion.load.candidates import (
    BOM,
    MOST_KEPT,
    MOST_TITLE_LINES,
    Candidate,
    candidate_of,
    candidate_of_keys,
    first_lines,
    first_objects,
    names_of_keys,
    readings,
    readings_of,
)
from ingestion.load.content import Content
from ingestion.load.stream import HashedStream
from ingestion.sources import Dataset, Layout, declared, normalise

Opener = Callable[[], BinaryIO]

_FIRST_BYTES = 1 << 16
# the number and the text of each
Lines = tuple[tuple[int, str], ...]
_LINE_END = re.compile(r"[\r\n]")
_NOTHING = bytes(code for code in range(128) if not chr(code).isalnum() and chr(code) != "\n")


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
        elif layout.section:
            yield from candidates_in(first_lines(self._beginning_of(layout)), dataset, layout)
        else:
            yield from candidates_in(self.header_lines, dataset, layout)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """All names that may be those of columns."""
        if self.is_json:
            return names_of_keys(self._objects, frozenset())
        return tuple(dict.fromkeys(name for _, _, names in readings(self._beginning) for name in names))

    @property
    def beginning(self) -> bytes:
        """The first bytes as UTF-8."""
        return self._beginning

    @cached_property
    def header_lines(self) -> Lines:
        """The first lines that may be the header of a declared layout: no other line can be."""
        lines = _simple_header_lines(self._beginning)
        if lines is not None:
            return lines
        return tuple((number, text) for number, text in first_lines(self._beginning) if _may_be_header(text))

    def is_told_by_lines(self, layouts: Iterable[Layout]) -> bool:
        """Whether `header_lines` is all that tells which of some layouts it has, and short enough to be kept."""
        if self.is_json or self.table_format or any(each.section and self._may_have(each) for each in layouts):
            return False
        return sum(len(text) for _, text in self.header_lines) <= MOST_KEPT

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


def candidates_in(lines: Iterable[tuple[int, str]], dataset: Dataset, layout: Layout) -> Iterator[Candidate]:
    """Yield the readings of some lines in which a layout has all that it needs.

    Arguments:
        lines: the number and the text of each line.
        dataset: the layout's dataset.
        layout: the layout.

    """
    if layout.format != "any":
        return
    for line, delimiter, names in readings_of(lines):
        normalised = frozenset(map(normalise, names))
        if any(needed.isdisjoint(normalised) for needed in layout.needed):
            continue
        if dataset.delimiter in {None, delimiter} and (
            (found := candidate_of(layout, names, delimiter, line)).is_complete
        ):
            yield found


def _may_be_header(text: str) -> bool:
    """Whether a line may have a header in it without which it is not one of a declared layout.

    It is much faster than to read the line, and most lines are rows.
    """
    pattern = _telling()
    is_simple = pattern is not None and len(text) <= MOST_KEPT and text.isascii() and not _LINE_END.search(text)
    return not is_simple or bool(pattern and pattern.search(_squeezed(text.encode())))


def _simple_header_lines(beginning: bytes) -> Lines | None:
    """Return the lines that may be a header, found all at once; None where the text is not simple enough for that."""
    pattern = _telling()
    parts = beginning.split(b"\n", MOST_TITLE_LINES + 1)
    lines = parts[: MOST_TITLE_LINES + 1]
    text = b"\n".join(lines).removeprefix(BOM)
    if pattern is None or len(text) > MOST_KEPT or not text.isascii() or b"\0" in text:
        return None
    if text.count(b"\r") and (text + b"\n").count(b"\r\n") != text.count(b"\r"):
        return None
    squeezed = _squeezed(text)
    ends_with_blank = squeezed.endswith(b"\n") and (lines[-1] or len(parts) > len(lines))
    if b"\n\n" in squeezed or squeezed.startswith(b"\n") or ends_with_blank:
        # a blank line does not count
        return None
    numbers = sorted({squeezed.count(b"\n", 0, found.start()) for found in pattern.finditer(squeezed)})
    return tuple((number + 1, lines[number].removeprefix(BOM).rstrip(b"\r").decode()) for number in numbers)


def _squeezed(text: bytes) -> bytes:
    """Return a text in lower case, with nothing but letters, digits and line ends."""
    return text.lower().translate(None, _NOTHING)


@cache
def _telling() -> re.Pattern[bytes] | None:
    """A pattern of normalised headers, one of which each header has; None where a layout may have any."""
    of_layouts = [layout.telling for dataset in declared() for layout in dataset.layouts if layout.format == "any"]
    texts = sorted(frozenset[str]().union(*of_layouts))
    return re.compile("|".join(map(re.escape, texts)).encode()) if all(of_layouts) else None


class _Recorded:
    def __init__(self, stream: Readable, glimpse: Glimpse) -> None:
        self._stream = stream
        self._glimpse = glimpse

    def read(self, size: int, /) -> bytes:
        chunk = self._stream.read(size)
        self._glimpse.record(chunk)
        return chunk
