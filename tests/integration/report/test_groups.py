"""The groups of a report: all figures of people are of the chosen group, and small groups are not in the file."""

from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from ingestion import db, report
from ingestion.report.contents import STATUSES
from tests.integration.report.conftest import Open, Study
from tests.integration.report.files import SMALL_SITE
from tests.integration.report.looking import LATEST, cells, number, participants_shown, share_of
from tests.integration.report.reading import figures

GROUPS = (("arm", "A"), ("arm", "=B+1"), ("site", "Vienna"), ("site", "Linz"))


def grouped(kind: str, title: str) -> str:
    """Return the condition for the rows of a group in a mart by groups."""
    other = "site" if kind == "arm" else "arm"
    return f"{kind} = '{title}' and {other} = 'all'"


@pytest.mark.parametrize(("kind", "title"), GROUPS)
def test_every_figure_of_people_is_of_the_chosen_group(study: Study, opened: Open, kind: str, title: str) -> None:
    page = opened(study.report)
    option = page.locator("#group option", has_text=f"{kind.capitalize()} {title} (")
    page.locator("#group").select_option(label=option.inner_text())
    of_group = f"marts.dim_participant as p using (user_id) where p.{kind} = '{title}'"
    counts = dict(
        study.rows(
            f"select s.status, count(*) from marts.fct_user_status as s join {of_group}"
            f" and s.as_of_date = {LATEST} group by 1"
        )
    )
    for status in STATUSES:
        if page.locator(f'[data-count="{status}"]').count() or counts.get(status):
            expect(page.locator(f'[data-count="{status}"]')).to_have_text(number(counts.get(status, 0)))
    expect(page.locator("h1")).to_contain_text(f"of {sum(counts.values())} steady")

    ((to_call,),) = study.rows(f"select count(*) from marts.rpt_follow_up where {kind} = '{title}'")
    expect(page.locator("#calls-count")).to_contain_text(f"{min(to_call, 20)} of {to_call} people to call")

    members = study.rows(f"select user_id from marts.dim_participant where {kind} = '{title}'")
    assert page.locator("#shown").inner_text() == f"{len(members)} participants."
    engine = db.create_engine(study.settings)
    assert {report.who(engine, name)[0] for name in participants_shown(page)[:5]} <= {user for (user,) in members}

    weeks = study.rows(
        "select users from marts.rpt_cohort_engagement where cohort = 'everyone' and status = 'all'"
        f" and {grouped(kind, title)} order by week_start_date desc"
    )
    assert [row[1] for row in cells(page, "All participants: statuses by week")] == [
        number(users) for (users,) in weeks
    ]

    curve = study.rows(
        f"select day, at_risk, stopped, censored from marts.rpt_retention where {grouped(kind, title)} order by day"
    )
    shown = cells(page, "Who stays, by days since they began")
    assert [row[0] for row in shown] == [f"{kind} {title}"] * len(curve)
    assert [row[1:5] for row in shown] == [[number(figure) for figure in row] for row in curve]

    definitions = study.rows(
        f"select users, user_days, mean_steps from marts.rpt_definitions where {grouped(kind, title)} order by position"
    )
    assert [row[1:] for row in cells(page, "Mean steps, by definition of a valid day")] == [
        [number(figure) for figure in row] for row in definitions
    ]
    for step, users, days in study.rows(
        f"select step, users, user_days from marts.rpt_flow where {grouped(kind, title)}"
    ):
        row = page.locator(f'[data-step="{step}"]')
        expect(row.locator(".step-users b")).to_have_text(number(users))
        if days is not None:
            expect(row.locator(".step-days b")).to_have_text(number(days))
    unjudged = study.rows(f"select reason, user_days from marts.rpt_unjudged_days where {grouped(kind, title)}")
    check_unjudged(page, dict(unjudged))

    assert title.replace("+", "%2B").replace("=", "%3D") in page.url
    page.reload()
    page.wait_for_selector("html[data-ready]")
    expect(page.locator("h1")).to_contain_text(f"of {sum(counts.values())} steady")
    page.locator("#group").select_option("0")
    assert "group" not in page.url


def check_unjudged(page: Any, days: dict[str, int]) -> None:
    judged = days["can_be_flagged"]
    others = {reason: n for reason, n in days.items() if n and reason not in {"can_be_flagged", "no_wear_signal"}}
    total = judged + sum(others.values())
    card = page.locator("#days")
    expect(card).to_contain_text(
        f"{share_of(100 * (total - judged) / total)} of all days cannot be flagged as unusually low"
    )
    assert card.locator("[data-unjudged]").count() == len(others)
    for reason, n in others.items():
        expect(card.locator(f'[data-unjudged="{reason}"] > b')).to_have_text(number(n))
    if days["no_wear_signal"]:
        expect(card).to_contain_text(f"{share_of(100 * days['no_wear_signal'] / judged)} are judged from steps alone")


def test_which_days_count_matches_the_marts(study: Study, opened: Open) -> None:
    page = opened(study.report)
    flow = study.rows(
        "select step, users, user_days from marts.rpt_flow where arm = 'all' and site = 'all' order by position"
    )
    assert page.locator("[data-step]").evaluate_all("(steps) => steps.map((step) => step.dataset.step)") == [
        step for step, *_ in flow
    ]
    (_, _, recorded) = flow[1]
    for step, users, days in flow:
        row = page.locator(f'[data-step="{step}"]')
        expect(row.locator(".step-users b")).to_have_text(number(users))
        if days is not None:
            expect(row.locator(".step-days b")).to_have_text(number(days))
            expect(row.locator(".step-share")).to_have_text(share_of(100 * days / recorded))
    for (_, users, days), (step, fewer, left) in pairwise(flow[1:]):
        lost = page.locator(f'[data-lost="{step}"]')
        assert lost.count() == (users != fewer or days != left)
        if days != left:
            expect(lost).to_contain_text(f"{number(days - left)} day")
    check_unjudged(
        page,
        dict(study.rows("select reason, user_days from marts.rpt_unjudged_days where arm = 'all' and site = 'all'")),
    )


def test_small_groups_are_in_no_report_with_pseudonyms(study: Study, opened: Open, tmp_path: Path) -> None:
    shown = figures(study.report)
    assert SMALL_SITE not in str(shown)
    assert [(group["kind"], group["title"]) for group in shown["groups"]] == [
        ("all", ""),
        ("arm", "=B+1"),
        ("arm", "A"),
        ("site", "Linz"),
        ("site", "Vienna"),
    ]
    ((small,),) = study.rows(f"select count(*) from marts.dim_participant where site = '{SMALL_SITE}'")
    assert 0 < small < shown["minGroupUsers"]
    for name in ("cohort", "retention", "flow", "definitions", "unjudged"):
        assert set(shown[name]["group"]) == {0, 1, 2, 3, 4}, name
        assert not {"arm", "site"} & shown[name].keys()
    assert set(shown["participants"]["site"]) == {3, 4, None}
    sites = [shown["participants"]["site"].count(site) for site in (3, 4)]
    assert [group["users"] for group in shown["groups"][3:]] == sites
    expect(opened(study.report).locator("#answer")).to_contain_text("fewer than 5 participants are not shown")

    path = tmp_path / "with_ids.html"
    report.write_latest(db.create_engine(study.settings), replace(study.settings, report_user_ids=True), path)
    shown = figures(path)
    assert ("site", SMALL_SITE) in [(group["kind"], group["title"]) for group in shown["groups"]]
    assert not shown["hasHiddenGroups"]
    assert opened(path).locator("#group option", has_text=SMALL_SITE).count() == 1


def test_dates_and_numbers_are_those_of_the_readers_locale(study: Study, opened: Open) -> None:
    for locale, as_of, rows in (("en-US", "Apr 29, 2026", ","), ("de-DE", "29. Apr. 2026", ".")):
        page = opened(study.report, locale=locale)
        expect(page.locator(".kicker")).to_contain_text(f"As of {as_of}")
        assert rows in page.locator('[data-step="any_record"] .step-days b').inner_text()


@pytest.mark.parametrize("width", [390, 820, 1440])
@pytest.mark.parametrize("locale", ["en-GB", "de-DE"])
def test_nothing_scrolls_sideways(study: Study, opened: Open, width: int, locale: str) -> None:
    page = opened(study.report, viewport={"width": width, "height": 900}, locale=locale)
    page.evaluate("document.querySelectorAll('details').forEach((d) => d.open = true)")
    page.wait_for_timeout(150)
    for _ in range(2):
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        page.evaluate("document.querySelector('a.row')?.click()")
