"""What `transform --compare` takes, and how it prints what it has found."""

import json
from datetime import date

import pytest
from rich.console import Console, Group

from ingestion.cli import compare as printed
from ingestion.cli.arguments import parse
from ingestion.config import Settings
from ingestion.errors import ConfigurationError, UsageError
from ingestion.transform import Comparison, inputs, other_cut_offs
from ingestion.transform.differences import Basis, Change, ChangedFile, CutOff, Differences, Side, _worry


def change(now: str | None, compared: str | None, digest: bytes = b"\0" * 32, **figures: object) -> Change:
    return Change("1503960366", digest, now, compared, None, date(2026, 3, 1), figures)  # type: ignore[arg-type]


def comparison(*changes: Change, people: int = 20, notes: tuple[str, ...] = ()) -> Comparison:
    side = Side(date(2026, 3, 10), people, 1000, 8000.4, 3)
    transitions = {(each.now, each.compared): 1 for each in changes}
    return Comparison(
        Basis([CutOff("min_steps", 100, 500)], [ChangedFile("models/marts/fct_user_day.sql", "changed")], list(notes)),
        Differences(side, side, {("stable", "stable"): people - len(changes), **transitions}, 0, list(changes)),
        failed_tests=[],
        warnings=[],
        kept=(),
        seconds=21.0,
    )


def text_of(made: Comparison, limit: int = 50) -> str:
    console = Console(width=160)
    with console.capture() as capture:
        console.print(Group(*printed._text(made, limit, printed._pseudonym)))
    return capture.get()


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("[1]", "not a mapping", "--vars '{"),
        ("{min_steps", "not a mapping", "--vars '{"),
        ("min_steps", "not a mapping", "--vars '{"),
        ("{min_step: 500}", "min_step is not a cut-off", "Did you mean min_steps"),
        ("{xyzzy: 500}", "xyzzy is not a cut-off", "dbt_project.yml"),
        ("{schema_prefix: mine_}", "schema_prefix is not a cut-off", None),
        ("{raw_schema: other}", "raw_schema is not a cut-off", None),
        ("{1: 2}", "1 is not a cut-off", None),
    ],
)
def test_wrong_vars_are_named(text: str, message: str, hint: str | None) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        other_cut_offs(text)
    assert hint is None or hint in (caught.value.hint or "")


def test_vars_are_yaml_or_json_and_may_be_left_out() -> None:
    assert other_cut_offs('{min_steps: 500, "z_alert": -3}') == {"min_steps": 500, "z_alert": -3}
    assert other_cut_offs(None) == {}


def test_no_setting_moves_the_marts() -> None:
    with pytest.raises(ConfigurationError, match="schema_prefix"):
        inputs.vars_of(Settings(dbt_vars="{schema_prefix: mine_}"))


def test_cut_offs_are_those_given_and_else_the_projects_own() -> None:
    cut_offs = inputs.cut_offs({"min_steps": 500, "as_of": date(2026, 3, 1), "raw_schema": "other"})
    assert cut_offs["min_steps"] == 500
    assert cut_offs["as_of"] == "2026-03-01"
    assert cut_offs["recent_days"] == 14
    assert not {"raw_schema", "datasets", "schema_prefix", "work_mem"} & set(cut_offs)


@pytest.mark.parametrize("option", [["--vars", "{}"], ["--keep"], ["--limit", "5"], ["--json"], ["--with-user-ids"]])
def test_options_of_a_comparison_need_one(option: list[str]) -> None:
    with pytest.raises(UsageError, match=f"{option[0]} belongs to --compare"):
        parse(["transform", *option])
    assert parse(["transform", "--compare", *option]).compare
    assert parse(["transform", "--force"]).force


def test_the_most_worrying_come_first() -> None:
    found = [
        change("new", "stable"),
        change("declining", "wearing_less"),
        change("declining", "stable"),
        change("stopped", None),
        change("stable", "declining"),
        change("stable", "stopped"),
    ]
    assert [(each.now, each.compared) for each in sorted(found, key=_worry)] == [
        ("stable", "stopped"),
        ("stable", "declining"),
        ("stopped", None),
        ("declining", "stable"),
        ("declining", "wearing_less"),
        ("new", "stable"),
    ]


def test_the_text_says_who_changes_and_why() -> None:
    first = change("stable", "stopped", evidence=(1.25, 14), threshold=(5, 14), valid_days=(60, 12))
    text = text_of(comparison(first, change("new", None, b"\1" * 32), notes=("Files have been loaded.",)), limit=1)
    assert "2 of the 20 people (10 %) who have a status on 2026-03-10 would have another one." in text
    assert "Files have been loaded." in text
    assert "min_steps  100  500" in text
    assert "models/marts/fct_user_day.sql  changed" in text
    assert (
        "0000-0000    stable         stopped   2026-03-01  evidence 1.25 of 5 -> 14 of 14; valid days 60 -> 12" in text
    )
    assert "and 1 more: --limit shows them" in text
    assert "1503960366" not in text
    assert "The present marts are as before." in text


def test_a_share_of_few_people_is_not_said() -> None:
    assert "%" not in text_of(comparison(change("stable", "stopped"), people=5))
    assert "None of the 5 people" in text_of(comparison(people=5))


def test_json_has_ids_only_if_asked() -> None:
    made = comparison(change("stable", "stopped", evidence=(1.25, 14), last_worn_date=("2026-03-10", "2026-02-24")))
    document = printed._document(made, 50, with_user_ids=False)
    assert "1503960366" not in json.dumps(document, default=str)
    assert document["changes"][0]["figures"]["evidence"] == {"now": 1.25, "compared": 14}
    assert {"now": "stable", "compared": "stopped", "people": 1} in document["transitions"]
    assert printed._document(made, 50, with_user_ids=True)["changes"][0]["participant"] == "1503960366"
