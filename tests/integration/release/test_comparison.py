"""What differs between two releases, told without a database."""

import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from ingestion import release, runner
from ingestion.cli import main
from ingestion.config import Database
from ingestion.errors import BadDataError, UsageError
from ingestion.steps import RunOptions
from tests.conftest import clone_database, drop_database
from tests.integration.release.conftest import EXPORTED, HEADER, TEXT_IDS, Study, days
from tests.integration.release.test_contents import listed

NEW = "Later-Lee-42"


@pytest.fixture(scope="module")
def later(study: Study, server: Database, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A release after one file came, one was corrected, one was retracted, and a cut-off was raised."""
    folder = tmp_path_factory.mktemp("later")
    shutil.copytree(str(study.settings.data_dir), folder / "landing")
    begin = date(2026, 3, 1)
    # a day is removed, and the days of one participant have more steps
    people = days(EXPORTED, begin, 50) + days(TEXT_IDS[0], begin, 49) + days(TEXT_IDS[1], begin, 50, steps=9000)
    (folder / "landing" / f"daily_activity_{EXPORTED}.csv").write_text(HEADER + people)
    (folder / "landing" / "daily_activity_new.csv").write_text(HEADER + days(NEW, begin, 40))
    (folder / "landing" / "battery.csv").unlink()
    name = f"released_later_{os.getpid()}"
    assert study.database.parameters["dbname"]
    database = clone_database(server, name, study.database)
    settings = replace(
        study.settings,
        database=database,
        data_dir=str(folder / "landing"),
        report_dir=str(folder / "reports"),
        dbt_vars="{min_steps: 150}",
    )
    built = runner.run(settings, "run", RunOptions(retract_vanished=True))
    assert built.exit_code == 0, built.error_summary
    Study(database, settings, folder).write(folder / "release", release.Wanted(with_staging=True))
    yield folder / "release"
    drop_database(server, database)


def test_two_releases_of_one_state_are_the_same(study: Study, tmp_path: Path) -> None:
    shutil.copytree(study.release, tmp_path / "copy")
    assert release.compare(study.release, tmp_path / "copy").is_same
    assert main(["release", "diff", str(study.release), str(tmp_path / "copy")]) == 0


def test_it_says_who_came_which_rows_and_which_cut_offs(study: Study, later: Path) -> None:
    found = release.compare(study.release, later)
    before, after = (
        {row["user_id"] for row in listed(each / "data" / "dim_participant.csv")} for each in (study.release, later)
    )
    assert found.people_added == sorted(after - before)
    assert len(found.people_added) == 1
    assert found.people_removed == []
    assert [(each.name, each.before, each.after) for each in found.cut_offs] == [("min_steps", "100", "150")]
    versions = {each.name: (each.before, each.after) for each in found.versions}
    assert versions["participants"] == (41, 42)
    assert "pipeline" not in versions
    assert [name.partition(" (")[0] for name in found.files_added] == [
        "battery: battery.csv",
        "daily_activity: daily_activity_***.csv",
        "daily_activity: daily_activity_***.csv",
        "daily_activity: daily_activity_new.csv",
    ]
    assert "(retracted, " in found.files_added[0]
    assert [name.partition(",")[0] for name in found.files_removed] == [
        "battery: battery.csv (loaded",
        "daily_activity: daily_activity_***.csv (loaded",
    ]


def test_it_counts_rows_as_a_comparison_of_all_of_them_does(study: Study, later: Path) -> None:
    found = {each.name: each for each in release.compare(study.release, later).tables}
    for table in ("fct_user_day", "fct_user_status", "fct_user_day_deviation", "rpt_cohort_engagement", "stg_battery"):
        package = json.loads((later / "datapackage.json").read_text())
        (schema,) = (each["schema"] for each in package["resources"] if each["name"] == table)
        key = schema.get("primaryKey") or [each["name"] for each in schema["fields"]]
        one, other = (
            {tuple(row[name] for name in key): row for row in listed(each / "data" / f"{table}.csv")}
            for each in (study.release, later)
        )
        expected = (
            len(other.keys() - one.keys()),
            len(one.keys() - other.keys()),
            sum(one[each] != other[each] for each in one.keys() & other.keys()),
        )
        assert (found[table].added, found[table].removed, found[table].changed or 0) == expected, table
        assert sum(expected) > 0, table
    assert found["stg_battery"].changed is None, "it has no key"
    assert found["fct_user_day"].columns_changed["steps"] > 40
    assert "stg_sleep" not in found


def test_it_counts_statuses(study: Study, later: Path) -> None:
    found = release.compare(study.release, later)
    assert found.statuses
    assert found.statuses_revised

    def statuses(folder: Path, day: str | None) -> dict[str, str]:
        rows = listed(folder / "data" / "fct_user_status.csv")
        return {row["user_id"]: row["status"] for row in rows if row["as_of_date"] == day}

    versions = [json.loads((each / "versions.json").read_text())["as_of_date"] for each in (study.release, later)]
    assert [found.statuses.before, found.statuses.after] == versions
    one, other = statuses(study.release, versions[0]), statuses(later, versions[1])
    moves = [(one.get(who, "not in it"), other.get(who, "not in it")) for who in one.keys() | other.keys()]
    assert dict(found.statuses.counts) == {move: moves.count(move) for move in set(moves) if move[0] != move[1]}
    assert found.statuses.counts.total() >= 1
    assert ("not in it", "stopped") in found.statuses.counts


def test_the_formats_do_not_matter(study: Study, later: Path, tmp_path: Path) -> None:
    study.write(tmp_path / "parquet", release.Wanted(formats=("parquet",), with_staging=True))
    same = release.compare(tmp_path / "parquet", study.release)
    assert (same.tables, same.people_added, same.is_same) == ([], [], False)
    as_csv, as_parquet = release.compare(study.release, later), release.compare(tmp_path / "parquet", later)
    assert as_parquet.tables == as_csv.tables
    assert as_parquet.statuses == as_csv.statuses


def test_the_command_prints_it_for_people_and_programs(
    study: Study, later: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["release", "diff", str(study.release), str(later)]) == 1
    printed = capsys.readouterr().out
    assert "participants added: 1" in printed
    assert "min_steps" in printed
    assert "files added: 4" in printed
    assert main(["release", "diff", "--json", str(study.release), str(later)]) == 1
    document = json.loads(capsys.readouterr().out)
    assert document["cut_offs"] == [{"name": "min_steps", "before": "100", "after": "150"}]
    assert len(document["people_added"]) == 1
    assert {"before", "after", "participants"} == set(document["statuses"]["changes"][0])


@pytest.mark.parametrize(
    ("name", "what"), [("data/fct_user_day.csv", "was changed"), ("flow.csv", "is missing"), ("more.txt", "was added")]
)
def test_an_altered_release_is_named(study: Study, tmp_path: Path, name: str, what: str) -> None:
    shutil.copytree(study.release, tmp_path / "copy")
    path = tmp_path / "copy" / name
    if what == "is missing":
        path.unlink()
    else:
        path.write_bytes((path.read_bytes() if path.exists() else b"") + b"\n")
    with pytest.raises(BadDataError, match=f"was altered after it was written: {name} {what}"):
        release.compare(study.release, tmp_path / "copy")
    assert main(["release", "diff", str(tmp_path / "copy"), str(study.release)]) == 65


def test_what_cannot_be_compared(study: Study, tmp_path: Path) -> None:
    study.write(tmp_path / "open", release.Wanted(formats=("csv",), with_user_ids=True))
    with pytest.raises(UsageError, match="one has user ids"):
        release.compare(study.release, tmp_path / "open")
    with pytest.raises(UsageError, match="is not a release"):
        release.compare(study.release, tmp_path)
    assert main(["release", "diff", str(study.release)]) == 64
    assert main(["release", "diff", "--staging", str(study.release), str(study.release)]) == 64
