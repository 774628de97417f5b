"""What a person reads when a run or a rehearsal has ended, and when they look into the quarantine."""

from collections.abc import Iterator

from psycopg2.sql import SQL, Identifier
from rich.console import Console, Group, RenderableType
from rich.text import Text
from sqlalchemy import Engine

from ingestion import db, quarantine
from ingestion.alerts import Incident
from ingestion.config import Database
from ingestion.errors import PipelineError
from ingestion.load.header import shown
from ingestion.results import IngestResult, RunResult, Step
from ingestion.tables import facts, table

_COUNT_EXACTLY_BELOW_ROWS = 1_000_000
_LISTED_FILES = 10
_REHEARSED = {"loaded": "new", "replaced": "changed"}
_queries = db.queries("summary")


def show_rehearsal(result: IngestResult) -> RenderableType:
    """Return what a dry run found, for a terminal: a line a file, and below it what is wrong with its rows."""
    listed = table("file", "dataset", "would be", "rows", "loaded", "rejected", "why")
    for file in sorted(result.files, key=lambda file: file.filename):
        counts = file.counts
        why = [file.reason] if file.reason else []
        why += [f"{rows:,} {reason}" + (f" in {column}" if column else "") for reason, column, rows in file.faults]
        why += [f"columns not declared: {shown(file.extra)}"] if file.extra else []
        figures = [f"{figure:,}" if counts.read else "" for figure in (counts.read, counts.loaded, counts.rejected)]
        state = _REHEARSED.get(file.status, file.status)
        style = "red" if file.status == "refused" else "yellow" if counts.rejected else ""
        listed.add_row(file.filename, file.dataset or "", Text(state, style=style), *figures, "; ".join(why))
    counts = result.counts
    total = f"{counts.read:,} rows, {counts.loaded:,} would be loaded, {counts.rejected:,} rejected; rolled back"
    return Group(listed, "", Text(total, style="bold"))


def show_quarantine(groups: list[quarantine.Group]) -> RenderableType:
    """Return what is in quarantine, for a terminal."""
    if not groups:
        return "nothing is in quarantine"
    listed = table("file", "dataset", "reason", "column", "rows", "first line", "since")
    for group in groups:
        row = (
            group.filename,
            group.dataset,
            group.reason,
            group.column or "",
            f"{group.rows:,}",
            str(group.first_line),
        )
        listed.add_row(*row, f"{group.rejected_at:%Y-%m-%d %H:%M}")
    return listed


def show_rejected(rows: list[quarantine.RejectedPlace]) -> RenderableType:
    """Return the rejected rows of a file, for a terminal: where and why, never what."""
    if not rows:
        return "nothing of it is in quarantine"
    listed = table("dataset", "line", "reason", "column")
    for dataset, line, reason, column in rows:
        listed.add_row(dataset, f"{line:,}", reason, column or "")
    return listed


def show_alerts(incidents: list[Incident]) -> RenderableType:
    """Return what is wrong at present, for a terminal."""
    if not incidents:
        return "nothing is wrong, as far as alerts know"
    listed = table("since", "about", "seen", "last", "told", "what")
    for incident in incidents:
        seen = (f"{incident.opened_at:%Y-%m-%d %H:%M}", incident.topic, f"{incident.times}")
        last = f"{incident.last_seen_at:%Y-%m-%d %H:%M}"
        listed.add_row(*seen, last, ", ".join(incident.told) or "nobody", incident.summary)
    return listed


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
    console.print(facts(*_run_facts(result)))
    try:
        _show_database(console, result, engine)
    except PipelineError as exc:
        console.print(f"The database could not be asked for more: {exc}")
    console.print()
    console.print(facts(*_next_steps(result, database)))


def _run_facts(result: RunResult) -> Iterator[tuple[str, RenderableType]]:
    if result.ingest:
        counts = result.ingest.counts
        yield "Files", _files(result.ingest)
        rows = f"{counts.read:,} read, {counts.loaded:,} loaded, {counts.rejected:,} rejected"
        yield "Rows", rows + (f", {counts.blank:,} blank" if counts.blank else "")
        named = (f"{f.status}: {f.filename}: {f.reason}" for f in result.ingest.with_status("refused", "unknown"))
        # of a file with several datasets often the same
        for text in list(dict.fromkeys(named))[:_LISTED_FILES]:
            yield "", Text(text, style="yellow")
        if result.ingest.vanished:
            yield "", Text(f"{len(result.ingest.vanished)} on record are no longer there; their rows stay", "yellow")
    for taken_out in result.retracted:
        what = f"{taken_out.filename} ({taken_out.dataset})"
        yield "Retracted", f"{what}: {taken_out.rows:,} rows, and {taken_out.rows_rejected:,} from quarantine"
    for again in result.replayed:
        what = f"{again.filename} ({again.dataset})"
        yield "Replayed", f"{what}: {again.loaded:,} rows loaded, {again.rejected:,} stay in quarantine"
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
            listed = table("in quarantine", "reason", "column", "rows", "first line")
            for file, reason, column, rows, line in rejected:
                listed.add_row(file, reason, column or "", f"{rows:,}", str(line))
            console.print()
            console.print(listed)
        if not any(step.name == "dbt_build" and step.status != "failure" for step in result.steps):
            return
        marts = table("mart", "rows")
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
        latest = f"{result.report.rpartition('/')[0]}/latest.html"
        yield "Report", Text(f"{latest}  (make report opens it)", overflow="fold")
    yield "psql", f"make psql, or: python -m ingestion psql  ({database.described_by}: {database.place})"
    if result.error:
        yield "History", f"python -m ingestion runs show {str(result.run_id)[:8]}"
