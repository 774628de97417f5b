"""Each channel against a local server that behaves like the real one: messages, TLS, timeouts, retries, errors."""

import ssl
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import trustme

from ingestion import log
from ingestion.alerts.alert import Alert, safe
from ingestion.alerts.channel import FinishedRun
from ingestion.alerts.channels import channels_of
from ingestion.alerts.channels.github import GitHubSettings
from ingestion.alerts.channels.mail import MailSettings
from ingestion.alerts.channels.ntfy import NtfySettings
from ingestion.alerts.channels.ping import PingSettings
from ingestion.alerts.channels.pushgateway import PushgatewaySettings
from ingestion.alerts.channels.slack import SlackSettings
from ingestion.alerts.channels.teams import TeamsSettings
from ingestion.alerts.channels.textfile import TextfileSettings
from ingestion.alerts.channels.webhook import AnyWebhookSettings
from ingestion.alerts.observer import send_test
from ingestion.config import AlertSettings
from ingestion.errors import BadDataError
from ingestion.health import DatasetFreshness
from ingestion.results import Counts, FileResult, IngestResult, RunResult
from ingestion.sending.outbox import Outbox
from tests.listeners import (
    PASSWORD,
    Answer,
    GitHubService,
    PushgatewayService,
    Service,
    serve,
    serve_mail,
)

PATH = "/services/T000/B000/planted-secret"
QUICK = AlertSettings(timeout_seconds=0.2, attempts=3, total_seconds=3.0)
ALERT = Alert(
    kind="failure",
    pipeline="study",
    topic="failure/run",
    title="study: run failed",
    summary="ingest: FilesRefusedError: sleep.csv: <!channel> *not* [a](link)",
    hint="Mend the file.",
    facts=(("Since", "2026-11-24 21:20 UTC"), ("Run", "8d2c")),
    more="python -m ingestion runs show 8d2c",
    link="https://ci.example.org/8",
    since=datetime(2026, 11, 24, 21, 20, tzinfo=UTC),
    data={"run_id": "8d2c"},
)
OVER = replace(ALERT, kind="recovery", title="study: run works again", is_over=True)


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def context(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    return context


@pytest.fixture(scope="module")
def ca_file(authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("ca") / "ca.pem"
    authority.cert_pem.write_to_path(str(path))
    return path


@pytest.fixture
def service() -> Iterator[Service]:
    with serve(Service()) as service:
        yield service


def deliver(settings: AlertSettings, alert: Alert = ALERT) -> list[str | None]:
    """Send an alert by each channel, as a run does, and return why each failed."""
    log.hide(settings.secrets)
    outbox = Outbox(settings)
    for channel in channels_of(settings):
        outbox.add(channel, "an alert", lambda channel=channel: channel.send(alert))  # type: ignore[misc]
    return [delivery.error for delivery in outbox.wait(settings.total_seconds)]


def end(settings: AlertSettings, ending: FinishedRun) -> list[str | None]:
    outbox = Outbox(settings)
    for channel in channels_of(settings):
        outbox.add(channel, "the end", lambda channel=channel: channel.run_ended(ending))  # type: ignore[misc]
    return [delivery.error for delivery in outbox.wait(settings.total_seconds)]


class TestWebhook:
    def test_a_webhook_gets_the_alert_as_json(self, service: Service) -> None:
        settings = replace(QUICK, channels=(AnyWebhookSettings((service.url + PATH,), "planted-token"),))
        assert deliver(settings) == [None]
        (request,) = service.requests
        assert (request.method, request.path) == ("POST", PATH)
        assert request.headers["authorization"] == "Bearer planted-token"
        assert request.json == ALERT.json
        assert request.json["since"] == "2026-11-24T21:20:00+00:00"

    def test_slack_gets_blocks_without_markup(self, service: Service) -> None:
        assert deliver(replace(QUICK, channels=(SlackSettings((service.url + PATH,)),))) == [None]
        body = service.requests[0].json
        # only here Slack interprets markup: <!channel> would notify everybody
        assert "&lt;!channel&gt;" in body["text"]
        assert {block["type"] for block in body["blocks"]} == {"header", "rich_text", "section", "actions"}
        texts = list(text_objects(body["blocks"]))
        assert all(text["type"] in {"plain_text", "text"} for text in texts)
        assert ALERT.summary in [text["text"] for text in texts]
        assert "Since: 2026-11-24 21:20 UTC" in [text["text"] for text in texts]

    def test_a_long_title_is_cut_to_the_limit_of_slack(self, service: Service) -> None:
        deliver(replace(QUICK, channels=(SlackSettings((service.url,)),)), replace(ALERT, title="x" * 500))
        assert len(service.requests[0].json["blocks"][0]["text"]["text"]) == 150

    def test_teams_gets_an_adaptive_card_in_a_message(self, service: Service) -> None:
        assert deliver(replace(QUICK, channels=(TeamsSettings((service.url + PATH,)),))) == [None]
        body = service.requests[0].json
        assert body["type"] == "message"
        (attachment,) = body["attachments"]
        assert attachment["contentType"] == "application/vnd.microsoft.card.adaptive"
        card = attachment["content"]
        assert (card["type"], card["version"]) == ("AdaptiveCard", "1.4")
        # a TextBlock would interpret Markdown
        assert {block["type"] for block in card["body"]} == {"RichTextBlock"}
        assert ALERT.summary in [block["inlines"][0]["text"] for block in card["body"]]
        assert card["actions"] == [{"type": "Action.OpenUrl", "title": "Open", "url": ALERT.link}]

    def test_several_webhooks_work_at_once(self, service: Service) -> None:
        settings = replace(
            QUICK,
            channels=(
                SlackSettings((service.url + "/1", service.url + "/2")),
                TeamsSettings((service.url + "/3",)),
                AnyWebhookSettings((service.url + "/4",)),
            ),
        )
        assert [channel.name for channel in channels_of(settings)] == ["slack", "slack_2", "teams", "webhook"]
        assert deliver(settings) == [None] * 4
        assert sorted(request.path for request in service.requests) == ["/1", "/2", "/3", "/4"]

    def test_a_certificate_of_an_own_authority_is_trusted(self, context: ssl.SSLContext, ca_file: Path) -> None:
        with serve(Service(), context) as service:
            settings = replace(QUICK, channels=(AnyWebhookSettings((service.url,)),), timeout_seconds=2.0)
            assert deliver(replace(settings, ca_file=ca_file)) == [None]
            (error,) = deliver(settings)
        assert error
        assert error.startswith("TLS with 127.0.0.1 failed: its certificate is not trusted: ")
        # only that of the trusted certificate: the other attempt is not repeated
        assert len(service.requests) == 1


def text_objects(value: Any) -> Iterator[dict[str, str]]:
    if isinstance(value, dict):
        if isinstance(value.get("text"), str):
            yield value
        for each in value.values():
            yield from text_objects(each)
    elif isinstance(value, list):
        for each in value:
            yield from text_objects(each)


class TestErrors:
    def test_a_server_that_fails_once_is_tried_again(self) -> None:
        with serve(Service(Answer(500), Answer(200))) as service:
            assert deliver(replace(QUICK, channels=(AnyWebhookSettings((service.url,)),))) == [None]
        assert len(service.requests) == 2

    def test_attempts_are_bounded(self) -> None:
        with serve(Service(Answer(503, "busy"))) as service:
            assert deliver(replace(QUICK, channels=(AnyWebhookSettings((service.url,)),))) == [
                "127.0.0.1 answered 503: busy"
            ]
        assert len(service.requests) == 3

    def test_a_permanent_error_is_not_tried_again(self) -> None:
        with serve(Service(Answer(404, "no_service"))) as service:
            assert deliver(replace(QUICK, channels=(SlackSettings((service.url,)),))) == [
                "127.0.0.1 answered 404: no_service"
            ]
        assert len(service.requests) == 1

    def test_a_redirection_is_not_followed(self) -> None:
        with serve(Service(Answer(302, "", headers={"Location": "/elsewhere"}))) as service:
            assert deliver(replace(QUICK, channels=(AnyWebhookSettings((service.url,)),))) == ["127.0.0.1 answered 302"]
        assert len(service.requests) == 1

    def test_retry_after_is_respected(self) -> None:
        with serve(Service(Answer(429, headers={"Retry-After": "1"}), Answer())) as service:
            started = time.monotonic()
            assert deliver(replace(QUICK, channels=(AnyWebhookSettings((service.url,)),))) == [None]
        assert time.monotonic() - started >= 1

    def test_retry_after_is_limited_by_the_total_time(self) -> None:
        with serve(Service(Answer(429, headers={"Retry-After": "3600"}))) as service:
            started = time.monotonic()
            assert deliver(replace(QUICK, channels=(AnyWebhookSettings((service.url,)),))) != [None]
        assert time.monotonic() - started < 1

    def test_a_slow_server_times_out(self) -> None:
        with serve(Service(Answer(after=0.5))) as service:
            settings = replace(QUICK, attempts=1, channels=(AnyWebhookSettings((service.url,)),))
            assert deliver(settings) == ["127.0.0.1 did not answer within 0.2 s"]

    def test_the_total_time_is_limited_and_the_other_channels_send(self, service: Service) -> None:
        with serve(Service(Answer(after=1.0))) as slow:
            settings = replace(
                QUICK,
                timeout_seconds=5.0,
                total_seconds=0.3,
                channels=(SlackSettings((slow.url,)), AnyWebhookSettings((service.url,))),
            )
            started = time.monotonic()
            assert deliver(settings) == ["not sent within 0.3 s", None]
            assert time.monotonic() - started < 0.9

    def test_a_broken_channel_does_not_stop_the_others(self, service: Service) -> None:
        settings = replace(
            QUICK,
            channels=(SlackSettings(("http://127.0.0.1:1/planted-secret",)), AnyWebhookSettings((service.url,))),
        )
        refused, sent = deliver(settings)
        assert refused == "cannot connect to 127.0.0.1: Connection refused"
        assert sent is None

    def test_a_file_without_certificates_is_an_error(self, service: Service, tmp_path: Path) -> None:
        (tmp_path / "ca.pem").write_text("no certificate")
        (error,) = deliver(replace(QUICK, channels=(AnyWebhookSettings((service.url,)),), ca_file=tmp_path / "ca.pem"))
        assert error == f"{tmp_path / 'ca.pem'} is unreadable or holds no certificates"

    def test_a_server_without_tls_is_an_error(self, service: Service) -> None:
        (error,) = deliver(replace(QUICK, channels=(AnyWebhookSettings((service.url.replace("http:", "https:"),)),)))
        assert error
        assert error.startswith("TLS with 127.0.0.1 failed: ")
        assert "certificate" not in error

    def test_errors_do_not_show_the_url(self, caplog: pytest.LogCaptureFixture) -> None:
        log.logger.propagate = True
        with serve(Service(Answer(500, f"no such hook: {PATH}"))) as service:
            settings = replace(
                QUICK, attempts=1, channels=(AnyWebhookSettings((service.url + PATH,), "planted-token-2"),)
            )
            (error,) = deliver(settings)
        assert error == "127.0.0.1 answered 500: no such hook: ***"
        assert "planted" not in caplog.text
        assert "planted" not in repr(settings)


# from a mail server that offers STARTTLS only
@pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS")
class TestMail:
    def settings(self, scheme: str, port: int, query: str = "", **more: Any) -> AlertSettings:
        url = f"{scheme}://pipeline:{quote(PASSWORD, safe='')}@127.0.0.1:{port}{query}"
        to, sender = ("ops@example.org", "eve@example.org"), "Pipeline <pipeline@example.org>"
        channel = MailSettings(more.pop("smtp_url", url), to, sender)
        return replace(QUICK, **{"timeout_seconds": 2.0, "channels": (channel,), **more})

    @pytest.mark.parametrize(("scheme", "implicit"), [("smtp", False), ("smtps", True)])
    def test_mail_is_encrypted_and_authenticated(
        self, context: ssl.SSLContext, ca_file: Path, scheme: str, *, implicit: bool
    ) -> None:
        with serve_mail(context, implicit=implicit, asks=True) as server:
            settings = self.settings(scheme, server.port, ca_file=ca_file)
            assert deliver(settings) == [None]
            assert deliver(settings, OVER) == [None]
        assert server.logins == ["pipeline", "pipeline"]
        assert server.recipients == ["ops@example.org", "eve@example.org"] * 2
        mail, over = server.mails
        assert mail["Subject"] == "study: run failed"
        assert mail["Auto-Submitted"] == "auto-generated"
        text = mail.get_payload(decode=True).decode()  # type: ignore[union-attr]
        for line in ("What to do: Mend the file.", "More: python -m ingestion runs show 8d2c", ALERT.summary):
            assert line in text
        # both belong to one conversation
        assert mail["References"] == over["References"]
        assert mail["Message-ID"] != over["Message-ID"]

    @pytest.mark.parametrize(("scheme", "implicit"), [("smtp", False), ("smtps", True)])
    def test_an_untrusted_certificate_is_an_error(
        self, context: ssl.SSLContext, scheme: str, *, implicit: bool
    ) -> None:
        with serve_mail(context, implicit=implicit, asks=True) as server:
            (error,) = deliver(self.settings(scheme, server.port))
        assert error
        assert "127.0.0.1 has a certificate that is not trusted" in error
        assert not server.logins
        assert not server.mails

    def test_a_wrong_password_is_tried_once(self, context: ssl.SSLContext, ca_file: Path) -> None:
        with serve_mail(context, asks=True) as server:
            url = f"smtp://pipeline:planted-wrong@127.0.0.1:{server.port}"
            (error,) = deliver(self.settings("smtp", server.port, smtp_url=url, ca_file=ca_file))
        assert error
        assert error.startswith("127.0.0.1 answered 535")
        assert "planted" not in error

    def test_mail_is_not_sent_unencrypted_by_default(self) -> None:
        with serve_mail() as server:
            (error,) = deliver(self.settings("smtp", server.port))
            assert error
            assert "offers no STARTTLS" in error
            relay = f"smtp://127.0.0.1:{server.port}?tls=none"
            assert deliver(self.settings("smtp", server.port, smtp_url=relay)) == [None]
        assert len(server.mails) == 1

    def test_a_refused_mail_is_an_error(self) -> None:
        with serve_mail() as server:
            server.refuses = "554 looks like spam"
            (error,) = deliver(self.settings("smtp", server.port, smtp_url=f"smtp://127.0.0.1:{server.port}?tls=none"))
        assert error == "127.0.0.1 answered 554: looks like spam"

    @pytest.mark.parametrize(
        ("refused", "message"),
        [
            ({"eve@example.org"}, "127.0.0.1 refused 1 of 2 recipients"),
            ({"eve@example.org", "ops@example.org"}, "127.0.0.1 refused all 2 recipients"),
        ],
    )
    def test_refused_recipients_are_counted(self, refused: set[str], message: str) -> None:
        with serve_mail() as server:
            server.refused_recipients = refused
            url = f"smtp://127.0.0.1:{server.port}?tls=none"
            assert deliver(self.settings("smtp", server.port, smtp_url=url)) == [message]

    def test_a_silent_server_times_out(self) -> None:
        with serve(Service()) as silent:
            port = int(silent.url.rpartition(":")[2])
            settings = self.settings("smtp", port, timeout_seconds=0.2, attempts=1)
            assert deliver(settings) == ["127.0.0.1 did not answer within 0.2 s"]


class TestGitHub:
    @pytest.fixture
    def github(self) -> Iterator[GitHubService]:
        with serve(GitHubService()) as service:
            assert isinstance(service, GitHubService)
            yield service

    def settings(self, github: GitHubService, **more: Any) -> AlertSettings:
        channel = GitHubSettings(github.repository, more.pop("token", github.token), github.url)
        return replace(QUICK, timeout_seconds=2.0, channels=(channel,), **more)

    def test_one_issue_from_the_first_failure_to_the_recovery(self, github: GitHubService) -> None:
        settings = self.settings(github)
        for alert in (ALERT, replace(ALERT, title="study: run failed again"), OVER):
            assert deliver(settings, alert) == [None]
        (issue,) = github.issues
        assert (issue["title"], issue["state"], issue["state_reason"]) == ("study: run failed", "closed", "completed")
        again, over = github.comments[1]
        assert "study: run failed again" in again
        assert "study: run works again" in over

    def test_the_next_failure_opens_another_issue(self, github: GitHubService) -> None:
        for alert in (ALERT, OVER, ALERT):
            deliver(self.settings(github), alert)
        assert [issue["state"] for issue in github.issues] == ["closed", "open"]

    def test_the_issue_links_to_the_page(self, github: GitHubService) -> None:
        deliver(self.settings(github))
        assert [line for line in github.issues[0]["body"].splitlines() if "https://" in line] == [ALERT.link]

    def test_an_issue_has_no_markdown_and_no_mentions(self, github: GitHubService) -> None:
        deliver(self.settings(github), replace(ALERT, summary="@everyone # look [x](y)"))
        assert "    @everyone # look [x](y)" in github.issues[0]["body"].splitlines()

    def test_each_topic_has_its_own_issue(self, github: GitHubService) -> None:
        deliver(self.settings(github))
        deliver(self.settings(github), replace(ALERT, topic="stale/sleep", title="study: no new data of sleep"))
        deliver(self.settings(github, name="other"), replace(ALERT, pipeline="other", title="other: run failed"))
        deliver(self.settings(github), OVER)
        assert github.open_titles() == ["study: no new data of sleep", "other: run failed"]

    def test_a_success_closes_an_issue_without_a_record(self, github: GitHubService) -> None:
        settings = self.settings(github, name="study")
        deliver(settings)
        assert end(settings, FinishedRun(RunResult("run"), ended_topics=("failure/run",))) == [None]
        assert github.open_titles() == []
        assert end(settings, FinishedRun(RunResult("run"), ended_topics=("failure/run",))) == [None]
        assert len(github.comments[1]) == 1

    def test_the_issue_is_found_among_many_issues_and_pull_requests(self, github: GitHubService) -> None:
        deliver(self.settings(github))
        body = github.issues[0]["body"]
        label = {"title": "x", "labels": ["pipeline-failure"]}
        for number in range(150):
            github._create({**label, "body": f"by hand {number}"})
        github._create({**label, "body": body})
        github.issues[-1]["pull_request"] = {"url": "..."}
        deliver(self.settings(github), replace(ALERT, title="study: again"))
        assert len(github.comments[1]) == 1
        assert len(github.issues) == 152

    def test_a_token_without_the_right_is_an_error(self) -> None:
        with serve(GitHubService(may_label=False)) as github:
            assert isinstance(github, GitHubService)
            (error,) = deliver(self.settings(github))
            assert error
            assert "right to write issues" in error
            (error,) = deliver(self.settings(github, token="planted-token-3"))
        assert error == '127.0.0.1 answered 401: {"message": "Bad credentials"}'


def run_of(*, failed: bool = False) -> RunResult:
    run = RunResult("run", duration_seconds=2.5)
    run.ingest = IngestResult([FileResult("sleep.csv", "sleep", "loaded", Counts(read=10, loaded=8, rejected=2))])
    if failed:
        run.error = BadDataError("user_id=1503960366/sleep.csv: bad", hint="Mend it.")
        run.error_summary = "ingest: BadDataError: user_id=1503960366/sleep.csv: bad"
    return run


class TestNtfy:
    def settings(self, service: Service, token: str | None = None) -> AlertSettings:
        return replace(QUICK, channels=(NtfySettings(f"{service.url}/base/planted-topic", token),))

    def test_a_topic_gets_title_text_priority_tags_and_link(self, service: Service) -> None:
        settings = self.settings(service, "tk_planted")
        assert deliver(settings) == [None]
        assert deliver(settings, OVER) == [None]
        request, over = service.requests
        assert (request.method, request.path) == ("POST", "/base/")
        assert request.headers["authorization"] == "Bearer tk_planted"
        assert request.json == {
            "topic": "planted-topic",
            "title": "study: run failed",
            "message": ALERT.text,
            "priority": 4,
            "tags": ["rotating_light"],
            "click": ALERT.link,
        }
        assert (over.json["priority"], over.json["tags"]) == (3, ["white_check_mark"])

    def test_a_public_topic_needs_no_token(self, service: Service) -> None:
        assert deliver(self.settings(service), replace(ALERT, link=None)) == [None]
        assert "authorization" not in service.requests[0].headers
        assert "click" not in service.requests[0].json

    def test_a_long_text_stays_a_message(self, service: Service) -> None:
        deliver(self.settings(service), replace(ALERT, summary="ä" * 5000))
        assert len(service.requests[0].json["message"].encode()) == 4096

    def test_a_refused_token_is_an_error_without_the_topic(self) -> None:
        with serve(Service(Answer(403, "forbidden: planted-topic"))) as service:
            (error,) = deliver(self.settings(service))
        assert error == "127.0.0.1 answered 403: forbidden: ***"


class TestPing:
    def test_start_success_and_failure_carry_the_id_of_the_run(self, service: Service) -> None:
        settings = replace(QUICK, channels=(PingSettings(f"{service.url}/ping/5bf66975-planted"),))
        (channel,) = channels_of(settings)
        good, bad = run_of(), run_of(failed=True)
        channel.run_started(good)
        channel.run_ended(FinishedRun(good))
        channel.run_ended(FinishedRun(bad, log_tail=("21:20:01 error   ingest    it went wrong",)))
        started, success, failed = service.requests
        assert [request.path.removeprefix("/ping/5bf66975-planted") for request in service.requests] == [
            "/start",
            "",
            "/fail",
        ]
        assert started.query == success.query == {"rid": str(good.run_id)}
        assert failed.query == {"rid": str(bad.run_id)}
        assert failed.body.decode().splitlines() == [
            "ingest: BadDataError: user_id=***/sleep.csv: bad",
            "What to do: Mend it.",
            "",
            "21:20:01 error   ingest    it went wrong",
        ]

    def test_commands_run_by_hand_do_not_ping(self, service: Service) -> None:
        (channel,) = channels_of(replace(QUICK, channels=(PingSettings(service.url),)))
        for command in ("reload", "erase", "migrate"):
            run = RunResult(command)
            channel.run_started(run)
            channel.run_ended(FinishedRun(run))
        assert service.requests == []

    def test_a_long_log_is_cut_in_the_middle(self, service: Service) -> None:
        (channel,) = channels_of(replace(QUICK, channels=(PingSettings(service.url),)))
        channel.run_ended(FinishedRun(run_of(failed=True), log_tail=tuple(f"line {n} {'x' * 600}" for n in range(50))))
        body = service.requests[0].body
        assert len(body) <= 10_000
        assert body.startswith(b"ingest: BadDataError")
        assert b"line 49" in body


class TestPrometheus:
    def test_the_textfile_keeps_the_metrics_of_other_runs(self, tmp_path: Path) -> None:
        path = tmp_path / "pipeline.prom"
        (channel,) = channels_of(replace(QUICK, channels=(TextfileSettings(path),)))
        loaded_at = datetime(2026, 11, 24, tzinfo=UTC)
        sleep = DatasetFreshness("sleep", 1, 8, "sleep.csv", loaded_at, None, 60.0, None, is_stale=False)
        channel.run_ended(FinishedRun(run_of(), datasets=[sleep]))
        first = figures(path)
        assert first['last_run_success{command="run"}'] == 1
        assert first['last_run_rows{command="run",outcome="rejected"}'] == 2
        assert first['last_run_files{command="run",status="loaded"}'] == 1
        assert first['last_run_files{command="run",status="refused"}'] == 0
        assert first['dataset_last_file_timestamp_seconds{dataset="sleep"}'] == 1795478400
        channel.run_ended(FinishedRun(run_of(failed=True)))
        channel.run_ended(FinishedRun(RunResult("erase")))
        second = figures(path)
        assert second['last_run_success{command="run"}'] == 0
        assert second['last_run_exit_code{command="run"}'] == 65
        # the metrics of other commands stay, and so does the time of the last success
        assert second['last_run_success{command="erase"}'] == 1
        assert (
            second['last_success_timestamp_seconds{command="run"}']
            == first['last_success_timestamp_seconds{command="run"}']
        )
        assert [entry.name for entry in tmp_path.iterdir()] == ["pipeline.prom"]

    def test_a_file_without_metrics_is_replaced(self, tmp_path: Path) -> None:
        path = tmp_path / "pipeline.prom"
        path.write_text("{not metrics")
        assert end(replace(QUICK, channels=(TextfileSettings(path),)), FinishedRun(run_of())) == [None]
        assert figures(path)['last_run_success{command="run"}'] == 1

    def test_a_missing_folder_is_an_error(self, tmp_path: Path) -> None:
        path = tmp_path / "nowhere" / "pipeline.prom"
        assert end(replace(QUICK, channels=(TextfileSettings(path),)), FinishedRun(run_of())) == [
            f"cannot write {path}: No such file or directory"
        ]

    def test_a_pushgateway(self, context: ssl.SSLContext, ca_file: Path) -> None:
        with serve(PushgatewayService(), context) as gateway:
            assert isinstance(gateway, PushgatewayService)
            settings = replace(
                QUICK,
                channels=(PushgatewaySettings(gateway.url),),
                timeout_seconds=2.0,
                ca_file=ca_file,
                name="a study",
            )
            assert end(settings, FinishedRun(run_of())) == [None]
            assert end(settings, FinishedRun(run_of(failed=True))) == [None]
        (group,) = gateway.groups
        # "a study": the protocol encodes a name with a space
        assert group == "job@base64/YSBzdHVkeQ==/command/run"
        pushed = gateway.groups[group]
        assert pushed["wearables_pipeline_last_run_success"] == {(("command", "run"),): 0}
        assert "wearables_pipeline_last_success_timestamp_seconds" in pushed

    def test_a_pushgateway_gets_its_password(self, service: Service) -> None:
        url = service.url.replace("//", "//me:planted-password@")
        assert end(replace(QUICK, channels=(PushgatewaySettings(url),)), FinishedRun(run_of())) == [None]
        assert service.requests[0].headers["authorization"] == "Basic bWU6cGxhbnRlZC1wYXNzd29yZA=="


def figures(path: Path) -> dict[str, float]:
    lines = [line for line in path.read_text().splitlines() if not line.startswith("#")]
    return {
        name.removeprefix("wearables_pipeline_"): float(value)
        for name, value in (line.rsplit(" ", 1) for line in lines)
    }


def test_every_channel_sends_a_test(tmp_path: Path, context: ssl.SSLContext) -> None:
    with serve(Service()) as hooks, serve(GitHubService()) as github, serve_mail() as mail:
        assert isinstance(github, GitHubService)
        settings = replace(
            QUICK,
            timeout_seconds=2.0,
            channels=(
                SlackSettings((hooks.url + "/slack",)),
                TeamsSettings((hooks.url + "/teams",)),
                AnyWebhookSettings((hooks.url + "/hook",)),
                MailSettings(f"smtp://127.0.0.1:{mail.port}?tls=none", ("ops@example.org",)),
                GitHubSettings(github.repository, github.token, github.url),
                NtfySettings(hooks.url + "/topic"),
                PingSettings(hooks.url + "/ping"),
                TextfileSettings(tmp_path / "pipeline.prom"),
                PushgatewaySettings(hooks.url + "/push"),
            ),
        )
        outcomes = send_test(settings)
    assert [error for _, error in outcomes] == [None] * len(settings.channels)
    # /log leaves the check unchanged
    assert sorted(request.path for request in hooks.requests) == [
        "/",
        "/hook",
        "/ping/log",
        "/push/metrics/job/wearables-pipeline/command/alert_test",
        "/slack",
        "/teams",
    ]
    assert [issue["state"] for issue in github.issues] == ["closed"]
    assert len(mail.mails) == 1


def test_a_safe_text_has_no_participant_and_no_secret() -> None:
    log.hide(["planted-password-9"])
    text = safe("user_id=1503960366/sleep.csv: planted-password-9\nDETAIL: Failing row contains (1503960366, 3).")
    assert text == "user_id=***/sleep.csv: *** DETAIL: ***"
    assert len(safe("x" * 10_000)) < 1000
