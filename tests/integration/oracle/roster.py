"""Who takes part, and whom an identifier means: dim_participant."""

import math
from collections import Counter
from collections.abc import Iterable
from datetime import date

import pandas as pd

from tests.integration.oracle.rows import DAY, Dates, Part, Roster


def meaning_of(identifiers: pd.DataFrame) -> dict[str, str]:
    """Return whom each identifier means: what the file with the greatest name says, if it says one thing."""
    said: dict[str, dict[bytes, set[str]]] = {}
    for row in identifiers.to_dict("records"):
        said.setdefault(row["identifier"], {}).setdefault(row["file_name"].encode(), set()).add(row["user_id"])
    latest = {identifier: files[max(files)] for identifier, files in said.items()}
    return {identifier: next(iter(users)) for identifier, users in latest.items() if len(users) == 1}


def roster_of(participants: pd.DataFrame) -> Roster:
    """Return what the file with the greatest name says of each participant."""
    roster: Roster = {}
    for row in sorted(participants.to_dict("records"), key=lambda row: row["file_name"].encode()):
        roster[row["user_id"]] = {str(name): None if pd.isna(value) else value for name, value in row.items()}
    return roster


def dates_of(parts: dict[str, list[Part]], recorded: list[tuple[str, date]], users: dict[str, pd.DataFrame]) -> Dates:
    """Return the days with a record and the valid days of everybody whom a file names."""
    dates: Dates = {part.user: ([], []) for rows in parts.values() for part in rows}
    for user, day in recorded:
        dates[user][0].append(day)
    for user, frame in users.items():
        dates[user][1].extend(frame["activity_date"][frame["is_valid_day"]])
    return dates


def participants(
    roster: Roster, identifiers: Iterable[str], dates: Dates, as_of: date | None
) -> dict[str, pd.DataFrame]:
    """Return dim_participant, or nothing without participants.

    Arguments:
        roster: what the roster says.
        identifiers: the participant of each identifier.
        dates: the days with a record, and the valid days, of everybody whom a file names.
        as_of: the last day that is counted.

    """
    known_as = Counter(identifiers)
    rows = []
    for user in sorted(dates.keys() | roster.keys()):
        listed = roster.get(user, {})
        recorded, valid = dates.get(user, ([], []))
        enrolled, ends, withdrawn = (listed.get(name) for name in ("enrolled_on", "ends_on", "withdrawn_on"))
        left = min((day for day in (ends, withdrawn) if day), default=None)
        first, last = min(recorded, default=None), max(recorded, default=None)
        enrolled_days = math.nan
        if enrolled and as_of:
            enrolled_days = 0
            while enrolled + enrolled_days * DAY <= min(as_of, left or as_of):
                enrolled_days += 1
        rows.append(
            {
                "user_id": user,
                "is_on_roster": user in roster,
                "has_data": user in dates,
                "enrolled_on": enrolled,
                "ends_on": ends,
                "withdrawn_on": withdrawn,
                "left_on": left,
                **{name: listed.get(name) for name in ("arm", "site", "time_zone", "device")},
                "n_identifiers": known_as[user],
                "first_record_date": first,
                "last_record_date": last,
                "last_valid_date": max(valid, default=None),
                "enrolled_days": enrolled_days,
                "days_after_leaving": max((last - left).days, 0) if last and left else math.nan,
                "days_before_enrolment": max((enrolled - first).days, 0) if first and enrolled else math.nan,
            }
        )
    return {"dim_participant": pd.DataFrame(rows)} if rows else {}
