"""A small export of Health Connect, with the columns that are read of the real one."""

import sqlite3
from contextlib import closing
from datetime import datetime
from pathlib import Path

_TABLES = """
create table application_info_table (
    row_id integer primary key, package_name text not null unique, app_name text, app_icon blob, record_types_used text
);
create table steps_record_table (
    row_id integer primary key autoincrement, uuid blob, app_info_id integer, start_time integer,
    start_zone_offset integer, end_time integer, end_zone_offset integer, local_date integer, count integer,
    local_date_time_start_time integer as (start_time + 1000 * start_zone_offset)
);
create table sleep_session_record_table (
    row_id integer primary key autoincrement, uuid blob, app_info_id integer, start_time integer,
    start_zone_offset integer, end_time integer, end_zone_offset integer, local_date integer, notes text, title text
);
create table sleep_stages_table (
    parent_key integer not null, stage_start_time integer not null, stage_end_time integer not null,
    stage_type integer not null
);
create table weight_record_table (
    row_id integer primary key autoincrement, uuid blob, app_info_id integer, time integer, zone_offset integer,
    local_date integer, weight real
);
create table heart_rate_record_table (
    row_id integer primary key autoincrement, uuid blob, app_info_id integer, start_time integer,
    start_zone_offset integer, end_time integer, end_zone_offset integer, local_date integer
);
create table heart_rate_record_series_table (parent_key integer, beats_per_minute integer, epoch_millis integer);
"""
_WATCH, _TELEPHONE = 1, 2
_EAST, _WEST = 3600, -14400
_MINUTE = 60_000
# minutes after the beginning, and the stage as Android numbers it
_STAGES = ((0, 30, 1), (30, 240, 4), (240, 330, 5), (330, 450, 6), (450, 480, 4))


def write(path: Path) -> None:
    """Write an export of a day and a half: steps that two devices counted, two nights, a weighing and two heart rates.

    Arguments:
        path: a file that does not exist yet.

    """
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(_TABLES)
        insert(connection, "application_info_table", row_id=_WATCH, package_name="com.invented.watch")
        insert(connection, "application_info_table", row_id=_TELEPHONE, package_name="com.invented.phone")
        morning = _at("2026-03-13T07:00:00+01:00")
        for app, count in ((_WATCH, 412), (_TELEPHONE, 205)):
            insert(
                connection,
                "steps_record_table",
                app_info_id=app,
                start_time=morning,
                start_zone_offset=_EAST,
                count=count,
            )
        for app, begin, end, offset in (
            (_WATCH, "2026-03-12T23:00:00+01:00", "2026-03-13T07:00:00+01:00", _EAST),
            (_TELEPHONE, "2026-03-14T23:00:00-04:00", "2026-03-15T06:30:00-04:00", _WEST),
        ):
            insert(
                connection,
                "sleep_session_record_table",
                app_info_id=app,
                start_time=_at(begin),
                start_zone_offset=offset,
                end_time=_at(end),
                end_zone_offset=offset,
            )
        night = _at("2026-03-12T23:00:00+01:00")
        for first, last, stage in _STAGES:
            insert(
                connection,
                "sleep_stages_table",
                parent_key=1,
                stage_start_time=night + first * _MINUTE,
                stage_end_time=night + last * _MINUTE,
                stage_type=stage,
            )
        insert(
            connection,
            "weight_record_table",
            app_info_id=_WATCH,
            time=morning + 10 * _MINUTE,
            zone_offset=_EAST,
            weight=71400.0,
        )
        insert(connection, "heart_rate_record_table", app_info_id=_WATCH, start_time=morning, start_zone_offset=_EAST)
        for seconds, beats in ((5, 58), (15, 61)):
            insert(
                connection,
                "heart_rate_record_series_table",
                parent_key=1,
                beats_per_minute=beats,
                epoch_millis=morning + seconds * 1000,
            )
        connection.commit()


def insert(connection: sqlite3.Connection, table: str, **values: object) -> None:
    """Insert a row."""
    places = ", ".join("?" * len(values))
    connection.execute(f"insert into {table} ({', '.join(values)}) values ({places})", tuple(values.values()))


def _at(moment: str) -> int:
    return round(datetime.fromisoformat(moment).timestamp() * 1000)
