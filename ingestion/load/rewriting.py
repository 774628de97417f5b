"""Values that devices write otherwise than PostgreSQL reads them.

These are durations, moments since 1970, words, and moments in UTC beside their offset. A text of another form is left
as it is, so that PostgreSQL rejects it.
"""

import re
from datetime import UTC, datetime, timedelta, timezone

from ingestion.sources import Column

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_WHOLE = re.compile(r"-?\d{1,15}")
_DURATION = re.compile(r"PT(?:(\d{1,6})H)?(?:(\d{1,6})M)?(?:(\d{1,9})(?:\.\d{1,9})?S)?")
_DATE_AND_SECONDS = re.compile(r"(\d{4}-\d{2}-\d{2}) (\d{1,5})")
# UTC+02:00, UTC-0500, +02:00, UTCZ, Z
_OFFSET = re.compile(r"(?:UTC|GMT)?(?:([+-])(\d{1,2}):?(\d{2})|Z)?", re.IGNORECASE)
_MOST_MINUTES = 24 * 60


def rewrite(column: Column, text: str, offset: str | None = None) -> str:
    """Return a value as PostgreSQL reads it.

    Arguments:
        column: the column, which says how its values are written.
        text: the value.
        offset: the value of the column with its offset from UTC, where there is one.

    """
    text = text.strip()
    if column.values:
        return dict(column.values).get(text.casefold(), text)
    if column.written:
        text = _READERS[column.written](text)
    if column.offset or column.shift:
        minutes = minutes_east(offset or "")
        if minutes is None and offset:
            # no offset of any clock, so that the row is rejected
            return f"{text} {offset}"
        return _with_offset(text, minutes, is_utc=bool(column.shift))
    return text


def minutes_east(offset: str) -> int | None:
    """Return an offset from UTC in minutes, None where the text is none.

    Arguments:
        offset: such as `UTC+02:00`, `-0500` or `UTCZ`.

    """
    found = _OFFSET.fullmatch(offset.strip())
    if not found or not found[0]:
        return None
    minutes = int(found[2] or 0) * 60 + int(found[3] or 0)
    return None if minutes >= _MOST_MINUTES else -minutes if found[1] == "-" else minutes


def _with_offset(text: str, minutes: int | None, *, is_utc: bool) -> str:
    """Return a moment in local time with its offset; one in UTC stays so where that is unknown."""
    if minutes is None and not is_utc:
        return text
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return text
    zone = timezone(timedelta(minutes=minutes or 0))
    if is_utc:
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        try:
            # Z says that the offset of the place is unknown
            return moment.astimezone(zone).isoformat(" ") if minutes is not None else f"{moment:%Y-%m-%d %H:%M:%S}Z"
        except OverflowError:
            return text
    return moment.replace(tzinfo=zone).isoformat(" ")


def _from_milliseconds(text: str) -> str:
    if not _WHOLE.fullmatch(text):
        return text
    try:
        return f"{_EPOCH + timedelta(milliseconds=int(text)):%Y-%m-%d %H:%M:%S}"
    except OverflowError:
        return text


def _seconds(text: str) -> str:
    found = _DURATION.fullmatch(text)
    if not found or text == "PT":
        return text
    hours, minutes, seconds = (int(part or 0) for part in found.groups())
    return str(3600 * hours + 60 * minutes + seconds)


def _moment_of_day(text: str) -> str:
    found = _DATE_AND_SECONDS.fullmatch(text)
    if not found:
        return text
    try:
        return str(datetime.fromisoformat(found[1]) + timedelta(seconds=int(found[2])))
    except (ValueError, OverflowError):
        return text


_READERS = {
    "epoch_ms": _from_milliseconds,
    "iso_duration": _seconds,
    "date_and_seconds": _moment_of_day,
}
