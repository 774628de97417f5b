"""A place for reports: a directory, or a prefix in an object store.

Unlike in a landing zone, a file may be replaced.
"""

import os
import shutil
import stat
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from ingestion import leftovers
from ingestion.errors import ConfigurationError

# a report that `put` has not finished
_PART = ".report-"
# health data: for the owner, and for the group that an administrator gives the folder to
_MODE = 0o640

_HINT = "Make it writable, or set another place in PIPELINE_REPORT_DIR. PIPELINE_REPORTS_KEPT=0 writes no reports."


class Shelf(Protocol):
    """A place for reports, without subfolders."""

    @property
    def place(self) -> str:
        """The location, for messages."""
        ...

    def put(self, name: str, path: Path) -> None:
        """Write a file atomically, replacing a file of that name.

        Arguments:
            name: the name, without folders.
            path: the file on this machine.

        """
        ...

    def names(self) -> list[str]:
        """Return the names of all files, sorted."""
        ...

    def holds(self, name: str) -> bool:
        """Whether a file of that name exists."""
        ...

    def read(self, name: str) -> bytes | None:
        """Return the content of a file, or None if it does not exist."""
        ...

    def remove(self, name: str) -> None:
        """Remove a file, if it exists."""
        ...


class LocalShelf:
    """A directory, which is created with the first file.

    Arguments:
        root: the directory.

    """

    def __init__(self, root: Path) -> None:
        self.root = root

    @property
    def place(self) -> str:
        return str(self.root)

    def put(self, name: str, path: Path) -> None:
        try:
            self._prepare()
            descriptor, hidden = tempfile.mkstemp(dir=self.root, prefix=_PART)
            try:
                with path.open("rb") as source, os.fdopen(descriptor, "wb") as copy:
                    shutil.copyfileobj(source, copy, 1 << 20)
                    os.fchmod(copy.fileno(), _MODE)
                Path(hidden).replace(self.root / name)
            finally:
                Path(hidden).unlink(missing_ok=True)
        except OSError as exc:
            raise _not_writable(self.place, exc) from exc

    def _prepare(self) -> None:
        """Create the directory. Close reports of earlier versions to others, and remove what killed runs have left."""
        # parents are created as usual
        self.root.parent.mkdir(parents=True, exist_ok=True)
        self.root.mkdir(mode=0o700, exist_ok=True)
        leftovers.clear(self.root, _PART)
        for path in (*self.root.glob("report_*.html"), *self.root.glob("latest.html")):
            if not path.is_symlink() and path.stat().st_mode & stat.S_IRWXO:
                with suppress(PermissionError):
                    path.chmod(_MODE)

    def names(self) -> list[str]:
        try:
            return sorted(path.name for path in self.root.iterdir() if path.is_file())
        except FileNotFoundError:
            return []
        except OSError as exc:
            raise ConfigurationError(f"{self.place} cannot be listed ({exc.strerror})", hint=_HINT) from exc

    def holds(self, name: str) -> bool:
        return (self.root / name).is_file()

    def read(self, name: str) -> bytes | None:
        return (self.root / name).read_bytes() if self.holds(name) else None

    def remove(self, name: str) -> None:
        try:
            (self.root / name).unlink(missing_ok=True)
        except OSError as exc:
            raise _not_writable(self.place, exc) from exc


def _not_writable(place: str, exc: OSError) -> ConfigurationError:
    return ConfigurationError(f"{place} cannot be written ({exc.strerror})", hint=_HINT)
