"""A very large study: the report shows whom to call and a sample of the others, says so, and counts everybody."""

import hashlib
import re
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from ingestion import db, report
from ingestion.errors import UsageError
from ingestion.report import pseudonym
from tests.drops import Invoke
from tests.integration.report import reading
from tests.integration.report.conftest import Open, Study
from tests.integration.report.looking import LATEST, PHONE, number, participants_shown
from tests.integration.report.test_page import Changed

CALLS, SAMPLE, EVERYBODY = 6, 8, 39
TO_CALL = "select user_id from marts.rpt_follow_up order by position"
# whatever the limit, these count everybody
COUNTS = ("groups", "people", "cohort", "retention", "flow", "definitions", "unjudged", "counts", "userDays", "asOf")


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    limit(monkeypatch)


def limit(monkeypatch: pytest.MonkeyPatch, most: int = EVERYBODY - 1, sample: int = SAMPLE) -> None:
    for name, value in (("MOST_PEOPLE", most), ("CALLS_SHOWN", CALLS), ("SAMPLE_SIZE", sample)):
        monkeypatch.setattr(f"ingestion.report.people.{name}", value)


def written(study: Study, path: Path, *asked: str, with_user_ids: bool = True) -> Path:
    settings = replace(study.settings, report_user_ids=with_user_ids)
    report.write_latest(db.create_engine(settings), settings, path, asked)
    return path


def digests(study: Study) -> dict[str, bytes]:
    """Return the hash of everybody on the page, by user id."""
    ((key,),) = study.rows("select key from ops.report_key")
    listed = "select user_id from marts.fct_user_day union select user_id from marts.dim_participant where is_on_roster"
    return {user_id: hashlib.sha256(bytes(key) + user_id.encode()).digest() for (user_id,) in study.rows(listed)}


def others(study: Study) -> list[str]:
    """Return those who need not be called, in the order of their hashes."""
    to_call = {user_id for (user_id,) in study.rows(TO_CALL)}
    hashes = digests(study)
    return sorted(hashes.keys() - to_call, key=hashes.__getitem__)


@pytest.mark.usefixtures("small")
def test_the_first_of_the_list_and_a_sample_of_the_others_are_shown(
    study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hashes = digests(study)
    assert len(hashes) == EVERYBODY
    to_call = [user_id for (user_id,) in study.rows(TO_CALL)]
    assert CALLS < len(to_call) < EVERYBODY - SAMPLE
    path = written(study, tmp_path / "sampled.html")
    figures = reading.figures(path)
    wanted = {*to_call[:CALLS], *others(study)[:SAMPLE]}
    assert figures["participants"]["name"] == sorted(wanted, key=hashes.__getitem__)
    assert figures["sample"] == {"asked": 0, "mostCalls": CALLS}
    listed = [figures["participants"]["name"][place] for place in figures["followUp"]["participant"]]
    assert listed == to_call[:CALLS]

    # a larger sample has the same people and others
    limit(monkeypatch, sample=SAMPLE + 3)
    more = reading.figures(written(study, tmp_path / "more.html"))["participants"]["name"]
    assert wanted < set(more)


@pytest.mark.usefixtures("small")
def test_whoever_is_shown_has_the_figures_of_a_report_of_everybody(
    study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sampled = written(study, tmp_path / "sampled.html")
    limit(monkeypatch, most=EVERYBODY)
    whole = written(study, tmp_path / "whole.html")
    some, every = reading.figures(sampled), reading.figures(whole)
    assert every["sample"] is None, "a study of as many people as the limit is shown whole"
    assert len(every["participants"]["name"]) == EVERYBODY
    place = {name: at for at, name in enumerate(every["participants"]["name"])}
    places = [place[name] for name in some["participants"]["name"]]
    for column, values in some["participants"].items():
        assert values == [every["participants"][column][at] for at in places], column
    days = reading.days(whole)
    assert reading.days(sampled) == [days[at] for at in places]
    assert {name: some[name] for name in COUNTS} == {name: every[name] for name in COUNTS}
    assert some["followUp"]["people"] == every["followUp"]["people"]


def test_everybody_is_counted(study: Study) -> None:
    figures = reading.figures(study.report)
    groups, columns = figures["groups"], figures["people"]
    counted = Counter[tuple[int, int]]()
    for group, status, users in zip(columns["group"], columns["status"], columns["users"], strict=True):
        counted[group, status] += users
    for at, group in enumerate(groups):
        members = [
            row
            for row in range(EVERYBODY)
            if group["kind"] == "all" or figures["participants"][group["kind"]][row] == at
        ]
        assert len(members) == group["users"]
        shown = Counter(figures["participants"]["status"][row] for row in members)
        assert {status: users for (of, status), users in counted.items() if of == at} == shown
    calls = figures["followUp"]["people"]
    everyone = [users for of, users in zip(calls["group"], calls["users"], strict=True) if of == 0]
    assert sum(everyone) == len(figures["followUp"]["participant"])


@pytest.mark.usefixtures("small")
def test_the_days_are_those_that_there_is_room_for_of_the_shown(
    study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ingestion.report.days._MAX_DAYS", (CALLS + SAMPLE) * 20)
    path = written(study, tmp_path / "sampled.html")
    with_days = [count for count in reading.figures(path)["participants"]["days"] if count]
    # fewer have days than are shown: these leave room for more
    assert reading.figures(path)["maxDays"] == (CALLS + SAMPLE) * 20 // len(with_days)
    assert max(with_days) == reading.figures(path)["maxDays"]


@pytest.mark.usefixtures("small")
def test_the_page_says_who_is_shown_and_counts_everybody(study: Study, opened: Open, tmp_path: Path) -> None:
    page = opened(written(study, tmp_path / "sampled.html", with_user_ids=False))
    ((to_call,),) = study.rows("select count(*) from marts.rpt_follow_up")
    said = (
        f"{CALLS + SAMPLE} of {EVERYBODY} participants are shown: the first {CALLS} of the {to_call} that need a call"
        f" and a sample of {SAMPLE} of the others."
    )
    for section in ("#answer", "#participants", "#foot"):
        expect(page.locator(section)).to_contain_text(said)
    for status, users in study.rows(
        f"select status, count(*) from marts.fct_user_status where as_of_date = {LATEST} group by status"
    ):
        expect(page.locator(f'[data-count="{status}"]')).to_have_text(number(users))
    expect(page.locator("#calls-count")).to_contain_text(
        f"{CALLS} of {to_call} people to call, of whom this page lists {CALLS}"
    )
    left_out = page.locator("#call .left-out")
    expect(left_out).to_contain_text(f"This page lists the first {CALLS} of them, in the order to call")
    expect(left_out).to_contain_text("python -m ingestion follow-up --format csv --output follow-up.csv")
    for reason, users in study.rows("select replace(reason, '_', ' '), count(*) from marts.rpt_follow_up group by 1"):
        expect(left_out).to_contain_text(f"{users} {reason}")

    shown = page.locator("#shown")
    expect(shown).to_have_text(f"{CALLS + SAMPLE} participants in this report. {EVERYBODY} participants in all.")
    page.locator('.tile[data-status="stable"]').click()
    ((stable,),) = study.rows(
        f"select count(*) from marts.fct_user_status where as_of_date = {LATEST} and status = 'stable'"
    )
    listed = len(participants_shown(page))
    assert listed < stable
    expect(shown).to_have_text(
        f"{listed} of {CALLS + SAMPLE} participants in this report. {number(stable)} participants in all."
    )


@pytest.mark.usefixtures("small")
def test_the_page_says_it_of_a_group(study: Study, opened: Open, tmp_path: Path) -> None:
    page = opened(written(study, tmp_path / "sampled.html", with_user_ids=False), "#?group=arm:A")
    ((members,),) = study.rows("select count(*) from marts.dim_participant where arm = 'A'")
    expect(page.locator("#participants .sample")).to_contain_text(f"of {members} participants of arm A are shown: ")
    ((to_call,),) = study.rows("select count(*) from marts.rpt_follow_up where arm = 'A'")
    ((first,),) = study.rows(f"select count(*) from marts.rpt_follow_up where arm = 'A' and position <= {CALLS}")
    left_out = page.locator("#call .left-out")
    expect(left_out).to_contain_text(f"{to_call} people have to be called in arm A")
    expect(left_out).to_contain_text(f"This page lists {first} of them" if first else "This page lists none of them")
    expect(left_out).to_contain_text('--arm "A"')


def whoever_is_missing(study: Study, page: Page) -> str:
    hashes = digests(study)
    return next(
        name
        for name in (pseudonym.encode(hashes[user]) for user in others(study)[SAMPLE:])
        if name not in page.content()
    )


@pytest.mark.usefixtures("small")
def test_whoever_is_not_in_the_report_can_be_looked_up(study: Study, opened: Open, tmp_path: Path) -> None:
    path = written(study, tmp_path / "sampled.html", with_user_ids=False)
    page = opened(path)
    name = whoever_is_missing(study, page)
    page.get_by_label("Find").fill(name)
    nobody = page.locator(".nobody")
    expect(nobody).to_contain_text(f"It shows {CALLS + SAMPLE} of {EVERYBODY} participants")
    expect(nobody).to_contain_text(f"report --participant {name} --output one.html")
    page.get_by_label("Find").fill("x; rm")
    expect(nobody).to_contain_text("report --participant ID --output")

    # a link in a message, or in a report of another day
    linked = opened(path, f"#/participant/{name}")
    expect(linked.locator(".nobody")).to_contain_text(f"report --participant {name}")

    engine = db.create_engine(study.settings)
    one = tmp_path / "one.html"
    report.write_latest(engine, study.settings, one, [name.lower().replace("-", "")])
    page = opened(one, f"#/participant/{name}")
    expect(page.locator("#participant-title")).to_have_text(name)
    page.locator("#back").click()
    expect(page.locator("#participants .sample")).to_contain_text("and 1 asked for by name.")
    for text in ("nobody-has-this", "K7QM-2XHT"):
        with pytest.raises(UsageError, match="no participant in this database has this") as error:
            written(study, tmp_path / "none.html", text)
        assert text not in str(error.value)


def test_somebody_to_call_who_is_asked_for_is_on_the_list_of_the_page(
    study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    limit(monkeypatch)
    *_, (last,) = study.rows(TO_CALL)
    figures = reading.figures(written(study, tmp_path / "asked.html", last))
    assert figures["sample"]["asked"] == 0, "on the list of the page, so not beside it"
    listed = [figures["participants"]["name"][place] for place in figures["followUp"]["participant"]]
    assert listed[CALLS:] == [last]


@pytest.mark.usefixtures("small")
def test_the_id_of_somebody_who_is_not_shown_is_masked_too(study: Study, changed: Changed) -> None:
    missing = others(study)[SAMPLE]
    named = f"update ops.raw_ingest_manifest set source_filename = 'of_00{missing}_' || file_id || '.csv'"
    _, path = changed(named)
    figures: dict[str, Any] = reading.figures(path)
    assert len(figures["participants"]["name"]) == CALLS + SAMPLE
    assert all(re.match(r"of_\*\*\*_\d+\.csv", file["name"]) for file in figures["files"]["latest"])
    assert missing not in str(figures)


def test_a_participant_needs_a_file(invoke: Invoke, capsys: pytest.CaptureFixture[str]) -> None:
    assert invoke("report", "--participant", "1503960366") == 64
    assert "--participant needs --output" in capsys.readouterr().err


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("device", ["desktop", "phone"])
def test_the_page_is_accessible(study: Study, opened: Open, tmp_path: Path, scheme: str, device: str) -> None:
    path = written(study, tmp_path / "sampled.html", with_user_ids=False)
    page = opened(path, color_scheme=scheme, bypass_csp=True, **(PHONE if device == "phone" else {}))
    page.get_by_label("Find").fill("nobody")
    page.evaluate("document.querySelectorAll('details').forEach((d) => d.open = true)")
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()
    width = page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
    assert width[0] <= width[1], "no scrolling sideways"
