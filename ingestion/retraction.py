"""Taking rows out again: a file that should not have come, or a person who has the right to be forgotten.

Every function takes a connection and leaves the commit to its caller.
"""

import hashlib
import hmac
import re
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from psycopg2.sql import SQL, Identifier

from ingestion import db, manifest
from ingestion.errors import ConfigurationError
from ingestion.results import ErasureReceipt, RetractedFile
from ingestion.sources import declared, user_id_in

_NUMBER = re.compile(rb"\d{1,19}")
_queries = db.queries("retraction")


def retract(connection: db.Connection, schema: str, filename: str, reason: str, run_id: UUID) -> list[RetractedFile]:
    """Take a file's rows out of raw and out of quarantine, and remember that it was taken out.

    Arguments:
        connection: in a transaction.
        schema: of the raw tables.
        filename: as the manifest has it.
        reason: kept in the manifest.
        run_id: the run.

    Returns:
        What was taken out; one entry, unless two datasets share the name.

    Raises:
        UsageError: no such file is loaded.

    """
    files = list(_queries.files_named(connection, target_schema=schema, source_filename=filename))
    if not files:
        raise manifest.not_loaded(filename)
    for file_id, dataset, *_ in files:
        manifest.lock(connection, schema, dataset)
        _delete(connection, schema, dataset, "_file_id = %s", file_id)
        _queries.delete_rejected(connection, file_id=file_id)
        _queries.mark_retracted(connection, file_id=file_id, reason=reason, run_id=str(run_id))
        _queries.mark_refused_retracted(connection, file_id=file_id, reason=reason, run_id=str(run_id))
    return [RetractedFile(filename, dataset, rows, rejected) for _, dataset, rows, rejected in files]


def retracted(connection: db.Connection, schema: str) -> dict[tuple[str, str], int]:
    """Return dataset and checksum of what was retracted, with its size in bytes; it stays out until it is reloaded."""
    return {
        (dataset, checksum): size
        for dataset, checksum, size in _queries.retracted_checksums(connection, target_schema=schema)
    }


@dataclass(frozen=True)
class Kept:
    """Rows that were kept out.

    Arguments:
        from_raw: of the raw table.
        from_quarantine: of quarantine.

    """

    from_raw: int
    from_quarantine: int


class Tombstones:
    """The persons who were erased, as keyed hashes.

    Arguments:
        connection: any, to read them.
        key: the secret under which they were hashed.

    Raises:
        ConfigurationError: there are some, and the key is not set.

    """

    def __init__(self, connection: db.Connection, key: str | None) -> None:
        self._hashes = {user_hash for (user_hash,) in _queries.erased_hashes(connection)}
        if self._hashes and key is None:
            raise ConfigurationError(
                f"{len(self._hashes)} persons were erased, and PIPELINE_ERASURE_KEY is not set",
                hint="Set it to the key they were erased with, or their rows would come back.",
            )
        self._key = key

    def keep_out(self, connection: db.Connection, schema: str, dataset: str, file_id: int, filename: str) -> "Kept":
        """Delete what a load has brought back of erased persons.

        Arguments:
            connection: in the load's transaction.
            schema: of the raw tables.
            dataset: the dataset.
            file_id: the load.
            filename: of what was loaded; it may name the person its rows do not.

        Returns:
            The rows deleted.

        """
        if not self._hashes or self._key is None:
            return Kept(0, 0)
        with connection.cursor() as cursor:
            cursor.execute(
                SQL("select distinct user_id from {} where _file_id = %s").format(Identifier(schema, dataset)),
                (file_id,),
            )
            erased = [user_id for (user_id,) in cursor if self._is_erased(user_id)]
            cursor.execute("select rejected_row_id, raw_line from ops.rejected_rows where file_id = %s", (file_id,))
            of_one = self._is_erased(user_id_in(filename))
            rejected = [row_id for row_id, raw_line in cursor if of_one or self._names_one(bytes(raw_line))]
            cursor.execute("delete from ops.rejected_rows where rejected_row_id = any(%s)", (rejected,))
        return Kept(
            from_raw=_delete(connection, schema, dataset, "_file_id = %s and user_id = any(%s)", file_id, erased),
            from_quarantine=len(rejected),
        )

    def _is_erased(self, user_id: int | None) -> bool:
        return user_id is not None and hash_user(self._key or "", user_id) in self._hashes

    def _names_one(self, raw_line: bytes) -> bool:
        return any(self._is_erased(int(digits)) for digits in _NUMBER.findall(raw_line))


def erase(connection: db.Connection, schema: str, user_id: int, key: str | None, run_id: UUID) -> ErasureReceipt:
    """Remove a person from raw, from quarantine and from all that dbt has built, and leave a tombstone.

    Arguments:
        connection: in a transaction.
        schema: of the raw tables.
        user_id: whom.
        key: the secret for the tombstone.
        run_id: the run.

    Raises:
        ConfigurationError: the key is not set.

    """
    if not key:
        raise ConfigurationError(
            "PIPELINE_ERASURE_KEY is not set",
            hint="Set it to a long random secret and keep it: the tombstones are hashed with it.",
        )
    receipt = ErasureReceipt(hash_user(key, user_id))
    files: set[int] = set()
    for dataset in declared():
        manifest.lock(connection, schema, dataset.name)
        with connection.cursor() as cursor:
            cursor.execute(
                SQL(
                    "with gone as (delete from {} where user_id = %s returning _file_id)"
                    " select _file_id, count(*) as row_count from gone group by _file_id"
                ).format(Identifier(schema, dataset.name)),
                (user_id,),
            )
            by_file = dict(cursor.fetchall())
        receipt.rows[f"{schema}.{dataset.name}"] = sum(by_file.values())
        for file_id, rows in by_file.items():
            _queries.count_erased(connection, file_id=file_id, from_raw=rows, from_quarantine=0)
        files |= by_file.keys()
    own_files = [file_id for file_id, name in _queries.names_with_rejected(connection) if user_id_in(name) == user_id]
    quarantined = dict(
        _queries.delete_rejected_of(
            connection, id_bytes=str(user_id).encode(), own_files=own_files, target_schema=schema
        )
    )
    receipt.rows["ops.rejected_rows"] = sum(quarantined.values())
    for file_id, rows in quarantined.items():
        _queries.count_erased(connection, file_id=file_id, from_raw=0, from_quarantine=rows)
    receipt.files = [name for _, name in _queries.names_of(connection, file_ids=list(files | quarantined.keys()))]
    _queries.remember(connection, user_hash=receipt.user_hash, run_id=str(run_id))
    return receipt


def erase_from_models(connection: db.Connection, user_id: int) -> dict[str, int]:
    """Delete a person from every table that dbt has built; the role must own them.

    Arguments:
        connection: in a transaction.
        user_id: whom.

    Returns:
        The rows deleted from each table, by `schema.table`.

    """
    return {
        f"{schema}.{table}": _delete(connection, schema, table, "user_id = %s", user_id)
        for schema, table in list(_queries.model_tables(connection))
    }


def hash_user(key: str, user_id: int) -> str:
    """Return a person's tombstone: HMAC-SHA256 (RFC 2104) of the id's decimal digits, in hexadecimal."""
    return hmac.new(key.encode(), str(user_id).encode(), hashlib.sha256).hexdigest()


def _delete(connection: db.Connection, schema: str, table: str, condition: str, *values: Any) -> int:
    with connection.cursor() as cursor:
        cursor.execute(
            SQL("delete from {} where {}").format(Identifier(schema, table), SQL(condition)),
            values,
        )
        return int(cursor.rowcount)
