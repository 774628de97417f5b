"""Where drops come from.

A landing zone is listed, opened and fingerprinted through `Storage`; nothing else in the program knows what it is.
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
class Fingerprint:
    """What tells two states of a file apart without reading it.

    Arguments:
        size: in bytes.
        version: changes whenever the content may have; the backend's own token.

    """

    size: int
    version: str


class Storage(Protocol):
    """A landing zone.

    Names are paths relative to its root, with forward slashes. They never lead out of it.
    """

    def names(self) -> Iterator[str]:
        """Yield the name of every file, sorted by folder and name, hidden ones and READMEs left out."""
        ...

    def fingerprint(self, name: str) -> Fingerprint:
        """Return the file's present fingerprint.

        Arguments:
            name: as `names` gave it.

        Raises:
            FileRefusedError: it is gone, not a plain file, or out of bounds.

        """
        ...

    def open(self, name: str) -> BinaryIO:
        """Return the file's bytes as a stream, unbuffered.

        Arguments:
            name: as `names` gave it.

        Raises:
            FileRefusedError: it cannot be read.

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

    def names(self) -> Iterator[str]:
        for folder, folders, files in os.walk(self._root):
            folders[:] = sorted(name for name in folders if not name.startswith("."))
            for name in sorted(files):
                if not _NOT_A_DROP.match(name):
                    yield Path(folder, name).relative_to(self._root).as_posix()

    def fingerprint(self, name: str) -> Fingerprint:
        try:
            status = self._inside(name).stat()
        except OSError as exc:
            raise _unreadable(exc) from exc
        if not stat.S_ISREG(status.st_mode):
            raise FileRefusedError("not a plain file", hint="Put the file itself there, not a pipe or a device.")
        return Fingerprint(status.st_size, f"{status.st_mtime_ns}-{status.st_ino}")

    def open(self, name: str) -> BinaryIO:
        try:
            return self._inside(name).open("rb", buffering=0)
        except OSError as exc:
            raise _unreadable(exc) from exc

    def _inside(self, name: str) -> Path:
        path = (self._root / name).resolve()
        if not path.is_relative_to(self._root):
            raise FileRefusedError(
                "a link that leads out of the data directory",
                hint="Copy the file in instead of linking to it.",
            )
        return path


def open_storage(location: str) -> Storage:
    """Return the landing zone at a location.

    Arguments:
        location: the path of a directory.

    Raises:
        ConfigurationError: there is no landing zone at that place.

    """
    return LocalStorage(Path(location))


def _unreadable(exc: OSError) -> FileRefusedError:
    return FileRefusedError(
        f"cannot be read ({exc.strerror})", hint=f"Make it readable for user {os.geteuid()}, or take it away."
    )
