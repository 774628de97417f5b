"""A JSON array of objects; it is read into memory."""

import json
import re
from collections.abc import Iterator

from ingestion.db import Readable
from ingestion.errors import FileRefusedError
from ingestion.formats.base import Chunks, Format, Unpacked

_NOT_SPACE = re.compile(r"[^ \t\r\n]")


class JsonArray(Format):
    """A JSON array. A file whose objects stand one per line is returned as it is."""

    suffixes = (".json",)
    lines = "ndjson"

    def read(self, file: Unpacked) -> Readable:
        """Return one element per line."""
        return Chunks(_elements(file.seekable().read(file.limits.table_bytes + 1), file.limits.table_bytes))


def _elements(content: bytes, most_bytes: int) -> Iterator[bytes]:
    if len(content) > most_bytes:
        raise FileRefusedError(
            f"the JSON array is larger than {most_bytes >> 20} MiB", hint="Write one object per line instead."
        )
    try:
        text = content.decode(json.detect_encoding(content))
    except UnicodeDecodeError as exc:
        raise FileRefusedError("the file is not UTF-8", hint="Export it again.") from exc
    decoder = json.JSONDecoder()
    position = _skip_space(text, 0)
    if not text.startswith("[", position):
        yield content
        return
    position = _skip_space(text, position + 1)
    while not text.startswith("]", position):
        try:
            _, end = decoder.raw_decode(text, position)
        except (ValueError, RecursionError) as exc:
            raise _invalid(text, position) from exc
        # JSON allows line ends between its tokens only, where a space means the same
        yield re.sub(r"[\r\n]", " ", text[position:end]).encode() + b"\n"
        position = _skip_space(text, end)
        if text.startswith(",", position):
            position = _skip_space(text, position + 1)
        elif not text.startswith("]", position):
            raise _invalid(text, position)


def _skip_space(text: str, position: int) -> int:
    found = _NOT_SPACE.search(text, position)
    return found.start() if found else len(text)


def _invalid(text: str, position: int) -> FileRefusedError:
    return FileRefusedError(
        "the JSON array is invalid or incomplete", hint="Export it again.", line=text.count("\n", 0, position) + 1
    )
