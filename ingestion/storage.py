"""Where drops come from.

A landing zone is listed and read through `Storage`; nothing else in the program knows what it is.
"""

import os
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol

from ingestion.errors import ConfigurationError, FileRefusedError

_NOT_A_DROP = re.compile(r"\.|readme\b", re.IGNORECASE)


@dataclass(frozen=True)
class StoredFile:
    """A file as it was when it was listed.

    Arguments:
        name: path relative to the landing zone's root, with forward slashes; it never leads out of it.
        size: in bytes.
        version: the backend's token for this state of the file: another content has another one.
        is_strong: the same token always means the same bytes, so that a known one need not be read again. An object
            store's etag is strong; a modification time is not.

    """

    name: str
    size: int
    version: str
    is_strong: bool = False


class Storage(Protocol):
    """A landing zone."""

    def list(self) -> Iterator[StoredFile]:
        """Yield every file, sorted by folder and name, hidden ones and READMEs left out.

        The whole list is never held in memory, and a file costs no request of its own. What turns out not to be a
        plain file inside the landing zone is yielded too: `open` refuses it.
        """
        ...

    def open(self, file: StoredFile) -> BinaryIO:
        """Return the bytes of exactly that state of the file as a stream, unbuffered.

        Arguments:
            file: as `list` gave it.

        Raises:
            FileRefusedError: it is gone, has changed, is not a plain file, or may not be read.

        """
        ...

    def is_unchanged(self, file: StoredFile) -> bool:
        """Tell, after a read, whether all of it came from that state of the file.

        Arguments:
            file: as it was opened.

        """
        ...


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
                if not _NOT_A_DROP.match(name):
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
        return self._describe(self._path(file)) == file

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
        return StoredFile(name, status.st_size, f"{status.st_mtime_ns}-{status.st_ino}")


def open_storage(location: str) -> Storage:
    """Return the landing zone at a location.

    Arguments:
        location: the path of a directory.

    Raises:
        ConfigurationError: there is no landing zone at that place.

    """
    return LocalStorage(Path(location))


def _refuse_to_pass_over(exc: OSError) -> None:
    """Refuse a folder that cannot be listed, which os.walk would leave out; one that has gone holds nothing."""
    if not isinstance(exc, FileNotFoundError):
        raise ConfigurationError(
            f"the folder {exc.filename} cannot be listed ({exc.strerror})",
            hint=f"Give user {os.geteuid()} the right to list it, or take it away.",
        ) from exc
