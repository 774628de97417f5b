"""A report on paper: two A4 pages for the folder of a study."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from ingestion.config import Database
from tests.integration.report.conftest import Open, Study

Changed = Callable[[str], tuple[Database, Path]]
MANY = """
create table marts.frozen as select * from marts.fct_user_status;
drop view marts.fct_user_status;
alter table marts.frozen rename to fct_user_status;
truncate marts.rpt_follow_up;
insert into marts.dim_participant (user_id, is_on_roster, has_data, arm, site, n_identifiers)
select 'M' || n, true, true, 'Arm ' || n % 4, 'Hospital of the town of ' || n % 20, 0 from generate_series(1, 300) as n;
insert into marts.fct_user_status (user_id, as_of_date, status, since_date)
select 'M' || n, date '2026-04-29' - 7 * w, (array['stable', 'stopped', 'never_started'])[1 + n % 3], date '2026-04-01'
from generate_series(1, 300) as n, generate_series(0, 1) as w;
insert into marts.rpt_follow_up (
    position, user_id, as_of_date, reason, status, since_date, said_on, certainty, evidence, threshold, cause,
    last_sync_date, battery_percent, battery_read_date
)
select
    n, 'M' || n, date '2026-04-29', 'not_synchronising', 'stopped', date '2026-04-01', date '2026-04-05', 'counted',
    28, 14, 'battery_low', date '2026-03-31', 7, date '2026-03-31'
from generate_series(1, 150) as n;
"""


def pages_of(page: Page, path: Path) -> int:
    page.pdf(path=path, prefer_css_page_size=True, print_background=True)
    assert not re.findall(rb"/MediaBox \[0 0 (?!59[45])", path.read_bytes()), "A4"
    return len(re.findall(rb"/Type /Page\b", path.read_bytes()))


def on_paper(page: Page) -> None:
    page.emulate_media(media="print")
    page.wait_for_selector(".sheet")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_sample_study_is_two_pages(study: Study, opened: Open, tmp_path: Path, scheme: str) -> None:
    page = opened(study.report, color_scheme=scheme)
    assert pages_of(page, tmp_path / "report.pdf") == 2
    assert page.locator("#paper").count() == 0, "it is gone after printing"
    assert page.evaluate("document.documentElement.dataset.theme") == scheme


def test_three_hundred_people_are_two_pages(changed: Changed, opened: Open, tmp_path: Path) -> None:
    _, path = changed(MANY)
    page = opened(path)
    assert pages_of(page, tmp_path / "report.pdf") == 2
    on_paper(page)
    listed = page.locator(".paper-calls tbody tr").count()
    assert listed >= 8
    expect(page.locator(".sheet").first).to_contain_text(f"And {150 - listed} more: see the CSV.")
    expect(page.locator(".sheet").first).to_contain_text("more groups: see the page")


def test_the_pages_have_what_a_folder_needs(study: Study, opened: Open) -> None:
    page = opened(study.report, color_scheme="dark", bypass_csp=True)
    title = page.locator("h1").inner_text()
    page.locator("#calls-reason").select_option("stopped")
    page.locator("#calls input").first.check()
    ((listed, gone),) = study.rows(
        "select count(*) as listed, count(*) filter (where reason = 'stopped') as gone from marts.rpt_follow_up"
    )
    on_paper(page)
    first, second = page.locator(".sheet").all()
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    expect(first).to_contain_text(title.replace("\n", " "))
    expect(first).to_contain_text(f"To call this week{gone} of {listed} in view")
    rows = {
        row[0]: row[1]
        for row in first.locator(".paper-groups tbody tr").evaluate_all(
            "(rows) => rows.map((row) => [...row.cells].map((c) => c.textContent))"
        )
    }
    assert set(rows) == {"Everyone", "Arm A", "Arm =B+1", "Site Vienna", "Site Linz"}
    for name, users in rows.items():
        column = {"Arm": "arm", "Site": "site"}.get(name.split()[0])
        condition = f" and p.{column} = '{name.split()[1]}'" if column else ""
        wanted = study.rows(
            "select count(*) from marts.fct_user_status as s join marts.dim_participant as p using (user_id)"
            f" where s.as_of_date = (select max(as_of_date) from marts.fct_user_status){condition}"
        )
        assert wanted == [(int(users),)]
    assert first.locator("tbody tr td:first-child", has_text="☑").count() == 1
    for text in ("Week by week", "Who stays", "Which days count", "Cannot be judged", "How to read this"):
        expect(second).to_contain_text(text)
    assert second.locator("svg").count() == 3
    for sheet in (first, second):
        assert sheet.evaluate("(sheet) => sheet.scrollHeight <= sheet.clientHeight"), "nothing is cut off"
    expect(page.locator(".top")).to_be_hidden()
    page.emulate_media(media="screen")
    expect(page.locator("#paper")).to_have_count(0)
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"


def test_the_page_of_a_participant_is_printed_as_it_is(study: Study, opened: Open) -> None:
    page = opened(study.report)
    page.locator("a.row").first.click()
    page.emulate_media(media="print")
    expect(page.locator("#participant-title")).to_be_visible()
    assert page.locator("#paper").count() == 0
    expect(page.locator(".crumbs")).to_be_hidden()
