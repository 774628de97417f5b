"""ops.raw_ingest_manifest, the manifest: one row per file and content. The caller commits, in every function here."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple
from uuid import UUID

from psycopg2.extras import Json
from sqlalchemy import Engine

from ingestion import db, migrate
from ingestion.errors import UsageError
from ingestion.results import Counts, Remark
from ingestion.sources import DateOrder, folder_of_participant

_queries = db.queries("manifest")


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

    """

    dataset: str
    filename: str
    file_id: int
    checksum: str
    size: int
    version: str | None


class Original(NamedTuple):
    """The loaded file that has certain bytes. Other files with these bytes are duplicates of it.

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


def ensure_manifest_table(engine: Engine) -> None:
    """Create ops.raw_ingest_manifest where it does not exist, by applying sql/.

    Arguments:
        engine: the database.

    """
    migrate.migrate(engine)


def loaded_files(connection: db.Connection, target_schema: str) -> list[LoadedFile]:
    """Return all files that are loaded now."""
    return [
        LoadedFile(row.source, row.source_filename, row.file_id, row.checksum, row.size_bytes, row.source_version)
        for row in _queries.loaded_files(connection, target_schema=target_schema)
    ]


def find_checksum(connection: db.Connection, target_schema: str, dataset: str, checksum: str) -> Original | None:
    """Return the loaded file with these bytes, or None."""
    row = _queries.find_loaded_checksum(connection, target_schema=target_schema, dataset=dataset, checksum=checksum)
    return Original(row.file_id, row.source_filename) if row else None


def find_name(connection: db.Connection, target_schema: str, dataset: str, filename: str) -> int | None:
    """Return the file_id of the loaded file with this name, or None."""
    file_id: int | None = _queries.find_loaded_name(
        connection, target_schema=target_schema, dataset=dataset, source_filename=filename
    )
    return file_id


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
) -> None:
    """Record a loaded file. The database refuses the same bytes, or the same name, a second time.

    Arguments:
        connection: in the file's transaction.
        file_id: the file.
        entry: what identifies it.
        counts: its records.
        run_id: the run that loads it.
        header: its headers. A replay needs them and the dialect, and not the file.
        dialect: how it is written.
        remarks: what was assumed to load it.

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
        remarks=Json([remark._asdict() for remark in remarks]),
    )


def certain_date_orders(
    connection: db.Connection, target_schema: str, dataset: str, filename: str
) -> frozenset[DateOrder]:
    """Return the orders of dates that loaded files beside a file left no doubt about.

    Arguments:
        connection: any connection.
        target_schema: the schema of the raw tables.
        dataset: the dataset.
        filename: the file's name. Files of the same participant, or else of the same folder, are beside it.

    """
    found = _queries.certain_date_orders(
        connection, target_schema=target_schema, dataset=dataset, folder=folder_of_participant(filename)
    )
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


def lock(connection: db.Connection, target_schema: str, dataset: str) -> None:
    """Prevent other loads of this dataset from committing until this transaction ends."""
    _queries.lock(connection, name=db.lock_name(f"manifest:{target_schema}.{dataset}"))


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
        "checksum": entry.checksum,
        "dataset": entry.dataset,
        "target_schema": entry.target_schema,
        "size_bytes": entry.size,
        "source_version": entry.version,
    }
