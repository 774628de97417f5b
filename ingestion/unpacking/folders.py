"""Archives that are folders: the names and the bytes of their members."""

import io
import os
import re
import tarfile
import zipfile
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import suppress
from typing import IO, NamedTuple

from ingestion.errors import FileRefusedError
from ingestion.unpacking.limits import Limits
from ingestion.unpacking.packed import CORRUPT, corrupt, is_data, open_zip

# of a name, with what belongs to it
_MOST_NAME_BYTES = 1 << 20
_UTF8_FLAG = 0x800
_ENCRYPTED_FLAG = 0x1
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


class Place(NamedTuple):
    """Where a member of a tar is.

    Arguments:
        offset: of its first byte, from the beginning of the archive.
        size: the number of bytes.

    """

    offset: int
    size: int


class Folder(ABC):
    """An open archive. Several threads may read its members at the same time.

    Arguments:
        limits: limits on what it unpacks to.

    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits

        # the unpacked bytes of each member that is a file, by a name that is safe to show, sorted by name
        self.sizes: dict[str, int] = {}

    @abstractmethod
    def open(self, name: str) -> io.RawIOBase:
        """Return a member as a stream.

        Arguments:
            name: the member, one of `sizes`.

        Raises:
            FileRefusedError: here or while reading: it is damaged, or unpacks to too much.

        """

    @abstractmethod
    def close(self) -> None:
        """Close the archive."""


class ZipFolder(Folder):
    """A zip archive.

    Arguments:
        file: the archive; closed with the folder.
        limits: limits on what it unpacks to.

    Raises:
        FileRefusedError: it is encrypted, damaged, or holds too much.

    """

    def __init__(self, file: IO[bytes], limits: Limits) -> None:
        super().__init__(limits)
        self._file = file
        self._archive = open_zip(file, limits.members)
        infos = {_zip_name(info): info for info in self._archive.infolist() if not info.is_dir()}
        self._members = {name: infos[name] for name in sorted(infos) if is_data(name)}
        self.sizes = {name: info.file_size for name, info in self._members.items()}
        if any(info.flag_bits & _ENCRYPTED_FLAG for info in self._members.values()):
            raise FileRefusedError("the archive is encrypted", hint="Unpack it.")
        # members may share their bytes
        size = min(sum(info.compress_size for info in self._members.values()), file.seek(0, io.SEEK_END))
        limits.check(sum(self.sizes.values()), size)

    def close(self) -> None:
        """Close the archive."""
        self._archive.close()
        self._file.close()

    def open(self, name: str) -> io.RawIOBase:
        """Return a member as a stream, whose end confirms its checksum."""
        info = self._members[name]
        try:
            return _ZipStream(self._archive.open(info), info.compress_size, self._limits)
        except CORRUPT as exc:
            raise corrupt() from exc


class TarFolder(Folder):
    """A tar archive, not compressed.

    Links, devices and files with holes are no members. Of two members with the same name the last counts.

    Arguments:
        file: the archive, a real file; closed with the folder.
        limits: limits on what it unpacks to.

    Raises:
        FileRefusedError: it is damaged, or holds too much.

    """

    def __init__(self, file: IO[bytes], limits: Limits) -> None:
        super().__init__(limits)
        self._file = file
        found: dict[str, Place] = {}
        try:
            for info in _headers(file, limits):
                if info.isreg() and info.sparse is None:
                    found[safe_name(info.name)] = Place(info.offset_data, info.size)
        except CORRUPT as exc:
            raise corrupt() from exc
        self._members = {name: found[name] for name in sorted(found) if is_data(name)}
        self.sizes = {name: place.size for name, place in self._members.items()}
        limits.check_total(sum(self.sizes.values()))

    def close(self) -> None:
        """Close the archive."""
        self._file.close()

    def open(self, name: str) -> io.RawIOBase:
        """Return a member as a stream."""
        return Part(self._file.fileno(), self._members[name])


def _headers(file: IO[bytes], limits: Limits) -> Iterator[tarfile.TarInfo]:
    size = file.seek(0, io.SEEK_END)
    file.seek(0)
    with tarfile.open(fileobj=_Bounded(file), mode="r:") as archive:
        for number, info in enumerate(archive, 1):
            # they would pile up in memory
            archive.members = []  # type: ignore[attr-defined]
            limits.check_members(number)
            if info.isreg() and info.offset_data + info.size > size:
                raise _incomplete()
            yield info
        # tarfile ends in silence where a header is damaged
        if os.pread(file.fileno(), tarfile.BLOCKSIZE, archive.offset).strip(b"\0"):
            raise corrupt()


class _Bounded(io.RawIOBase):
    """The headers of a tar, which may say that a name has gigabytes."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def read(self, size: int | None = -1) -> bytes:
        if size is None or not 0 <= size <= _MOST_NAME_BYTES:
            raise corrupt()
        return self._file.read(size)

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()


class _ZipStream(io.RawIOBase):
    """The bytes of a member of a zip archive."""

    def __init__(self, member: IO[bytes], packed_size: int, limits: Limits) -> None:
        self._member = member
        self._packed_size = packed_size
        self._limits = limits
        self._size = 0

    def readable(self) -> bool:
        return True

    def read(self, size: int | None = -1) -> bytes:
        if size is None or size < 0:
            return self.readall()
        try:
            chunk = self._member.read(size)
        except CORRUPT as exc:
            raise corrupt() from exc
        self._size += len(chunk)
        self._limits.check(self._size, self._packed_size)
        return chunk

    def readinto(self, buffer: "bytearray | memoryview") -> int:  # type: ignore[override]
        chunk = self.read(len(buffer))
        buffer[: len(chunk)] = chunk
        return len(chunk)

    def close(self) -> None:
        self._member.close()
        super().close()


class Part(io.RawIOBase):
    """A part of a file."""

    def __init__(self, descriptor: int, place: Place) -> None:
        self._descriptor = descriptor
        self._position = place.offset
        self._end = place.offset + place.size

    def readable(self) -> bool:
        return True

    def read(self, size: int | None = -1) -> bytes:
        if size is None or size < 0:
            return self.readall()
        chunk = os.pread(self._descriptor, min(size, self._end - self._position), self._position)
        if not chunk and size and self._position < self._end:
            raise _incomplete()
        self._position += len(chunk)
        return chunk

    def readinto(self, buffer: "bytearray | memoryview") -> int:  # type: ignore[override]
        chunk = self.read(len(buffer))
        buffer[: len(chunk)] = chunk
        return len(chunk)


def _incomplete() -> FileRefusedError:
    return FileRefusedError("the archive is incomplete", hint="Copy or export it again.")


def safe_name(name: str) -> str:
    """Return the name of a member without `..`, without a root, and without control characters.

    Arguments:
        name: the name, as the archive has it; bytes that are not UTF-8 are surrogates.

    """
    text = name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    text = _CONTROL.sub(lambda found: f"\\x{ord(found[0]):02x}", text.replace("\\", "/"))
    return "/".join(part for part in text.split("/") if part not in {"", ".", ".."})


def _zip_name(info: zipfile.ZipInfo) -> str:
    name = info.filename
    if not info.flag_bits & _UTF8_FLAG:
        # many programs write UTF-8 and do not say so
        with suppress(UnicodeError):
            name = name.encode("cp437").decode()
    return safe_name(name)
