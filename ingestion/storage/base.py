"""The interface of a landing zone."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import BinaryIO, Protocol

from ingestion.errors import FileRefusedError

_NOT_LOADABLE = re.compile(
    r"\..*|readme\b.*"  # hidden, or documentation
    r"|.*\.(?:part|partial|filepart|tmp|temp|crdownload|upload)"  # still being uploaded
    r"|_success|.*\.(?:done|ok|ready)",  # marks that an upload is complete
    re.IGNORECASE,
)


# a landing zone has many
@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file, as it was listed.

    Arguments:
        name: the path relative to the landing zone, with forward slashes. It stays inside the landing zone.
        size: the number of bytes.
        version: a token for this state of the file, such as an etag. It changes with the content.
        is_strong: whether the same token always means the same bytes. An object store's etag is strong. A modification
            time is not, because programs can set it.
        modified_at: the time of the last write, if the backend reports it.
        device: the number of the file system, in a directory. It is not part of the token, because it changes with each
            mount.

    """

    name: str
    size: int
    version: str
    is_strong: bool = field(default=False, compare=False)
    modified_at: datetime | None = field(default=None, compare=False)
    device: int | None = field(default=None, compare=False)


class Storage(Protocol):
    """A landing zone."""

    def recover(self) -> None:
        """Finish what a killed run has begun, and put back what should not have been archived. Call it before `list`.

        Raises:
            StorageUnavailableError: the landing zone cannot be reached.

        """
        ...

    def clear_leftovers(self) -> None:
        """Remove temporary files that `list` has found and that are older than a day."""
        ...

    def list(self) -> Iterator[StoredFile]:
        """Yield the files that `is_loadable` accepts, sorted by name.

        The list is streamed, without a request per file. It includes entries that are not plain files of the landing
        zone, which `open` refuses.
        """
        ...

    def open(self, file: StoredFile) -> BinaryIO:
        """Return an unbuffered stream of the file, in exactly this state.

        Arguments:
            file: the file, from `list`.

        Raises:
            FileRefusedError: the file is gone, has changed, is not a plain file, or cannot be read.

        """
        ...

    def confirms(self, file: StoredFile, checksum: str) -> bool:
        """Whether a stream that was read to its end had one state of the file throughout.

        The file is read again where its token cannot tell.

        Arguments:
            file: the file, as it was opened.
            checksum: SHA-256 of the bytes that the stream had, in hexadecimal.

        """
        ...

    def is_unchanged(self, file: StoredFile) -> bool:
        """Whether the file still looks as it was listed. It is not read.

        Arguments:
            file: the file, as it was opened.

        """
        ...

    def add(self, name: str, path: Path, checksum: str) -> bool:
        """Add a file, atomically and without replacing another file.

        Arguments:
            name: a name that contains the checksum, so that no other content can have it.
            path: the file on this machine.
            checksum: SHA-256 of its bytes, in hexadecimal.

        Returns:
            True if the file was added; False if it was already there.

        Raises:
            FileRefusedError: the file changed meanwhile, or another file has this name.

        """
        ...

    @property
    def can_archive(self) -> bool:
        """Whether a file can be archived without the risk of losing a newer one."""
        ...

    def archive(self, file: StoredFile, checksum: str) -> bool:
        """Move a file into a hidden folder of the landing zone, so that it is no longer listed.

        Arguments:
            file: the file, as it was loaded.
            checksum: SHA-256 of its bytes, in hexadecimal.

        Returns:
            True if the file was moved; False if it has changed or cannot be moved. A file with other bytes stays in the
            landing zone, even if this is found out only after the move.

        """
        ...

    def is_archived(self, name: str, checksum: str) -> bool:
        """Whether a file with this name and checksum was archived."""
        ...


def is_loadable(name: str) -> bool:
    """Whether a file name is neither hidden nor that of an incomplete upload, a marker or a README.

    Arguments:
        name: the name, without folders.

    """
    return not _NOT_LOADABLE.fullmatch(name)


def changed() -> FileRefusedError:
    """Return the error for a file that has changed since it was listed."""
    return FileRefusedError(
        "the file changed after it was listed", hint="Nothing of it was loaded. The next run loads it."
    )


def other_bytes(name: str) -> FileRefusedError:
    """Return the error for a name that another file has."""
    return FileRefusedError(
        f"another file with the name {name} exists", hint="Nothing was replaced. Compare the two files."
    )
