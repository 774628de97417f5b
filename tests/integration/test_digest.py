"""The weekly digest of real runs: who gets it, once a week, whatever happens to runs, channels and the database."""

import json
import re
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from ingestion import runner
from ingestion.config import AlertSettings, DigestSettings, Settings
from ingestion.digest import digest_for, observer, sending
from ingestion.errors import DatabaseUnavailableError, FilesRefusedError, Interrupted
from ingestion.observers import Observers
from ingestion.results import RunResult, Step
from tests.drops import ACTIVITY_HEADER, Invoke, Landing, sleep
from tests.follow_up import AS_OF, entry, write_marts
from tests.integration.conftest import Rows
from tests.integration.test_runner import process, wait_for
from tests.listeners import Answer, MailService, Service, serve, serve_mail

MONDAY = date(2026, 11, 23)
DIGESTS = "select channel, sent_at is not null, attempts, error from ops.digests order by week_of, channel"


@pytest.fixture
def mail() -> Iterator[MailService]:
    with serve_mail() as service:
        yield service


@pytest.fixture
def hook() -> Iterator[Service]:
    with serve(Service()) as service:
        yield service


@pytest.fixture
def settings(settings: Settings, mail: MailService) -> Settings:
    digest = DigestSettings(
        "monday",
        ("coordinator@example.org", "nurse@example.org"),
        smtp_url=f"smtp://127.0.0.1:{mail.port}?tls=none",
        sender="study@example.org",
    )
    return replace(settings, digest=digest, alerts=AlertSettings(timeout_seconds=1.0, attempts=1, total_seconds=3.0))


def with_hooks(settings: Settings, hook: Service) -> Settings:
    digest = replace(settings.digest, slack_urls=(f"{hook.url}/slack",), teams_urls=(f"{hook.url}/teams",))
    return replace(settings, digest=digest)


def end_run(settings: Settings, built: str = "success", error: BaseException | None = None) -> None:
    """End a run as the runner does: with the observers that the settings ask for."""
    run = RunResult("run", steps=[Step("migrate", status="success"), Step("dbt_build", status=built)], error=error)
    for each in digest_for(settings):
        each.run_ended(run)


def today(monkeypatch: pytest.MonkeyPatch, day: date) -> None:
    monkeypatch.setattr(observer, "_now", lambda: datetime(day.year, day.month, day.day, 6, tzinfo=UTC))


@pytest.fixture(autouse=True)
def _on_monday(monkeypatch: pytest.MonkeyPatch) -> None:
    today(monkeypatch, MONDAY)


@pytest.fixture
def study(landing: Landing) -> Landing:
    """Marts with a list of two, in an arm of seven and one of a single participant; five are in another one."""
    listed = (
        entry("planted-1", "stopped", arm="active", site="Zürich", cause="not_worn", certainty="counted"),
        entry("planted-2", "moving_less", arm="single", site="Bern"),
    )
    active = {f"planted-{number}": "stable" for number in range(3, 9)}
    passive = {f"planted-{number}": "stable" for number in range(9, 14)}
    write_marts(landing.engine, *listed, statuses=active | passive)
    for people, arm, site in (({"planted-1", *active}, "active", "Zürich"), (passive, "passive", "Genf")):
        those = ", ".join(f"'{user_id}'" for user_id in people)
        landing.rows(
            f"update marts.dim_participant set arm = '{arm}', site = '{site}' where user_id in ({those}) returning 1"
        )
    return landing


def text_of(message: Any, kind: str = "plain") -> str:
    return str(message.get_body((kind,)).get_content()).replace("\r\n", "\n")


def test_two_runs_of_a_week_send_one_digest(settings: Settings, study: Landing, mail: MailService) -> None:
    for built in ("success", "skipped"):
        end_run(settings, built)
    (message,) = mail.mails
    assert mail.recipients == ["coordinator@example.org", "nurse@example.org"]
    assert message["Subject"] == "wearables-pipeline: 2 participants to call"
    for text in (text_of(message), text_of(message, "html")):
        assert len(re.findall(r"[0-9A-Z]{4}-[0-9A-Z]{4}: (?:stopped|moving less) since 17 Apr 2026", text)) == 2
        assert "Person or device: not worn" in text
        assert "planted" not in text
        # a name of one participant tells who it is, and so would that of the next larger arm
        assert "Arm: active. Site: Zürich" in text
        assert "single" not in text
        assert "Bern" not in text
    assert study.rows(DIGESTS) == [("email", True, 1, None)]
    assert study.rows("select told_by, as_of_date from ops.follow_up_lists") == [("digest", AS_OF)]


def test_user_ids_and_small_arms_are_shown_if_asked_for(settings: Settings, study: Landing, mail: MailService) -> None:
    end_run(replace(settings, report_user_ids=True))
    text = text_of(mail.mails[0])
    assert "planted-1: stopped" in text
    assert "Arm: single. Site: Bern" in text


def test_the_next_week_says_what_has_changed(
    settings: Settings, study: Landing, mail: MailService, monkeypatch: pytest.MonkeyPatch
) -> None:
    end_run(settings)
    write_marts(
        study.engine,
        entry("planted-3", "wearing_less", wearing_less_by="fewer_hours"),
        entry("planted-2", "moving_less"),
        statuses={"planted-1": "stable"},
        as_of_date=AS_OF + timedelta(7),
    )
    study.rows(
        "insert into marts.fct_user_status select 'planted-' || number, date '2026-04-27',"
        " case when number = 1 then 'stopped' else 'stable' end from generate_series(1, 8) as number returning 1"
    )
    today(monkeypatch, MONDAY + timedelta(7))
    end_run(settings)
    first, second = mail.mails
    assert second["Subject"] == "wearables-pipeline: 2 participants to call, 1 new"
    lines = text_of(second).splitlines()
    assert "2 participants to call: 1 new, 1 off the list." in lines
    assert sum(line.endswith("NEW") for line in lines) == 1
    assert "OFF THE LIST SINCE THE LIST OF 27 APR 2026: 1" in lines
    gone = re.search(r"1\. (\S+): stopped", text_of(first))
    assert gone
    assert f"{gone[1]}: was stopped, is now stable" in lines
    assert "stable: 1 (-6)" in lines
    assert "stopped: 0 (-1)" in lines


@pytest.mark.parametrize(
    ("day", "sent"), [(MONDAY - timedelta(1), 0), (MONDAY, 1), (MONDAY + timedelta(1), 1), (MONDAY + timedelta(6), 0)]
)
def test_a_missed_monday_is_made_up_on_tuesday_and_not_on_sunday(  # noqa: PLR0917
    settings: Settings, study: Landing, mail: MailService, monkeypatch: pytest.MonkeyPatch, day: date, sent: int
) -> None:
    today(monkeypatch, day)
    end_run(settings)
    assert len(mail.mails) == sent
    assert study.rows("select week_of from ops.digests") == [(MONDAY,)] * sent


def test_a_run_that_has_not_built_sends_nothing(settings: Settings, study: Landing, mail: MailService) -> None:
    end_run(settings, "failure")
    end_run(settings, error=Interrupted(15))
    for each in digest_for(settings):
        each.run_ended(RunResult("ingest", steps=[Step("ingest", status="success")]))
        each.run_ended(RunResult("run", error=DatabaseUnavailableError("away")))
    assert mail.mails == []
    assert study.rows(DIGESTS) == []
    # the good files are in the marts
    end_run(settings, error=FilesRefusedError("sleep.csv: bad"))
    assert len(mail.mails) == 1


def test_a_failed_channel_is_tried_again_by_the_next_run_and_compares_with_last_week(
    settings: Settings, study: Landing, mail: MailService, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serve(Service(Answer(503, "busy"))) as broken:
        settings = replace(settings, digest=replace(settings.digest, slack_urls=(broken.url,)))
        end_run(settings)
        assert study.rows(DIGESTS) == [
            ("email", True, 1, None),
            ("slack", False, 1, "127.0.0.1 answered 503: busy"),
        ]
        today(monkeypatch, MONDAY + timedelta(1))
        write_marts(study.engine, entry("planted-3", "stopped"), as_of_date=AS_OF + timedelta(1))
        broken.answers = [Answer()]
        for _ in range(2):
            end_run(settings)
    assert study.rows(DIGESTS) == [("email", True, 1, None), ("slack", True, 2, None)]
    assert len(mail.mails) == 1
    refused, sent = broken.requests
    # not with the list that others have got yesterday
    assert "first digest" in refused.body.decode()
    assert "first digest" in sent.body.decode()
    assert study.rows("select as_of_date from ops.follow_up_lists") == [(AS_OF,)]


def test_slack_and_teams_get_what_the_mail_has(
    settings: Settings, study: Landing, mail: MailService, hook: Service
) -> None:
    end_run(with_hooks(settings, hook))
    names = re.findall(r"[0-9A-Z]{4}-[0-9A-Z]{4}", text_of(mail.mails[0]))
    assert len(names) == 2
    assert sorted(request.path for request in hook.requests) == ["/slack", "/teams"]
    for request in hook.requests:
        shown = json.dumps(request.json, ensure_ascii=False)
        assert all(name in shown for name in names)
        assert "planted" not in shown
        assert "single" not in shown
    assert [row[:2] for row in study.rows(DIGESTS)] == [("email", True), ("slack", True), ("teams", True)]


def test_two_runs_at_the_same_time_send_one_digest(
    settings: Settings, study: Landing, mail: MailService, hook: Service
) -> None:
    settings = with_hooks(settings, hook)
    together = threading.Barrier(4)

    def end() -> None:
        together.wait()
        end_run(settings)

    threads = [threading.Thread(target=end) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(mail.mails) == 1
    assert sorted(request.path for request in hook.requests) == ["/slack", "/teams"]
    assert [row[:3] for row in study.rows(DIGESTS)] == [("email", True, 1), ("slack", True, 1), ("teams", True, 1)]


def test_a_digest_of_a_killed_process_is_sent_once_its_claim_is_old(
    settings: Settings, study: Landing, mail: MailService, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serve(Service(Answer(after=3.0), Answer())) as slow:
        monkeypatch.setenv("PIPELINE_DIGEST_SLACK_URL", slow.url)
        with process(settings, "digest", "--now") as child:
            wait_for(lambda: bool(slow.requests))
            child.kill()
            child.wait(10)
        settings = replace(settings, digest=replace(settings.digest, slack_urls=(slow.url,)))
        # the process that has claimed it may still be at work
        this_week = study.rows("select week_of from ops.digests")[0][0]
        today(monkeypatch, this_week)
        end_run(settings)
        assert len(slow.requests) == 1
        assert study.rows(DIGESTS) == [("email", True, 1, None), ("slack", False, 1, None)]
        study.rows("update ops.digests set claimed_at = now() - interval '1 hour' where channel = 'slack' returning 1")
        for _ in range(2):
            end_run(settings)
        assert len(slow.requests) == 2
    assert study.rows(DIGESTS) == [("email", True, 1, None), ("slack", True, 2, None)]
    assert len(mail.mails) == 1


def test_a_digest_that_is_interrupted_before_it_is_sent_is_sent_by_the_next_run(
    settings: Settings, study: Landing, mail: MailService, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_arguments: Any, **_options: Any) -> None:
        raise Interrupted(15)

    with monkeypatch.context() as patched:
        patched.setattr(sending, "read", interrupt)
        with pytest.raises(Interrupted):
            end_run(settings)
    assert study.rows(DIGESTS) == [("email", False, 1, "interrupted before it was sent")]
    end_run(settings)
    assert len(mail.mails) == 1


def test_a_server_that_does_not_answer_in_time_may_have_got_it(
    settings: Settings, study: Landing, mail: MailService
) -> None:
    with serve(Service(Answer(after=1.0))) as slow:
        settings = replace(
            settings,
            digest=replace(settings.digest, slack_urls=(slow.url,)),
            alerts=replace(settings.alerts, timeout_seconds=5.0, total_seconds=0.4),
        )
        for _ in range(2):
            end_run(settings)
    assert len(slow.requests) == 1
    assert ("slack", False, 1, "not sent within 0.4 s") in study.rows(DIGESTS)
    assert len(mail.mails) == 1


def test_some_refused_recipients_do_not_bring_a_second_digest_to_the_others(
    settings: Settings, study: Landing, mail: MailService, caplog: pytest.LogCaptureFixture
) -> None:
    mail.refused_recipients = {"nurse@example.org"}
    for _ in range(2):
        end_run(settings)
    assert mail.recipients == ["coordinator@example.org"]
    assert "the digest was sent to some only: 127.0.0.1 refused 1 of 2 recipients" in caplog.text


def test_a_digest_without_marts_is_no_failure_of_the_run(
    settings: Settings, landing: Landing, mail: MailService, caplog: pytest.LogCaptureFixture
) -> None:
    run = RunResult("run", steps=[Step("dbt_build", status="success")])
    Observers(digest_for(settings)).run_ended(run)
    assert mail.mails == []
    assert landing.rows(DIGESTS) == [("email", False, 1, "the marts have no follow-up list")]
    assert "no digest: the marts have no follow-up list" in caplog.text


def test_problems_with_the_data_are_counted_without_names_of_files(
    settings: Settings, study: Landing, mail: MailService
) -> None:
    study.put("user_id=planted-1/sleep.csv", sleep(*range(30)) + b"9,never,1,1,1\n")
    study.put("user_id=planted-2/sleep.csv", b"Id\n1\n")
    runner.run(replace(settings, digest=DigestSettings()), "ingest")
    study.rows(
        "insert into ops.alerts (topic, cause, opened_at, last_seen_at, times, summary)"
        " select topic, 'x', date '2026-11-20', now(), 2, 'planted summary' from unnest(array["
        " 'failure/run', 'quarantine/planted.csv', 'quarantine/planted-2.csv', 'misplaced', 'stale/sleep']) as topic"
        " returning 1"
    )
    end_run(settings)
    text = text_of(mail.mails[0])
    problems = text.partition("PROBLEMS WITH THE DATA\n\n")[2].splitlines()
    assert problems == [
        "Refused files: sleep 1.",
        "Rejected rows of the last 7 days: sleep 1.",
        "The command `run` has failed since 2026-11-20.",
        "The same rows are loaded for two participants since 2026-11-20.",
        "Too many rows are rejected since 2026-11-20.",
    ]


def test_digest_shows_sends_and_tests(  # noqa: PLR0917
    settings: Settings,
    study: Landing,
    mail: MailService,
    hook: Service,
    invoke: Invoke,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert invoke("digest", "--now") == 78
    capsys.readouterr()
    assert invoke("digest", "--dry-run") == 0
    shown = capsys.readouterr().out
    assert shown.startswith("Subject: wearables-pipeline: 2 participants to call\n\n2 participants to call.\n")
    for name, value in {
        "PIPELINE_DIGEST_EMAIL_TO": "coordinator@example.org",
        "PIPELINE_DIGEST_SLACK_URL": f"{hook.url}/slack",
        "PIPELINE_ALERT_SMTP_URL": settings.digest.smtp_url or "",
        "PIPELINE_ALERT_ATTEMPTS": "1",
    }.items():
        monkeypatch.setenv(name, value)
    assert invoke("digest", "--test") == 0
    assert capsys.readouterr().out.split() == ["email", "ok", "slack", "ok"]
    assert mail.mails[0]["Subject"] == "wearables-pipeline: test of the digest"
    assert study.rows(DIGESTS) == []
    for _ in range(2):
        assert invoke("digest", "--now") == 0
    assert capsys.readouterr().out.split() == ["email", "ok", "slack", "ok"] * 2
    assert len(mail.mails) == 3
    assert text_of(mail.mails[1]) in f"{shown}\n"
    assert study.rows(DIGESTS) == [("email", True, 2, None), ("slack", True, 2, None)]
    hook.answers = [Answer(404, "no_service")]
    assert invoke("digest", "--test") == 1
    assert "slack                 failed: 127.0.0.1 answered 404: no_service" in capsys.readouterr().out


def test_a_real_run_sends_the_digest_with_its_report(
    settings: Settings, landing: Landing, mail: MailService, hook: Service, rows: Rows
) -> None:
    days = [date(2026, 9, 1) + timedelta(number) for number in range(60)]
    lines = [
        f"{user},{day:%m/%d/%Y},{9000 + 37 * day.day},25,13,328,728,1985"
        for user in range(4001, 4008)
        for day in days
        # one stops
        if user != 4007 or day < days[40]
    ]
    landing.put("daily_activity.csv", "\n".join([ACTIVITY_HEADER, *lines, ""]).encode())
    settings = with_hooks(replace(settings, digest=replace(settings.digest, attach_report=True)), hook)
    for _ in range(2):
        assert runner.run(settings, "run").exit_code == 0
    assert rows("select user_id, reason from marts.rpt_follow_up") == [("4007", "stopped")]
    (message,) = mail.mails
    assert message["Subject"] == "wearables-pipeline: 1 participant to call"
    (attached,) = message.iter_attachments()  # type: ignore[attr-defined]
    page = attached.get_content()
    assert page.startswith("<!doctype html>")
    assert "figures" in page
    text = text_of(message)
    assert re.search(r"^1\. [0-9A-Z]{4}-[0-9A-Z]{4}: stopped since ", text, re.MULTILINE)
    assert "stopped: 1\n" in text
    assert text.endswith("The report is attached.\n")
    assert sorted(request.path for request in hook.requests) == ["/slack", "/teams"]
    assert [row[:3] for row in landing.rows(DIGESTS)] == [("email", True, 1), ("slack", True, 1), ("teams", True, 1)]
