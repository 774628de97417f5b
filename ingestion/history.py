"""What was: the runs, one run with all that is on record of it, and the files of the manifest. Nothing here writes."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from ingestion import db
from ingestion.errors import PipelineError, UsageError

RunState = Literal["running", "dead", "success", "failure"]

_EVER = datetime(1, 1, 1, tzinfo=UTC)
_LISTED_RUNS = 5
_CHARACTERS_OF_A_RUN_ID = re.compile(r"[0-9a-f-]+")
_GLOB = str.maketrans({"*": "%", "?": "_", "%": r"\%", "_": r"\_", "\\": r"\\"})
_queries = db.queries("history")


@dataclass(frozen=True)
class Run:
    """A run, as it is on record.

    Arguments:
        run_id: its name.
        command: what was called; None where it never came so far as to say so.
        status: `dead` says running on record, and its process is gone.
        started_at: when.
        finished_at: when; None for one that is running or dead.
        seconds: how long it took, or has taken so far.
        exit_code: of its process; None for one that is running, and for one that was killed.
        error_summary: one redacted line.
        hint: what mends it.
        application_version: whose run it was.

    """

    run_id: str
    command: str | None
    status: RunState
    started_at: datetime
    finished_at: datetime | None
    seconds: float | None
    exit_code: int | None
    error_summary: str | None
    hint: str | None
    application_version: str | None

    @property
    def short_id(self) -> str:
        """As much of the name as tells it from others, as a rule."""
        return self.run_id[:8]


@dataclass(frozen=True)
class StepRecord:
    """A step of a run, or an attempt at it.

    Arguments:
        step: its name.
        attempt: from 1.
        status: running, dead, success, failure or skipped.
        started_at: when.
        seconds: how long it took.
        rows_in: rows read.
        rows_out: rows written.
        rows_rejected: rows put into quarantine.
        sqlstate: PostgreSQL's code for its failure.
        error_summary: one redacted line.
        detail: what else it has told.

    """

    step: str
    attempt: int
    status: str
    started_at: datetime
    seconds: float | None
    rows_in: int | None
    rows_out: int | None
    rows_rejected: int | None
    sqlstate: str | None
    error_summary: str | None
    detail: dict[str, Any] | None


@dataclass(frozen=True)
class FileRecord:
    """A file of the manifest.

    Arguments:
        filename: its name in the landing zone.
        dataset: its dataset.
        status: loaded, replaced, duplicate, refused or retracted: what it is now.
        ingested_at: when it was taken up.
        rows_read: its records.
        rows_loaded: those in the raw table.
        rows_rejected: those in quarantine.
        size_bytes: its size.
        checksum: SHA-256 of its bytes.
        reason: why it was refused or retracted.
        run_id: the run that did the last of this.

    """

    filename: str
    dataset: str
    status: str
    ingested_at: datetime
    rows_read: int
    rows_loaded: int
    rows_rejected: int
    size_bytes: int
    checksum: str
    reason: str | None
    run_id: str | None


@dataclass(frozen=True)
class RejectedCount:
    """Rows of a run that went to quarantine for one reason, as far as they are there still.

    Arguments:
        dataset: their dataset.
        reason: the fault.
        column: where it is, if in a column.
        rows: how many.
        files: of how many files.

    """

    dataset: str
    reason: str
    column: str | None
    rows: int
    files: int


@dataclass(frozen=True)
class NodeRecord:
    """What became of a model or a test of dbt.

    Arguments:
        node: its name.
        resource_type: model, test and so on.
        status: success, error, pass, warn, fail or skipped.
        failures: for a test, the rows that failed it.
        rows_affected: for a model, the rows written.
        seconds: how long it took.
        message: one redacted line.

    """

    node: str
    resource_type: str
    status: str
    failures: int | None
    rows_affected: int | None
    seconds: float
    message: str | None


@dataclass(frozen=True)
class RunRecord:
    """All that is on record of a run.

    Arguments:
        run: the run.
        steps: in order.
        files: those that it was the last to take up, refused ones first.
        rejected: rows that it put into quarantine, by reason.
        nodes: what dbt did, the slowest first.

    """

    run: Run
    steps: list[StepRecord]
    files: list[FileRecord]
    rejected: list[RejectedCount]
    nodes: list[NodeRecord]


def runs(
    connection: db.Connection,
    *,
    limit: int,
    is_failed: bool = False,
    since: datetime | None = None,
    prefix: str = "",
) -> list[Run]:
    """Return runs, the newest first.

    Arguments:
        connection: an autocommit session of a role that may read ops.
        limit: how many.
        is_failed: only those that failed or died.
        since: only those begun since then.
        prefix: only those whose name begins so.

    Raises:
        PipelineError: there are no records at all.

    """
    if not _queries.runs_exist(connection):
        raise PipelineError("nothing has been run on this database yet", hint="Run: python -m ingestion run")

    def read() -> list[Run]:
        return [
            Run(*row)
            for row in _queries.runs(
                connection,
                prefix=prefix,
                since=since or _EVER,
                is_failed=is_failed,
                max_runs=limit,
                run_lock=db.lock_name("run:"),
            )
        ]

    found = read()
    dead = {run.run_id for run in found if run.status == "dead"}
    # one that ended between the look at its row and the look at its lock has said so by now
    if dead and dead != {run_id for (run_id,) in _queries.still_running(connection, run_ids=list(dead))}:
        found = read()
    return found


def find_run(connection: db.Connection, name: str) -> Run:
    """Return the run that a person means.

    Arguments:
        connection: as in `runs`.
        name: what its run_id begins with, or `last`.

    Raises:
        UsageError: no run has such a name, or several have.

    """
    prefix = "" if name == "last" else name.lower()
    if prefix and not _CHARACTERS_OF_A_RUN_ID.fullmatch(prefix):
        raise UsageError(f"{name!r} is no run", hint="Give the first digits of a run_id, or last; `runs` lists them.")
    found = runs(connection, limit=_LISTED_RUNS, prefix=prefix)
    if not found:
        raise UsageError("there is no such run", hint="`runs` lists them.")
    if len(found) > 1 and prefix:
        raise UsageError(
            f"several runs begin with {name}: {', '.join(run.run_id for run in found)}", hint="Give more digits."
        )
    return found[0]


def record_of(connection: db.Connection, run: Run) -> RunRecord:
    """Return all that is on record of a run.

    Arguments:
        connection: as in `runs`.
        run: which.

    """
    of_run = {"run_id": run.run_id}
    steps = (StepRecord(*row) for row in _queries.steps(connection, **of_run))
    return RunRecord(
        run,
        [_as_dead(step) if run.status == "dead" else step for step in steps],
        _files(_queries.files_of_run(connection, **of_run)),
        [RejectedCount(*row) for row in _queries.rejected_of_run(connection, **of_run)],
        [NodeRecord(*row) for row in _queries.nodes_of_run(connection, **of_run)],
    )


def files(
    connection: db.Connection,
    target_schema: str,
    *,
    limit: int,
    status: str | None = None,
    dataset: str | None = None,
    pattern: str | None = None,
) -> list[FileRecord]:
    """Return files of the manifest, the latest first.

    Arguments:
        connection: as in `runs`.
        target_schema: the schema of the raw tables.
        limit: how many.
        status: only those that are so now.
        dataset: only those of a dataset.
        pattern: only those whose name is like it, `*` and `?` standing for any; without these, those that contain it.

    """
    if not _queries.runs_exist(connection):
        raise PipelineError("nothing has been run on this database yet", hint="Run: python -m ingestion run")
    like = pattern and (pattern if re.search(r"[*?]", pattern) else f"*{pattern}*").translate(_GLOB)
    return _files(
        _queries.files(
            connection, target_schema=target_schema, status=status, dataset=dataset, pattern=like, max_files=limit
        )
    )


def _files(rows: Iterable[tuple[Any, ...]]) -> list[FileRecord]:
    return [FileRecord(*row) for row in rows]


def _as_dead(step: StepRecord) -> StepRecord:
    return StepRecord(**{**vars(step), "status": "dead"}) if step.status == "running" else step
