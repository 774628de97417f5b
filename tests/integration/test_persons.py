"""The same bytes in the folders of two participants are the data of both."""

import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import psycopg2
import pytest

from ingestion import db, migrate, retraction, runner
from ingestion.alerts.channels.webhook import AnyWebhookSettings
from ingestion.config import AlertSettings, Database, Settings
from ingestion.ingest import Plan, ingest
from ingestion.landing import preview
from ingestion.load.judge import Judge
from ingestion.sources import person_in, persons
from ingestion.steps import RunOptions
from ingestion.storage import open_storage
from ingestion.twins import SharedContent, shared_contents
from tests import apple
from tests.drops import SLEEP_HEADER, Invoke, Landing, sleep
from tests.listeners import Service, serve

DAY = "2016-04-12"
NIGHT = f"{DAY},1,327,346"
WHOOP = "Wake onset,Asleep duration (min),In bed duration (min)"


def oura(days: int) -> bytes:
    """Return an Oura export of days without a step."""
    return "".join(["date,Steps,Total Burn\n", *(f"2026-04-{day:02},0,1500\n" for day in range(1, days + 1))]).encode()


def garmin(day: str) -> bytes:
    return json.dumps([{"calendarDate": day, "totalSteps": 0, "totalKilocalories": 1500}]).encode()


def whoop(nights: int) -> bytes:
    return "".join([f"{WHOOP}\n", *(f"2026-05-{day:02} 07:00:00,420,480\n" for day in range(1, nights + 1))]).encode()


def remarks(landing: Landing) -> list[tuple[str | None]]:
    """Return the warning of each loaded file, None for those without."""
    return landing.rows(
        "select jsonb_path_query_first(remarks, '$[*] ? (@.is_warning == true)') ->> 'assumed'"
        " from ops.raw_ingest_manifest order by 1"
    )


def both_loaded(landing: Landing, table: str) -> list[tuple[str, int]]:
    return landing.rows(f"select user_id, count(*) from raw.{table} group by 1 order by 1")


@pytest.mark.parametrize(
    ("names", "content", "table"),
    [
        (
            ("user_id=101/oura_activity_2026-04-01.csv", "user_id=102/oura_activity_2026-04-01.csv"),
            oura(1),
            "daily_activity",
        ),
        (
            ("user_id=101/UDSFile_2026-04-02.json", "user_id=102/UDSFile_2026-04-02.json"),
            garmin("2026-04-02"),
            "daily_activity",
        ),
        (("oura_activity_user_id=101.csv", "oura_activity_user_id=102.csv"), oura(10), "daily_activity"),
        (("a/user_id=101/physiological_cycles.csv", "b/user_id=102/physiological_cycles.csv"), whoop(2), "sleep"),
    ],
)
def test_a_small_file_of_two_participants_loads_for_both(
    names: tuple[str, ...], content: bytes, table: str, landing: Landing
) -> None:
    for name in names:
        landing.put(name, content)
    assert landing.statuses() == dict.fromkeys(names, "loaded")
    assert [user for user, _ in both_loaded(landing, table)] == ["101", "102"]
    assert remarks(landing) == [(None,), (None,)], "a few rows can be the same by chance"
    assert landing.rows("select person from ops.raw_ingest_manifest order by 1") == [("101",), ("102",)]
    assert landing.statuses() == dict.fromkeys(names, "skipped")
    landing.check()


@pytest.mark.parametrize("use_manifest", [True, False])
def test_more_than_ten_equal_rows_load_for_both_with_a_remark(use_manifest: bool, landing: Landing) -> None:
    for user in (101, 102):
        landing.put(f"user_id={user}/oura_activity.csv", oura(11))
    first, second = landing.ingest(use_manifest=use_manifest).files
    assert (first.status, first.reason) == ("loaded", None)
    assert second.status == "loaded"
    (warning,) = (remark for remark in second.remarks if remark.is_warning)
    assert warning.assumed == (
        "the same 11 rows as user_id=101/oura_activity.csv: one of them was probably put into the wrong folder"
    )
    assert "retract" in warning.remedy
    assert remarks(landing) == [(warning.assumed,), (None,)]
    assert both_loaded(landing, "daily_activity") == [("101", 11), ("102", 11)]
    landing.check()


def test_blank_lines_are_no_rows_with_data(landing: Landing) -> None:
    for user in (101, 102):
        landing.put(f"user_id={user}/oura_activity.csv", oura(10) + b"\n" * 5)
    assert not landing.ingest().strange


def test_an_archive_of_several_datasets_loads_for_both(landing: Landing) -> None:
    beat = apple.record(apple.HEART_RATE, "07:00:00", "07:00:00", "60")
    for user in (101, 102):
        landing.put(f"user_id={user}/export.zip", apple.archive(apple.export(beat)))
    assert {file.status for file in landing.ingest().files} == {"loaded"}
    assert both_loaded(landing, "heart_rate") == [("101", 1), ("102", 1)]


def test_a_copy_for_the_same_participant_is_a_duplicate(landing: Landing) -> None:
    for name in ("user_id=101/a/oura_activity.csv", "user_id=101/b/oura_activity.csv"):
        landing.put(name, oura(20))
    assert sorted(landing.statuses().values()) == ["duplicate", "loaded"]
    assert both_loaded(landing, "daily_activity") == [("101", 20)]


def test_a_copy_that_names_nobody_is_a_duplicate(landing: Landing) -> None:
    landing.put("a/sleep.csv", sleep(1, 2))
    landing.put("b/sleep.csv", sleep(1, 2))
    assert sorted(landing.statuses().values()) == ["duplicate", "loaded"]
    assert landing.users() == [1, 2]


def test_concurrent_ingests_load_equal_bytes_once_for_each_participant(landing: Landing) -> None:
    for user in (101, 102, 103):
        for folder in ("a", "b"):
            landing.put(f"user_id={user}/{folder}/oura_activity.csv", oura(12))
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda _: landing.statuses(), range(6)))
    assert both_loaded(landing, "daily_activity") == [("101", 12), ("102", 12), ("103", 12)]
    landing.check()


def test_a_file_that_moves_to_the_right_folder_loads_there(landing: Landing) -> None:
    path = landing.put("user_id=101/oura_activity.csv", oura(12))
    landing.ingest()
    path.unlink()
    landing.put("user_id=102/oura_activity.csv", oura(12))
    assert landing.statuses() == {"user_id=102/oura_activity.csv": "loaded"}
    with db.transaction(landing.engine) as connection:
        retraction.retract(connection, "raw", "user_id=101/oura_activity.csv", "wrong folder", uuid4())
    assert both_loaded(landing, "daily_activity") == [("102", 12)]
    assert landing.statuses() == {"user_id=102/oura_activity.csv": "skipped"}


def test_bytes_that_were_retracted_for_one_participant_load_for_another(landing: Landing) -> None:
    landing.put("user_id=101/oura_activity.csv", oura(12))
    landing.ingest()
    with db.transaction(landing.engine) as connection:
        retraction.retract(connection, "raw", "user_id=101/oura_activity.csv", "wrong folder", uuid4())
    landing.put("user_id=102/oura_activity.csv", oura(12))
    result = {file.filename: (file.status, file.counts.loaded) for file in landing.ingest().files}
    assert result == {
        "user_id=101/oura_activity.csv": ("retracted", 0),
        "user_id=102/oura_activity.csv": ("loaded", 12),
    }
    assert not health_of(landing), "only one of them is loaded"


def health_of(landing: Landing) -> list[SharedContent]:
    with db.session(landing.engine) as connection:
        return shared_contents(connection, "raw")


def test_ls_shows_a_file_with_the_rows_of_another_participant_as_new(landing: Landing) -> None:
    landing.put("user_id=101/oura_activity.csv", oura(12))
    landing.put("user_id=101/oura_sleep.csv", b"date,Total Sleep Duration,Total Bedtime\n2026-04-01,27000,30000\n")
    landing.ingest()
    landing.put("user_id=102/oura_activity.csv", oura(12))
    landing.put("user_id=102/oura_sleep.csv", b"date,Total Sleep Duration,Total Bedtime\n2026-04-01,27000,30000\n")
    landing.put("user_id=101/copy/oura_activity.csv", oura(12))
    shown = {
        each.file.name: (each.state, each.detail) for each in preview(landing.engine, open_storage(str(landing.root)))
    }
    assert shown["user_id=102/oura_activity.csv"] == (
        "new",
        "the same 12 rows as user_id=101/oura_activity.csv: one of them was probably put into the wrong folder",
    )
    assert shown["user_id=102/oura_sleep.csv"] == ("new", None)
    assert shown["user_id=101/copy/oura_activity.csv"] == ("known", "the bytes of user_id=101/oura_activity.csv")


def test_summary_files_status_and_alert_name_both(
    landing: Landing, settings: Settings, invoke: Invoke, capsys: pytest.CaptureFixture[str]
) -> None:
    landing.put("user_id=101/oura_activity.csv", oura(12))
    landing.put("user_id=102/oura_activity.csv", oura(12))
    assert invoke("ingest") == 0
    remark = "the same 12 rows as user_id=101/oura_activity.csv: one of them was probably put into the wrong folder"
    summary = " ".join(capsys.readouterr().err.split())
    assert f"user_id=102/oura_activity.csv: {remark}. If this one is wrong, take it out: " in summary
    assert invoke("files", "--json") == 0
    files = {file["filename"]: file for file in json.loads(capsys.readouterr().out)["files"]}
    assert remark in [each["assumed"] for each in files["user_id=102/oura_activity.csv"]["remarks"]]
    assert files["user_id=102/oura_activity.csv"]["person"] == "102"
    assert invoke("runs", "show", "last") == 0
    assert "wrong folder" in capsys.readouterr().out
    assert invoke("status", "--json") == 0, "it can wait"
    status = json.loads(capsys.readouterr().out)
    (problem,) = status["problems"]
    assert (status["state"], problem["state"], problem["code"]) == ("warning", "warning", "same_rows")
    assert problem["message"] == (
        "daily_activity: the same 12 rows are loaded from user_id=101/oura_activity.csv and "
        "user_id=102/oura_activity.csv: one of them was probably put into the wrong folder"
    )
    with serve(Service()) as hook:
        alerts = AlertSettings(channels=(AnyWebhookSettings((f"{hook.url}/hook",)),))
        watched = replace(settings, alerts=alerts)
        for _ in range(2):
            assert runner.run(watched, "ingest").exit_code == 0
        (body,) = [request.json for request in hook.requests]
        assert (body["kind"], body["topic"], body["is_over"]) == ("misplaced", "misplaced", False)
        assert "the same 12 rows" in body["summary"]
        assert "101" not in body["summary"]
        options = RunOptions(filenames=("user_id=102/oura_activity.csv",), reason="wrong folder")
        runner.run(watched, "retract", options)
        over = [request.json for request in hook.requests if request.json["is_over"]]
        assert [body["topic"] for body in over] == ["misplaced"]


@pytest.mark.parametrize("use_manifest", [True, False])
def test_a_path_with_leading_zeros_names_another_participant(use_manifest: bool, landing: Landing) -> None:
    landing.put("user_id=7/physiological_cycles.csv", whoop(2))
    landing.put("user_id=007/physiological_cycles.csv", whoop(3))
    landing.put("physiological_cycles_user_id=00209.csv", whoop(1))
    assert set(landing.statuses(use_manifest=use_manifest).values()) == {"loaded"}
    assert both_loaded(landing, "sleep") == [("00209", 1), ("007", 3), ("7", 2)]


IDS = {
    "at the beginning": f"{SLEEP_HEADER}\n007,{NIGHT}\n7,{NIGHT}\n8,{NIGHT}\n",
    "later": f"{SLEEP_HEADER}\n7,{NIGHT}\n8,{NIGHT}\n007,{NIGHT}\n",
    "quoted": f'{SLEEP_HEADER}\n"7",{NIGHT}\n"007",{NIGHT}\n8,{NIGHT}\n',
    "with CRLF": f"{SLEEP_HEADER}\r\n7,{NIGHT}\r\n007,{NIGHT}\r\n8,{NIGHT}\r\n",
    "after a space": f"{SLEEP_HEADER}\n7,{NIGHT}\n 007,{NIGHT}\n8 ,{NIGHT}\n",
    "in another column": f"SleepDay,Id,TotalMinutesAsleep,TotalTimeInBed\n{DAY},7,1,2\n{DAY},007,1,2\n{DAY},8,1,2\n",
    "in the last column": f"SleepDay;TotalMinutesAsleep;TotalTimeInBed;Id\n{DAY};1;2;7\n{DAY};1;2;8\n{DAY};1;2;007\n",
    "with a column of no dataset": f"{SLEEP_HEADER},Note\n7,{NIGHT},\n007,{NIGHT},x\n8,{NIGHT},\n",
}


@pytest.mark.parametrize("case", IDS)
def test_an_id_with_leading_zeros_is_loaded_as_it_is(case: str, landing: Landing) -> None:
    landing.put("sleep.csv", IDS[case].encode())
    (result,) = landing.ingest().files
    assert (result.status, result.counts.loaded, result.counts.rejected) == ("loaded", 3, 0), result.reason
    assert landing.ids() == ["007", "7", "8"]


def test_ids_in_json_are_loaded_as_they_are(landing: Landing) -> None:
    night = {"SleepDay": "2016-04-12", "TotalMinutesAsleep": 1, "TotalTimeInBed": 2}
    landing.put("sleep.json", json.dumps([{"Id": user, **night} for user in ("007", "7", 8, " P-9 ")]).encode())
    (result,) = landing.ingest().files
    assert (result.counts.loaded, result.counts.rejected) == (4, 0)
    assert landing.ids() == ["007", "7", "8", "P-9"]


LABELS = ["AB_12", "P-017", "S1", "control-2", "p-017"]


def test_labels_load_without_being_judged(landing: Landing, monkeypatch: pytest.MonkeyPatch) -> None:
    landing.put("sleep.csv", nights_of(*LABELS))
    judged: list[int] = []
    copy = Judge.copy

    def counted(judge: Judge, rows: db.Readable) -> int:
        judged.append(copy(judge, rows))
        return judged[-1]

    monkeypatch.setattr(Judge, "copy", counted)
    assert landing.statuses() == {"sleep.csv": "loaded"}
    assert landing.ids() == LABELS
    assert sum(judged) == 0


def test_labels_are_judged_and_lose_the_blanks_around_them(landing: Landing) -> None:
    landing.put("sleep.csv", nights_of(*(f" {label}  " for label in LABELS), "Mary Ann", "Zoë") + b"S2,never,1,2,3\n")
    (result,) = landing.ingest().files
    assert (result.counts.loaded, result.counts.rejected) == (len(LABELS) + 2, 1)
    assert landing.ids() == sorted([*LABELS, "Mary Ann", "Zoë"])


def nights_of(*ids: str) -> bytes:
    """Return a sleep file with a night for each id, as it is."""
    return "".join(f"{line}\n" for line in (SLEEP_HEADER, *(f"{user},{NIGHT}" for user in ids))).encode()


@pytest.mark.parametrize(
    ("ids", "loaded", "rejected"),
    [
        (["1503960366.0", "1624580081.0"], ["1503960366", "1624580081"], 0),
        (["1503960366.0", "1624580081", "1644430081", "1844505072"], ["1624580081", "1644430081", "1844505072"], 1),
        (["1.503960366E+09", "7", "8"], ["1503960366", "7", "8"], 0),
        (["1.50396E+09", "7", "8"], ["7", "8"], 1),
        (["NA", "7", "8"], ["7", "8"], 1),
        (["#REF!", "7", "8"], ["7", "8"], 1),
        (["P\x077", "7", "8"], ["7", "8"], 1),
        (["A\u00a01", "A 1", "O\u2019Neil", "O'Neil"], ["A 1", "A\u00a01", "O'Neil", "O\u2019Neil"], 0),
        (["x" * 201, "7", "8"], ["7", "8"], 1),
        (["1.0", "1.1", "2.0"], ["1.0", "1.1", "2.0"], 0),
    ],
    ids=[
        "all decimal",
        "one decimal",
        "all digits of a number",
        "not all digits",
        "no id",
        "error",
        "control",
        "alike",
        "too long",
        "with points",
    ],
)
def test_an_id_that_a_spreadsheet_has_read_as_a_number_is_mended_or_rejected(
    ids: list[str], loaded: list[str], rejected: int, landing: Landing
) -> None:
    landing.put("sleep.csv", nights_of(*ids))
    (result,) = landing.ingest().files
    assert (result.status, result.counts.rejected) == ("loaded", rejected)
    assert landing.ids() == loaded
    assert landing.rows("select reason, column_name from ops.rejected_rows") == [("not_castable", "user_id")] * rejected


@pytest.mark.parametrize(
    ("path", "person"),
    [
        ("user_id=201/physiological_cycles.csv", "201"),
        ("User_Id=202/physiological_cycles.csv", "202"),
        ("user-id=203/physiological_cycles.csv", "203"),
        ("userid=204/physiological_cycles.csv", "204"),
        ("id=205/physiological_cycles.csv", "205"),
        ("user_id=P208/physiological_cycles.csv", "P208"),
        ("user_id=00209/physiological_cycles.csv", "00209"),
        ("participant 207/physiological_cycles.csv", None),
        ("209a/physiological_cycles.csv", None),
        ("user_id=7/user_id=8/physiological_cycles.csv", None),
        ("user_id=07/user_id=7/physiological_cycles.csv", None),
    ],
)
def test_a_path_names_one_participant(path: str, person: str | None, landing: Landing) -> None:
    landing.put(path, whoop(2))
    (result,) = landing.ingest().files
    if person is None:
        assert (result.status, result.reason) == (
            "refused",
            "the path of this Whoop export names no participant, or several",
        )
        assert "PIPELINE_PERSON_IN_PATH" in (result.hint or "")
    assert landing.ids() == ([person] * 2 if person else [])


def test_a_pattern_says_which_part_of_a_path_names_the_participant(
    landing: Landing, invoke: Invoke, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIPELINE_PERSON_IN_PATH", "{person}/**")
    monkeypatch.setattr(persons, "_template", [])
    person_in.cache_clear()
    landing.put("participant 207/physiological_cycles.csv", whoop(1))
    landing.put("P206/2026/physiological_cycles.csv", whoop(2))
    landing.put("any/user_id=8/physiological_cycles.csv", whoop(3))
    try:
        assert invoke("ingest") == 0
    finally:
        person_in.cache_clear()
    assert both_loaded(landing, "sleep") == [("8", 3), ("P206", 2), ("participant 207", 1)]


@pytest.mark.parametrize(
    "name",
    [
        "ID 1003_sleepDay_20171001_20171007.csv",
        "1003_sleepDay_20171001_20171007.csv",
        "user_id=1003/sleepDay_20171001_20171007.csv",
    ],
)
def test_a_file_a_participant_of_fitabase_needs_no_ids(name: str, landing: Landing) -> None:
    rows = "".join(f"10/{day}/2017 12:00:00 AM,1,400,430\n" for day in range(1, 8))
    landing.put(name, f"SleepDay,TotalSleepRecords,TotalMinutesAsleep,TotalTimeInBed\n{rows}".encode())
    assert landing.statuses() == {name: "loaded"}
    assert landing.ids() == ["1003"] * 7


def test_an_erasure_takes_no_id_that_begins_alike(landing: Landing) -> None:
    bad = ["7,never,1,2,3", "77,never,1,2,3", "007,never,1,2,3", "P-7,never,1,2,3"]
    good = nights_of("7", "77", "007", "P-7", *(f"S{number}" for number in range(20)))
    landing.put("sleep.csv", good + "".join(f"{row}\n" for row in bad).encode())
    landing.ingest()
    with db.transaction(landing.engine) as connection:
        retraction.erase(connection, "raw", "7", "a long random secret", uuid4())
    assert {"77", "007", "P-7"} < set(landing.ids())
    assert "7" not in landing.ids()
    kept = {bytes(line).decode().strip() for (line,) in landing.rows("select raw_line from ops.rejected_rows")}
    assert {"77,never,1,2,3", "007,never,1,2,3"} <= kept
    assert "7,never,1,2,3" not in kept
    landing.check()


PATHS = [
    "sleep.csv",
    "user_id=7/sleep.csv",
    "user_id=007/sleep.csv",
    "user_id=7/export_user_id=7.zip",
    "user_id=7/export_user_id=8.zip",
    "user_id=07/export_user_id=7.zip",
    "a/b-user_id=12345.sleep.csv",
    "xuser_id=7/sleep.csv",
    "user_id=7x/sleep.csv",
    "user_id=1234567890123456789/sleep.csv",
    "USER_ID=7/sleep.csv",
    "user_id=\u0667/sleep.csv",
    "user_id=7 /sleep.csv",
    "sleep user_id=9",
]


@pytest.fixture
def older(empty_database: Database, tmp_path: Path) -> Landing:
    """A database as it was before the manifest knew participants."""
    engine = db.create_engine(Settings(database=empty_database))
    directory = tmp_path / "sql"
    directory.mkdir()
    files = [migration.file for migration in migrate.read_migrations()]
    for file in files[: next(index for index, file in enumerate(files) if "manifest_person" in file)]:
        shutil.copy(migrate.SQL_DIRECTORY / file, directory)
    migrate.migrate(engine, directory)
    root = tmp_path / "landing"
    root.mkdir()
    return Landing(root, engine)


def test_an_upgrade_derives_the_participants_of_all_files(older: Landing) -> None:
    with db.transaction(older.engine) as connection, connection.cursor() as cursor:
        for number, path in enumerate(PATHS):
            cursor.execute(
                "insert into ops.raw_ingest_manifest (source_filename, checksum, status, source, size_bytes)"
                " values (%s, %s, 'loaded', 'sleep', 1)",
                (path, f"{number}"),
            )
    migrate.migrate(older.engine)
    derived = dict(older.rows("select source_filename, person from ops.raw_ingest_manifest"))
    # that migration knew numbers only
    named = {path: person for path, person in derived.items() if person}
    assert named == {path: person_in(path) for path in named}
    assert len(named) == 6
    assert derived["user_id=007/sleep.csv"] == "007"


def test_after_an_upgrade_the_second_participant_gets_their_rows(older: Landing) -> None:
    """The older version recorded their file as a duplicate."""
    content = oura(12)
    names = [f"user_id={user}/oura_activity.csv" for user in (101, 102)]
    for name in names:
        older.put(name, content)
    migrate.migrate(older.engine)
    older.ingest()
    with db.transaction(older.engine) as connection, connection.cursor() as cursor:
        cursor.execute("delete from raw.daily_activity where user_id = '102'")
        cursor.execute(
            "update ops.raw_ingest_manifest set status = 'duplicate', row_count = 0, rows_read = 0, remarks = '[]',"
            " duplicate_of = (select file_id from ops.raw_ingest_manifest where person = '101') where person = '102'"
        )
    assert older.statuses() == {names[0]: "skipped", names[1]: "loaded"}
    assert both_loaded(older, "daily_activity") == [("101", 12), ("102", 12)]


def test_the_database_refuses_the_same_bytes_twice_for_one_participant(landing: Landing) -> None:
    insert = (
        "insert into ops.raw_ingest_manifest (source_filename, person, checksum, status, source, size_bytes)"
        " values (%s, %s, 'c0ffee', 'loaded', 'sleep', 1)"
    )
    with db.session(landing.engine) as connection, connection.cursor() as cursor:
        for name, person in (("a", None), ("b", "7"), ("c", "007")):
            cursor.execute(insert, (name, person))
        for name, person in (("d", None), ("e", "7"), ("f", "007")):
            with pytest.raises(psycopg2.errors.UniqueViolation):
                cursor.execute(insert, (name, person))


def test_a_dry_run_shows_the_remark(landing: Landing) -> None:
    for user in (101, 102):
        landing.put(f"user_id={user}/oura_activity.csv", oura(12))
    result = ingest(landing.engine, open_storage(str(landing.root)), uuid4(), Plan(dry_run=True))
    assert [file.is_strange for file in result.files] == [False, True]
    assert both_loaded(landing, "daily_activity") == []
