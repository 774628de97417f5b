"""Alerts of real runs: each channel gets what is new once, and its end; the run ends as it would without alerts."""

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from ingestion import db, embedded, runner
from ingestion.alerts import incidents, observer
from ingestion.alerts.channels.github import GitHubSettings
from ingestion.alerts.channels.mail import MailSettings
from ingestion.alerts.channels.ping import PingSettings
from ingestion.alerts.channels.slack import SlackSettings
from ingestion.alerts.channels.teams import TeamsSettings
from ingestion.alerts.channels.textfile import TextfileSettings
from ingestion.alerts.channels.webhook import AnyWebhookSettings
from ingestion.alerts.incidents import Rules
from ingestion.cli import main
from ingestion.config import ROOT, AlertSettings, Database, Freshness, Settings
from ingestion.errors import DatabaseUnavailableError, Interrupted
from ingestion.results import RunResult
from ingestion.sources import persons
from tests.drops import SLEEP_HEADER, Landing, sleep
from tests.listeners import Answer, GitHubService, Service, serve, serve_mail

BAD = b"Id\n1\n"


@pytest.fixture
def hook() -> Iterator[Service]:
    with serve(Service()) as service:
        yield service


@pytest.fixture
def alerts(hook: Service, tmp_path: Path) -> AlertSettings:
    return AlertSettings(
        channels=(AnyWebhookSettings((f"{hook.url}/hook",)),),
        timeout_seconds=0.5,
        attempts=2,
        total_seconds=2.0,
        state_file=tmp_path / "state" / "alerts",
    )


@pytest.fixture
def settings(settings: Settings, alerts: AlertSettings) -> Settings:
    return replace(settings, alerts=alerts, lock_wait_seconds=0.2)


def kinds_and_topics(hook: Service) -> list[tuple[str, str]]:
    """The kind and topic of each alert sent since the last call."""
    bodies = [request.json for request in hook.requests]
    hook.requests.clear()
    return [(body["kind"], body["topic"]) for body in bodies]


def test_a_failure_and_its_end_are_sent_once(settings: Settings, landing: Landing, hook: Service) -> None:
    landing.put("sleep.csv", BAD)
    first = runner.run(settings, "ingest")
    (body,) = [request.json for request in hook.requests]
    assert body["title"] == "wearables-pipeline: ingest failed"
    assert body["summary"].startswith("ingest: FilesRefusedError: sleep.csv: ")
    assert body["hint"]
    assert body["more"] == f"python -m ingestion runs show {first.run_id}"
    assert (body["command"], body["exit_code"], body["files"]) == ("ingest", 65, {"refused": 1})
    assert kinds_and_topics(hook) == [("failure", "failure/ingest")]
    for _ in range(3):
        assert runner.run(settings, "ingest").exit_code == 65
    assert kinds_and_topics(hook) == []
    assert landing.rows("select times, summary like 'ingest: %', closed_at from ops.alerts") == [(4, True, None)]
    landing.put("sleep.csv", sleep(1))
    assert runner.run(settings, "ingest").exit_code == 0
    (body,) = [request.json for request in hook.requests]
    assert (body["kind"], body["is_over"], body["times"]) == ("recovery", True, 4)
    assert body["summary"].startswith("It was: ingest: FilesRefusedError")
    hook.requests.clear()
    assert runner.run(settings, "ingest").exit_code == 0
    assert kinds_and_topics(hook) == []
    landing.put("sleep.csv", BAD)
    runner.run(settings, "ingest")
    assert kinds_and_topics(hook) == [("failure", "failure/ingest")]


def test_the_example_of_the_docs_is_a_real_alert(settings: Settings, landing: Landing, hook: Service) -> None:
    landing.put("sleep.csv", sleep(1, 2).replace(b"TotalMinutesAsleep", b"Asleep"))
    landing.put("sleep_2.csv", sleep(3, 4))
    run = runner.run(settings, "ingest")
    (alert,) = [request.json for request in hook.requests]
    page = (ROOT / "docs" / "alerts.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"```json\n(.*?)```", page, re.DOTALL)
    shown = json.loads(example)
    # what differs from run to run
    alert |= {"since": shown["since"], "duration_seconds": shown["duration_seconds"], "run_id": shown["run_id"]}
    alert["more"] = alert["more"].replace(str(run.run_id), shown["run_id"])
    assert alert == shown


def test_a_new_cause_is_sent_and_a_cause_that_is_gone_is_not(
    settings: Settings, landing: Landing, hook: Service
) -> None:
    landing.put("sleep.csv", BAD)
    runner.run(settings, "ingest")
    landing.put("sleep_2.csv", BAD)
    runner.run(settings, "ingest")
    assert kinds_and_topics(hook) == [("failure", "failure/ingest")] * 2
    landing.put("sleep.csv", sleep(1))
    runner.run(settings, "ingest")
    # another error of the same command is a new cause
    runner.run(replace(settings, data_dir=str(landing.root / "nowhere")), "ingest")
    assert kinds_and_topics(hook) == [("failure", "failure/ingest")]


def test_a_run_closes_the_failures_of_its_parts(settings: Settings, landing: Landing, hook: Service) -> None:
    runner.run(replace(settings, data_dir=str(landing.root / "nowhere")), "ingest")
    kinds_and_topics(hook)
    runner.run(settings, "migrate")
    assert kinds_and_topics(hook) == []
    landing.put("sleep.csv", sleep(1))
    assert runner.run(settings, "ingest").exit_code == 0
    assert kinds_and_topics(hook) == [("recovery", "failure/ingest")]


def test_a_lasting_failure_is_sent_again(settings: Settings, landing: Landing, hook: Service) -> None:
    landing.put("sleep.csv", BAD)
    runner.run(settings, "ingest")
    landing.rows("update ops.alerts set told = jsonb_build_object('webhook', now() - interval '25 hours') returning 1")
    hook.requests.clear()
    runner.run(settings, "ingest")
    (body,) = [request.json for request in hook.requests]
    assert (body["title"], body["times"]) == ("wearables-pipeline: ingest failed again", 2)
    hook.requests.clear()
    runner.run(settings, "ingest")
    assert kinds_and_topics(hook) == []


def test_the_next_run_repeats_the_alert_for_a_failed_channel_only(
    settings: Settings, alerts: AlertSettings, landing: Landing, hook: Service
) -> None:
    with serve(Service(Answer(503), Answer(503), Answer())) as broken:
        settings = replace(
            settings,
            alerts=replace(alerts, channels=(SlackSettings((broken.url,)), *alerts.channels), timeout_seconds=0.1),
        )
        landing.put("sleep.csv", BAD)
        assert runner.run(settings, "ingest").exit_code == 65
        assert len(broken.requests) == 2
        assert landing.rows("select array(select jsonb_object_keys(told)) from ops.alerts") == [(["webhook"],)]
        for _ in range(2):
            runner.run(settings, "ingest")
        assert len(broken.requests) == 3
        # the end is sent to each channel that got the beginning
        broken.answers = [Answer(503), Answer(503), Answer()]
        landing.put("sleep.csv", sleep(1))
        for _ in range(3):
            runner.run(settings, "ingest")
        assert len(broken.requests) == 6
    assert kinds_and_topics(hook) == [("failure", "failure/ingest"), ("recovery", "failure/ingest")]


def test_several_channels_of_which_one_is_broken(  # noqa: PLR0917
    settings: Settings,
    alerts: AlertSettings,
    landing: Landing,
    hook: Service,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    with ExitStack() as stack:
        github = stack.enter_context(serve(GitHubService()))
        mail = stack.enter_context(serve_mail())
        assert isinstance(github, GitHubService)
        everything = replace(
            alerts,
            channels=(
                TeamsSettings(("http://127.0.0.1:1/planted-teams-secret",)),
                *alerts.channels,
                MailSettings(f"smtp://127.0.0.1:{mail.port}?tls=none", ("ops@example.org",)),
                GitHubSettings(github.repository, github.token, github.url),
                PingSettings(f"{hook.url}/ping"),
                TextfileSettings(tmp_path / "pipeline.prom"),
            ),
        )
        settings = replace(settings, alerts=everything)
        landing.put("sleep.csv", BAD)
        failed = runner.run(settings, "ingest")
        assert failed.exit_code == 65
        assert github.open_titles() == ["wearables-pipeline: ingest failed"]
        assert [message["Subject"] for message in mail.mails] == ["wearables-pipeline: ingest failed"]
        assert [request.path for request in hook.requests if "rid" in request.query] == ["/ping/start", "/ping/fail"]
        log_tail = hook.requests[-1].body.decode() + hook.requests[-2].body.decode()
        assert "ingest    sleep.csv (sleep): refused" in log_tail
        assert 'last_run_success{command="ingest"} 0.0' in (tmp_path / "pipeline.prom").read_text()
        assert "teams could not send an alert (failure): cannot connect to 127.0.0.1: Connection refused" in caplog.text
        assert "planted" not in caplog.text
        landing.put("sleep.csv", sleep(1))
        assert runner.run(settings, "ingest").exit_code == 0
        assert github.open_titles() == []
        assert len(github.comments[1]) == 1
        assert len(mail.mails) == 2
        assert 'last_file_timestamp_seconds{dataset="sleep"}' in (tmp_path / "pipeline.prom").read_text()


def test_the_next_run_of_any_command_reports_a_dead_run(settings: Settings, landing: Landing, hook: Service) -> None:
    def dies(run_id: str) -> None:
        landing.rows(
            "insert into ops.pipeline_runs (run_id, started_at, status, command)"
            f" values ('{run_id}', now() - interval '1 hour', 'running', 'ingest') returning 1"
        )

    dies("00000000-0000-4000-8000-000000000001")
    assert runner.run(settings, "migrate").exit_code == 0
    (body,) = [request.json for request in hook.requests]
    assert (body["kind"], body["topic"], body["run_id"]) == (
        "died",
        "failure/ingest",
        "00000000-0000-4000-8000-000000000001",
    )
    dies("00000000-0000-4000-8000-000000000002")
    runner.run(settings, "migrate")
    hook.requests.clear()
    landing.put("sleep.csv", sleep(1))
    runner.run(settings, "ingest")
    assert kinds_and_topics(hook) == [("recovery", "failure/ingest")]


def test_a_stale_dataset_is_reported(settings: Settings, landing: Landing, hook: Service) -> None:
    settings = replace(settings, stale_after=Freshness(hours=36, by_dataset={"weight": 0}))
    landing.put("sleep.csv", sleep(1))
    landing.put("weight.csv", b"Id,Date,WeightKg\n1,5/2/2016 11:59:59 PM,52.6\n")
    runner.run(settings, "ingest")
    assert kinds_and_topics(hook) == []
    landing.rows("update ops.raw_ingest_manifest set ingested_at = now() - interval '37 hours' returning 1")
    for _ in range(2):
        assert runner.run(settings, "ingest").exit_code == 0
    (body,) = [request.json for request in hook.requests]
    assert (body["kind"], body["topic"]) == ("stale", "stale/sleep")
    assert body["summary"] == "sleep: no new file for 37 h (36 h allowed)"
    hook.requests.clear()
    landing.put("sleep_2.csv", sleep(2))
    runner.run(settings, "ingest")
    assert kinds_and_topics(hook) == [("recovery", "stale/sleep")]


def test_an_expected_dataset_without_any_file_is_reported(settings: Settings, hook: Service) -> None:
    runner.run(replace(settings, stale_after=Freshness(by_dataset={"weight": 200})), "migrate")
    assert kinds_and_topics(hook) == [("stale", "stale/weight")]


@pytest.mark.parametrize("threshold", [{"quarantine_percent": 30}, {"quarantine_rows": 1}])
def test_rejected_rows_above_a_threshold_are_reported(
    settings: Settings, alerts: AlertSettings, landing: Landing, hook: Service, threshold: dict[str, Any]
) -> None:
    settings = replace(settings, alerts=replace(alerts, **threshold))
    landing.put("sleep.csv", sleep(1, 2) + b"1503960366,4/13/2016,1,planted,400\n")
    landing.put("sleep_2.csv", sleep(3, 4))
    assert runner.run(settings, "ingest").exit_code == 0
    (body,) = [request.json for request in hook.requests]
    assert (body["kind"], body["topic"]) == ("quarantine", "quarantine/sleep.csv")
    assert body["summary"] == "sleep.csv: 1 of 3 rows rejected (33.3 %)"
    assert "planted" not in json.dumps(body)
    hook.requests.clear()
    runner.run(settings, "ingest")
    assert kinds_and_topics(hook) == []
    landing.put("sleep.csv", sleep(1, 2))
    runner.run(settings, "ingest")
    assert kinds_and_topics(hook) == [("recovery", "quarantine/sleep.csv")]


def test_few_rejected_rows_of_many_files_are_added_up(
    settings: Settings, alerts: AlertSettings, landing: Landing, hook: Service
) -> None:
    settings = replace(settings, alerts=replace(alerts, quarantine_rows=3))
    for number in range(3):
        landing.put(f"sleep_{number}.csv", sleep(number + 1, number + 2) + b"x\n")
    runner.run(settings, "ingest")
    assert kinds_and_topics(hook) == [("quarantine", "quarantine of ingest")]


def test_without_the_database_one_alert_an_hour_is_sent(
    settings: Settings, landing: Landing, hook: Service, tmp_path: Path
) -> None:
    away = Database({"host": str(tmp_path), "dbname": "x", "user": "x"}, "DATABASE_URL")
    for _ in range(3):
        assert runner.run(replace(settings, database=away, db_wait_seconds=0), "ingest").exit_code == 69
    (body,) = [request.json for request in hook.requests]
    assert "no database connection" in body["summary"]
    hook.requests.clear()
    landing.put("sleep.csv", sleep(1))
    assert runner.run(settings, "ingest").exit_code == 0
    assert kinds_and_topics(hook) == [("recovery", "failure/ingest")]
    assert settings.alerts.state_file
    assert not settings.alerts.state_file.exists()


def test_without_a_writable_file_every_run_sends_an_alert(
    settings: Settings, alerts: AlertSettings, hook: Service, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    away = Database({"host": str(tmp_path), "dbname": "x", "user": "x"}, "DATABASE_URL")
    settings = replace(settings, alerts=replace(alerts, state_file=tmp_path / "file" / "alerts"), database=away)
    for _ in range(2):
        assert runner.run(replace(settings, db_wait_seconds=0), "ingest").exit_code == 69
    assert kinds_and_topics(hook) == [("failure", "failure/ingest")] * 2


def test_alerts_work_before_ops_alerts_exists(
    settings: Settings, empty_database: Database, hook: Service, landing: Landing
) -> None:
    settings = replace(settings, database=empty_database, owner_role="nobody_at_all")
    assert runner.run(settings, "ingest").exit_code == 78
    assert kinds_and_topics(hook) == [("failure", "failure/ingest")]
    settings = replace(settings, owner_role=None)
    landing.put("sleep.csv", sleep(1))
    assert runner.run(settings, "ingest").exit_code == 0
    assert kinds_and_topics(hook) == [("recovery", "failure/ingest")]


def test_a_run_that_cannot_start_is_reported(
    hook: Service, alerts: AlertSettings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def does_not_start() -> Any:
        raise DatabaseUnavailableError("the embedded server does not start")

    for name in [name for name in os.environ if name.startswith(("PG", "DB_", "DATABASE_", "PIPELINE_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setattr(embedded, "server", does_not_start)
    monkeypatch.setenv("PIPELINE_ALERT_WEBHOOK_URL", f"{hook.url}/hook")
    monkeypatch.setenv("PIPELINE_ALERT_STATE_FILE", str(alerts.state_file))
    monkeypatch.setenv("PIPELINE_TERMINATION_LOG", str(tmp_path / "termination-log"))
    assert main(["status"]) == 69
    assert main(["ingest", "--dry-run"]) == 69
    assert kinds_and_topics(hook) == []
    assert main(["run"]) == 69
    assert kinds_and_topics(hook) == [("failure", "failure/run")]
    assert "does not start" in (tmp_path / "termination-log").read_text()


def test_declining_is_not_reported(settings: Settings, hook: Service) -> None:
    with db.session(db.create_engine(settings)) as connection:
        assert db.try_lock(connection, "run")
        assert runner.run(replace(settings, on_concurrent_run="decline"), "migrate").exit_code == 75
        assert kinds_and_topics(hook) == []
        # a run that waited in vain has failed
        assert runner.run(settings, "migrate").exit_code == 75
        assert kinds_and_topics(hook) == [("failure", "failure/migrate")]


def test_alerts_name_no_participant(settings: Settings, landing: Landing, hook: Service) -> None:
    landing.put("user_id=1503960366/sleep.csv", BAD)
    assert runner.run(settings, "ingest").exit_code == 65
    assert b"user_id=***/sleep.csv" in hook.requests[0].body
    assert b"1503960366" not in hook.requests[0].body
    assert landing.rows("select count(*) from ops.alerts as a where a::text like '%1503960366%'") == [(0,)]


@pytest.mark.parametrize(
    ("content", "kind"), [(BAD, "failure"), (sleep(*range(30)) + b"9,never,1,1,1\n", "quarantine")]
)
def test_alerts_name_nobody_whom_a_pattern_names(
    content: bytes, kind: str, settings: Settings, landing: Landing, hook: Service
) -> None:
    settings = replace(settings, alerts=replace(settings.alerts, quarantine_rows=1))
    landing.put("Planted, Person/sleep.csv", content)
    persons.configure("{person}/**")
    try:
        runner.run(settings, "ingest")
    finally:
        persons.configure(None)
    (body,) = [request.body for request in hook.requests]
    assert [each for each, _ in kinds_and_topics(hook)] == [kind]
    assert b"***/sleep.csv" in body
    for label in ("Planted", "Person"):
        assert label.encode() not in body
        assert landing.rows(f"select count(*) from ops.alerts as a where a::text like '%{label}%'") == [(0,)]


def test_runs_that_end_at_the_same_time_send_one_alert(settings: Settings) -> None:
    engine, rules = db.create_engine(settings), Rules(("webhook",), timedelta(hours=24))
    notified: list[tuple[str, ...]] = []

    def report() -> None:
        with incidents.updated(engine, None, rules) as current:
            notified.append(current.report("failure/ingest", ("bad",), "bad", run_id=None).channels)

    threads = [threading.Thread(target=report) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(notified) == [()] * 7 + [("webhook",)]


def environment(settings: Settings, hook: Service, tmp_path: Path) -> dict[str, str]:
    assert settings.database
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith(("PG", "DB_", "DATABASE_"))},
        **settings.database.environment,
        "PIPELINE_LOG_FORMAT": "json",
        "PIPELINE_ALERT_WEBHOOK_URL": f"{hook.url}/hook",
        "PIPELINE_ALERT_STATE_FILE": str(tmp_path / "alerts.json"),
        # a test that waits for the wrong words fails soon
        "PIPELINE_LOCK_WAIT_SECONDS": "30",
    }


@pytest.mark.parametrize(("signum", "code", "expected"), [(signal.SIGTERM, 143, 1), (signal.SIGINT, 130, 0)])
def test_an_interrupted_run(  # noqa: PLR0917
    settings: Settings, landing: Landing, hook: Service, tmp_path: Path, signum: int, code: int, expected: int
) -> None:
    landing.put("sleep.csv", sleep(1))
    arguments = [sys.executable, "-m", "ingestion", "ingest", "--use-manifest", "--data-dir", str(landing.root)]
    with db.session(db.create_engine(settings)) as connection:
        # the run waits for the lock
        assert db.try_lock(connection, "run")
        with subprocess.Popen(
            arguments, cwd=ROOT, env=environment(settings, hook, tmp_path), stdout=subprocess.PIPE, text=True
        ) as child:
            assert child.stdout
            for line in child.stdout:
                if "waiting for it" in line:
                    break
            child.send_signal(signum)
            assert child.wait(10) == code
    assert kinds_and_topics(hook) == [("failure", "failure/ingest")] * expected


def test_an_interrupted_run_limits_the_time_of_alerts(
    settings: Settings, alerts: AlertSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(observer, "_SECONDS_WHEN_INTERRUPTED", 0.1)
    with serve(Service(Answer(after=5.0))) as slow:
        patient = replace(
            alerts,
            channels=(AnyWebhookSettings((slow.url,)),),
            timeout_seconds=4.0,
            attempts=1,
            total_seconds=4.0,
        )
        watcher = observer.Alerts(replace(settings, alerts=patient))
        started = time.monotonic()
        watcher.run_ended(RunResult("ingest", error=Interrupted(signal.SIGTERM)))
        assert time.monotonic() - started < 3
    assert len(slow.requests) == 1


def test_a_signal_stops_the_alerts_and_keeps_the_result_of_the_run(
    settings: Settings, landing: Landing, tmp_path: Path
) -> None:
    landing.put("sleep.csv", BAD)
    arguments = [sys.executable, "-m", "ingestion", "ingest", "--use-manifest", "--data-dir", str(landing.root)]
    with (
        serve(Service(Answer(after=9.0))) as slow,
        subprocess.Popen(
            arguments, cwd=ROOT, env=environment(settings, slow, tmp_path), stdout=subprocess.PIPE, text=True
        ) as child,
    ):
        deadline = time.monotonic() + 20
        while not slow.requests:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        started = time.monotonic()
        child.send_signal(signal.SIGTERM)
        child.communicate(timeout=10)
        assert child.returncode == 65
        assert time.monotonic() - started < 5
    assert landing.rows("select status, exit_code from ops.pipeline_runs") == [("failure", 65)]


def test_a_channel_that_hangs_does_not_keep_the_process(settings: Settings, tmp_path: Path) -> None:
    with serve(Service(Answer(after=20.0))) as slow:
        limits = {"PIPELINE_ALERT_TIMEOUT_SECONDS": "20", "PIPELINE_ALERT_TOTAL_SECONDS": "0.2"}
        done = subprocess.run(
            [sys.executable, "-m", "ingestion", "alert", "test"],
            cwd=ROOT,
            env={**environment(settings, slow, tmp_path), **limits},
            capture_output=True,
            text=True,
            timeout=15,
            check=False,
        )
    assert done.returncode == 1
    assert "webhook               failed: not sent within 0.2 s" in done.stdout


def test_a_run_without_channels_loads_no_channel() -> None:
    code = (
        "import sys, ingestion.__main__; from ingestion import runner; from ingestion.config import Settings;"
        "print(runner.observers_for(Settings()),"
        " [name for name in sys.modules if name.startswith(('ingestion.alerts.channels', 'ingestion.digest.'))"
        " or name in ('requests', 'smtplib', 'tenacity', 'prometheus_client')])"
    )
    shown = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert shown.stdout.split() == ["[]", "[]"]


def test_alert_test_and_alert_list(  # noqa: PLR0917
    settings: Settings,
    landing: Landing,
    hook: Service,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    landing.put("sleep.csv", (SLEEP_HEADER + "\n").replace("SleepDay", "Night").encode())
    runner.run(settings, "ingest")
    for name, value in environment(settings, hook, tmp_path).items():
        monkeypatch.setenv(name, value)
    assert main(["alert", "list"]) == 0
    shown = capsys.readouterr().out
    assert "failure/ingest" in shown
    assert "webhook" in shown
    assert main(["alert", "test"]) == 0
    assert capsys.readouterr().out.split() == ["webhook", "ok"]
    monkeypatch.setenv("PIPELINE_ALERT_SLACK_URL", "http://127.0.0.1:1/planted-secret")
    monkeypatch.setenv("PIPELINE_ALERT_TIMEOUT_SECONDS", "0.1")
    assert main(["alert", "test"]) == 1
    shown = capsys.readouterr().out
    assert "slack                 failed: cannot connect to 127.0.0.1: Connection refused" in shown
    assert "planted" not in shown
    for name in ("PIPELINE_ALERT_SLACK_URL", "PIPELINE_ALERT_WEBHOOK_URL"):
        monkeypatch.delenv(name)
    assert main(["alert", "test"]) == 78
