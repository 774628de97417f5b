"""A landing zone in which archives of many files are folders.

`export.zip!/Takeout/Fitbit/steps-2026-01-01.json` is a member of export.zip. An archive with one file stays a packed
file, and so does an export of Apple Health, which is one file with its attachments.
"""

import io
import tempfile
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, BinaryIO, NamedTuple, cast

from ingestion.errors import FileRefusedError
from ingestion.storage.base import Storage, StoredFile, changed, is_loadable
from ingestion.unpacking import FOLDER_SUFFIXES, LIMITS, Folder, Limits, open_folder

# between an archive and its member
INSIDE = "!/"
_APPLE_FOLDER = "apple_health_export/"
_MOST_OPEN = 4
_CHUNK_BYTES = 1 << 18


class Members(NamedTuple):
    """The members of an archive in one state.

    Arguments:
        version: the size of the archive, and its token.
        sizes: the number of unpacked bytes of each member, by its name in the archive; none where it is no folder.

    """

    version: str
    sizes: Mapping[str, int]


def archive_of(name: str) -> str | None:
    """Return the archive in the landing zone that a member is in; None for a file that is in none.

    Arguments:
        name: a file's name in the landing zone.

    """
    archive, inside, _ = name.partition(INSIDE)
    return archive if inside else None


@dataclass
class ArchiveFolders:
    """A landing zone whose archives are listed and opened as folders. Several threads may use it at the same time.

    Arguments:
        inner: the landing zone.
        known: what archives had in them, by their names. An archive in the same state is not opened again to list it.
        packed: names of archives that were loaded as one file, and stay that.
        limits: limits on what an archive unpacks to.

    """

    inner: Storage
    known: Mapping[str, Members] = field(default_factory=dict)
    packed: frozenset[str] = frozenset()
    limits: Limits = LIMITS
    found: dict[str, Members] = field(default_factory=dict, init=False)
    _archives: dict[str, StoredFile] = field(default_factory=dict, init=False)
    _open: "OrderedDict[str, _OpenFolder]" = field(default_factory=OrderedDict, init=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)

    def recover(self) -> None:
        self.inner.recover()

    def clear_leftovers(self) -> None:
        self.inner.clear_leftovers()

    def list(self) -> Iterator[StoredFile]:
        for file in self.inner.list():
            members = self._members(file)
            if not members:
                yield file
                continue
            self._archives[file.name] = file
            # while the archive is the same, so are its members
            for name in sorted(members):
                yield StoredFile(
                    f"{file.name}{INSIDE}{name}",
                    members[name],
                    f"{file.version} in {file.size}",
                    is_strong=True,
                    modified_at=file.modified_at,
                    device=file.device,
                )

    def open(self, file: StoredFile) -> BinaryIO:
        archive, _, name = file.name.partition(INSIDE)
        if not name:
            return self.inner.open(file)
        return self._folder(self._archive(file, archive)).open(name)

    def confirms(self, file: StoredFile, checksum: str) -> bool:
        archive = archive_of(file.name)
        # an archive has checksums of its members, and reading one to its end compares them
        return self.inner.is_unchanged(self._archives[archive]) if archive else self.inner.confirms(file, checksum)

    def is_unchanged(self, file: StoredFile) -> bool:
        archive = archive_of(file.name)
        return self.inner.is_unchanged(self._archives[archive] if archive else file)

    def add(self, name: str, path: Path, checksum: str) -> bool:
        return self.inner.add(name, path, checksum)

    @property
    def can_archive(self) -> bool:
        return self.inner.can_archive

    def archive(self, file: StoredFile, checksum: str) -> bool:
        # members stay in their archive, and it stays where it is
        return archive_of(file.name) is not None or self.inner.archive(file, checksum)

    def is_archived(self, name: str, checksum: str) -> bool:
        return archive_of(name) is None and self.inner.is_archived(name, checksum)

    def close(self) -> None:
        """Close the archives."""
        with self._lock:
            for folder in self._open.values():
                folder.close()
            self._open.clear()

    def _archive(self, file: StoredFile, name: str) -> StoredFile:
        archive = self._archives.get(name)
        if archive is None or f"{archive.version} in {archive.size}" != file.version:
            raise changed()
        return archive

    def _members(self, file: StoredFile) -> Mapping[str, int]:
        """Return the members of a file that is a folder, by name; none for any other file."""
        if not file.name.lower().endswith(FOLDER_SUFFIXES) or file.name in self.packed:
            return {}
        version = f"{file.size} {file.version}"
        known = self.known.get(file.name)
        if known is None or known.version != version:
            # a damaged archive is listed as it is: its load says what is wrong
            with suppress(FileRefusedError):
                known = self.found[file.name] = Members(version, _listed(self._folder(file)))
        return known.sizes if known and known.version == version else {}

    def _folder(self, archive: StoredFile) -> "_OpenFolder":
        with self._lock:
            folder = self._open.get(archive.name)
            if folder is None or folder.version != archive.version:
                folder = _OpenFolder(archive.name, archive.version, self._seekable(archive), self.limits)
                self._open[archive.name] = folder
            self._open.move_to_end(archive.name)
            for name in [name for name, each in self._open.items() if not each.users and each is not folder]:
                if len(self._open) > _MOST_OPEN:
                    self._open.pop(name).close()
            return folder

    def _seekable(self, archive: StoredFile) -> IO[bytes]:
        stream = self.inner.open(archive)
        return io.BufferedReader(cast("io.RawIOBase", stream)) if stream.seekable() else _spooled(stream)


class _OpenFolder:
    """An open archive, and the archives in it."""

    def __init__(self, name: str, version: str, file: IO[bytes], limits: Limits) -> None:
        self.version = version
        self.users = 0
        self.has_sheets = name.lower().endswith(".xlsx")
        self._limits = limits
        self._folder = open_folder(name, file, limits)
        self._nested: dict[str, Folder] = {}
        self._lock = threading.Lock()

    @property
    def sizes(self) -> Mapping[str, int]:
        return self._folder.sizes

    def nested(self, name: str) -> Folder:
        with self._lock:
            if name not in self._nested:
                self._nested[name] = open_folder(name, _spooled(self._folder.open(name)), self._limits)
            return self._nested[name]

    def open(self, name: str) -> BinaryIO:
        outer, _, inner = name.partition(INSIDE)
        folder = self.nested(outer) if inner else self._folder
        if (inner or outer) not in folder.sizes:
            raise changed()
        with self._lock:
            self.users += 1
        return cast("BinaryIO", _Used(folder.open(inner or outer), self._left))

    def close(self) -> None:
        for folder in (*self._nested.values(), self._folder):
            folder.close()

    def _left(self) -> None:
        with self._lock:
            self.users -= 1


class _Used(io.RawIOBase):
    """A stream that says when it is closed."""

    def __init__(self, stream: io.RawIOBase, on_close: Callable[[], None]) -> None:
        self._stream = stream
        self._on_close = on_close

    def readable(self) -> bool:
        return True

    def read(self, size: int | None = -1) -> bytes:
        return self._stream.read(-1 if size is None else size) or b""

    def close(self) -> None:
        if not self.closed:
            self._stream.close()
            self._on_close()
        super().close()


def _listed(folder: _OpenFolder) -> dict[str, int]:
    """Return the members of an archive and of those in it; none where it is one packed file, or one export."""
    if len(folder.sizes) < 2 or all(name.startswith(_APPLE_FOLDER) for name in folder.sizes):  # noqa: PLR2004
        return {}
    found: dict[str, int] = {}
    for name, size in folder.sizes.items():
        if not is_loadable(name.rpartition("/")[2]):
            continue
        inner = _nested_sizes(folder, name) if name.lower().endswith(FOLDER_SUFFIXES) and not folder.has_sheets else {}
        if len(inner) > 1:
            found |= {f"{name}{INSIDE}{each}": inner[each] for each in inner}
        else:
            found[name] = size
    return found


def _nested_sizes(folder: _OpenFolder, name: str) -> Mapping[str, int]:
    # a damaged archive in an archive is a member like any other: its load says what is wrong
    with suppress(FileRefusedError):
        sizes = folder.nested(name).sizes
        return sizes if not all(each.startswith(_APPLE_FOLDER) for each in sizes) else {}
    return {}


def _spooled(stream: io.RawIOBase | BinaryIO) -> IO[bytes]:
    file = tempfile.TemporaryFile()  # noqa: SIM115  (the folder closes it)
    with closing(stream):
        while chunk := stream.read(_CHUNK_BYTES):
            file.write(chunk)
    file.flush()
    return cast("IO[bytes]", file)
