"""What a run, a dry run and the commands on quarantine and alerts print."""

from collections.abc import Iterator
from typing import Any

from psycopg2.sql import SQL, Composed, Identifier
from rich.console import Console, Group, RenderableType
from rich.text import Text

from ingestion import db, quarantine
from ingestion.alerts import Incident
from ingestion.config import Database
from ingestion.errors import PipelineError
from ingestion.load.candidates import shown
from ingestion.results import IngestResult, Remark, RunResult, Step
from ingestion.tables import facts, table

_COUNT_EXACTLY_BELOW_ROWS = 1_000_000
_LISTED_FILES = 10
_STATUSES = "fct_user_status"
_FOLLOW_UP = "rpt_follow_up"
_DRY_RUN_STATES = {"loaded": "new", "replaced": "changed"}
_queries = db.queries("summary")


def show_dry_run(result: IngestResult) -> RenderableType:
    """Return the result of a dry run: one line per file, with its problems."""
    listed = table("file", "dataset", "state", "rows", "loaded", "rejected", "reason")
    for file in sorted(result.files, key=lambda file: file.filename):
        counts = file.counts
        reasons = [file.reason] if file.reason else []
        reasons += [f"{rows:,} {reason}" + (f" in {column}" if column else "") for reason, column, rows in file.faults]
        reasons += [str(remark) for remark in file.remarks]
        reasons += [f"undeclared columns: {shown(file.extra)}"] if file.extra else []
        figures = [f"{figure:,}" if counts.read else "" for figure in (counts.read, counts.loaded, counts.rejected)]
        state = _DRY_RUN_STATES.get(file.status, file.status)
        style = "red" if file.status == "refused" else "yellow" if counts.rejected else ""
        listed.add_row(file.filename, file.dataset or "", Text(state, style=style), *figures, "; ".join(reasons))
    counts = result.counts
    total = f"{counts.read:,} rows: {counts.loaded:,} would be loaded, {counts.rejected:,} rejected; rolled back"
    return Group(listed, "", Text(total, style="bold"))


def show_quarantine(groups: list[quarantine.Group]) -> RenderableType:
    """Return the rows in quarantine, by file and reason."""
    if not groups:
        return "the quarantine is empty"
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
    """Return the places and reasons of a file's rejected rows, without their content."""
    if not rows:
        return "no rows of this file are in quarantine"
    listed = table("dataset", "line", "reason", "column")
    for dataset, line, reason, column in rows:
        listed.add_row(dataset, f"{line:,}", reason, column or "")
    return listed


def show_alerts(incidents: list[Incident]) -> RenderableType:
    """Return the open alerts."""
    if not incidents:
        return "no open alerts"
    listed = table("since", "topic", "runs", "last seen", "notified", "problem")
    for incident in incidents:
        seen = (f"{incident.opened_at:%Y-%m-%d %H:%M}", incident.topic, f"{incident.times}")
        last = f"{incident.last_seen_at:%Y-%m-%d %H:%M}"
        listed.add_row(*seen, last, ", ".join(incident.told) or "no channel", incident.summary)
    return listed


def show_run(console: Console, result: RunResult, engine: db.Engine, database: Database) -> None:
    """Print what a run did, and where to find more.

    Arguments:
        console: the console to print to.
        result: the result of the run.
        engine: the database, for the row counts of the marts.
        database: the database, for its description.

    """
    console.print()
    verdict = f"Run {result.run_id} {'failed' if result.error else 'succeeded'} in {result.duration_seconds:.1f} s"
    console.print(Text(verdict, style="bold red" if result.error else "bold green"))
    console.print(facts(*_run_facts(result)))
    try:
        _show_database(console, result, engine)
    except PipelineError as exc:
        console.print(Text(f"Could not read more from the database: {exc}"))
    console.print()
    console.print(facts(*_next_steps(result, database)))


def _run_facts(result: RunResult) -> Iterator[tuple[str, RenderableType]]:
    if result.ingest:
        counts = result.ingest.counts
        yield "Files", _files(result.ingest)
        rows = f"{counts.read:,} read, {counts.loaded:,} loaded, {counts.rejected:,} rejected"
        yield "Rows", rows + (f", {counts.blank:,} blank" if counts.blank else "")
        named = (f"{f.status}: {f.filename}: {f.reason}" for f in result.ingest.with_status("refused", "unknown"))
        # a file with several datasets often has the same reason for each
        for text in list(dict.fromkeys(named))[:_LISTED_FILES]:
            yield "", Text(text, style="yellow")
        yield from _remarks(result.ingest)
        if result.ingest.vanished:
            yield (
                "",
                Text(
                    f"{len(result.ingest.vanished)} loaded files are gone from the landing zone; their rows stay",
                    "yellow",
                ),
            )
    for retracted in result.retracted:
        name = f"{retracted.filename} ({retracted.dataset})"
        yield "Retracted", f"{name}: {retracted.rows:,} rows, and {retracted.rows_rejected:,} from quarantine"
    for replayed in result.replayed:
        name = f"{replayed.filename} ({replayed.dataset})"
        yield "Replayed", f"{name}: {replayed.loaded:,} rows loaded, {replayed.rejected:,} still in quarantine"
    if result.receipt:
        erased = sum(result.receipt.rows.values())
        yield "Erased", f"{erased:,} rows in {len(result.receipt.rows)} tables; the receipt is on standard output"
    for step in result.steps:
        if step.name == "dbt_build":
            yield from _build_facts(step)


def _remarks(result: IngestResult) -> Iterator[tuple[str, RenderableType]]:
    """Yield what was assumed, once for all files that it holds for: warnings first."""
    found: dict[Remark, list[str]] = {}
    for file in result.files:
        for remark in file.remarks:
            found.setdefault(remark, []).append(file.filename)
    for number, (remark, names) in enumerate(sorted(found.items(), key=lambda each: not each[0].is_warning)):
        if number == _LISTED_FILES:
            yield "", f"and {len(found) - number} more remarks: python -m ingestion runs show last"
            return
        where = names[0] if len(names) == 1 else f"{len(names)} files"
        title = "Assumed" if number == 0 else ""
        yield title, Text(f"{where}: {remark}", style="bold yellow" if remark.is_warning else "")


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


def _show_database(console: Console, result: RunResult, engine: db.Engine) -> None:
    has_rejected = result.replayed or (result.ingest and result.ingest.counts.rejected)
    has_built = any(step.name == "dbt_build" and step.status != "failure" for step in result.steps)
    if not (has_rejected or has_built):
        return
    with db.session(engine) as connection:
        rejected = list(_queries.rejected_by_reason(connection, run_id=str(result.run_id))) if has_rejected else []
        if rejected:
            listed = table("in quarantine", "reason", "column", "rows", "first line")
            for row in rejected:
                listed.add_row(
                    row.filename, row.reason, row.column_name or "", f"{row.rows_rejected:,}", str(row.first_line)
                )
            console.print()
            console.print(listed)
        if has_built:
            _show_marts(console, connection)


def _show_marts(console: Console, connection: db.Connection) -> None:
    marts = {mart.name: mart for mart in _queries.marts(connection)}
    large = {name for name, mart in marts.items() if mart.estimated_rows > _COUNT_EXACTLY_BELOW_ROWS}
    # to count the rows of a view is to make them all
    uncounted = large | {name for name, mart in marts.items() if mart.is_view and large}
    counted = [name for name in marts if name not in uncounted or name == _FOLLOW_UP]
    reads: dict[str, db.Asked] = {"rows": (_counts(counted), {})}
    if _STATUSES in marts:
        reads["statuses"] = _queries.users_by_status, {}
    found = db.read_together(connection, **reads)
    rows = found["rows"][0]
    listed = table("mart", "rows")
    for name, mart in marts.items():
        about = f"about {mart.estimated_rows:,}" if name in large else "a view"
        listed.add_row(f"marts.{name}", about if name in uncounted else f"{rows[name]:,}")
    console.print()
    console.print(listed)
    if statuses := found.get("statuses"):
        console.print()
        console.print(_answer(statuses, rows.get(_FOLLOW_UP)))


def _counts(names: list[str]) -> Composed:
    """Return the statement that counts the rows of marts, in a column for each."""
    columns = [
        SQL("(select count(*) from {}) as {}").format(Identifier("marts", name), Identifier(name)) for name in names
    ]
    return SQL("select {}").format(SQL(", ").join(columns))


def _answer(statuses: list[dict[str, Any]], to_call: int | None) -> Text:
    text = Text(f"Participants on {statuses[0]['as_of_date']}: ", style="bold")
    text.append(", ".join(f"{row['users']} {row['status'].replace('_', ' ')}" for row in statuses), style="not bold")
    if to_call is not None:
        text.append("\nTo call: ").append(f"{to_call:,}", style="not bold")
        text.append("  (python -m ingestion follow-up lists them)", style="not bold")
    return text


def _next_steps(result: RunResult, database: Database) -> Iterator[tuple[str, RenderableType]]:
    if any(step.name == "dbt_build" for step in result.steps):
        yield "Read on", "docs/marts.md: the answer in one query, and how to read deviations"
    if result.ingest and (result.ingest.refused or result.ingest.counts.rejected):
        yield "Reasons", "docs/errors.md: what each reason means, and what to do"
    if result.report:
        latest = f"{result.report.rpartition('/')[0]}/latest.html"
        yield "Report", Text(f"{latest}  (make report opens it)", overflow="fold")
    yield "psql", f"make psql, or: python -m ingestion psql  ({database.described_by}: {database.place})"
    if result.error:
        yield "History", f"python -m ingestion runs show {str(result.run_id)[:8]}"
