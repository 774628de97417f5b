"""Look into the landing zone, and put files there: `ls` and `land`."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Literal

from ingestion import archives, db, manifest
from ingestion.backlog import Backlog, Decision
from ingestion.containment import contained
from ingestion.errors import FileRefusedError, ForeignFileError, StatementError, UsageError
from ingestion.load.glance import check_header
from ingestion.recognition import Memory, recognise
from ingestion.sources import person_in
from ingestion.storage import ArchiveStorage, Storage, StoredFile, is_loadable

State = Literal["new", "changed", "known", "retracted", "unsettled", "unknown"]

_UNDEFINED_TABLE = {"42P01", "3F000"}
_DIGITS = 16


@dataclass(frozen=True)
class Preview:
    """A file, and what an ingest would do with it.

    Arguments:
        file: the file, as listed.
        dataset: the name of its dataset, None where unknown.
        device: what wrote it, None where unknown, or where several devices write such files.
        state: `new` and `changed` will be loaded. The bytes of `known` are loaded, those of `retracted` were retracted.
            `unsettled` may still grow. `unknown` belongs to no declared dataset, by its name or by its columns.
        detail: more about the state, where there is more.

    """

    file: StoredFile
    dataset: str | None
    device: str | None
    state: State
    detail: str | None = None


@dataclass(frozen=True)
class Landed:
    """A file that is in the landing zone now.

    Arguments:
        name: its name there.
        dataset: its dataset, or its device where it holds several datasets; None where unknown.
        is_new: whether it was not there before.

    """

    name: str
    dataset: str | None
    is_new: bool


def preview(
    engine: db.Engine, storage: Storage, schema: str = "raw", *, min_age_seconds: float = 0.0
) -> Iterator[Preview]:
    """Yield each file as it is listed, with what an ingest would do with it. Nothing is changed.

    Arguments:
        engine: the database; it may be empty.
        storage: the landing zone.
        schema: the schema of the raw tables.
        min_age_seconds: files written more recently than this are unsettled.

    """
    backlog = _backlog(engine, storage, schema, min_age_seconds)
    storage = backlog.storage
    for item in backlog.items():
        dataset = item.dataset.name if item.dataset else None
        is_known = backlog.loaded_as(item) is not None
        try:
            with contained(item.file.name):
                decision = backlog.decide(item)
                if item.dataset and decision.is_due:
                    check_header(storage, item.file, item.dataset, item.layouts)
                state, detail = _state(decision)
        except FileRefusedError as exc:
            state, detail = "changed" if is_known else "new", f"would be refused: {exc}"
            if isinstance(exc, ForeignFileError) and not is_known:
                dataset, state, detail = None, "unknown", str(exc)
        devices = {layout.device for layout in item.layouts}
        device = devices.pop() if dataset and len(devices) == 1 else None
        yield Preview(item.file, dataset, device, state, detail)
    for result in backlog.of_no_dataset():
        yield Preview(StoredFile(result.filename, 0, ""), None, None, "unknown", result.reason)


def _backlog(engine: db.Engine, storage: Storage, schema: str, min_age_seconds: float) -> Backlog:
    try:
        with db.transaction(engine) as connection:
            contents = manifest.contents(connection, schema)
            known = db.read_together(connection, archives=archives.query())["archives"]
            return Backlog(
                archives.as_folders(known, (file.filename for file in contents.loaded), storage),
                contents=contents,
                memory=Memory.read(connection),
                min_age_seconds=min_age_seconds,
            )
    except StatementError as exc:
        if exc.sqlstate not in _UNDEFINED_TABLE:
            raise
        return Backlog(ArchiveStorage(storage), min_age_seconds=min_age_seconds)


def _state(decision: Decision) -> tuple[State, str | None]:
    if decision.state == "duplicate":
        return "known", f"the bytes of {decision.original.filename}" if decision.original else None
    return decision.state, decision.reason


def land(storage: Storage, path: Path, day: date) -> Landed:
    """Copy a file into the landing zone, under a name made of its dataset, the day and its checksum.

    No other file can have this name: a file that is landed twice on a day is there once.

    Arguments:
        storage: the landing zone.
        path: the file, on this machine.
        day: the day in its name.

    Raises:
        UsageError: the file cannot be read, an ingest ignores its name, or its name lacks a participant.
        FileRefusedError: the file changed while it was copied.

    """
    name = path.name
    if not is_loadable(name) or not name.isprintable():
        raise UsageError(
            f"an ingest ignores files named like {name!r}",
            hint="Rename it: hidden files, READMEs, markers and names with control characters are ignored.",
        )
    try:
        with path.open("rb") as file:
            checksum = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as exc:
        raise UsageError(
            f"{path} cannot be read ({exc.strerror})", hint="Name a file that exists and that you may read."
        ) from exc
    found = recognise(name, lambda: path.open("rb"))
    dataset = found.matches[0].dataset.name if found.matches else None
    layouts = [layout for match in found.matches for layout in match.layouts]
    if layouts and all(layout.is_of_one_participant for layout in layouts) and person_in(name) is None:
        raise UsageError(
            f"the name of this {layouts[0].device} export names no participant: {name}",
            hint="Put user_id=LABEL into its name, as in export_user_id=P-017.zip.",
        )
    if len(found.matches) > 1:
        dataset = layouts[0].device.lower().replace(" ", "_")
    # the digits are a folder of their own: the file keeps its name, by which its dataset is recognised
    target = f"{dataset or 'unknown'}/{day:%Y-%m-%d}/{checksum[:_DIGITS]}/{name}"
    return Landed(target, dataset, storage.add(target, path, checksum))
