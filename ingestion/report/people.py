"""Who is in a report: everyone in most studies; in a very large one, those to call and a sample of the others.

Every number about people counts everybody, whoever is shown. Only lists and pages of single participants are limited.
"""

from collections import Counter
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from typing import Any, NamedTuple

from ingestion import db, follow_up
from ingestion.errors import UsageError
from ingestion.report import pseudonym
from ingestion.report.days import decode_hex
from ingestion.report.groups import Groups, Place

# with more people, a report would have fewer than 13 weeks of each, and a browser more than 7 MB of their figures
MOST_PEOPLE = 20_000
# nobody calls more in a week; with the sample, a report has the latest 26 weeks of each
CALLS_SHOWN = 5_000
# a share of these people is off by at most 1.4 percentage points, 19 times in 20
SAMPLE_SIZE = 5_000

_queries = db.queries("report")


class Cell(NamedTuple):
    """What the people of a study are counted by.

    Arguments:
        arm: the arm of the study; None if the roster has none.
        site: the site; None if the roster has none.
        status: the status; None if there is none yet.
        before: the status seven days before.

    """

    arm: str | None
    site: str | None
    status: str | None
    before: str | None


@dataclass(frozen=True)
class Chosen:
    """The participants that a report shows, where it does not show all.

    Arguments:
        user_ids: all that are shown.
        asked: how many of them are shown because somebody asked for them by their name.

    """

    user_ids: list[str]
    asked: int


def count(connection: db.Connection, as_of_date: date | None) -> Counter[Cell]:
    """Count all participants: who is on the roster, and who has a day.

    Arguments:
        connection: of a role that may read the marts.
        as_of_date: the day of the status.

    """
    rows = _queries.people(connection, as_of_date=as_of_date)
    return Counter({Cell(row.arm, row.site, row.status, row.status_before): row.users for row in rows})


def places(cells: Mapping[Cell, int]) -> Counter[Place]:
    """Return how many participants are in each arm and at each site.

    Arguments:
        cells: all participants.

    """
    found = Counter[Place]()
    for cell, users in cells.items():
        found[cell.arm, cell.site] += users
    return found


def choose(connection: db.Connection, told: follow_up.FollowUp, asked: Collection[str]) -> Chosen:
    """Choose whom a report of a very large study shows: who is to be called, and a sample of the others.

    The sample is random, and has the same people from report to report as far as it can: those with the smallest hashes
    of their ids.

    Arguments:
        connection: of a role that may read the marts and `ops.report_key`.
        told: the follow-up list.
        asked: user ids of participants who are shown, whether they are chosen or not.

    """
    user_ids = dict.fromkeys(entry.user_id for entry in told.entries)
    user_ids |= dict.fromkeys(row.user_id for row in _queries.sample(connection, size=SAMPLE_SIZE))
    more = [user_id for user_id in asked if user_id not in user_ids]
    return Chosen([*user_ids, *more], len(more))


def find(connection: db.Connection, names: Collection[str]) -> list[str]:
    """Return the user ids of participants.

    Arguments:
        connection: of a role that may read the marts and `ops.report_key`.
        names: a user id or a pseudonym of each.

    Raises:
        UsageError: nobody has one of the names.

    """
    known = {row.user_id for row in _queries.known(connection, user_ids=list(names))}
    return [user_id for name in names for user_id in ([name] if name in known else _of_pseudonym(connection, name))]


def of_pseudonym(connection: db.Connection, text: str) -> list[str]:
    """Return the user ids that a pseudonym stands for. There is almost always exactly one, or none.

    Arguments:
        connection: of a role that may read the marts and `ops.report_key`.
        text: the pseudonym.

    Raises:
        UsageError: the text is not a pseudonym.

    """
    prefix = pseudonym.decode(text)
    rows = _queries.user_ids_of(connection, prefix_bytes=pseudonym.PREFIX_BYTES, prefix=prefix)
    return [row.user_id for row in rows]


def _of_pseudonym(connection: db.Connection, name: str) -> list[str]:
    found: list[str] = []
    with suppress(UsageError):
        found = of_pseudonym(connection, name)
    if not found:
        raise UsageError(
            "no participant in this database has this user id or pseudonym",
            hint="A pseudonym is that of the database that the report was made from.",
        )
    return found


def mask(connection: db.Connection, texts: Collection[str]) -> pseudonym.Mask:
    """Return a mask for the user ids that are in some texts. It needs no memory for those that are not.

    Arguments:
        connection: of a role that may read the marts.
        texts: the texts.

    """
    suspects = pseudonym.Suspects(_queries.longest_user_id(connection) or 0)
    for text in texts:
        suspects(text)
    found = _Found(suspects)
    with connection.cursor() as cursor:
        cursor.copy_expert(f"copy ({_queries.user_ids.sql.rstrip().rstrip(';')}) to stdout", found)
    return pseudonym.Mask(found.user_ids)


class _Found:
    """Keeps the suspects among the user ids that COPY sends, one a line.

    Arguments:
        suspects: what is looked for.

    """

    def __init__(self, suspects: pseudonym.Suspects) -> None:
        self._suspects = suspects
        self._incomplete_line = b""
        self.user_ids: list[str] = []

    def write(self, data: bytes) -> None:
        *lines, self._incomplete_line = (self._incomplete_line + data).split(b"\n")
        self.user_ids += [user_id for line in lines if (user_id := decode_hex(line).decode()) in self._suspects]


def columns(cells: Mapping[Cell, int], groups: Groups, numbers: Mapping[str | None, int]) -> dict[str, list[Any]]:
    """Return how many people of each group have which status, now and seven days before.

    Arguments:
        cells: all participants.
        groups: the groups that the report shows.
        numbers: the number of each status, and of None.

    """
    found = Counter[tuple[int, int, int]]()
    for cell, users in cells.items():
        for group in groups.numbers(cell.arm, cell.site):
            found[group, numbers[cell.status], numbers[cell.before]] += users
    return _transposed(("group", "status", "before", "users"), [(*key, users) for key, users in sorted(found.items())])


def call_columns(counts: Mapping[follow_up.Kind, int], groups: Groups) -> dict[str, list[Any]]:
    """Return how many people of each group are to be called, and why.

    Arguments:
        counts: everybody on the follow-up list.
        groups: the groups that the report shows.

    """
    found = Counter[tuple[int, follow_up.Reason, follow_up.Cause | None, bool]]()
    for kind, users in counts.items():
        for group in groups.numbers(kind.arm, kind.site):
            found[group, kind.reason, kind.cause, kind.is_new] += users
    rows = [(*key, users) for key, users in sorted(found.items(), key=str)]
    return _transposed(("group", "reason", "cause", "isNew", "users"), rows)


def _transposed(names: tuple[str, ...], rows: list[tuple[Any, ...]]) -> dict[str, list[Any]]:
    return {name: [row[place] for row in rows] for place, name in enumerate(names)}
