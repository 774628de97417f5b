"""The follow-up list: whom to call, why, and what has changed since a report or a digest has last shown it.

`marts.rpt_follow_up` has the list as it is now. `ops.follow_up_lists` and `ops.follow_up_entries` have the lists that
somebody has been shown.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any, Literal, NamedTuple
from uuid import UUID

from ingestion import db

Reason = Literal["never_started", "not_synchronising", "stopped", "wearing_less", "moving_less"]
Certainty = Literal["counted", "clear", "likely", "fading"]
Cause = Literal["not_worn", "not_synchronised", "battery_low", "unknown"]
WearingLessBy = Literal["fewer_days", "no_valid_day", "fewer_hours"]
ToldBy = Literal["report", "digest"]

# what the codes are called where a person reads them
REASONS: dict[Reason, str] = {
    "never_started": "never started",
    "not_synchronising": "not synchronising",
    "stopped": "stopped",
    "wearing_less": "wearing less",
    "moving_less": "moving less",
}
CERTAINTIES: dict[Certainty, str] = {"counted": "counted", "clear": "clear", "likely": "likely", "fading": "fading"}
CAUSES: dict[Cause, str] = {
    "not_worn": "not worn",
    "not_synchronised": "not synchronised",
    "battery_low": "battery low",
    "unknown": "not known",
}
WEARING_LESS_BY: dict[WearingLessBy, str] = {
    "fewer_days": "fewer days",
    "no_valid_day": "no valid day",
    "fewer_hours": "fewer hours",
}

# one text for each reason, whatever the number of people
_REASONS = {str(reason): reason for reason in REASONS}
_KEPT = timedelta(days=60)
_queries = db.queries("follow_up")


@dataclass(frozen=True)
class Entry:
    """A participant to call. The fields but the last are the columns of `marts.rpt_follow_up`.

    Arguments:
        position: the place on the list; 1 is to be called first.
        user_id: the participant.
        arm: the arm of the study; None if the roster has none.
        site: the site; None if the roster has none.
        as_of_date: the day that the list describes.
        reason: why to call.
        status: the status on that day, as in `marts.fct_user_status`.
        wearing_less_by: for the status `wearing_less`, what there is less of.
        since_date: the first day of the episode.
        said_on: since when the list has had this, without a break.
        certainty: how sure it is.
        evidence: the figure that the status was said by.
        threshold: the value of the evidence above which it is said.
        cause: whether it is the person or the device; None where the question does not arise.
        last_sync_date: the day of the last known synchronisation.
        battery_percent: the last known charge.
        battery_state: the last known charge in words.
        battery_read_date: the day of that reading.
        last_record_date: the day of the last record.
        last_valid_date: the last valid day.
        last_worn_date: the last day on which the device was worn.
        usual_steps: the median of the valid days at the start.
        recent_steps: the median of the last 14 days.
        is_new: the earlier list did not have the participant for this reason. False if there is no earlier list.

    """

    position: int
    user_id: str
    arm: str | None
    site: str | None
    as_of_date: date
    reason: Reason
    status: str
    wearing_less_by: WearingLessBy | None
    since_date: date | None
    said_on: date | None
    certainty: Certainty
    evidence: float | None
    threshold: float | None
    cause: Cause | None
    last_sync_date: date | None
    battery_percent: int | None
    battery_state: str | None
    battery_read_date: date | None
    last_record_date: date | None
    last_valid_date: date | None
    last_worn_date: date | None
    usual_steps: float | None
    recent_steps: float | None
    is_new: bool


@dataclass(frozen=True)
class Resolved:
    """A participant who was on the earlier list and need not be called any more.

    Arguments:
        user_id: the participant.
        reason: why they were to be called.
        status: the status now; None if the marts do not have the participant any more.

    """

    user_id: str
    reason: Reason
    status: str | None


class Kind(NamedTuple):
    """What the people of a list are counted by.

    Arguments:
        arm: the arm of the study; None if the roster has none.
        site: the site; None if the roster has none.
        reason: why to call.
        cause: whether it is the person or the device; None where the question does not arise.
        is_new: the earlier list did not have the participant for this reason.

    """

    arm: str | None
    site: str | None
    reason: Reason
    cause: Cause | None
    is_new: bool


@dataclass(frozen=True)
class FollowUp:
    """The follow-up list, and what has changed since the list before.

    Arguments:
        as_of_date: the day that it describes; None if the marts have nobody.
        compared_with: the day of the earlier list; None if there is none.
        entries: whom to call, in that order: all of them, or as many as were asked for.
        resolved: who was on the earlier list and is not on this one, for whatever reason.
        reasons: why to call, for everybody on the list.
        counts: how many of everybody on the list are of each kind.

    """

    as_of_date: date | None
    compared_with: date | None
    entries: list[Entry]
    resolved: list[Resolved]
    reasons: dict[str, Reason] = field(default_factory=dict)
    counts: Counter[Kind] = field(default_factory=Counter)


def exists(connection: db.Connection) -> bool:
    """Whether the marts have a follow-up list.

    Arguments:
        connection: any connection.

    """
    return bool(_queries.mart_exists(connection))


def read(
    connection: db.Connection,
    told_by: ToldBy = "report",
    *,
    before: date | None = None,
    most: int | None = None,
    also: Sequence[str] = (),
) -> FollowUp:
    """Return the follow-up list, compared with the last one of an earlier day.

    Arguments:
        connection: of a role that may read ops and the marts. The list must exist.
        told_by: compare with the lists that this has shown.
        before: compare with a list of a day before this one; by default, before the day that the list describes.
        most: the number of entries, from the first on; None for all. Everybody is counted, whoever has an entry.
        also: the user ids of others who have an entry if they are on the list.

    """
    rows = list(_queries.entries(connection, most=most, also=list(also)))
    as_of_date: date | None = rows[0].as_of_date if rows else _queries.latest_as_of_date(connection)
    earlier = _queries.earlier_list(connection, told_by=told_by, as_of_date=before or as_of_date)
    told: dict[str, Reason] = {}
    if earlier:
        told.update(
            (row.user_id, _REASONS[row.reason]) for row in _queries.entries_of(connection, list_id=earlier.list_id)
        )

    def is_new(row: Any) -> bool:
        return earlier is not None and told.get(row.user_id) != row.reason

    reasons: dict[str, Reason] = {}
    counts = Counter[Kind]()
    for row in rows if most is None else _queries.everybody(connection):
        reasons[row.user_id] = _REASONS[row.reason]
        counts[Kind(row.arm, row.site, reasons[row.user_id], row.cause, is_new(row))] += 1
    entries = [Entry(**row._asdict(), is_new=is_new(row)) for row in rows]
    over = sorted(told.keys() - reasons.keys())
    status_of = {row.user_id: row.status for row in _queries.statuses(connection, as_of_date=as_of_date, user_ids=over)}
    resolved = [Resolved(user_id, told[user_id], status_of.get(user_id)) for user_id in over]
    return FollowUp(as_of_date, earlier.as_of_date if earlier else None, entries, resolved, reasons, counts)


def roster(connection: db.Connection) -> list[str]:
    """Return everybody who is on the roster, in the order of their ids.

    Arguments:
        connection: of a role that may read the marts.

    """
    return [row.user_id for row in _queries.roster(connection)]


def record(connection: db.Connection, told_by: ToldBy, run_id: UUID, told: FollowUp) -> None:
    """Store that a list has been shown, in place of one of the same day. Drop lists that are 60 days older.

    The caller passes the list that it has shown: the mart may have changed since, and the role that writes ops cannot
    read the marts. A list is stored whole, also if only its first entries were read.

    Arguments:
        connection: in a transaction of the loader, which the caller commits.
        told_by: what has shown the list.
        run_id: the run that has shown it.
        told: the list.

    """
    if told.as_of_date is None:
        return
    _queries.delete_list(connection, told_by=told_by, as_of_date=told.as_of_date)
    list_id = _queries.insert_list(connection, told_by=told_by, as_of_date=told.as_of_date, run_id=str(run_id))
    _queries.insert_entries(
        connection,
        list_id=list_id,
        user_ids=list(told.reasons),
        reasons=list(told.reasons.values()),
    )
    _queries.delete_lists_before(connection, told_by=told_by, as_of_date=told.as_of_date - _KEPT)
