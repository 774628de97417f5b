"""Decimal marks and marks between thousands, decided by evidence."""

import pytest

from ingestion.errors import FileRefusedError
from ingestion.load.numbers import Marks, Numbers, described, settle_numbers
from ingestion.sources import Column, DecimalMark

STEPS = Column("steps", "Steps", "integer")
DISTANCE = Column("distance", "Distance", "double precision")


def settled(
    steps: str = "", distance: str = "", *, delimiter: str = ",", declared: DecimalMark | None = None
) -> dict[str, Marks]:
    found = {"steps": Numbers(), "distance": Numbers()}
    for name, texts in (("steps", steps), ("distance", distance)):
        for text in texts.split("|"):
            found[name].add(text)
    return settle_numbers(found, [STEPS, DISTANCE], delimiter=delimiter, declared=declared)


@pytest.mark.parametrize(
    ("steps", "distance", "delimiter", "expected"),
    [
        ("812|9123", "6.3", ",", {}),
        ("9123.0|812.5", "", ",", {}),
        ("9,123|812", "6.3", ",", {"steps": Marks(".", ",")}),
        ("9,123|10,450", "", ",", {"steps": Marks(".", ",")}),
        ("1,204,567", "", ";", {"steps": Marks(".", ",")}),
        ("10.000|850", "6.3", ";", {"steps": Marks(",", ".")}),
        ("9.123|10.500|850", "6,3", ";", {"steps": Marks(",", "."), "distance": Marks(",", "")}),
        ("", "1.204,5|7,5", ";", {"distance": Marks(",", ".")}),
        ("", "1,204.5|7.5", ";", {"distance": Marks(".", ",")}),
        ("", "1,204|7,5", ";", {"distance": Marks(",", "")}),
        ("", "1.204|2.310", ",", {}),
        ("10 000|850", "", ";", {"steps": Marks(".", " ")}),
        ("10'000|850", "", ";", {"steps": Marks(".", "'")}),
        ("2351.59|812.125", "", ",", {}),
        ("2351,59|812,125", "", ";", {"steps": Marks(",", "")}),
    ],
)
def test_the_column_decides(steps: str, distance: str, delimiter: str, expected: dict[str, Marks]) -> None:
    assert settled(steps, distance, delimiter=delimiter) == expected


@pytest.mark.parametrize(
    ("steps", "distance", "delimiter", "message"),
    [
        ("10.000", "", ";", "Steps: the mark in its numbers may be"),
        ("851.592|990", "", ";", "Steps: the mark in its numbers may be"),
        ("", "1,204", ";", "Distance: the mark in its numbers may be"),
        ("", "1.204|2.310", ";", "Distance: the mark in its numbers may be"),
        ("", "7,5|7.5", ";", "Distance: its numbers are written in more than one way"),
        ("9,123|812|1204", "6.3", ",", "Steps: some of its numbers have a mark between thousands, and some do not"),
        ("1.204.567|7.5", "", ";", "Steps: its numbers are written in more than one way"),
        ("1,204,567|1 204 567", "", ";", "Steps: its numbers are written in more than one way"),
    ],
)
def test_a_contradiction_refuses_the_file(steps: str, distance: str, delimiter: str, message: str) -> None:
    with pytest.raises(FileRefusedError, match=message) as caught:
        settled(steps, distance, delimiter=delimiter)
    assert "decimal_mark=comma" in (caught.value.hint or "")


def test_the_path_can_declare_the_decimal_mark() -> None:
    assert settled("10.000", delimiter=";", declared=",") == {
        "steps": Marks(",", "."),
        "distance": Marks(",", ""),
    }
    assert settled("", "1.204", delimiter=";", declared=".") == {}
    with pytest.raises(FileRefusedError, match="more than one way"):
        settled("", "7,5", declared=".")


def test_a_description_names_the_marks() -> None:
    assert described(Marks(",", ".")) == "points between thousands and a decimal comma"
    assert described(Marks(".", " ")) == "spaces between thousands"
    assert described(Marks(",", "")) == "a decimal comma"


def test_what_is_no_number_is_no_evidence() -> None:
    numbers = Numbers()
    for text in ("1.5e3", "many", "", "1,20,4", "12:30", "1 20"):
        numbers.add(text)
    assert numbers == Numbers()
