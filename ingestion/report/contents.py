"""Read the figures of a report from the marts and from schema ops, in one snapshot."""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, date, datetime
from functools import partial
from typing import Any

from ingestion import __version__, db, follow_up, log
from ingestion.report import people, pseudonym
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
# as the page numbers them; the last is that of a participant without a status: no complete day yet, or enrolled later
_STATUS_NUMBERS = {status: number for number, status in enumerate((*STATUSES, None))}
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
        cells: how many of all participants are in which group and have which status.

    """

    run_id: str
    started_at: datetime
    facts: dict[str, Any]
    packer: Packer | None = None
    statuses: dict[str, Any] = field(default_factory=dict)
    by_group: dict[str, dict[str, list[Any]]] = field(default_factory=dict)
    told: follow_up.FollowUp | None = None
    cells: Counter[people.Cell] = field(default_factory=Counter)
    _with_user_ids: bool = False

    def figures(self) -> dict[str, Any]:
        """Return all figures except the blocks, ready for JSON. Call this after the last block."""
        participants = self.packer.participants if self.packer else []
        names = {
            participant.user_id: participant.user_id if self._with_user_ids else pseudonym.encode(participant.digest)
            for participant in participants
        }
        groups = Groups(people.places(self.cells), with_user_ids=self._with_user_ids)
        return {
            **self.facts,
            "groups": [asdict(group) for group in groups.shown],
            "hasHiddenGroups": groups.has_hidden,
            "minGroupUsers": MIN_USERS,
            **{name: groups.rows(columns) for name, columns in self.by_group.items()},
            "people": people.columns(self.cells, groups, _STATUS_NUMBERS),
            "participants": self._columns_of(participants, names, groups),
            "followUp": self._follow_up({participant.user_id: n for n, participant in enumerate(participants)}, groups),
            "blocks": self.packer.block_sizes if self.packer else [],
        }

    def _follow_up(self, numbers: Mapping[str, int], groups: Groups) -> dict[str, Any] | None:
        """Return whom to call, by the number of the participant on the page, and how many of all are to be called."""
        told = self.told
        if told is None:
            return None
        entries = [entry for entry in told.entries if entry.user_id in numbers]
        resolved = [(numbers[gone.user_id], gone.reason) for gone in told.resolved if gone.user_id in numbers]
        return {
            "people": people.call_columns(told.counts, groups),
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
            "status": [_STATUS_NUMBERS[row.status if row else None] for row in rows],
            "before": [_STATUS_NUMBERS[row.status_before if row else None] for row in rows],
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


def read(
    connection: db.Connection,
    run_id: str,
    outcome: Outcome | None,
    *,
    with_user_ids: bool = False,
    asked: Collection[str] = (),
) -> Contents:
    """Read the figures of a report. The days are read later, while the page is written.

    Arguments:
        connection: in a transaction that sees one snapshot and lasts until the page is written.
        run_id: the run.
        outcome: the outcome of the run, if the database does not have it yet.
        with_user_ids: show user ids instead of pseudonyms.
        asked: user ids or pseudonyms of participants who are shown, whether a very large study shows all or not.

    Raises:
        UsageError: nobody has one of the names in `asked`.

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
        _read_marts(connection, contents, people.find(connection, asked) if asked else [])
        if not with_user_ids:
            texts: list[str] = []
            _masked(facts, texts.append)
            contents.facts = _masked(contents.facts, people.mask(connection, texts))
    return contents


def _read_marts(connection: db.Connection, contents: Contents, asked: list[str]) -> None:
    extent = shown_extent = _queries.extent(connection)
    as_of = extent.as_of_date
    contents.cells = people.count(connection, as_of)
    is_sampled = contents.cells.total() > people.MOST_PEOPLE
    contents.told = follow_up.read(connection, most=people.CALLS_SHOWN if is_sampled else None, also=asked)
    chosen = people.choose(connection, contents.told, asked) if is_sampled else None
    shown = chosen.user_ids if chosen else None
    if chosen:
        shown_extent = _queries.extent_of(connection, shown=shown)
    rows = _queries.participants(connection, as_of_date=as_of, shown=shown) if as_of else ()
    contents.statuses = {row.user_id: row for row in rows}
    max_days = days_per_participant(shown_extent.user_days, shown_extent.participants)
    contents.facts |= {
        "hasMarts": True,
        "asOf": _day(as_of),
        "firstDate": _day(extent.first_date),
        "lastDate": _day(extent.last_date),
        "userDays": extent.user_days,
        "maxDays": max_days,
        "counts": _counts(contents.cells),
        "sample": chosen and {"asked": chosen.asked, "mostCalls": people.CALLS_SHOWN},
        "rules": _records(_queries.quality(connection)),
    }
    contents.by_group = {
        "cohort": _columns(connection, _queries.cohort.sql),
        "retention": _columns(connection, _queries.retention.sql),
        "flow": _columns(connection, _queries.flow.sql),
        "definitions": _columns(connection, _queries.definitions.sql),
        "unjudged": _columns(connection, _queries.unjudged.sql),
    }
    contents.packer = Packer(partial(_copy_days, connection, {"max_days": max_days, "shown": shown}))


def _copy_days(connection: db.Connection, parameters: Mapping[str, Any], packer: Packer) -> None:
    with connection.cursor() as cursor:
        query = cursor.mogrify(_queries.days.sql.rstrip().rstrip(";"), parameters).decode()
        cursor.copy_expert(f"copy ({query}) to stdout", packer)


def _counts(cells: Mapping[people.Cell, int]) -> list[int]:
    users = Counter[str | None]()
    for cell, many in cells.items():
        users[cell.status] += many
    return [users[status] for status in STATUSES]


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


def _masked(value: Any, mask: Callable[[str], object], name: str = "") -> Any:
    """Return a value with the user ids in it masked. The name of a file can contain one."""
    if isinstance(value, str):
        return mask(value) if name in _FIELDS_WITH_FILENAMES else value
    if isinstance(value, dict):
        return {key: _masked(inner, mask, key) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_masked(inner, mask, name) for inner in value]
    return value
