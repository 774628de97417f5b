"""Convert text of any encoding to UTF-8."""

import codecs
from collections.abc import Iterator

from ingestion.db import Readable
from ingestion.errors import FileRefusedError
from ingestion.formats.base import CHUNK_BYTES, Chunks

_UTF8_BOM = codecs.BOM_UTF8
_UTF16_BOMS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_SIGNATURES = {
    b"\x1f\x8b": ("a gzip archive", ".gz"),
    b"(\xb5/\xfd": ("a Zstandard archive", ".zst"),
    b"PK\x03\x04": ("a zip archive or a spreadsheet", ".zip or .xlsx"),
    b"PAR1": ("a Parquet file", ".parquet"),
}


def to_utf8(stream: Readable, encoding: str) -> Readable:
    """Return text in UTF-8. A byte order mark takes precedence; nothing else is guessed.

    Arguments:
        stream: the text.
        encoding: the encoding where there is no byte order mark, as Python names it.

    Raises:
        FileRefusedError: this is not text but an archive or a table, or does not have its encoding.

    """
    first = stream.read(CHUNK_BYTES)
    for signature, (kind, suffix) in _SIGNATURES.items():
        if first.startswith(signature):
            raise FileRefusedError(
                f"the file is {kind}, but its name says otherwise", hint=f"Rename it so that it ends in {suffix}."
            )
    if first.startswith(_UTF16_BOMS):
        return Chunks(_transcode(_chain(first, stream), "utf-16", "surrogatepass"))
    if first.startswith(_UTF8_BOM) or codecs.lookup(encoding).name == "utf-8":
        return _Resumed(first, stream)
    return Chunks(_transcode(_chain(first, stream), encoding, "surrogateescape"))


class _Resumed:
    """A stream whose first bytes were read already."""

    def __init__(self, first: bytes, stream: Readable) -> None:
        self._first = first
        self._stream = stream

    def read(self, size: int, /) -> bytes:
        if self._first:
            chunk, self._first = self._first, b""
            return chunk
        return self._stream.read(size)


def _chain(first: bytes, stream: Readable) -> Iterator[bytes]:
    yield first
    while chunk := stream.read(CHUNK_BYTES):
        yield chunk


def _transcode(chunks: Iterator[bytes], encoding: str, errors: str) -> Iterator[bytes]:
    """Yield UTF-8. Undecodable bytes become invalid UTF-8, so that the load rejects their row."""
    decoder = codecs.getincrementaldecoder(encoding)(errors)
    try:
        for chunk in chunks:
            if text := decoder.decode(chunk):
                yield text.encode(errors=errors)
        yield decoder.decode(b"", final=True).encode(errors=errors)
    except UnicodeError as exc:
        raise FileRefusedError(f"the file is not {encoding.upper()}", hint="Save it as UTF-8.") from exc
