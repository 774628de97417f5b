"""When something is told, and in which words: failure, death, recovery, data that stopped coming, quarantine."""

import signal
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Any

from ingestion.alerts.alert import Alert, Kind, moment, safe
from ingestion.alerts.ledger import Standing
from ingestion.config import AlertSettings, Settings
from ingestion.errors import BusyError, Interrupted
from ingestion.health import DatasetFreshness, stale_message
from ingestion.results import FAILED_NODE_STATUSES, Counts, RunResult

# each does the steps of these too, so that its success is theirs
_COVERS = {
    "run": ("run", "migrate", "ingest", "transform"),
    "reload": ("reload", "migrate"),
    "retract": ("retract", "migrate"),
    "erase": ("erase", "migrate"),
    "replay": ("replay", "migrate"),
    "ingest": ("ingest", "migrate"),
    "transform": ("transform", "migrate"),
    "migrate": ("migrate",),
}

_MOST_CAUSES = 200
_DIED = "died"
_MORE = {"stale": "status", "quarantine": "rejected list"}


@dataclass(frozen=True)
class Sign:
    """A run has seen that something is wrong, or is well again.

    Arguments:
        kind: the occasion.
        topic: what it is about.
        causes: what tells it from others of the topic; none where it is well.
        summary: one line that may leave the house.
        title: of the alert, without the pipeline's name.
        hint: what to do.
        seen_at: when; None for now.

    """

    kind: Kind
    topic: str
    causes: tuple[str, ...]
    summary: str
    title: str
    hint: str | None = None
    seen_at: datetime | None = None


def is_told(run: RunResult, settings: Settings) -> bool:
    """Tell whether the outcome of a run is news to anybody.

    Whoever pressed Ctrl-C knows. A run that was to give way to another, and did, is no failure.

    Arguments:
        run: that has ended.
        settings: of the run.

    """
    by_hand = isinstance(run.error, Interrupted) and run.error.exit_code == 128 + signal.SIGINT
    return not by_hand and not gave_way(run, settings)


def gave_way(run: RunResult, settings: Settings) -> bool:
    """Tell whether a run has declined, as it was to.

    Arguments:
        run: that has ended.
        settings: of the run.

    """
    return isinstance(run.error, BusyError) and settings.on_concurrent_run == "decline"


def ended_topics(run: RunResult) -> tuple[str, ...]:
    """Return what the success of a run is the end of.

    Arguments:
        run: that has succeeded.

    """
    return tuple(f"failure/{command}" for command in _COVERS[run.command])


def failure(run: RunResult) -> Sign:
    """Return what a failed run is the sign of.

    Arguments:
        run: that has failed.

    """
    step = next((step.name for step in reversed(run.steps) if step.status == "failure"), "start")
    error = run.error
    sqlstate = getattr(error, "sqlstate", None)
    kind = "/".join(filter(None, (step, type(error).__name__, sqlstate)))
    items = sorted({safe(item) for item in _failed_items(run)})[:_MOST_CAUSES]
    causes = tuple(f"{kind}: {item}" for item in items) or (kind,)
    hint = getattr(error, "hint", None)
    return Sign(
        "failure",
        f"failure/{run.command}",
        causes,
        safe(run.error_summary or kind),
        f"{run.command} failed",
        safe(hint) if hint else None,
    )


def _failed_items(run: RunResult) -> Iterator[str]:
    if run.ingest:
        yield from (file.filename for file in run.ingest.refused)
    yield from (node.name for node in run.nodes if node.status in FAILED_NODE_STATUSES)


def death(command: str, started_at: datetime) -> Sign:
    """Return what a run that died is the sign of.

    Arguments:
        command: of that run.
        started_at: its start, after which any run may show that all is well.

    """
    return Sign(
        "died",
        f"failure/{command}",
        (_DIED,),
        "the process died: no trace of how (killed, out of memory, or the machine went down)",
        f"a {command} died",
        "Look for the out-of-memory killer and for restarts of the machine or the container at that time.",
        started_at,
    )


def staleness(datasets: Iterable[DatasetFreshness]) -> Iterator[Sign]:
    """Yield for each dataset that may not be without a new file for ever whether its data has stopped coming.

    Arguments:
        datasets: how fresh each is.

    """
    for dataset in datasets:
        topic = f"stale/{dataset.name}"
        if dataset.is_stale:
            yield Sign(
                "stale",
                topic,
                ("no new file",),
                stale_message(dataset),
                f"no new data of {dataset.name}",
                "Ask whoever delivers the files; PIPELINE_STALE_AFTER_HOURS says how long is too long.",
            )
        elif dataset.stale_after_seconds is not None:
            yield Sign("stale", topic, (), "", f"{dataset.name} is coming again")


def quarantine(run: RunResult, settings: AlertSettings) -> Iterator[Sign]:
    """Yield for each file that a run has read, and for the run, whether too many rows were rejected.

    Arguments:
        run: that has ended.
        settings: with the thresholds.

    """
    # a file may have several datasets, and is well when all are
    still = {file.filename for file in run.replayed if file.rejected}
    mended = {file.filename for file in run.replayed} | {file.filename for file in run.retracted}
    yield from (_below(f"quarantine/{safe(name)}", safe(name)) for name in sorted(mended - still))
    if run.ingest is None or (settings.quarantine_rows is None and settings.quarantine_percent is None):
        return
    read = [file for file in run.ingest.files if file.counts.read]
    for name, files in groupby(sorted(read, key=lambda file: file.filename), key=lambda file: file.filename):
        worst = max((file.counts for file in files), key=lambda counts: (_is_above(counts, settings), counts.rejected))
        yield _quarantined(f"quarantine/{safe(name)}", safe(name), worst, settings)
    # many files with a little each
    if read and not any(_is_above(file.counts, settings) for file in read):
        yield _quarantined(f"quarantine of {run.command}", "all files of the run", run.ingest.counts, settings)


def _quarantined(topic: str, what: str, counts: Counts, settings: AlertSettings) -> Sign:
    if not _is_above(counts, settings):
        return _below(topic, what)
    percent = 100 * counts.rejected / counts.read
    return Sign(
        "quarantine",
        topic,
        ("above the threshold",),
        f"{what}: {counts.rejected:,} of {counts.read:,} rows rejected ({percent:.1f} %)",
        f"too many rows in quarantine: {what}",
        "See the reasons: python -m ingestion rejected list; docs/errors.md says what each means.",
    )


def _below(topic: str, what: str) -> Sign:
    return Sign("quarantine", topic, (), "", f"quarantine of {what} is below the threshold again")


def _is_above(counts: Counts, settings: AlertSettings) -> bool:
    rows, percent = settings.quarantine_rows, settings.quarantine_percent
    return bool(counts.rejected) and (
        (rows is not None and counts.rejected >= rows)
        or (percent is not None and 100 * counts.rejected >= percent * counts.read)
    )


def alert_of(sign: Sign, standing: Standing, run: RunResult, settings: AlertSettings, run_id: str) -> Alert:
    """Return what is told of a sign.

    Arguments:
        sign: what was seen.
        standing: since when, and how often.
        run: that has seen it.
        settings: name and link.
        run_id: the run that a reader looks at.

    """
    is_over = not sign.causes
    facts = [("Since", moment(standing.since))]
    if standing.times > 1:
        facts.append(("Seen", f"{standing.times} times"))
    # a run that died has left no figures
    facts += _facts_of(run, run_id) if sign.kind != _DIED else [("Run", run_id)]
    again = " again" if standing.times > 1 and sign.kind == "failure" and not is_over else ""
    return Alert(
        kind="recovery" if is_over else sign.kind,
        pipeline=settings.name,
        topic=sign.topic,
        title=f"{settings.name}: {sign.title}{again}",
        summary=f"It was: {standing.summary}" if is_over else sign.summary,
        hint=None if is_over else sign.hint,
        facts=tuple(facts),
        more=f"python -m ingestion {_MORE.get(sign.kind, f'runs show {run_id}')}",
        link=settings.link,
        is_over=is_over,
        since=standing.since,
        data=_data(standing, run, run_id, sign),
    )


def recovery(topic: str) -> Sign:
    """Return the sign that what had failed works again.

    Arguments:
        topic: of the failure.

    """
    return Sign("recovery", topic, (), "", f"{topic.partition('/')[2]} works again")


def test_alert(settings: AlertSettings) -> Alert:
    """Return an alert that is only a test.

    Arguments:
        settings: name and link.

    """
    return Alert(
        kind="test",
        pipeline=settings.name,
        topic="test",
        title=f"{settings.name}: a test of its alerts",
        summary="Nothing is wrong: somebody has called `python -m ingestion alert test`.",
        link=settings.link,
    )


def _facts_of(run: RunResult, run_id: str) -> list[tuple[str, str]]:
    facts = [("Command", run.command), ("Run", run_id), ("Took", f"{run.duration_seconds:.1f} s")]
    if run.error:
        facts.append(("Exit code", str(run.exit_code)))
    if run.ingest:
        counts, files = run.ingest.counts, run.ingest.by_status()
        facts.append(("Files", ", ".join(f"{count:,} {status}" for status, count in files.items()) or "none"))
        rows = f"{counts.read:,} read, {counts.loaded:,} loaded, {counts.rejected:,} rejected"
        facts.append(("Rows", rows))
    if run.nodes:
        failed = sum(node.status in FAILED_NODE_STATUSES for node in run.nodes)
        facts.append(("dbt", f"{len(run.nodes) - failed:,} models and tests passed, {failed:,} failed"))
    return facts


def _data(standing: Standing, run: RunResult, run_id: str, sign: Sign) -> dict[str, Any]:
    data: dict[str, Any] = {"run_id": run_id, "times": standing.times, "causes": list(sign.causes)}
    if sign.kind == _DIED:
        return data
    data |= {"command": run.command, "exit_code": run.exit_code, "duration_seconds": round(run.duration_seconds, 3)}
    if run.ingest:
        counts = run.ingest.counts
        data["files"] = run.ingest.by_status()
        data["rows"] = {"read": counts.read, "loaded": counts.loaded, "rejected": counts.rejected}
    return data
