"""Whom a path names."""

from collections.abc import Iterator

import pytest

from ingestion.errors import ConfigurationError
from ingestion.sources import person_in, persons


@pytest.fixture(autouse=True)
def _no_pattern() -> Iterator[None]:
    person_in.cache_clear()
    yield
    persons.configure(None)
    person_in.cache_clear()


@pytest.mark.parametrize(
    ("path", "person"),
    [
        ("sleep.csv", None),
        ("user_id=7/sleep.csv", "7"),
        ("user_id=007/sleep.csv", "007"),
        ("a/User_Id=P-017/b/sleep.csv", "P-017"),
        ("user_id=7 /sleep.csv", "7"),
        ("participant_id=7/sleep.csv", "7"),
        ("paid=7/sleep.csv", None),
        ("sleep_user_id=12.csv", "12"),
        ("sleep_user_id=P-12.csv.gz", "P-12"),
        ("user_id=7/export_user_id=7.zip", "7"),
        ("user_id=7/export_user_id=8.zip", None),
        ("user_id=7/user_id=07/sleep.csv", None),
        ("export_user_id=P3.zip!/Takeout/steps.csv", "P3"),
        ("P00001_dailySteps_20260101_20260401.csv", "P00001"),
        ("ID 1003_sleepDay_20171001_20171007.csv", "1003"),
        ("resting_heartrate_20171001_20171007.csv", None),
        ("participant 207/sleep.csv", None),
        ("user_id=7 date_order=DMY/sleep.csv", "7"),
        ("user_id=7_date_order=DMY_sleep.csv", "7"),
        ("user_id=7_20260101_sleep.csv", "7"),
        ("user_id=P_017_dailyActivity_20260101.csv", "P_017"),
        ("user_id=17_A_sleep.csv", "17_A"),
        ("user_id=17_A_walks.csv", None),
        ("user_id=P_017_walks.csv", None),
    ],
)
def test_a_path_names_a_participant_as_it_is_written(path: str, person: str | None) -> None:
    assert person_in(path) == person


@pytest.mark.parametrize(
    ("template", "path", "person"),
    [
        ("{person}/**", "participant 207/a/sleep.csv", "participant 207"),
        ("{person}/**", "sleep.csv", None),
        ("{person}/**", "a/user_id=8/sleep.csv", "8"),
        ("site-*/{person}/*.csv", "site-2/K4/sleep.csv", "K4"),
        ("site-*/{person}/*.csv", "site-2/x/K4/sleep.csv", None),
        ("**/{person}_sleep.csv", "a/b/K4_sleep.csv", "K4"),
    ],
)
def test_a_pattern_names_a_participant_where_nothing_else_does(template: str, path: str, person: str | None) -> None:
    persons.configure(template)
    assert person_in(path) == person


def test_a_pattern_holds_for_paths_that_were_asked_for_before() -> None:
    assert person_in("K4/sleep.csv") is None
    persons.configure("{person}/**")
    assert person_in("K4/sleep.csv") == "K4"


@pytest.mark.parametrize("template", ["**", "{person}/{person}"])
def test_a_pattern_has_the_participant_once(template: str) -> None:
    with pytest.raises(ConfigurationError, match="once"):
        persons.configure(template)
