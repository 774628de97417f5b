"""A landing zone in which archives of many files are folders.

`export.zip!/Takeout/Fitbit/steps-2026-01-01.json` is a member of export.zip. A zip with one file stays a packed file,
and so does an export of Apple Health, which is one file with its attachments.
"""

import io
import re
import tempfile
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, BinaryIO, NamedTuple, cast

from ingestion.errors import FileRefusedError
from ingestion.storage.base import Storage, StoredFile, changed, is_loadable
from ingestion.unpacking import FOLDER_SUFFIXES, LIMITS, Folder, Limits, open_folder

# between an archive and its member
INSIDE = "!/"
_ARCHIVE = re.compile(rf"(?is).*?(?:{'|'.join(map(re.escape, FOLDER_SUFFIXES))})(?={INSIDE})")
_APPLE_FOLDER = "apple_health_export/"
# formats that are read as one file where they hold one
_PACKED = (".zip", ".xlsx")
_WORKBOOK = ".xlsx"
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
    found = _ARCHIVE.match(name) if INSIDE in name else None
    return found[0] if found else None


def is_inside(name: str, archives: AbstractSet[str]) -> bool:
    """Whether a file is one of these, or a member of one, or of an archive in one.

    Arguments:
        name: the file's name in the landing zone.
        archives: names there.

    """
    parts = name.split(INSIDE)
    return any(INSIDE.join(parts[:number]) in archives for number in range(1, len(parts) + 1))


@dataclass
class ArchiveStorage:
    """A landing zone whose archives are listed and opened as folders. Several threads may use it at the same time.

    Arguments:
        inner: the landing zone.
        known: what archives had in them, by their names. An archive in the same state is not opened again to list it.
        packed: names of archives that were loaded as one file, and stay that.
        limits: limits on what an archive unpacks to.

    Attributes:
        found: what archives have in them that were opened to list them, by their names.

    """

    inner: Storage
    known: Mapping[str, Members] = field(default_factory=dict)
    packed: frozenset[str] = frozenset()
    limits: Limits = LIMITS
    found: dict[str, Members] = field(default_factory=dict, init=False)
    _archives: dict[str, StoredFile] = field(default_factory=dict, init=False)
    _refused: dict[str, FileRefusedError] = field(default_factory=dict, init=False)
    # by their names, the one that was used last at the end
    _open: "OrderedDict[str, _OpenFolder]" = field(default_factory=OrderedDict, init=False)
    # guards what is open, and who uses it
    _lock: threading.RLock = field(default_factory=threading.RLock, init=False)

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
            for name in sorted(members):
                yield StoredFile(
                    f"{file.name}{INSIDE}{name}",
                    members[name],
                    f"{file.version} in {file.size}",
                    # while the archive is the same, so are its members
                    is_strong=file.is_strong,
                    modified_at=file.modified_at,
                    device=file.device,
                )

    def open(self, file: StoredFile) -> BinaryIO:
        archive = self._archive(file)
        if archive is None:
            if file.name in self._refused:
                raise self._refused[file.name]
            return self.inner.open(file)
        if f"{archive.version} in {archive.size}" != file.version:
            raise changed()
        outer, _, nested = file.name.removeprefix(archive.name + INSIDE).partition(INSIDE)
        with self._lock:
            folder = self._nested(archive, outer) if nested else self._folder(archive)
            return self._used(folder, nested or outer)

    def confirms(self, file: StoredFile, checksum: str) -> bool:
        archive = self._archive(file)
        # the end of a member has confirmed its checksum in the archive
        return self.inner.is_unchanged(archive) if archive else self.inner.confirms(file, checksum)

    def is_unchanged(self, file: StoredFile) -> bool:
        return self.inner.is_unchanged(self._archive(file) or file)

    def add(self, name: str, path: Path, checksum: str) -> bool:
        return self.inner.add(name, path, checksum)

    @property
    def can_archive(self) -> bool:
        return self.inner.can_archive

    def archive(self, file: StoredFile, checksum: str) -> bool:
        # members stay in their archive, and it stays where it is
        return self._archive(file) is not None or self.inner.archive(file, checksum)

    def is_archived(self, name: str, checksum: str) -> bool:
        return self.inner.is_archived(name, checksum)

    def close(self) -> None:
        """Close the archives that are open."""
        with self._lock:
            while self._open:
                self._open.popitem()[1].folder.close()

    def _archive(self, file: StoredFile) -> StoredFile | None:
        """Return the archive that a file is in, as it was listed."""
        return self._archives.get(archive_of(file.name) or "")

    def _members(self, file: StoredFile) -> Mapping[str, int]:
        """Return the members of a file that is a folder, by name; none for any other file."""
        if not file.name.lower().endswith(FOLDER_SUFFIXES) or file.name in self.packed:
            return {}
        version = f"{file.size} {file.version}"
        known = self.known.get(file.name)
        if known and known.version == version:
            return known.sizes
        try:
            with self._lock:
                sizes = self._listed(file, stays_folder=bool(known and known.sizes))
        except (FileRefusedError, OSError) as exc:
            # it is listed as one file, which says why when it is opened
            self._refused[file.name] = _refusal(exc)
            return {}
        self.found[file.name] = Members(version, sizes)
        return sizes

    def _listed(self, archive: StoredFile, *, stays_folder: bool) -> dict[str, int]:
        """Return the members of an archive and of those in it; none where it is one packed file, or one export."""
        sizes = self._folder(archive).sizes
        is_packed = archive.name.lower().endswith(_PACKED) and len(sizes) == 1 and not stays_folder
        if is_packed or _is_apple(sizes):
            return {}
        is_workbook = archive.name.lower().endswith(_WORKBOOK)
        found: dict[str, int] = {}
        for name, size in _loadable(sizes).items():
            inner: Mapping[str, int] = {}
            if name.lower().endswith(FOLDER_SUFFIXES) and not is_workbook:
                # a damaged archive in an archive is a member like any other: its load says what is wrong
                with suppress(FileRefusedError):
                    inner = self._nested(archive, name).sizes
            is_folder = len(inner) > 1 and not _is_apple(inner)
            found |= {f"{name}{INSIDE}{each}": inner[each] for each in _loadable(inner)} if is_folder else {name: size}
        if not is_workbook:
            # each sheet has the size of the workbook
            self.limits.check_members(len(found))
            self.limits.check(sum(found.values()), archive.size)
        return found

    def _folder(self, archive: StoredFile) -> "_OpenFolder":
        return self._opened(archive.name, archive.version, lambda: _seekable(self.inner.open(archive)))

    def _nested(self, archive: StoredFile, name: str) -> "_OpenFolder":
        return self._opened(
            f"{archive.name}{INSIDE}{name}",
            archive.version,
            lambda: _spooled(self._used(self._folder(archive), name)),
        )

    def _opened(self, name: str, version: str, content: Callable[[], IO[bytes]]) -> "_OpenFolder":
        opened = self._open.get(name)
        if opened is None or opened.version != version:
            opened = _OpenFolder(open_folder(name, content(), self.limits), version)
            self._open[name] = opened
        self._open.move_to_end(name)
        for idle in [each for each, folder in self._open.items() if not folder.users and folder is not opened]:
            if len(self._open) > _MOST_OPEN:
                self._open.pop(idle).folder.close()
        return opened

    def _used(self, opened: "_OpenFolder", name: str) -> BinaryIO:
        if name not in opened.sizes:
            raise changed()
        stream = opened.folder.open(name)
        opened.users += 1
        return cast("BinaryIO", _Used(stream, lambda: self._leave(opened)))

    def _leave(self, opened: "_OpenFolder") -> None:
        with self._lock:
            opened.users -= 1


@dataclass(eq=False)
class _OpenFolder:
    folder: Folder
    version: str
    users: int = 0

    @property
    def sizes(self) -> Mapping[str, int]:
        return self.folder.sizes


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


def _loadable(sizes: Mapping[str, int]) -> dict[str, int]:
    return {name: size for name, size in sizes.items() if is_loadable(name.rpartition("/")[2])}


def _is_apple(sizes: Mapping[str, int]) -> bool:
    return all(name.startswith(_APPLE_FOLDER) for name in sizes)


def _refusal(exc: FileRefusedError | OSError) -> FileRefusedError:
    if isinstance(exc, FileRefusedError):
        return exc
    return FileRefusedError(
        f"it could not be unpacked: {exc.strerror or type(exc).__name__}",
        hint="Free space in the temporary directory, or name a larger one in TMPDIR.",
    )


def _seekable(stream: BinaryIO) -> IO[bytes]:
    return io.BufferedReader(cast("io.RawIOBase", stream)) if stream.seekable() else _spooled(stream)


def _spooled(stream: BinaryIO) -> IO[bytes]:
    file = tempfile.TemporaryFile()  # noqa: SIM115  (the folder closes it)
    try:
        with closing(stream):
            while chunk := stream.read(_CHUNK_BYTES):
                file.write(chunk)
        file.flush()
    except BaseException:
        file.close()
        raise
    return cast("IO[bytes]", file)
