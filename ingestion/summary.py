"""What a person reads when a run has ended, and when they ask how things stand."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg2.sql import SQL, Identifier
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text
from sqlalchemy import Engine

from ingestion import db, quarantine
from ingestion.alerts import Incident
from ingestion.config import Database
from ingestion.errors import PipelineError
from ingestion.header import shown
from ingestion.ingest import IngestResult
from ingestion.observers import RunResult
from ingestion.run_tracker import Step

_COUNT_EXACTLY_BELOW_ROWS = 1_000_000
_LISTED_FILES = 10
_STYLES = {"success": "green", "failure": "bold red", "running": "yellow"}
_FIGURES = {"rows", "files", "loaded", "rejected", "line", "first line"}
_REHEARSED = {"loaded": "new", "replaced": "changed"}
_queries = db.queries("summary")
_run_queries = db.queries("runs")


@dataclass(frozen=True)
class Status:
    """How things stand.

    Arguments:
        runs: the latest runs, newest first.
        files: number of files in each state of the manifest.
        rows: for each dataset the rows and files that are loaded.
        quarantined: rows in quarantine of files that are loaded.

    """

    runs: list[dict[str, Any]]
    files: dict[str, int]
    rows: list[dict[str, Any]]
    quarantined: int

    @property
    def is_healthy(self) -> bool:
        """Whether there was a run, and the latest that has ended was a success."""
        ended = [run for run in self.runs if run["status"] != "running"]
        return bool(ended) and ended[0]["status"] == "success"


def read_status(engine: Engine, limit: int = 10) -> Status:
    """Read how things stand.

    Arguments:
        engine: a migrated database.
        limit: how many runs.

    """
    with db.session(engine) as connection:
        if not _run_queries.runs_exists(connection):
            raise PipelineError("nothing has been run on this database yet", hint="Run: python -m ingestion run")
        return Status(
            runs=[_run(row) for row in _queries.recent_runs(connection, limit=limit)],
            files=dict(_queries.file_counts(connection)),
            rows=[
                {"source": source, "rows": rows, "files": files}
                for source, rows, files in _queries.raw_rows(connection)
            ],
            quarantined=_queries.quarantined_rows(connection),
        )


def show_status(status: Status) -> RenderableType:
    """Return how things stand, for a terminal."""
    runs = _table("started", "run", "command", "status", "took")
    for run in status.runs:
        runs.add_row(
            f"{run['started_at']:%Y-%m-%d %H:%M:%S}",
            run["run_id"][:8],
            run["command"] or "",
            Text(run["status"], style=_STYLES[run["status"]]),
            "" if run["seconds"] is None else f"{run['seconds']:.1f} s",
        )
    errors = [f"{run['run_id'][:8]}  {run['error_summary']}" for run in status.runs if run["error_summary"]]
    rows = _table("dataset", "files", "rows")
    for row in status.rows:
        rows.add_row(row["source"], f"{row['files']:,}", f"{row['rows']:,}")
    files = ", ".join(f"{count} {name}" for name, count in status.files.items()) or "none yet"
    verdict = Text("healthy", style="green") if status.is_healthy else Text("not healthy", style="bold red")
    facts = _facts(("Pipeline", verdict), ("Files", files), ("Quarantine", f"{status.quarantined:,} rows"))
    return Group(facts, "", runs, *(Text(error, style="yellow") for error in errors), "", rows)


def show_rehearsal(result: IngestResult) -> RenderableType:
    """Return what a dry run found, for a terminal: a line a file, and below it what is wrong with its rows."""
    table = _table("file", "dataset", "would be", "rows", "loaded", "rejected", "why")
    for file in sorted(result.files, key=lambda file: file.filename):
        counts = file.counts
        why = [file.reason] if file.reason else []
        why += [f"{rows:,} {reason}" + (f" in {column}" if column else "") for reason, column, rows in file.faults]
        why += [f"columns not declared: {shown(file.extra)}"] if file.extra else []
        figures = [f"{figure:,}" if counts.read else "" for figure in (counts.read, counts.loaded, counts.rejected)]
        state = _REHEARSED.get(file.status, file.status)
        style = "red" if file.status == "refused" else "yellow" if counts.rejected else ""
        table.add_row(file.filename, file.source or "", Text(state, style=style), *figures, "; ".join(why))
    counts = result.counts
    total = f"{counts.read:,} rows, {counts.loaded:,} would be loaded, {counts.rejected:,} rejected; rolled back"
    return Group(table, "", Text(total, style="bold"))


def show_quarantine(groups: list[quarantine.Group]) -> RenderableType:
    """Return what is in quarantine, for a terminal."""
    if not groups:
        return "nothing is in quarantine"
    table = _table("file", "dataset", "reason", "column", "rows", "first line", "since")
    for group in groups:
        row = (group.filename, group.source, group.reason, group.column or "", f"{group.rows:,}", str(group.first_line))
        table.add_row(*row, f"{group.rejected_at:%Y-%m-%d %H:%M}")
    return table


def show_rejected(rows: list[tuple[str, int, str, str | None]]) -> RenderableType:
    """Return the rejected rows of a file, for a terminal: where and why, never what."""
    if not rows:
        return "nothing of it is in quarantine"
    table = _table("dataset", "line", "reason", "column")
    for source, line, reason, column in rows:
        table.add_row(source, f"{line:,}", reason, column or "")
    return table


def show_alerts(incidents: list[Incident]) -> RenderableType:
    """Return what is wrong at present, for a terminal."""
    if not incidents:
        return "nothing is wrong, as far as alerts know"
    table = _table("since", "about", "seen", "last", "told", "what")
    for incident in incidents:
        seen = (f"{incident.opened_at:%Y-%m-%d %H:%M}", incident.topic, f"{incident.times}")
        last = f"{incident.last_seen_at:%Y-%m-%d %H:%M}"
        table.add_row(*seen, last, ", ".join(incident.told) or "nobody", incident.summary)
    return table


def show_run(console: Console, result: RunResult, engine: Engine, database: Database) -> None:
    """Print what a run did and where to look next.

    Arguments:
        console: where to.
        result: the run.
        engine: the database, for the marts' row counts.
        database: where it is.

    """
    console.print()
    verdict = f"Run {result.run_id} {'failed' if result.error else 'succeeded'} in {result.duration_seconds:.1f} s"
    console.print(Text(verdict, style="bold red" if result.error else "bold green"))
    console.print(_facts(*_run_facts(result)))
    try:
        _show_database(console, result, engine)
    except PipelineError as exc:
        console.print(f"The database could not be asked for more: {exc}")
    console.print()
    console.print(_facts(*_next_steps(result, database)))


def _run_facts(result: RunResult) -> Iterator[tuple[str, RenderableType]]:
    if result.ingest:
        counts = result.ingest.counts
        yield "Files", _files(result.ingest)
        rows = f"{counts.read:,} read, {counts.loaded:,} loaded, {counts.rejected:,} rejected"
        yield "Rows", rows + (f", {counts.blank:,} blank" if counts.blank else "")
        for file in result.ingest.with_status("refused", "unknown")[:_LISTED_FILES]:
            yield "", Text(f"{file.status}: {file.filename}: {file.reason}", style="yellow")
        if result.ingest.vanished:
            yield "", Text(f"{len(result.ingest.vanished)} on record are no longer there; their rows stay", "yellow")
    for taken_out in result.retracted:
        yield (
            "Retracted",
            f"{taken_out.filename}: {taken_out.rows:,} rows, and {taken_out.rows_rejected:,} from quarantine",
        )
    for again in result.replayed:
        yield "Replayed", f"{again.filename}: {again.loaded:,} rows loaded, {again.rejected:,} stay in quarantine"
    if result.receipt:
        erased = sum(result.receipt.rows.values())
        yield "Erased", f"{erased:,} rows in {len(result.receipt.rows)} tables; the receipt is on standard output"
    for step in result.steps:
        if step.name == "dbt_build":
            yield from _build_facts(step)


def _build_facts(step: Step) -> Iterator[tuple[str, RenderableType]]:
    detail = step.detail
    if step.skipped:
        yield "dbt", f"skipped: {step.skipped}"
    elif "models" in detail:
        yield "dbt", f"{detail['models']} models built, {detail['tests_passed']} tests passed"
        if detail["warnings"]:
            yield "", Text(f"warnings: {', '.join(detail['warnings'])}", style="yellow")


def _files(result: IngestResult) -> str:
    count = result.by_status()
    loaded = count.get("loaded", 0) + count.get("replaced", 0)
    text = f"{loaded} loaded, {count.get('skipped', 0)} skipped, {count.get('refused', 0)} refused"
    others = ("duplicate", "unknown", "replaced", "claimed", "unsettled", "retracted")
    return text + "".join(f", {count[name]} {name}" for name in others if count.get(name))


def _show_database(console: Console, result: RunResult, engine: Engine) -> None:
    with db.session(engine) as connection:
        rejected = list(_queries.rejected_by_reason(connection, run_id=str(result.run_id)))
        if rejected:
            table = _table("in quarantine", "reason", "column", "rows", "first line")
            for file, reason, column, rows, line in rejected:
                table.add_row(file, reason, column or "", f"{rows:,}", str(line))
            console.print()
            console.print(table)
        if not any(step.name == "dbt_build" and step.status != "failure" for step in result.steps):
            return
        marts = _table("mart", "rows")
        for (name,) in list(_queries.mart_names(connection)):
            marts.add_row(f"marts.{name}", _row_count(connection, name))
        console.print()
        console.print(marts)
        if answer := _answer(connection):
            console.print()
            console.print(answer)


def _answer(connection: db.Connection) -> Text | None:
    if not _queries.status_exists(connection):
        return None
    counts = list(_queries.users_by_status(connection))
    if not counts:
        return None
    as_of = counts[0][2]
    text = Text(f"Users on {as_of}: ", style="bold")
    return text.append(", ".join(f"{users} {status}" for status, users, _ in counts), style="not bold")


def _row_count(connection: db.Connection, name: str) -> str:
    estimate = _queries.estimated_rows(connection, name=name)
    if estimate > _COUNT_EXACTLY_BELOW_ROWS:
        return f"about {estimate:,}"
    with connection.cursor() as cursor:
        cursor.execute(SQL("select count(*) from {}").format(Identifier("marts", name)))
        return f"{cursor.fetchone()[0]:,}"  # type: ignore[index]


def _next_steps(result: RunResult, database: Database) -> Iterator[tuple[str, RenderableType]]:
    if any(step.name == "dbt_build" for step in result.steps):
        yield "Read on", "docs/marts.md: the answer in one query, and how to read a deviation"
    if result.ingest and (result.ingest.refused or result.ingest.counts.rejected):
        yield "Reasons", "docs/errors.md: what each means, and what to do"
    if result.report:
        yield "Report", f"{result.report}  (make report opens the latest)"
    yield "psql", f"make psql, or: python -m ingestion psql  ({database.described_by}: {database.place})"
    if result.error:
        yield "History", f"python -m ingestion status  (run_id {result.run_id})"


def _facts(*facts: tuple[str, RenderableType]) -> Table:
    table = Table.grid(padding=(0, 2))
    for name, fact in facts:
        table.add_row(Text(name, style="bold"), fact)
    return table


def _table(*headers: str) -> Table:
    table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 2, 0, 0))
    for header in headers:
        table.add_column(header, justify="right" if header in _FIGURES else "left")
    return table


def _run(row: tuple[str, datetime, datetime | None, str, str | None, str | None]) -> dict[str, Any]:
    run_id, started_at, finished_at, status, command, error_summary = row
    return {
        "run_id": run_id,
        "started_at": started_at,
        "seconds": (finished_at - started_at).total_seconds() if finished_at else None,
        "status": status,
        "command": command,
        "error_summary": error_summary,
    }
