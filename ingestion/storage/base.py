"""What a landing zone is to the rest of the program."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import BinaryIO, Protocol

from ingestion.errors import FileRefusedError

_NOT_A_DROP = re.compile(
    r"\..*|readme\b.*"  # hidden, or for people
    r"|.*\.(?:part|partial|filepart|tmp|temp|crdownload|upload)"  # still on its way
    r"|_success|.*\.(?:done|ok|ready)",  # says that others have arrived
    re.IGNORECASE,
)


@dataclass(frozen=True)
class StoredFile:
    """A file as it was when it was listed.

    Arguments:
        name: path relative to the landing zone's root, with forward slashes; it never leads out of it.
        size: in bytes.
        version: the backend's token for this state of the file: another content has another one.
        is_strong: the same token always means the same bytes, so that a known one need not be read again. An object
            store's etag is strong; a modification time is not, for it can be set.
        modified_at: when it was last written, where the backend says so.

    """

    name: str
    size: int
    version: str
    is_strong: bool = field(default=False, compare=False)
    modified_at: datetime | None = field(default=None, compare=False)


class Storage(Protocol):
    """A landing zone."""

    def list(self) -> Iterator[StoredFile]:
        """Yield every file, sorted, those left out that `is_drop` says no to.

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

    def add(self, name: str, path: Path, checksum: str) -> bool:
        """Put a file here, whole or not at all, and never in the place of other bytes.

        Arguments:
            name: a name that only this content can have.
            path: the file, on this machine.
            checksum: SHA-256 of its bytes, in hexadecimal.

        Returns:
            Whether it was put: False where these very bytes are there under this name.

        Raises:
            FileRefusedError: the file changed meanwhile, or other bytes have that name.

        """
        ...

    @property
    def can_archive(self) -> bool:
        """Tell whether a file can be moved away without a moment in which a newer one would be lost."""
        ...

    def archive(self, file: StoredFile, checksum: str) -> bool:
        """Move a file out of the list, into a hidden folder of the landing zone.

        Arguments:
            file: as it was loaded.
            checksum: SHA-256 of its bytes, in hexadecimal.

        Returns:
            Whether it was moved: False where it has changed since, or may not be moved.

        """
        ...

    def is_archived(self, name: str, checksum: str) -> bool:
        """Tell whether these bytes of that name have been moved away."""
        ...


def is_drop(name: str) -> bool:
    """Tell whether a name, without folders, can be a drop's: not hidden, half uploaded, a marker or a README."""
    return not _NOT_A_DROP.fullmatch(name)


def changed() -> FileRefusedError:
    """Return the error for a file that is not as it was listed."""
    return FileRefusedError(
        "it changed after it was listed", hint="Nothing of it was loaded; the next run takes it up."
    )


def other_bytes(name: str) -> FileRefusedError:
    """Return the error for a name that is taken."""
    return FileRefusedError(f"{name} is there already, with other bytes", hint="Nothing was replaced: look at both.")
