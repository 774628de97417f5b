"""Load a landing zone into the raw tables.

With the manifest, each content is loaded once, and several small files share a transaction. Without it, the files of a
dataset are one transaction that replaces what its table held.
"""

import runpy
import sys
import threading
from collections.abc import Callable
from contextlib import ExitStack
from uuid import UUID

from psycopg2.sql import SQL, Identifier

from ingestion import archives, claims, db, manifest
from ingestion.backlog import Backlog
from ingestion.errors import ConfigurationError
from ingestion.file_transaction import Context, DateOrders, FileLoader, Transactions
from ingestion.manifest import Contents
from ingestion.modes import FullReload, ManifestLoad, Plan
from ingestion.outcomes import Results
from ingestion.recognition import Memory
from ingestion.results import FileResult, IngestResult
from ingestion.retraction import Tombstones
from ingestion.sources import declared
from ingestion.storage import ReadOnceStorage, Storage

__all__ = ["Plan", "ingest"]

# a group of small files, and those that are being recognised for the next one
_HELD_BYTES = 8 << 20


def ingest(
    engine: db.Engine,
    storage: Storage,
    run_id: UUID,
    plan: Plan,
    *,
    role: str | None = None,
    on_file: Callable[[FileResult], None] | None = None,
) -> IngestResult:
    """Load every file of a landing zone that belongs to a declared dataset.

    With the manifest, any number of processes may do this at once: each claims its files in the database.

    Arguments:
        engine: a migrated database.
        storage: the landing zone.
        run_id: the run that the manifest records.
        plan: how to load.
        role: the role to load as, None for the login role.
        on_file: called with the result of each file after its transaction; must not raise.

    Returns:
        One result per file and dataset. A refused file does not prevent the others from being loaded.

    Raises:
        BadDataError: the landing zone is empty, and should not be.
        UsageError: a file of `only` is not in the landing zone.
        ConfigurationError: the landing zone cannot archive, and the plan asks for it.
        DatabaseUnavailableError: the database cannot be reached. Files loaded before stay loaded.

    """
    if plan.archive and not storage.can_archive:
        raise ConfigurationError(
            "an object store cannot archive: between copy and deletion a newer object could be lost",
            hint="Unset PIPELINE_ARCHIVE, and let a lifecycle rule of the bucket move old objects.",
        )
    results = Results(on_file)
    with ExitStack() as resources:
        if not plan.dry_run:
            storage.recover()
            resources.callback(storage.clear_leftovers)
        transactions = resources.enter_context(Transactions(engine, role, dry_run=plan.dry_run).opened())
        claimed = None
        if plan.use_manifest and not plan.dry_run:
            claimed = resources.enter_context(claims.recorded(engine, run_id, role))
        tombstones = Tombstones(plan.erasure_key)
        with transactions.read() as connection:
            known = db.read_together(connection, erased=Tombstones.query(), archives=archives.query())
            tombstones.take(known["erased"])
            contents = manifest.contents(connection, plan.schema)
            folders = archives.as_folders(known["archives"], (file.filename for file in contents.loaded), storage)
            memory = Memory.read(connection) if plan.use_manifest else Memory()
        resources.callback(folders.close)
        if plan.schema != "raw":
            _create_tables(transactions, plan.schema)
        read_once = ReadOnceStorage(folders, _HELD_BYTES * plan.workers)
        loader = FileLoader(
            Context(
                read_once,
                plan.schema,
                run_id,
                tombstones,
                plan.force,
                threading.Event(),
                DateOrders(plan.schema),
                claimed,
            ),
            transactions,
        )
        backlog = Backlog(
            read_once,
            # without records of the manifest every file is new
            contents=contents if plan.use_manifest else Contents(),
            only=plan.only,
            since=plan.since,
            min_age_seconds=plan.min_age_seconds,
            force=plan.force,
            memory=memory,
        )
        mode = ManifestLoad if plan.use_manifest else FullReload
        mode(transactions, read_once, plan, loader, backlog, results).run()
        if folders.found:
            with transactions.begin() as connection:
                archives.remember(connection, folders.found)
    return results.all


def _create_tables(transactions: Transactions, schema: str) -> None:
    with transactions.begin() as connection, connection.cursor() as cursor:
        # `if not exists` alone fails now and then where several processes start at once
        manifest.lock(connection, schema, "*")
        cursor.execute(SQL("create schema if not exists {}").format(Identifier(schema)))
        for dataset in declared():
            cursor.execute(
                SQL("create table if not exists {} (like raw.{} including all)").format(
                    Identifier(schema, dataset.name), Identifier(dataset.name)
                )
            )


if __name__ == "__main__":
    sys.argv.insert(1, "ingest")
    runpy.run_module("ingestion", run_name="__main__")
