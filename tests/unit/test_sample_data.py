import csv
from collections.abc import Iterator
from pathlib import Path

import pytest

from ingestion.sources import Dataset, datasets_for
from scripts.generate_sample_data import EXPORTS, PEOPLE, generate

SAMPLE_DATA = Path(__file__).parents[2] / "sample_data"


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*.csv")}


def rows(path: Path) -> Iterator[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        yield from csv.DictReader(file)


def dataset_of(name: str) -> Dataset:
    dataset, *_ = datasets_for(Path(name).name)
    return dataset


def test_the_generator_writes_the_committed_files(tmp_path: Path) -> None:
    generate(tmp_path)
    assert contents(tmp_path) == contents(SAMPLE_DATA)


def test_another_seed_writes_other_files(tmp_path: Path) -> None:
    generate(tmp_path, seed=1)
    written = contents(tmp_path)
    assert written.keys() == contents(SAMPLE_DATA).keys()
    assert written != contents(SAMPLE_DATA)


@pytest.mark.parametrize("name", [name for names in EXPORTS.values() for name in names])
def test_every_value_fits_its_column(name: str) -> None:
    for row in rows(SAMPLE_DATA / name):
        for column in dataset_of(name).columns:
            if column.type == "timestamp" or column.header not in row:
                continue
            number = float if column.type == "double precision" else int
            value = number(row[column.header])
            assert column.minimum is None or value >= column.minimum, (column.name, row)
            assert column.maximum is None or value <= column.maximum, (column.name, row)


def test_sample_data_has_the_irregularities_of_real_exports() -> None:
    by_export = [list(rows(SAMPLE_DATA / activity)) for activity, _ in EXPORTS.values()]
    days = [row for export in by_export for row in export]
    keys = [(row["Id"], row["ActivityDate"]) for row in days]
    whole_rows = [tuple(row.values()) for row in days]
    assert len({row["Id"] for row in days}) == sum(PEOPLE.values())
    assert all(int(row["Id"]) > 2**32 and len(row["Id"]) == 10 for row in days)
    assert len(set(keys)) < len(set(whole_rows)) < len(whole_rows), "days overlap and rows are duplicated"
    assert any(row["SedentaryMinutes"] == "1440" and row["TotalSteps"] == "0" for row in days)
    assert any(len(row["TotalDistance"]) > 14 for row in days)

    later = {row["Id"]: int(row["TotalSteps"]) for row in by_export[1] if row["ActivityDate"] == "2/1/2026"}
    earlier = {row["Id"]: int(row["TotalSteps"]) for row in by_export[0] if row["ActivityDate"] == "2/1/2026"}
    assert later.keys() == earlier.keys()
    assert sum(earlier.values()) < sum(later.values()) / 2, "the last day of an export is incomplete"


def test_some_nights_have_several_records() -> None:
    nights = [row for _, sleep in EXPORTS.values() for row in rows(SAMPLE_DATA / sleep)]
    assert {row["TotalSleepRecords"] for row in nights} == {"1", "2", "3"}
    assert all(row["SleepDay"].endswith(" 12:00:00 AM") for row in nights)
    assert all(int(row["TotalMinutesAsleep"]) <= int(row["TotalTimeInBed"]) for row in nights)
