"""A file's bytes as UTF-8 text, a line a row: unpacked, transcoded, or written out of a spreadsheet or Parquet.

Everything is a stream but for what can only be read from its end: such a file is laid down in a temporary one first.
"""

import codecs
import io
import json
import re
import struct
import sys
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import IO, Literal, Protocol, cast

from ingestion.db import Readable
from ingestion.errors import FileRefusedError
from ingestion.formats import parquet

_CHUNK_BYTES = 1 << 18
_PACKED_CHUNK_BYTES = 1 << 15
_UTF8_BOM = codecs.BOM_UTF8
_UTF16_BOMS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_END_OF_DIRECTORY = b"PK\x05\x06"
_END_OF_DIRECTORY_BYTES = 22 + 65_535
_IN_MEMORY_BYTES = 1 << 20
_MAX_BOOK_ENTRIES = 50_000
_PARQUET = b"PAR1"
_MARKS = {
    b"\x1f\x8b": ("a gzip archive", ".gz"),
    b"(\xb5/\xfd": ("a Zstandard archive", ".zst"),
    b"PK\x03\x04": ("a zip archive or a spreadsheet", ".zip or .xlsx"),
    b"PAR1": ("a Parquet file", ".parquet"),
}
_LEAST_PARQUET_BYTES = 12
_NO_SPACE = re.compile(r"[^ \t\r\n]")
_CORRUPT = (zlib.error, zipfile.BadZipFile, EOFError, OSError, NotImplementedError)


@dataclass(frozen=True)
class Limits:
    """What an archive may hold, so that a small file cannot fill memory, disk or database.

    Arguments:
        entries: files in a zip archive.
        ratio: bytes for each byte of the archive; text of numbers comes to 10, rarely to 50.
        free_bytes: what may come out whatever the ratio.
        total_bytes: what may come out in all.
        table_bytes: the same for a spreadsheet, or a row group of Parquet: they are held in memory.

    """

    entries: int = 1_000
    ratio: int = 200
    free_bytes: int = 16 << 20
    total_bytes: int = 64 << 30
    table_bytes: int = 256 << 20

    def check(self, size: int, packed_size: int) -> None:
        """Refuse what is too large.

        Arguments:
            size: of what came out so far.
            packed_size: of what it came out of.

        Raises:
            FileRefusedError: it is.

        """
        if size > self.total_bytes:
            raise FileRefusedError(f"more than {self.total_bytes >> 30} GiB come out of it", hint="Split it.")
        if size > self.free_bytes and size > self.ratio * packed_size:
            raise FileRefusedError(
                f"more than {self.ratio} times its own size comes out of it", hint="Unpack it, and look at it."
            )


LIMITS = Limits()


class Book(Protocol):
    """A kind of file that holds several tables, of which one is to be read."""

    def is_member(self, name: str) -> bool:
        """Tell the file from others in its archive."""
        ...

    def rows(self, stream: Readable) -> Iterator[bytes]:
        """Yield the table as CSV.

        Arguments:
            stream: the file, in UTF-8.

        """
        ...


class Text:
    """The text of a file.

    Arguments:
        name: of the file: its endings say how it is packed and written.
        stream: its bytes.
        encoding: of text without a byte order mark.
        limits: on what comes out of archives.
        book: how to read it, where it is not a table itself.

    Raises:
        FileRefusedError: it is not what its name says, or holds too much.

    """

    def __init__(
        self,
        name: str,
        stream: Readable,
        encoding: str = "utf-8",
        limits: Limits = LIMITS,
        *,
        book: Book | None = None,
    ) -> None:
        self._resources = ExitStack()
        self._book = book
        try:
            packing, kind = _endings(name)
            if packing in {".gz", ".zst"}:
                stream = _Unpacked(stream, _GzipMember if packing == ".gz" else _zstd_member(), limits)
            elif packing == ".zip":
                stream, kind = self._only_member(self._lay_down(stream), kind, limits)
            self.format: Literal["csv", "ndjson"] = "ndjson" if kind in {".json", ".ndjson", ".jsonl"} else "csv"
            if book:
                self._source: Readable = _Chunks(book.rows(_utf8(stream, "utf-8")))
            elif kind in _TABLES:
                self._source = _Chunks(_TABLES[kind](self._lay_down(stream), limits))
            else:
                self._source = _utf8(stream, encoding)
        except BaseException:
            self._resources.close()
            raise

    def read(self, size: int) -> bytes:
        """Return the next bytes, b"" at the end.

        Arguments:
            size: roughly the most to return.

        """
        return self._source.read(size)

    def close(self) -> None:
        """Take temporary files away."""
        self._resources.close()

    def _lay_down(self, stream: Readable) -> IO[bytes]:
        file = tempfile.SpooledTemporaryFile(_IN_MEMORY_BYTES)  # noqa: SIM115  (closed with this text)
        self._resources.enter_context(file)
        while chunk := stream.read(_CHUNK_BYTES):
            file.write(chunk)
        file.seek(0)
        return cast("IO[bytes]", file)

    def _only_member(self, file: IO[bytes], kind: str, limits: Limits) -> tuple[Readable, str]:
        """Return the one file that the archive holds, and the ending of its name."""
        if self._book:
            # pictures, routes and the like, a file each
            limits = replace(limits, entries=_MAX_BOOK_ENTRIES)
        archive = self._resources.enter_context(_open_zip(file, limits))
        members = [info for info in archive.infolist() if _is_data(info.filename)]
        if self._book:
            members = [info for info in members if self._book.is_member(info.filename)]
        if len(members) != 1:
            raise FileRefusedError(
                f"the archive holds {len(members)} files{' of this kind' if self._book else ''}",
                hint="Put one in each archive, or unpack it.",
            )
        (member,) = members
        if member.flag_bits & 1:
            raise FileRefusedError("the archive is encrypted", hint="Unpack it.")
        try:
            opened = self._resources.enter_context(archive.open(member))
        except _CORRUPT as exc:
            raise _corrupt() from exc
        return _Bounded(opened, member.compress_size, limits), kind or PurePosixPath(member.filename).suffix.lower()


def _endings(name: str) -> tuple[str, str]:
    """Return the endings that say how a file is packed, and what it is."""
    suffixes = [suffix.lower() for suffix in PurePosixPath(name).suffixes]
    packing = suffixes.pop() if suffixes and suffixes[-1] in {".gz", ".zst", ".zip"} else ""
    kind = suffixes[-1] if suffixes else ""
    return packing, kind if kind in {".csv", ".tsv", ".ndjson", ".jsonl", *_TABLES} else ""


def _is_data(member: str) -> bool:
    """Tell a file from folders and from what macOS and editors add."""
    path = PurePosixPath(member)
    return not member.endswith("/") and path.parts[0] != "__MACOSX" and not path.name.startswith(".")


def _corrupt() -> FileRefusedError:
    return FileRefusedError("the archive is damaged, or not what its name says", hint="Copy or export it again.")


class _Member(Protocol):
    """One of the compressed streams that an archive may be made of, as the standard library has them."""

    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, /, max_length: int) -> bytes: ...


class _GzipMember:
    """zlib's decompressor with the interface of the newer ones."""

    def __init__(self) -> None:
        self._inner = zlib.decompressobj(wbits=31)

    @property
    def eof(self) -> bool:
        return self._inner.eof

    @property
    def needs_input(self) -> bool:
        return not self._inner.unconsumed_tail and not self.eof

    @property
    def unused_data(self) -> bytes:
        return self._inner.unused_data

    def decompress(self, data: bytes, /, max_length: int) -> bytes:
        return self._inner.decompress(self._inner.unconsumed_tail + data, max_length)


def _zstd_member() -> Callable[[], _Member]:
    # few files need it
    if sys.version_info >= (3, 14):
        from compression import zstd  # noqa: PLC0415
    else:
        from backports import zstd  # noqa: PLC0415

    # a greater window than the default of the tools would only be memory
    return lambda: cast("_Member", zstd.ZstdDecompressor(options={zstd.DecompressionParameter.window_log_max: 27}))


class _Unpacked:
    """The content of a .gz or .zst file, which may be several compressed streams in a row."""

    def __init__(self, packed: Readable, new_member: Callable[[], _Member], limits: Limits) -> None:
        self._packed = packed
        self._new_member = new_member
        self._member = new_member()
        self._limits = limits
        self._rest = b""
        self._packed_size = 0
        self._size = 0
        self._is_begun = False

    def read(self, size: int) -> bytes:
        while True:
            if self._member.eof:
                # tapes and some tools fill up with zeros
                self._rest = self._member.unused_data.lstrip(b"\0") or self._more().lstrip(b"\0")
                if not self._rest:
                    return b""
                self._member, self._is_begun = self._new_member(), False
            data = b""
            if self._member.needs_input:
                data, self._rest = self._rest or self._more(), b""
                if not data:
                    if self._packed_size == 0:
                        return b""
                    raise FileRefusedError("the archive ends too early", hint="Copy or export it again.")
            chunk = self._decompress(data, size)
            if chunk:
                self._size += len(chunk)
                self._limits.check(self._size, self._packed_size)
                return chunk

    def _more(self) -> bytes:
        data = self._packed.read(_PACKED_CHUNK_BYTES)
        self._packed_size += len(data)
        return data

    def _decompress(self, data: bytes, size: int) -> bytes:
        try:
            return self._member.decompress(data, max_length=size)
        except FileRefusedError:
            raise
        except Exception as exc:  # zstd's error has no base of its own before Python 3.14
            raise _corrupt() from exc


class _Bounded:
    """A member of a zip archive."""

    def __init__(self, member: IO[bytes], packed_size: int, limits: Limits) -> None:
        self._member = member
        self._packed_size = packed_size
        self._limits = limits
        self._size = 0

    def read(self, size: int) -> bytes:
        try:
            chunk = self._member.read(size)
        except _CORRUPT as exc:
            raise _corrupt() from exc
        self._size += len(chunk)
        self._limits.check(self._size, self._packed_size)
        return chunk


def _open_zip(file: IO[bytes], limits: Limits) -> zipfile.ZipFile:
    size = file.seek(0, io.SEEK_END)
    file.seek(max(0, size - _END_OF_DIRECTORY_BYTES))
    tail = file.read()
    end = tail.rfind(_END_OF_DIRECTORY)
    # before the directory itself is read into memory; 65,535 also stands for more
    if end >= 0 and len(tail) >= end + 12 and struct.unpack_from("<H", tail, end + 10)[0] > limits.entries:
        raise FileRefusedError(f"the archive holds more than {limits.entries} files", hint="Unpack it.")
    file.seek(0)
    try:
        return zipfile.ZipFile(file)
    except _CORRUPT as exc:
        raise _corrupt() from exc


class _Chunks:
    """An iterator of chunks as a stream."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks

    def read(self, _size: int) -> bytes:
        return next(self._chunks, b"")


def _utf8(stream: Readable, encoding: str) -> Readable:
    """Return text in UTF-8. What a byte order mark says is believed; nothing else is guessed."""
    first = stream.read(_CHUNK_BYTES)
    for mark, (what, ending) in _MARKS.items():
        if first.startswith(mark):
            raise FileRefusedError(f"it is {what}, and its name says otherwise", hint=f"Let its name end in {ending}.")
    rest = _chain(first, stream)
    if first.startswith(_UTF16_BOMS):
        return _Chunks(_transcode(rest, "utf-16", "surrogatepass"))
    if first.startswith(_UTF8_BOM) or codecs.lookup(encoding).name == "utf-8":
        return _Resumed(first, stream)
    return _Chunks(_transcode(rest, encoding, "surrogateescape"))


class _Resumed:
    """A stream of which the first bytes were read already."""

    def __init__(self, first: bytes, stream: Readable) -> None:
        self._first = first
        self._stream = stream

    def read(self, size: int) -> bytes:
        if self._first:
            chunk, self._first = self._first, b""
            return chunk
        return self._stream.read(size)


def _chain(first: bytes, stream: Readable) -> Iterator[bytes]:
    yield first
    while chunk := stream.read(_CHUNK_BYTES):
        yield chunk


def _transcode(chunks: Iterator[bytes], encoding: str, errors: str) -> Iterator[bytes]:
    """Yield UTF-8; what is no text becomes bytes that are no UTF-8 either, so that its row is rejected."""
    decoder = codecs.getincrementaldecoder(encoding)(errors)
    try:
        for chunk in chunks:
            if text := decoder.decode(chunk):
                yield text.encode(errors=errors)
        yield decoder.decode(b"", final=True).encode(errors=errors)
    except UnicodeError as exc:
        raise FileRefusedError(f"it is not {encoding.upper()} throughout", hint="Save it as UTF-8.") from exc


def _spreadsheet(file: IO[bytes], limits: Limits) -> Iterator[bytes]:
    with _open_zip(file, limits) as archive:
        size = sum(info.file_size for info in archive.infolist())
    if size > limits.table_bytes:
        raise FileRefusedError(
            f"the spreadsheet unpacks to more than {limits.table_bytes >> 20} MiB", hint="Save it as CSV."
        )
    file.seek(0)
    import pandas as pd  # noqa: PLC0415  (takes a second, which other files save)

    try:
        sheets = pd.read_excel(
            file, sheet_name=None, header=None, dtype=object, engine="openpyxl", keep_default_na=False, na_filter=False
        )
    except Exception as exc:  # openpyxl raises whatever its parsers raise
        raise FileRefusedError("it is no spreadsheet that can be read", hint="Save it as CSV.") from exc
    filled = [frame for frame in sheets.values() if not frame.empty]
    if len(filled) > 1:
        raise FileRefusedError(f"it has {len(filled)} sheets with something on them", hint="Save each as a file.")
    for frame in filled:
        yield from parquet.as_csv(frame, header=False)


def _objects(file: IO[bytes], limits: Limits) -> Iterator[bytes]:
    """Yield the elements of a JSON array, each on a line of its own; lines of JSON as they are."""
    content = file.read(limits.table_bytes + 1)
    if len(content) > limits.table_bytes:
        raise FileRefusedError(f"the JSON has more than {limits.table_bytes >> 20} MiB", hint="Write an object a line.")
    try:
        text = content.decode(json.detect_encoding(content))
    except UnicodeDecodeError as exc:
        raise FileRefusedError("it is not UTF-8 throughout", hint="Export it again.") from exc
    decoder = json.JSONDecoder()
    begin = _past_space(text, 0)
    if not text.startswith("[", begin):
        yield content
        return
    begin = _past_space(text, begin + 1)
    while not text.startswith("]", begin):
        try:
            _, end = decoder.raw_decode(text, begin)
        except (ValueError, RecursionError) as exc:
            raise _no_json(text, begin) from exc
        # a line end inside a text would be no JSON
        yield re.sub(r"[\r\n]", " ", text[begin:end]).encode() + b"\n"
        begin = _past_space(text, end)
        if text.startswith(",", begin):
            begin = _past_space(text, begin + 1)
        elif not text.startswith("]", begin):
            raise _no_json(text, begin)


def _past_space(text: str, begin: int) -> int:
    found = _NO_SPACE.search(text, begin)
    return found.start() if found else len(text)


def _no_json(text: str, begin: int) -> FileRefusedError:
    return FileRefusedError(
        "it is no JSON array, or is cut off", hint="Export it again.", line=text.count("\n", 0, begin) + 1
    )


def _parquet(file: IO[bytes], limits: Limits) -> Iterator[bytes]:
    return parquet.rows(file, limits.table_bytes)


_TABLES: dict[str, Callable[[IO[bytes], Limits], Iterator[bytes]]] = {
    ".xlsx": _spreadsheet,
    ".parquet": _parquet,
    ".json": _objects,
}
