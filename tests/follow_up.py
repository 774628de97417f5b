"""A follow-up list of which a test knows everything: the marts that it is read from, as tables."""

from collections.abc import Collection
from datetime import date, timedelta
from typing import Any

from ingestion import db

AS_OF = date(2026, 4, 27)

COLUMNS = {
    "position": "int",
    "user_id": "text",
    "arm": "text",
    "site": "text",
    "as_of_date": "date",
    "reason": "text",
    "status": "text",
    "wearing_less_by": "text",
    "since_date": "date",
    "said_on": "date",
    "certainty": "text",
    "evidence": "double precision",
    "threshold": "double precision",
    "cause": "text",
    "last_sync_date": "date",
    "battery_percent": "int",
    "battery_state": "text",
    "battery_read_date": "date",
    "last_record_date": "date",
    "last_valid_date": "date",
    "last_worn_date": "date",
    "usual_steps": "double precision",
    "recent_steps": "double precision",
}
_STATUS = {"not_synchronising": "stopped", "moving_less": "declining"}


def days_ago(days: int) -> date:
    return AS_OF - timedelta(days=days)


def entry(user_id: str, reason: str, **others: Any) -> dict[str, Any]:
    """A row of the mart; what `others` does not name is empty or likely."""
    return {
        **dict.fromkeys(COLUMNS),
        "user_id": user_id,
        "as_of_date": AS_OF,
        "reason": reason,
        "status": _STATUS.get(reason, reason),
        "since_date": days_ago(10),
        "said_on": days_ago(3),
        "certainty": "likely",
        **others,
    }


def write_marts(
    engine: db.Engine,
    *entries: dict[str, Any],
    statuses: dict[str, str] | None = None,
    as_of_date: date = AS_OF,
    roster: Collection[str] = (),
) -> None:
    """Write the marts, in place of what they had.

    Arguments:
        entries: the rows of the list, in their order.
        statuses: the statuses of those who are not on it.
        as_of_date: the day that the marts describe.
        roster: who is on the roster.

    """
    everybody = {each["user_id"]: each["status"] for each in entries} | (statuses or {})
    columns = ", ".join(f"{name} {kind}" for name, kind in COLUMNS.items())
    with db.transaction(engine) as connection, connection.cursor() as cursor:
        cursor.execute("create schema if not exists marts")
        cursor.execute("drop table if exists marts.rpt_follow_up, marts.fct_user_status, marts.dim_participant")
        cursor.execute(f"create table marts.rpt_follow_up ({columns})")
        cursor.execute("create table marts.fct_user_status (user_id text, as_of_date date, status text)")
        for position, each in enumerate(entries, start=1):
            values = {**each, "position": position, "as_of_date": as_of_date}
            cursor.execute(
                f"insert into marts.rpt_follow_up values ({', '.join('%s' for _ in COLUMNS)})",
                [values[name] for name in COLUMNS],
            )
        cursor.execute("create table marts.dim_participant (user_id text, is_on_roster boolean, arm text, site text)")
        groups = {each["user_id"]: (each["arm"], each["site"]) for each in entries}
        for user_id in everybody.keys() | set(roster):
            known = (user_id, user_id in roster, *groups.get(user_id, (None, None)))
            cursor.execute("insert into marts.dim_participant values (%s, %s, %s, %s)", known)
        for user_id, status in everybody.items():
            cursor.execute("insert into marts.fct_user_status values (%s, %s, %s)", (user_id, as_of_date, status))
