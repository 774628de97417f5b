"""Say what a file would be taken for, and what would be loaded of it: `sources check`. Nothing is changed."""

import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO
from uuid import uuid4

from ingestion import db
from ingestion.containment import contained
from ingestion.errors import FileRefusedError, UsageError
from ingestion.ingest import Plan, ingest
from ingestion.load.glance import glance
from ingestion.recognition import Match, recognise
from ingestion.results import FileResult
from ingestion.sources import Column, Layout, normalise, person_in
from ingestion.storage import LocalStorage, Storage, StoredFile, is_loadable


@dataclass(frozen=True)
class Filling:
    """A dataset that a file fills.

    Arguments:
        dataset: its name.
        device: the device whose layout the file has, or those whose layouts it may have.
        recognised_by: the file's name with its columns, or its columns alone.
        columns: the headers of the file that fill each column of the raw table.
        extra: the headers that stay in `_extra`.
        dropped: the headers that are not kept at all.
        person: whom the path names, or the header of the column that names them.
        date_order: the order of day, month and year that the first rows suggest.
        date_evidence: what suggests it.
        problem: why it would be refused, as far as the beginning tells.
        hint: what to do about that.

    """

    dataset: str
    device: str
    recognised_by: str
    columns: dict[str, list[str]] = field(default_factory=dict)
    extra: list[str] = field(default_factory=list)
    dropped: list[str] = field(default_factory=list)
    person: str | None = None
    date_order: str | None = None
    date_evidence: str | None = None
    problem: str | None = None
    hint: str | None = None


@dataclass(frozen=True)
class Inspection:
    """What a file is.

    Arguments:
        name: its name, as an ingest would see it.
        fillings: what it fills; nothing where it is unknown.
        reason: why it is unknown.
        hint: what to do about that.

    """

    name: str
    fillings: list[Filling]
    reason: str | None = None
    hint: str | None = None


@contextmanager
def found(path: str, storage: Callable[[], Storage]) -> Iterator[tuple[Storage, StoredFile]]:
    """Find a file on this machine, or else in the landing zone, and yield it as a file of a landing zone.

    Arguments:
        path: its path, or its name in the landing zone.
        storage: opens the landing zone.

    Raises:
        UsageError: there is no such file, or an ingest ignores files of this name.

    """
    here = Path(path)
    if not here.is_file():
        zone = storage()
        listed = next((file for file in zone.list() if file.name == path), None)
        if listed is None:
            raise UsageError(f"there is no file {path}", hint="Name a file here, or one of the landing zone.")
        yield zone, listed
        return
    if not is_loadable(here.name):
        raise UsageError(f"an ingest ignores files named like {here.name!r}", hint="Rename it.")
    with tempfile.TemporaryDirectory(prefix="wearable-check-") as folder:
        copy = Path(folder) / _below_the_zone(here)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(here, copy)
        zone = LocalStorage(Path(folder))
        yield zone, next(iter(zone.list()))


def inspect(storage: Storage, file: StoredFile) -> Inspection:
    """Return what a file is, by its beginning.

    Arguments:
        storage: where it is.
        file: the file.

    """

    def opened() -> BinaryIO:
        return storage.open(file)

    recognition = recognise(file.name, opened)
    fillings = [_filling(file.name, opened, match) for match in recognition.matches]
    return Inspection(file.name, fillings, recognition.reason, recognition.hint)


def try_to_load(engine: db.Engine, storage: Storage, file: StoredFile, schema: str) -> list[FileResult]:
    """Return what an ingest of a file would do, and change nothing.

    Arguments:
        engine: a migrated database.
        storage: where the file is.
        file: the file.
        schema: the schema of the raw tables.

    """
    plan = Plan(schema=schema, only=frozenset({file.name}), force=True, dry_run=True)
    return ingest(engine, storage, uuid4(), plan).files


def _below_the_zone(path: Path) -> Path:
    """Return the part of a path that may name the participant: all from the first folder on that names one."""
    parts = path.absolute().parts
    first = next((place for place, part in enumerate(parts) if "user_id=" in part.lower()), len(parts) - 1)
    return Path(*parts[first:])


def _filling(name: str, opened: Callable[[], BinaryIO], match: Match) -> Filling:
    device = " or ".join(dict.fromkeys(layout.device for layout in match.layouts))
    person = person_in(name)
    try:
        with contained(name):
            seen = glance(name, opened, match.dataset, match.layouts)
    except FileRefusedError as exc:
        return Filling(match.dataset.name, device, match.by, person=person, problem=str(exc), hint=exc.hint)
    if seen is None:
        columns = {column.name: [column.header] for column in match.layouts[0].columns if column.name != "user_id"}
        problem = None if person else f"the path of this {device} export names no participant"
        hint = None if person else "Put it into a folder user_id=LABEL."
        return Filling(match.dataset.name, device, match.by, columns, person=person, problem=problem, hint=hint)
    header = seen.header
    columns = {column.name: _headers(column, header.names, header.layout) for column in header.columns}
    named = columns.get("user_id", [])
    is_dropped = header.layout.drop_extra
    return Filling(
        match.dataset.name,
        header.layout.device,
        match.by,
        {column: headers for column, headers in columns.items() if headers},
        extra=[] if is_dropped else list(header.extra),
        dropped=list(header.extra) if is_dropped else [],
        person=f"column {named[0]}" if named else person,
        date_order=seen.date_order,
        date_evidence=seen.evidence,
    )


def _headers(column: Column, names: tuple[str, ...], layout: Layout) -> list[str]:
    """Return the headers of a file that fill a column."""
    if column.constant is not None:
        return [f"always {column.constant}"]
    if column.is_computed:
        wanted = {normalise(header) for header in column.headers}
        return [name for name in names if normalise(name) in wanted]
    return [name for name in names if layout.by_header.get(normalise(name)) == column]
