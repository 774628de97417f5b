"""PostgreSQL accepts every line that the pattern of certainly good lines matches, and its values are in range."""

import re
from functools import cache
from random import Random

import pytest

from ingestion import db
from ingestion.load.header import read_header
from ingestion.load.sure_lines import certainly_good
from ingestion.sources import Column, Dataset, dataset_named
from tests.datasets import DAILY_ACTIVITY, DATASETS
from tests.drops import Landing, sleep

PIECES = (
    *"0123456789-+./: ,;eE_'\"\\",
    *(
        "00",
        "12",
        "29",
        "30",
        "31",
        "13",
        "1440",
        "1441",
        "999",
        "2016",
        "0000",
        "9" * 20,
        "AM",
        " PM",
        "T",
        "true",
        "NaN",
    ),
    *(
        "4/12/2016",
        "2/29/2015",
        "2/30/2016",
        "12/31/2016",
        "31/12/2016",
        "2016-02-29",
        "2016-04-31",
        "2016-01-02T23:59",
    ),
    *("12:00:00 AM", "13:00:00 PM", "0:30:00 AM", "24:00:00", "23:59:60", " 7:05", "\u0664", "False", "1e400", "NaN"),
)
# ranges that do not start at 0, and another delimiter: no dataset has these
MOOD = Dataset(
    name="mood",
    stems=("mood",),
    key=("user_id",),
    delimiter=";",
    columns=(
        Column("user_id", "Id", "text", required=True),
        Column("score", "Score", "integer", minimum=1, maximum=5),
        Column("pulse", "Pulse", "integer", minimum=25, maximum=1203),
        Column("floor", "Floor", "integer", minimum=99),
    ),
)
# other texts than ids may hold what COPY does not take as it is, so that no line with one is certainly good
DECLARED = (
    *(each for each in DATASETS if each.stems and {c.name for c in each.columns if c.type == "text"} == {"user_id"}),
    MOOD,
)
# one column of each kind
KINDS = {
    (column.type, column.minimum, column.maximum, column.name in dataset.key): (dataset, column)
    for dataset in DECLARED
    for column in dataset.columns
}


USUAL = {
    "text": "1",
    "bigint": "1",
    "integer": "1",
    "double precision": "1.5",
    "timestamp": "4/12/2016",
    "date": "4/12/2016",
    "boolean": "True",
}


def values(random: Random) -> list[str]:
    plain = [str(number) for number in range(-5, 2000)] + [f"{number:04}" for number in range(2000)]
    return plain + ["".join(random.choices(PIECES, k=random.randint(0, 4))) for _ in range(20_000)]


def is_matched(dataset: Dataset, column: Column, value: str) -> bool:
    # the other columns have values as an export has them
    usual = USUAL
    delimiter = dataset.delimiter or ","
    usual |= {"integer": "100"} if dataset is MOOD else {}
    pattern = pattern_of(dataset, delimiter)
    others = ["3" if each.name == "score" else usual[each.type] for each in dataset.columns]
    line = delimiter.join(
        value if each == column else other for each, other in zip(dataset.columns, others, strict=True)
    )
    line += "\n"
    assert pattern
    match = pattern.match(line.encode())
    return match is not None and match.end() == len(line.encode())


@cache
def pattern_of(dataset: Dataset, delimiter: str) -> re.Pattern[bytes] | None:
    header = delimiter.join(each.header for each in dataset.columns) + "\n"
    return certainly_good(dataset, read_header(dataset, header.encode(), f"{dataset.stems[0]}.csv"))


@pytest.mark.parametrize(("dataset", "column"), KINDS.values(), ids=lambda each: each.name)
def test_values_that_the_pattern_matches_are_valid(dataset: Dataset, column: Column, engine: db.Engine) -> None:
    tried = values(Random(column.name))  # noqa: S311  (no secret)
    sure = sorted({value for value in tried if is_matched(dataset, column, value)})
    assert sure, "the pattern matches nothing, so that every row would be judged"
    low = column.minimum if column.minimum is not None else "-Infinity"
    high = column.maximum if column.maximum is not None else "Infinity"
    is_number = column.type not in {"timestamp", "date", "boolean", "text"}
    outside = f"value::{column.type} not between '{low}'::float8 and '{high}'::float8" if is_number else "false"
    with db.session(engine) as connection, connection.cursor() as cursor:
        cursor.execute("select set_config('datestyle', %s, false)", (f"ISO, {dataset.layouts[0].usual_order}",))
        cursor.execute(
            "select value from unnest(%s) as value where value <> '' and not pg_input_is_valid(value, %s)",
            (sure, column.type),
        )
        assert cursor.fetchall() == []
        cursor.execute(f"select value from unnest(%s) as value where value <> '' and {outside}", (sure,))
        assert cursor.fetchall() == []
    assert ("" in sure) == (column.name not in dataset.key)


SPECIAL_MOMENTS = (
    "today",
    "tomorrow",
    "YESTERDAY",
    "now",
    "epoch",
    "Infinity",
    "-infinity",
    "today 10:00",
    '"to""day"',
)
SPECIAL_NUMBERS = ("Infinity", "-inf", "inf", " INF ")
SPECIAL_WHOLE_NUMBERS = ("0x1F", "0b11", "0O17", "13_162")
SPECIAL_VALUES = [
    *((DAILY_ACTIVITY, "total_steps", "13162", value) for value in SPECIAL_WHOLE_NUMBERS),
    *((DAILY_ACTIVITY, "activity_date", "4/12/2016", value) for value in SPECIAL_MOMENTS),
    *((DAILY_ACTIVITY, "total_distance", "8.5", value) for value in SPECIAL_NUMBERS),
    *(
        (dataset_named("weight"), column, "70.5", value)
        for column in ("weight_kg", "bmi")
        for value in SPECIAL_NUMBERS[:4]
    ),
]


@pytest.mark.parametrize("way", ["copied", "sorted", "judged"])
def test_special_values_that_postgresql_accepts_are_rejected(way: str, landing: Landing) -> None:
    """The file goes through COPY as it is, or its bad lines are judged, or all of its lines."""
    values = USUAL
    for number, (dataset, name, usual, value) in enumerate(SPECIAL_VALUES):
        row = ",".join(usual if column.name == name else values[column.type] for column in dataset.columns)
        bad = row.replace(usual, value)
        assert bad != row
        other = row.replace(usual, "?") + "\n" if way == "sorted" else ""
        extra = ",x" if way == "judged" else ""
        header = ",".join(column.header for column in dataset.columns) + extra.replace("x", "Mood")
        content = "".join(f"{line}{extra}\n" for line in (row, row, bad)) + other + f"{row}{extra}\n" * 2
        landing.put(f"{number}/{dataset.stems[0]}.csv", f"{header}\n{content}".encode())
    for result in landing.ingest().files:
        assert (result.status, result.counts.loaded) == ("loaded", 4), result
        assert result.counts.rejected == (2 if way == "sorted" else 1)
    found = landing.rows(
        "select split_part(source_filename, '/', 1)::int, r.reason, column_name"
        " from ops.rejected_rows as r join ops.raw_ingest_manifest using (file_id) where line_number = 4 order by 1"
    )
    assert found == [(number, "not_castable", name) for number, (_, name, *_) in enumerate(SPECIAL_VALUES)]


@pytest.mark.parametrize("dataset", DECLARED, ids=lambda dataset: dataset.name)
def test_the_pattern_matches_usual_lines_and_no_broken_ones(dataset: Dataset) -> None:
    column = dataset.columns[0]
    assert is_matched(dataset, column, "1503960366")
    for broken in ("1,1", '"1"', "1\n", "", " 1", "1\r"):
        assert not is_matched(dataset, column, broken), broken


def test_a_carriage_return_in_one_of_the_first_lines_rejects_its_row(landing: Landing) -> None:
    damaged = b"2,4/12/2016 12:00:00 AM,1,3\r27,346\n"
    landing.put("sleep.csv", sleep(1) + damaged + sleep(3, 4, 5, 6, 7, 8, 9).partition(b"\n")[2])
    assert landing.statuses() == {"sleep.csv": "loaded"}
    assert landing.users() == [1, 3, 4, 5, 6, 7, 8, 9]
    assert landing.rows("select line_number, reason from ops.rejected_rows") == [(3, "stray_carriage_return")]
