"""Read what a digest tells: the follow-up list, the statuses of everybody, and what is wrong with the data."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime

from ingestion import db, follow_up, health, log
from ingestion.config import Settings
from ingestion.errors import PipelineError
from ingestion.follow_up import FollowUp
from ingestion.health import stale_message
from ingestion.report import Groups, pseudonyms_of
from ingestion.volume import read_volumes

_DAYS = 7
_MAX_PROBLEMS = 20
_queries = db.queries("digest")
_report_queries = db.queries("report")


@dataclass(frozen=True)
class Contents:
    """What a digest tells.

    Arguments:
        told: the follow-up list, compared with that of the last digest.
        names: what to call each participant.
        counts: the participants of each status now, and on the day that the list is compared with.
        arms: the arms that may be named.
        sites: the sites that may be named.
        problems: what is wrong with the data: one line each.
        report: the path or URL of the last report.
        last_run: the id of the latest run.

    """

    told: FollowUp
    names: Mapping[str, str] = field(default_factory=dict)
    counts: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    arms: frozenset[str] = frozenset()
    sites: frozenset[str] = frozenset()
    problems: tuple[str, ...] = ()
    report: str | None = None
    last_run: str | None = None


def read(engine: db.Engine, settings: Settings, now: datetime, *, before: date | None = None) -> Contents:
    """Read what the digest tells now.

    Arguments:
        engine: the database.
        settings: the settings, which may ask for user ids.
        now: the current time.
        before: compare with a list of a day before this one.

    Raises:
        PipelineError: there are no marts, or they have no participants.

    """
    with db.session(engine, autocommit=False) as connection:
        # all figures are from the same moment
        connection.set_session(isolation_level="REPEATABLE READ", readonly=True)
        _queries.set_limits(connection)
        if not follow_up.exists(connection):
            raise PipelineError("the marts have no follow-up list", hint="Build them: python -m ingestion transform")
        told = follow_up.read(connection, "digest", before=before)
        if told.as_of_date is None:
            raise PipelineError("the marts have no participants yet")
        user_ids = [entry.user_id for entry in told.entries] + [each.user_id for each in told.resolved]
        names = {user_id: user_id for user_id in user_ids}
        if not settings.report_user_ids:
            names = pseudonyms_of(connection, user_ids)
        places = Counter((row.arm, row.site) for row in _queries.places(connection))
        groups = Groups(places, with_user_ids=settings.report_user_ids).shown
        counts = _queries.status_counts(connection, as_of_date=told.as_of_date, before=told.compared_with)
        report = _report_queries.last_report(connection)
        return Contents(
            told,
            names,
            {row.status: (row.users, row.users_before) for row in counts},
            frozenset(group.title for group in groups if group.kind == "arm"),
            frozenset(group.title for group in groups if group.kind == "site"),
            _cut(list(_problems(connection, settings, now))),
            log.redact(f"{report.place.rstrip('/')}/{report.name}") if report else None,
            _report_queries.latest_run(connection),
        )


def _cut(problems: list[str]) -> tuple[str, ...]:
    more = len(problems) - _MAX_PROBLEMS
    return (*problems[:_MAX_PROBLEMS], *([f"And {more:,} more."] if more > 0 else []))


def _problems(connection: db.Connection, settings: Settings, now: datetime) -> Iterator[str]:
    """Yield what is wrong. The names of files are left out, because they may name a participant."""
    schema = settings.schema
    if refused := {row.dataset: row.files for row in _queries.refused_files(connection, target_schema=schema)}:
        yield f"Refused files: {_by_dataset(refused)}."
    rejected = _queries.rejected_rows(connection, target_schema=schema, days=_DAYS)
    if rows := {row.dataset: row.rows_rejected for row in rejected}:
        yield f"Rejected rows of the last {_DAYS} days: {_by_dataset(rows)}."
    yield from (
        f"{stale_message(dataset)}." for dataset in health.freshness(connection, settings, now) if dataset.is_stale
    )
    yield from (f"{volume.message}." for volume in read_volumes(connection) if volume.is_low)
    yield from _incidents((row.topic, row.since) for row in _queries.incidents(connection))


def _by_dataset(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{dataset} {count:,}" for dataset, count in counts.items())


def _incidents(found: Iterable[tuple[str, datetime]]) -> Iterator[str]:
    for topic, since in found:
        kind, _, command = topic.partition("/")
        day = f"{since.astimezone(UTC):%Y-%m-%d}"
        if kind == "failure":
            yield f"The command `{command}` has failed since {day}."
        elif kind == "quarantine":
            yield f"Too many rows are rejected since {day}."
        elif kind == "misplaced":
            yield f"The same rows are loaded for two participants since {day}."
