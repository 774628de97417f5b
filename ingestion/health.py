"""The state of the pipeline: the latest runs, the age and volume of each dataset, quarantine, and files being loaded.

This module only reads. `find_problems` says what is wrong, from facts that were read before.
"""

import shlex
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any, Literal

from psycopg2.sql import SQL, Identifier

from ingestion import db, history
from ingestion.claims import Claim, claims
from ingestion.config import Freshness, Settings
from ingestion.errors import PipelineError, UsageError
from ingestion.history import RejectedCount, Run
from ingestion.sources import declared
from ingestion.tables import age
from ingestion.twins import SharedContent, shared_contents
from ingestion.volume import Volume, read_volumes

State = Literal["ok", "warning", "critical", "unknown"]
Code = Literal[
    "nothing_has_ended", "run_died", "last_run_failed", "step_failed", "miscounted", "stale", "low_volume", "same_rows"
]

_LATEST_RUNS = 5
_NAMED_FILES = 10
# some of these are usage errors, which say nothing about the pipeline
_RUNS_READ = 50
_USAGE_ERROR = UsageError.exit_code
_WEIGHTS: dict[State, int] = {"ok": 0, "warning": 1, "unknown": 2, "critical": 3}
_queries = db.queries("health")


@dataclass(frozen=True)
class DatasetFreshness:
    """How fresh a dataset is.

    Arguments:
        name: the name of the dataset.
        files: the number of loaded files.
        rows: the number of their rows in the raw table.
        last_file: the file that was loaded last.
        last_loaded_at: the time of that load.
        latest_date: the latest day in the data that is not in the future; None if unknown.
        age_seconds: the time since `last_loaded_at`.
        stale_after_seconds: the age at which the dataset is stale; None if it never is.
        is_stale: whether it is stale.

    """

    name: str
    files: int
    rows: int
    last_file: str | None
    last_loaded_at: datetime | None
    latest_date: date | None
    age_seconds: float | None
    stale_after_seconds: float | None
    is_stale: bool


@dataclass(frozen=True)
class Problem:
    """A problem of the pipeline.

    Arguments:
        state: its severity.
        code: its kind, for programs.
        message: one line of text.
        run_id: the run that it concerns, if any.
        dataset: the dataset that it concerns, if any.
        hint: what to do.

    """

    state: State
    code: Code
    message: str
    run_id: str | None = None
    dataset: str | None = None
    hint: str | None = None


@dataclass(frozen=True)
class Status:
    """The state of the pipeline.

    Arguments:
        checked_at: the time of the check.
        problems: the problems, worst first.
        last_success_at: the end of the last successful run.
        runs: the latest runs, newest first.
        datasets: the datasets, by name.
        volumes: the latest delivery of each dataset, and of each site.
        files: the number of files in each state of the manifest.
        quarantine: the rejected rows of loaded files, by dataset, reason and column.
        claims: the files that are being loaded now.

    """

    checked_at: datetime
    problems: list[Problem]
    last_success_at: datetime | None
    runs: list[Run]
    datasets: list[DatasetFreshness]
    volumes: list[Volume]
    files: dict[str, int]
    quarantine: list[RejectedCount]
    claims: list[Claim]

    @property
    def state(self) -> State:
        """The severity of the worst problem."""
        return max((problem.state for problem in self.problems), key=_WEIGHTS.__getitem__, default="ok")

    @property
    def is_healthy(self) -> bool:
        """Whether nothing needs attention at once. A warning can wait."""
        return self.state in {"ok", "warning"}


@dataclass(frozen=True)
class StepFailure:
    """A step whose latest attempt failed.

    Arguments:
        step: ingest or dbt_build.
        run_id: the run.
        finished_at: the end of the attempt.
        error_summary: one redacted line.

    """

    step: str
    run_id: str
    finished_at: datetime
    error_summary: str | None


def read_status(engine: db.Engine, settings: Settings, *, with_dates: bool = True) -> Status:
    """Read the state of the pipeline.

    Arguments:
        engine: the database. The login role must be able to read ops, as wearables_monitor is.
        settings: the schema, the allowed ages, and the role that may read raw.
        with_dates: whether to find the latest day of each dataset, which reads the raw tables.

    Raises:
        PipelineError: nothing has been run on this database.

    """
    now = datetime.now(UTC)
    with db.session(engine) as connection:
        runs = history.runs(connection, limit=_RUNS_READ)
        rows = list(_queries.datasets(connection, target_schema=settings.schema))
        latest = _latest_in_marts(connection) if with_dates else {}
        miscounts = list(_queries.miscounts(connection, target_schema=settings.schema))
        failures = [StepFailure(**row._asdict()) for row in _queries.last_failures(connection)]
        shared = shared_contents(connection, settings.schema)
        status = Status(
            checked_at=now,
            problems=[],
            last_success_at=_queries.last_success(connection),
            runs=runs[:_LATEST_RUNS],
            datasets=[],
            volumes=read_volumes(connection),
            files={row.status: row.files for row in _queries.file_counts(connection, target_schema=settings.schema)},
            quarantine=[
                RejectedCount(**row._asdict()) for row in _queries.quarantine(connection, target_schema=settings.schema)
            ],
            claims=claims(connection),
        )
    if with_dates:
        latest |= _latest_in_raw(engine, settings, [row.name for row in rows])
    status.datasets.extend(_datasets(rows, latest, settings.stale_after, now))
    found = find_problems(runs, failures, status.datasets, now, shared=shared, volumes=status.volumes)
    problems = [*found, *_miscounted(miscounts)]
    status.problems.extend(_worst_first(problems))
    return status


def freshness(connection: db.Connection, settings: Settings, now: datetime) -> list[DatasetFreshness]:
    """Return how fresh each dataset is, from the manifest alone.

    Arguments:
        connection: a connection that may read ops.
        settings: the schema, and the allowed ages.
        now: the current time.

    """
    rows = list(_queries.datasets(connection, target_schema=settings.schema))
    return _datasets(rows, {}, settings.stale_after, now)


def find_problems(
    runs: Sequence[Run],
    failures: Iterable[StepFailure],
    datasets: Iterable[DatasetFreshness],
    now: datetime,
    *,
    shared: Iterable[SharedContent] = (),
    volumes: Iterable[Volume] = (),
) -> list[Problem]:
    """Return the problems, worst first.

    Arguments:
        runs: the latest runs, newest first.
        failures: the steps whose latest attempt failed.
        datasets: how fresh each dataset is.
        now: the current time.
        shared: the contents that are loaded for several participants.
        volumes: the latest deliveries.

    """
    problems: list[Problem] = []
    # a usage error says nothing about the pipeline
    ended = [run for run in runs if run.status != "running" and run.exit_code != _USAGE_ERROR]
    if not ended:
        problems.append(Problem("unknown", "nothing_has_ended", "no run has finished yet"))
    elif (last := ended[0]).status != "success":
        problems.append(_run_problem(last, now))
    problems += [
        Problem(
            "critical",
            "step_failed",
            f"the last {failure.step} failed {_ago(now, failure.finished_at)} ago: {failure.error_summary}",
            run_id=failure.run_id,
            hint=f"python -m ingestion runs show {failure.run_id[:8]}",
        )
        for failure in failures
        if not ended or failure.run_id != ended[0].run_id
    ]
    problems += [
        Problem("warning", "stale", stale_message(dataset), dataset=dataset.name)
        for dataset in datasets
        if dataset.is_stale
    ]
    problems += [
        Problem("warning", "low_volume", volume.message, dataset=volume.dataset) for volume in volumes if volume.is_low
    ]
    problems += [
        Problem(
            "warning",
            "same_rows",
            content.message,
            dataset=content.dataset,
            hint="Take the wrong one out: python -m ingestion retract FILE --reason WHY",
        )
        for content in shared
    ]
    return _worst_first(problems)


def _worst_first(problems: list[Problem]) -> list[Problem]:
    return sorted(problems, key=lambda problem: -_WEIGHTS[problem.state])


def _miscounted(files: Sequence[Any]) -> Iterator[Problem]:
    """Yield a problem if raw rows were added or deleted by hand."""
    if not files:
        return
    named = [f"{file.filename} ({file.found:,} of {file.recorded:,} rows)" for file in files[:_NAMED_FILES]]
    more = [f"{len(files) - _NAMED_FILES:,} more"] if len(files) > _NAMED_FILES else []
    names = dict.fromkeys(file.filename for file in files[:_NAMED_FILES])
    yield Problem(
        "critical",
        "miscounted",
        f"the raw tables have other rows than were loaded: {', '.join([*named, *more])}",
        hint=f"Load the files again: python -m ingestion reload {shlex.join(names)}",
    )


def _run_problem(run: Run, now: datetime) -> Problem:
    name = f"run {run.short_id}" + (f" ({run.command})" if run.command else "")
    if run.status == "dead":
        return Problem(
            "critical",
            "run_died",
            f"{name} died: it started {_ago(now, run.started_at)} ago, and its process is gone",
            run_id=run.run_id,
            hint="Check the log of its container or host (out of memory? evicted?), then run again.",
        )
    return Problem(
        "critical",
        "last_run_failed",
        f"{name} failed {_ago(now, run.finished_at or run.started_at)} ago: {run.error_summary}",
        run_id=run.run_id,
        hint=run.hint or f"python -m ingestion runs show {run.short_id}",
    )


def stale_message(dataset: DatasetFreshness) -> str:
    """Return one line about a stale dataset.

    Arguments:
        dataset: the dataset.

    """
    allowed = f"{(dataset.stale_after_seconds or 0) / 3600:g} h allowed"
    if dataset.last_loaded_at is None:
        return f"{dataset.name}: no file was ever loaded ({allowed})"
    return f"{dataset.name}: no new file for {(dataset.age_seconds or 0) / 3600:.0f} h ({allowed})"


def _ago(now: datetime, then: datetime) -> str:
    return age((now - then).total_seconds())


def _datasets(
    rows: Iterable[Any], latest: dict[str, date | None], limits: Freshness, now: datetime
) -> list[DatasetFreshness]:
    loaded = {row.name: row for row in rows}
    expected = {name for name in limits.by_dataset if limits.hours_of(name)}
    return [
        _freshness(name, loaded.get(name), latest.get(name), limits, now)
        for name in sorted(loaded | dict.fromkeys(expected))
    ]


def _freshness(name: str, row: Any, latest_date: date | None, limits: Freshness, now: datetime) -> DatasetFreshness:
    """Return how fresh a dataset is; its row is None if no file of it was ever loaded."""
    loaded_at = row.last_loaded_at if row else None
    seconds = (now - loaded_at).total_seconds() if loaded_at else None
    hours = limits.hours_of(name) if name in dict(_day_columns()) else limits.by_dataset.get(name)
    return DatasetFreshness(
        name,
        files=row.files if row else 0,
        rows=row.rows_loaded if row else 0,
        last_file=row.last_file if row else None,
        last_loaded_at=loaded_at,
        latest_date=latest_date,
        age_seconds=seconds,
        stale_after_seconds=hours * 3600 if hours else None,
        is_stale=bool(hours) and (seconds is None or seconds > (hours or 0) * 3600),
    )


def _latest_in_marts(connection: db.Connection) -> dict[str, date | None]:
    if not _queries.may_read(connection, relation="marts.fct_user_day"):
        return {}
    return dict(_queries.latest_in_marts(connection)._asdict())


def _latest_in_raw(engine: db.Engine, settings: Settings, datasets: list[str]) -> dict[str, date | None]:
    """Return the latest day of each dataset that the role may read and the server answers for in time."""
    latest = {}
    try:
        with db.session(engine, role=settings.loader_role) as connection:
            for name, day in _day_columns():
                if name in datasets and _queries.may_read(connection, relation=f'"{settings.schema}"."{name}"'):
                    with connection.cursor() as cursor:
                        cursor.execute(
                            SQL("select max({day})::date as day from {table} where {day} < now() + '1 day'").format(
                                day=Identifier(day), table=Identifier(settings.schema, name)
                            )
                        )
                        latest[name] = cursor.fetchone()[0]  # type: ignore[index]
    except PipelineError:
        # the query timed out, or the role cannot be set: the days of the marts have to do
        pass
    return latest


def _day_columns() -> Iterator[tuple[str, str]]:
    """Yield each dataset with a timestamp column, and that column."""
    for dataset in declared():
        days = [column.name for column in dataset.columns if column.type == "timestamp"]
        if days:
            yield dataset.name, days[0]
