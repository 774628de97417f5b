"""What differs between two releases: people, rows, statuses, cut-offs, versions and files.

Both files of a table are sorted by the same key, so they are read side by side, and no more than a row of each is in
memory. Only the people and their statuses on one day are remembered.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ingestion.errors import UsageError
from ingestion.release.dictionary import PARTICIPANT, PARTICIPANTS
from ingestion.release.reading import Data, Release, Row

STATUSES = "fct_user_status"
DAYS = "fct_user_day"
# what a person who is not in a release has in place of a status
NOT_IN_IT = "not in it"


@dataclass(frozen=True)
class Change:
    """A value that differs.

    Arguments:
        name: what it is the value of.
        before: the value in the first release; None where it has none.
        after: the value in the second release; None where it has none.

    """

    name: str
    before: Any
    after: Any


@dataclass
class TableChange:
    """How a table differs.

    Arguments:
        name: the table.
        added: rows that only the second release has.
        removed: rows that only the first release has.
        changed: rows of both with other values; None where the table has no key, so that no row has a counterpart.
        columns_changed: in how many rows each column has another value.
        columns_added: the columns that only the second release has.
        columns_removed: the columns that only the first release has.
        is_only_in: `before` or `after` if only that release has the table.
        is_keyed_otherwise: whether the rows have another key, so that they cannot be compared.

    """

    name: str
    added: int = 0
    removed: int = 0
    changed: int | None = 0
    columns_changed: Counter[str] = field(default_factory=Counter)
    columns_added: tuple[str, ...] = ()
    columns_removed: tuple[str, ...] = ()
    is_only_in: str | None = None
    is_keyed_otherwise: bool = False

    def __bool__(self) -> bool:
        """Whether anything differs."""
        differs = self.added or self.removed or self.changed or self.columns_added or self.columns_removed
        return bool(differs or self.is_only_in or self.is_keyed_otherwise)

    def count(self, before: Row | None, after: Row | None, columns: tuple[str, ...]) -> None:
        """Count a row.

        Arguments:
            before: its values in the first release; None if that has no such row.
            after: its values in the second release; None if that has no such row.
            columns: the names of the values.

        """
        if before is None:
            self.added += 1
        elif after is None:
            self.removed += 1
        elif before != after:
            self.changed = (self.changed or 0) + 1
            pairs = zip(columns, before, after, strict=True)
            self.columns_changed.update(column for column, old, new in pairs if old != new)


@dataclass(frozen=True)
class StatusChanges:
    """How many participants have another status.

    Arguments:
        before: the day of the statuses in the first release.
        after: the day of the statuses in the second release.
        counts: the number of participants by status before and status after, where the two differ.

    """

    before: str | None
    after: str | None
    counts: Counter[tuple[str, str]]


@dataclass
class Comparison:
    """What differs between two releases.

    Arguments:
        versions: versions and the state of the data.
        cut_offs: the cut-offs.
        files_added: the files that only the second release lists, as dataset, name and status.
        files_removed: the files that only the first release lists.
        people_added: the participants whom only the second release has.
        people_removed: the participants whom only the first release has.
        tables: the tables that differ.
        statuses: the statuses on the last day of each release.
        statuses_revised: the statuses on the last day of the first release, as each release has them.
        is_same: whether no file differs.

    """

    versions: list[Change] = field(default_factory=list)
    cut_offs: list[Change] = field(default_factory=list)
    files_added: list[str] = field(default_factory=list)
    files_removed: list[str] = field(default_factory=list)
    people_added: list[str] = field(default_factory=list)
    people_removed: list[str] = field(default_factory=list)
    tables: list[TableChange] = field(default_factory=list)
    statuses: StatusChanges | None = None
    statuses_revised: StatusChanges | None = None
    is_same: bool = False


def compare(first: Path, second: Path) -> Comparison:
    """Return what differs between two releases.

    Arguments:
        first: the folder of the earlier one.
        second: the folder of the later one.

    Raises:
        UsageError: a folder contains no release, or they name participants in different ways.
        BadDataError: a release was altered after it was written.

    """
    before, after = Release(first), Release(second)
    if before.checksums == after.checksums:
        return Comparison(is_same=True)
    for name, what in (("participants_are", "one has user ids"), ("pseudonyms_from_key", "two databases made them")):
        if before.versions[name] != after.versions[name]:
            raise UsageError(
                f"the releases name participants in different ways: {what}",
                hint="Compare two releases of one database, both with pseudonyms or both with user ids.",
            )
    found = Comparison()
    found.versions = _changes(before.versions, after.versions)
    found.cut_offs = _changes(
        *({row["name"]: row["value"] for row in each.listed("cut_offs")} for each in (before, after))
    )
    files = [Counter(_file(row) for row in each.listed("files")) for each in (before, after)]
    found.files_added = sorted((files[1] - files[0]).elements())
    found.files_removed = sorted((files[0] - files[1]).elements())
    statuses = _Statuses(before.versions["as_of_date"], after.versions["as_of_date"])
    for name in sorted(before.tables.keys() | after.tables.keys()):
        change = _compare(name, before, after, found, statuses)
        if change:
            found.tables.append(change)
    if statuses.is_read:
        found.statuses, found.statuses_revised = statuses.changes()
    return found


def _compare(
    name: str, before: Release, after: Release, found: Comparison, statuses: "_Statuses"
) -> TableChange | None:
    if name not in before.tables or name not in after.tables:
        return TableChange(name, is_only_in="before" if name in before.tables else "after")
    one, other = before.tables[name], after.tables[name]
    has_same_bytes = one.is_parquet == other.is_parquet and before.checksum_of(one) == after.checksum_of(other)
    # the same statuses are those of other days if the last day differs
    if has_same_bytes and (name != STATUSES or before.versions["as_of_date"] == after.versions["as_of_date"]):
        return None
    change = TableChange(
        name,
        changed=0 if one.key else None,
        columns_added=tuple(each for each in other.columns if each not in one.columns),
        columns_removed=tuple(each for each in one.columns if each not in other.columns),
    )
    has_same_columns = not (change.columns_added or change.columns_removed)
    change.is_keyed_otherwise = one.key != other.key or not (one.key or has_same_columns)
    if change.is_keyed_otherwise:
        return change
    for key, values, values_after, columns in _pairs(one, other):
        change.count(values, values_after, columns)
        if name == PARTICIPANTS and (values is None or values_after is None):
            (found.people_added if values is None else found.people_removed).append(key[0])
        if name == STATUSES:
            statuses.add(key, values, values_after, columns)
    return change


def _pairs(one: Data, other: Data) -> Iterator[tuple[Row, Row | None, Row | None, tuple[str, ...]]]:
    """Yield the key of each row, its other values in both files (None where one has not the row), and their columns."""
    common = tuple(name for name in one.columns if name in other.columns)
    key = tuple(sorted(one.key or common, key=lambda name: name != PARTICIPANT))
    columns = tuple(name for name in common if name not in key)
    split = len(key)
    as_parquet = one.is_parquet != other.is_parquet
    position = one.order(key)
    streams = [each.rows((*key, *columns), as_parquet=as_parquet) for each in (one, other)]
    left, right = (next(stream, None) for stream in streams)
    while left is not None or right is not None:
        if left is not None and right is not None and left[:split] == right[:split]:
            yield left[:split], left[split:], right[split:], columns
            left, right = (next(stream, None) for stream in streams)
        elif right is None or (left is not None and position(left[:split]) < position(right[:split])):
            assert left is not None  # noqa: S101
            yield left[:split], left[split:], None, columns
            left = next(streams[0], None)
        else:
            yield right[:split], None, right[split:], columns
            right = next(streams[1], None)


class _Statuses:
    """The statuses of everybody on the last day of each release.

    Arguments:
        before: the last day of the first release.
        after: the last day of the second release.

    """

    def __init__(self, before: str | None, after: str | None) -> None:
        self._days = (before, after)
        # as the first release has them, as the second has them, and as the second has them on the day of the first
        self._first: dict[str, str] = {}
        self._second: dict[str, str] = {}
        self._revised: dict[str, str] = {}
        self.is_read = False

    def add(self, key: Row, values: Row | None, values_after: Row | None, columns: tuple[str, ...]) -> None:
        self.is_read = True
        who, day = key
        if day not in self._days:
            return
        place = columns.index("status")
        if day == self._days[0] and values is not None:
            self._first[who] = values[place]
        if day == self._days[0] and values_after is not None:
            self._revised[who] = values_after[place]
        if day == self._days[1] and values_after is not None:
            self._second[who] = values_after[place]

    def changes(self) -> tuple[StatusChanges, StatusChanges]:
        before, after = self._days
        return (
            StatusChanges(before, after, _moves(self._first, self._second)),
            StatusChanges(before, before, _moves(self._first, self._revised)),
        )


def _moves(before: dict[str, str], after: dict[str, str]) -> Counter[tuple[str, str]]:
    everybody = before.keys() | after.keys()
    moves = Counter((before.get(who, NOT_IN_IT), after.get(who, NOT_IN_IT)) for who in everybody)
    return Counter({move: count for move, count in sorted(moves.items()) if move[0] != move[1]})


def _changes(before: dict[str, Any], after: dict[str, Any]) -> list[Change]:
    names = [*before, *(name for name in after if name not in before)]
    return [Change(name, before.get(name), after.get(name)) for name in names if before.get(name) != after.get(name)]


def _file(row: dict[str, str]) -> str:
    return f"{row['dataset']}: {row['file']} ({row['status']}, {row['rows_loaded']} rows, {row['sha256'][:12]})"
