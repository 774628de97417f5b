"""The archive of a directory: `.archive/`, into which loaded files are moved.

Between a check and a move, a newer file can take the name, and a program that has the file open can write to it
afterwards. Therefore a file is moved first and its bytes are compared then; again by a run that begins an hour later.
Other bytes than those that were loaded are put back. After a kill, the next run does what remains to be done.

    .archive/<first digits of the checksum>/<name>     archived files
    .archive/.moving/<checksum>-<random>/<name>        moved, but not yet compared
    .archive/.recent/<checksum>/<name>                 an empty mark: to be compared again
"""

import hashlib
import secrets
import stat
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from ingestion import log
from ingestion.storage.moves import rename_without_replacing
from ingestion.storage.names import name_of, path_of

_FOLDER = ".archive"
_DIGITS = 16
# a program that still has the file open writes to it within this time
_SETTLED_SECONDS = 3600.0


class Archive:
    """The archive of one landing zone.

    Arguments:
        root: the landing zone.

    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._folder = root / _FOLDER
        self._moving = self._folder / ".moving"
        self._recent = self._folder / ".recent"

    def holds(self, name: str, checksum: str) -> bool:
        """Whether a file with this name and checksum was archived.

        Arguments:
            name: its name in the landing zone.
            checksum: SHA-256 of its bytes, in hexadecimal.

        """
        try:
            return self._place(name, checksum).exists()
        except OSError:
            # a path that the file system cannot have
            return False

    def take(self, path: Path, name: str, checksum: str) -> bool:
        """Move a file into the archive, if it has the expected bytes.

        Arguments:
            path: the file.
            name: its name in the landing zone.
            checksum: SHA-256 of the bytes that were loaded, in hexadecimal.

        Returns:
            True if the file was archived. Otherwise it is in the landing zone, unless another file has its name.

        """
        moved = self._moving / f"{checksum}-{secrets.token_hex(4)}" / path_of(name)
        try:
            moved.parent.mkdir(parents=True)
            path.rename(moved)
        except OSError:
            _remove_empty(moved.parent, self._moving)
            return False
        try:
            return self._settle(moved, name, checksum)
        except OSError:
            # the next run tries again
            return False

    def recover(self) -> None:
        """Finish what a killed run has begun, and put back what has changed since it was archived."""
        for moved in _files(self._moving):
            folder, *parts = moved.relative_to(self._moving).parts
            self._retry(moved, name_of(Path(*parts)), folder.partition("-")[0])
        for mark in _files(self._recent):
            checksum, *parts = mark.relative_to(self._recent).parts
            self._compare_again(mark, name_of(Path(*parts)), checksum)

    def _retry(self, moved: Path, name: str, checksum: str) -> None:
        try:
            self._settle(moved, name, checksum)
        except OSError as exc:
            log.event(f"{name} cannot be put back from {_FOLDER} ({exc.strerror})", level=log.WARNING, file=name)

    def _compare_again(self, mark: Path, name: str, checksum: str) -> None:
        archived = self._place(name, checksum)
        with suppress(OSError):
            if archived.exists():
                marked_at = mark.stat().st_mtime
                is_settled = time.time() - marked_at > _SETTLED_SECONDS
                if not is_settled and archived.stat().st_mtime <= marked_at:
                    return
                if checksum_of(archived) != checksum:
                    self._put_back(archived, name)
                elif not is_settled:
                    return
            mark.unlink()
            _remove_empty(mark.parent, self._recent)

    def _settle(self, moved: Path, name: str, checksum: str) -> bool:
        """Archive a file that was moved, or put it back. Return whether it was archived."""
        # a link would lead elsewhere from here
        is_expected = stat.S_ISREG(moved.lstat().st_mode) and checksum_of(moved) == checksum
        if is_expected:
            mark = self._recent / checksum / path_of(name)
            mark.parent.mkdir(parents=True, exist_ok=True)
            mark.touch()
            self._move(moved, name, checksum)
        else:
            self._put_back(moved, name)
        _remove_empty(moved.parent, self._moving)
        return is_expected

    def _put_back(self, moved: Path, name: str) -> None:
        path = self._root / path_of(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        if rename_without_replacing(moved, path):
            log.event(f"{name} was put back: it changed while it was archived", level=log.WARNING, file=name)
        elif moved.samefile(path):
            # a run was killed between the two halves of the rename
            moved.unlink()
        else:
            # an even newer file has the name
            self._move(moved, name, checksum_of(moved))

    def _move(self, moved: Path, name: str, checksum: str) -> None:
        place = self._place(name, checksum)
        place.parent.mkdir(parents=True, exist_ok=True)
        moved.replace(place)

    def _place(self, name: str, checksum: str) -> Path:
        return self._folder / checksum[:_DIGITS] / path_of(name)


def checksum_of(path: Path) -> str:
    """Return SHA-256 of a file's bytes, in hexadecimal.

    Arguments:
        path: the file.

    Raises:
        OSError: it cannot be read.

    """
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _files(folder: Path) -> Iterator[Path]:
    return iter([path for path in folder.rglob("*") if path.is_symlink() or not path.is_dir()])


def _remove_empty(folder: Path, root: Path) -> None:
    """Remove a folder and those above it, as far as they are empty, up to a root that stays."""
    with suppress(OSError):
        while folder != root:
            folder.rmdir()
            folder = folder.parent
