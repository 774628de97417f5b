"""How things stand: the last runs, how old each dataset is, what is in quarantine and what is being loaded now.

Nothing here writes. The judgement, from facts that were read before, is `judge`, and knows no database.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any, Literal

from psycopg2.sql import SQL, Identifier
from sqlalchemy import Engine

from ingestion import db, history
from ingestion.claims import Claim, claims
from ingestion.config import Freshness, Settings
from ingestion.errors import PipelineError, UsageError
from ingestion.history import RejectedCount, Run
from ingestion.sources import declared
from ingestion.tables import age

State = Literal["ok", "warning", "critical", "unknown"]
Code = Literal["nothing_has_ended", "run_died", "last_run_failed", "step_failed", "stale"]

_LATEST_RUNS = 5
# the latest among them that says something of the pipeline
_RUNS_LOOKED_AT = 50
_USAGE = UsageError.exit_code
_WEIGHTS: dict[State, int] = {"ok": 0, "warning": 1, "unknown": 2, "critical": 3}
_queries = db.queries("health")


@dataclass(frozen=True)
class DatasetFreshness:
    """How fresh a dataset is.

    Arguments:
        name: the name of the dataset.
        files: how many are loaded.
        rows: how many rows they have in raw.
        last_file: the file that was loaded last.
        last_loaded_at: when that was.
        latest_date: the latest day in the data, the future left out; None where that is not known.
        age_seconds: since `last_loaded_at`.
        stale_after_seconds: how old it may be; None for any age.
        is_stale: whether it is older.

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
    """Something that is not as it should be.

    Arguments:
        state: how bad it is.
        code: what it is, for machines.
        message: one line, for people.
        run_id: the run it is about, if about one.
        dataset: the dataset it is about, if about one.
        hint: what to do about it.

    """

    state: State
    code: Code
    message: str
    run_id: str | None = None
    dataset: str | None = None
    hint: str | None = None


@dataclass(frozen=True)
class Status:
    """How things stand.

    Arguments:
        checked_at: when it was looked at.
        problems: the worst first; none where all is well.
        last_success_at: when a run last ended well.
        runs: the latest, newest first.
        datasets: by name.
        files: number of files in each state of the manifest.
        quarantine: what is in it of files that are loaded, by dataset, reason and column.
        claims: the files that are being loaded at this moment.

    """

    checked_at: datetime
    problems: list[Problem]
    last_success_at: datetime | None
    runs: list[Run]
    datasets: list[DatasetFreshness]
    files: dict[str, int]
    quarantine: list[RejectedCount]
    claims: list[Claim]

    @property
    def state(self) -> State:
        """The worst of the problems."""
        return max((problem.state for problem in self.problems), key=_WEIGHTS.__getitem__, default="ok")

    @property
    def is_healthy(self) -> bool:
        """Whether nobody has to get up: a warning waits for the morning."""
        return self.state in {"ok", "warning"}


@dataclass(frozen=True)
class StepFailure:
    """A step whose latest attempt failed.

    Arguments:
        step: ingest or dbt_build.
        run_id: the run.
        finished_at: when.
        error_summary: one redacted line.

    """

    step: str
    run_id: str
    finished_at: datetime
    error_summary: str | None


def read_status(engine: Engine, settings: Settings, *, with_dates: bool = True) -> Status:
    """Read how things stand.

    Arguments:
        engine: the database; the login role must be allowed to read ops, which wearables_monitor is.
        settings: the schema, how old data may be, and the role that may read raw.
        with_dates: look for the latest day in the data too, which reads the raw tables.

    Raises:
        PipelineError: there are no records at all.

    """
    now = datetime.now(UTC)
    with db.session(engine) as connection:
        runs = history.runs(connection, limit=_RUNS_LOOKED_AT)
        rows = list(_queries.datasets(connection, target_schema=settings.schema))
        latest = _latest_in_marts(connection) if with_dates else {}
        failures = [StepFailure(*row) for row in _queries.last_failures(connection)]
        status = Status(
            checked_at=now,
            problems=[],
            last_success_at=_queries.last_success(connection),
            runs=runs[:_LATEST_RUNS],
            datasets=[],
            files=dict(_queries.file_counts(connection, target_schema=settings.schema)),
            quarantine=[RejectedCount(*row) for row in _queries.quarantine(connection, target_schema=settings.schema)],
            claims=claims(connection),
        )
    if with_dates:
        latest |= _latest_in_raw(engine, settings, [row[0] for row in rows])
    status.datasets.extend(_datasets(rows, latest, settings.stale_after, now))
    status.problems.extend(judge(runs, failures, status.datasets, now))
    return status


def freshness(connection: db.Connection, settings: Settings, now: datetime) -> list[DatasetFreshness]:
    """Return how fresh each dataset is, by its files; nobody looks into them.

    Arguments:
        connection: may read ops.
        settings: the schema, and how old data may be.
        now: the time.

    """
    rows = list(_queries.datasets(connection, target_schema=settings.schema))
    return _datasets(rows, {}, settings.stale_after, now)


def judge(
    runs: Sequence[Run], failures: Iterable[StepFailure], datasets: Iterable[DatasetFreshness], now: datetime
) -> list[Problem]:
    """Return what is wrong, the worst first.

    Arguments:
        runs: the latest, newest first.
        failures: steps whose latest attempt failed.
        datasets: how fresh each is.
        now: the time.

    """
    problems: list[Problem] = []
    # that a command was called wrongly says nothing of the pipeline
    ended = [run for run in runs if run.status != "running" and run.exit_code != _USAGE]
    if not ended:
        problems.append(Problem("unknown", "nothing_has_ended", "no run has ended yet"))
    elif (last := ended[0]).status != "success":
        problems.append(_of_run(last, now))
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
    return sorted(problems, key=lambda problem: -_WEIGHTS[problem.state])


def _of_run(run: Run, now: datetime) -> Problem:
    name = f"run {run.short_id}" + (f" ({run.command})" if run.command else "")
    if run.status == "dead":
        return Problem(
            "critical",
            "run_died",
            f"{name} died: begun {_ago(now, run.started_at)} ago, and its process is gone",
            run_id=run.run_id,
            hint="See the log of its container or host (out of memory, evicted?), then run again.",
        )
    return Problem(
        "critical",
        "last_run_failed",
        f"{name} failed {_ago(now, run.finished_at or run.started_at)} ago: {run.error_summary}",
        run_id=run.run_id,
        hint=run.hint or f"python -m ingestion runs show {run.short_id}",
    )


def stale_message(dataset: DatasetFreshness) -> str:
    """Return one line about a dataset that is stale.

    Arguments:
        dataset: for how long, and how long it may be.

    """
    allowed = f"{(dataset.stale_after_seconds or 0) / 3600:g} h allowed"
    if dataset.last_loaded_at is None:
        return f"{dataset.name}: no file has ever come ({allowed})"
    return f"{dataset.name}: no file for {(dataset.age_seconds or 0) / 3600:.0f} h ({allowed})"


def _ago(now: datetime, then: datetime) -> str:
    return age((now - then).total_seconds())


def _datasets(
    rows: list[tuple[Any, ...]], latest: dict[str, date | None], limits: Freshness, now: datetime
) -> list[DatasetFreshness]:
    expected = {dataset for dataset in limits.by_dataset if limits.hours_of(dataset)}
    absent = [(dataset, 0, 0, None, None) for dataset in expected - {row[0] for row in rows}]
    made = []
    for dataset, files, count, last_file, last_loaded_at in sorted([*rows, *absent]):
        seconds = (now - last_loaded_at).total_seconds() if last_loaded_at else None
        hours = limits.hours_of(dataset)
        made.append(
            DatasetFreshness(
                dataset,
                files,
                count,
                last_file,
                last_loaded_at,
                latest.get(dataset),
                seconds,
                hours * 3600 if hours else None,
                is_stale=bool(hours) and (seconds is None or seconds > (hours or 0) * 3600),
            )
        )
    return made


def _latest_in_marts(connection: db.Connection) -> dict[str, date | None]:
    if not _queries.may_read(connection, relation="marts.fct_user_day"):
        return {}
    activity, sleep = _queries.latest_in_marts(connection)
    return {"daily_activity": activity, "sleep": sleep}


def _latest_in_raw(engine: Engine, settings: Settings, datasets: list[str]) -> dict[str, date | None]:
    """Return the latest day of each dataset, as far as the role may see it and the server tells it in time."""
    latest = {}
    try:
        with db.session(engine, role=settings.loader_role) as connection:
            for name, day in _day_columns():
                if name in datasets and _queries.may_read(connection, relation=f'"{settings.schema}"."{name}"'):
                    with connection.cursor() as cursor:
                        cursor.execute(
                            SQL("select max({day})::date from {table} where {day} < now() + '1 day'").format(
                                day=Identifier(day), table=Identifier(settings.schema, name)
                            )
                        )
                        latest[name] = cursor.fetchone()[0]  # type: ignore[index]
    except PipelineError:
        # a large table and little time, or a role that is not ours to take: the marts' days do
        pass
    return latest


def _day_columns() -> Iterator[tuple[str, str]]:
    """Yield each dataset that knows days, and the column that says which."""
    for dataset in declared():
        days = [column.name for column in dataset.columns if column.type == "timestamp"]
        if days:
            yield dataset.name, days[0]
