"""The weekly digest: its weeks, its words, and the form and limits of each channel."""

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest

from ingestion.config import ROOT, AlertSettings, DigestSettings, Settings
from ingestion.config.digest import WEEKDAYS
from ingestion.digest.channels import Mail, Post, channels_of, html_of, slack_body, teams_body
from ingestion.digest.contents import Contents
from ingestion.digest.document import document_of
from ingestion.digest.weeks import week_of, week_to_send
from ingestion.errors import ConfigurationError
from ingestion.follow_up import Entry, FollowUp, Resolved
from ingestion.volume import Volume

AS_OF = date(2026, 11, 22)
MONDAY = date(2026, 11, 23)
EMPTY = dict.fromkeys(
    (
        *("arm", "site", "wearing_less_by", "since_date", "said_on", "evidence", "threshold", "cause"),
        *("last_sync_date", "battery_percent", "battery_state", "battery_read_date", "last_record_date"),
        *("last_valid_date", "last_worn_date", "usual_steps", "recent_steps"),
    )
)


def entry(position: int, **others: Any) -> Entry:
    fields = {
        **EMPTY,
        "position": position,
        "user_id": f"user {position}",
        "as_of_date": AS_OF,
        "reason": "stopped",
        "status": "stopped",
        "certainty": "counted",
        "is_new": False,
        **others,
    }
    return Entry(**fields)


def contents(*entries: Entry, resolved: tuple[Resolved, ...] = (), **others: Any) -> Contents:
    told = FollowUp(AS_OF, AS_OF - timedelta(7), list(entries), list(resolved))
    names = {each.user_id: f"NAME-{each.user_id[5:]:>04}" for each in told.entries}
    names |= {each.user_id: f"GONE-{each.user_id[5:]}" for each in told.resolved}
    return Contents(told, names, **others)


STUDY = contents(
    entry(
        1,
        since_date=date(2026, 11, 14),
        cause="not_worn",
        last_sync_date=date(2026, 11, 21),
        arm="active",
        site="Zürich",
        is_new=True,
    ),
    entry(2, reason="wearing_less", wearing_less_by="fewer_days", certainty="likely", arm="tiny", site="<b>"),
    resolved=(Resolved("user 7", "moving_less", "stable"), Resolved("user 8", "stopped", None)),
    counts={"stable": (25, 23), "stopped": (1, 1), "withdrawn": (0, 0)},
    arms=frozenset({"active"}),
    sites=frozenset({"Zürich", "<b>"}),
    problems=("Refused files: sleep 2.",),
)
DOCUMENT = document_of(STUDY, "study", "https://study.example.org/report")
MANY = document_of(
    contents(*(entry(n, arm="an arm with a long name " * 3, is_new=True) for n in range(1, 5001)), arms=frozenset()),
    "study",
    None,
)


@pytest.mark.parametrize("weekday", WEEKDAYS)
def test_a_digest_is_made_up_until_the_day_before_the_next_one(weekday: str) -> None:
    first = MONDAY + timedelta(WEEKDAYS.index(weekday))
    assert first.strftime("%A").lower() == weekday
    assert [week_to_send(weekday, first + timedelta(days)) for days in range(8)] == [
        *[first] * 6,
        None,
        first + timedelta(7),
    ]
    assert week_of(weekday, first + timedelta(6)) == first


def test_a_digest_of_monday_is_not_sent_on_sunday() -> None:
    assert week_to_send("monday", date(2026, 11, 22)) is None
    assert week_to_send("monday", MONDAY + timedelta(1)) == MONDAY


def test_the_text_says_whom_to_call_and_what_has_changed() -> None:
    assert DOCUMENT.subject == "study: 2 participants to call, 1 new"
    assert DOCUMENT.text == (
        "2 participants to call: 1 new, 2 off the list.\n"
        "The data are those up to 22 Nov 2026.\n\n"
        "TO CALL: 2 PARTICIPANTS\n\n"
        "1. NAME-0001: stopped since 14 Nov 2026  NEW\n"
        "    How sure: counted. Person or device: not worn. Last sync: 21 Nov 2026. Arm: active. Site: Zürich\n"
        "2. NAME-0002: wearing less (fewer days)\n"
        "    How sure: likely. Last sync: not known. Site: <b>\n\n"
        "NEW SINCE THE LIST OF 15 NOV 2026: 1\n\n"
        "NAME-0001: stopped\n\n"
        "OFF THE LIST SINCE THE LIST OF 15 NOV 2026: 2\n\n"
        "GONE-7: was moving less, is now stable\n"
        "GONE-8: was stopped, is now without data\n\n"
        "EVERYBODY, BY STATUS\n\n"
        "stable: 25 (+2)\n"
        "stopped: 1\n\n"
        "PROBLEMS WITH THE DATA\n\n"
        "Refused files: sleep 2.\n\n"
        "Open: https://study.example.org/report"
    )


def test_the_example_of_the_docs_is_a_real_digest() -> None:
    names = ["K7QM-2XHT", "4N0B-93SD", "ZC5R-8T1E", "01WV-QQ6M"]
    listed = [
        replace(STUDY.told.entries[0], user_id=names[0]),
        replace(
            STUDY.told.entries[1],
            user_id=names[1],
            since_date=date(2026, 11, 2),
            cause="unknown",
            arm="control",
            site="Zürich",
        ),
    ]
    gone = [Resolved(names[2], "moving_less", "stable"), Resolved(names[3], "stopped", "withdrawn")]
    low = Volume("sleep", "all", AS_OF, 18, 18, 36, 36, 8, is_low=True, low_in="participants and rows")
    example = Contents(
        FollowUp(AS_OF, AS_OF - timedelta(7), listed, gone),
        {name: name for name in names},
        {
            "increasing": (4, 4),
            "stable": (25, 23),
            "wearing_less": (1, 1),
            "stopped": (1, 2),
            "withdrawn": (3, 2),
        },
        frozenset({"active", "control"}),
        frozenset({"Zürich"}),
        ("Refused files: sleep 2.", f"{low.message}."),
    )
    document = document_of(example, "wearables-pipeline", "https://study.example.org/reports/latest.html")
    page = (ROOT / "docs" / "digest.md").read_text(encoding="utf-8")
    (shown,) = re.findall(r"```\n(Subject: .*?)\n```", page, re.DOTALL)
    assert f"Subject: {document.subject}\n\n{document.text}" == shown


def test_the_first_digest_says_that_it_has_nothing_to_compare_with() -> None:
    first = replace(STUDY, told=replace(STUDY.told, compared_with=None, resolved=[], entries=[entry(1)]))
    text = document_of(first, "study", None).text
    assert "This is the first digest." in text
    assert "stable: 25\n" in text
    assert "SINCE THE LIST" not in text


def test_nobody_to_call_is_said() -> None:
    document = document_of(contents(), "study", None)
    assert document.subject == "study: 0 participants to call"
    assert document.text.startswith("Nobody to call: 0 new, 0 off the list.\n")
    assert document.text.endswith("PROBLEMS WITH THE DATA\n\nNone.")


@pytest.mark.parametrize(
    ("report", "setting", "link", "closing"),
    [
        (None, None, None, ()),
        ("/reports/x.html", None, None, ()),
        ("https://files.example.org/x.html", None, "https://files.example.org/x.html", ()),
        ("https://files.example.org/x.html", "https://page.example.org", "https://page.example.org", ()),
        ("s3://study/x.html", None, None, ("Report: s3://study/x.html",)),
    ],
)
def test_the_report_is_linked_where_it_has_a_url(
    report: str | None, setting: str | None, link: str | None, closing: tuple[str, ...]
) -> None:
    document = document_of(replace(STUDY, report=report), "study", setting)
    assert (document.link, document.closing) == (link, closing)


def test_a_participant_without_a_pseudonym_is_not_named() -> None:
    assert "user 1" not in document_of(replace(STUDY, names={}), "study", None).text


def test_the_mail_has_text_html_and_the_report() -> None:
    settings = DigestSettings(email_to=("a@example.org", "b@example.org"), smtp_url="smtp://mail.example.org")
    mail = Mail(settings, AlertSettings())
    message = mail.message(Post(DOCUMENT, b"<!doctype html><p>the report", "0a1b"))
    assert (message["To"], message["From"]) == ("a@example.org, b@example.org", "a@example.org")
    assert message["Message-ID"] == mail.message(Post(DOCUMENT, key="0a1b"))["Message-ID"] == "<0a1b@example.org>"
    text, html = message.get_body(("plain",)), message.get_body(("html",))
    assert text is not None
    assert html is not None
    assert text.get_content().splitlines()[0] == "2 participants to call: 1 new, 2 off the list."
    assert text.get_content().endswith("The report is attached.\n")
    assert "width=device-width" in html.get_content()
    (attached,) = message.iter_attachments()
    assert attached.get_filename() == "report.html"
    assert "the report" in attached.get_content()


def test_html_shows_texts_as_they_are() -> None:
    page = html_of(DOCUMENT)
    assert "Site: &lt;b&gt;" in page
    assert page.count("<mark>new</mark>") == 1
    assert '<a href="https://study.example.org/report">' in page
    assert not re.search(r"<(?:script|img|link)|https?://(?!study\.example)", page)


def test_a_long_mail_is_cut() -> None:
    message = Mail(DigestSettings(email_to=("a@example.org",)), AlertSettings()).message(Post(MANY))
    body = message.get_body(("plain",))
    assert body is not None
    text = body.get_content()
    assert "150. NAME-0150" in text
    assert "151. NAME" not in text
    assert text.count("and 4,850 more in the report") == 2
    html = message.get_body(("html",))
    assert html is not None
    # GMail cuts a mail there
    assert len(html.get_content().encode()) < 102_000


def texts(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        if isinstance(value.get("text"), str) and "type" in value:
            yield value
        for each in value.values():
            yield from texts(each)
    elif isinstance(value, list):
        for each in value:
            yield from texts(each)


@pytest.mark.parametrize("document", [DOCUMENT, MANY], ids=["short", "long"])
def test_slack_gets_blocks_within_its_limits(document: Any) -> None:
    body = slack_body(document)
    assert 0 < len(body["blocks"]) <= 50
    assert {block["type"] for block in body["blocks"]} <= {"header", "section", "actions"}
    for block in body["blocks"]:
        for text in texts(block):
            assert text["type"] == "plain_text"
            assert 0 < len(text["text"]) <= (150 if block["type"] == "header" else 3000)
    assert document.subject in body["text"]
    assert "<b>" not in body["text"]


def test_slack_shows_the_whole_list_or_says_what_it_lacks() -> None:
    shown = json.dumps(slack_body(DOCUMENT))
    assert "NAME-0001" in shown
    assert "NAME-0002" in shown
    assert "more in the report" not in shown
    assert slack_body(DOCUMENT)["blocks"][-1]["elements"][0]["url"] == DOCUMENT.link
    long = [text["text"] for text in texts(slack_body(MANY)["blocks"])]
    assert sum("and 4,940 more in the report" in text for text in long) == 2


def test_teams_gets_a_card_that_it_accepts() -> None:
    body = teams_body(DOCUMENT)
    (attachment,) = body["attachments"]
    card = attachment["content"]
    assert (card["type"], card["version"]) == ("AdaptiveCard", "1.4")
    # a TextBlock would interpret Markdown
    assert {block["type"] for block in card["body"]} == {"RichTextBlock"}
    shown = [block["inlines"][0]["text"] for block in card["body"]]
    assert "1. NAME-0001: stopped since 14 Nov 2026 (new)" in shown
    assert card["actions"] == [{"type": "Action.OpenUrl", "title": "Open", "url": DOCUMENT.link}]


def test_a_long_card_is_cut_to_the_size_that_teams_accepts() -> None:
    body = teams_body(MANY)
    size = len(json.dumps(body).encode())
    assert 20_000 < size <= 24_000
    assert json.dumps(body).count("more in the report") == 2


def test_each_place_is_a_channel() -> None:
    digest = DigestSettings(
        email_to=("a@example.org",), slack_urls=("https://s/1", "https://s/2"), teams_urls=("https://t/1",)
    )
    assert [channel.name for channel in channels_of(Settings(digest=digest))] == ["email", "slack", "slack_2", "teams"]


@pytest.mark.parametrize(
    ("environ", "message"),
    [
        ({"PIPELINE_DIGEST_WEEKDAY": "monday"}, "PIPELINE_DIGEST_WEEKDAY is set but none of "),
        ({"PIPELINE_DIGEST_WEEKDAY": "mon"}, "PIPELINE_DIGEST_WEEKDAY is not monday or tuesday"),
        ({"PIPELINE_DIGEST_EMAIL_TO": "a@example.org"}, "but PIPELINE_ALERT_SMTP_URL is not"),
        (
            {"PIPELINE_ALERT_SMTP_URL": "smtp://mail"},
            "but none of PIPELINE_ALERT_EMAIL_TO and PIPELINE_DIGEST_EMAIL_TO is",
        ),
    ],
)
def test_an_incomplete_setting_is_an_error(environ: dict[str, str], message: str) -> None:
    with pytest.raises(ConfigurationError, match=re.escape(message)):
        Settings.from_environment(environ)


def test_a_digest_by_mail_needs_no_alerts() -> None:
    environ = {
        "PIPELINE_DIGEST_WEEKDAY": "Friday",
        "PIPELINE_DIGEST_EMAIL_TO": "a@example.org, b@example.org",
        "PIPELINE_DIGEST_SLACK_URL": "https://hooks.example.org/planted-slack",
        "PIPELINE_ALERT_SMTP_URL": "smtps://me:planted-password@mail.example.org",
        "PIPELINE_ALERT_EMAIL_FROM": "study@example.org",
    }
    settings = Settings.from_environment(environ)
    assert not settings.alerts.is_on
    digest = settings.digest
    assert (digest.weekday, digest.email_to) == ("friday", ("a@example.org", "b@example.org"))
    assert (digest.smtp_url, digest.sender) == (environ["PIPELINE_ALERT_SMTP_URL"], "study@example.org")
    assert "planted" not in repr(settings)
    assert {"planted-password", environ["PIPELINE_DIGEST_SLACK_URL"]} <= set(settings.secrets)
