"""The packed days, the counts and the statuses of all participants are those of the marts."""

from dataclasses import replace
from datetime import date
from itertools import groupby
from pathlib import Path

import pytest

from ingestion import db, report
from ingestion.report import days
from tests.integration.report import reading
from tests.integration.report.conftest import Study

EPOCH = date(1970, 1, 1)
REASONS = [None, "no_record", "partial_day", "not_worn", "steps_missing", "steps_below_min", "steps_above_max"]
LETTERS = {"increasing": "i", "never_started": "0", "stopped": "x", "withdrawn": "l"}
DAYS = """
select
    day.user_id, day.activity_date, day.steps, round(usual.baseline_median)::int as median,
    round(1000 * usual.baseline_mad)::int as mad, day.minutes_asleep, day.invalid_reason,
    coalesce(usual.is_alert, false) as is_alert, day.wear_hours
from marts.fct_user_day as day
left join marts.fct_user_day_deviation as usual
    on day.user_id = usual.user_id and day.activity_date = usual.activity_date and usual.metric = 'steps'
order by day.user_id, day.activity_date
"""
STATUSES = "select user_id, as_of_date, status from marts.fct_user_status order by user_id, as_of_date"


def written(study: Study, path: Path) -> Path:
    settings = replace(study.settings, report_user_ids=True)
    report.write_latest(db.create_engine(settings), settings, path)
    return path


@pytest.mark.parametrize("latest", [None, 20])
def test_the_packed_days_are_those_of_the_marts(
    study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, latest: int | None
) -> None:
    # one block holds few participants, so that there are several
    monkeypatch.setattr(days, "_DAYS_PER_BLOCK", 300)
    if latest:
        ((participants,),) = study.rows(
            "select count(*) from marts.dim_participant where first_record_date is not null"
        )
        monkeypatch.setattr(days, "_MAX_DAYS", participants * latest)
    path = written(study, tmp_path / "report.html")
    figures = reading.figures(path)
    shown = figures["participants"]
    assert figures["maxDays"] == latest
    assert len(figures["blocks"]) > 1
    packed = dict(zip(shown["name"], reading.days(path), strict=True))
    place = {name: number for number, name in enumerate(shown["name"])}
    wanted = {user_id: list(rows) for user_id, rows in groupby(study.rows(DAYS), key=lambda row: str(row[0]))}
    assert {user_id for user_id, own in packed.items() if own} == wanted.keys()
    for user_id, rows in wanted.items():
        kept = rows[-latest:] if latest else rows
        at = place[user_id]
        assert packed[user_id] == [
            (
                steps,
                median,
                mad,
                asleep,
                REASONS.index(reason) + 8 * is_alert + 16 * (0 if hours is None else hours + 1),
            )
            for _, _, steps, median, mad, asleep, reason, is_alert, hours in kept
        ]
        assert shown["first"][at] == (kept[0][1] - EPOCH).days
        assert shown["began"][at] == (rows[0][1] - EPOCH).days
        assert shown["allDays"][at] == len(rows)
        assert shown["validDays"][at] == sum(row[6] is None for row in rows)
        assert shown["nights"][at] == sum(row[5] is not None for row in rows)
        assert shown["alerts"][at] == sum(row[7] for row in rows)


def test_the_changes_of_status_are_those_of_the_marts(study: Study, tmp_path: Path) -> None:
    shown = reading.figures(written(study, tmp_path / "report.html"))["participants"]
    changes = dict(zip(shown["name"], shown["changes"], strict=True))
    wanted = {}
    for user_id, rows in groupby(study.rows(STATUSES), key=lambda row: str(row[0])):
        stretches = [next(stretch) for _, stretch in groupby(rows, key=lambda row: row[2])]
        wanted[user_id] = " ".join(f"{LETTERS.get(row[2], row[2][0])}{(row[1] - EPOCH).days}" for row in stretches)
    assert {user_id: text for user_id, text in changes.items() if text} == wanted
    assert max(text.count(" ") for text in wanted.values()) >= 2, "somebody has several statuses"
