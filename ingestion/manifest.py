"""ops.raw_ingest_manifest, the manifest: one row per file and content. The caller commits, in every function here."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, NamedTuple
from uuid import UUID

from psycopg2.extras import Json
from sqlalchemy import Engine

from ingestion import db, migrate
from ingestion.errors import FileRefusedError, UsageError
from ingestion.results import Counts, Remark
from ingestion.sources import DateOrder, part_in, person_in

_queries = db.queries("manifest")

# an entry of an index has at most 2,704 bytes: the name, and up to 300 bytes of other columns
_MOST_NAME_BYTES = 2_400


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


class Known(NamedTuple):
    """What the database knows about a content and a name, at one moment.

    Arguments:
        original_id: the file_id of the participant's loaded file with these bytes, or None.
        original_name: its name.
        older_id: the file_id of the loaded file with this name, or None.
        twin: the name of the oldest loaded file of another participant with these bytes, or None.
        is_retracted: whether these bytes were retracted.
        erased: the hashes of all erased participants; None where they are those that the caller knows.
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


def ensure_manifest_table(engine: Engine) -> None:
    """Create ops.raw_ingest_manifest where it does not exist, by applying sql/.

    Arguments:
        engine: the database.

    """
    migrate.migrate(engine)


def loaded_files(connection: db.Connection, target_schema: str) -> list[LoadedFile]:
    """Return all files that are loaded now."""
    return [
        LoadedFile(
            row.source,
            row.source_filename,
            row.file_id,
            row.checksum,
            row.size_bytes,
            row.source_version,
            row.person,
            row.part,
            row.rows_filled,
        )
        for row in _queries.loaded_files(connection, target_schema=target_schema)
    ]


def find_checksum(
    connection: db.Connection,
    target_schema: str,
    dataset: str,
    checksum: str,
    person: str | None,
    *,
    part: str | None = None,
) -> Original | None:
    """Return the loaded file of a participant with these bytes, or None.

    Arguments:
        connection: any connection.
        target_schema: the schema of the raw tables.
        dataset: the name of the dataset.
        checksum: SHA-256 of the bytes, in hexadecimal.
        person: the participant whom its path names, as written; None where it names none.
        part: what only its name says that it measures; None where its content tells.

    """
    row = _queries.find_loaded_checksum(
        connection, target_schema=target_schema, dataset=dataset, checksum=checksum, person=person, part=part
    )
    return Original(row.file_id, row.source_filename) if row else None


def find_name(connection: db.Connection, target_schema: str, dataset: str, filename: str) -> int | None:
    """Return the file_id of the loaded file with this name, or None."""
    file_id: int | None = _queries.find_loaded_name(
        connection, target_schema=target_schema, dataset=dataset, source_filename=filename
    )
    return file_id


def look_up(
    connection: db.Connection,
    target_schema: str,
    dataset: str,
    filename: str,
    checksum: str,
    *,
    known_erased: str | None = None,
) -> Known:
    """Return what decides about a file. It is current, and stays so, if the dataset is locked (`lock`).

    Arguments:
        connection: in a transaction.
        target_schema: the schema of the raw tables.
        dataset: the dataset.
        filename: the file's name.
        checksum: SHA-256 of its bytes, in hexadecimal.
        known_erased: the digest of the erased participants that the caller knows.

    """
    row = _queries.look_up(
        connection,
        target_schema=target_schema,
        dataset=dataset,
        source_filename=filename,
        person=person_in(filename),
        part=part_in(dataset, filename),
        checksum=checksum,
        known_erased=known_erased,
    )
    return Known(*row)


def check_name(filename: str) -> None:
    """Check that the manifest can hold a file's name.

    Arguments:
        filename: its name in the landing zone.

    Raises:
        FileRefusedError: the name is too long.

    """
    if len(filename.encode()) > _MOST_NAME_BYTES:
        raise FileRefusedError(
            f"its path has more than {_MOST_NAME_BYTES} bytes", hint="Move it into a folder with a shorter path."
        )


def check_loaded(connection: db.Connection, target_schema: str, filename: str) -> None:
    """Check that a file of this name is loaded.

    Raises:
        UsageError: it is not.

    """
    if not _queries.is_loaded(connection, target_schema=target_schema, source_filename=filename):
        raise not_loaded(filename)


def not_loaded(filename: str) -> UsageError:
    """Return the error for a file that is not loaded."""
    return UsageError(
        f"{filename} is not loaded", hint="Name the file as the manifest does: by its path below the data directory."
    )


def next_file_id(connection: db.Connection) -> int:
    """Reserve a file_id."""
    return int(_queries.next_file_id(connection))


def record_loaded(
    connection: db.Connection,
    file_id: int,
    entry: Entry,
    counts: Counts,
    run_id: UUID,
    *,
    header: Sequence[str] = (),
    dialect: Mapping[str, Any] | None = None,
    remarks: Iterable[Remark] = (),
    device: str | None = None,
) -> None:
    """Record a loaded file. The database refuses the same bytes of a participant, or the same name, a second time.

    Arguments:
        connection: in the file's transaction.
        file_id: the file.
        entry: what identifies it.
        counts: its records.
        run_id: the run that loads it.
        header: its headers. A replay needs them and the dialect, and not the file.
        dialect: how it is written.
        remarks: what was assumed to load it.
        device: what wrote it.

    Raises:
        psycopg2.errors.UniqueViolation: the bytes or the name are loaded already.

    """
    _queries.record_loaded(
        connection,
        file_id=file_id,
        **_identity(entry),
        rows_read=counts.read,
        row_count=counts.loaded,
        rows_rejected=counts.rejected,
        rows_blank=counts.blank,
        rows_erased=counts.erased,
        run_id=str(run_id),
        header=Json(list(header)),
        dialect=Json(dict(dialect or {})),
        remarks=Json([asdict(remark) for remark in remarks]),
        device=device,
    )


def certain_date_orders(
    connection: db.Connection, target_schema: str, dataset: str, folder: str
) -> frozenset[DateOrder]:
    """Return the orders of dates that loaded files of a folder left no doubt about.

    Arguments:
        connection: any connection.
        target_schema: the schema of the raw tables.
        dataset: the dataset.
        folder: the folder, with a slash at its end; "" for the landing zone.

    """
    found = _queries.certain_date_orders(connection, target_schema=target_schema, dataset=dataset, folder=folder)
    return frozenset(row.date_order for row in found)


def record_not_loaded(
    connection: db.Connection,
    entry: Entry,
    status: Literal["duplicate", "refused"],
    run_id: UUID,
    *,
    duplicate_of: int | None = None,
    reason: str | None = None,
) -> None:
    """Record a file that was not loaded, and why. A second record of the same content replaces the first."""
    _queries.record_not_loaded(
        connection,
        **_identity(entry),
        status=status,
        duplicate_of=duplicate_of,
        run_id=str(run_id),
        reason=reason,
    )


def claim(connection: db.Connection, target_schema: str, dataset: str, filename: str) -> bool:
    """Claim a file until the transaction ends. Return False where another transaction holds the claim."""
    name = db.lock_name(claim_name(target_schema, dataset, filename))
    return bool(_queries.claim(connection, name=name))


def claim_name(target_schema: str, dataset: str, filename: str) -> str:
    """Return the name of the lock that is the claim of a file."""
    return f"file:{target_schema}.{dataset}:{filename}"


def lock(connection: db.Connection, target_schema: str, *datasets: str) -> None:
    """Prevent other transactions from committing loads, retractions and erasures of these datasets until this one ends.

    What is read in a later statement is therefore current.
    """
    names = [db.lock_name(f"manifest:{target_schema}.{dataset}") for dataset in datasets]
    # consumed, because a query of several rows is executed lazily
    list(_queries.lock(connection, names=names))


def mark_replaced(connection: db.Connection, file_id: int) -> None:
    """Record that newer rows have replaced those of a file."""
    _queries.mark_replaced(connection, file_id=file_id)


def remember_versions(connection: db.Connection, versions: Mapping[int, str]) -> None:
    """Record the strong version tokens of loaded files, so that the next run need not read the files.

    Arguments:
        connection: in a transaction.
        versions: the landing zone's version tokens, by file_id.

    """
    _queries.remember_versions(connection, file_ids=list(versions), versions=list(versions.values()))


def mark_dataset_replaced(connection: db.Connection, target_schema: str, dataset: str) -> None:
    """Record that newer rows have replaced all rows of a dataset."""
    _queries.mark_dataset_replaced(connection, target_schema=target_schema, dataset=dataset)


def content_fingerprint(connection: db.Connection, target_schema: str) -> str:
    """Return a digest of the loaded files and their row counts."""
    return str(_queries.content_fingerprint(connection, target_schema=target_schema))


def _identity(entry: Entry) -> dict[str, str | int | None]:
    return {
        "source_filename": entry.filename,
        "person": entry.person,
        "part": entry.part,
        "checksum": entry.checksum,
        "dataset": entry.dataset,
        "target_schema": entry.target_schema,
        "size_bytes": entry.size,
        "source_version": entry.version,
    }
