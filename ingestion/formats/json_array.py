"""A JSON array of objects, read one element at a time."""

import codecs
import json
import re
from collections.abc import Iterator

from ingestion.db import Readable
from ingestion.errors import FileRefusedError
from ingestion.formats.base import CHUNK_BYTES, Chunks, Format, Unpacked

_NOT_SPACE = re.compile(r"[^ \t\r\n]")
# an element takes up to 20 times its length in memory
_MOST_CHARACTERS = 2 << 20


class JsonArray(Format):
    """A JSON array. A file whose objects stand one per line is returned as it is."""

    suffixes = (".json",)
    lines = "ndjson"

    def read(self, file: Unpacked) -> Readable:
        """Return one element per line."""
        return Chunks(_lines(file.stream))


def _lines(stream: Readable) -> Iterator[bytes]:
    first = b""
    while len(first) < CHUNK_BYTES and (chunk := stream.read(CHUNK_BYTES)):
        first += chunk
    window = _Window(first, stream)
    if window.character() == "[":
        yield from _elements(window)
        return
    yield first
    while chunk := stream.read(CHUNK_BYTES):
        yield chunk


def _elements(window: "_Window") -> Iterator[bytes]:
    window.skip()
    while window.character() != "]":
        # JSON allows line ends between its tokens only, where a space means the same
        yield re.sub(r"[\r\n]", " ", window.element()).encode() + b"\n"
        if window.character() == ",":
            window.skip()
        elif window.character() != "]":
            raise window.invalid()


class _Window:
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

    def invalid(self) -> FileRefusedError:
        """Return the error for invalid JSON here."""
        line = self._line + self._text.count("\n", 0, self._position)
        return FileRefusedError("the JSON array is invalid or incomplete", hint="Export it again.", line=line)

    def _double(self) -> None:
        length = len(self._text) - self._position
        if length > _MOST_CHARACTERS:
            raise FileRefusedError(
                f"an element of the JSON array is longer than {_MOST_CHARACTERS >> 20} MiB, or invalid",
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
