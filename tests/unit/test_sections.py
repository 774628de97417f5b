"""A table of a file with several tables."""

import io

import pytest

from ingestion.formats import Text, format_of
from ingestion.sources import Layout

FILE = (
    "\ufeffBody\n"
    "Date,Weight\n"
    '"13-01-2026","81.2"\n'
    "\n"
    "Activities,\n"
    "Date,Steps\n"
    '"13-01-2026","8,811"\n'
    ",\n"
    "Sleep\n"
    "Start Time,Minutes Asleep\n"
    '"13-01-2026 11:12PM","420"\n'
)


def read(title: str, content: str) -> str:
    own_format = format_of(Layout("Fitbit", (), "DMY", ("fitbit_export",), section=title), None)
    text = Text("fitbit_export.csv", io.BytesIO(content.encode()), own_format=own_format)
    return b"".join(iter(lambda: text.read(1000), b"")).decode()


@pytest.mark.parametrize(
    ("title", "rows"),
    [
        ("Body", '\nDate,Weight\n"13-01-2026","81.2"\n'),
        ("Activities", '\n\n\n\n\nDate,Steps\n"13-01-2026","8,811"\n'),
        ("Sleep", "\n" * 9 + 'Start Time,Minutes Asleep\n"13-01-2026 11:12PM","420"\n'),
        ("Foods", "\n" * 11),
    ],
)
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_a_section_stands_on_its_own_lines(title: str, rows: str, newline: str) -> None:
    assert read(title, FILE.replace("\n", newline)).replace("\r\n", "\n") == rows
