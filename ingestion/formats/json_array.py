"""A JSON array of objects, read one element at a time."""

import codecs
import json
import re
from collections.abc import Iterator

from ingestion.db import Readable
from ingestion.errors import FileRefusedError
from ingestion.formats.base import CHUNK_BYTES, Chunks, Format, Unpacked

# an object that begins on a line of its own does not end on it
_ALONE = re.compile(rb"(?:\xef\xbb\xbf)?\s*\{[ \t]*\r?\n")
_STRUCTURE = re.compile(r'["{}\[\]]')
_STRING = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"', re.DOTALL)
_NOT_SPACE = re.compile(r"[^ \t\r\n]")
# an element takes up to 20 times its length in memory
_MOST_CHARACTERS = 2 << 20


class JsonArray(Format):
    """A JSON array, or one object on several lines. A file whose objects stand one per line is returned as it is."""

    suffixes = (".json",)
    lines = "ndjson"

    def read(self, file: Unpacked) -> Readable:
        """Return one element per line, or a blank line for an array without any."""
        return Chunks(_lines(file.stream))


def _lines(stream: Readable) -> Iterator[bytes]:
    first = read_first(stream)
    window = Window(first, stream)
    if window.character() == "[":
        yield from as_lines(window.elements())
    elif _ALONE.match(first):
        yield as_line(window.element())
    else:
        yield first
        while chunk := stream.read(CHUNK_BYTES):
            yield chunk


def read_first(stream: Readable) -> bytes:
    """Return the first bytes of a stream: a whole chunk, unless it is shorter."""
    first = b""
    while len(first) < CHUNK_BYTES and (chunk := stream.read(CHUNK_BYTES)):
        first += chunk
    return first


def as_lines(elements: Iterator[str]) -> Iterator[bytes]:
    """Return elements as lines, and a blank line where there is none: the file has no rows, but is not empty."""
    line = None
    for element in elements:
        line = as_line(element)
        yield line
    if line is None:
        yield b"\n"


def as_line(element: str) -> bytes:
    """Return an element as a line. JSON allows line ends between its tokens only, where a space means the same."""
    return re.sub(r"[\r\n]", " ", element).encode() + b"\n"


class Window:
    """The part of the text that is in memory.

    Arguments:
        first: the first bytes.
        stream: the others.

    """

    def __init__(self, first: bytes, stream: Readable) -> None:
        self._stream = stream
        self._decoder = codecs.getincrementaldecoder(json.detect_encoding(first))()
        self._json = json.JSONDecoder()
        self._position = 0
        self._line = 1
        self._is_complete = False
        self._text = self._decode(first, is_last=len(first) < CHUNK_BYTES)

    def character(self) -> str:
        """Go to the next character that is no space, and return it; "" at the end."""
        while True:
            found = _NOT_SPACE.search(self._text, self._position)
            self._position = found.start() if found else len(self._text)
            if found:
                return found[0]
            if self._is_complete:
                return ""
            self._fill()

    def skip(self) -> None:
        """Go past that character."""
        self._position += 1

    def element(self) -> str:
        """Return the element that begins here, as it is written, and go past it."""
        while True:
            try:
                _, end = self._json.raw_decode(self._text, self._position)
            except RecursionError as exc:
                raise self.invalid() from exc
            except ValueError as exc:
                # or it is not in memory yet
                if self._is_complete:
                    raise self.invalid() from exc
                end = len(self._text)
            # a number that ends with the window may go on
            if end < len(self._text) or self._is_complete:
                element = self._text[self._position : end]
                self._position = end
                return element
            self._double()

    def elements(self) -> Iterator[str]:
        """Yield the elements of the array that begins here, and go past it."""
        yield from (self.element() for _ in self.places())

    def places(self, begin: str = "[", end: str = "]") -> Iterator[None]:
        """Go to each element of the array, or member of the object, that begins here, and past its end.

        Arguments:
            begin: what the array or object begins with.
            end: what it ends with.

        Raises:
            FileRefusedError: it is invalid or incomplete.

        """
        if self.character() != begin:
            raise self.invalid()
        self.skip()
        while self.character() != end:
            yield
            if self.character() == ",":
                self.skip()
            elif self.character() != end:
                raise self.invalid()
        self.skip()

    def members(self) -> Iterator[str]:
        """Yield the keys of the object that begins here, and go to the value of each."""
        for _ in self.places("{", "}"):
            key = json.loads(self.element())
            if not isinstance(key, str) or self.character() != ":":
                raise self.invalid()
            self.skip()
            yield key

    def skip_value(self) -> None:
        """Go past the value that begins here. An array or an object may have any length."""
        if self.character() not in {"[", "{"}:
            self.element()
            return
        depth = 0
        while True:
            found = _STRUCTURE.search(self._text, self._position)
            self._position = found.start() if found else len(self._text)
            if found is None:
                if self._is_complete:
                    raise self.invalid()
                self._fill()
            elif found[0] == '"':
                self._skip_string()
            else:
                self._position += 1
                depth += 1 if found[0] in "[{" else -1
                if depth == 0:
                    return

    def invalid(self) -> FileRefusedError:
        """Return the error for invalid JSON here."""
        line = self._line + self._text.count("\n", 0, self._position)
        return FileRefusedError("the JSON is invalid or incomplete", hint="Export it again.", line=line)

    def _skip_string(self) -> None:
        while not (found := _STRING.match(self._text, self._position)):
            if self._is_complete:
                raise self.invalid()
            self._double()
        self._position = found.end()

    def _double(self) -> None:
        length = len(self._text) - self._position
        if length > _MOST_CHARACTERS:
            raise FileRefusedError(
                f"an element of the JSON is longer than {_MOST_CHARACTERS >> 20} MiB, or invalid",
                hint="Write each row as one object.",
                line=self._line + self._text.count("\n", 0, self._position),
            )
        self._fill(length)

    def _fill(self, least: int = 1) -> None:
        """Read more text, and forget what is behind."""
        self._line += self._text.count("\n", 0, self._position)
        parts = [self._text[self._position :]]
        self._position = 0
        while least > 0 and not self._is_complete:
            chunk = self._stream.read(CHUNK_BYTES)
            parts.append(self._decode(chunk, is_last=not chunk))
            least -= len(parts[-1])
        self._text = "".join(parts)

    def _decode(self, chunk: bytes, *, is_last: bool) -> str:
        self._is_complete = is_last
        try:
            return self._decoder.decode(chunk, is_last)
        except UnicodeDecodeError as exc:
            raise FileRefusedError("the file is not UTF-8", hint="Export it again.") from exc
