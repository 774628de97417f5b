"""What `status`, `runs`, `runs show` and `files` print."""

from collections.abc import Collection, Iterable, Iterator

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from ingestion.cli.output import probe_text
from ingestion.health import Status
from ingestion.history import FileRecord, NodeRecord, RejectedCount, Run, RunRecord, StepRecord
from ingestion.printable import printable
from ingestion.results import FAILED_NODE_STATUSES
from ingestion.tables import age, facts, moment, state, table, took

_VERDICTS = {"ok": "healthy", "warning": "healthy, with a warning", "critical": "not healthy", "unknown": "unknown"}
_LISTED_FILES = 20
_SLOWEST_NODES = 5
_TROUBLED_NODE_STATUSES = FAILED_NODE_STATUSES | {"warn"}
# for failed runs without a hint of their own
_HINTS_BY_EXIT_CODE = {
    65: "see docs/errors.md for each reason and what to do",
    69: "start the database or the object store, and run again",
    70: "this is a bug: please report it with the traceback from the log",
    75: "another run was in progress: run again",
    130: "the run was interrupted: run again",
    143: "the run was stopped: run again",
}
_DIED = "check the log of its container or host (out of memory? evicted?), then run again"


def show_status(status: Status) -> RenderableType:
    """Return the state of the pipeline."""
    parts: list[RenderableType] = [
        facts(*_verdict(status)),
        "",
        _runs(status.runs, explained=_runs_in_problems(status)),
    ]
    datasets = table("dataset", "files", "rows", "last day", "age", "last file", keep_lines=True)
    for each in status.datasets:
        old = state("warning" if each.is_stale else "", age(each.age_seconds) or "never")
        day = f"{each.latest_date}" if each.latest_date else ""
        datasets.add_row(each.name, f"{each.files:,}", f"{each.rows:,}", day, old, each.last_file or "")
    if status.datasets:
        parts += ["", datasets]
    if status.quarantine:
        parts += ["", _rejected("in quarantine", status.quarantine)]
    if status.claims:
        claimed = table("being loaded now", "run", "for", "file", keep_lines=True)
        for claim in status.claims:
            seconds = (status.checked_at - claim.claimed_at).total_seconds()
            claimed.add_row(claim.dataset, claim.run_id[:8], took(max(seconds, 0)), claim.filename)
        parts += ["", claimed]
    return Group(*parts)


def show_runs(runs: list[Run]) -> RenderableType:
    """Return a list of runs, followed by their errors."""
    return _runs(runs) if runs else "no runs found"


def show_run(record: RunRecord) -> RenderableType:
    """Return everything recorded about a run."""
    parts: list[RenderableType] = [facts(*_run_facts(record.run)), "", _steps(record.steps)]
    parts += [Text(printable(f"{step}: {reason}")) for step, reason in _reasons(record.steps)]
    if record.files:
        parts += ["", _files(record.files[:_LISTED_FILES])]
        if more := len(record.files) - _LISTED_FILES:
            parts += [Text(f"and {more:,} more; --json lists all", style="dim")] if more > 0 else []
    if counts := _file_counts(record.steps):
        parts += ["", Text(counts)]
    parts += [Text(printable(f"unknown: {name}"), style="yellow") for name in _unknown_files(record.steps)]
    if record.rejected:
        parts += ["", _rejected("rejected by this run", record.rejected)]
    troubled = [node for node in record.nodes if node.status in _TROUBLED_NODE_STATUSES]
    if troubled:
        parts += ["", _nodes("failed or warned", troubled, with_message=True)]
    if slowest := [node for node in record.nodes if node.seconds][:_SLOWEST_NODES]:
        parts += ["", _nodes("slowest", slowest)]
    return Group(*parts)


def show_files(files: list[FileRecord], limit: int) -> RenderableType:
    """Return files of the manifest, with a note if there may be more."""
    if not files:
        return "no files found"
    more = Text(f"the newest {limit:,}; use --limit for more", style="dim")
    return Group(_files(files), *([more] if len(files) == limit else []))


def probe_line(status: Status) -> str:
    """Return one line in Nagios' format: the state, the problems, and metrics."""
    text = "; ".join(problem.message for problem in status.problems) or _healthy_text(status)
    return f"{probe_text(status.state, text)} | {' '.join(_metrics(status))}"


def _healthy_text(status: Status) -> str:
    seconds = (status.checked_at - status.last_success_at).total_seconds() if status.last_success_at else None
    return f"the last run succeeded {age(seconds)} ago"


def _metrics(status: Status) -> Iterator[str]:
    if status.last_success_at:
        yield f"last_success_age={(status.checked_at - status.last_success_at).total_seconds():.0f}s;;;0"
    yield f"quarantined_rows={sum(each.rows for each in status.quarantine)};;;0"
    yield f"files_loading={len(status.claims)};;;0"
    for dataset in status.datasets:
        if dataset.age_seconds is not None:
            limit = f"{dataset.stale_after_seconds:.0f}" if dataset.stale_after_seconds else ""
            yield f"{dataset.name}_age={dataset.age_seconds:.0f}s;{limit};;0"
        yield f"{dataset.name}_rows={dataset.rows};;;0"


def _verdict(status: Status) -> Iterator[tuple[str, RenderableType]]:
    yield "Pipeline", state(status.state, _VERDICTS[status.state])
    for problem in status.problems:
        yield "", state(problem.state, problem.message)
        if problem.hint:
            yield "", Text(f"hint: {problem.hint}")
    if status.last_success_at:
        seconds = (status.checked_at - status.last_success_at).total_seconds()
        yield "Last success", f"{moment(status.last_success_at)}, {age(seconds)} ago"
    files = ", ".join(f"{count:,} {name}" for name, count in status.files.items())
    yield "Files", files or "none"
    rows = sum(each.rows for each in status.quarantine)
    yield "Quarantine", f"{rows:,} rows" if rows else "empty"


def _runs_in_problems(status: Status) -> set[str | None]:
    return {problem.run_id for problem in status.problems}


def _runs(runs: list[Run], explained: Collection[str | None] = ()) -> RenderableType:
    listed = table("started", "run", "command", "status", "exit", "took", keep_lines=True)
    for run in runs:
        code = "" if run.exit_code is None else str(run.exit_code)
        listed.add_row(
            moment(run.started_at), run.short_id, run.command or "", state(run.status), code, took(run.seconds)
        )
    wrong = [(run.short_id, run.error_summary) for run in runs if run.error_summary and run.run_id not in explained]
    if not wrong:
        return listed
    return Group(listed, "", facts(*((name, Text(summary, style="yellow")) for name, summary in wrong)))


def _run_facts(run: Run) -> Iterator[tuple[str, RenderableType]]:
    yield "Run", run.run_id
    version = f"  (version {run.application_version})" if run.application_version else ""
    yield "Command", f"{run.command or 'unknown'}{version}"
    yield "Started", moment(run.started_at)
    lasted = f" in {took(run.seconds)}" if run.seconds is not None and run.status in {"success", "failure"} else ""
    so_far = f" for {took(run.seconds)}" if run.status == "running" else ""
    code = "" if run.exit_code is None else f", exit code {run.exit_code}"
    yield "Status", state(run.status, f"{run.status}{lasted}{so_far}{code}")
    if run.error_summary:
        yield "Error", Text(run.error_summary, style="red")
    if run.status == "dead" or (run.status == "failure" and run.exit_code is None):
        yield "Hint", run.hint or _DIED
    elif run.status == "failure" and (hint := run.hint or _HINTS_BY_EXIT_CODE.get(run.exit_code or 0)):
        yield "Hint", hint


def _steps(steps: Iterable[StepRecord]) -> Table:
    listed = table("step", "try", "status", "took", "read", "written", "rejected", "sqlstate", keep_lines=True)
    for step in steps:
        counts = ("" if rows is None else f"{rows:,}" for rows in (step.rows_in, step.rows_out, step.rows_rejected))
        listed.add_row(
            step.step, str(step.attempt), state(step.status), took(step.seconds), *counts, step.sqlstate or ""
        )
    return listed


def _reasons(steps: Iterable[StepRecord]) -> Iterator[tuple[str, str]]:
    """Yield the reasons that were given for retracting files."""
    for step in steps:
        if reason := (step.detail or {}).get("reason"):
            yield step.step, reason


def _file_counts(steps: Iterable[StepRecord]) -> str:
    """Return how many files the ingest found in each state."""
    counts = [(step.detail or {}).get("files") for step in steps if step.step == "ingest"]
    last = next((count for count in reversed(counts) if isinstance(count, dict)), None)
    return (
        "files in the landing zone: " + ", ".join(f"{count:,} {name}" for name, count in last.items()) if last else ""
    )


def _unknown_files(steps: Iterable[StepRecord]) -> list[str]:
    """Return the names of unknown files with the reason of each; the first of them, if there are many."""
    names = [(step.detail or {}).get("unknown") for step in steps if step.step == "ingest"]
    return next((found for found in reversed(names) if isinstance(found, list)), [])


def _files(files: Iterable[FileRecord]) -> Table:
    listed = table("time", "status", "dataset", "loaded", "rejected", "file", keep_lines=True)
    for file in files:
        name = Text(printable(file.filename))
        if file.device:
            name.append(f"  {printable(file.device)}", style="dim")
        if file.reason:
            name.append(f"\n{printable(file.reason)}", style="yellow")
        for remark in file.remarks:
            name.append(f"\n{printable(str(remark))}", style="yellow" if remark.is_warning else "dim")
        figures = (f"{file.rows_loaded:,}", f"{file.rows_rejected:,}")
        listed.add_row(f"{file.ingested_at.astimezone():%m-%d %H:%M}", state(file.status), file.dataset, *figures, name)
    return listed


def _rejected(title: str, counts: Iterable[RejectedCount]) -> Table:
    listed = table(title, "reason", "column", "rows", "files")
    for count in counts:
        listed.add_row(count.dataset, count.reason, count.column or "", f"{count.rows:,}", f"{count.files:,}")
    return listed


def _nodes(title: str, nodes: Iterable[NodeRecord], *, with_message: bool = False) -> Table:
    listed = table(title, "status", "took", *(("failures", "message") if with_message else ("written",)))
    for node in nodes:
        tail = (node.failures, node.message) if with_message else (node.rows_affected,)
        cells = ("" if cell is None else f"{cell:,}" if isinstance(cell, int) else cell for cell in tail)
        listed.add_row(node.node, state(node.status), took(node.seconds), *cells)
    return listed
