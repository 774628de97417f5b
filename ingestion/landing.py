"""The landing zone as a person meets it: what is in it, and how a file gets there."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path, PurePosixPath
from typing import Literal

from sqlalchemy import Engine

from ingestion import db, manifest
from ingestion.errors import FileRefusedError, StatementError, UsageError
from ingestion.load.records import checksum_of
from ingestion.sources import datasets_for, user_id_in
from ingestion.storage import Storage, StoredFile, is_drop

State = Literal["new", "changed", "known", "unknown"]

_NO_TABLE = {"42P01", "3F000"}
_DIGITS = 16


@dataclass(frozen=True)
class Preview:
    """A file, and what an ingest would make of it.

    Arguments:
        file: as listed.
        dataset: its dataset, None where unknown.
        state: `changed` is known by name with other bytes; `known` will be skipped; `unknown` belongs to no dataset.
        detail: more about that, where there is more.

    """

    file: StoredFile
    dataset: str | None
    state: State
    detail: str | None = None


@dataclass(frozen=True)
class Landed:
    """A file that is in the landing zone now.

    Arguments:
        name: there.
        dataset: its dataset, None where unknown; of a file with several, whose export it is.
        is_new: whether it was not there before.

    """

    name: str
    dataset: str | None
    is_new: bool


def preview(engine: Engine, storage: Storage, schema: str = "raw") -> Iterator[Preview]:
    """Tell of each file, as the list comes in, what an ingest would make of it. A file is read only where it must be.

    Arguments:
        engine: the database, in which nothing is changed; it may be an empty one.
        storage: the landing zone.
        schema: the schema of the raw tables.

    """
    on_record = _Record(engine, schema)
    for file in storage.list():
        datasets = datasets_for(PurePosixPath(file.name).name)
        if not datasets:
            yield Preview(file, None, "unknown", "no declared dataset has this name")
        for dataset in datasets:
            try:
                yield on_record.judge(storage, file, dataset.name)
            except FileRefusedError as exc:
                yield Preview(file, dataset.name, "new", f"would be refused: {exc}")


class _Record:
    def __init__(self, engine: Engine, schema: str) -> None:
        try:
            with db.transaction(engine) as connection:
                files = list(manifest.loaded_files(connection, schema))
        except StatementError as exc:
            if exc.sqlstate not in _NO_TABLE:
                raise
            files = []
        self._by_name = {(file.dataset, file.filename): file for file in files}
        self._by_checksum = {(file.dataset, file.checksum): file.filename for file in files}
        self._sizes = {file.size for file in files}

    def judge(self, storage: Storage, file: StoredFile, dataset: str) -> Preview:
        known = self._by_name.get((dataset, file.name))
        if known and file.is_strong and file.version == known.version:
            return Preview(file, dataset, "known")
        # bytes of a size that is not on record cannot be on record
        if file.size in self._sizes:
            twin = self._by_checksum.get((dataset, checksum_of(storage, file)))
            if twin is not None:
                return Preview(file, dataset, "known", None if twin == file.name else f"the bytes of {twin}")
        return Preview(file, dataset, "changed" if known else "new")


def land(storage: Storage, path: Path, day: date) -> Landed:
    """Put a file into the landing zone, under a name that tells the dataset, the day and the content.

    Such a name cannot be taken by anything else: the same file landed twice on a day is there once.

    Arguments:
        storage: the landing zone.
        path: the file, on this machine.
        day: goes into the name.

    Raises:
        UsageError: the file cannot be read, or has a name that no ingest would look at, or does not say whose it is.
        FileRefusedError: it changed while it was put there.

    """
    name = path.name
    if not is_drop(name) or not name.isprintable():
        raise UsageError(
            f"{name!r} is not a name for a drop", hint="Rename it: not hidden, no README, no control characters."
        )
    try:
        with path.open("rb") as file:
            checksum = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as exc:
        raise UsageError(f"{path} cannot be read ({exc.strerror})", hint="Name a file that is there.") from exc
    datasets = datasets_for(name)
    dataset = datasets[0].name if datasets else None
    layouts = [layout for each in datasets for layout in each.layouts_for(name)]
    if layouts and all(layout.is_of_one_person for layout in layouts) and user_id_in(name) is None:
        raise UsageError(
            f"nothing says whose {layouts[0].device} export {name} is",
            hint="Rename it, with user_id=NUMBER in its name: export_user_id=7.zip.",
        )
    if len(datasets) > 1:
        dataset = layouts[0].device.lower().replace(" ", "_")
    # the digits are a folder of their own, so that the name still tells the dataset, whatever its suffix
    target = f"{dataset or 'unknown'}/{day:%Y-%m-%d}/{checksum[:_DIGITS]}/{name}"
    return Landed(target, dataset, storage.add(target, path, checksum))
