"""`status`, `runs` and `files`: what they say of real runs, in tables, in JSON and by their exit codes."""

import io
import json
import os
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest
from rich.console import Console

from ingestion import claims, db, embedded, health, history, runner
from ingestion.cli import status as overview
from ingestion.config import ROOT, Database, Settings
from ingestion.errors import UsageError
from ingestion.run_tracker import RunTracker
from tests.conftest import execute
from tests.drops import SLEEP_HEADER, Invoke, Landing, sleep
from tests.integration.test_runner import process, wait_for

BAD = b"1,4/12/2016,1,many,346\n"

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def used(landing: Landing, settings: Settings) -> Landing:
    """A landing zone after two runs: one that loaded a file with a bad row, and one that refused a file."""
    landing.put("sleep.csv", sleep(1, 2) + BAD)
    assert runner.run(settings, "ingest").exit_code == 0
    landing.put("sleep_2.csv", SLEEP_HEADER.replace("SleepDay", "Night").encode())
    assert runner.run(settings, "ingest").exit_code == 65
    return landing


def answer(invoke: Invoke, capsys: Capture, *arguments: str, code: int = 0) -> Any:
    capsys.readouterr()
    assert invoke(*arguments) == code
    out = capsys.readouterr().out
    return json.loads(out) if "--json" in arguments else out


@contextmanager
def at_work(settings: Settings, landing: Landing) -> Iterator[subprocess.Popen[str]]:
    """Yield a process that is in the middle of loading sleep.csv."""
    assert settings.database is not None
    landing.put("sleep.csv", sleep(1))
    waiting = "select count(*) = 1 from pg_stat_activity where wait_event_type = 'Lock' and query ilike '%copy %'"
    with db.transaction(landing.engine) as connection, connection.cursor() as cursor:
        cursor.execute("lock table raw.sleep in access exclusive mode")
        with process(settings, "ingest", "--data-dir", settings.landing_zone, "--use-manifest") as child:
            wait_for(lambda: landing.rows(waiting) == [(True,)])
            wait_for(lambda: landing.rows("select count(*) from ops.file_claims") == [(1,)])
            yield child


RUN = {
    *("run_id", "command", "status", "started_at", "finished_at", "seconds", "exit_code", "error_summary", "hint"),
    "application_version",
}
FILE = {
    "person",
    "device",
    *("filename", "dataset", "status", "ingested_at", "rows_read", "rows_loaded", "rows_rejected", "size_bytes"),
    *("checksum", "reason", "remarks", "run_id"),
}
REJECTED = {"dataset", "reason", "column", "rows", "files"}
SHAPES: dict[str, dict[str, set[str]]] = {
    "status": {
        "": {
            *("state", "is_healthy", "checked_at", "problems", "last_success_at", "runs", "datasets", "files"),
            *("volumes", "quarantine", "claims"),
        },
        "problems": {"state", "code", "message", "run_id", "dataset", "hint"},
        "runs": RUN,
        "datasets": {
            *("name", "files", "rows", "last_file", "last_loaded_at", "latest_date", "age_seconds"),
            *("stale_after_seconds", "is_stale"),
        },
        "quarantine": REJECTED,
    },
    "runs": {"": {"runs"}, "runs": RUN},
    "files": {"": {"files"}, "files": FILE},
    "runs show": {
        "": {"run", "steps", "files", "rejected", "nodes"},
        "steps": {
            *("step", "attempt", "status", "started_at", "seconds", "rows_in", "rows_out", "rows_rejected"),
            *("sqlstate", "error_summary", "detail"),
        },
        "files": FILE,
    },
}


@pytest.mark.parametrize("command", SHAPES)
def test_machines_get_the_shape_that_is_documented(
    command: str, used: Landing, invoke: Invoke, capsys: Capture
) -> None:
    page = (ROOT / "docs" / "status.md").read_text(encoding="utf-8")
    found = answer(invoke, capsys, *command.split(), "--json", code=1 if command == "status" else 0)
    for part, names in SHAPES[command].items():
        each = found if part == "" else found[part][0]
        assert set(each) == names
        assert not [name for name in names if f"`{name}`" not in page]


def test_all_is_well(landing: Landing, settings: Settings, invoke: Invoke, capsys: Capture) -> None:
    landing.put("sleep.csv", sleep(1))
    assert runner.run(settings, "ingest").exit_code == 0
    found = answer(invoke, capsys, "status", "--json")
    assert (found["state"], found["problems"], found["claims"]) == ("ok", [], [])
    (dataset,) = found["datasets"]
    assert (dataset["rows"], dataset["last_file"], dataset["latest_date"]) == (1, "sleep.csv", "2016-04-12")
    assert answer(invoke, capsys, "status", "--probe").startswith("OK - the last run succeeded 0 s ago | ")
    assert "healthy" in answer(invoke, capsys, "status")


def test_a_refused_file_is_told_with_what_mends_it(used: Landing, invoke: Invoke, capsys: Capture) -> None:
    found = answer(invoke, capsys, "status", "--json", code=1)
    (problem,) = found["problems"]
    assert (problem["code"], problem["run_id"]) == ("last_run_failed", found["runs"][0]["run_id"])
    assert "sleep_2.csv" in problem["message"]
    assert problem["hint"].startswith("The header needs Id, SleepDay")
    assert found["quarantine"] == [
        {"dataset": "sleep", "reason": "not_castable", "column": "total_minutes_asleep", "rows": 1, "files": 1}
    ]
    assert answer(invoke, capsys, "status", "--probe", code=2).startswith("CRITICAL - run ")


def test_a_dataset_that_has_not_come_is_a_warning(
    landing: Landing, settings: Settings, invoke: Invoke, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    landing.put("sleep.csv", sleep(1))
    assert runner.run(settings, "ingest").exit_code == 0
    landing.rows("update ops.raw_ingest_manifest set ingested_at = now() - interval '40 hours' returning 1")
    monkeypatch.setenv("PIPELINE_STALE_AFTER_HOURS", "36,weight=200")
    found = answer(invoke, capsys, "status", "--json")
    assert [(problem["code"], problem["dataset"]) for problem in found["problems"]] == [
        ("stale", "sleep"),
        ("stale", "weight"),
    ]
    assert "sleep: no new file for 40 h (36 h allowed)" in answer(invoke, capsys, "status", "--probe", code=1)
    assert "weight: no file was ever loaded" in answer(invoke, capsys, "status")


def test_a_killed_run_is_told_for_dead(landing: Landing, settings: Settings, invoke: Invoke, capsys: Capture) -> None:
    with at_work(settings, landing) as child:
        child.kill()
        child.wait(timeout=10)
    locks = "select count(*) from pg_locks where locktype = 'advisory'"
    wait_for(lambda: landing.rows(locks) == [(0,)])
    assert landing.rows("select status from ops.pipeline_runs") == [("running",)]
    found = answer(invoke, capsys, "status", "--json", code=1)
    assert [run["status"] for run in found["runs"]] == ["dead"]
    assert [problem["code"] for problem in found["problems"]] == ["run_died"]
    assert found["claims"] == []
    shown = answer(invoke, capsys, "runs", "show", "--json")
    assert [step["status"] for step in shown["steps"]] == ["skipped", "dead"]
    assert "Hint" in answer(invoke, capsys, "runs", "show", "last")
    assert len(answer(invoke, capsys, "runs", "--failed", "--json")["runs"]) == 1
    assert runner.run(settings, "ingest").exit_code == 0
    # its note means nothing without the lock, and goes with those of the next run that writes some
    noted = "select count(*) from ops.file_claims"
    assert landing.rows(noted) == [(1,)]
    with claims.recorded(landing.engine, uuid4(), None) as notes, notes.loading("raw", [("sleep", "other.csv")]):
        wait_for(lambda: landing.rows(noted) == [(2,)])
    assert landing.rows(noted) == [(0,)]
    assert invoke("status") == 0


def test_what_is_being_loaded_is_told_with_the_run_that_does_it(
    landing: Landing, settings: Settings, invoke: Invoke, capsys: Capture
) -> None:
    with at_work(settings, landing) as child:
        found = answer(invoke, capsys, "status", "--json", "--timeout", "2", code=1)
        assert [run["status"] for run in found["runs"]] == ["running"]
        assert [problem["code"] for problem in found["problems"]] == ["nothing_has_ended"]
        (claim,) = found["claims"]
        assert (claim["dataset"], claim["filename"]) == ("sleep", "sleep.csv")
        assert claim["run_id"] == found["runs"][0]["run_id"]
        assert "files_loading=1" in answer(invoke, capsys, "status", "--probe", code=3)
        child.kill()


def test_a_note_without_a_lock_is_no_claim(landing: Landing) -> None:
    noted = "select source_filename from ops.file_claims"
    with db.session(landing.engine) as connection, claims.recorded(landing.engine, uuid4(), None) as notes:
        with notes.loading("raw", [("sleep", "sleep.csv")]):
            wait_for(lambda: landing.rows(noted) == [("sleep.csv",)])
        assert claims.claims(connection) == []
    assert landing.rows(noted) == []


def test_what_is_loaded_in_a_moment_is_not_noted(landing: Landing, monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[str] = []
    monkeypatch.setattr(claims.ClaimRecorder, "_record", lambda _recorder, *claim: written.append(claim[-1]))
    landing.put("sleep.csv", sleep(1))
    assert landing.statuses() == {"sleep.csv": "loaded"}
    assert written == []


def test_a_run_that_ends_between_two_looks_is_not_taken_for_dead(
    landing: Landing, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = uuid4()
    with RunTracker(landing.engine, run_id, "ingest") as tracker:
        tracker.record_from_here()
    # as it looked before it wrote its end and freed its lock
    landing.rows("update ops.pipeline_runs set status = 'running', finished_at = null returning 1")

    def ends_now(_connection: object, *, run_ids: list[str]) -> list[tuple[str]]:
        assert run_ids == [str(run_id)]
        landing.rows("update ops.pipeline_runs set status = 'success', finished_at = now() returning 1")
        return []

    monkeypatch.setattr(history._queries, "still_running", ends_now)
    with db.session(landing.engine) as connection:
        assert [run.status for run in history.runs(connection, limit=5)] == ["success"]


def test_nothing_has_been_applied(
    empty_database: Database, capsys: Capture, invoke: Invoke, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGDATABASE", empty_database.parameters["dbname"])
    assert invoke("status") == 1
    assert "nothing has been run on this database" in capsys.readouterr().err
    for command in ("runs", "files"):
        assert invoke(command) == 1
    assert answer(invoke, capsys, "status", "--probe", code=3).startswith("UNKNOWN - nothing has been run")


def test_an_older_database_is_understood(used: Landing, invoke: Invoke, capsys: Capture) -> None:
    used.rows("drop table ops.file_claims; alter table ops.pipeline_runs drop column hint; select 1")
    assert answer(invoke, capsys, "status", "--json", code=1)["runs"][0]["hint"] is None
    assert "docs/errors.md" in answer(invoke, capsys, "runs", "show")


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({"PGHOST": "127.0.0.1", "PGPORT": "1"}, "CRITICAL - no database connection"),
        ({"PGDATABASE": "no_such_database"}, "UNKNOWN - the database rejects the connection"),
        ({"PIPELINE_WORKERS": "many"}, "UNKNOWN - PIPELINE_WORKERS"),
    ],
)
def test_a_probe_answers_in_a_line_whatever_is_wrong(
    variables: dict[str, str], said: str, invoke: Invoke, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    out = answer(invoke, capsys, "status", "--probe", code=2 if said.startswith("CRITICAL") else 3)
    assert out.startswith(said)
    assert out.count("\n") == 1


def test_a_probe_that_is_called_wrongly_is_unknown(invoke: Invoke, capsys: Capture) -> None:
    assert answer(invoke, capsys, "status", "--probe", "--nonsense", code=3).startswith("UNKNOWN - unrecognized")


def test_a_probe_with_a_bug_is_unknown(invoke: Invoke, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ingestion.cli.records.read_status", lambda *_arguments, **_options: 1 / 0)
    assert answer(invoke, capsys, "status", "--probe", code=3) == "UNKNOWN - a bug in the probe: ZeroDivisionError\n"


def test_a_database_that_is_down_is_not_waited_for(
    invoke: Invoke, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGHOST", "127.0.0.1")
    monkeypatch.setenv("PGPORT", "1")
    asking = threading.get_ident()
    pauses: list[float] = []
    sleep_elsewhere = time.sleep

    def note(seconds: float) -> None:
        # threads of the servers and runs of other tests sleep too
        if threading.get_ident() == asking:
            pauses.append(seconds)
        else:
            sleep_elsewhere(seconds)

    monkeypatch.setattr("time.sleep", note)
    assert invoke("status") == 69
    assert pauses == []


def test_runs_are_listed_and_chosen(used: Landing, invoke: Invoke, capsys: Capture) -> None:
    def statuses(*options: str) -> list[str]:
        return [run["status"] for run in answer(invoke, capsys, "runs", "--json", *options)["runs"]]

    assert statuses() == ["failure", "success"]
    assert statuses("--limit", "1") == ["failure"]
    assert statuses("--failed") == ["failure"]
    assert statuses("--since", "1h") == ["failure", "success"]
    assert statuses("--since", "2100-01-01") == []
    assert invoke("runs", "--limit", "0") == 64
    assert invoke("runs", "--since", "yesterday") == 64


def test_a_run_is_shown_by_the_first_digits_of_its_name(used: Landing, invoke: Invoke, capsys: Capture) -> None:
    last, first = (run["run_id"] for run in answer(invoke, capsys, "runs", "--json")["runs"])
    length = next(n for n in range(1, 9) if last[:n] != first[:n])
    shown = answer(invoke, capsys, "runs", "show", first[:length].upper(), "--json")
    assert shown["run"]["run_id"] == first
    assert [(file["filename"], file["status"]) for file in shown["files"]] == [("sleep.csv", "loaded")]
    assert [(count["reason"], count["rows"]) for count in shown["rejected"]] == [("not_castable", 1)]
    shown = answer(invoke, capsys, "runs", "--json", "show")
    assert shown["run"]["run_id"] == last
    assert [(file["filename"], file["status"]) for file in shown["files"]] == [("sleep_2.csv", "refused")]
    assert (shown["run"]["exit_code"], shown["steps"][-1]["status"]) == (65, "failure")


@pytest.mark.parametrize(
    ("name", "reason"), [("zebra", "is not a run_id"), ("%", "is not a run_id"), ("0" * 20, "no run matches")]
)
def test_a_run_that_is_not_there(name: str, reason: str, used: Landing) -> None:
    with db.session(used.engine) as connection, pytest.raises(UsageError, match=reason):
        history.find_run(connection, name)


def test_a_name_that_two_runs_share(landing: Landing) -> None:
    for tail in ("0", "1"):
        landing.rows(
            "insert into ops.pipeline_runs (run_id, started_at, finished_at, status)"
            f" values ('abcdef00-0000-0000-0000-00000000000{tail}', now(), now(), 'success') returning 1"
        )
    with db.session(landing.engine) as connection, pytest.raises(UsageError, match="several runs begin with abc"):
        history.find_run(connection, "abc")


def test_dbt_s_nodes_are_shown_with_their_run(
    landing: Landing, invoke: Invoke, capsys: Capture, settings: Settings
) -> None:
    landing.put("sleep.csv", sleep(1))
    assert runner.run(settings, "ingest").exit_code == 0
    landing.rows(
        "insert into ops.dbt_node_results (run_id, dbt_invocation_id, node_id, resource_type, status, failures,"
        " rows_affected, duration_ms, message)"
        " select run_id, 'i', id, kind, node.status, failures, rows, ms, message from ops.pipeline_runs,"
        " (values ('model.wearables.slow', 'model', 'success', null, 7, 9000, null),"
        " ('test.wearables.not_null.abc', 'test', 'fail', 3, null, 20, 'Got 3 results'))"
        " as node (id, kind, status, failures, rows, ms, message) returning 1"
    )
    nodes = answer(invoke, capsys, "runs", "show", "--json")["nodes"]
    assert [(node["node"], node["status"], node["seconds"]) for node in nodes] == [
        ("slow", "success", 9.0),
        ("not_null", "fail", 0.02),
    ]
    text = answer(invoke, capsys, "runs", "show")
    assert "Got 3 results" in text
    assert text.index("failed or warned") < text.index("slowest")


def test_files_are_listed_and_chosen(used: Landing, settings: Settings, invoke: Invoke, capsys: Capture) -> None:
    used.put("2026_01/a%b.csv/sleep_3.csv", sleep(9))
    runner.run(settings, "ingest")

    def names(*options: str) -> list[str]:
        return [file["filename"] for file in answer(invoke, capsys, "files", "--json", *options)["files"]]

    odd = "2026_01/a%b.csv/sleep_3.csv"
    assert set(names()) == {"sleep.csv", "sleep_2.csv", odd}
    assert names("--status", "refused") == ["sleep_2.csv"]
    assert names("--dataset", "weight") == []
    assert len(names("--limit", "1")) == 1
    assert set(names("SLEEP_")) == {"sleep_2.csv", odd}
    assert names("sleep?2.csv") == ["sleep_2.csv"]
    assert names("2026?01/*") == [odd]
    assert names("%b") == [odd]
    assert names("a_b") == []
    assert "use --limit for more" in answer(invoke, capsys, "files", "--limit", "1")
    assert "no files found" in answer(invoke, capsys, "files", "nothing")


def test_tables_fit_a_terminal_of_80_columns(used: Landing, settings: Settings) -> None:
    used.put("a-folder-with-quite-a-long-name/and-another-one-inside-of-it/sleep_2026-05-04.csv", sleep(3))
    runner.run(settings, "ingest")
    with db.session(used.engine) as connection:
        runs = history.runs(connection, limit=20)
        record = history.record_of(connection, runs[0])
        files = history.files(connection, "raw", limit=20)
    shown = [
        overview.show_status(health.read_status(used.engine, settings)),
        overview.show_runs(runs),
        overview.show_run(record),
        overview.show_files(files, 20),
    ]
    for each in shown:
        stream = io.StringIO()
        Console(file=stream, width=80).print(each)
        text = stream.getvalue()
        assert max(len(line.rstrip()) for line in text.splitlines()) <= 80
        assert "…" not in text, text


@pytest.fixture
def monitor(settings: Settings, used: Landing, server: Database) -> Iterator[Settings]:
    """The settings of somebody who may do what wearables_monitor may, and nothing else."""
    psql, database = embedded.psql(), settings.database
    assert psql is not None
    assert database is not None
    subprocess.run(
        [psql, "--quiet", "-f", str(ROOT / "docker" / "postgres" / "roles.sql")],
        env={**os.environ, **database.environment, "PIPELINE_PASSWORD": "for a test"},
        check=True,
    )
    execute(database, "alter table ops.raw_ingest_manifest owner to wearables_owner")
    name = f"watcher_{os.getpid()}"
    execute(database, f"create role {name} login password 'for a test' in role wearables_monitor")
    execute(database, f"grant connect on database {database.parameters['dbname']} to {name}")
    login = {**database.parameters, "user": name, "password": "for a test"}
    yield replace(settings, database=replace(database, parameters=login))
    execute(database, f"revoke connect on database {database.parameters['dbname']} from {name}")
    execute(server, f"drop role {name}")


def test_who_may_only_watch_sees_how_things_stand(monitor: Settings, used: Landing) -> None:
    engine = db.create_engine(monitor)
    status = health.read_status(engine, monitor)
    assert [problem.code for problem in status.problems] == ["last_run_failed"]
    assert [(dataset.name, dataset.rows, dataset.latest_date) for dataset in status.datasets] == [("sleep", 2, None)]
    assert [count.rows for count in status.quarantine] == [1]
    with db.session(engine) as connection:
        record = history.record_of(connection, history.find_run(connection, "last"))
        assert [file.status for file in record.files] == ["refused"]
        assert len(history.files(connection, "raw", limit=5)) == 2
    with RunTracker(used.engine, uuid4(), "ingest") as tracker:
        tracker.record_from_here()
        assert health.read_status(engine, monitor).runs[0].status == "running"


def test_notes_that_cannot_be_written_do_not_hold_up_a_load(
    landing: Landing, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(claims, "_RECORD_AFTER_SECONDS", 0.0)
    landing.rows("drop table ops.file_claims; select 1")
    landing.put("sleep.csv", sleep(1))
    assert landing.statuses() == {"sleep.csv": "loaded"}


def test_files_that_are_loaded_side_by_side_are_all_noted(landing: Landing) -> None:
    def load(name: str) -> None:
        with notes.loading("raw", [("sleep", name)]):
            is_seen.wait(20)

    is_seen = threading.Event()
    with claims.recorded(landing.engine, uuid4(), None) as notes:
        threads = [threading.Thread(target=load, args=(f"{n}.csv",)) for n in range(20)]
        for thread in threads:
            thread.start()
        wait_for(lambda: landing.rows("select count(*) from ops.file_claims") == [(20,)])
        is_seen.set()
        for thread in threads:
            thread.join()
