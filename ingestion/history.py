"""Read the records: runs, everything about one run, and the files of the manifest."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from ingestion import db
from ingestion.errors import PipelineError, UsageError
from ingestion.results import Remark

RunState = Literal["running", "dead", "success", "failure"]

_EVER = datetime(1, 1, 1, tzinfo=UTC)
_LISTED_RUNS = 5
_RUN_ID_PREFIX = re.compile(r"[0-9a-f-]+")
_GLOB = str.maketrans({"*": "%", "?": "_", "%": r"\%", "_": r"\_", "\\": r"\\"})
_queries = db.queries("history")


@dataclass(frozen=True)
class Run:
    """A recorded run.

    Arguments:
        run_id: its id.
        command: the command; None if the run ended before recording it.
        status: its status; `dead` if it is recorded as running but its process is gone.
        started_at: the start.
        finished_at: the end; None for a running or dead run.
        seconds: the duration, so far for a running run.
        exit_code: the exit code; None for a running or killed run.
        error_summary: one redacted line.
        hint: what to do about the error.
        application_version: the version of the pipeline.

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
        """The first 8 digits, which are almost always unique."""
        return self.run_id[:8]


@dataclass(frozen=True)
class StepRecord:
    """An attempt at a step of a run.

    Arguments:
        step: its name.
        attempt: the number of the attempt, from 1.
        status: running, dead, success, failure or skipped.
        started_at: the start.
        seconds: the duration.
        rows_in: rows read.
        rows_out: rows written.
        rows_rejected: rows put into quarantine.
        sqlstate: PostgreSQL's error code.
        error_summary: one redacted line.
        detail: further figures of the step.

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
        person: the participant whom its path names, as written; None where it names none.
        dataset: its dataset.
        status: its present state: loaded, replaced, duplicate, refused or retracted.
        ingested_at: the time of the load.
        rows_read: the number of its records.
        rows_loaded: the number of its rows in the raw table.
        rows_rejected: the number of its rows in quarantine.
        size_bytes: its size.
        checksum: SHA-256 of its bytes, in hexadecimal.
        reason: why it was refused or retracted.
        run_id: the run that changed its state last.
        remarks: what was assumed to load it.
        device: what wrote it; None where it was not loaded, or by an earlier version.

    """

    filename: str
    person: str | None
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
    remarks: list[Remark]
    device: str | None = None


@dataclass(frozen=True)
class RejectedCount:
    """Rows that are in quarantine for one reason.

    Arguments:
        dataset: their dataset.
        reason: the reason.
        column: the column, if the reason concerns one.
        rows: the number of rows.
        files: the number of files that they come from.

    """

    dataset: str
    reason: str
    column: str | None
    rows: int
    files: int


@dataclass(frozen=True)
class NodeRecord:
    """The result of a dbt model or test.

    Arguments:
        node: its name.
        resource_type: model, test and so on.
        status: success, error, pass, warn, fail or skipped.
        failures: for a test, the rows that failed it.
        rows_affected: for a model, the rows written.
        seconds: the duration.
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
    """Everything recorded about a run.

    Arguments:
        run: the run.
        steps: its steps, in order.
        files: the files whose state it was the last to change, refused ones first.
        rejected: the rows that it rejected and that are still in quarantine, by reason.
        nodes: the dbt models and tests, slowest first.

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
    """Return runs, newest first.

    Arguments:
        connection: an autocommit session of a role that may read ops.
        limit: the maximum number.
        is_failed: only runs that failed or died.
        since: only runs started since this time.
        prefix: only runs whose id begins with this.

    Raises:
        PipelineError: nothing has been run on this database.

    """
    _check_exists(connection)

    def read() -> list[Run]:
        return [
            Run(**row._asdict())
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
    # a run may have ended after its row was read and before its lock was; its row says so by now
    if dead and dead != {row.run_id for row in _queries.still_running(connection, run_ids=list(dead))}:
        found = read()
    return found


def find_run(connection: db.Connection, name: str) -> Run:
    """Return the run that a user names.

    Arguments:
        connection: as in `runs`.
        name: the beginning of its run_id, or `last`.

    Raises:
        UsageError: no run matches, or several do.

    """
    prefix = "" if name == "last" else name.lower()
    if prefix and not _RUN_ID_PREFIX.fullmatch(prefix):
        raise UsageError(
            f"{name!r} is not a run_id", hint="Give the first digits of a run_id, or `last`. `runs` lists them."
        )
    found = runs(connection, limit=_LISTED_RUNS, prefix=prefix)
    if not found:
        raise UsageError("no run matches", hint="`runs` lists the runs.")
    if len(found) > 1 and prefix:
        raise UsageError(
            f"several runs begin with {name}: {', '.join(run.run_id for run in found)}", hint="Give more digits."
        )
    return found[0]


def record_of(connection: db.Connection, run: Run) -> RunRecord:
    """Return everything recorded about a run.

    Arguments:
        connection: as in `runs`.
        run: the run.

    """
    of_run = {"run_id": run.run_id}
    steps = (StepRecord(**row._asdict()) for row in _queries.steps(connection, **of_run))
    return RunRecord(
        run,
        [_as_dead(step) if run.status == "dead" else step for step in steps],
        _files(_queries.files_of_run(connection, **of_run)),
        [RejectedCount(**row._asdict()) for row in _queries.rejected_of_run(connection, **of_run)],
        [NodeRecord(**row._asdict()) for row in _queries.nodes_of_run(connection, **of_run)],
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
    """Return files of the manifest, newest first.

    Arguments:
        connection: as in `runs`.
        target_schema: the schema of the raw tables.
        limit: the maximum number.
        status: only files in this state.
        dataset: only files of this dataset.
        pattern: only files whose name matches; `*` and `?` are wildcards. Without wildcards, names that contain it.

    """
    _check_exists(connection)
    like = pattern and (pattern if re.search(r"[*?]", pattern) else f"*{pattern}*").translate(_GLOB)
    return _files(
        _queries.files(
            connection, target_schema=target_schema, status=status, dataset=dataset, pattern=like, max_files=limit
        )
    )


def _check_exists(connection: db.Connection) -> None:
    if not _queries.runs_exist(connection):
        raise PipelineError("nothing has been run on this database", hint="Run: python -m ingestion run")


def _files(rows: Iterable[Any]) -> list[FileRecord]:
    return [FileRecord(**row._asdict() | {"remarks": [Remark(**remark) for remark in row.remarks]}) for row in rows]


def _as_dead(step: StepRecord) -> StepRecord:
    return StepRecord(**{**vars(step), "status": "dead"}) if step.status == "running" else step
