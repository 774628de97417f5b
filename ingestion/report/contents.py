"""What a report says, read from the marts and from ops in one snapshot."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from functools import partial
from typing import Any

from ingestion import __version__, db, log
from ingestion.report import pseudonym
from ingestion.report.days import Packer, Person, precision
from ingestion.results import FAILED_NODE_STATUSES

# from the best to the worst, as the page shows them; the last are those of whom nothing can be said
STATUSES = ("increasing", "stable", "declining", "disengaging", "lapsed", "insufficient_baseline")
# has days, and none that is over yet
_UNTOLD = len(STATUSES)
_SLOWEST = 12
_LISTED = 40

_EPOCH = date(1970, 1, 1)
# may quote the name of a file
_FROM_OUTSIDE = {"name", "example", "error", "hint", "reason", "message"}
_queries = db.queries("report")


@dataclass(frozen=True)
class Outcome:
    """How a run ends that is not over yet: its report is its last step.

    Arguments:
        error: one redacted line, or None where all went well.
        hint: what to do about it.

    """

    error: str | None = None
    hint: str | None = None


@dataclass
class Contents:
    """A report's figures; those of the persons are complete once `packer` has packed all blocks.

    Arguments:
        run_id: of the run it tells of.
        started_at: when that began.
        facts: what is known without the days.
        packer: reads the days; None where there are no marts.
        standing: what is known of each person today, by user id.

    """

    run_id: str
    started_at: datetime
    facts: dict[str, Any]
    packer: Packer | None = None
    standing: dict[int, tuple[Any, ...]] = field(default_factory=dict)
    _with_user_ids: bool = False

    def everything(self) -> dict[str, Any]:
        """Return all that the page needs beside the blocks, as JSON has it. Call it behind the last block."""
        people = self.packer.people if self.packer else []
        names = {
            str(person.user_id): str(person.user_id) if self._with_user_ids else pseudonym.spell(person.digest)
            for person in people
        }
        facts = self.facts if self._with_user_ids else _masked(self.facts, names.keys())
        return {**facts, "people": self._people(people, names), "blocks": self.packer.sizes if self.packer else []}

    def _people(self, people: list[Person], names: Mapping[str, str]) -> dict[str, list[Any]]:
        nobody = (None,) * 9
        standing = [self.standing.get(person.user_id, nobody) for person in people]
        columns: dict[str, list[Any]] = {
            "name": [names[str(person.user_id)] for person in people],
            "first": [_day(person.first_date) for person in people],
            "days": [person.days for person in people],
            "lastValid": [person.last_valid for person in people],
            "validDays": [person.valid_days for person in people],
            "alerts": [person.alerts for person in people],
            "nights": [person.nights for person in people],
            "status": [_number(row[0]) for row in standing],
            "before": [_number(row[1]) for row in standing],
            "since": [_day(row[7]) for row in standing],
            "weeks": [row[8] or "" for row in standing],
        }
        for place, name in enumerate(("recentDays", "baseDays", "recentSteps", "baseSteps", "slope"), start=2):
            columns[name] = [_short(row[place]) for row in standing]
        return columns


def read(connection: db.Connection, run_id: str, outcome: Outcome | None, *, with_user_ids: bool = False) -> Contents:
    """Read what a report of a run says. The days come later, while they are written.

    Arguments:
        connection: in a transaction that sees one snapshot, and that lasts until the report is written.
        run_id: the run.
        outcome: how it ends, where that is not on record yet.
        with_user_ids: call people by their user ids.

    """
    row = _queries.run(connection, run_id=run_id)
    facts: dict[str, Any] = {
        "version": __version__,
        "writtenAt": datetime.now(UTC).isoformat(timespec="seconds"),
        "hasUserIds": with_user_ids,
        "statuses": STATUSES,
        "run": _run(connection, row, outcome),
        "runs": [
            _named(row, ("id", "startedAt", "seconds", "status", "command", "error")) for row in _recent(connection)
        ],
        "files": _files(connection),
        "hasMarts": False,
    }
    contents = Contents(run_id, row[2], facts, _with_user_ids=with_user_ids)
    if _queries.marts_exist(connection):
        _read_marts(connection, contents)
    return contents


def _recent(connection: db.Connection) -> Iterable[tuple[Any, ...]]:
    rows: Iterable[tuple[Any, ...]] = _queries.recent_runs(connection)
    return rows


def _read_marts(connection: db.Connection, contents: Contents) -> None:
    as_of, user_days, first_date, last_date = _queries.extent(connection)
    rounding = precision(user_days)
    now, before = _counts(connection, as_of) if as_of else ([0] * _UNTOLD, [0] * _UNTOLD)
    contents.facts |= {
        "hasMarts": True,
        "asOf": _day(as_of),
        "firstDate": _day(first_date),
        "lastDate": _day(last_date),
        "userDays": user_days,
        "rounding": rounding,
        "counts": now,
        "countsBefore": before,
        "cohort": _columns(connection, _queries.cohort.sql),
        "retention": _columns(connection, _queries.retention.sql),
        "rules": [
            _named(row, ("rule", "in", "out", "rejected", "deduplicated", "conflicts"))
            for row in _queries.quality(connection)
        ],
    }
    contents.standing = {row[0]: row[1:] for row in _queries.people(connection, as_of_date=as_of)} if as_of else {}
    contents.packer = Packer(partial(_copy_days, connection), rounding)


def _copy_days(connection: db.Connection, packer: Packer) -> None:
    with connection.cursor() as cursor:
        cursor.copy_expert(f"copy ({_queries.days.sql.rstrip().rstrip(';')}) to stdout", packer)


def _counts(connection: db.Connection, as_of: date) -> tuple[list[int], list[int]]:
    now, before = [0] * _UNTOLD, [0] * _UNTOLD
    for day, status, users in _queries.counts(connection, as_of_date=as_of):
        (now if day == as_of else before)[STATUSES.index(status)] = users
    return now, before


def _run(connection: db.Connection, row: tuple[Any, ...], outcome: Outcome | None) -> dict[str, Any]:
    run = _named(row, ("id", "command", "startedAt", "finishedAt", "status", "error"))
    run_id = run["id"]
    if outcome:
        run |= {"status": "failure" if outcome.error else "success", "error": outcome.error, "hint": outcome.hint}
    fields = ("name", "attempt", "status", "startedAt", "seconds", "in", "out", "rejected", "error", "detail")
    run["steps"] = [_named(row, fields) for row in _queries.steps(connection, run_id=run_id)]
    for step in run["steps"]:
        detail = step.pop("detail") or {}
        step["files"] = detail.get("files")
    nodes = [
        _named(row, ("id", "type", "status", "failures", "rows", "ms", "message", "isOfRun"))
        for row in _queries.nodes(connection, run_id=run_id)
    ]
    for node in nodes:
        node["name"] = node.pop("id").split(".")[2]
    run["models"] = [node for node in nodes if node["type"] == "model"][:_SLOWEST]
    run["built"] = sum(node["type"] == "model" and node["status"] == "success" for node in nodes)
    run["tested"] = sum(node["type"] == "test" for node in nodes)
    run["passed"] = sum(node["status"] == "pass" for node in nodes)
    run["problems"] = [node for node in nodes if node["status"] in FAILED_NODE_STATUSES | {"warn"}][:_LISTED]
    return run


def _files(connection: db.Connection) -> dict[str, Any]:
    return {
        "byStatus": [
            _named(row, ("dataset", "status", "files", "read", "loaded", "rejected", "latestAt"))
            for row in _queries.files_by_status(connection)
        ],
        "latest": [
            _named(row, ("name", "dataset", "status", "at", "read", "loaded", "rejected", "reason"))
            for row in _queries.latest_files(connection)
        ],
        "rejected": [
            _named(row, ("dataset", "reason", "column", "rows", "files", "example"))
            for row in _queries.rejected(connection)
        ],
    }


def _columns(connection: db.Connection, statement: str) -> dict[str, list[Any]]:
    with connection.cursor() as cursor:
        cursor.execute(statement)
        names = [column.name for column in cursor.description or ()]
        columns = zip(*cursor.fetchall(), strict=True)
        values = [[_plain(value) for value in column] for column in columns] or [[] for _ in names]
    return dict(zip(names, values, strict=True))


def _named(row: Iterable[Any], names: Iterable[str]) -> dict[str, Any]:
    return {name: _plain(value) for name, value in zip(names, row, strict=True)}


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="seconds")
    if isinstance(value, date):
        return _day(value)
    if isinstance(value, str):
        return log.redact(value)
    return _short(value) if isinstance(value, float) else value


def _short(value: float | None) -> float | None:
    return None if value is None else round(value, 4)


def _day(value: date | None) -> int | None:
    return None if value is None else (value - _EPOCH).days


def _number(status: str | None) -> int:
    return STATUSES.index(status) if status else _UNTOLD


def _masked(value: Any, ids: Collection[str], name: str = "") -> Any:
    """Return the same without user ids in what comes from outside: who names files may name persons."""
    if isinstance(value, str):
        return pseudonym.without_numbers(value, ids) if name in _FROM_OUTSIDE else value
    if isinstance(value, dict):
        return {key: _masked(inner, ids, key) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_masked(inner, ids, name) for inner in value]
    return value
