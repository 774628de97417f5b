"""Rejected rows get another chance once the declaration of their source has been mended."""

from dataclasses import dataclass

from ingestion import db, load, manifest
from ingestion.sources import source_named

_queries = db.queries("replay")


@dataclass(frozen=True)
class Replay:
    """What became of the rejected rows of a file.

    Arguments:
        filename: its name in the landing zone.
        source: its dataset.
        loaded: rows that are in the raw table now.
        rejected: rows that stay in quarantine.

    """

    filename: str
    source: str
    loaded: int
    rejected: int


def replay(connection: db.Connection, schema: str, filename: str) -> list[Replay]:
    """Judge the rejected rows of a file again, and load those that fit now.

    Arguments:
        connection: in a transaction, which the caller commits.
        schema: of the raw tables.
        filename: as the manifest has it; the file itself is not needed.

    Returns:
        What became of them; one entry, unless two datasets share the name.

    Raises:
        UsageError: no such file is loaded.
        FileRefusedError: its source does not take such a file any more.

    """
    files = list(_queries.files_to_replay(connection, target_schema=schema, source_filename=filename))
    if not files:
        raise manifest.not_loaded(filename)
    replays = []
    for file_id, source_name, header, dialect in files:
        manifest.lock(connection, schema, source_name)
        rows = [(line, bytes(raw)) for line, raw in _queries.rejected_of(connection, file_id=file_id)]
        outcome = load.replay(
            connection,
            source_named(source_name),
            rows,
            target_schema=schema,
            file_id=file_id,
            filename=filename,
            header=header,
            dialect=dialect or {},
        )
        _queries.release_rejected(connection, file_id=file_id, lines=list(outcome.loaded))
        for line, (reason, column) in outcome.rejected.items():
            _queries.renew_reason(connection, file_id=file_id, line=line, reason=reason, column_name=column)
        _queries.count_replayed(connection, file_id=file_id, rows=len(outcome.loaded))
        replays.append(Replay(filename, source_name, len(outcome.loaded), len(outcome.rejected)))
    return replays
