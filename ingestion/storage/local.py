"""A landing zone that is a directory."""

import contextlib
import errno
import hashlib
import os
import shutil
import stat
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

from ingestion.errors import ConfigurationError, FileRefusedError
from ingestion.storage.base import StoredFile, changed, is_drop, other_bytes

_ARCHIVE = ".archive"
# A file can change twice within one tick of a clock, and file servers have clocks of their own: only a change that is
# older than this when a file is listed is sure to be followed by one with another time. Git knows such files as racy.
_SETTLED_SECONDS = 10.0
# file systems without hard links
_NO_LINKS = {errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK}


class LocalStorage:
    """A directory.

    Arguments:
        root: the directory; a link to one will do.

    Raises:
        ConfigurationError: it is missing, not a directory, or not readable.

    """

    def __init__(self, root: Path) -> None:
        if not root.is_dir():
            what = "is not a directory" if root.exists() else "does not exist"
            raise ConfigurationError(
                f"the data directory {root} {what}",
                hint="Create it, or name another with --data-dir or PIPELINE_DATA_DIR.",
            )
        if not os.access(root, os.R_OK | os.X_OK):
            raise ConfigurationError(
                f"the data directory {root} is not readable",
                hint=f"Give user {os.geteuid()} the right to list it.",
            )
        self._root = root.resolve()
        # names whose bytes are not UTF-8 go by an escaped form, which can be shown and stored
        self._undecodable: dict[str, Path] = {}

    def list(self) -> Iterator[StoredFile]:
        for folder, folders, files in os.walk(self._root, onerror=_refuse_to_pass_over):
            folders[:] = sorted(name for name in folders if not name.startswith("."))
            # a link to a folder is not entered, and yielded so that it is not passed over in silence
            links = [name for name in folders if Path(folder, name).is_symlink()]
            for name in sorted([*files, *links]):
                if is_drop(name):
                    yield self._describe(Path(folder, name))

    def open(self, file: StoredFile) -> BinaryIO:
        path = self._path(file)
        try:
            if not Path(os.path.realpath(path)).is_relative_to(self._root):
                raise FileRefusedError(
                    "a link that leads out of the data directory", hint="Copy the file in instead of linking to it."
                )
            if not stat.S_ISREG(path.stat().st_mode):
                raise FileRefusedError("not a plain file", hint="Put the file itself there, not a pipe or a device.")
            return path.open("rb", buffering=0)
        except OSError as exc:
            raise FileRefusedError(
                f"cannot be read ({exc.strerror})",
                hint=f"Make it readable for user {os.geteuid()}, or take it away.",
            ) from exc

    def is_unchanged(self, file: StoredFile) -> bool:
        return _written(self._describe(self._path(file))) == _written(file)

    def add(self, name: str, path: Path, checksum: str) -> bool:
        target = self._root / name
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            if not Path(os.path.realpath(target.parent)).is_relative_to(self._root):
                raise FileRefusedError(f"{target.parent} leads out of the data directory", hint="Mend that link.")
            return _add(target, path, checksum)
        except OSError as exc:
            raise ConfigurationError(
                f"{target} cannot be written ({exc.strerror})",
                hint=f"Give user {os.geteuid()} the right to write there, and room.",
            ) from exc

    @property
    def can_archive(self) -> bool:
        return True

    def archive(self, file: StoredFile, checksum: str) -> bool:
        path, target = self._path(file), self._archived(file.name, checksum)
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            path.rename(target)
        except OSError:
            return False
        if _written(self._describe(target)) == _written(file):
            return True
        # a newer file had taken the name: it goes back, unless an even newer one has
        with contextlib.suppress(FileExistsError):
            os.link(target, path)
            target.unlink()
        return False

    def is_archived(self, name: str, checksum: str) -> bool:
        return self._archived(name, checksum).exists()

    def _archived(self, name: str, checksum: str) -> Path:
        return self._root / _ARCHIVE / checksum[:16] / name

    def _path(self, file: StoredFile) -> Path:
        return self._undecodable.get(file.name, self._root / file.name)

    def _describe(self, path: Path) -> StoredFile:
        name = os.fsencode(path.relative_to(self._root)).decode(errors="backslashreplace")
        if self._root / name != path:
            self._undecodable[name] = path
        try:
            status = path.stat()
        except OSError:
            return StoredFile(name, 0, "unreadable")
        # the time of the last change to the file cannot be set, unlike that of its last modification
        return StoredFile(
            name,
            status.st_size,
            f"{status.st_mtime_ns}-{status.st_ino}-{status.st_ctime_ns}",
            is_strong=_vouches(status),
            modified_at=datetime.fromtimestamp(status.st_mtime, UTC),
        )


def _vouches(status: os.stat_result) -> bool:
    """Tell whether the time of the last change is one that the next change cannot have.

    Images that are mounted, and FAT, know no such time and give that of the last modification, in whole seconds.
    """
    return status.st_ctime_ns % 1_000_000_000 != 0 and time.time() - status.st_ctime >= _SETTLED_SECONDS


def _written(file: StoredFile) -> tuple[int, str]:
    """Return what tells one content of a file from the next, and survives a new name, owner or mode."""
    return file.size, file.version.rpartition("-")[0]


def _refuse_to_pass_over(exc: OSError) -> None:
    """Refuse a folder that cannot be listed, which os.walk would leave out; one that has gone holds nothing."""
    if not isinstance(exc, FileNotFoundError):
        raise ConfigurationError(
            f"the folder {exc.filename} cannot be listed ({exc.strerror})",
            hint=f"Give user {os.geteuid()} the right to list it, or take it away.",
        ) from exc


def _add(target: Path, path: Path, checksum: str) -> bool:
    # a hidden name is no drop: nobody takes up half a file
    descriptor, hidden = tempfile.mkstemp(dir=target.parent, prefix=".landing-")
    part = Path(hidden)
    try:
        with path.open("rb") as source, os.fdopen(descriptor, "wb") as copy:
            shutil.copyfileobj(source, copy, 1 << 20)
            copy.flush()
            os.fchmod(copy.fileno(), 0o644)
            os.fsync(copy.fileno())
        if _checksum(part) != checksum:
            raise changed()
        if not _give_name(part, target):
            if _checksum(target) != checksum:
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


def _give_name(part: Path, target: Path) -> bool:
    """Give a file its name, unless something has it."""
    try:
        # unlike a rename, a link never replaces what has the name
        os.link(part, target)
    except FileExistsError:
        return False
    except OSError as exc:
        if exc.errno not in _NO_LINKS:
            raise
        if target.exists():
            return False
        # the name tells the content: what comes in between can only be the same bytes
        part.rename(target)
    return True


def _checksum(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
