"""Real runs, and who is told of them: once, of what is new, and of its end; the run ends as it would have without."""

import json
import os
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
from ingestion.alerts import observer
from ingestion.alerts.ledger import DatabaseLedger, FileLedger, Rules
from ingestion.cli import main
from ingestion.config import ROOT, AlertSettings, Database, Freshness, Settings
from ingestion.errors import DatabaseUnavailableError, Interrupted
from ingestion.results import RunResult
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
        webhook_urls=(f"{hook.url}/hook",),
        timeout_seconds=0.5,
        attempts=2,
        total_seconds=2.0,
        state_file=tmp_path / "state" / "alerts.json",
    )


@pytest.fixture
def settings(settings: Settings, alerts: AlertSettings) -> Settings:
    return replace(settings, alerts=alerts, lock_wait_seconds=0.2)


def told(hook: Service) -> list[tuple[str, str]]:
    """Kind and topic of what was told since the last call."""
    bodies = [request.json for request in hook.requests]
    hook.requests.clear()
    return [(body["kind"], body["topic"]) for body in bodies]


def test_a_failure_is_told_once_and_so_is_its_end(settings: Settings, landing: Landing, hook: Service) -> None:
    landing.put("sleep.csv", BAD)
    first = runner.run(settings, "ingest")
    (body,) = [request.json for request in hook.requests]
    assert body["title"] == "wearables-pipeline: ingest failed"
    assert body["summary"].startswith("ingest: FilesRefusedError: sleep.csv: ")
    assert body["hint"]
    assert body["more"] == f"python -m ingestion runs show {first.run_id}"
    assert (body["command"], body["exit_code"], body["files"]) == ("ingest", 65, {"refused": 1})
    assert told(hook) == [("failure", "failure/ingest")]
    for _ in range(3):
        assert runner.run(settings, "ingest").exit_code == 65
    assert told(hook) == []
    assert landing.rows("select times, summary like 'ingest: %', closed_at from ops.alerts") == [(4, True, None)]
    landing.put("sleep.csv", sleep(1))
    assert runner.run(settings, "ingest").exit_code == 0
    (body,) = [request.json for request in hook.requests]
    assert (body["kind"], body["is_over"], body["times"]) == ("recovery", True, 4)
    assert body["summary"].startswith("It was: ingest: FilesRefusedError")
    hook.requests.clear()
    assert runner.run(settings, "ingest").exit_code == 0
    assert told(hook) == []
    landing.put("sleep.csv", BAD)
    runner.run(settings, "ingest")
    assert told(hook) == [("failure", "failure/ingest")]


def test_what_is_new_is_told_and_what_is_gone_is_not(settings: Settings, landing: Landing, hook: Service) -> None:
    landing.put("sleep.csv", BAD)
    runner.run(settings, "ingest")
    landing.put("sleep_2.csv", BAD)
    runner.run(settings, "ingest")
    assert told(hook) == [("failure", "failure/ingest")] * 2
    landing.put("sleep.csv", sleep(1))
    runner.run(settings, "ingest")
    # another error of the same command is news
    runner.run(replace(settings, data_dir=str(landing.root / "nowhere")), "ingest")
    assert told(hook) == [("failure", "failure/ingest")]


def test_a_run_ends_what_its_parts_have_begun(settings: Settings, landing: Landing, hook: Service) -> None:
    runner.run(replace(settings, data_dir=str(landing.root / "nowhere")), "ingest")
    told(hook)
    runner.run(settings, "migrate")
    assert told(hook) == []
    landing.put("sleep.csv", sleep(1))
    assert runner.run(settings, "ingest").exit_code == 0
    assert told(hook) == [("recovery", "failure/ingest")]


def test_a_reminder_after_a_while(settings: Settings, landing: Landing, hook: Service) -> None:
    landing.put("sleep.csv", BAD)
    runner.run(settings, "ingest")
    landing.rows("update ops.alerts set told = jsonb_build_object('webhook', now() - interval '25 hours') returning 1")
    hook.requests.clear()
    runner.run(settings, "ingest")
    (body,) = [request.json for request in hook.requests]
    assert (body["title"], body["times"]) == ("wearables-pipeline: ingest failed again", 2)
    hook.requests.clear()
    runner.run(settings, "ingest")
    assert told(hook) == []


def test_a_channel_that_failed_is_told_by_the_next_run_and_the_others_are_not_told_again(
    settings: Settings, alerts: AlertSettings, landing: Landing, hook: Service
) -> None:
    with serve(Service(Answer(503), Answer(503), Answer())) as broken:
        settings = replace(settings, alerts=replace(alerts, slack_urls=(broken.url,), timeout_seconds=0.1))
        landing.put("sleep.csv", BAD)
        assert runner.run(settings, "ingest").exit_code == 65
        assert len(broken.requests) == 2
        assert landing.rows("select array(select jsonb_object_keys(told)) from ops.alerts") == [(["webhook"],)]
        for _ in range(2):
            runner.run(settings, "ingest")
        assert len(broken.requests) == 3
        # its end too, to each that was told of its beginning
        broken.answers = [Answer(503), Answer(503), Answer()]
        landing.put("sleep.csv", sleep(1))
        for _ in range(3):
            runner.run(settings, "ingest")
        assert len(broken.requests) == 6
    assert told(hook) == [("failure", "failure/ingest"), ("recovery", "failure/ingest")]


def test_several_channels_and_one_that_is_broken(  # noqa: PLR0917
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
            teams_urls=("http://127.0.0.1:1/planted-teams-secret",),
            smtp_url=f"smtp://127.0.0.1:{mail.port}?tls=none",
            email_to=("ops@example.org",),
            github_repository=github.repository,
            github_token=github.token,
            github_api_url=github.url,
            ping_url=f"{hook.url}/ping",
            prometheus_textfile=tmp_path / "pipeline.prom",
        )
        settings = replace(settings, alerts=everything)
        landing.put("sleep.csv", BAD)
        failed = runner.run(settings, "ingest")
        assert failed.exit_code == 65
        assert github.open_titles() == ["wearables-pipeline: ingest failed"]
        assert [message["Subject"] for message in mail.mails] == ["wearables-pipeline: ingest failed"]
        assert [request.path for request in hook.requests if "rid" in request.query] == ["/ping/start", "/ping/fail"]
        log_tail = hook.requests[-1].body.decode() + hook.requests[-2].body.decode()
        assert "ingest    sleep.csv: refused" in log_tail
        assert 'last_run_success{command="ingest"} 0.0' in (tmp_path / "pipeline.prom").read_text()
        assert "teams could not send an alert (failure): no connection to 127.0.0.1: Connection refused" in caplog.text
        assert "planted" not in caplog.text
        landing.put("sleep.csv", sleep(1))
        assert runner.run(settings, "ingest").exit_code == 0
        assert github.open_titles() == []
        assert len(github.comments[1]) == 1
        assert len(mail.mails) == 2
        assert 'last_file_timestamp_seconds{dataset="sleep"}' in (tmp_path / "pipeline.prom").read_text()


def test_a_run_that_died_is_told_by_the_next_one_of_any_command(
    settings: Settings, landing: Landing, hook: Service
) -> None:
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
    assert told(hook) == [("recovery", "failure/ingest")]


def test_data_that_stopped_coming(settings: Settings, landing: Landing, hook: Service) -> None:
    settings = replace(settings, stale_after=Freshness(hours=36, by_dataset={"weight": 0}))
    landing.put("sleep.csv", sleep(1))
    landing.put("weight.csv", b"Id,Date,WeightKg\n1,5/2/2016 11:59:59 PM,52.6\n")
    runner.run(settings, "ingest")
    assert told(hook) == []
    landing.rows("update ops.raw_ingest_manifest set ingested_at = now() - interval '37 hours' returning 1")
    for _ in range(2):
        assert runner.run(settings, "ingest").exit_code == 0
    (body,) = [request.json for request in hook.requests]
    assert (body["kind"], body["topic"]) == ("stale", "stale/sleep")
    assert body["summary"] == "sleep: no file for 37 h (36 h allowed)"
    hook.requests.clear()
    landing.put("sleep_2.csv", sleep(2))
    runner.run(settings, "ingest")
    assert told(hook) == [("recovery", "stale/sleep")]


def test_a_dataset_that_is_expected_and_never_came(settings: Settings, hook: Service) -> None:
    runner.run(replace(settings, stale_after=Freshness(by_dataset={"weight": 200})), "migrate")
    assert told(hook) == [("stale", "stale/weight")]


@pytest.mark.parametrize("threshold", [{"quarantine_percent": 30}, {"quarantine_rows": 1}])
def test_quarantine_above_a_threshold(
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
    assert told(hook) == []
    landing.put("sleep.csv", sleep(1, 2))
    runner.run(settings, "ingest")
    assert told(hook) == [("recovery", "quarantine/sleep.csv")]


def test_a_little_of_many_files_is_above_it_together(
    settings: Settings, alerts: AlertSettings, landing: Landing, hook: Service
) -> None:
    settings = replace(settings, alerts=replace(alerts, quarantine_rows=3))
    for number in range(3):
        landing.put(f"sleep_{number}.csv", sleep(number + 1, number + 2) + b"x\n")
    runner.run(settings, "ingest")
    assert told(hook) == [("quarantine", "quarantine of ingest")]


def test_while_the_database_is_away_it_is_told_once_all_the_same(
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
    assert told(hook) == [("recovery", "failure/ingest")]
    assert landing.rows("select times, closed_at is not null from ops.alerts") == [(3, True)]
    assert settings.alerts.state_file
    assert not settings.alerts.state_file.exists()


def test_without_any_memory_it_is_told_again_rather_than_not_at_all(
    settings: Settings, alerts: AlertSettings, hook: Service, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    away = Database({"host": str(tmp_path), "dbname": "x", "user": "x"}, "DATABASE_URL")
    settings = replace(settings, alerts=replace(alerts, state_file=tmp_path / "file" / "alerts.json"), database=away)
    for _ in range(2):
        assert runner.run(replace(settings, db_wait_seconds=0), "ingest").exit_code == 69
    assert told(hook) == [("failure", "failure/ingest")] * 2


@pytest.mark.parametrize("content", ["", "{", '["x"]', '[{"a": 1}]'])
def test_a_state_file_that_is_broken_is_begun_anew(
    settings: Settings, landing: Landing, hook: Service, content: str
) -> None:
    assert settings.alerts.state_file
    settings.alerts.state_file.parent.mkdir()
    settings.alerts.state_file.write_text(content)
    landing.put("sleep.csv", BAD)
    runner.run(settings, "ingest")
    assert told(hook) == [("failure", "failure/ingest")]


def test_before_ops_alerts_exists_it_is_told_too(
    settings: Settings, empty_database: Database, hook: Service, landing: Landing
) -> None:
    settings = replace(settings, database=empty_database, owner_role="nobody_at_all")
    assert runner.run(settings, "ingest").exit_code == 78
    assert told(hook) == [("failure", "failure/ingest")]
    settings = replace(settings, owner_role=None)
    landing.put("sleep.csv", sleep(1))
    assert runner.run(settings, "ingest").exit_code == 0
    assert told(hook) == [("recovery", "failure/ingest")]


def test_a_run_that_could_not_even_begin(
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
    assert told(hook) == []
    assert main(["run"]) == 69
    assert told(hook) == [("failure", "failure/run")]
    assert "does not start" in (tmp_path / "termination-log").read_text()


def test_to_give_way_is_no_failure(settings: Settings, hook: Service) -> None:
    with db.session(db.create_engine(settings)) as connection:
        assert db.try_lock(connection, "run")
        assert runner.run(replace(settings, on_concurrent_run="decline"), "migrate").exit_code == 75
        assert told(hook) == []
        # whoever waits in vain has something to say
        assert runner.run(settings, "migrate").exit_code == 75
        assert told(hook) == [("failure", "failure/migrate")]


def test_no_person_is_named(settings: Settings, landing: Landing, hook: Service) -> None:
    landing.put("user_id=1503960366/sleep.csv", BAD)
    assert runner.run(settings, "ingest").exit_code == 65
    assert b"user_id=***/sleep.csv" in hook.requests[0].body
    assert b"1503960366" not in hook.requests[0].body
    assert landing.rows("select count(*) from ops.alerts as a where a::text like '%1503960366%'") == [(0,)]


def test_runs_that_end_at_the_same_time_tell_a_thing_once(settings: Settings, tmp_path: Path) -> None:
    engine, rules = db.create_engine(settings), Rules(("webhook",), timedelta(hours=24))
    due: list[tuple[str, ...]] = []

    def report(number: int) -> None:
        ledger = DatabaseLedger(engine, None, FileLedger(tmp_path / f"{number}.json"))
        with ledger.book(rules) as book:
            due.append(book.report("failure/ingest", ("bad",), "bad", run_id=None).due)

    threads = [threading.Thread(target=report, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(due) == [()] * 7 + [("webhook",)]


def environment(settings: Settings, hook: Service, tmp_path: Path) -> dict[str, str]:
    assert settings.database
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith(("PG", "DB_", "DATABASE_"))},
        **settings.database.environment,
        "PIPELINE_LOG_FORMAT": "json",
        "PIPELINE_ALERT_WEBHOOK_URL": f"{hook.url}/hook",
        "PIPELINE_ALERT_STATE_FILE": str(tmp_path / "alerts.json"),
    }


@pytest.mark.parametrize(("signum", "code", "expected"), [(signal.SIGTERM, 143, 1), (signal.SIGINT, 130, 0)])
def test_an_interrupted_run(  # noqa: PLR0917
    settings: Settings, landing: Landing, hook: Service, tmp_path: Path, signum: int, code: int, expected: int
) -> None:
    landing.put("sleep.csv", sleep(1))
    arguments = [sys.executable, "-m", "ingestion", "ingest", "--use-manifest", "--data-dir", str(landing.root)]
    with db.session(db.create_engine(settings)) as connection:
        # it waits for us
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
    assert told(hook) == [("failure", "failure/ingest")] * expected


def test_whoever_sent_a_signal_does_not_wait_for_long(
    settings: Settings, alerts: AlertSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(observer, "_SECONDS_WHEN_INTERRUPTED", 0.1)
    with serve(Service(Answer(after=5.0))) as slow:
        patient = replace(alerts, webhook_urls=(slow.url,), timeout_seconds=4.0, attempts=1, total_seconds=4.0)
        watcher = observer.Alerts(replace(settings, alerts=patient))
        started = time.monotonic()
        watcher.run_ended(RunResult("ingest", error=Interrupted(signal.SIGTERM)))
        assert time.monotonic() - started < 3
    assert len(slow.requests) == 1


def test_a_signal_while_alerts_are_sent_ends_them_and_changes_nothing(
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


def test_without_a_channel_nothing_of_it_is_loaded() -> None:
    code = (
        "import sys, ingestion.__main__; from ingestion import runner; from ingestion.config import Settings;"
        "print(runner.observers_for(Settings()),"
        " [name for name in sys.modules if name == 'ingestion.alerts.ledger'"
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
    assert "slack                 failed: no connection to 127.0.0.1: Connection refused" in shown
    assert "planted" not in shown
    for name in ("PIPELINE_ALERT_SLACK_URL", "PIPELINE_ALERT_WEBHOOK_URL"):
        monkeypatch.delenv(name)
    assert main(["alert", "test"]) == 78
