"""From a database to a file on a shelf: when a report is written, under which name, and how many are kept."""

import hashlib
import os
import re
import tempfile
from dataclasses import dataclass
from datetime import UTC
from pathlib import Path
from uuid import UUID

from sqlalchemy import Engine

from ingestion import __version__, db
from ingestion.config import ROOT, Settings
from ingestion.errors import PipelineError, UsageError
from ingestion.report import page, pseudonym
from ingestion.report.contents import Contents, Outcome, read
from ingestion.results import Step
from ingestion.storage import Shelf, open_shelf

LATEST = "latest.html"

_OURS = re.compile(r"report_\d{4}-\d{2}-\d{2}T\d{6}\.\d{3}Z_[0-9a-f-]{36}\.html")
_queries = db.queries("report")
_run_queries = db.queries("runs")


@dataclass(frozen=True)
class Published:
    """A report that can be opened.

    Arguments:
        place: the directory, or the URL in a store.
        name: the file there.

    """

    place: str
    name: str

    @property
    def location(self) -> str:
        """The path or URL of the file."""
        return f"{self.place.rstrip('/')}/{self.name}"


def publish(
    engine: Engine,
    settings: Settings,
    run_id: UUID,
    step: Step,
    *,
    outcome: Outcome,
    built_from: str | None,
    alone: bool = False,
) -> Published | None:
    """Write the report of a run that is about to end, unless the last one says the same.

    Arguments:
        engine: the database.
        settings: of the run.
        run_id: the run.
        step: gets the figures.
        outcome: how the run ends.
        built_from: the fingerprint of what the marts are made of.
        alone: remove all earlier reports, which show somebody who is no longer to be seen.

    Returns:
        Where it is; None where none are wanted.

    Raises:
        PipelineError: it could not be read, or not be written.

    """
    if not settings.reports_kept:
        step.skipped = "PIPELINE_REPORTS_KEPT is 0"
        return None
    if settings.report_dir is None and not os.access(ROOT, os.W_OK):
        step.skipped = "there is nowhere to keep it: PIPELINE_REPORT_DIR is not set"
        return None
    shelf = _shelf(settings)
    with db.session(engine) as connection:
        ledger = str(_queries.ledger(connection))
        last = _queries.last_report(connection)
    parts = (built_from, ledger, outcome.error, str(settings.report_user_ids), page.fingerprint(), __version__)
    step.input_fingerprint = hashlib.sha256("\0".join(part or "" for part in parts).encode()).hexdigest()
    if last and not alone and last[0] == step.input_fingerprint and last[2] == shelf.place and shelf.holds(last[1]):
        step.skipped = f"{last[1]} says the same"
        step.detail = {"name": last[1], "place": shelf.place}
        return Published(shelf.place, last[1])
    published, size = _publish(engine, settings, shelf, str(run_id), outcome)
    _keep(shelf, published.name, 1 if alone else settings.reports_kept)
    step.detail = {"name": published.name, "place": shelf.place, "bytes": size}
    return published


def publish_latest(engine: Engine, settings: Settings) -> Published:
    """Write the report of the latest run where reports are kept.

    Arguments:
        engine: the database.
        settings: say where.

    Raises:
        PipelineError: there was no run, or it could not be written.

    """
    shelf = _shelf(settings)
    published, _ = _publish(engine, settings, shelf, _latest_run(engine), None)
    _keep(shelf, published.name, max(settings.reports_kept, 1))
    return published


def write_latest(engine: Engine, settings: Settings, path: Path) -> None:
    """Write the report of the latest run to a file.

    Arguments:
        engine: the database.
        settings: say whether it has user ids.
        path: the file.

    Raises:
        UsageError: the file cannot be written.
        PipelineError: there was no run.

    """
    run_id = _latest_run(engine)
    try:
        with tempfile.TemporaryDirectory(prefix="report-", dir=path.parent) as folder:
            part = Path(folder, path.name)
            _write(engine, settings, run_id, None, part)
            part.replace(path)
    except OSError as exc:
        raise UsageError(f"{path} cannot be written ({exc.strerror})", hint="Name another file.") from exc


def who(engine: Engine, text: str) -> list[int]:
    """Return the user ids behind a pseudonym: one, or, once in ten thousand millions, more.

    Arguments:
        engine: the database, as a role that may read the marts.
        text: the pseudonym.

    Raises:
        UsageError: it is no pseudonym, or nobody's.

    """
    digest = pseudonym.read(text)
    with db.session(engine) as connection:
        found = [row[0] for row in _queries.who(connection, digits=pseudonym.DIGITS, pseudonym=digest)]
    if not found:
        raise UsageError(
            "nobody in this database has that pseudonym",
            hint="Is it the database that the report was made from? A person who was erased is not found either.",
        )
    return found


def open_reports(settings: Settings) -> Shelf:
    """Return where reports are kept.

    Arguments:
        settings: say where.

    """
    return _shelf(settings)


def _shelf(settings: Settings) -> Shelf:
    return open_shelf(settings.reports, timeout_seconds=settings.storage_timeout_seconds)


def _latest_run(engine: Engine) -> str:
    with db.session(engine) as connection:
        run_id = _queries.latest_run(connection) if _run_queries.runs_exists(connection) else None
    if run_id is None:
        raise PipelineError("nothing has been run on this database yet", hint="Run: python -m ingestion run")
    return str(run_id)


def _publish(
    engine: Engine, settings: Settings, shelf: Shelf, run_id: str, outcome: Outcome | None
) -> tuple[Published, int]:
    with tempfile.TemporaryDirectory(prefix="report-") as folder:
        path = Path(folder, LATEST)
        contents = _write(engine, settings, run_id, outcome, path)
        # so that their order is that of the runs
        moment = contents.started_at.astimezone(UTC).isoformat(timespec="milliseconds").replace(":", "")[:-5]
        name = f"report_{moment}Z_{run_id}.html"
        shelf.put(name, path)
        shelf.put(LATEST, path)
        return Published(shelf.place, name), path.stat().st_size


def _write(engine: Engine, settings: Settings, run_id: str, outcome: Outcome | None, path: Path) -> Contents:
    with db.session(engine, autocommit=False) as connection:
        # all its figures are of one moment
        connection.set_session(isolation_level="REPEATABLE READ", readonly=True)
        _queries.give_room(connection)
        contents = read(connection, run_id, outcome, with_user_ids=settings.report_user_ids)
        with path.open("w", encoding="utf-8", newline="\n") as file:
            page.write(file, contents)
    return contents


def _keep(shelf: Shelf, newest: str, number: int) -> None:
    ours = [name for name in shelf.names() if _OURS.fullmatch(name) and name != newest]
    for name in ours[: max(len(ours) - (number - 1), 0)]:
        shelf.remove(name)
