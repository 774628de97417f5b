"""What of the participants' labels leaves the machine with paths and texts."""

import dataclasses
from collections.abc import Iterator

import pytest

from ingestion.sources import path_without_person, person_in, persons, without_user_id


@pytest.fixture(autouse=True)
def _no_pattern() -> Iterator[None]:
    persons.configure(None)
    yield
    persons.configure(None)


@pytest.mark.parametrize(
    ("path", "hidden"),
    [
        ("user_id=P-017/sleep.csv", "user_id=***/sleep.csv"),
        ("a/User_Id=Mary Ann/sleep.csv", "a/User_Id=***/sleep.csv"),
        ("user_id=Ann, Mary: 1;2/sleep.csv", "user_id=***/sleep.csv"),
        (f"user_id={'long label ' * 12}/sleep.csv", "user_id=*** /sleep.csv"),
        ("user_id=7_date_order=DMY/sleep.csv", "user_id=***_date_order=DMY/sleep.csv"),
        ("user_id=7/user_id=8/sleep.csv", "user_id=***/user_id=***/sleep.csv"),
        ("user_id=Mary Ann_dailySteps_20260101.csv", "user_id=***_dailySteps_20260101.csv"),
        # where the label ends is unclear
        ("user_id=Mary Ann_walks.csv", "user_id=***.csv"),
        ("sleep_user_id=007.csv.gz", "sleep_user_id=***.csv.gz"),
        ("export user_id=P1.zip!/a/sleep.csv", "export user_id=***.zip!/a/sleep.csv"),
        ("Mary 1_dailySteps_20260101_20260401.csv", "***_dailySteps_20260101_20260401.csv"),
        ("7/valid=3/sleep.csv", "7/valid=3/sleep.csv"),
    ],
)
def test_a_path_hides_exactly_whom_it_names(path: str, hidden: str) -> None:
    assert path_without_person(path) == hidden


@pytest.mark.parametrize(
    ("template", "path", "hidden"),
    [
        ("{person}/**", "Mary Ann/2026/sleep.csv", "***/2026/sleep.csv"),
        ("{person}/**", "Ann, Mary/sleep.csv", "***/sleep.csv"),
        ("{person}/**", "user_id=8/sleep.csv", "***/sleep.csv"),
        ("site/p {person}/**", "site/p Mary Ann/sleep.csv", "site/p ***/sleep.csv"),
        ("**/{person}_sleep.csv", "Mary Ann_sleep.csv", "***_sleep.csv"),
        ("**/{person}_sleep.csv", "other.csv", "other.csv"),
    ],
)
def test_a_path_hides_whom_a_pattern_names(template: str, path: str, hidden: str) -> None:
    persons.configure(template)
    assert path_without_person(path) == hidden
    # the same in a text of this process, which has read the path before
    person_in(path)
    assert without_user_id(f"2 files are refused: {path}: line 3") == f"2 files are refused: {hidden}: line 3"


@pytest.mark.parametrize(
    ("text", "hidden"),
    [
        ("user_id=P-017/sleep.csv: refused", "user_id=***/sleep.csv: refused"),
        ("a/User_Id=Mary Ann/sleep.csv", "a/User_Id=***/sleep.csv"),
        ("sleep_user_id=007.csv.gz", "sleep_user_id=***.csv.gz"),
        ("3 rows of user_id=Ann, Mary_sleep.csv, of 4", "3 rows of user_id=***_sleep.csv, of 4"),
        ("user_id=Mary Ann.csv and user_id=8.csv: refused", "user_id=***.csv and user_id=***.csv: refused"),
        ("P00001_dailySteps_20260101_20260401.csv", "***_dailySteps_20260101_20260401.csv"),
        ("sleep.csv: 3 rows", "sleep.csv: 3 rows"),
    ],
)
def test_a_text_hides_the_participants_of_its_paths(text: str, hidden: str) -> None:
    assert without_user_id(text) == hidden


@pytest.mark.parametrize(
    ("template", "text", "hidden"),
    [
        ("{person}/**", "207a/sleep.csv: refused", "***/sleep.csv: refused"),
        ("{person}/**", "no '207a/sleep.csv' (or 8/x.csv).", "no '***/sleep.csv' (or ***/x.csv)."),
        ("**/{person}_sleep.csv", "the run ends with 207a_sleep.csv.", "the run ends with ***_sleep.csv."),
    ],
)
def test_a_text_hides_whom_a_pattern_names(template: str, text: str, hidden: str) -> None:
    persons.configure(template)
    assert without_user_id(text) == hidden


def test_blanks_that_a_text_of_one_line_has_lost_show_nobody() -> None:
    persons.configure("{person}/**")
    assert person_in("Mary  Ann/sleep.csv") == "Mary  Ann"
    assert without_user_id("Mary Ann/sleep.csv: refused") == "***/sleep.csv: refused"


def test_a_pattern_of_a_declaration_hides_too(monkeypatch: pytest.MonkeyPatch) -> None:
    declared = [layout for layout in persons.layouts() if layout.pattern.fullmatch("sleep.csv")]
    assert declared
    changed = tuple(dataclasses.replace(layout, person="{person}/**") for layout in declared)
    monkeypatch.setattr(persons, "layouts", lambda: changed)
    assert path_without_person("207a/sleep.csv") == "***/sleep.csv"
    assert without_user_id("207a/sleep.csv: refused") == "***/sleep.csv: refused"
