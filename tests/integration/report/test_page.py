"""The page in a browser: its figures match the marts, it is accessible, and it makes no requests."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from ingestion import db, report
from ingestion.config import Database
from ingestion.report import days, pseudonym
from ingestion.report.contents import STATUSES
from tests.integration.report.conftest import Open, Study
from tests.integration.report.looking import DASH, LATEST, PHONE, cells, number, participants_shown, share_of

MINUS = "\N{MINUS SIGN}"
Changed = Callable[[str], tuple[Database, Path]]


def test_the_answer_matches_the_marts(study: Study, opened: Open) -> None:
    page = opened(study.report)
    query = "select status, count(*) from marts.fct_user_status where as_of_date = {} group by status"
    now = dict(study.rows(query.format(LATEST)))
    before = dict(study.rows(query.format(f"{LATEST} - 7")))
    for status in STATUSES:
        expect(page.locator(f'[data-count="{status}"]')).to_have_text(number(now.get(status, 0)))
        change = now.get(status, 0) - before.get(status, 0)
        said = page.locator(f'[data-change="{status}"]').inner_text()
        assert said.strip(" ·") == (f"{'+' if change > 0 else MINUS}{abs(change)} in a week" if change else "no change")
    steady = now["stable"] + now["increasing"]
    look = sum(now.get(status, 0) for status in ("declining", "wearing_less", "never_started"))
    assert now["never_started"] == 2
    assert (now["completed"], now["withdrawn"]) == (1, 1)
    headline = f"{steady} of {sum(now.values())} steady; {look} need a look; {now['stopped']} stopped"
    expect(page.locator("h1")).to_contain_text(headline)
    expect(page.locator("#answer .lead")).to_contain_text("1 has completed the study and 1 has withdrawn")


def test_weeks_and_quality_match_the_marts(study: Study, opened: Open) -> None:
    page = opened(study.report)
    for cohort, caption in (("everyone", "All participants"), ("founders", "The first week's participants")):
        rows = study.rows(
            "select week_start_date, status, users, pct from marts.rpt_cohort_engagement"
            f" where arm = 'all' and site = 'all' and cohort = '{cohort}' order by week_start_date desc"
        )
        figures = {(week, status): (users, pct) for week, status, users, pct in rows}
        weeks = sorted({week for week, *_ in rows}, reverse=True)
        stacked = ["stable", *(status for status in STATUSES if status != "stable")]
        statuses = [status for status in stacked if any((week, status) in figures for week in weeks)]
        assert "completed" in statuses
        by_week = [
            [
                number(figures[week, "all"][0]),
                *(share_of(figures.get((week, status), (0, 0.0))[1]) for status in statuses),
            ]
            for week in weeks
        ]
        assert [row[1:] for row in cells(page, f"{caption}: statuses by week")] == by_week
    wanted = study.rows(
        "select arm, day, at_risk, stopped, censored, staying from marts.rpt_retention where site = 'all'"
        " order by arm <> 'all', arm, day"
    )
    shown = cells(page, "Who stays, by days since they began")
    names = {"all": "everyone", "A": "arm A", "=B+1": "arm =B+1"}
    by_arm = sorted(wanted, key=lambda row: (row[0] != "all", row[0], row[1]))
    assert [row[:5] for row in shown] == [[names[arm], *(number(figure) for figure in row)] for arm, *row, _ in by_arm]
    assert [row[5] for row in shown if row[0] == "everyone"] == [
        share_of(100 * row[5]) for row in wanted if row[0] == "all"
    ]
    wanted = study.rows(
        "select rows_in, rows_out, rows_rejected, rows_deduplicated, overlap_conflicts from marts.fct_data_quality"
        " where checked_at = (select max(checked_at) from marts.fct_data_quality) order by rule"
    )
    shown = cells(page, "Rows by rule")
    assert sorted(row[1:] for row in shown) == sorted([number(figure) for figure in row] for row in wanted)


def test_each_row_matches_the_marts(study: Study, opened: Open) -> None:
    page = opened(study.report, viewport={"width": 1440, "height": 900})
    (wanted,) = study.rows(
        "select user_id, since_date, last_worn_date, vs_start, vs_recent, evidence, threshold"
        f" from marts.fct_user_status where as_of_date = {LATEST} and status = 'declining'"
        " order by vs_start limit 1"
    )
    user_id, since, worn, vs_start, vs_recent, evidence, threshold = wanted
    row = page.locator("a.row").first
    assert report.who(db.create_engine(study.settings), row.locator(".row-name").inner_text()) == [user_id]
    expect(row.locator(".row-status")).to_have_text(f"Moving less since {since.day} {since:%b}")
    expect(row.locator(".row-worn")).to_have_text(f"last worn {worn.day} {worn:%b}")
    expect(row.locator(".row-start")).to_have_text(f"{share_of(100 * vs_start)} of the start")
    expect(row.locator(".row-month")).to_have_text(f"{share_of(100 * vs_recent)} of the month before")
    expect(row.locator(".row-sure")).to_contain_text(f"{int(10 * round(evidence, 4)) / 10:g} of {threshold:g}")
    row.click()
    facts = page.locator("#participant dl.facts")
    expect(facts).to_contain_text(f"Compared with the start{share_of(100 * vs_start)}")
    expect(page.locator("#participant .legend")).to_contain_text("moving less")


def test_who_has_no_days_is_listed(study: Study, opened: Open) -> None:
    page = opened(study.report)
    page.get_by_role("group", name="Show only").get_by_role("button", name="Never started").click()
    assert len(participants_shown(page)) == 2
    page.locator("a.row").first.click()
    expect(page.locator("#participant")).to_contain_text("Has not worn the device")
    expect(page.locator("#participant")).to_contain_text("There are no days to show")
    page.go_back()
    page.get_by_role("button", name="Show all", exact=True).click()
    page.get_by_role("group", name="Show only").get_by_role("button", name="No status yet").click()
    page.locator("a.row").click()
    expect(page.locator("#participant")).to_contain_text("Takes part from 1 Jun 2026 on")


def test_each_day_of_a_participant_matches_the_marts(study: Study, opened: Open) -> None:
    ((user_id,),) = study.rows(
        "select user_id from marts.fct_user_day_deviation where metric = 'steps' and is_alert"
        " and user_id in (select user_id from marts.fct_user_day where minutes_asleep is not null) limit 1"
    )
    page = opened(study.report)
    # no command leads from a user id to the pseudonym
    digest = f"encode(sha256((select key from ops.report_key) || convert_to('{user_id}', 'UTF8')), 'hex')"
    ((hexadecimal,),) = study.rows(f"select {digest}")
    name = pseudonym.encode(bytes.fromhex(hexadecimal))
    page.evaluate("(name) => { location.hash = `#/participant/${name}`; }", name)
    expect(page.locator("#participant-title")).to_have_text(name)
    wanted = study.rows(
        "select day.steps, round(usual.baseline_median), day.invalid_reason is null, coalesce(usual.is_alert, false),"
        " day.minutes_asleep from marts.fct_user_day as day left join marts.fct_user_day_deviation as usual"
        " using (user_id, activity_date) where coalesce(usual.metric, 'steps') = 'steps' and day.user_id ="
        f" '{user_id}' order by day.activity_date desc"
    )
    shown = cells(page, f"Days of {name}")
    assert len(shown) == len(wanted) > 30
    for row, (steps, usual, counts, is_alert, asleep) in zip(shown, wanted, strict=True):
        assert row[1] == (DASH if steps is None else number(steps))
        assert row[2] == (DASH if usual is None else number(usual))
        assert (row[3] == "yes") == counts
        assert (row[4] == "alert") == is_alert
        assert row[5] == (DASH if asleep is None else f"{asleep // 60} h {asleep % 60:02} min")
    expect(page.locator("#participant .chart svg path").nth(5)).to_be_attached()


def test_a_report_of_very_many_days_shows_the_latest_days_and_says_so(
    study: Study, opened: Open, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(days, "_MAX_DAYS", 36 * 20)
    path = tmp_path / "latest_days.html"
    report.write_latest(db.create_engine(study.settings), study.settings, path)
    page = opened(path)
    assert page.locator("#range option").all_inner_texts() == ["Latest 20 days"]
    page.locator("a.row").first.click()
    name = page.locator("#participant-title").inner_text()
    expect(page.locator("#participant")).to_contain_text("shows only the latest 20 days of each participant")
    user_id = report.who(db.create_engine(study.settings), name)[0]
    wanted = study.rows(
        "select day.steps, round(usual.baseline_median) from marts.fct_user_day as day left join"
        " marts.fct_user_day_deviation as usual using (user_id, activity_date) where"
        f" coalesce(usual.metric, 'steps') = 'steps' and day.user_id = '{user_id}' order by day.activity_date desc"
    )
    shown = cells(page, f"Days of {name}")
    assert len(shown) == 20 < len(wanted)
    for row, (steps, usual) in zip(shown, wanted[:20], strict=True):
        assert row[1] == (DASH if steps is None else number(steps))
        assert row[2] == (DASH if usual is None else number(usual))
    expect(page.locator("#participant dl.facts")).to_contain_text(f"of {len(wanted)} since")


def test_participants_can_be_filtered_searched_and_sorted(study: Study, opened: Open) -> None:
    page = opened(study.report)
    assert page.locator("#shown").inner_text() == "39 participants."
    page.get_by_role("group", name="Show only").get_by_role("button", name="Moving less").click()
    query = f"select count(*) from marts.fct_user_status where as_of_date = {LATEST} and status = "
    ((declining,),) = study.rows(query + "'declining'")
    assert page.locator("#shown").inner_text() == f"{declining} of 39 participants."
    assert len(participants_shown(page)) == declining
    assert all(text.startswith("Moving less") for text in page.locator("a.row .row-status").all_inner_texts())
    page.get_by_role("group", name="Show only").get_by_role("button", name="Moving less").click()

    page.locator('.tile[data-status="wearing_less"]').click()
    ((wearing_less,),) = study.rows(query + "'wearing_less'")
    assert len(participants_shown(page)) == wearing_less
    page.get_by_role("button", name="Show all", exact=True).click()

    page.locator("#sort").select_option("name")
    first, second, *_ = participants_shown(page)
    assert first < second
    page.get_by_label("Find").fill(second.lower().replace("-", "")[1:6])
    assert participants_shown(page) == [second]
    page.get_by_label("Find").fill("nobody has this")
    assert participants_shown(page) == []
    expect(page.get_by_text("No participant matches.")).to_be_visible()


def test_a_click_shows_the_participants_whose_status_changed(study: Study, opened: Open) -> None:
    page = opened(study.report)
    moved = study.rows(
        "select count(*) from marts.fct_user_status as now join marts.fct_user_status as before using (user_id)"
        f" where now.as_of_date = {LATEST} and before.as_of_date = now.as_of_date - 7 and now.status <> before.status"
    )
    expect(page.locator(".moves h2")).to_contain_text(re.compile(rf"^{moved[0][0]} participants? changed status"))
    button = page.locator("button.move").first
    wanted = int(button.locator("b").inner_text())
    button.click()
    assert len(participants_shown(page)) == wanted


def test_the_back_button_returns_to_the_row(study: Study, opened: Open) -> None:
    page = opened(study.report)
    page.locator("a.row").nth(3).click()
    name = page.locator("#participant-title").inner_text()
    expect(page.locator("#overview")).to_be_hidden()
    page.locator("#next").click()
    expect(page.locator("#participant-title")).not_to_have_text(name)
    page.go_back()
    expect(page.locator("#participant-title")).to_have_text(name)
    page.go_back()
    expect(page.locator("#overview")).to_be_visible()
    expect(page.locator("#participant")).to_be_hidden()
    assert page.evaluate("document.activeElement.closest('a.row') !== null"), "back at the row"

    linked = opened(study.report, f"#/participant/{name}")
    expect(linked.locator("#participant-title")).to_have_text(name)
    nobody = opened(study.report, "#/participant/nobody%")
    expect(nobody.locator("#overview")).to_be_visible()


def test_the_page_works_with_the_keyboard_alone(study: Study, opened: Open) -> None:
    page = opened(study.report)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    for _ in range(120):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.matches('a.row')"):
            break
    names = participants_shown(page)
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowUp")
    assert page.evaluate("document.activeElement.querySelector('.row-name').textContent") == names[1]
    page.keyboard.press("End")
    assert page.evaluate("document.activeElement.parentElement.getAttribute('aria-posinset')") == "39"
    page.keyboard.press("Enter")
    expect(page.locator("#participant-title")).to_be_focused()
    page.keyboard.press("Tab")
    page.keyboard.press("Shift+Tab")
    assert page.evaluate("document.activeElement.textContent.includes('Previous')")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("device", ["desktop", "phone"])
def test_the_page_is_accessible(study: Study, opened: Open, scheme: str, device: str) -> None:
    page = opened(
        study.failed,
        color_scheme=scheme,
        reduced_motion="reduce",
        bypass_csp=True,
        **(PHONE if device == "phone" else {}),
    )
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (ground == "rgb(246, 246, 242)") == (scheme == "light")
    for show in (
        "document.querySelectorAll('details').forEach((d) => d.open = true)",
        "document.querySelector('a.row').click()",
    ):
        page.evaluate(show)
        page.wait_for_timeout(150)
        found = Axe().run(page)
        assert found.violations_count == 0, found.generate_report()
        width = page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
        assert width[0] <= width[1], "no scrolling sideways"
    page.locator("#theme").click()
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") != ground


def test_file_names_are_shown_as_text(study: Study, opened: Open) -> None:
    for path in (study.report, study.failed):
        page = opened(path)
        assert page.title() != "run"
        assert page.get_by_text("<img src=x onerror=").count() > 0, "it is shown as it is"
        assert page.locator("img").count() == 0
        text = path.read_text(encoding="utf-8")
        assert "onerror=document" not in text
        assert text.count("</script>") == text.count("<script")


def test_the_page_of_a_failed_run_begins_with_the_failure(study: Study, opened: Open) -> None:
    page = opened(study.failed)
    expect(page.get_by_role("alert")).to_contain_text("This run failed")
    expect(page.get_by_role("alert")).to_contain_text("What to do")
    expect(page.locator('#run .state[data-state="failure"]').first).to_be_visible()
    assert opened(study.report).get_by_role("alert").count() == 0


def test_rows_in_quarantine_are_counted_by_reason(study: Study, opened: Open) -> None:
    page = opened(study.report)
    expect(page.locator("#data")).to_contain_text("not a number or a date in total minutes asleep")
    assert "many" not in study.report.read_text(encoding="utf-8").split("<script>")[0]


# so that it can be changed like a table
STATUS_AS_TABLE = """
create table marts.frozen as select * from marts.fct_user_status;
drop view marts.fct_user_status;
alter table marts.frozen rename to fct_user_status;
"""
NO_DATA = (
    STATUS_AS_TABLE
    + """
truncate marts.dim_participant, marts.fct_user_day, marts.fct_user_status, marts.rpt_cohort_engagement,
    marts.rpt_retention, marts.rpt_flow, marts.rpt_definitions, marts.rpt_unjudged_days, marts.rpt_follow_up,
    marts.fct_data_quality;
truncate ops.raw_ingest_manifest, ops.rejected_rows;
"""
)
ONE_INCOMPLETE_DAY = (
    NO_DATA
    + """
insert into marts.fct_user_day
    (user_id, activity_date, has_record, wear_source, is_partial_day, is_valid_day, invalid_reason, steps)
values ('1', '2026-04-01', true, 'steps', true, false, 'partial_day', 90000);
insert into marts.dim_participant (user_id, is_on_roster, has_data, n_identifiers) values ('1', false, true, 0);
"""
)
FEW_PARTICIPANTS = (
    STATUS_AS_TABLE
    + """
create temporary table kept as select distinct user_id from marts.fct_user_day order by user_id desc limit {n};
delete from marts.dim_participant where user_id not in (select user_id from kept);
delete from marts.fct_user_day where user_id not in (select user_id from kept);
delete from marts.fct_user_status where user_id not in (select user_id from kept);
update marts.rpt_cohort_engagement set users = least(users, {n}), pct = null;
update marts.rpt_retention set at_risk = least(at_risk, {n}), stopped = 0, censored = 0;
"""
)
THOUSANDS = (
    STATUS_AS_TABLE
    + """
truncate marts.dim_participant, marts.fct_user_day, marts.fct_user_status;
insert into marts.fct_user_day
    (user_id, activity_date, has_record, wear_source, is_partial_day, is_valid_day, steps, minutes_asleep)
select u::text, date '2026-03-01' + d, true, 'steps', false, true, 2000 + (u * 7 + d * 131) % 9000, 300 + (u + d) % 200
from generate_series(1, 3000) as u, generate_series(0, 49) as d;
insert into marts.fct_user_status
    (user_id, as_of_date, status, vs_start, recent_valid_days, recent_median_steps, start_median_steps, last_worn_date)
select u::text, date '2026-04-19' - 7 * w, (array['stable', 'declining', 'stopped'])[1 + (u + w) % 3],
    (4000 + u) / 5000.0, 14, 4000 + u, 5000, date '2026-04-19' - 20
from generate_series(1, 3000) as u, generate_series(0, 1) as w;
insert into marts.dim_participant (user_id, is_on_roster, has_data, n_identifiers, last_valid_date)
select u::text, false, true, 0, date '2026-04-19'
from generate_series(1, 3000) as u;
"""
)


def test_an_empty_database_has_no_answer_yet(changed: Changed, opened: Open) -> None:
    _, path = changed(NO_DATA)
    page = opened(path)
    expect(page.locator("h1")).to_have_text("No answer yet")
    expect(page.locator("#participants")).to_contain_text("no participants yet")
    _, path = changed("drop schema marts cascade")
    expect(opened(path).locator("h1")).to_have_text("No answer yet")


def test_one_participant_with_one_incomplete_day(changed: Changed, opened: Open) -> None:
    _, path = changed(ONE_INCOMPLETE_DAY)
    page = opened(path)
    expect(page.locator("h1")).to_have_text("No answer yet")
    page.locator("a.row").click()
    expect(page.locator("#participant")).to_contain_text("no complete day yet")


@pytest.mark.parametrize("users", [1, 9])
def test_few_participants_have_no_shares(changed: Changed, opened: Open, users: int) -> None:
    _, path = changed(FEW_PARTICIPANTS.format(n=users))
    page = opened(path)
    assert len(participants_shown(page)) == users
    assert "%" not in page.locator("#answer").inner_text()
    assert not any("%" in cell for row in cells(page, "All participants: statuses by week") for cell in row)
    expect(page.locator("#time")).to_contain_text("fewer than 10 participants")
    page.locator("a.row").first.click()
    expect(page.locator("#participant .chart svg").first).to_be_visible()


def test_only_the_rows_in_view_exist(changed: Changed, opened: Open) -> None:
    _, path = changed(THOUSANDS)
    page = opened(path)
    expect(page.locator('[data-count="declining"]')).to_have_text("1,000")
    assert page.locator("#shown").inner_text() == "3,000 participants."
    assert page.locator("a.row").count() < 60, "only the rows in view exist"
    page.locator(".rows").evaluate("(rows) => rows.scrollTop = rows.scrollHeight")
    expect(page.locator('li[aria-posinset="3000"]')).to_be_visible()
    assert page.locator("a.row").count() < 60
    page.get_by_role("group", name="Show only").get_by_role("button", name="Stopped").click()
    assert page.locator("#shown").inner_text() == "1,000 of 3,000 participants."
    page.locator("a.row").first.click()
    expect(page.locator("#participant")).to_contain_text("Last wore the device on 30 Mar 2026, 20 days ago")


def test_the_answer_is_shown_without_javascript(study: Study) -> None:
    ((stable,),) = study.rows(
        f"select count(*) from marts.fct_user_status where as_of_date = {LATEST} and status = 'stable'"
    )
    without_scripts = study.report.read_text(encoding="utf-8").partition("<noscript>")[2].partition("</noscript>")[0]
    assert f"<li>{stable} stable</li>" in without_scripts
