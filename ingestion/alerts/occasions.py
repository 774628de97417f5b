"""The occasions of alerts, and their texts: a run, stale data, low volume, quarantine, misplaced files."""

import signal
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Any

from ingestion.alerts.alert import Alert, Kind, safe, safe_path, utc
from ingestion.alerts.incidents import Notification
from ingestion.config import AlertSettings, Settings
from ingestion.errors import BusyError, Interrupted
from ingestion.health import DatasetFreshness, stale_message
from ingestion.results import FAILED_NODE_STATUSES, Counts, RunResult
from ingestion.twins import SharedContent
from ingestion.volume import Volume

# the success of a command is also that of the commands whose steps it contains
_CONTAINS = {
    "run": ("run", "migrate", "ingest", "transform"),
    "reload": ("reload", "migrate"),
    "retract": ("retract", "migrate"),
    "erase": ("erase", "migrate"),
    "replay": ("replay", "migrate"),
    "ingest": ("ingest", "migrate"),
    "transform": ("transform", "migrate"),
    "migrate": ("migrate",),
}

_MAX_CAUSES = 200
_DIED = "died"
_COMMANDS = {"stale": "status", "volume": "status", "quarantine": "rejected list", "misplaced": "status"}


@dataclass(frozen=True)
class Occasion:
    """A run has found something wrong, or well again.

    Arguments:
        kind: the kind of the alert.
        topic: what it is about.
        causes: what distinguishes it from other occasions of the topic; empty if all is well.
        summary: one redacted line.
        title: the title of the alert, without the pipeline's name.
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


def is_reported(run: RunResult, settings: Settings) -> bool:
    """Whether the failure of a run causes an alert.

    It does not if a person pressed Ctrl-C, or if the run declined because another is in progress.

    Arguments:
        run: a failed run.
        settings: the settings of the run.

    """
    by_hand = isinstance(run.error, Interrupted) and run.error.exit_code == 128 + signal.SIGINT
    return not by_hand and not has_declined(run, settings)


def has_declined(run: RunResult, settings: Settings) -> bool:
    """Whether a run has declined because another is in progress, as its settings ask.

    Arguments:
        run: a run that has ended.
        settings: the settings of the run.

    """
    return isinstance(run.error, BusyError) and settings.on_concurrent_run == "decline"


def ended_topics(run: RunResult) -> tuple[str, ...]:
    """Return the topics that the success of a run closes.

    Arguments:
        run: a run that has succeeded.

    """
    return tuple(f"failure/{command}" for command in _CONTAINS[run.command])


def failure(run: RunResult) -> Occasion:
    """Return the failure of a run.

    Arguments:
        run: a failed run.

    """
    step = next((step.name for step in reversed(run.steps) if step.status == "failure"), "start")
    error = run.error
    sqlstate = getattr(error, "sqlstate", None)
    kind = "/".join(filter(None, (step, type(error).__name__, sqlstate)))
    items = sorted(set(_failed_items(run)))[:_MAX_CAUSES]
    causes = tuple(f"{kind}: {item}" for item in items) or (kind,)
    hint = getattr(error, "hint", None)
    return Occasion(
        "failure",
        f"failure/{run.command}",
        causes,
        safe(run.error_summary or kind),
        f"{run.command} failed",
        safe(hint) if hint else None,
    )


def _failed_items(run: RunResult) -> Iterator[str]:
    if run.ingest:
        yield from (safe_path(file.filename) for file in run.ingest.refused)
    yield from (safe(node.name) for node in run.nodes if node.status in FAILED_NODE_STATUSES)


def death(command: str, started_at: datetime) -> Occasion:
    """Return the death of a run.

    Arguments:
        command: the command of that run.
        started_at: its start; any run that starts later may close the incident.

    """
    return Occasion(
        "died",
        f"failure/{command}",
        (_DIED,),
        "the process died without an error message: it was killed, ran out of memory, or the machine went down",
        f"a {command} died",
        "Look for an out-of-memory kill, and for a restart of the machine or the container at that time.",
        started_at,
    )


def staleness(datasets: Iterable[DatasetFreshness]) -> Iterator[Occasion]:
    """Yield, for each dataset with a limit, whether its data has stopped arriving.

    Arguments:
        datasets: how fresh each dataset is.

    """
    for dataset in datasets:
        topic = f"stale/{dataset.name}"
        if dataset.is_stale:
            yield Occasion(
                "stale",
                topic,
                ("no new file",),
                stale_message(dataset),
                f"no new {dataset.name} data",
                "Ask the supplier of the files. PIPELINE_STALE_AFTER_HOURS sets the limit.",
            )
        elif dataset.stale_after_seconds is not None:
            yield Occasion("stale", topic, (), "", f"{dataset.name} data is arriving again")


def low_volume(volumes: Iterable[Volume]) -> Iterator[Occasion]:
    """Yield, for each dataset, whether its latest delivery has clearly fewer people or rows than usual.

    Arguments:
        volumes: the latest deliveries: for each dataset that of everybody, and then those of its sites.

    """
    for dataset, group in groupby(volumes, key=lambda volume: volume.dataset):
        whole, *sites = group
        low = [volume for volume in (whole, *sites) if volume.is_low]
        if not low:
            # a day that cannot be compared does not end what another has begun
            if whole.is_low is not None:
                yield Occasion("volume", f"volume/{dataset}", (), "", f"{dataset} data is as much as usual again")
            continue
        yield Occasion(
            "volume",
            f"volume/{dataset}",
            tuple(safe(volume.site) for volume in low[:_MAX_CAUSES]),
            safe("; ".join(volume.message for volume in low)),
            f"less {dataset} data than usual",
            "Ask the supplier of the files whether participants are missing. docs/alerts.md explains the limit.",
        )


def misplaced(shared: Iterable[SharedContent]) -> Occasion:
    """Return whether the same rows are loaded for several participants.

    Arguments:
        shared: the contents that are loaded for several participants.

    """
    found = list(shared)
    if not found:
        return Occasion("misplaced", "misplaced", (), "", "no rows are loaded for two participants any more")
    more = f" (and {len(found) - 1} more contents)" if len(found) > 1 else ""
    return Occasion(
        "misplaced",
        "misplaced",
        tuple(f"{content.dataset}: {content.checksum[:16]}" for content in found[:_MAX_CAUSES]),
        safe(found[0].message + more),
        "the same rows are loaded for two participants",
        "`python -m ingestion status` names the files. Take the wrong one out with `python -m ingestion retract`.",
    )


def quarantine(run: RunResult, settings: AlertSettings) -> Iterator[Occasion]:
    """Yield, for each file that a run has read and for the run, whether too many rows were rejected.

    Arguments:
        run: a run that has ended.
        settings: the thresholds.

    """
    # a file may have several datasets; all must be free of rejected rows
    rejected = {file.filename for file in run.replayed if file.rejected}
    replayed = {file.filename for file in run.replayed} | {file.filename for file in run.retracted}
    yield from (_below(f"quarantine/{safe_path(name)}", safe_path(name)) for name in sorted(replayed - rejected))
    if run.ingest is None or (settings.quarantine_rows is None and settings.quarantine_percent is None):
        return
    read = [file for file in run.ingest.files if file.counts.read]
    for name, files in groupby(sorted(read, key=lambda file: file.filename), key=lambda file: file.filename):
        worst = max((file.counts for file in files), key=lambda counts: (_is_above(counts, settings), counts.rejected))
        yield _quarantined(f"quarantine/{safe_path(name)}", safe_path(name), worst, settings)
    # many files with a few rejected rows each
    if read and not any(_is_above(file.counts, settings) for file in read):
        yield _quarantined(f"quarantine of {run.command}", "all files of the run", run.ingest.counts, settings)


def _quarantined(topic: str, what: str, counts: Counts, settings: AlertSettings) -> Occasion:
    if not _is_above(counts, settings):
        return _below(topic, what)
    percent = 100 * counts.rejected / counts.read
    return Occasion(
        "quarantine",
        topic,
        ("above the threshold",),
        f"{what}: {counts.rejected:,} of {counts.read:,} rows rejected ({percent:.1f} %)",
        f"too many rejected rows: {what}",
        "List the reasons with `python -m ingestion rejected list`; docs/errors.md explains each.",
    )


def _below(topic: str, what: str) -> Occasion:
    return Occasion("quarantine", topic, (), "", f"rejected rows below the threshold again: {what}")


def _is_above(counts: Counts, settings: AlertSettings) -> bool:
    rows, percent = settings.quarantine_rows, settings.quarantine_percent
    return bool(counts.rejected) and (
        (rows is not None and counts.rejected >= rows)
        or (percent is not None and 100 * counts.rejected >= percent * counts.read)
    )


def alert_of(
    occasion: Occasion, notification: Notification, run: RunResult, settings: AlertSettings, run_id: str
) -> Alert:
    """Return what is told of a occasion.

    Arguments:
        occasion: what a run has found.
        notification: since when, and how often.
        run: that has seen it.
        settings: name and link.
        run_id: the run that a reader looks at.

    """
    is_over = not occasion.causes
    facts = [("Since", utc(notification.since))]
    if notification.times > 1:
        facts.append(("Seen", f"{notification.times} times"))
    # a run that died has left no counts
    facts += _facts_of(run, run_id) if occasion.kind != _DIED else [("Run", run_id)]
    again = " again" if notification.times > 1 and occasion.kind == "failure" and not is_over else ""
    return Alert(
        kind="recovery" if is_over else occasion.kind,
        pipeline=settings.name,
        topic=occasion.topic,
        title=f"{settings.name}: {occasion.title}{again}",
        summary=f"It was: {notification.summary}" if is_over else occasion.summary,
        hint=None if is_over else occasion.hint,
        facts=tuple(facts),
        more=f"python -m ingestion {_COMMANDS.get(occasion.kind, f'runs show {run_id}')}",
        link=settings.link,
        is_over=is_over,
        since=notification.since,
        data=_data(notification, run, run_id, occasion),
    )


def recovery(topic: str) -> Occasion:
    """Return the end of a failure.

    Arguments:
        topic: the topic of the failure.

    """
    return Occasion("recovery", topic, (), "", f"{topic.partition('/')[2]} works again")


def test_alert(settings: AlertSettings) -> Alert:
    """Return the alert of `alert test`.

    Arguments:
        settings: the name of the pipeline, and a link.

    """
    return Alert(
        kind="test",
        pipeline=settings.name,
        topic="test",
        title=f"{settings.name}: test alert",
        summary="Nothing is wrong: this is `python -m ingestion alert test`.",
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


def _data(notification: Notification, run: RunResult, run_id: str, occasion: Occasion) -> dict[str, Any]:
    data: dict[str, Any] = {"run_id": run_id, "times": notification.times, "causes": list(occasion.causes)}
    if occasion.kind == _DIED:
        return data
    data |= {"command": run.command, "exit_code": run.exit_code, "duration_seconds": round(run.duration_seconds, 3)}
    if run.ingest:
        counts = run.ingest.counts
        data["files"] = run.ingest.by_status()
        data["rows"] = {"read": counts.read, "loaded": counts.loaded, "rejected": counts.rejected}
    return data
