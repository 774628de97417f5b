"""Rejected rows get another chance once the declaration of their dataset has been mended."""

from ingestion import db, load, manifest
from ingestion.results import ReplayedFile
from ingestion.sources import dataset_named

_queries = db.queries("replay")


def replay(connection: db.Connection, schema: str, filename: str) -> list[ReplayedFile]:
    """Judge the rejected rows of a file again, and load those that fit now.

    Arguments:
        connection: in a transaction, which the caller commits.
        schema: of the raw tables.
        filename: as the manifest has it; the file itself is not needed.

    Returns:
        What became of them; one entry, unless two datasets share the name.

    Raises:
        UsageError: no such file is loaded.
        FileRefusedError: its dataset does not take such a file any more.

    """
    files = list(_queries.files_to_replay(connection, target_schema=schema, source_filename=filename))
    if not files:
        raise manifest.not_loaded(filename)
    replays = []
    for file_id, dataset_name, header, dialect in files:
        manifest.lock(connection, schema, dataset_name)
        rows = [(line, bytes(raw)) for line, raw in _queries.rejected_of(connection, file_id=file_id)]
        outcome = load.replay(
            connection,
            dataset_named(dataset_name),
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
        replays.append(ReplayedFile(filename, dataset_name, len(outcome.loaded), len(outcome.rejected)))
    return replays
