"""To which week a day belongs, and whether the week's digest may still be sent on it."""

from datetime import date, timedelta

from ingestion.config.digest import WEEKDAYS

_WEEK = 7


def week_of(weekday: str | None, today: date) -> date:
    """Return the last day with a weekday: a week begins with it.

    Arguments:
        weekday: its name; None for Monday.
        today: the present day, in UTC.

    """
    first = WEEKDAYS.index(weekday) if weekday else 0
    return today - timedelta(days=(today.weekday() - first) % _WEEK)


def week_to_send(weekday: str, today: date) -> date | None:
    """Return the week whose digest may be sent; None on the last day of a week, because the next digest is due then.

    Arguments:
        weekday: the name of the weekday.
        today: the present day, in UTC.

    """
    week = week_of(weekday, today)
    return None if (today - week).days == _WEEK - 1 else week
