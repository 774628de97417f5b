"""A release without user ids contains none, in no file and in no form."""

import csv
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import duckdb
import pytest

from ingestion import db, release, report
from ingestion.errors import PipelineError
from ingestion.report import pseudonym
from tests.conftest import execute
from tests.integration.release.conftest import EXPORTED, IN_A_FOLDER, MEANT, NEVER_STARTED, TELLING, TEXT_IDS, Study


def ids(study: Study) -> set[str]:
    found = {user_id for (user_id,) in study.rows("select user_id from marts.dim_participant")}
    assert {MEANT, IN_A_FOLDER, NEVER_STARTED, *TEXT_IDS} <= found
    return found | {EXPORTED}


def texts(folder: Path) -> Iterator[tuple[str, str]]:
    """Yield all bytes of a release as text, and the values of the Parquet files."""
    for path in folder.rglob("*"):
        if path.is_file():
            yield path.name, path.read_bytes().decode("utf-8", errors="replace")
            if path.suffix == ".parquet":
                yield path.name, str(duckdb.connect().execute(f"select * from '{path}'").fetchall())


def test_no_file_contains_a_user_id(study: Study) -> None:
    secrets = ids(study) | set(TELLING)
    pattern = re.compile("|".join(map(re.escape, secrets)), re.IGNORECASE)
    for name, text in texts(study.release):
        assert pattern.search(text) is None, name
    assert all(EXPORTED not in path.name for path in study.release.rglob("*"))


def test_the_search_finds_ids_where_there_are_some(study: Study, tmp_path: Path) -> None:
    wanted = release.Wanted(with_staging=True, with_user_ids=True)
    study.write(tmp_path / "open", wanted)
    found: dict[str, str] = {}
    for name, text in texts(tmp_path / "open"):
        found[name] = found.get(name, "") + text
    assert MEANT in found["fct_user_day.csv"]
    assert MEANT in found["fct_user_day.parquet"]
    assert f"daily_activity_{EXPORTED}.csv" in found["files.csv"]
    assert TELLING[0] in found["stg_minute_activity.csv"]
    assert "user ids" in found["README.md"]
    released = sorted(user_id for (user_id,) in study.rows("select user_id from marts.dim_participant"))
    with (tmp_path / "open" / "data" / "dim_participant.csv").open(encoding="utf-8", newline="") as file:
        assert [row["user_id"] for row in csv.DictReader(file)] == released


def test_a_participant_has_the_same_pseudonym_everywhere_also_in_the_report(study: Study) -> None:
    def people(table: str) -> set[str]:
        with (study.release / "data" / f"{table}.csv").open(encoding="utf-8", newline="") as file:
            return {row["user_id"] for row in csv.DictReader(file)}

    everybody = people("dim_participant")
    assert people("fct_user_status") <= everybody
    assert people("stg_daily_activity") == people("fct_user_day")
    engine = db.create_engine(study.settings)
    (meant,) = people("stg_minute_sleep")
    assert report.who(engine, meant) == [MEANT]
    assert meant in people("stg_battery") & people("stg_participants") & people("fct_user_day_deviation")


def test_the_order_says_nothing_about_user_ids(study: Study) -> None:
    for path in study.release.glob("data/*.csv"):
        with path.open(encoding="utf-8", newline="") as file:
            names = [row["user_id"] for row in csv.DictReader(file) if "user_id" in row]
        assert names == sorted(names), path.name


def test_names_of_files_have_no_user_ids(study: Study) -> None:
    names = (study.release / "files.csv").read_text()
    assert ",daily_activity_***.csv," in names
    assert ",user_id=***/daily_activity.csv," in names
    assert "daily_activity_2026-04-01.csv" in names
    assert "user_id=***/daily_activity.csv" in (study.release / "data" / "stg_file.csv").read_text()


def test_a_device_that_its_owner_named_has_a_pseudonym(study: Study) -> None:
    with (study.release / "data" / "stg_hourly_steps.csv").open(encoding="utf-8", newline="") as file:
        devices = {row["device"] for row in csv.DictReader(file)}
    assert [bool(re.fullmatch(r"device \w{4}-\w{4}", device)) for device in devices] == [True]
    assert ",Fitbit," in (study.release / "data" / "fct_user_day.csv").read_text(), "every participant has one"


def test_it_says_that_it_is_not_anonymous(study: Study) -> None:
    text = (study.release / "README.md").read_text()
    assert "Pseudonymous is not anonymous" in text
    assert "also those of one person only" in text


def test_two_participants_with_one_pseudonym_are_refused(
    study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pseudonym, "encode", lambda _: "0000-0000")
    with pytest.raises(PipelineError, match="the same pseudonym"):
        study.write(tmp_path / "mixed")
    assert not (tmp_path / "mixed").exists()


def test_readers_of_the_marts_can_write_it(changed: Callable[..., Study], tmp_path: Path) -> None:
    """As docker/postgres/roles.sql grants: a monitor that reads ops and marts, and dbt's role for staging only."""
    copy = changed()
    reader, dbt = (f"{name}_{copy.database.parameters['dbname']}" for name in ("reader", "dbt"))
    grants = (
        f"create role {reader} login password 'reader'",
        f"create role {dbt}",
        f"grant {dbt} to {reader} with inherit false, set true",
        f"grant usage on schema ops, marts to {reader}",
        f"grant select on all tables in schema ops, marts to {reader}",
        f"grant usage on schema raw, staging, intermediate to {reader}",
        f"grant usage on schema ops, raw, staging, intermediate to {dbt}",
        f"grant select on all tables in schema ops, raw, staging, intermediate to {dbt}",
        f"revoke select on ops.report_key from {dbt}",
    )
    for statement in grants:
        execute(copy.database, statement)
    try:
        login = {**copy.database.parameters, "user": reader, "password": "reader"}
        database = replace(copy.database, parameters=login)
        copy.write(tmp_path / "release", release.Wanted(with_staging=True), database=database, transformer_role=dbt)
        assert (tmp_path / "release" / "data" / "stg_sleep.parquet").exists()
    finally:
        for role in (reader, dbt):
            execute(copy.database, f"drop owned by {role}")
        for role in (reader, dbt):
            execute(copy.database, f"drop role {role}")
