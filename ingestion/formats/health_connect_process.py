"""The process that converts a table of a Health Connect export to CSV; `health_connect` starts it.

The database comes from a participant's telephone, or from anybody. It is opened for reading only, without trust in its
schema: only ordinary tables are read, by queries that are written here.
"""

import csv
import sqlite3
import sys
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from ingestion.formats.separate import limit

CANNOT_READ, NOT_HEALTH_CONNECT = 3, 4

_MEMORY_BYTES = 1 << 30
_MOST_SECONDS = 1_800
# of a text or a row; the longest that Health Connect writes is the icon of an app
_LONGEST_VALUE = 16 << 20
_APPS = "application_info_table"
_READS = frozenset({sqlite3.SQLITE_SELECT, sqlite3.SQLITE_FUNCTION})
# of sleep_stages_table, as Android numbers them: awake, and awake in bed
_AWAKE = (1, 7)
_SLEEPING, _LIGHT, _DEEP, _REM = 2, 4, 5, 6
_Row = tuple[Any, ...]


class _OddDatabaseError(Exception):
    """The database has something else where Health Connect has a table."""


def _steps(connection: sqlite3.Connection) -> Iterator[_Row]:
    for start, offset, count, app in connection.execute(
        "select r.start_time, r.start_zone_offset, r.count, a.package_name"
        " from steps_record_table as r left join application_info_table as a on a.row_id = r.app_info_id"
    ):
        yield _moment(start, offset), count, app


def _distance(connection: sqlite3.Connection) -> Iterator[_Row]:
    for start, offset, metres, app in connection.execute(
        "select r.start_time, r.start_zone_offset, r.distance, a.package_name"
        " from distance_record_table as r left join application_info_table as a on a.row_id = r.app_info_id"
    ):
        yield _moment(start, offset), _thousandth(metres), app


def _heart_rate(connection: sqlite3.Connection) -> Iterator[_Row]:
    for moment, offset, beats, app in connection.execute(
        "select s.epoch_millis, r.start_zone_offset, s.beats_per_minute, a.package_name"
        " from heart_rate_record_series_table as s"
        " left join heart_rate_record_table as r on r.row_id = s.parent_key"
        " left join application_info_table as a on a.row_id = r.app_info_id"
    ):
        yield _moment(moment, offset), beats, app


def _weight(connection: sqlite3.Connection) -> Iterator[_Row]:
    for moment, offset, grams, app in connection.execute(
        "select r.time, r.zone_offset, r.weight, a.package_name"
        " from weight_record_table as r left join application_info_table as a on a.row_id = r.app_info_id"
    ):
        yield _moment(moment, offset), _thousandth(grams), app


def _sleep(connection: sqlite3.Connection) -> Iterator[_Row]:
    stages: dict[Any, dict[int, int]] = defaultdict(dict)
    for session, stage, milliseconds in connection.execute(
        "select parent_key, stage_type, sum(stage_end_time - stage_start_time) from sleep_stages_table group by 1, 2"
    ):
        stages[session][stage] = milliseconds
    for session, begin, begin_offset, end, end_offset, app in connection.execute(
        "select r.row_id, r.start_time, r.start_zone_offset, r.end_time, r.end_zone_offset, a.package_name"
        " from sleep_session_record_table as r left join application_info_table as a on a.row_id = r.app_info_id"
    ):
        its = stages.get(session)
        yield (
            _moment(begin, begin_offset),
            _moment(end, end_offset),
            _minutes(its, _SLEEPING, _LIGHT, _DEEP, _REM),
            _minutes(its, *_AWAKE),
            _minutes(its, _LIGHT),
            _minutes(its, _DEEP),
            _minutes(its, _REM),
            round((end - begin) / 60_000) if isinstance(begin, int) and isinstance(end, int) else None,
            app,
        )


# by the name that the declaration gives as `table`: the tables of the database, the columns of the CSV, and its rows
_TABLES: dict[str, tuple[tuple[str, ...], tuple[str, ...], Callable[[sqlite3.Connection], Iterable[_Row]]]] = {
    "steps": (("steps_record_table",), ("start", "count", "app"), _steps),
    "distance": (("distance_record_table",), ("start", "kilometres", "app"), _distance),
    "heart_rate": (
        ("heart_rate_record_series_table", "heart_rate_record_table"),
        ("time", "beats_per_minute", "app"),
        _heart_rate,
    ),
    "weight": (("weight_record_table",), ("time", "kilograms", "app"), _weight),
    "sleep": (
        ("sleep_session_record_table", "sleep_stages_table"),
        ("start", "end", "asleep", "awake", "light", "deep", "rem", "in_bed", "app"),
        _sleep,
    ),
}


def _minutes(stages: dict[int, int] | None, *kinds: int) -> int | None:
    """Return the minutes in these stages, None for a session without stages."""
    return None if stages is None else round(sum(stages.get(kind, 0) for kind in kinds) / 60_000)


def _thousandth(value: Any) -> Any:
    """Return kilometres of metres, and kilograms of grams; what is no number is left as it is."""
    return value / 1000 if isinstance(value, int | float) else value


def _moment(milliseconds: Any, offset: Any) -> Any:
    """Return a moment in the local time that its record states, with its offset; or else what the database has."""
    try:
        zone = timezone(timedelta(seconds=offset or 0))
        moment = datetime.fromtimestamp(0, zone) + timedelta(milliseconds=milliseconds)
    except (TypeError, ValueError, OverflowError):
        return milliseconds
    return moment.isoformat(timespec="seconds")


def _open(path: Path, tables: Iterable[str]) -> sqlite3.Connection:
    connection = sqlite3.connect(f"{path.as_uri()}?mode=ro&immutable=1", uri=True)
    for name, value in (("trusted_schema", "off"), ("cell_size_check", "on"), ("query_only", "on"), ("mmap_size", "0")):
        connection.execute(f"pragma {name} = {value}")
    connection.text_factory = lambda data: data.decode(errors="replace")
    connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _LONGEST_VALUE)
    connection.setlimit(sqlite3.SQLITE_LIMIT_ATTACHED, 0)
    allowed = {_APPS, *tables, "sqlite_master"}
    kinds = dict(connection.execute("select name, type from sqlite_master where sql not like 'create virtual%'"))
    if any(kinds.get(name, "table") != "table" for name in allowed):
        raise _OddDatabaseError

    def authorise(action: int, table: str | None, *_: object) -> int:
        is_allowed = action in _READS or (action == sqlite3.SQLITE_READ and table in allowed)
        return sqlite3.SQLITE_OK if is_allowed else sqlite3.SQLITE_DENY

    connection.set_authorizer(authorise)
    if _APPS not in kinds:
        raise _OddDatabaseError
    return connection if all(name in kinds for name in tables) else _without_rows(connection)


class _NoRowsError(Exception):
    """The telephone has no such table yet."""


def _without_rows(connection: sqlite3.Connection) -> sqlite3.Connection:
    connection.close()
    raise _NoRowsError


def _main(path: Path, table: str, wanted: list[str]) -> int:
    """Write columns of a table of the database to standard output as CSV, and return the exit code."""
    limit(_MEMORY_BYTES, _MOST_SECONDS)
    tables, columns, rows = _TABLES[table]
    places = [columns.index(name) for name in wanted]
    output = csv.writer(sys.stdout, lineterminator="\n")
    try:
        for row in rows(_open(path, tables)):
            output.writerow([_on_one_line(row[place]) for place in places])
    except _NoRowsError:
        return 0
    except _OddDatabaseError:
        return NOT_HEALTH_CONNECT
    except sqlite3.Error:
        return CANNOT_READ
    return 0


def _on_one_line(value: Any) -> Any:
    return " ".join(value.split()) if isinstance(value, str) else value


if __name__ == "__main__":
    sys.exit(_main(Path(sys.argv[1]), sys.argv[2], sys.argv[3:]))
