"""ops.raw_ingest_manifest, the manifest: one row per file and content. The caller commits, in every function here."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any
from uuid import UUID

from psycopg2.extras import Json

from ingestion import db, migrate
from ingestion.errors import FileRefusedError, UsageError
from ingestion.manifest_data import Asked, Contents, Entry, Known, LoadedFile, NotLoaded, Original, Record, Reserved
from ingestion.sources import DateOrder

__all__ = [
    "Asked",
    "Contents",
    "Entry",
    "Known",
    "LoadedFile",
    "NotLoaded",
    "Original",
    "Record",
    "Reserved",
    "certain_date_orders",
    "check_loaded",
    "check_name",
    "claim_name",
    "content_fingerprint",
    "contents",
    "ensure_manifest_table",
    "lock",
    "look_up",
    "mark_dataset_replaced",
    "mark_replaced",
    "not_loaded",
    "record_loaded",
    "record_not_loaded",
    "remember_versions",
    "reserve",
]

_queries = db.queries("manifest")

# an entry of an index has at most 2,704 bytes: the name, and up to 300 bytes of other columns
_MOST_NAME_BYTES = 2_400


def ensure_manifest_table(engine: db.Engine) -> None:
    """Create ops.raw_ingest_manifest where it does not exist, by applying sql/.

    Arguments:
        engine: the database.

    """
    migrate.migrate(engine)


def contents(connection: db.Connection, target_schema: str) -> Contents:
    """Return the contents that the manifest knows.

    Arguments:
        connection: any connection.
        target_schema: the schema of the raw tables.

    """
    found = Contents()
    for row in _queries.files_to_compare(connection, target_schema=target_schema):
        if row.status == "retracted":
            found.retracted[row.source, row.person, row.checksum] = row.size_bytes
        elif row.status == "duplicate":
            found.duplicates[row.source_filename, row.source_version] = row.checksum
        else:
            found.loaded.append(
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
            )
    return found


def look_up(
    connection: db.Connection, target_schema: str, files: Sequence[Asked], *, known_erased: str | None = None
) -> list[Known]:
    """Return what decides about files. It is current, and stays so, if their datasets are locked (`lock`).

    Arguments:
        connection: in a transaction.
        target_schema: the schema of the raw tables.
        files: the files.
        known_erased: the digest of the erased participants that the caller knows.

    Returns:
        What is known of each file, in their order.

    """
    rows = _queries.look_up(
        connection,
        target_schema=target_schema,
        datasets=[file.dataset for file in files],
        filenames=[file.filename for file in files],
        persons=[file.person for file in files],
        parts=[file.part for file in files],
        checksums=[file.checksum for file in files],
        known_erased=known_erased,
    )
    return [Known(*row) for row in rows]


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


def reserve(
    connection: db.Connection, target_schema: str, files: Sequence[tuple[str, str]], *, with_claims: bool = True
) -> list[Reserved]:
    """Claim files until the transaction ends, and reserve an id for each.

    Arguments:
        connection: in a transaction.
        target_schema: the schema of the raw tables.
        files: the dataset and the name of each file.
        with_claims: False where no other transaction can load them.

    Returns:
        For each file whether it is claimed; another transaction holds the claims of the others.

    """
    names = [db.lock_name(claim_name(target_schema, *file)) for file in files]
    return [Reserved(*row) for row in _queries.reserve(connection, names=names, with_claims=with_claims)]


def record_loaded(connection: db.Connection, records: Iterable[Record], run_id: UUID) -> None:
    """Record loaded files. The database refuses the same bytes of a participant, or the same name, a second time.

    Arguments:
        connection: in the transaction with their rows.
        records: the files.
        run_id: the run that loads them.

    Raises:
        psycopg2.errors.UniqueViolation: the bytes or the name of a file are loaded already.

    """
    _queries.record_loaded(connection, files=Json([_loaded(record) for record in records]), run_id=str(run_id))


def certain_date_orders(connection: db.Connection, target_schema: str, dataset: str) -> Iterator[tuple[str, DateOrder]]:
    """Yield the orders of dates that loaded files left no doubt about, each with the folder of such files.

    Arguments:
        connection: any connection.
        target_schema: the schema of the raw tables.
        dataset: the dataset.

    """
    for row in _queries.certain_date_orders(connection, target_schema=target_schema, dataset=dataset):
        yield row.folder, row.date_order


def record_not_loaded(connection: db.Connection, files: Iterable[NotLoaded], run_id: UUID) -> None:
    """Record files that were not loaded, and why. A second record of the same content replaces the first.

    Arguments:
        connection: in a transaction.
        files: the files; no content twice.
        run_id: the run that has not loaded them.

    """
    found = [
        _identity(file.entry) | {"status": file.status, "duplicate_of": file.duplicate_of, "reason": file.reason}
        for file in files
    ]
    _queries.record_not_loaded(connection, files=Json(found), run_id=str(run_id))


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


def mark_replaced(connection: db.Connection, file_ids: Iterable[int]) -> None:
    """Record that newer rows have replaced those of files."""
    _queries.mark_replaced(connection, file_ids=list(file_ids))


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


def _loaded(record: Record) -> dict[str, Any]:
    counts = record.counts
    return {
        **_identity(record.entry),
        "file_id": record.file_id,
        "rows_read": counts.read,
        "row_count": counts.loaded,
        "rows_rejected": counts.rejected,
        "rows_blank": counts.blank,
        "rows_erased": counts.erased,
        "header": record.header,
        "dialect": record.dialect,
        "remarks": [asdict(remark) for remark in record.remarks],
        "device": record.device,
    }


def _identity(entry: Entry) -> dict[str, Any]:
    return {
        "source_filename": entry.filename,
        "person": entry.person,
        "part": entry.part,
        "checksum": entry.checksum,
        "source": entry.dataset,
        "target_schema": entry.target_schema,
        "size_bytes": entry.size,
        "source_version": entry.version,
    }
