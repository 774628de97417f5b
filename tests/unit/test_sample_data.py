import csv
from collections import Counter
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from pathlib import Path

import pytest

from ingestion.sources import Dataset, datasets_for
from scripts.generate_sample_data import EXPORTS, LAST_DAYS, PEOPLE, SEED, generate, people
from scripts.sample_study import ARMS, SITES, WITHOUT_SYNCS

SAMPLE_DATA = Path(__file__).parents[2] / "sample_data"


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*.csv")}


def rows(path: Path) -> Iterator[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        yield from csv.DictReader(file)


def dataset_of(name: str) -> Dataset:
    dataset, *_ = datasets_for(Path(name).name)
    return dataset


def kinds() -> dict[str, str]:
    return {str(person.user_id): person.kind for person, _ in people(SEED)}


def roster() -> dict[str, dict[str, str]]:
    return {row["user_id"]: row for row in rows(SAMPLE_DATA / "participants.csv")}


def us_day(text: str) -> date:
    return datetime.strptime(text.split(maxsplit=1)[0], "%m/%d/%Y").date()  # noqa: DTZ007  (a day)


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


def test_the_roster_has_arms_sites_and_one_person_without_data() -> None:
    members = roster()
    assert members.keys() > kinds().keys()
    assert len(members) == len(kinds()) + 1 == 37
    by_arm, by_site = (Counter(row[column] for row in members.values()) for column in ("arm", "site"))
    assert by_arm.keys() == set(ARMS)
    assert abs(by_arm[ARMS[0]] - by_arm[ARMS[1]]) <= 2
    assert by_site == SITES
    assert min(by_site.values()) >= 5, "the report of the sample data shows every site"


def test_data_begin_with_the_enrolment_and_end_with_the_part_in_the_study() -> None:
    members, found = roster(), kinds()
    days: dict[str, list[date]] = {}
    for activity, _ in EXPORTS.values():
        for row in rows(SAMPLE_DATA / activity):
            days.setdefault(row["Id"], []).append(us_day(row["ActivityDate"]))
    for user_id, kind in found.items():
        row = members[user_id]
        assert min(days[user_id]).isoformat() == row["enrolled_on"]
        ends = {"finished": row["ends_on"], "withdrawn": row["withdrawn_on"]}.get(kind)
        if kind in LAST_DAYS:
            assert LAST_DAYS[kind] - timedelta(days=2) <= max(days[user_id]) <= LAST_DAYS[kind]
        if ends:
            assert ends == LAST_DAYS[kind].isoformat()
        assert bool(row["withdrawn_on"]) == (kind == "withdrawn")
        assert (row["ends_on"] < max(EXPORTS).isoformat()) == (kind == "finished")


def test_devices_synchronise_while_they_are_charged() -> None:
    members, found = roster(), kinds()
    synced, charged = (list(rows(SAMPLE_DATA / f"{name}_2026-04-30.csv")) for name in ("sync_events", "battery"))
    last = {row["Id"]: us_day(row["DateTime"]) for row in synced}
    level = {row["Id"]: (int(row["LevelPercent"]), row["BatteryLevel"]) for row in charged}
    assert last.keys() == level.keys() == {each for each in found if members[each]["site"] != WITHOUT_SYNCS}
    for user_id, day in last.items():
        kind = found[user_id]
        if kind in LAST_DAYS:
            assert day == LAST_DAYS[kind]
        if kind in {"steady", "increasing", "declining"}:
            assert day >= max(EXPORTS) - timedelta(days=3)
    (empty,) = (user_id for user_id, kind in found.items() if kind == "empty_battery")
    assert level[empty][0] <= 20
    assert level[empty][1] == "Low"
    (unsynced,) = (user_id for user_id, kind in found.items() if kind == "unsynced")
    assert level[unsynced][0] > 20
    (unworn,) = (user_id for user_id, kind in found.items() if kind == "unworn")
    assert last[unworn] > date(2026, 4, 21), "it synchronises, and nobody wears it"
    assert {state for _, state in level.values()} == {"High", "Medium", "Low"}
    for row in synced:
        local, utc = (datetime.strptime(row[name], "%m/%d/%Y %I:%M:%S %p") for name in ("DateTime", "SyncDateUTC"))  # noqa: DTZ007
        assert local - utc == timedelta(hours=2 if local >= datetime(2026, 3, 29) else 1)  # noqa: DTZ001
