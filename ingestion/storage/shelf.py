"""Where finished files are kept for people to fetch: a directory, or a prefix in an object store.

Unlike in a landing zone, a name may be written again: the newest is what people want under it.
"""

import os
import shutil
import tempfile
from pathlib import Path
from typing import Protocol

from ingestion.errors import ConfigurationError

_HINT = "Make it writable, or name another place: PIPELINE_REPORT_DIR. PIPELINE_REPORTS_KEPT=0 writes no reports."


class Shelf(Protocol):
    """A place for finished files, one level deep."""

    @property
    def place(self) -> str:
        """Where it is, for messages."""
        ...

    def put(self, name: str, path: Path) -> None:
        """Put a file here, whole or not at all, in the place of what had its name.

        Arguments:
            name: without folders.
            path: the file, on this machine.

        """
        ...

    def names(self) -> list[str]:
        """Return the names of all files here, sorted."""
        ...

    def holds(self, name: str) -> bool:
        """Tell whether a file of that name is here."""
        ...

    def read(self, name: str) -> bytes | None:
        """Return a file, or None where there is none of that name."""
        ...

    def remove(self, name: str) -> None:
        """Remove a file, if it is there."""
        ...


class LocalShelf:
    """A directory, made when something is put there.

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
            self.root.mkdir(parents=True, exist_ok=True)
            descriptor, hidden = tempfile.mkstemp(dir=self.root, prefix=".report-")
            try:
                with path.open("rb") as source, os.fdopen(descriptor, "wb") as copy:
                    shutil.copyfileobj(source, copy, 1 << 20)
                    # who may read the folder may read what is in it
                    os.fchmod(copy.fileno(), 0o644)
                Path(hidden).replace(self.root / name)
            finally:
                Path(hidden).unlink(missing_ok=True)
        except OSError as exc:
            raise _not_writable(self.place, exc) from exc

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
