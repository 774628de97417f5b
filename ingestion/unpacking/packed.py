"""Unpack gzip, Zstandard and zip archives."""

import io
import re
import struct
import sys
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import PurePosixPath
from typing import IO, Protocol, cast

from isal.igzip_lib import DECOMP_GZIP, IgzipDecompressor

from ingestion.errors import FileRefusedError
from ingestion.unpacking.limits import Limits

PACKINGS = (".gz", ".zst", ".zip")

_CHUNK_BYTES = 1 << 15
# the magic number and the only method; a byte of flags follows
_GZIP_MAGIC = b"\x1f\x8b\x08"
_GZIP_RESERVED = 0xE0
_GZIP_FRONT_BYTES = 4
_END_OF_DIRECTORY = b"PK\x05\x06"
_END_OF_DIRECTORY_64 = b"PK\x06\x06"
# with the longest comment, and with what Zip64 writes before it
_END_OF_DIRECTORY_BYTES = 22 + 65_535 + 76
# of an entry of the directory, on average: its name, and 46 bytes or some more
_ENTRY_BYTES = 1_024
# what zipfile and tarfile raise for damaged archives: names that are no text, sizes that no file has, encryption
_HIDDEN = re.compile(r"\.(?!\.?$).*", re.DOTALL)
CORRUPT = (
    zlib.error,
    zipfile.BadZipFile,
    tarfile.TarError,
    struct.error,
    EOFError,
    OSError,
    RuntimeError,
    ValueError,
    OverflowError,
)


class Readable(Protocol):
    """A stream of bytes."""

    def read(self, size: int, /) -> bytes:
        """Return the next bytes, b"" at the end."""
        ...


def unpack(stream: Readable, packing: str, limits: Limits) -> Readable:
    """Return the content of a gzip or Zstandard archive.

    Arguments:
        stream: the archive.
        packing: ".gz" or ".zst".
        limits: limits on the content.

    Raises:
        FileRefusedError: while reading: the archive is damaged, incomplete or holds too much.

    """
    return _Unpacking(stream, _GzipMember if packing == ".gz" else _zstd_member(), limits)


def open_only_member(
    file: IO[bytes], limits: Limits, resources: ExitStack, is_wanted: Callable[[str], bool] | None = None
) -> tuple[Readable, str]:
    """Open the one data file of a zip archive.

    Arguments:
        file: the archive.
        limits: limits on the archive and on the data file.
        resources: closes the archive.
        is_wanted: whether a name is that of the data file; any, where this is None.

    Returns:
        The content of the data file, and its name.

    Raises:
        FileRefusedError: there is not exactly one such file, or the archive is encrypted, damaged or holds too much.

    """
    archive = resources.enter_context(open_zip(file, limits.members))
    members = [info for info in archive.infolist() if is_data(info.filename)]
    if is_wanted:
        members = [info for info in members if is_wanted(info.filename)]
    if len(members) != 1:
        raise FileRefusedError(
            f"the archive holds {len(members)} {'matching ' if is_wanted else ''}files instead of 1",
            hint="Put one file into each archive, or unpack the archive.",
        )
    (member,) = members
    if member.flag_bits & 1:
        raise FileRefusedError("the archive is encrypted", hint="Unpack it.")
    try:
        opened = resources.enter_context(archive.open(member))
    except CORRUPT as exc:
        raise corrupt() from exc
    return _ZipMember(opened, member.compress_size, limits), member.filename


def open_zip(file: IO[bytes], most_entries: int) -> zipfile.ZipFile:
    """Open a zip archive.

    Arguments:
        file: the archive.
        most_entries: the number of files that it may hold.

    Raises:
        FileRefusedError: the archive is damaged or holds more files.

    """
    size = file.seek(0, io.SEEK_END)
    file.seek(max(0, size - _END_OF_DIRECTORY_BYTES))
    tail = file.read()
    # checked before zipfile reads the directory into memory: by its size, whatever number of entries it states
    entries, directory_bytes = _directory(tail)
    if entries > most_entries or directory_bytes > most_entries * _ENTRY_BYTES:
        raise FileRefusedError(f"the archive holds more than {most_entries} files", hint="Unpack it.")
    file.seek(0)
    try:
        return zipfile.ZipFile(file)
    except CORRUPT as exc:
        raise corrupt() from exc


def _directory(tail: bytes) -> tuple[int, int]:
    """Return the number of entries in the directory of a zip archive, and its size in bytes.

    Arguments:
        tail: the end of the archive.

    """
    end = tail.rfind(_END_OF_DIRECTORY)
    end_64 = tail.rfind(_END_OF_DIRECTORY_64, 0, max(end, 0))
    try:
        if end_64 >= 0:
            return cast("tuple[int, int]", struct.unpack_from("<QQ", tail, end_64 + 32))
        # Zip64 writes 65,535 for any larger number
        return cast("tuple[int, int]", struct.unpack_from("<HL", tail, end + 10)) if end >= 0 else (0, 0)
    except struct.error:
        # incomplete: zipfile refuses it
        return 0, 0


def is_data(member: str) -> bool:
    """Whether this is a file, and not a folder or an addition of macOS or an editor.

    Arguments:
        member: its name in the archive.

    """
    parts = PurePosixPath(member).parts
    is_file = bool(parts) and not member.endswith("/")
    return is_file and "__MACOSX" not in parts and not any(_HIDDEN.fullmatch(part) for part in parts)


def corrupt() -> FileRefusedError:
    """Return the error for a damaged archive."""
    return FileRefusedError("the archive is damaged, or its name has the wrong ending", hint="Copy or export it again.")


class _Decompressor(Protocol):
    """The interface that the decompressors of the standard library share."""

    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, /, max_length: int) -> bytes: ...


class _GzipMember:
    """A decompressor for gzip that takes a third of zlib's time, and is as strict about the header."""

    def __init__(self) -> None:
        self._inner = IgzipDecompressor(flag=DECOMP_GZIP)
        self._front = b""

    @property
    def eof(self) -> bool:
        return self._inner.eof

    @property
    def needs_input(self) -> bool:
        return self._inner.needs_input

    @property
    def unused_data(self) -> bytes:
        return self._inner.unused_data

    def decompress(self, data: bytes, /, max_length: int) -> bytes:
        if len(self._front) < _GZIP_FRONT_BYTES:
            self._front = (self._front + data)[:_GZIP_FRONT_BYTES]
            magic, flags = self._front[:3], self._front[3:]
            if not _GZIP_MAGIC.startswith(magic) or any(each & _GZIP_RESERVED for each in flags):
                raise ValueError
        return self._inner.decompress(data, max_length)


def _zstd_member() -> Callable[[], _Decompressor]:
    # imported here because few files need it
    if sys.version_info >= (3, 14):
        from compression import zstd  # noqa: PLC0415
    else:
        from backports import zstd  # noqa: PLC0415

    # the default of the zstd command; a larger window costs only memory
    return lambda: cast(
        "_Decompressor", zstd.ZstdDecompressor(options={zstd.DecompressionParameter.window_log_max: 27})
    )


class _Unpacking:
    """The content of a .gz or .zst file, which may consist of several compressed streams."""

    def __init__(self, packed: Readable, new_member: Callable[[], _Decompressor], limits: Limits) -> None:
        self._packed = packed
        self._new_member = new_member
        self._member = new_member()
        self._limits = limits
        self._rest = b""
        self._packed_size = 0
        self._size = 0

    def read(self, size: int, /) -> bytes:
        # as much as is asked for: packed chunks give pieces of any length
        chunks: list[bytes] = []
        length = 0
        while length < size and (chunk := self._next(size - length)):
            chunks.append(chunk)
            length += len(chunk)
        return b"".join(chunks)

    def _next(self, size: int) -> bytes:
        while True:
            if self._member.eof:
                # tapes and some tools pad with zeros
                self._rest = self._member.unused_data.lstrip(b"\0") or self._next_packed().lstrip(b"\0")
                if not self._rest:
                    return b""
                self._member = self._new_member()
            data = b""
            if self._member.needs_input:
                data, self._rest = self._rest or self._next_packed(), b""
                if not data:
                    if self._packed_size == 0:
                        return b""
                    raise FileRefusedError("the archive is incomplete", hint="Copy or export it again.")
            chunk = self._decompress(data, size)
            if chunk:
                self._size += len(chunk)
                self._limits.check(self._size, self._packed_size)
                return chunk

    def _next_packed(self) -> bytes:
        data = self._packed.read(_CHUNK_BYTES)
        self._packed_size += len(data)
        return data

    def _decompress(self, data: bytes, size: int) -> bytes:
        try:
            return self._member.decompress(data, max_length=size)
        except Exception as exc:  # before Python 3.14, zstd's error has no base class of its own
            raise corrupt() from exc


class _ZipMember:
    """The content of a file in a zip archive."""

    def __init__(self, member: IO[bytes], packed_size: int, limits: Limits) -> None:
        self._member = member
        self._packed_size = packed_size
        self._limits = limits
        self._size = 0

    def read(self, size: int, /) -> bytes:
        try:
            chunk = self._member.read(size)
        except CORRUPT as exc:
            raise corrupt() from exc
        self._size += len(chunk)
        self._limits.check(self._size, self._packed_size)
        return chunk
