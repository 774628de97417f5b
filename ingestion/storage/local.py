"""A landing zone that is a directory."""

import hashlib
import io
import os
import shutil
import stat
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO, cast

from ingestion import leftovers
from ingestion.errors import ConfigurationError, FileRefusedError
from ingestion.storage.archive import Archive, checksum_of
from ingestion.storage.base import StoredFile, changed, is_loadable, other_bytes
from ingestion.storage.moves import rename_without_replacing
from ingestion.storage.names import name_of, path_of

# A file can change twice within one tick of a clock, and file servers have their own clocks. With mmap, a program can
# change a page unseen until the kernel has written it to the disk, 35 s later. After this time, the next change has
# another time. Git calls younger files racy.
_RACY_SECONDS = 60.0
# the time of change is that of the kernel's last tick, at most 10 ms ago
_TICK_SECONDS = 0.02
# a file that `add` has not finished
_PART = ".landing-"


class LocalStorage:
    """A directory.

    Arguments:
        root: the directory, or a link to one.

    Raises:
        ConfigurationError: the directory does not exist or is not readable.

    """

    def __init__(self, root: Path) -> None:
        _check_directory(root)
        if not os.access(root, os.R_OK | os.X_OK):
            raise ConfigurationError(
                f"the data directory {root} is not readable",
                hint=f"Allow user {os.geteuid()} to list it.",
            )
        self._root = root.resolve()
        # strings, because a Path for each of many small files takes as long as to read it
        self._prefix = os.path.join(self._root, "")  # noqa: PTH118
        self._archive = Archive(self._root)
        self._leftovers: list[Path] = []

    def recover(self) -> None:
        self._archive.recover()

    def list(self) -> Iterator[StoredFile]:
        for folder, folders, files in os.walk(self._root, onerror=_raise_unlistable):
            folders[:] = sorted(name for name in folders if not name.startswith("."))
            # a link to a folder is not followed; it is yielded so that `open` refuses it visibly
            links = [name for name in folders if Path(folder, name).is_symlink()]
            within = folder[len(self._prefix) :]
            for name in sorted([*files, *links]):
                if is_loadable(name):
                    yield self._describe(f"{within}/{name}" if within else name)
                elif leftovers.is_leftover(Path(folder, name), _PART):
                    self._leftovers.append(Path(folder, name))
        # os.walk ends early where it is unmounted meanwhile
        _check_directory(self._root)

    def clear_leftovers(self) -> None:
        while self._leftovers:
            leftovers.remove(self._leftovers.pop())

    def open(self, file: StoredFile) -> BinaryIO:
        place = self._place(file)
        try:
            plain = _open_plain(place) if place.startswith(self._prefix) else None
            stream = plain or self._open_linked(Path(place))
            # a link may lead to another file by now, and back again before the end
            if _state(os.fstat(stream.fileno())) != _content_state(file):
                stream.close()
                raise changed()
        except OSError as exc:
            _check_directory(self._root)
            raise FileRefusedError(
                f"cannot be read ({exc.strerror})",
                hint=f"Make it readable for user {os.geteuid()}, or remove it.",
            ) from exc
        return stream

    def _open_linked(self, path: Path) -> BinaryIO:
        if not Path(os.path.realpath(path)).is_relative_to(self._root):
            raise FileRefusedError(
                "the link points outside the data directory", hint="Copy the file into the directory instead."
            )
        if not stat.S_ISREG(path.stat().st_mode):
            raise FileRefusedError("not a regular file", hint="Replace it with a regular file.")
        return path.open("rb", buffering=0)

    def confirms(self, file: StoredFile, checksum: str) -> bool:
        try:
            # a file server reports the present state of a file when it is opened, and may report an older one otherwise
            with io.FileIO(self._place(file)) as stream:
                now = os.fstat(stream.fileno())
                if _state(now) != _content_state(file):
                    return False
                if file.is_strong and _version(now) == file.version:
                    return True
                _wait_for_next_tick(os.fstat(stream.fileno()))
                has_these_bytes = hashlib.file_digest(stream, "sha256").hexdigest() == checksum
                after = os.fstat(stream.fileno())
                return has_these_bytes and (after.st_size, _version(after)) == (now.st_size, _version(now))
        except OSError:
            return False

    def is_unchanged(self, file: StoredFile) -> bool:
        try:
            now = _state(os.stat(self._place(file)))  # noqa: PTH116  (see `_prefix`)
        except OSError:
            now = _content_state(_unreadable(file.name))
        return now == _content_state(file)

    def add(self, name: str, path: Path, checksum: str) -> bool:
        target = self._root / name
        try:
            if not Path(os.path.realpath(target.parent)).is_relative_to(self._root):
                raise FileRefusedError(
                    f"the link {target.parent} points outside the data directory", hint="Correct the link."
                )
            target.parent.mkdir(parents=True, exist_ok=True)
            # whoever may read the folder may read the file
            return _add(target, path, checksum, 0o600 | self._root.stat().st_mode & 0o666)
        except OSError as exc:
            raise ConfigurationError(
                f"{target} cannot be written ({exc.strerror})",
                hint=f"Allow user {os.geteuid()} to write there, and check the free space.",
            ) from exc

    @property
    def can_archive(self) -> bool:
        return True

    def archive(self, file: StoredFile, checksum: str) -> bool:
        path = self._path(file)
        # a link would lead elsewhere from the archive
        if path.is_symlink() or not self.is_unchanged(file):
            return False
        return self._archive.take(path, file.name, checksum)

    def is_archived(self, name: str, checksum: str) -> bool:
        return self._archive.holds(name, checksum)

    def _path(self, file: StoredFile) -> Path:
        return Path(self._place(file))

    def _place(self, file: StoredFile) -> str:
        return os.path.join(self._prefix, path_of(file.name))  # noqa: PTH118  (see `_prefix`)

    def _describe(self, path: str) -> StoredFile:
        name = name_of(path)
        try:
            return _described(name, os.stat(self._prefix + path))  # noqa: PTH116  (see `_prefix`)
        except OSError:
            return _unreadable(name)


def _described(name: str, status: os.stat_result) -> StoredFile:
    return StoredFile(
        name,
        status.st_size,
        _version(status),
        is_strong=_has_reliable_change_time(status),
        modified_at=_moment(status.st_mtime),
        device=status.st_dev,
    )


def _unreadable(name: str) -> StoredFile:
    return StoredFile(name, 0, "unreadable")


def _version(status: os.stat_result) -> str:
    # unlike the modification time, programs cannot set the change time
    return f"{status.st_mtime_ns}-{status.st_ino}-{status.st_ctime_ns}"


def _open_plain(place: str) -> BinaryIO | None:
    """Open a regular file. None where some part of its path may be a link, or where it cannot be opened."""
    try:
        if not stat.S_ISREG(os.lstat(place).st_mode):
            return None
        descriptor = os.open(place, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        # what was opened, without links: much faster than to look at each part of the path
        if os.readlink(f"/proc/self/fd/{descriptor}") == place:  # noqa: PTH115  (see `_prefix`)
            return cast("BinaryIO", io.FileIO(descriptor))
    except OSError:
        pass
    os.close(descriptor)
    return None


def _moment(seconds: float) -> datetime | None:
    """Return a time, or None for one that no calendar has. Programs can set any."""
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        return None


def _check_directory(root: Path) -> None:
    if not root.is_dir():
        what = "is not a directory" if root.exists() else "does not exist"
        raise ConfigurationError(
            f"the data directory {root} {what}",
            hint="Create it, or set another with --data-dir or PIPELINE_DATA_DIR.",
        )


def _has_reliable_change_time(status: os.stat_result) -> bool:
    """Whether the next change of the file will have another change time.

    Mounted images and FAT have no change time. They report the modification time, in whole seconds.
    """
    return status.st_ctime_ns % 1_000_000_000 != 0 and time.time() - status.st_ctime >= _RACY_SECONDS


def _content_state(file: StoredFile) -> tuple[int, str, int | None]:
    """Return what a change of the name, owner or mode leaves alone. A program can change the content and restore it."""
    return file.size, file.version.rpartition("-")[0], file.device


def _state(status: os.stat_result) -> tuple[int, str, int | None]:
    """Return the same of a file that is not listed."""
    return status.st_size, f"{status.st_mtime_ns}-{status.st_ino}", status.st_dev


def _wait_for_next_tick(status: os.stat_result) -> None:
    """Wait until another change of the file would have another change time."""
    age = time.time() - status.st_ctime
    if age < _TICK_SECONDS:
        time.sleep(min(_TICK_SECONDS, _TICK_SECONDS - age))


def _raise_unlistable(exc: OSError) -> None:
    """Raise where os.walk would skip a folder that cannot be listed. A folder that was removed is skipped."""
    if not isinstance(exc, FileNotFoundError):
        raise ConfigurationError(
            f"the folder {exc.filename} cannot be listed ({exc.strerror})",
            hint=f"Allow user {os.geteuid()} to list it, or remove it.",
        ) from exc


def _add(target: Path, path: Path, checksum: str, mode: int) -> bool:
    # a hidden name, so that no run loads a part of the file
    descriptor, hidden = tempfile.mkstemp(dir=target.parent, prefix=_PART)
    part = Path(hidden)
    try:
        with path.open("rb") as source, os.fdopen(descriptor, "wb") as copy:
            shutil.copyfileobj(source, copy, 1 << 20)
            copy.flush()
            os.fchmod(copy.fileno(), mode)
            os.fsync(copy.fileno())
        if checksum_of(part) != checksum:
            raise changed()
        if not rename_without_replacing(part, target):
            if checksum_of(target) != checksum:
                raise other_bytes(target.name)
            return False
    finally:
        part.unlink(missing_ok=True)
    folder = os.open(target.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
    return True
