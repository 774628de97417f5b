"""Fields are split and joined as the csv module does it, with and without it."""

import csv
import io

from hypothesis import given
from hypothesis import strategies as st

from ingestion.load.dialect import Dialect
from ingestion.load.fields import join_fields, split
from ingestion.load.judge import numbered_line
from ingestion.load.parse import Record

# characters with a meaning in CSV, and a few without
TEXT = st.text(alphabet="a1 ,;\t|\"'\r\n\x00\u2028é\\", max_size=12)
DIALECTS = st.builds(Dialect, delimiter=st.sampled_from(",;\t| "), quote=st.sampled_from("\"'"))


def as_csv_reads(text: str, dialect: Dialect) -> list[str] | None:
    reader = csv.reader(
        [text], delimiter=dialect.delimiter, quotechar=dialect.quote, skipinitialspace=True, strict=True
    )
    try:
        return next(reader, [])
    except csv.Error:
        return None


@given(TEXT, DIALECTS)
def test_a_record_is_split_as_the_csv_module_splits_it(text: str, dialect: Dialect) -> None:
    values, reason = split(text, dialect)
    assert values == as_csv_reads(text, dialect)
    assert (values is None) == (reason is not None)


@given(st.lists(st.one_of(TEXT, st.none(), st.integers()), max_size=5), DIALECTS)
def test_fields_are_joined_as_the_csv_module_joins_them(values: list[str | int | None], dialect: Dialect) -> None:
    line = io.StringIO()
    csv.writer(line, delimiter=dialect.delimiter, quotechar=dialect.quote, lineterminator="\r\n").writerow(values)
    assert join_fields(values, dialect) == line.getvalue().removesuffix("\r\n")


@given(st.integers(1, 10**9), TEXT, DIALECTS)
def test_a_numbered_line_holds_the_record_as_it_came(number: int, text: str, dialect: Dialect) -> None:
    line = numbered_line(Record(number, text.encode()), "x", dialect)
    (values,) = csv.reader(
        io.StringIO(line, newline=""), delimiter=dialect.delimiter, quotechar=dialect.quote, strict=True
    )
    assert values == [str(number), text, "x"]
