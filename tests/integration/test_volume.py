"""A dataset that brings fewer people or rows than usual on the weekday: the alert, its end, and what `status` says."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest

from ingestion import db, runner
from ingestion.alerts.channels.webhook import AnyWebhookSettings
from ingestion.config import AlertSettings, Settings
from ingestion.volume import read_volumes
from tests.drops import ACTIVITY_HEADER, Invoke, Landing
from tests.listeners import Service, serve

MONDAY = date(2026, 11, 23)


@pytest.fixture
def hook() -> Iterator[Service]:
    with serve(Service()) as service:
        yield service


@pytest.fixture
def settings(settings: Settings, hook: Service) -> Settings:
    alerts = AlertSettings(channels=(AnyWebhookSettings((f"{hook.url}/hook",)),), timeout_seconds=2.0)
    return replace(settings, alerts=alerts)


def sent(hook: Service) -> list[dict[str, Any]]:
    """The alerts since the last call."""
    bodies = [request.json for request in hook.requests]
    hook.requests.clear()
    return bodies


@pytest.fixture
def mart(landing: Landing) -> Landing:
    """The mart, without rows."""
    landing.rows(
        "create schema if not exists marts; create table marts.rpt_volume (dataset text, site text,"
        " delivery_date date, users int, rows_loaded bigint, usual_users double precision,"
        " usual_rows double precision, weeks int, is_low boolean, low_in text); select 1"
    )
    return landing


def deliver(mart: Landing, dataset: str, day: date, users: int, *, site: str = "all", usual: float | None = 36) -> None:
    """Add a delivery of one row a participant, which is low if it has less than half of the usual."""
    is_low = None if usual is None else users < usual * 0.6
    rows, usual_rows = (users, usual) if site == "all" else (None, None)
    low_in = ("rows" if site == "all" else "participants") if is_low else None
    values = (dataset, site, day, users, rows, usual, usual_rows, 8 if usual else 2, is_low, low_in)
    with db.transaction(mart.engine) as connection, connection.cursor() as cursor:
        cursor.execute(f"insert into marts.rpt_volume values ({', '.join(['%s'] * len(values))})", values)


def test_a_low_delivery_is_sent_once_and_the_next_normal_one_ends_it(
    settings: Settings, mart: Landing, hook: Service
) -> None:
    deliver(mart, "sleep", MONDAY - timedelta(1), 36)
    runner.run(settings, "migrate")
    assert sent(hook) == []
    deliver(mart, "sleep", MONDAY, 18)
    for _ in range(2):
        assert runner.run(settings, "migrate").exit_code == 0
    (body,) = sent(hook)
    assert (body["kind"], body["topic"], body["title"]) == (
        "volume",
        "volume/sleep",
        "wearables-pipeline: less sleep data than usual",
    )
    assert body["summary"] == (
        "sleep: fewer rows than usual on this weekday:"
        " 18 participants (usual: 36) and 18 rows (usual: 36) for Monday 2026-11-23"
    )
    assert body["more"] == "python -m ingestion status"
    # the next day is low as well, which is nothing new
    deliver(mart, "sleep", MONDAY + timedelta(1), 10)
    runner.run(settings, "migrate")
    assert sent(hook) == []
    # of a day that cannot be compared, nothing can be said
    deliver(mart, "sleep", MONDAY + timedelta(2), 36, usual=None)
    runner.run(settings, "migrate")
    assert sent(hook) == []
    deliver(mart, "sleep", MONDAY + timedelta(3), 35)
    for _ in range(2):
        runner.run(settings, "migrate")
    (body,) = sent(hook)
    assert (body["kind"], body["topic"]) == ("recovery", "volume/sleep")
    assert body["title"] == "wearables-pipeline: sleep data is as much as usual again"


def test_a_lasting_low_volume_is_sent_again(settings: Settings, mart: Landing, hook: Service) -> None:
    deliver(mart, "sleep", MONDAY, 18)
    runner.run(settings, "migrate")
    mart.rows("update ops.alerts set told = jsonb_build_object('webhook', now() - interval '25 hours') returning 1")
    runner.run(settings, "migrate")
    assert [(body["kind"], body["times"]) for body in sent(hook)] == [("volume", 1), ("volume", 2)]


def test_a_site_is_named_if_five_people_or_more_are_usual_there(
    settings: Settings, mart: Landing, hook: Service
) -> None:
    deliver(mart, "sleep", MONDAY, 36)
    deliver(mart, "sleep", MONDAY, 1, site="Planted", usual=4)
    deliver(mart, "sleep", MONDAY, 5, site="Bern", usual=12)
    deliver(mart, "sleep", MONDAY, 1, site="new", usual=None)
    runner.run(settings, "migrate")
    (body,) = sent(hook)
    assert body["causes"] == ["Bern"]
    assert body["summary"].startswith(
        "sleep from Bern: fewer participants than usual on this weekday: 5 participants (usual: 12) for Monday"
    )
    assert "Planted" not in json.dumps(body)


def test_a_delivery_of_long_ago_says_nothing_about_today(mart: Landing) -> None:
    deliver(mart, "sleep", MONDAY, 36)
    deliver(mart, "sleep", MONDAY - timedelta(7), 5, site="finished")
    deliver(mart, "weight", MONDAY - timedelta(6), 10)
    deliver(mart, "heart_rate", MONDAY - timedelta(8), 10)
    with db.session(mart.engine) as connection:
        found = read_volumes(connection)
    assert [(volume.dataset, volume.site, volume.is_low) for volume in found] == [
        ("sleep", "all", False),
        ("weight", "all", True),
    ]


def test_without_the_mart_nothing_is_said(settings: Settings, landing: Landing, hook: Service) -> None:
    assert runner.run(settings, "migrate").exit_code == 0
    with db.session(landing.engine) as connection:
        assert read_volumes(connection) == []
    assert sent(hook) == []


def test_status_warns(settings: Settings, mart: Landing, invoke: Invoke, capsys: pytest.CaptureFixture[str]) -> None:
    deliver(mart, "sleep", MONDAY, 18)
    runner.run(settings, "migrate")
    capsys.readouterr()
    assert invoke("status", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert [(each["state"], each["code"], each["dataset"]) for each in found["problems"]] == [
        ("warning", "low_volume", "sleep")
    ]
    (volume,) = found["volumes"]
    assert (volume["delivery_date"], volume["users"], volume["usual_users"]) == ("2026-11-23", 18, 36)
    assert invoke("status", "--probe") == 1
    assert capsys.readouterr().out.startswith("WARNING - sleep: fewer rows than usual on this weekday: 18 participants")
    assert invoke("status") == 0
    assert "fewer rows than usual" in capsys.readouterr().out


def test_nine_weeks_of_daily_files_of_which_the_last_is_halved(
    settings: Settings, landing: Landing, hook: Service
) -> None:
    def deliver_file(day: date, users: int) -> None:
        lines = (f"{4000 + user},{day:%m/%d/%Y},{7000 + 100 * user},25,13,328,728,1985" for user in range(users))
        landing.put(f"{day}/daily_activity.csv", "\n".join([ACTIVITY_HEADER, *lines, ""]).encode())

    people = 16
    for number in range(1, 63):
        # some come a day later
        deliver_file(MONDAY - timedelta(number), people - number % 3 // 2)
    assert runner.run(settings, "run").exit_code == 0
    assert sent(hook) == []
    deliver_file(MONDAY, people // 2)
    for _ in range(2):
        assert runner.run(settings, "run").exit_code == 0
    (body,) = sent(hook)
    assert (body["kind"], body["topic"], body["causes"]) == ("volume", "volume/daily_activity", ["all"])
    assert body["summary"] == (
        "daily_activity: fewer participants and rows than usual on this weekday:"
        " 8 participants (usual: 16) and 8 rows (usual: 16) for Monday 2026-11-23"
    )
    deliver_file(MONDAY + timedelta(1), people)
    for _ in range(2):
        assert runner.run(settings, "run").exit_code == 0
    assert [(body["kind"], body["topic"]) for body in sent(hook)] == [("recovery", "volume/daily_activity")]
