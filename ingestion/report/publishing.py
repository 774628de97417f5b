"""Decide whether a report is written, name it, store it and remove old reports."""

import hashlib
import os
import re
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC
from pathlib import Path
from uuid import UUID

from ingestion import __version__, db, follow_up
from ingestion.config import ROOT, Settings
from ingestion.errors import DatabaseUnavailableError, PipelineError, UsageError
from ingestion.leftovers import temporary_folder
from ingestion.report import page, people
from ingestion.report.contents import Contents, Outcome, read
from ingestion.results import Step
from ingestion.storage import Shelf, open_shelf

LATEST = "latest.html"
_FOLDER = ".wearables-report-"

_REPORT_NAME = re.compile(r"report_\d{4}-\d{2}-\d{2}T\d{6}\.\d{3}Z_[0-9a-f-]{36}\.html")
_queries = db.queries("report")
_run_queries = db.queries("runs")


@dataclass(frozen=True)
class Published:
    """Where a report is stored.

    Arguments:
        place: the directory, or the URL in an object store.
        name: the name of the file.

    """

    place: str
    name: str

    @property
    def location(self) -> str:
        """The path or URL of the file."""
        return f"{self.place.rstrip('/')}/{self.name}"


def publish(
    engine: db.Engine,
    looking: db.Lender,
    settings: Settings,
    run_id: UUID,
    step: Step,
    *,
    outcome: Outcome,
    built_from: str | None,
    remove_earlier: bool = False,
) -> Published | None:
    """Write the report of a run that is about to end. Skip it if the last report has the same contents.

    Arguments:
        engine: the database.
        looking: lends a session that may read ops.
        settings: the settings of the run.
        run_id: the run.
        step: receives the outcome of this step.
        outcome: the outcome of the run.
        built_from: the fingerprint of the inputs of the marts.
        remove_earlier: remove all earlier reports, because they show an erased participant.

    Returns:
        Where the report is stored; None if the settings ask for no report.

    Raises:
        PipelineError: the figures cannot be read or the file cannot be written.

    """
    if not settings.reports_kept:
        step.skipped = "PIPELINE_REPORTS_KEPT is 0"
        return None
    if settings.report_dir is None and not os.access(ROOT, os.W_OK):
        step.skipped = "no directory can be written to: set PIPELINE_REPORT_DIR"
        return None
    shelf = _shelf(settings)
    with looking() as connection:
        found = db.read_together(connection, manifest=(_queries.manifest_state, {}), last=(_queries.last_report, {}))
    manifest_state: str = found["manifest"][0]["concat_ws"]
    last = next(iter(found["last"]), None)
    parts = (built_from, manifest_state, outcome.error, str(settings.report_user_ids), page.fingerprint(), __version__)
    step.input_fingerprint = hashlib.sha256("\0".join(part or "" for part in parts).encode()).hexdigest()
    if (
        last
        and not remove_earlier
        and (last["input_fingerprint"], last["place"]) == (step.input_fingerprint, shelf.place)
        and shelf.holds(last["name"])
    ):
        step.skipped = f"{last['name']} has the same contents"
        step.detail = {"name": last["name"], "place": shelf.place}
        return Published(shelf.place, last["name"])
    published, size, told = _publish(engine, settings, shelf, str(run_id), outcome)
    if told:
        # the next report says what is new since this one
        with db.transaction(engine, role=settings.loader_role) as connection:
            follow_up.record(connection, "report", run_id, told)
    _remove_old(shelf, published.name, 1 if remove_earlier else settings.reports_kept)
    step.detail = {"name": published.name, "place": shelf.place, "bytes": size}
    return published


def publish_latest(engine: db.Engine, settings: Settings) -> Published:
    """Write the report of the latest run to the place where reports are kept.

    Arguments:
        engine: the database.
        settings: the settings.

    Raises:
        PipelineError: there is no run yet, or the file cannot be written.

    """
    shelf = _shelf(settings)
    published, _, _ = _publish(engine, settings, shelf, _latest_run(engine), None)
    _remove_old(shelf, published.name, max(settings.reports_kept, 1))
    return published


def write_latest(engine: db.Engine, settings: Settings, path: Path, asked: Collection[str] = ()) -> None:
    """Write the report of the latest run to a file.

    Arguments:
        engine: the database.
        settings: the settings.
        path: the file.
        asked: user ids or pseudonyms of participants who are shown, whether a very large study shows all or not.

    Raises:
        UsageError: the file cannot be written, or nobody has one of the names in `asked`.
        PipelineError: there is no run yet.

    """
    run_id = _latest_run(engine)
    try:
        with temporary_folder(_FOLDER, path.parent) as folder:
            part = folder / path.name
            part.touch(mode=0o600)
            _write(engine, settings, run_id, None, part, asked=asked)
            part.replace(path)
    except OSError as exc:
        raise UsageError(
            f"{path} cannot be written ({exc.strerror})", hint="Choose another file with --output."
        ) from exc


def who(engine: db.Engine, text: str) -> list[str]:
    """Return the user ids that a pseudonym stands for. There is almost always exactly one.

    Arguments:
        engine: the database, with a role that can read the marts and `ops.report_key`.
        text: the pseudonym.

    Raises:
        UsageError: the text is not a pseudonym, or no participant has it.

    """
    with db.session(engine) as connection:
        user_ids = people.of_pseudonym(connection, text)
    if not user_ids:
        raise UsageError(
            "no participant in this database has this pseudonym",
            hint="Use the database that the report was made from. Erased participants cannot be found either.",
        )
    return user_ids


def open_reports(settings: Settings) -> Shelf:
    """Return the place where reports are kept.

    Arguments:
        settings: the settings.

    """
    return _shelf(settings)


def _shelf(settings: Settings) -> Shelf:
    return open_shelf(settings.reports, timeout_seconds=settings.storage_timeout_seconds)


def _latest_run(engine: db.Engine) -> str:
    with db.session(engine) as connection:
        run_id = _queries.latest_run(connection) if _run_queries.runs_exists(connection) else None
    if run_id is None:
        raise PipelineError("this database has no run yet", hint="Run: python -m ingestion run")
    return str(run_id)


def _publish(
    engine: db.Engine, settings: Settings, shelf: Shelf, run_id: str, outcome: Outcome | None
) -> tuple[Published, int, follow_up.FollowUp | None]:
    with temporary_folder(_FOLDER) as folder:
        path = folder / LATEST
        contents = _write(engine, settings, run_id, outcome, path)
        # names sort in the order of the runs
        moment = contents.started_at.astimezone(UTC).isoformat(timespec="milliseconds").replace(":", "")[:-5]
        name = f"report_{moment}Z_{run_id}.html"
        with db.session(engine) as connection:
            # opened only while the run holds its locks, and ended by whoever takes them, perhaps to erase a participant
            shelf.put(name, path)
            shelf.put(LATEST, path)
            try:
                with db.translated():
                    _queries.is_connected(connection)
            except DatabaseUnavailableError:
                shelf.remove(name)
                shelf.remove(LATEST)
                raise
        return Published(shelf.place, name), path.stat().st_size, contents.told


def _write(
    engine: db.Engine,
    settings: Settings,
    run_id: str,
    outcome: Outcome | None,
    path: Path,
    *,
    asked: Collection[str] = (),
) -> Contents:
    with db.session(engine, autocommit=False) as connection:
        # all figures are from the same moment
        connection.set_session(isolation_level="REPEATABLE READ", readonly=True)
        _queries.set_memory(connection)
        contents = read(connection, run_id, outcome, with_user_ids=settings.report_user_ids, asked=asked)
        with path.open("w", encoding="utf-8", newline="\n") as file:
            page.write(file, contents)
    return contents


def _remove_old(shelf: Shelf, newest: str, keep: int) -> None:
    older = [name for name in shelf.names() if _REPORT_NAME.fullmatch(name) and name != newest]
    for name in older[: max(len(older) - (keep - 1), 0)]:
        shelf.remove(name)
