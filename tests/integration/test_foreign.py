"""Files of other programs that have the name of a dataset are unknown; damaged files of a dataset are refused."""

import gzip
import json
from uuid import uuid4

import pytest

from ingestion import db, retraction, runner
from ingestion.config import Settings
from ingestion.ingest import Plan, ingest
from ingestion.landing import preview
from ingestion.steps import RunOptions
from ingestion.storage import open_storage
from tests.drops import ACTIVITY_HEADER, SLEEP_HEADER, Invoke, Landing, activity, sleep

STRIDE_ACTIVITY = (
    'id;when;points;cadence;climb;contributors\na1;2026-03-05T04:00:00-05:00;80;171;12;{"move_every_hour": 95}\n'
)
SNORE_SLEEP = (
    'begin,finish,"snores (n)","noise (dB)",remarks\n2026-04-01T23:10:00+02:00,2026-04-02T06:50:00+02:00,12,41,\n'
)
ROW = "1503960366,4/12/2016 12:00:00 AM,1,327,346\n"


def objects(*rows: dict[str, object]) -> str:
    return json.dumps(rows, indent=2)


FOREIGN = {
    "user_id=61/App Data/dailyactivity.csv": STRIDE_ACTIVITY,
    "user_id=61/App Data/heartrate.csv": "when;pulse;origin\n2026-03-05T04:00:00+00:00;55;sleep\n",
    "user_id=74/sleep.csv": SNORE_SLEEP,
    "SLEEP_20260401.csv": "day,calm,restless,began,ended\n2026-04-01,90,5,x,y\n",
    "sleep_2026-01-31.csv": 'Sleep\nBegan,Ended,Calm\n"01-01-2019 11:12PM","02-01-2019 7:11AM",""\n',
    "heart_rate_2026-03-05.tsv": "When\tPulse\tConfidence\n2026-03-05 04:00\t55\t3\n",
    "weight.csv": "Datum;Gewicht;Anmerkung\n2026-04-01;81,2;\n",
    "weight_2026.csv": "day,clock,kilos,note\n2026-04-01,07:12,81.2,\n",
    "hourly_steps.csv": "hour,count\n2026-04-01 07:00,120\n",
    "dailyActivity.json": objects({"day": "2026-04-01", "score": 80, "met": 1.4}),
    "heart_rate-2024-03-21.json": objects({"moment": "03/21/24 00:00:05", "pulse": {"rate": 60, "sure": 3}}),
    "sleep-2024-03-02.ndjson": '{"night": 1, "calm": 400}\n',
    "sleep_20260402.csv": "\ufefffrom,until\r\n2026-04-01,2026-04-02\r\n",
    "weight_20260402.csv": "Day,Muscle,Comments\n",
    "weight_log_info.csv.gz": "Datum,Gewicht\n2026-04-01,81\n",
}
DAMAGED = {
    "no required column but two": (
        "sleep.csv",
        "Id,SleepDay,TotalSleepRecords\n1503960366,4/12/2016 12:00:00 AM,1\n",
    ),
    "one telling column": ("sleep.csv", "Who,When,TotalSleepRecords\nx,y,1\n"),
    "the name of the raw table": ("sleep.csv", "person,sleep_day,night\nx,2016-04-12,1\n"),
    "without the participant": ("weight.csv", 'Date,"Weight (kg)","Fat mass (kg)"\n2026-04-01,81.2,16.1\n'),
    "without the time": ("heart_rate.csv", "Id,Value\n1503960366,60\n"),
    "without the id": ("heart_rate.csv", "Time,Value\n4/12/2016 7:21:00 AM,97\n"),
    "no header": ("sleep.csv", ROW * 3),
    "no header, a title": ("sleep.csv", f"My sleep in April\n{ROW * 3}"),
    "no header, words": ("weight.csv", "1503960366,5/2/2016 11:59:59 PM,52.6,115.96,22,22.65,True,14622339\n"),
    "no header, labels": ("sleep.csv", "P001,4/12/2016 12:00:00 AM,NA,NA,NA\n"),
    "an unknown delimiter": ("sleep.csv", f"{SLEEP_HEADER}\n{ROW}".replace(",", "^")),
    "delimited by spaces": ("daily_activity.csv", ACTIVITY_HEADER.replace(",", "  ") + "\n1  2016-04-12\n"),
    "cut in its header": ("daily_activity.csv", "Id,ActivityDa"),
    "cut after a column": ("daily_activity.csv", "Id,ActivityDate,Tot"),
    "empty": ("sleep.csv", ""),
    "an export of another device under this name": ("sleep.csv", "Wake onset,Asleep duration (min)\n2026-05-10,400\n"),
    "JSON of another device": ("sleep.json", objects({"calendarDate": "2026-02-10", "deepSleepSeconds": 60})),
    "JSON without a required key": ("sleep.json", objects({"Id": 1, "SleepDay": "2016-04-12"})),
    "a single column": ("sleep.csv", "Id\n1\n"),
}


def put(landing: Landing, name: str, content: str) -> None:
    data = content.encode()
    landing.put(name, gzip.compress(data) if name.endswith(".gz") else data)


@pytest.mark.parametrize("use_manifest", [True, False])
def test_files_of_other_programs_are_unknown(use_manifest: bool, landing: Landing) -> None:
    for name, content in FOREIGN.items():
        put(landing, name, content)
    landing.put("all/sleep.csv", sleep(1))
    landing.put("all/daily_activity.csv", activity(1))
    result = {file.filename: file for file in landing.ingest(use_manifest=use_manifest).files}
    for name in FOREIGN.keys() & result.keys():
        assert (result[name].status, result[name].dataset) == ("unknown", None), name
        assert "named like" in (result[name].reason or "")
    assert {result[name].status for name in result.keys() - FOREIGN.keys()} == {"loaded"}
    assert landing.rows("select status, count(*) from ops.raw_ingest_manifest group by 1") == [("loaded", 2)]


@pytest.mark.parametrize("name", FOREIGN)
def test_ls_shows_what_an_ingest_finds(name: str, landing: Landing) -> None:
    put(landing, name, FOREIGN[name])
    (shown,) = preview(landing.engine, open_storage(str(landing.root)))
    (found,) = landing.ingest().files
    assert (shown.state, shown.dataset, shown.detail) == ("unknown", None, found.reason)


@pytest.mark.parametrize("case", DAMAGED)
def test_a_damaged_file_is_refused(case: str, landing: Landing) -> None:
    name, content = DAMAGED[case]
    put(landing, name, content)
    (shown,) = preview(landing.engine, open_storage(str(landing.root)))
    (found,) = landing.ingest().files
    assert (found.status, found.dataset) == ("refused", name.partition(".")[0])
    assert (shown.state, shown.detail) == ("new", f"would be refused: {found.reason}")


def test_a_file_that_was_loaded_is_refused_when_another_program_replaces_it(landing: Landing) -> None:
    landing.put("sleep.csv", sleep(1))
    landing.ingest()
    put(landing, "sleep.csv", SNORE_SLEEP)
    (shown,) = preview(landing.engine, open_storage(str(landing.root)))
    assert (shown.state, (shown.detail or "")[:16]) == ("changed", "would be refused")
    assert landing.statuses() == {"sleep.csv": "refused"}
    assert landing.users() == [1]


def test_a_foreign_file_that_a_person_names_is_refused(landing: Landing, settings: Settings) -> None:
    put(landing, "sleep.csv", SNORE_SLEEP)
    result = runner.run(settings, "reload", RunOptions(filenames=("sleep.csv",)))
    assert result.exit_code == 65
    assert "named like sleep" in str(result.error)


@pytest.mark.parametrize("mode", ["1", "0"])
def test_a_landing_zone_without_a_recognised_file_fails(
    mode: str, landing: Landing, invoke: Invoke, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PIPELINE_USE_MANIFEST", mode)
    monkeypatch.setenv("PIPELINE_DATA_DIR", str(landing.root))
    put(landing, "sleep.csv", SNORE_SLEEP)
    landing.put("stress.csv", b"Id\n1\n")
    error = "none of the 2 files in the data directory was recognised: nothing was loaded"
    assert invoke("ingest") == 65
    shown = capsys.readouterr().err
    assert f"error: ingest: NothingRecognisedError: {error}" in shown
    assert "hint: Check that PIPELINE_DATA_DIR" in shown
    assert "unknown: sleep.csv" in shown
    assert "unknown: stress.csv" in shown
    assert invoke("ingest", "--dry-run") == 65
    assert f"error: {error}" in capsys.readouterr().err
    assert invoke("status", "--json") == 1
    (problem,) = json.loads(capsys.readouterr().out)["problems"]
    assert (problem["code"], error in problem["message"]) == ("last_run_failed", True)
    assert invoke("runs", "show", "last") == 0
    assert "unknown: sleep.csv: it is named like sleep or sleep_records, but has the columns" in capsys.readouterr().out
    assert invoke("ls") == 0
    assert "none of these files is recognised" in capsys.readouterr().err
    landing.put("all/sleep.csv", sleep(1))
    assert invoke("ingest") == 0
    assert invoke("ls") == 0
    assert "none of these files" not in capsys.readouterr().err


def test_an_empty_landing_zone_stays_a_warning(landing: Landing, invoke: Invoke) -> None:
    (landing.root / "README.md").write_text("Put exports here.")
    assert invoke("ingest") == 0


def test_no_rows_are_retracted_where_the_wrong_directory_is_mounted(landing: Landing, invoke: Invoke) -> None:
    path = landing.put("sleep.csv", sleep(1))
    assert invoke("ingest") == 0
    path.unlink()
    landing.put("stress.csv", b"Id\n1\n")
    assert invoke("ingest", "--retract-vanished") == 65
    assert landing.users() == [1]


def test_what_is_left_after_archiving_is_no_failure(
    landing: Landing, invoke: Invoke, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIPELINE_ARCHIVE", "1")
    landing.put("sleep.csv", sleep(1))
    landing.put("stress.csv", b"Id\n1\n")
    assert invoke("ingest") == 0
    assert not (landing.root / "sleep.csv").exists()
    assert invoke("ingest") == 0


def test_a_retracted_or_refused_file_is_recognised(landing: Landing) -> None:
    landing.put("sleep.csv", sleep(1))
    landing.ingest()
    with db.transaction(landing.engine) as connection:
        retraction.retract(connection, "raw", "sleep.csv", "wrong study", uuid4())
    assert landing.ingest().unrecognised == 0
    landing.put("sleep.csv", b"Id\n1\n")
    result = ingest(landing.engine, open_storage(str(landing.root)), uuid4(), Plan())
    assert (result.by_status(), result.unrecognised) == ({"refused": 1}, 0)
