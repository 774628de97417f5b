"""The list to call: as in the mart, filtered and marked in the page, and downloaded."""

import csv
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from ingestion import db, report
from ingestion.config import Database
from tests.integration.report import files
from tests.integration.report.conftest import Open, Study
from tests.integration.report.looking import DASH, LATEST, PHONE, day, number
from tests.integration.report.reading import figures

Changed = Callable[[str], tuple[Database, Path]]
WHAT = {
    "never_started": "Never started",
    "not_synchronising": "Not synchronising",
    "stopped": "Stopped",
    "wearing_less": "Wearing less",
    "moving_less": "Moving less",
}
COLUMNS = (
    "user_id, arm, site, reason, wearing_less_by, since_date, said_on, certainty, cause, last_sync_date,"
    " battery_percent, last_valid_date, usual_steps, recent_steps, as_of_date"
)
THREE_THOUSAND = """
truncate marts.rpt_follow_up;
insert into marts.rpt_follow_up
    (position, user_id, as_of_date, reason, status, since_date, said_on, certainty, evidence, threshold, cause)
select
    n, n::text, date '2026-04-29', 'stopped', 'stopped', date '2026-04-01', date '2026-04-05', 'counted', 28, 14,
    'unknown'
from generate_series(1, 3000) as n;
insert into marts.fct_user_day (user_id, activity_date, has_record, wear_source, is_partial_day, is_valid_day, steps)
select n::text, date '2026-03-01' + d, true, 'steps', false, true, 2000
from generate_series(1, 3000) as n, generate_series(0, 9) as d;
insert into marts.dim_participant (user_id, is_on_roster, has_data, n_identifiers)
select n::text, false, true, 0
from generate_series(1, 3000) as n;
"""


def listed(page: Page) -> list[str]:
    return page.locator("#calls .row-name").all_inner_texts()


def pseudonyms(study: Study, names: list[str]) -> dict[str, str]:
    """Return the pseudonyms of participants, by user id."""
    engine = db.create_engine(study.settings)
    return {report.who(engine, name)[0]: name for name in names}


def cause_of(reason: str, cause: str | None, synced: str, battery: int | None) -> str:
    verb = "synchronises" if synced == "29 Apr" else f"synchronised until {synced}"
    silent = f"No synchronisation since {synced}: not known whether worn."
    return {
        "not_worn": f"Device {verb}, {'worn less' if reason == 'wearing_less' else 'not worn'}.",
        "not_synchronised": silent,
        "battery_low": f"{silent} The battery was low ({battery}%).",
        "unknown": "Cannot be told: no synchronisation data.",
        None: "Device worn.",
    }[cause]


def test_each_cell_matches_the_mart(study: Study, opened: Open) -> None:
    page = opened(study.report, viewport={"width": 1440, "height": 900})
    page.locator("#all-calls").click()
    rows = page.locator("#calls tr")
    wanted = study.rows(f"select {COLUMNS} from marts.rpt_follow_up order by position")
    assert {row[8] for row in wanted} == {"not_worn", "not_synchronised", "battery_low", "unknown", None}
    expect(rows).to_have_count(len(wanted))
    engine = db.create_engine(study.settings)
    for row, entry in zip(rows.all(), wanted, strict=True):
        user, arm, site, reason, by, since, said, certainty, cause, sync, battery, valid, usual, recent, as_of = entry
        shown = [cell.inner_text().replace("\xa0", " ") for cell in row.locator("td").all()]
        who, *place = shown[1].split("\n")
        assert report.who(engine, who) == [user]
        places = [f"arm {arm}" if arm else None, f"site {site}" if site and site != files.SMALL_SITE else None]
        assert place == [" · ".join(filter(None, places))] * any(places)
        less = {"fewer_days": "fewer days", "fewer_hours": "fewer hours a day"}.get(by)
        assert shown[2].split("\n")[1:] == [WHAT[reason], *filter(None, [less])]
        assert shown[3].split("\n") == [day(since), f"{(as_of - since).days + 1} days"]
        assert shown[4] == cause_of(reason, cause, day(sync), battery)
        assert shown[5].startswith(certainty.capitalize())
        assert shown[6:8] == [day(sync), day(valid)]
        assert row.locator("td").nth(8).evaluate(
            "(cell) => [cell.firstChild, cell.lastChild].map((n) => n.textContent)"
        ) == [
            number(usual),
            number(recent),
        ]
        assert f"Said since {said.day} {said:%b} {said.year}" in str(row.locator("td").nth(3).get_attribute("title"))


def test_the_list_can_be_filtered_and_sorted(study: Study, opened: Open) -> None:
    page = opened(study.report)
    page.locator("#all-calls").click()
    everybody = listed(page)
    known = pseudonyms(study, everybody)
    entries = "select user_id from marts.rpt_follow_up where {} order by position"
    assert everybody == [known[user] for (user,) in study.rows(entries.format("true"))]
    for label, option, condition in (
        ("reason", "wearing_less", "reason = 'wearing_less'"),
        ("arm", None, "arm = '=B+1'"),
        ("site", None, "site = 'Linz'"),
    ):
        select = page.locator(f"#calls-{label}")
        wanted = [known[user] for (user,) in study.rows(entries.format(condition))]
        if option:
            select.select_option(option)
        else:
            select.select_option(label=condition.split("'")[1])
        assert listed(page) == wanted, label
        expect(page.locator("#calls-count")).to_contain_text(f"{len(wanted)} of {len(everybody)} people to call")
        select.select_option("")
    page.locator("#calls-sort").select_option("longest")
    page.locator("#all-calls").click()
    since = dict(study.rows("select user_id, since_date from marts.rpt_follow_up"))
    users = {name: user for user, name in known.items()}
    dates = [since[users[name]] for name in listed(page)]
    assert dates == sorted(dates)
    page.locator("#calls-sort").select_option("name")
    page.locator("#all-calls").click()
    assert listed(page) == sorted(everybody)


def test_marks_stay_with_the_address(study: Study, opened: Open) -> None:
    page = opened(study.report)
    first, second, *_ = listed(page)
    page.get_by_label(f"{first} called").check()
    expect(page.locator("#calls-count")).to_contain_text("1 called")
    assert first in page.url
    page.reload()
    page.wait_for_selector("html[data-ready]")
    assert page.get_by_label(f"{first} called").is_checked()
    page.get_by_role("link", name=second).first.click()
    expect(page.locator("#participant-title")).to_contain_text(second)
    assert first in page.url, "the page of a participant keeps the marks"
    page.go_back()
    assert page.get_by_label(f"{first} called").is_checked()
    page.get_by_label(f"{second} called").check()
    page.go_forward()
    expect(page.locator("#participant-title")).to_contain_text(second)
    assert second in page.url.partition("called=")[2], "an older address does not undo a mark"
    page.go_back()
    page.locator("nav").get_by_role("link", name="Data").click()
    page.reload()
    page.wait_for_selector("html[data-ready]")
    assert page.get_by_label(f"{first} called").is_checked()
    assert page.get_by_label(f"{second} called").is_checked()
    page.locator("#calls-shown").select_option("open")
    assert first not in listed(page)
    page.locator("#calls-shown").select_option("all")
    page.get_by_label(f"{first} called").uncheck()
    page.get_by_label(f"{second} called").uncheck()
    assert "called" not in page.url


def test_marks_of_another_week_do_not_count(study: Study, opened: Open) -> None:
    name = listed(opened(study.report))[0]
    for date, is_called in (("2026-04-29", True), ("2026-04-23", True), ("2026-04-22", False), ("2026-05-01", False)):
        page = opened(study.report, f"#call?called={date}:{name}")
        assert page.get_by_label(f"{name} called").is_checked() == is_called, date


def test_the_rows_in_view_are_downloaded(study: Study, opened: Open, tmp_path: Path) -> None:
    page = opened(study.report, accept_downloads=True)
    page.get_by_label(f"{listed(page)[0]} called").check()
    wanted = study.rows(f"select {COLUMNS} from marts.rpt_follow_up where site = 'Vienna' order by position")
    page.locator("#calls-site").select_option(label="Vienna")
    with page.expect_download() as download:
        page.get_by_role("button", name="Download CSV").click()
    assert download.value.suggested_filename == "to_call_2026-04-29.csv"
    path = tmp_path / "calls.csv"
    download.value.save_as(path)
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    engine = db.create_engine(study.settings)
    assert [report.who(engine, row["participant"]) for row in rows] == [[entry[0]] for entry in wanted]
    for row, entry in zip(rows, wanted, strict=True):
        _, arm, site, reason, _, since, said, certainty, _, sync, battery, valid, usual, recent, as_of = entry
        assert row["arm"] == ("'=B+1" if arm == "=B+1" else arm), "a spreadsheet does not run it"
        assert (row["site"], row["what"], row["how_sure"]) == (site, WHAT[reason], certainty.capitalize())
        dates = [row[name] for name in ("since", "said_on", "last_sync", "last_valid_day", "as_of")]
        assert dates == ["" if value is None else value.isoformat() for value in (since, said, sync, valid, as_of)]
        figures_ = [row[name] for name in ("battery_percent", "usual_steps", "recent_steps")]
        assert figures_ == ["" if value is None else f"{value:g}" for value in (battery, usual, recent)]
        assert row["new"] == "no"
    assert {row["called"] for row in rows} <= {"yes", "no"}


def test_what_is_new_and_what_is_over_is_said(study: Study, changed: Changed, opened: Open) -> None:
    (gone,) = study.rows(
        f"select user_id from marts.fct_user_status where as_of_date = {LATEST} and status = 'stable' limit 1"
    )
    database, path = changed(
        "delete from ops.follow_up_lists;"
        " insert into ops.follow_up_lists (told_by, as_of_date, run_id)"
        " values ('report', '2026-04-22', gen_random_uuid());"
        " insert into ops.follow_up_entries select list_id, user_id, reason from ops.follow_up_lists,"
        " marts.rpt_follow_up where position > 3;"
        f" insert into ops.follow_up_entries select list_id, '{gone[0]}', 'moving_less' from ops.follow_up_lists;"
    )
    page = opened(path)
    assert page.locator("#calls .new").count() == 3
    expect(page.locator("#call")).to_contain_text("3 people are new since the list of 22 Apr")
    expect(page.locator("#call .resolved summary")).to_have_text("1 person is no longer on the list since 22 Apr")
    expect(page.locator("#call .resolved li")).to_contain_text("(moving less before, now stable)")
    page.locator("#calls-shown").select_option("new")
    assert len(listed(page)) == 3
    assert study.rows("select count(*) from ops.follow_up_lists", database) == [(1,)], (
        "a file of one's own is not a report"
    )


def test_a_run_records_whom_its_report_has_listed(study: Study) -> None:
    assert study.rows(
        "select l.told_by, l.as_of_date = s.as_of_date as is_latest, r.run_id = l.run_id as is_last"
        " from ops.follow_up_lists as l"
        " cross join (select max(as_of_date) as as_of_date from marts.fct_user_status) as s"
        " cross join (select run_id from ops.pipeline_runs order by started_at desc limit 1) as r"
    ) == [("report", True, True)]
    wanted = study.rows("select user_id, reason from marts.rpt_follow_up order by user_id")
    assert study.rows("select user_id, reason from ops.follow_up_entries order by user_id") == wanted


def test_an_empty_list_is_said(changed: Changed, opened: Open) -> None:
    _, path = changed("truncate marts.rpt_follow_up")
    expect(opened(path).locator("#call")).to_contain_text("Nobody has to be called")


def test_that_person_and_device_cannot_be_told_apart_is_said(changed: Changed, opened: Open) -> None:
    _, path = changed("update marts.rpt_follow_up set cause = 'unknown', last_sync_date = null where cause is not null")
    expect(opened(path).locator("#call")).to_contain_text(
        "The person and the device cannot be told apart: no synchronisation data"
    )


def test_a_device_in_the_list_is_on_the_page_of_the_participant(study: Study, opened: Open) -> None:
    page = opened(study.report)
    page.locator('#calls tr[data-reason="not_synchronising"] a').first.click()
    expect(page.locator("#participant .to-call")).to_contain_text("not synchronising. No synchronisation since")
    expect(page.locator("#participant .to-call")).to_contain_text("without a synchronisation; said from 5 on")
    expect(page.locator("#participant dl.facts")).to_contain_text("Last sync")


def test_thousands_to_call_are_quick(changed: Changed, opened: Open) -> None:
    _, path = changed(THREE_THOUSAND)
    page = opened(path)
    assert len(listed(page)) == 20
    began = time.perf_counter()
    page.get_by_label(f"{listed(page)[0]} called").check()
    page.locator("#calls-sort").select_option("name")
    expect(page.locator("#calls-count")).to_have_text("20 of 3,000 people to call. 1 called.")
    assert time.perf_counter() - began < 3
    page.locator("#all-calls").click()
    assert page.locator("#calls tr").count() == 3000


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_on_a_telephone_each_row_is_a_card(study: Study, opened: Open, scheme: str) -> None:
    page = opened(study.report, color_scheme=scheme, **PHONE)
    card = page.locator("#calls tr").first
    assert card.evaluate("(row) => getComputedStyle(row).display") == "grid"
    box = card.bounding_box()
    assert box
    assert box["width"] <= 390 - 2 * 16
    assert "Last valid day" in card.evaluate(
        "(row) => [...row.cells].map((c) => getComputedStyle(c, '::before').content).join()"
    )


def test_a_report_without_a_list_says_so(study: Study, changed: Changed, opened: Open) -> None:
    _, path = changed("drop schema marts cascade")
    expect(opened(path).locator("#call")).to_contain_text("There is no list yet")
    assert figures(path)["followUp"] is None
    assert figures(study.report)["followUp"]["comparedWith"] is None
    assert DASH not in str(figures(study.report)["followUp"]["reason"])
