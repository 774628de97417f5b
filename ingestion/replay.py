"""Check rejected rows again, after the declaration of their dataset has been corrected."""

from ingestion import db, load, manifest
from ingestion.results import ReplayedFile
from ingestion.sources import dataset_named, declared

_queries = db.queries("replay")


def replay(connection: db.Connection, schema: str, filename: str) -> list[ReplayedFile]:
    """Check the rejected rows of a file again, and load those that are good now. The caller commits.

    Arguments:
        connection: in a transaction.
        schema: the schema of the raw tables.
        filename: the file's name, as the manifest has it. The file itself is not read.

    Returns:
        The numbers of rows, with one entry per dataset of the file.

    Raises:
        UsageError: no file of this name is loaded.
        FileRefusedError: the dataset no longer accepts the file's header.

    """
    manifest.lock(connection, schema, *(dataset.name for dataset in declared()))
    files = list(_queries.files_to_replay(connection, target_schema=schema, source_filename=filename))
    if not files:
        raise manifest.not_loaded(filename)
    replays = []
    for file in files:
        rows = [
            (row.line_number, bytes(row.raw_line)) for row in _queries.rejected_of(connection, file_id=file.file_id)
        ]
        outcome = load.replay(
            connection,
            dataset_named(file.source),
            rows,
            target_schema=schema,
            file_id=file.file_id,
            filename=filename,
            header=file.header,
            dialect=file.dialect or {},
        )
        _queries.delete_loaded(connection, file_id=file.file_id, lines=list(outcome.loaded))
        for line, (reason, column) in outcome.rejected.items():
            _queries.update_reason(connection, file_id=file.file_id, line=line, reason=reason, column_name=column)
        _queries.count_replayed(connection, file_id=file.file_id, rows=len(outcome.loaded))
        replays.append(ReplayedFile(filename, file.source, len(outcome.loaded), len(outcome.rejected)))
    return replays
