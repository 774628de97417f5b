"""What the manifest records about files, and what it is asked about them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, Self

from ingestion.results import Counts, Remark
from ingestion.sources import part_in, person_in


@dataclass(frozen=True)
class LoadedFile:
    """A file whose rows are in raw now.

    Arguments:
        dataset: the name of its dataset.
        filename: its name in the landing zone.
        file_id: the `_file_id` of its rows.
        checksum: SHA-256 of its bytes, in hexadecimal.
        size: in bytes.
        version: the landing zone's strong version token of these bytes, None where it has none.
        person: the participant whom its path names, as written; None where it names none.
        part: what only its name says that it measures; None where its content tells.
        rows: its records with data.

    """

    dataset: str
    filename: str
    file_id: int
    checksum: str
    size: int
    version: str | None
    person: str | None = None
    part: str | None = None
    rows: int = 0


class Original(NamedTuple):
    """The loaded file that has certain bytes. Other files of the same participant with these bytes are its duplicates.

    Arguments:
        file_id: the `_file_id` of its rows.
        filename: its name in the landing zone.

    """

    file_id: int
    filename: str


@dataclass(frozen=True)
class Entry:
    """What identifies a file and its content in the manifest.

    Arguments:
        target_schema: the schema of the raw tables.
        dataset: the name of its dataset.
        filename: its name in the landing zone.
        checksum: SHA-256 of its bytes, in hexadecimal.
        size: in bytes.
        version: the landing zone's strong version token of these bytes, None where it has none.

    """

    target_schema: str
    dataset: str
    filename: str
    checksum: str
    size: int
    version: str | None = None

    @property
    def person(self) -> str | None:
        """The participant whom its path names, as written; None where it names none."""
        return person_in(self.filename)

    @property
    def part(self) -> str | None:
        """What only its name says that it measures; None where its content tells."""
        return part_in(self.dataset, self.filename)


@dataclass(frozen=True)
class Record:
    """A loaded file, as the manifest records it.

    Arguments:
        file_id: the `_file_id` of its rows.
        entry: what identifies it.
        counts: its records.
        header: its headers. A replay needs them and the dialect, and not the file.
        dialect: how it is written.
        remarks: what was assumed to load it.
        device: what wrote it.

    """

    file_id: int
    entry: Entry
    counts: Counts
    header: Sequence[str] = ()
    dialect: Mapping[str, Any] = field(default_factory=dict)
    remarks: Sequence[Remark] = ()
    device: str | None = None


@dataclass(frozen=True)
class NotLoaded:
    """A file that was not loaded, as the manifest records it.

    Arguments:
        entry: what identifies it.
        status: why it was not loaded.
        duplicate_of: the loaded file with the same bytes.
        reason: why it was refused.

    """

    entry: Entry
    status: Literal["duplicate", "refused"]
    duplicate_of: int | None = None
    reason: str | None = None


class Reserved(NamedTuple):
    """A file that may be loaded.

    Arguments:
        is_claimed: whether no other transaction may load it until this one ends.
        file_id: an id for it, None where it is not claimed.

    """

    is_claimed: bool
    file_id: int | None


class Asked(NamedTuple):
    """A file to look up.

    Arguments:
        dataset: the name of its dataset.
        filename: its name in the landing zone.
        checksum: SHA-256 of its bytes, in hexadecimal; None where they are not known yet.
        person: the participant whom its path names, as written; None where it names none.
        part: what only its name says that it measures; None where its content tells.

    """

    dataset: str
    filename: str
    checksum: str | None
    person: str | None
    part: str | None

    @classmethod
    def of(cls, dataset: str, filename: str, checksum: str | None) -> Self:
        """Return a file to look up, with what its name says.

        Arguments:
            dataset: the name of its dataset.
            filename: its name in the landing zone.
            checksum: SHA-256 of its bytes, in hexadecimal; None where they are not known yet.

        """
        return cls(dataset, filename, checksum, person_in(filename), part_in(dataset, filename))

    @property
    def content(self) -> tuple[str | None, ...]:
        """What no two loaded files have in common."""
        return self.dataset, self.checksum, self.person, self.part


class Known(NamedTuple):
    """What the database knows about a content and a name, at one moment.

    Arguments:
        original_id: the file_id of the participant's loaded file with these bytes, or None.
        original_name: its name.
        older_id: the file_id of the loaded file with this name, or None.
        twin: the name of the oldest loaded file of another participant with these bytes, or None.
        is_retracted: whether these bytes were retracted.
        erased: the hashes of all erased participants; None where they are those that the caller knows. The first of
            several files has them.
        erased_digest: a digest of these hashes; None without any.

    """

    original_id: int | None
    original_name: str | None
    older_id: int | None
    twin: str | None
    is_retracted: bool
    erased: list[str] | None
    erased_digest: str | None

    @property
    def original(self) -> Original | None:
        """The loaded file with these bytes."""
        if self.original_id is None or self.original_name is None:
            return None
        return Original(self.original_id, self.original_name)


@dataclass(frozen=True)
class Contents:
    """The contents that the manifest knows.

    Arguments:
        loaded: the files whose rows are in raw.
        retracted: the sizes in bytes of retracted contents, by dataset, participant of the path, and checksum.
        duplicates: the checksums of duplicates, by their names and strong version tokens. A later archive has the
            members of an earlier one: without this, each run would read them again.

    """

    loaded: list[LoadedFile] = field(default_factory=list)
    retracted: dict[tuple[str, str | None, str], int] = field(default_factory=dict)
    duplicates: dict[tuple[str, str], str] = field(default_factory=dict)
