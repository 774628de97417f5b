"""What is different between the present marts and those that a comparison has built."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Literal

from psycopg2.sql import Composable, Identifier

from ingestion import db, manifest
from ingestion.transform import inputs

# the statuses of somebody who is to be called, the most worrying first, and the others
TO_CALL = ("never_started", "stopped", "wearing_less", "declining")
_ORDER = (*TO_CALL, "new", "increasing", "stable", "completed", "withdrawn")
# the figures that decide a status, besides its evidence and threshold
_OF_EVERYBODY = ("valid_days", "recent_valid_days", "last_valid_date", "last_worn_date")
_OF_STATUS = {
    "never_started": (),
    "stopped": (),
    "wearing_less": ("wearing_less_by", "cusum_wear", "start_wear_rate", "wear_hours_ratio"),
    "new": ("start_valid_days",),
    "declining": ("start_median_steps", "cusum_down"),
    "increasing": ("start_median_steps", "cusum_up"),
    "stable": ("start_median_steps", "cusum_down", "cusum_up"),
}
_JUDGEMENT = ("evidence", "threshold")
_MARTS, _INTERMEDIATE = "marts", "intermediate"
_NOBODY = len(_ORDER)
_queries = db.queries("compare")

Figure = float | str | None


@dataclass(frozen=True)
class Side:
    """The marts of one side.

    Arguments:
        as_of_date: the last day with a status.
        people: how many have a status on it.
        valid_days: the valid days of all of them together.
        mean_steps: the mean of the steps of these days.
        alerts: the alerts of unusually few steps.

    """

    as_of_date: date | None
    people: int
    valid_days: int
    mean_steps: float | None
    alerts: int


@dataclass(frozen=True)
class CutOff:
    """A cut-off that differs.

    Arguments:
        name: the name of dbt's var.
        now: its value in the present marts.
        compared: its value in the comparison.

    """

    name: str
    now: Any
    compared: Any


@dataclass(frozen=True)
class ChangedFile:
    """A file of the dbt project that differs.

    Arguments:
        path: its path in there.
        change: what has happened to it since the present marts were built.

    """

    path: str
    change: Literal["new", "changed", "removed"]


@dataclass(frozen=True)
class Change:
    """Somebody whose status differs.

    Arguments:
        user_id: the participant.
        digest: the hash that the pseudonym is taken from.
        now: the present status; None where the participant has none.
        compared: the status in the comparison; None where the participant has none.
        now_since: the first day of the present status.
        compared_since: the first day of the status in the comparison.
        figures: those that decide and differ: now and compared, by the name of the column.

    """

    user_id: str
    digest: bytes
    now: str | None
    compared: str | None
    now_since: date | None
    compared_since: date | None
    figures: dict[str, tuple[Figure, Figure]]


@dataclass(frozen=True)
class Basis:
    """What the present marts were built from, as far as it is known, against what the comparison is built from.

    Arguments:
        cut_offs: the cut-offs that differ; None where those of the present marts are not known.
        files: the files that differ; None where those of the present marts are not known.
        notes: what else differs, so that a change may come of it.

    """

    cut_offs: list[CutOff] | None
    files: list[ChangedFile] | None
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Differences:
    """What is different.

    Arguments:
        now: the present marts.
        compared: the marts of the comparison.
        transitions: how many people have which status now and in the comparison, those included who keep theirs.
        moved: how many keep their status, but have it since another day.
        changes: everybody whose status differs, the most worrying first.

    """

    now: Side
    compared: Side
    transitions: dict[tuple[str | None, str | None], int]
    moved: int
    changes: list[Change]

    @property
    def people(self) -> int:
        """How many people have a status on either side."""
        return sum(self.transitions.values())


def basis(connection: db.Connection, schema: str, given: Mapping[str, Any]) -> Basis:
    """Return what the present marts were built from, against what a comparison is built from.

    Arguments:
        connection: a connection that may read `ops`.
        schema: the schema of the raw tables.
        given: the values of dbt's vars that the comparison is given.

    """
    build = _queries.last_build(connection)
    if build is None or build.cut_offs is None:
        note = "No record says from which cut-offs and files the present marts were built. The next build records it."
        return Basis(None, None, [note])
    notes = []
    if build.content_fingerprint != manifest.content_fingerprint(connection, schema):
        notes.append(
            "Files have been loaded or removed since the present marts were built: some changes may come of that."
        )
    if build.failed_run:
        notes.append(
            f"The build of run {build.failed_run[:8]} has failed: the present marts may be partly of that build,"
            " and partly of an earlier one."
        )
    cut_offs = inputs.cut_offs(given)
    names = dict.fromkeys([*build.cut_offs, *cut_offs])
    return Basis(
        [
            CutOff(name, build.cut_offs.get(name), cut_offs.get(name))
            for name in names
            if build.cut_offs.get(name) != cut_offs.get(name)
        ],
        _changed_files(build.files, inputs.checksums()) if build.files else None,
        notes,
    )


def read(connection: db.Connection, login: db.Connection, prefix: str) -> Differences:
    """Compare the marts.

    Arguments:
        connection: in a transaction of the role that owns both marts.
        login: a connection that may read the key of the pseudonyms.
        prefix: the prefix of the schemas of the comparison.

    """
    sides = {name: _of_side(_queries.people_of_side, of) for name, of in (("present", ""), ("compared", prefix))}
    people = _fetch(connection, db.composed(_queries.people, **sides))
    transitions = Counter((row.now_status, row.compared_status) for row in people)
    differing = [row for row in people if row.now_status != row.compared_status]
    digests = _queries.digests(login, user_ids=[row.user_id for row in differing])
    digest_of = {row.user_id: bytes(row.digest) for row in digests}
    changes = [
        Change(
            row.user_id,
            digest_of[row.user_id],
            row.now_status,
            row.compared_status,
            row.now_since,
            row.compared_since,
            _figures(row.now_figures or {}, row.compared_figures or {}),
        )
        for row in differing
    ]
    return Differences(
        now=_side(connection, "", sum(count for (now, _), count in transitions.items() if now)),
        compared=_side(connection, prefix, sum(count for (_, other), count in transitions.items() if other)),
        transitions=dict(transitions),
        moved=sum(row.now_status == row.compared_status and row.now_since != row.compared_since for row in people),
        changes=sorted(changes, key=_worry),
    )


def order_of(status: str | None) -> int:
    """Return the place of a status, the most worrying first; the last for none.

    Arguments:
        status: the status.

    """
    return _ORDER.index(status) if status in _ORDER else _NOBODY


def _worry(change: Change) -> tuple[int, int, int, bytes]:
    """Who would be called, then who would be called no more, then the others; by pseudonym, which reveals no id."""
    is_called, would_be = change.now in TO_CALL, change.compared in TO_CALL
    kind = 0 if would_be and not is_called else 1 if is_called and not would_be else 2 if is_called else 3
    places = (order_of(change.compared), order_of(change.now))
    return kind, *(places if kind != 1 else places[::-1]), change.digest


def _figures(now: Mapping[str, Any], compared: Mapping[str, Any]) -> dict[str, tuple[Figure, Figure]]:
    statuses = [side.get("status") for side in (now, compared)]
    names = [*_OF_EVERYBODY, *(name for status in statuses for name in _OF_STATUS.get(str(status), ()))]
    # a model of another version may lack a column
    pairs = {name: (now.get(name), compared.get(name)) for name in dict.fromkeys([*names, *_JUDGEMENT])}
    return {
        name: pair
        for name, pair in pairs.items()
        # of two statuses, the same evidence means something else
        if pair[0] != pair[1] or (name in _JUDGEMENT and pair != (None, None))
    }


def _changed_files(before: Mapping[str, str], after: Mapping[str, str]) -> list[ChangedFile]:
    changed = []
    for path in sorted({*before, *after}):
        if path not in before:
            changed.append(ChangedFile(path, "new"))
        elif path not in after:
            changed.append(ChangedFile(path, "removed"))
        elif before[path] != after[path]:
            changed.append(ChangedFile(path, "changed"))
    return changed


def _side(connection: db.Connection, prefix: str, people: int) -> Side:
    (row,) = _fetch(connection, _of_side(_queries.side, prefix))
    return Side(row.as_of_date, people, row.valid_days, row.mean_steps, row.alerts)


def _of_side(query: Any, prefix: str) -> Composable:
    return db.composed(query, marts=Identifier(prefix + _MARTS), intermediate=Identifier(prefix + _INTERMEDIATE))


def _fetch(connection: db.Connection, statement: Composable) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(statement)
        return list(cursor.fetchall())
