"""A study with marts, built once, and its release: tables in both formats, with staging, and pseudonyms."""

import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from ingestion import db, runner
from ingestion.config import ROOT, Database, Settings
from ingestion.release import Released, Wanted
from ingestion.release import write as write_release
from tests.conftest import clone_database, drop_database, execute

HEADER = (
    "Id,ActivityDate,TotalSteps,TotalDistance,VeryActiveMinutes,FairlyActiveMinutes,"
    "LightlyActiveMinutes,SedentaryMinutes,Calories\n"
)
# an identifier of an export and the participant that it means; two whom no file maps; one in the name of a folder
EXPORTED, MEANT = "Zephyr-Quark-01", "Study-Person-900"
TEXT_IDS = ("Ølund,7 x", "S.02-Beta")
IN_A_FOLDER = "470188239"
NEVER_STARTED = "Nora-Never-77"
# what may tell who somebody is, besides user ids
TELLING = ("Annas Phone", "log-8675309")


@dataclass(frozen=True)
class Study:
    """A run on the sample data, a roster and participants with text ids, and its release.

    Arguments:
        database: the database, with marts.
        settings: the settings of the run.
        release: the folder of the release.

    """

    database: Database
    settings: Settings
    release: Path

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        with db.session(db.create_engine(self.settings)) as connection, connection.cursor() as cursor:
            cursor.execute(query)
            return list(cursor.fetchall())

    def write(self, folder: Path, wanted: Wanted | None = None, **changed: Any) -> Released:
        settings = replace(self.settings, **changed)
        return write_release(db.create_engine(settings), settings, folder, wanted or Wanted())


def days(user: str, first: date, count: int, steps: int = 8000) -> str:
    quoted = '"' + user.replace('"', '""') + '"'
    rows = ((first + timedelta(days=day), steps + 37 * (day % 9)) for day in range(count))
    return "".join(f"{quoted},{day.isoformat()},{each},5.5,20,10,200,700,2000\n" for day, each in rows)


def land(landing: Path) -> None:
    """Fill a landing zone."""
    shutil.copytree(ROOT / "sample_data", landing)
    begin = date(2026, 3, 1)
    people = "".join(days(user, begin, 50) for user in (EXPORTED, *TEXT_IDS))
    (landing / f"daily_activity_{EXPORTED}.csv").write_text(HEADER + people)
    folder = landing / f"user_id={IN_A_FOLDER}"
    folder.mkdir()
    (folder / "daily_activity.csv").write_text(HEADER + days(IN_A_FOLDER, begin, 45))
    (landing / "identifiers.csv").write_text(f"identifier,user_id\n{EXPORTED},{MEANT}\n")
    (landing / "participants.csv").write_text(
        "participant_id,enrolled_on,arm,site\n"
        f"{MEANT},2026-02-20,A,Graz\n{NEVER_STARTED},2026-03-01,B,Linz\n{IN_A_FOLDER},2026-02-25,B,Graz\n"
    )
    (landing / "minute_sleep.csv").write_text(f"Id,date,value,logId\n{EXPORTED},2026-03-02 01:00:00,1,{TELLING[1]}\n")
    (landing / "minute_activity.csv").write_text(
        f"Id,ActivityMinute,Steps,Data Source\n{EXPORTED},2026-03-02 09:00:00,44,{TELLING[0]}\n"
    )
    (landing / "battery.csv").write_text(
        "Id,DateTime,LevelPercent,BatteryLevel\n"
        f"{EXPORTED},2026-03-02 10:00:00,44,Medium\n{EXPORTED},2026-03-03 10:00:00,,Low\n"
    )


@pytest.fixture(scope="session")
def study(server: Database, template: Database, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Study]:
    folder = tmp_path_factory.mktemp("released")
    land(folder / "landing")
    database = clone_database(server, f"released_{os.getpid()}", template)
    settings = Settings(
        database=database,
        data_dir=str(folder / "landing"),
        use_manifest=True,
        report_dir=str(folder / "reports"),
        dbt_target_dir=folder / "target",
        dbt_log_dir=folder / "logs",
    )
    built = runner.run(settings)
    assert built.exit_code == 0, built.error_summary
    study = Study(database, settings, folder / "release")
    study.write(study.release, Wanted(with_staging=True))
    yield study
    drop_database(server, database)


@pytest.fixture
def changed(study: Study, server: Database, tmp_path: Path) -> Iterator[Callable[..., Study]]:
    """Return a function that copies the database and changes the copy with statements."""
    made: list[Database] = []

    def change(*statements: str) -> Study:
        name = f"released_{os.getpid()}_{len(made)}"
        database = clone_database(server, name, study.database)
        made.append(database)
        for statement in statements:
            execute(database, statement)
        return Study(database, replace(study.settings, database=database), tmp_path / name)

    yield change
    for database in made:
        drop_database(server, database)
