"""Remove rows: retract a file, or erase a participant.

The caller commits, in every function here.
"""

import hashlib
import hmac
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from psycopg2.sql import SQL, Composable, Identifier

from ingestion import db, manifest
from ingestion.errors import ConfigurationError, UsageError
from ingestion.results import ErasureReceipt, RetractedFile
from ingestion.sources import declared, person_in

# what may be an id in a line: words, and whole fields
_WORD = re.compile(r"[\w.@+-]+")
_FIELD = re.compile(r"[^,;\t|\"\r\n]+")
# a longer id is no accident inside another word
_LONG_ID = 6
_queries = db.queries("retraction")


def retract(connection: db.Connection, schema: str, filename: str, reason: str, run_id: UUID) -> list[RetractedFile]:
    """Delete a file's rows from raw and from quarantine, and mark its content as retracted.

    Arguments:
        connection: in a transaction.
        schema: the schema of the raw tables.
        filename: the file's name, as the manifest has it.
        reason: the reason to keep in the manifest.
        run_id: the run that retracts.

    Returns:
        The rows removed, with one entry per dataset of the file.

    Raises:
        UsageError: no file of this name is loaded.

    """
    manifest.lock(connection, schema, *(dataset.name for dataset in declared()))
    files = list(_queries.files_named(connection, target_schema=schema, source_filename=filename))
    if not files:
        raise manifest.not_loaded(filename)
    for file in files:
        _delete(connection, schema, file.source, "_file_id = %s", file.file_id)
        _queries.delete_rejected(connection, file_id=file.file_id)
        _queries.mark_retracted(connection, file_id=file.file_id, reason=reason, run_id=str(run_id))
        _queries.mark_refused_retracted(connection, file_id=file.file_id, reason=reason, run_id=str(run_id))
    return [RetractedFile(file.source_filename, file.source, file.row_count, file.rows_rejected) for file in files]


@dataclass(frozen=True)
class DeletedRows:
    """How many rows of erased participants were deleted after a load.

    Arguments:
        from_raw: the number of rows deleted from the raw table.
        from_quarantine: the number of rows deleted from quarantine.

    """

    from_raw: int
    from_quarantine: int


class Tombstones:
    """The erased participants, as keyed hashes of their ids. Several threads may use it at the same time.

    Arguments:
        key: the secret that the ids were hashed with.

    """

    def __init__(self, key: str | None) -> None:
        self._key = key
        self._hashes: frozenset[str] = frozenset()
        self.digest: str | None = None

    @staticmethod
    def query() -> db.Asked:
        """Return the query of what `take` takes, for `db.read_together`."""
        return _queries.erased, {}

    def take(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Take all tombstones.

        Arguments:
            rows: the rows of `query`.

        Raises:
            ConfigurationError: there are erased participants, and the key is not set.

        """
        self.update(rows[0]["hashes"], rows[0]["digest"])

    def update(self, hashes: list[str] | None, digest: str | None) -> None:
        """Take what a transaction has read, if it differs from what is known.

        Arguments:
            hashes: all tombstones; None for none, or for those that are known.
            digest: their digest.

        Raises:
            ConfigurationError: there are erased participants, and the key is not set.

        """
        if digest == self.digest:
            return
        if hashes and self._key is None:
            raise ConfigurationError(
                f"{len(hashes)} participants were erased, and PIPELINE_ERASURE_KEY is not set",
                hint="Set it to the key that they were erased with. Without it their rows would be loaded again.",
            )
        self._hashes = frozenset(hashes or ())
        self.digest = digest

    def delete_erased(
        self, connection: db.Connection, schema: str, dataset: str, files: Mapping[int, str]
    ) -> dict[int, DeletedRows]:
        """Delete the rows of erased participants that a load has written.

        Arguments:
            connection: in the load's transaction.
            schema: the schema of the raw tables.
            dataset: the dataset.
            files: the names of the loaded files, by their ids. A name may name a participant whom the rows do not.

        Returns:
            What was deleted of each file that had such rows.

        """
        if not self._hashes or self._key is None:
            return {}
        file_ids = list(files)
        with connection.cursor() as cursor:
            cursor.execute(
                SQL("select distinct user_id from {} where _file_id = any(%s)").format(Identifier(schema, dataset)),
                (file_ids,),
            )
            loaded: list[Any] = cursor.fetchall()
        erased = [row.user_id for row in loaded if self._is_erased(row.user_id)]
        rejected = [
            row
            for row in _queries.rejected_lines(connection, file_ids=file_ids)
            if self._is_erased(person_in(files[row.file_id])) or self._mentions_erased(bytes(row.raw_line))
        ]
        if rejected:
            _queries.delete_rejected_rows(connection, rejected_row_ids=[row.rejected_row_id for row in rejected])
        from_quarantine = Counter(row.file_id for row in rejected)
        from_raw: Mapping[int, int] = {}
        if erased:
            from_raw = _delete_by_file(
                connection, schema, dataset, "_file_id = any(%s) and user_id = any(%s)", file_ids, erased
            )
        return {
            file_id: DeletedRows(from_raw.get(file_id, 0), from_quarantine[file_id])
            for file_id in from_raw.keys() | from_quarantine.keys()
        }

    def _is_erased(self, user_id: str | None) -> bool:
        return user_id is not None and hash_user(self._key or "", user_id) in self._hashes

    def _mentions_erased(self, raw_line: bytes) -> bool:
        return any(self._is_erased(each) for each in _ids_in(raw_line))


def erase(connection: db.Connection, schema: str, user_id: str, key: str | None, run_id: UUID) -> ErasureReceipt:
    """Delete a participant's rows from raw, quarantine and follow-up lists, and record tombstones.

    Their rows are those under the id, and under each identifier that means nobody else.

    Arguments:
        connection: in a transaction.
        schema: the schema of the raw tables.
        user_id: the participant.
        key: the secret to hash the id with.
        run_id: the run that erases.

    Raises:
        ConfigurationError: the key is not set.
        UsageError: the id is an identifier of another participant.

    """
    if not key:
        raise ConfigurationError(
            "PIPELINE_ERASURE_KEY is not set",
            hint="Set it to a long random secret, and keep it: later runs recognise erased participants by it.",
        )
    receipt = ErasureReceipt(hash_user(key, user_id))
    files: set[int] = set()
    manifest.lock(connection, schema, *(dataset.name for dataset in declared()))
    ids = _ids_of(connection, schema, user_id)
    for dataset in declared():
        by_file = _delete_by_file(connection, schema, dataset.name, "user_id = any(%s)", ids)
        receipt.rows[f"{schema}.{dataset.name}"] = sum(by_file.values())
        for file_id, rows in by_file.items():
            _queries.count_erased(connection, file_id=file_id, from_raw=rows, from_quarantine=0)
        files |= by_file.keys()
    own_files = [
        row.file_id for row in _queries.names_with_rejected(connection) if person_in(row.source_filename) in ids
    ]
    suspects = _queries.rejected_with(
        connection, ids=[each.encode() for each in ids], own_files=own_files, target_schema=schema
    )
    rejected = [row for row in suspects if row.is_own or any(mentions(bytes(row.raw_line), each) for each in ids)]
    _queries.delete_rejected_rows(connection, rejected_row_ids=[row.rejected_row_id for row in rejected])
    quarantined = Counter(row.file_id for row in rejected)
    receipt.rows["ops.rejected_rows"] = sum(quarantined.values())
    for file_id, rows in quarantined.items():
        _queries.count_erased(connection, file_id=file_id, from_raw=0, from_quarantine=rows)
    file_ids = list(files | quarantined.keys())
    receipt.files = [row.source_filename for row in _queries.names_of(connection, file_ids=file_ids)]
    recognised = [row.source_filename for row in _queries.recognised_names(connection)]
    named = [name for name in recognised if person_in(name) in ids]
    receipt.rows["ops.recognised_files"] = _queries.forget_recognised(connection, names=named)
    receipt.rows["ops.follow_up_entries"] = _queries.forget_followed_up(connection, ids=ids)
    for each in ids:
        _queries.record_tombstone(connection, user_hash=hash_user(key, each), run_id=str(run_id))
    return receipt


def erase_from_models(connection: db.Connection, user_id: str) -> dict[str, int]:
    """Delete a participant's rows from every table that dbt has built.

    Arguments:
        connection: in a transaction of the role that owns the tables.
        user_id: the participant.

    Returns:
        The number of rows deleted from each table, by `schema.table`.

    """
    return {
        f"{table.nspname}.{table.relname}": _delete(connection, table.nspname, table.relname, "user_id = %s", user_id)
        for table in list(_queries.model_tables(connection))
    }


def _meanings(schema: str) -> Composable:
    """Return whom identifiers mean, as dbt's stg_identifiers says: the file with the greatest name counts."""
    return SQL(
        "select identifier, min(user_id) as user_id from ("
        "select i.identifier, i.user_id, rank() over ("
        'partition by i.identifier order by m.source_filename collate "C" desc, m.file_id desc) as precedence'
        " from {} as i inner join ops.raw_ingest_manifest as m on i._file_id = m.file_id) as named"
        " where precedence = 1 group by identifier having min(user_id) = max(user_id)"
        " and (identifier = %(user_id)s or min(user_id) = %(user_id)s)"
    ).format(Identifier(schema, "identifiers"))


def _ids_of(connection: db.Connection, schema: str, user_id: str) -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute(_meanings(schema), {"user_id": user_id})
        meanings: list[Any] = cursor.fetchall()
    if any(row.user_id != user_id for row in meanings):
        raise UsageError(
            "the id to erase is an identifier of another participant",
            hint="Erase the participant whom identifiers.csv names for it, or correct identifiers.csv first.",
        )
    return [user_id, *(row.identifier for row in meanings if row.identifier != user_id)]


def hash_user(key: str, user_id: str) -> str:
    """Return a participant's tombstone: HMAC-SHA256 (RFC 2104) of the id in UTF-8, in hexadecimal."""
    return hmac.new(key.encode(), user_id.encode(), hashlib.sha256).hexdigest()


def mentions(raw_line: bytes, user_id: str) -> bool:
    """Whether a line has an id: anywhere, or, if the id is short, as a word or a field of its own.

    Arguments:
        raw_line: a rejected row, as its file has it.
        user_id: the id.

    """
    return user_id in _ids_in(raw_line) or (len(user_id) >= _LONG_ID and user_id.encode() in raw_line)


def _ids_in(raw_line: bytes) -> set[str]:
    text = raw_line.decode(errors="replace")
    fields = {field.strip() for field in _FIELD.findall(text)}
    # digits that stand beside letters, too: better a row too many than a participant's row kept
    return fields | set(_WORD.findall(text)) | set(re.findall(r"\d+", text)) - {""}


def _delete(connection: db.Connection, schema: str, table: str, condition: str, *values: Any) -> int:
    with connection.cursor() as cursor:
        cursor.execute(
            SQL("delete from {} where {}").format(Identifier(schema, table), SQL(condition)),
            values,
        )
        return int(cursor.rowcount)


def _delete_by_file(connection: db.Connection, schema: str, table: str, condition: str, *values: Any) -> dict[int, int]:
    """Delete rows of a raw table, and return how many were deleted of each file."""
    with connection.cursor() as cursor:
        cursor.execute(
            SQL(
                "with deleted as (delete from {} where {} returning _file_id as file_id)"
                " select file_id, count(*) as row_count from deleted group by file_id"
            ).format(Identifier(schema, table), SQL(condition)),
            values,
        )
        deleted: list[Any] = cursor.fetchall()
    return {row.file_id: row.row_count for row in deleted}
