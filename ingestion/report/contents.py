"""Read the figures of a report from the marts and from schema ops, in one snapshot."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, date, datetime
from functools import partial
from typing import Any

from ingestion import __version__, db, follow_up, log
from ingestion.report import pseudonym
from ingestion.report.days import Packer, Participant, days_per_participant, status_changes
from ingestion.report.groups import MIN_USERS, Groups
from ingestion.results import FAILED_NODE_STATUSES

# in the order of the page: steady, need a look, stopped, too new, no longer in the study
STATUSES = (
    "increasing",
    "stable",
    "declining",
    "wearing_less",
    "never_started",
    "stopped",
    "new",
    "completed",
    "withdrawn",
)
# the number that the page uses for a participant without a status: no complete day yet, or enrolled later
_NO_STATUS = len(STATUSES)
_MAX_MODELS = 12
_MAX_PROBLEMS = 40

_EPOCH = date(1970, 1, 1)
# fields that can contain the name of a file, and so a user id
_FIELDS_WITH_FILENAMES = {"name", "example", "error", "hint", "reason", "message"}
_queries = db.queries("report")


@dataclass(frozen=True)
class Outcome:
    """The outcome of a run that has not ended yet: the report is its last step.

    Arguments:
        error: the redacted error in one line; None if the run succeeds.
        hint: what to do about it.

    """

    error: str | None = None
    hint: str | None = None


@dataclass
class Contents:
    """The figures of a report. Those of the participants are complete after `packer` has packed all blocks.

    Arguments:
        run_id: the run.
        started_at: when the run started.
        facts: all figures except those of single participants.
        packer: reads the days; None if the marts do not exist.
        statuses: the row of the query `participants` for each user id.
        by_group: the columns of the marts that have rows for everyone, for each arm and for each site.
        told: whom to call; None if the marts do not exist.

    """

    run_id: str
    started_at: datetime
    facts: dict[str, Any]
    packer: Packer | None = None
    statuses: dict[str, Any] = field(default_factory=dict)
    by_group: dict[str, dict[str, list[Any]]] = field(default_factory=dict)
    told: follow_up.FollowUp | None = None
    _with_user_ids: bool = False

    def figures(self) -> dict[str, Any]:
        """Return all figures except the blocks, ready for JSON. Call this after the last block."""
        participants = self.packer.participants if self.packer else []
        names = {
            participant.user_id: participant.user_id if self._with_user_ids else pseudonym.encode(participant.digest)
            for participant in participants
        }
        rows = [self.statuses.get(participant.user_id) for participant in participants]
        groups = Groups(
            [(row.arm, row.site) if row else (None, None) for row in rows], with_user_ids=self._with_user_ids
        )
        facts = self.facts if self._with_user_ids else _masked(self.facts, pseudonym.Mask(names))
        return {
            **facts,
            "groups": [asdict(group) for group in groups.shown],
            "hasHiddenGroups": groups.has_hidden,
            "minGroupUsers": MIN_USERS,
            **{name: groups.rows(columns) for name, columns in self.by_group.items()},
            "participants": self._columns_of(participants, names, groups),
            "followUp": self._follow_up({participant.user_id: n for n, participant in enumerate(participants)}),
            "blocks": self.packer.block_sizes if self.packer else [],
        }

    def _follow_up(self, numbers: Mapping[str, int]) -> dict[str, Any] | None:
        """Return whom to call, by the number of the participant on the page."""
        told = self.told
        if told is None:
            return None
        entries = [entry for entry in told.entries if entry.user_id in numbers]
        resolved = [(numbers.get(gone.user_id), gone.reason) for gone in told.resolved]
        return {
            "comparedWith": _day(told.compared_with),
            "resolved": [{"participant": number, "reason": reason} for number, reason in resolved],
            "participant": [numbers[entry.user_id] for entry in entries],
            "isNew": [entry.is_new for entry in entries],
            **{_camel_case(name): [_plain(getattr(entry, name)) for entry in entries] for name in _OF_ENTRIES},
        }

    def _columns_of(
        self, participants: list[Participant], names: Mapping[str, str], groups: Groups
    ) -> dict[str, list[Any]]:
        rows = [self.statuses.get(participant.user_id) for participant in participants]
        columns: dict[str, list[Any]] = {
            "name": [names[participant.user_id] for participant in participants],
            "first": [_day(participant.first_packed_date) for participant in participants],
            "days": [participant.packed_days for participant in participants],
            "began": [_day(participant.first_date) for participant in participants],
            "allDays": [participant.days for participant in participants],
            "validDays": [participant.valid_days for participant in participants],
            "alerts": [participant.alerts for participant in participants],
            "nights": [participant.nights for participant in participants],
            "status": [_status_number(row and row.status) for row in rows],
            "before": [_status_number(row and row.status_before) for row in rows],
            "changes": [status_changes(row.statuses) if row and row.status else "" for row in rows],
            "arm": [groups.number("arm", row.arm) if row else None for row in rows],
            "site": [groups.number("site", row.site) if row else None for row in rows],
            "wearingLessBy": [row.wearing_less_by if row else None for row in rows],
        }
        for name, column in _DATES.items():
            columns[name] = [_day(getattr(row, column)) if row else None for row in rows]
        for name, column in _FIGURES.items():
            columns[name] = [_short(getattr(row, column)) if row else None for row in rows]
        return columns


# what the page calls the dates and figures of a status: the column
_DATES = {
    "since": "since_date",
    "lastWorn": "last_worn_date",
    "enrolled": "enrolled_on",
    "left": "left_on",
}
_FIGURES = {
    "vsStart": "vs_start",
    "vsRecent": "vs_recent",
    "evidence": "evidence",
    "threshold": "threshold",
    "recentDays": "recent_valid_days",
    "recentSteps": "recent_median_steps",
    "baseSteps": "base_median_steps",
    "startSteps": "start_median_steps",
    "startDays": "start_valid_days",
    "wearHoursRatio": "wear_hours_ratio",
}
# queries of marts with rows for everyone, for each arm and for each site
# the fields of an entry of the follow-up list that the page shows
_OF_ENTRIES = (
    "reason",
    "since_date",
    "said_on",
    "certainty",
    "evidence",
    "threshold",
    "cause",
    "last_sync_date",
    "battery_percent",
    "battery_state",
    "battery_read_date",
    "last_valid_date",
    "usual_steps",
    "recent_steps",
)


def read(connection: db.Connection, run_id: str, outcome: Outcome | None, *, with_user_ids: bool = False) -> Contents:
    """Read the figures of a report. The days are read later, while the page is written.

    Arguments:
        connection: in a transaction that sees one snapshot and lasts until the page is written.
        run_id: the run.
        outcome: the outcome of the run, if the database does not have it yet.
        with_user_ids: show user ids instead of pseudonyms.

    """
    run = _queries.run(connection, run_id=run_id)
    facts: dict[str, Any] = {
        "version": __version__,
        "writtenAt": datetime.now(UTC).isoformat(timespec="seconds"),
        "hasUserIds": with_user_ids,
        "statuses": STATUSES,
        "run": _run(connection, run, outcome),
        "runs": _records(_queries.recent_runs(connection)),
        "files": {
            "byStatus": _records(_queries.files_by_status(connection)),
            "latest": _records(_queries.latest_files(connection)),
            "rejected": _records(_queries.rejected(connection)),
        },
        "hasMarts": False,
    }
    contents = Contents(run_id, run.started_at, facts, _with_user_ids=with_user_ids)
    if _queries.marts_exist(connection):
        _read_marts(connection, contents)
    return contents


def _read_marts(connection: db.Connection, contents: Contents) -> None:
    extent = _queries.extent(connection)
    as_of = extent.as_of_date
    rows = _queries.participants(connection, as_of_date=as_of) if as_of else ()
    contents.statuses = {row.user_id: row for row in rows}
    max_days = days_per_participant(extent.user_days, extent.participants)
    contents.facts |= {
        "hasMarts": True,
        "asOf": _day(as_of),
        "firstDate": _day(extent.first_date),
        "lastDate": _day(extent.last_date),
        "userDays": extent.user_days,
        "maxDays": max_days,
        "counts": _counts(connection, as_of) if as_of else [0] * _NO_STATUS,
        "rules": _records(_queries.quality(connection)),
    }
    contents.by_group = {
        "cohort": _columns(connection, _queries.cohort.sql),
        "retention": _columns(connection, _queries.retention.sql),
        "flow": _columns(connection, _queries.flow.sql),
        "definitions": _columns(connection, _queries.definitions.sql),
        "unjudged": _columns(connection, _queries.unjudged.sql),
    }
    contents.told = follow_up.read(connection)
    contents.packer = Packer(partial(_copy_days, connection, max_days))


def _copy_days(connection: db.Connection, max_days: int | None, packer: Packer) -> None:
    with connection.cursor() as cursor:
        query = cursor.mogrify(_queries.days.sql.rstrip().rstrip(";"), {"max_days": max_days}).decode()
        cursor.copy_expert(f"copy ({query}) to stdout", packer)


def _counts(connection: db.Connection, as_of: date) -> list[int]:
    users = {row.status: row.users for row in _queries.counts(connection, as_of_date=as_of)}
    return [users.get(status, 0) for status in STATUSES]


def _run(connection: db.Connection, row: Any, outcome: Outcome | None) -> dict[str, Any]:
    run = _record(row)
    run_id = run["id"]
    if outcome:
        run |= {"status": "failure" if outcome.error else "success", "error": outcome.error, "hint": outcome.hint}
    run["steps"] = _records(_queries.steps(connection, run_id=run_id))
    for step in run["steps"]:
        step["files"] = (step.pop("detail") or {}).get("files")
    nodes = _records(_queries.nodes(connection, run_id=run_id))
    for node in nodes:
        node["name"] = node.pop("nodeId").split(".")[2]
    run["models"] = [node for node in nodes if node["type"] == "model"][:_MAX_MODELS]
    run["built"] = sum(node["type"] == "model" and node["status"] == "success" for node in nodes)
    run["tested"] = sum(node["type"] == "test" for node in nodes)
    run["passed"] = sum(node["status"] == "pass" for node in nodes)
    run["problems"] = [node for node in nodes if node["status"] in FAILED_NODE_STATUSES | {"warn"}][:_MAX_PROBLEMS]
    return run


def _columns(connection: db.Connection, statement: str) -> dict[str, list[Any]]:
    with connection.cursor() as cursor:
        cursor.execute(statement)
        names = [column.name for column in cursor.description or ()]
        columns = zip(*cursor.fetchall(), strict=True)
        values = [[_plain(value) for value in column] for column in columns] or [[] for _ in names]
    return dict(zip(names, values, strict=True))


def _records(rows: Iterable[Any]) -> list[dict[str, Any]]:
    return [_record(row) for row in rows]


def _record(row: Any) -> dict[str, Any]:
    """Return a row as JSON has it: `rows_in` becomes `rowsIn`."""
    return {_camel_case(name): _plain(value) for name, value in row._asdict().items()}


def _camel_case(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(map(str.capitalize, others))


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


def _status_number(status: str | None) -> int:
    return STATUSES.index(status) if status else _NO_STATUS


def _masked(value: Any, mask: pseudonym.Mask, name: str = "") -> Any:
    """Return a value with the user ids in it masked. The name of a file can contain one."""
    if isinstance(value, str):
        return mask(value) if name in _FIELDS_WITH_FILENAMES else value
    if isinstance(value, dict):
        return {key: _masked(inner, mask, key) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_masked(inner, mask, name) for inner in value]
    return value
