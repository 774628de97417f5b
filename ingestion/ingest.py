"""A landing zone becomes raw rows. The file transaction lives here and only here.

With the manifest each file is a transaction of its own: its rows and its row in the ledger, or neither. Without it all
files of a source are one transaction that replaces what the table held.
"""

import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Literal
from uuid import UUID

from psycopg2.sql import SQL, Identifier
from sqlalchemy import Engine

from ingestion import db, log, manifest
from ingestion.errors import BadDataError, FileRefusedError
from ingestion.load import Drop, changed, load
from ingestion.manifest import Counts, Entry, LoadedFile
from ingestion.progress import watch
from ingestion.records import HashedStream
from ingestion.sources import SOURCES, Source, source_for
from ingestion.storage import Storage, StoredFile

Status = Literal["loaded", "replaced", "skipped", "duplicate", "refused", "unknown"]


@dataclass(frozen=True)
class FileResult:
    """What became of one file.

    Arguments:
        filename: its name in the landing zone.
        source: its dataset, None where unknown.
        status: `replaced` took the place of an older content of that name.
        counts: its records, where it was read.
        reason: why it was refused, or what it duplicates.
        hint: what to do about it.
        extra: headers that its source does not declare.

    """

    filename: str
    source: str | None
    status: Status
    counts: Counts = field(default_factory=Counts)
    reason: str | None = None
    hint: str | None = None
    extra: tuple[str, ...] = ()


@dataclass
class IngestResult:
    """What became of all files, in the order in which they were looked at."""

    files: list[FileResult] = field(default_factory=list)

    @property
    def counts(self) -> Counts:
        """The records of all files together."""
        return sum((file.counts for file in self.files), Counts())

    @property
    def refused(self) -> list[FileResult]:
        """The files that were refused whole."""
        return self.with_status("refused")

    def by_status(self) -> dict[str, int]:
        """Return how many files ended in which way."""
        return dict(Counter(file.status for file in self.files))

    def with_status(self, *statuses: Status) -> list[FileResult]:
        """Return the files that ended so."""
        return [file for file in self.files if file.status in statuses]


def ingest(
    engine: Engine, storage: Storage, run_id: UUID, *, schema: str = "raw", use_manifest: bool, role: str | None = None
) -> IngestResult:
    """Load every file of a landing zone that belongs to a declared source.

    Arguments:
        engine: a migrated database.
        storage: the landing zone.
        run_id: goes into the ledger.
        schema: where the raw tables are; those of another schema than `raw` are made after its model.
        use_manifest: load each content once. Otherwise replace what the tables of the sources found here hold.
        role: the role to load as.

    Returns:
        What became of each file. A refused file does not keep the others from being loaded.

    Raises:
        BadDataError: there is no file at all, and there should be.
        DatabaseUnavailableError: no connection, or it was lost; the files loaded before stay loaded.

    """
    job = _Ingest(engine, storage, run_id, schema, role)
    if schema != "raw":
        job.make_tables()
    if use_manifest:
        job.load_new()
    else:
        job.replace_all()
    return job.result


class _Ingest:
    def __init__(self, engine: Engine, storage: Storage, run_id: UUID, schema: str, role: str | None) -> None:
        self._engine = engine
        self._storage = storage
        self._run_id = run_id
        self._schema = schema
        self._role = role
        self.result = IngestResult()

    def make_tables(self) -> None:
        with self._transaction() as connection, connection.cursor() as cursor:
            # `if not exists` alone fails now and then where several start at once
            manifest.lock(connection, self._schema, "*")
            cursor.execute(SQL("create schema if not exists {}").format(Identifier(self._schema)))
            for source in SOURCES:
                cursor.execute(
                    SQL("create table if not exists {} (like raw.{} including all)").format(
                        Identifier(self._schema, source.name), Identifier(source.name)
                    )
                )

    def load_new(self) -> None:
        """Load what is not loaded yet.

        A file whose bytes are loaded under another name gives up what it held, and is looked at again at the end: by
        then that other file may have been replaced, and these bytes would be nowhere.
        """
        with self._transaction() as connection:
            loaded = {(f.source, f.filename): f for f in manifest.loaded_files(connection, self._schema)}
        sizes = {file.size for file in loaded.values()}
        duplicates = []
        for file, source in self._known():
            result = self._load_if_new(file, source, loaded.get((source.name, file.name)), sizes)
            if result.status == "duplicate":
                duplicates.append((file, source))
            else:
                self._report(result)
        for file, source in duplicates:
            self._report(self._load_if_new(file, source, None, sizes))
        if not self.result.files:
            _explain_empty(known_files=len(loaded))

    def replace_all(self) -> None:
        """Replace what the tables hold by what the files hold, a source in one transaction."""
        by_source: dict[str, tuple[Source, list[StoredFile]]] = {}
        for file, source in self._known():
            by_source.setdefault(source.name, (source, []))[1].append(file)
        for source, files in by_source.values():
            self._replace_source(source, files)
        if not self.result.files:
            raise BadDataError("no files in the data directory", hint="Put exports there, or name another directory.")

    def _replace_source(self, source: Source, files: list[StoredFile]) -> None:
        results = []
        try:
            with self._transaction() as connection, connection.cursor() as cursor:
                cursor.execute(SQL("truncate {}").format(Identifier(self._schema, source.name)))
                manifest.mark_source_replaced(connection, self._schema, source.name)
                for file in files:
                    cursor.execute("savepoint file")
                    try:
                        results.append(self._load(connection, file, source))
                        cursor.execute("release savepoint file")
                    except FileRefusedError as exc:
                        cursor.execute("rollback to savepoint file")
                        results.append(_refused(file, source, exc))
                    except _DuplicateError as exc:
                        cursor.execute("rollback to savepoint file")
                        results.append(_duplicate(file, source, exc))
                if not any(result.status == "loaded" for result in results):
                    raise _NothingLoadedError
        except _NothingLoadedError:
            log.event(
                f"{source.name} keeps what it held: no file could be loaded", level=log.WARNING, source=source.name
            )
        for file, result in zip(files, results, strict=True):
            if result.status == "refused":
                self._record_refused(file, source, result)
            self._report(result)

    def _known(self) -> Iterator[tuple[StoredFile, Source]]:
        for file in self._storage.list():
            source = source_for(PurePosixPath(file.name).name)
            if source is None:
                self._report(
                    FileResult(
                        file.name,
                        None,
                        "unknown",
                        reason="no declared source has this name",
                        hint="Rename it after a declared dataset, or declare its source in ingestion/sources.py.",
                    )
                )
            else:
                yield file, source

    def _load_if_new(self, file: StoredFile, source: Source, known: LoadedFile | None, sizes: set[int]) -> FileResult:
        skipped = FileResult(file.name, source.name, "skipped")
        if known and file.is_strong and file.version == known.version:
            return skipped
        try:
            # only bytes of a size on record can be on record, so that a new file is read once
            if file.size in sizes:
                checksum = self._checksum(file)
                if known and known.checksum == checksum:
                    return skipped
                with self._transaction() as connection:
                    twin = manifest.find_checksum(connection, self._schema, source.name, checksum)
                if twin:
                    raise _DuplicateError(*twin, checksum)
            with self._transaction() as connection:
                return self._load(connection, file, source)
        except FileRefusedError as exc:
            result = _refused(file, source, exc)
            self._record_refused(file, source, result)
            return result
        except _DuplicateError as exc:
            if exc.filename == file.name:
                return skipped
            with self._transaction() as connection:
                manifest.lock(connection, self._schema, source.name)
                self._take_out(connection, file, source)
                entry = self._entry(file, source, exc.checksum)
                manifest.record_not_loaded(connection, entry, "duplicate", self._run_id, duplicate_of=exc.file_id)
            return _duplicate(file, source, exc)

    def _load(self, connection: db.Connection, file: StoredFile, source: Source) -> FileResult:
        """Load one file and record it, in the caller's transaction."""
        with watch(file.name, file.size) as on_chunk:
            file_id = manifest.next_file_id(connection)
            drop = Drop(self._storage, file, source, self._schema, on_chunk)
            loaded = load(connection, drop, file_id, self._run_id)
        # from here to the commit the same bytes or the same name cannot come in from elsewhere
        manifest.lock(connection, self._schema, source.name)
        if not self._storage.is_unchanged(file):
            raise changed()
        twin = manifest.find_checksum(connection, self._schema, source.name, loaded.checksum)
        if twin:
            raise _DuplicateError(*twin, loaded.checksum)
        status: Status = "replaced" if self._take_out(connection, file, source) else "loaded"
        entry = self._entry(file, source, loaded.checksum)
        manifest.record_loaded(connection, file_id, entry, loaded.counts, self._run_id)
        return FileResult(file.name, source.name, status, counts=loaded.counts, extra=loaded.extra)

    def _take_out(self, connection: db.Connection, file: StoredFile, source: Source) -> bool:
        """Take out the rows of an older content of this name; tell whether there were any."""
        old = manifest.find_name(connection, self._schema, source.name, file.name)
        if old is None:
            return False
        with connection.cursor() as cursor:
            cursor.execute(
                SQL("delete from {} where _file_id = %s").format(Identifier(self._schema, source.name)), (old,)
            )
        manifest.mark_replaced(connection, old)
        return True

    def _entry(self, file: StoredFile, source: Source, checksum: str) -> Entry:
        version = file.version if file.is_strong else None
        return Entry(self._schema, source.name, file.name, checksum, file.size, version)

    def _checksum(self, file: StoredFile) -> str:
        with closing(HashedStream(self._storage.open(file))) as stream:
            stream.drain()
            return stream.checksum

    def _record_refused(self, file: StoredFile, source: Source, result: FileResult) -> None:
        try:
            entry = self._entry(file, source, self._checksum(file))
        except FileRefusedError:
            log.event(f"{file.name} has no readable content to be recorded by", file=file.name)
            return
        with self._transaction() as connection:
            manifest.record_not_loaded(connection, entry, "refused", self._run_id, reason=result.reason)

    def _transaction(self) -> AbstractContextManager[db.Connection]:
        return db.transaction(self._engine, role=self._role)

    def _report(self, result: FileResult) -> None:
        self.result.files.append(result)
        if result.status == "skipped":
            return
        bad = result.status == "refused"
        counts = result.counts
        text = f"{result.filename}: {result.status}"
        if result.status in {"loaded", "replaced"}:
            text += f", {counts.loaded} rows" + (f", {counts.rejected} rejected" if counts.rejected else "")
        if result.extra:
            text += f", columns not declared and kept in _extra: {', '.join(result.extra)}"
        if result.reason:
            text += f": {result.reason}"
        log.event(
            text,
            level=log.ERROR if bad else log.WARNING if result.status == "unknown" or counts.rejected else log.INFO,
            file=result.filename,
            source=result.source,
            file_status=result.status,
            rows_read=counts.read,
            rows_loaded=counts.loaded,
            rows_rejected=counts.rejected,
            hint=result.hint,
        )


class _DuplicateError(Exception):
    """The same bytes are loaded already."""

    def __init__(self, file_id: int, filename: str, checksum: str) -> None:
        super().__init__(filename)
        self.file_id = file_id
        self.filename = filename
        self.checksum = checksum


class _NothingLoadedError(Exception):
    """No file of a source could be loaded: what the table held stays."""


def _refused(file: StoredFile, source: Source, exc: FileRefusedError) -> FileResult:
    return FileResult(file.name, source.name, "refused", reason=str(exc), hint=exc.hint)


def _duplicate(file: StoredFile, source: Source, exc: _DuplicateError) -> FileResult:
    return FileResult(file.name, source.name, "duplicate", reason=f"same as {exc.filename}")


def _explain_empty(*, known_files: int) -> None:
    if known_files:
        raise BadDataError(
            f"the data directory is empty, and yet {known_files} files of it are on record",
            hint="Is the volume mounted? Is PIPELINE_DATA_DIR the one of the earlier runs?",
        )
    log.event("the data directory is empty: put exports there and run again", level=log.WARNING)


if __name__ == "__main__":
    from ingestion.__main__ import main

    sys.exit(main(["ingest", *sys.argv[1:]]))
