"""ops.raw_ingest_manifest, the ledger of files. Every function here leaves the commit to its caller."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal
from uuid import UUID

from psycopg2.extras import Json
from sqlalchemy import Engine

from ingestion import db, migrate
from ingestion.errors import UsageError
from ingestion.results import Counts

_queries = db.queries("manifest")


@dataclass(frozen=True)
class LoadedFile:
    """A file whose rows are in raw now.

    Arguments:
        dataset: the dataset's name.
        filename: its name in the landing zone.
        file_id: the `_file_id` of its rows.
        checksum: SHA-256 of its bytes, in hexadecimal.
        size: in bytes.
        version: the landing zone's own strong token for them, where it has one.

    """

    dataset: str
    filename: str
    file_id: int
    checksum: str
    size: int
    version: str | None


@dataclass(frozen=True)
class Entry:
    """What identifies a file's content under its name.

    Arguments:
        target_schema: the schema of the raw tables.
        dataset: the dataset's name.
        filename: its name in the landing zone.
        checksum: SHA-256 of its bytes, in hexadecimal.
        size: in bytes.
        version: the landing zone's own strong token for them, where it has one.

    """

    target_schema: str
    dataset: str
    filename: str
    checksum: str
    size: int
    version: str | None = None


def ensure_manifest_table(engine: Engine) -> None:
    """Make sure that ops.raw_ingest_manifest exists, by applying sql/.

    Arguments:
        engine: the database.

    """
    migrate.migrate(engine)


def loaded_files(connection: db.Connection, target_schema: str) -> list[LoadedFile]:
    """Return all files that are loaded now."""
    return [LoadedFile(*row) for row in _queries.loaded_files(connection, target_schema=target_schema)]


def find_checksum(connection: db.Connection, target_schema: str, dataset: str, checksum: str) -> tuple[int, str] | None:
    """Return file_id and name of the loaded file with these bytes, if there is one."""
    row: tuple[int, str] | None = _queries.find_loaded_checksum(
        connection, target_schema=target_schema, dataset=dataset, checksum=checksum
    )
    return row


def find_name(connection: db.Connection, target_schema: str, dataset: str, filename: str) -> int | None:
    """Return the file_id of what is loaded under this name, if anything is."""
    file_id: int | None = _queries.find_loaded_name(
        connection, target_schema=target_schema, dataset=dataset, source_filename=filename
    )
    return file_id


def check_loaded(connection: db.Connection, target_schema: str, filename: str) -> None:
    """Make sure that something is loaded under a name.

    Raises:
        UsageError: nothing is.

    """
    if not _queries.is_loaded(connection, target_schema=target_schema, source_filename=filename):
        raise not_loaded(filename)


def not_loaded(filename: str) -> UsageError:
    """Return the error for a name that nothing is loaded under."""
    return UsageError(
        f"{filename} is not loaded", hint="Name it as the manifest does: the path below the data directory."
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
    dialect: Mapping[str, str] | None = None,
) -> None:
    """Record that a file has been loaded; the database refuses a second load of the same bytes or name.

    Arguments:
        connection: in the file's transaction.
        file_id: the file.
        entry: what identifies it.
        counts: its records.
        run_id: the run.
        header: its headers, and
        dialect: how it is written, by which its rejected rows can be judged again without it.

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
    )


def record_not_loaded(
    connection: db.Connection,
    entry: Entry,
    status: Literal["duplicate", "refused"],
    run_id: UUID,
    *,
    duplicate_of: int | None = None,
    reason: str | None = None,
) -> None:
    """Record that a file was left out, and why; a repetition renews the record."""
    _queries.record_not_loaded(
        connection,
        **_identity(entry),
        status=status,
        duplicate_of=duplicate_of,
        run_id=str(run_id),
        reason=reason,
    )


def claim(connection: db.Connection, target_schema: str, dataset: str, filename: str) -> bool:
    """Take a file for this transaction; False where another one has it. The server frees it, however that ends."""
    name = db.lock_name(claim_name(target_schema, dataset, filename))
    return bool(_queries.claim(connection, name=name))


def claim_name(target_schema: str, dataset: str, filename: str) -> str:
    """Return the name of the lock that claims a file."""
    return f"file:{target_schema}.{dataset}:{filename}"


def lock(connection: db.Connection, target_schema: str, dataset: str) -> None:
    """Keep other loads of this dataset from committing until this transaction ends."""
    _queries.lock(connection, name=db.lock_name(f"manifest:{target_schema}.{dataset}"))


def mark_replaced(connection: db.Connection, file_id: int) -> None:
    """Record that the rows of a file have been taken out of raw, in favour of newer ones."""
    _queries.mark_replaced(connection, file_id=file_id)


def remember_versions(connection: db.Connection, versions: Mapping[int, str]) -> None:
    """Record strong tokens by which files that were read, and are loaded, will be known without being read.

    Arguments:
        connection: in a transaction.
        versions: the landing zone's tokens, by file_id.

    """
    _queries.remember_versions(connection, file_ids=list(versions), versions=list(versions.values()))


def mark_dataset_replaced(connection: db.Connection, target_schema: str, dataset: str) -> None:
    """Record that all rows of a dataset have been taken out of raw, in favour of newer ones."""
    _queries.mark_dataset_replaced(connection, target_schema=target_schema, dataset=dataset)


def content_fingerprint(connection: db.Connection, target_schema: str) -> str:
    """Return a digest that changes with every change of what is loaded."""
    return str(_queries.content_fingerprint(connection, target_schema=target_schema))


def _identity(entry: Entry) -> dict[str, str | int | None]:
    return {
        "source_filename": entry.filename,
        "checksum": entry.checksum,
        "dataset": entry.dataset,
        "target_schema": entry.target_schema,
        "size_bytes": entry.size,
        "source_version": entry.version,
    }
