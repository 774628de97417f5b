"""The end of a file transaction: what is loaded is compared with the manifest as it is now, and recorded."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from psycopg2.sql import SQL, Identifier

from ingestion import db, manifest, quarantine
from ingestion.errors import FileRefusedError
from ingestion.file_transaction.context import Context
from ingestion.file_transaction.files import Due, KnownContent, Outcome, UndoneError
from ingestion.load import Loaded
from ingestion.manifest import Entry, Known, NotLoaded, Record
from ingestion.results import Counts, FileResult, Remark
from ingestion.twins import twin_remarks


class LoadedRows(NamedTuple):
    """A file whose rows are in its table.

    Arguments:
        file_id: the `_file_id` of its rows.
        loaded: what was loaded of it.

    """

    file_id: int
    loaded: Loaded


class Settlement:
    """Records the files of a transaction.

    Arguments:
        context: what all transactions need.
        connection: in the transaction.
        files: the files of the transaction.

    """

    def __init__(self, context: Context, connection: db.Connection, files: Sequence[Due]) -> None:
        self._context = context
        self._connection = connection
        self._files = files

    def settle(self, loaded: Mapping[int, LoadedRows], duplicates: Mapping[int, KnownContent]) -> dict[int, FileResult]:
        """Record loaded files and duplicates, and delete the rows of older contents under their names.

        Arguments:
            loaded: the loaded files, by their place among all files.
            duplicates: the files whose bytes are loaded under other names, likewise.

        Returns:
            The results of the loaded files.

        Raises:
            UndoneError: some of the loaded files have changed, or their bytes are known by now.

        """
        if not loaded and not duplicates:
            return {}
        storage = self._context.storage
        # before the lock, because it may read the file again
        changed = {
            place
            for place, rows in loaded.items()
            if not storage.confirms(self._files[place].file, rows.loaded.checksum)
        }
        # from here to the commit no other transaction can load the same bytes or the same name, retract or erase
        datasets = {self._files[place].dataset.name for place in (*loaded, *duplicates)}
        manifest.lock(self._connection, self._context.schema, *sorted(datasets))
        changed |= {place for place in loaded if not storage.is_unchanged(self._files[place].file)}
        checksums = {place: rows.loaded.checksum for place, rows in loaded.items()}
        checksums |= {place: content.checksum for place, content in duplicates.items()}
        asked = [self._files[place].asked(checksum) for place, checksum in checksums.items()]
        known = dict(zip(checksums, self._context.look_up(self._connection, asked), strict=True))
        self._check(loaded, known, changed)
        counts = self._counts_without_erased(loaded)
        self._delete_older(known)
        remarks = self._remarks(loaded, known, counts)
        manifest.record_loaded(
            self._connection,
            (
                Record(
                    file_id,
                    self._entry(place, each.checksum),
                    counts[place],
                    each.header,
                    each.dialect,
                    remarks[place],
                    each.device,
                )
                for place, (file_id, each) in loaded.items()
            ),
            self._context.run_id,
        )
        self._record_duplicates(duplicates)
        with_faults = [rows.file_id for place, rows in loaded.items() if counts[place].rejected]
        faults = quarantine.faults(self._connection, with_faults) if with_faults else {}
        return {
            place: FileResult(
                self._files[place].file.name,
                self._files[place].dataset.name,
                "loaded" if known[place].older_id is None else "replaced",
                counts=counts[place],
                extra=each.extra,
                remarks=remarks[place],
                faults=tuple(faults.get(file_id, ())),
                checksum=each.checksum,
            )
            for place, (file_id, each) in loaded.items()
        }

    def _check(self, loaded: Mapping[int, LoadedRows], known: Mapping[int, Known], changed: Iterable[int]) -> None:
        undone: dict[int, Outcome] = {}
        for place, rows in loaded.items():
            if content := self._context.known_content(self._files[place], known[place], rows.loaded.checksum):
                undone[place] = content
        for place in changed:
            undone[place] = FileRefusedError(
                "it changed while it was read", hint="Nothing of it was loaded. The next run loads it."
            )
        if undone:
            raise UndoneError(undone)

    def _counts_without_erased(self, loaded: Mapping[int, LoadedRows]) -> dict[int, Counts]:
        """Delete the rows of erased participants, and return the counts without them."""
        counts = {place: rows.loaded.counts for place, rows in loaded.items()}
        places = {rows.file_id: place for place, rows in loaded.items()}
        by_dataset: dict[str, dict[int, str]] = {}
        for file_id, place in places.items():
            due = self._files[place]
            by_dataset.setdefault(due.dataset.name, {})[file_id] = due.file.name
        for dataset, files in by_dataset.items():
            deleted = self._context.tombstones.delete_erased(self._connection, self._context.schema, dataset, files)
            for file_id, rows in deleted.items():
                before = counts[places[file_id]]
                counts[places[file_id]] = replace(
                    before,
                    loaded=before.loaded - rows.from_raw,
                    rejected=before.rejected - rows.from_quarantine,
                    erased=rows.from_raw + rows.from_quarantine,
                )
        return counts

    def _delete_older(self, known: Mapping[int, Known]) -> None:
        """Delete the rows of older contents under the names of the files."""
        older: dict[str, list[int]] = {}
        for place, each in known.items():
            if each.older_id is not None:
                older.setdefault(self._files[place].dataset.name, []).append(each.older_id)
        for dataset, file_ids in older.items():
            with self._connection.cursor() as cursor:
                cursor.execute(
                    SQL("delete from {} where _file_id = any(%s)").format(Identifier(self._context.schema, dataset)),
                    (file_ids,),
                )
            manifest.mark_replaced(self._connection, file_ids)

    def _remarks(
        self, loaded: Mapping[int, LoadedRows], known: Mapping[int, Known], counts: Mapping[int, Counts]
    ) -> dict[int, tuple[Remark, ...]]:
        """Return what is strange about the files: also that files of two participants have the same bytes."""
        first: dict[tuple[str, str], str] = {}
        remarks = {}
        for place, (_, each) in loaded.items():
            due = self._files[place]
            before = first.setdefault((due.dataset.name, each.checksum), due.file.name)
            twin = known[place].twin or (before if before != due.file.name else None)
            remarks[place] = (*each.remarks, *(twin_remarks(twin, counts[place].filled) if twin else ()))
        return remarks

    def _record_duplicates(self, duplicates: Mapping[int, KnownContent]) -> None:
        found = [
            NotLoaded(
                self._entry(place, content.checksum),
                "duplicate",
                duplicate_of=content.original.file_id if content.original else None,
            )
            for place, content in duplicates.items()
        ]
        if found:
            manifest.record_not_loaded(self._connection, found, self._context.run_id)

    def _entry(self, place: int, checksum: str) -> Entry:
        return self._files[place].entry(self._context.schema, checksum)
