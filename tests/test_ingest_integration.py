"""Load files into the raw tables, with and without the manifest."""

import hashlib
import os
import shutil
import tracemalloc
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, BinaryIO
from uuid import UUID, uuid4

import pytest

from ingestion import cli, db, log, manifest
from ingestion.config import Database, Settings
from ingestion.errors import BadDataError, StatementError
from ingestion.ingest import Plan, ingest
from ingestion.load.stream import CHUNK_BYTES
from ingestion.modes import grouping
from ingestion.storage import StoredFile, local, open_storage
from ingestion.storage.local import LocalStorage
from tests.drops import ACTIVITY_HEADER, SLEEP_HEADER, Landing, activity, sleep

ROOT = Path(__file__).parents[1]


def test_a_second_run_loads_nothing(landing: Landing) -> None:
    landing.put("sleep.csv", sleep(1, 2))
    landing.put("daily_activity.csv", activity(1))
    assert landing.statuses() == {"daily_activity.csv": "loaded", "sleep.csv": "loaded"}
    before = landing.rows("select ctid, * from raw.sleep")
    result = landing.ingest()
    assert result.by_status() == {"skipped": 2}
    assert (result.counts.read, result.counts.loaded) == (0, 0)
    assert landing.rows("select ctid, * from raw.sleep") == before
    landing.check()


@pytest.mark.parametrize("use_manifest", [True, False])
def test_a_result_has_checksum_size_and_duration(landing: Landing, *, use_manifest: bool) -> None:
    content = sleep(1)
    landing.put("a/sleep.csv", content)
    landing.put("b/sleep.csv", content)
    landing.put("c/sleep.csv", SLEEP_HEADER.replace("SleepDay", "Night").encode())
    before = datetime.now(UTC)
    results = {file.status: file for file in landing.ingest(use_manifest=use_manifest).files}
    assert set(results) == {"loaded", "duplicate", "refused"}
    for status in ("loaded", "duplicate"):
        assert results[status].checksum == hashlib.sha256(content).hexdigest()
        assert results[status].size == len(content)
    for result in results.values():
        assert result.started_at is not None
        assert result.duration_ms is not None
        assert before <= result.started_at <= result.started_at + timedelta(milliseconds=result.duration_ms)
        assert result.started_at + timedelta(milliseconds=result.duration_ms - 1) <= datetime.now(UTC)


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the files that are opened."""
    opened: list[str] = []
    take = LocalStorage.open

    def note(storage: LocalStorage, file: StoredFile) -> BinaryIO:
        opened.append(file.name)
        return take(storage, file)

    monkeypatch.setattr(LocalStorage, "open", note)
    return opened


def test_a_known_file_is_read_only_where_it_may_have_changed(
    landing: Landing, reads: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = landing.put("sleep.csv", sleep(1))

    def run() -> list[str]:
        reads.clear()
        assert landing.ingest().by_status() == {"skipped": 1}
        return reads

    landing.ingest()
    assert run() == ["sleep.csv"], "it was written a moment ago"
    monkeypatch.setattr(local, "_RACY_SECONDS", 0)
    assert run() == ["sleep.csv"], "no run has read it since it settled"
    assert run() == []
    path.chmod(0o600)
    assert run() == ["sleep.csv"], "its metadata has changed: it is recognised, and compared, anew"
    assert run() == []
    status = path.stat()
    path.write_bytes(sleep(2))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert path.stat().st_size == status.st_size
    assert landing.statuses() == {"sleep.csv": "replaced"}, "a change with the same size and modification time is found"
    assert landing.users() == [2]


def test_a_dry_run_records_no_version(landing: Landing, monkeypatch: pytest.MonkeyPatch) -> None:
    landing.put("sleep.csv", sleep(1))
    landing.ingest()
    monkeypatch.setattr(local, "_RACY_SECONDS", 0)
    ingest(landing.engine, open_storage(str(landing.root)), uuid4(), Plan(dry_run=True))
    assert landing.rows("select source_version from ops.raw_ingest_manifest") == [(None,)]


def test_all_sample_data_loads(landing: Landing) -> None:
    shutil.copytree(ROOT / "sample_data", landing.root, dirs_exist_ok=True)
    result = landing.ingest()
    assert set(result.by_status()) == {"loaded"}
    lines = {
        dataset: sum(
            len(path.read_text(encoding="utf-8").splitlines()) - 1
            for path in landing.root.rglob("*.csv")
            if path.name.lower().startswith(dataset[:5])
        )
        for dataset in ("sleep", "daily_activity", "sync_events", "battery", "participants")
    }
    for dataset, expected in lines.items():
        assert expected > 30
        assert landing.rows(f"select count(*) from raw.{dataset}") == [(expected,)]
    assert result.counts.read == result.counts.loaded == sum(lines.values())
    assert landing.ingest().by_status() == {"skipped": len(result.files)}
    landing.check()


def test_rows_keep_their_values_and_name_their_file(landing: Landing) -> None:
    landing.put("2026-01/sleep.csv", f"{SLEEP_HEADER}\n8877689391,1/2/2026 12:00:00 AM,3,412,440\n".encode())
    landing.ingest()
    assert landing.rows(
        "select s.user_id, s.sleep_day::text, s.total_sleep_records, s.total_minutes_asleep, s.total_time_in_bed,"
        " s._extra, m.source_filename, s._loaded_at > now() - interval '1 hour'"
        " from raw.sleep as s join ops.raw_ingest_manifest as m on m.file_id = s._file_id"
    ) == [("8877689391", "2026-01-02 00:00:00", 3, 412, 440, None, "2026-01/sleep.csv", True)]


def test_a_changed_file_replaces_only_its_own_rows(landing: Landing) -> None:
    landing.put("a/sleep.csv", sleep(1, 2))
    landing.put("b/sleep.csv", sleep(3))
    landing.ingest()
    landing.put("a/sleep.csv", sleep(2, 4))
    assert landing.statuses() == {"a/sleep.csv": "replaced", "b/sleep.csv": "skipped"}
    assert landing.users() == [2, 3, 4]
    landing.check()


def test_other_sessions_see_no_half_replaced_file(landing: Landing, monkeypatch: pytest.MonkeyPatch) -> None:
    landing.put("sleep.csv", sleep(1, 2))
    landing.ingest()
    landing.put("sleep.csv", sleep(3))
    seen = []
    record = manifest.record_loaded

    def look(*args: Any, **kwargs: Any) -> None:
        record(*args, **kwargs)
        seen.append((landing.users(), landing.rows("select row_count, status from ops.raw_ingest_manifest")))

    monkeypatch.setattr(manifest, "record_loaded", look)
    landing.ingest()
    assert seen == [([1, 2], [(2, "loaded")])]
    assert landing.users() == [3]


def test_a_file_that_changes_back_is_loaded_again(landing: Landing) -> None:
    for users in ([1], [2], [1]):
        landing.put("sleep.csv", sleep(*users))
        landing.ingest()
        assert landing.users() == users
    statuses = landing.rows("select status from ops.raw_ingest_manifest order by file_id")
    assert statuses == [("replaced",), ("replaced",), ("loaded",)]


def test_the_same_bytes_under_another_name_are_recorded_as_a_duplicate(landing: Landing) -> None:
    landing.put("sleep.csv", sleep(1))
    landing.ingest()
    landing.put("sleep_2026-01-20.csv", sleep(1))
    for _ in range(2):
        result = landing.ingest()
        assert [(file.filename, file.status, file.reason) for file in result.files] == [
            ("sleep.csv", "skipped", None),
            ("sleep_2026-01-20.csv", "duplicate", "same as sleep.csv"),
        ]
        assert landing.users() == [1]
    assert landing.rows(
        "select d.source_filename, d.row_count, o.source_filename from ops.raw_ingest_manifest as d"
        " join ops.raw_ingest_manifest as o on o.file_id = d.duplicate_of where d.status = 'duplicate'"
    ) == [("sleep_2026-01-20.csv", 0, "sleep.csv")]


def test_two_files_with_equal_bytes_load_once(landing: Landing) -> None:
    landing.put("a/sleep.csv", sleep(1))
    landing.put("b/sleep.csv", sleep(1))
    assert landing.statuses() == {"a/sleep.csv": "loaded", "b/sleep.csv": "duplicate"}
    assert landing.users() == [1]


def test_equal_bytes_in_two_datasets_are_not_duplicates(landing: Landing) -> None:
    header = f"{ACTIVITY_HEADER},SleepDay,TotalMinutesAsleep,TotalTimeInBed\n".encode()
    landing.put("sleep.csv", header)
    landing.put("daily_activity.csv", header)
    assert landing.statuses() == {"daily_activity.csv": "loaded", "sleep.csv": "loaded"}


@pytest.mark.parametrize(("original", "copy"), [("a", "b"), ("b", "a")])
def test_a_duplicate_loads_in_the_run_that_replaces_its_original(landing: Landing, original: str, copy: str) -> None:
    landing.put(f"{original}/sleep.csv", sleep(1))
    landing.ingest()
    landing.put(f"{copy}/sleep.csv", sleep(1))
    landing.ingest()
    landing.put(f"{original}/sleep.csv", sleep(2))
    assert landing.statuses() == {f"{original}/sleep.csv": "replaced", f"{copy}/sleep.csv": "loaded"}
    assert landing.users() == [1, 2]
    landing.check()


@pytest.mark.parametrize(("changed", "original"), [("a", "b"), ("b", "a")])
def test_a_file_overwritten_with_a_copy_loses_its_rows(landing: Landing, changed: str, original: str) -> None:
    landing.put(f"{changed}/sleep.csv", sleep(1))
    landing.put(f"{original}/sleep.csv", sleep(2))
    landing.ingest()
    landing.put(f"{changed}/sleep.csv", sleep(2))
    assert landing.statuses() == {f"{changed}/sleep.csv": "duplicate", f"{original}/sleep.csv": "skipped"}
    assert landing.users() == [2], "no file has the first night now"
    landing.check()


def test_files_that_swap_names_keep_all_rows(landing: Landing) -> None:
    for folder, user in zip("abc", (1, 2, 3), strict=True):
        landing.put(f"{folder}/sleep.csv", sleep(user))
    landing.ingest()
    for folder, user in zip("abc", (2, 3, 1), strict=True):
        landing.put(f"{folder}/sleep.csv", sleep(user))
    landing.ingest()
    assert landing.users() == [1, 2, 3]
    assert set(landing.statuses().values()) <= {"skipped", "duplicate"}
    assert landing.users() == [1, 2, 3]
    landing.check()


def test_a_renamed_file_is_a_duplicate_of_the_old_name(landing: Landing) -> None:
    path = landing.put("sleep.csv", sleep(1))
    landing.ingest()
    path = path.rename(landing.root / "sleep_2.csv")
    assert landing.statuses() == {"sleep_2.csv": "duplicate"}
    path.rename(landing.root / "moved.csv")
    assert landing.statuses() == {"moved.csv": "duplicate"}, "its columns say what it is"
    assert landing.users() == [1]


def test_rows_of_a_vanished_file_stay(landing: Landing) -> None:
    landing.put("a/sleep.csv", sleep(1)).unlink()
    path = landing.put("a/sleep.csv", sleep(1))
    landing.put("b/sleep.csv", sleep(2))
    landing.ingest()
    path.unlink()
    assert landing.statuses() == {"b/sleep.csv": "skipped"}
    assert landing.users() == [1, 2]


@pytest.mark.parametrize("use_manifest", [True, False])
def test_an_unknown_file_is_reported_and_not_loaded(landing: Landing, *, use_manifest: bool) -> None:
    path = landing.put("hourlyIntensities_merged.csv", b"Id,Day,Mood\n1,4/12/2016,5\n")
    landing.put("sleep.csv", sleep(1))
    unknown, known = landing.ingest(use_manifest=use_manifest).files
    assert (unknown.filename, unknown.status, unknown.dataset) == ("hourlyIntensities_merged.csv", "unknown", None)
    assert "docs/sources.md" in (unknown.hint or "")
    assert known.status == "loaded"
    assert path.exists()
    assert landing.rows("select source_filename from ops.raw_ingest_manifest") == [("sleep.csv",)]


ODD_FOLDERS = ["with space", "ünïcode-日本", "100%", "%s %(file)s {0}", 'quote\'s "x"', ";--", "\\n", "a/b/c"]


@pytest.mark.parametrize("use_manifest", [True, False])
def test_files_with_odd_names_load_once(landing: Landing, *, use_manifest: bool) -> None:
    for number, folder in enumerate(ODD_FOLDERS):
        landing.put(f"{folder}/sleep ({number}).csv", sleep(number))
    names = sorted(f"{folder}/sleep ({number}).csv" for number, folder in enumerate(ODD_FOLDERS))
    assert sorted(landing.statuses(use_manifest=use_manifest)) == names
    assert landing.users() == list(range(len(ODD_FOLDERS)))
    assert [name for (name,) in sorted(landing.rows("select source_filename from ops.raw_ingest_manifest"))] == names
    assert set(landing.statuses().values()) == {"skipped"}


def test_without_the_manifest_a_run_replaces_all_rows(landing: Landing) -> None:
    landing.put("a/sleep.csv", sleep(1, 2))
    path = landing.put("b/sleep.csv", sleep(3))
    landing.put("daily_activity.csv", activity(9))
    for _ in range(2):
        assert set(landing.statuses(use_manifest=False).values()) == {"loaded"}
        assert landing.users() == [1, 2, 3]
    path.unlink()
    (landing.root / "daily_activity.csv").unlink()
    assert landing.statuses(use_manifest=False) == {"a/sleep.csv": "loaded"}
    assert landing.users() == [1, 2]
    assert landing.users("raw.daily_activity") == [9], "a dataset without files keeps its rows"
    landing.check()


def test_the_two_modes_share_the_manifest(landing: Landing) -> None:
    landing.put("sleep.csv", sleep(1))
    assert landing.statuses(use_manifest=True) == {"sleep.csv": "loaded"}
    assert landing.statuses(use_manifest=False) == {"sleep.csv": "loaded"}
    assert landing.statuses(use_manifest=True) == {"sleep.csv": "skipped"}
    assert landing.users() == [1]
    landing.check()


def test_without_the_manifest_equal_bytes_load_once(landing: Landing) -> None:
    landing.put("a/sleep.csv", sleep(1))
    landing.put("b/sleep.csv", sleep(1))
    assert landing.statuses(use_manifest=False) == {"a/sleep.csv": "loaded", "b/sleep.csv": "duplicate"}
    assert landing.users() == [1]
    landing.check()


def test_without_the_manifest_a_table_keeps_its_rows_only_if_every_file_is_refused(
    landing: Landing,
) -> None:
    landing.put("sleep.csv", sleep(1))
    landing.ingest(use_manifest=False)
    landing.put("sleep.csv", b"Id\n1\n")
    assert landing.statuses(use_manifest=False) == {"sleep.csv": "refused"}
    assert landing.users() == [1]
    landing.check()
    landing.put("sleep_2.csv", sleep(2))
    assert landing.statuses(use_manifest=False) == {"sleep.csv": "refused", "sleep_2.csv": "loaded"}
    assert landing.users() == [2]
    landing.check()


@pytest.mark.parametrize("use_manifest", [True, False])
def test_a_refused_change_keeps_the_older_rows(landing: Landing, *, use_manifest: bool) -> None:
    landing.put("sleep.csv", sleep(1))
    landing.ingest(use_manifest=use_manifest)
    landing.put("sleep.csv", f"{SLEEP_HEADER}\nbad\nworse\n".encode())
    assert landing.statuses(use_manifest=use_manifest) == {"sleep.csv": "refused"}
    assert landing.users() == [1]
    assert landing.rows("select count(*) from ops.rejected_rows") == [(0,)]
    landing.put("sleep.csv", sleep(2))
    landing.ingest(use_manifest=use_manifest)
    assert landing.users() == [2]
    landing.check()


def test_another_schema_has_its_own_tables_and_manifest_rows(landing: Landing) -> None:
    landing.put("sleep.csv", sleep(1))
    landing.ingest()
    landing.put("sleep_bad.csv", b"")
    for _ in range(2):
        landing.statuses(schema="Back fill")
    assert landing.users('"Back fill".sleep') == [1]
    assert landing.users("raw.sleep") == [1]
    landing.check("Back fill")


def test_a_table_of_another_schema_has_the_columns_of_raw(landing: Landing) -> None:
    landing.put("sleep.csv", sleep(1))
    landing.ingest(schema="backfill")
    shape = (
        "select column_name, data_type, is_nullable, column_default from information_schema.columns"
        " where table_schema = '{}' and table_name = 'sleep' order by ordinal_position"
    )
    assert landing.rows(shape.format("backfill")) == landing.rows(shape.format("raw"))


@pytest.mark.parametrize("columns", [60, 1700])
def test_a_very_wide_file_does_not_stop_the_others(landing: Landing, columns: int) -> None:
    extra = ",".join(f"X{number}" for number in range(columns))
    landing.put("a/sleep.csv", f"{SLEEP_HEADER},{extra}\n1,4/12/2016,1,327,346{',v' * columns}\n".encode())
    landing.put("b/sleep.csv", sleep(2))
    result = landing.ingest()
    assert result.files[1].status == "loaded"
    if columns == 60:
        assert result.files[0].status == "loaded"
        ((kept,),) = landing.rows("select _extra from raw.sleep where user_id = '1'")
        assert kept == {f"X{number}": "v" for number in range(columns)}
    else:
        assert result.files[0].status == "refused"
        assert "columns" in (result.files[0].reason or "")


def test_a_quote_inside_a_field_rejects_only_its_row(landing: Landing) -> None:
    """COPY reads four fields in this row. By RFC 4180, it has five, of which two are not numbers."""
    landing.put("sleep.csv", sleep(1, 2) + b'3,4/12/2016,1,3"2,7"6\n')
    (result,) = landing.ingest().files
    assert (result.counts.loaded, result.counts.rejected) == (2, 1)
    assert landing.rows("select line_number, reason from ops.rejected_rows") == [(4, "not_castable")]
    landing.check()


def test_a_last_row_without_a_line_end_loads_after_a_bad_row(landing: Landing) -> None:
    landing.put("sleep.csv", sleep(1) + b"bad\n2,4/12/2016,1,327,346")
    (result,) = landing.ingest().files
    assert (result.counts.read, result.counts.loaded, result.counts.rejected, result.counts.blank) == (3, 2, 1, 0)
    landing.check()


@pytest.mark.parametrize(
    ("late", "loaded"),
    [(b'"1","4/12/2016","1","327","346"', 1), (b"1,4/12/2016,\\N,327,346", 0), (b"1,4/12/2016,\\x31,327,346", 0)],
    ids=["quotes", "a null of COPY's", "a number of COPY's"],
)
def test_quotes_and_backslashes_mean_the_same_in_every_chunk(landing: Landing, late: bytes, loaded: int) -> None:
    many = sleep(*range(1_000_000, 1_020_000))
    assert len(many) > 2 * CHUNK_BYTES
    landing.put("early/sleep.csv", many.replace(b"\n", b"\n" + late + b"\n", 1))
    landing.put("late/sleep.csv", many + late + b"\n")
    for result in landing.ingest().files:
        assert (result.counts.loaded, result.counts.rejected) == (20_000 + loaded, 1 - loaded)
    assert landing.rows("select reason, count(*) from ops.rejected_rows group by 1") == [("not_castable", 2)][loaded:]


@pytest.mark.parametrize("bad_rows", [0, 2_000])
def test_a_large_file_takes_a_few_megabytes_of_memory(landing: Landing, bad_rows: int) -> None:
    path = landing.put("sleep.csv", sleep(*range(1_000_000, 1_400_000)) + b"bad\n" * bad_rows)
    tracemalloc.start()
    (result,) = landing.ingest().files
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (result.counts.loaded, result.counts.rejected) == (400_000, bad_rows)
    assert path.stat().st_size > 15 << 20
    assert peak < 8 << 20


def test_a_database_error_ends_the_step_and_keeps_the_files_before_it(
    landing: Landing, monkeypatch: pytest.MonkeyPatch
) -> None:
    for folder in "abc":
        landing.put(f"{folder}/sleep.csv", sleep(ord(folder)))
    record = manifest.record_loaded

    def fail_on_b(connection: db.Connection, records: Iterable[manifest.Record], run_id: UUID) -> None:
        loaded = list(records)
        record(connection, loaded, run_id)
        if loaded[0].entry.filename.startswith("b"):
            connection.cursor().execute("select no_such_column")

    with monkeypatch.context() as patch:
        patch.setattr(grouping, "_MOST_FILES", 1)
        patch.setattr(manifest, "record_loaded", fail_on_b)
        with pytest.raises(StatementError):
            landing.ingest()
    assert landing.users() == [ord("a")]
    landing.check()
    landing.ingest()
    assert landing.users() == [ord(folder) for folder in "abc"]
    landing.check()


def test_an_empty_landing_zone_without_the_manifest_is_an_error(landing: Landing) -> None:
    with pytest.raises(BadDataError, match="no files"):
        landing.ingest(use_manifest=False)


@pytest.fixture
def command(database: Database, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """The environment of a command that uses the test's database."""
    for name in ("PGHOST", "DB_HOST", "PIPELINE_DATA_DIR", "PIPELINE_USE_MANIFEST", "PIPELINE_SCHEMA"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DATABASE_URL", database.dsn)
    monkeypatch.setattr(log.logger, "handlers", [])
    return Settings(database=database)


@pytest.mark.usefixtures("command")
def test_the_command_loads_and_returns_an_exit_code(landing: Landing) -> None:
    landing.put("sleep.csv", sleep(1))
    assert cli.main(["ingest", "--data-dir", str(landing.root), "--use-manifest"]) == 0
    landing.put("sleep_2.csv", b"")
    assert cli.main(["ingest", "--data-dir", str(landing.root), "--use-manifest"]) == 65
    assert cli.main(["ingest", "--data-dir", str(landing.root / "nowhere")]) == 78
    assert cli.main(["ingest", "--data-dir", str(landing.root), "--no-such-option"]) == 64
    assert landing.users() == [1]


@pytest.mark.usefixtures("command")
def test_the_command_reads_its_settings_from_the_environment(landing: Landing, monkeypatch: pytest.MonkeyPatch) -> None:
    landing.put("sleep.csv", sleep(1))
    monkeypatch.setenv("PIPELINE_DATA_DIR", str(landing.root))
    monkeypatch.setenv("PIPELINE_USE_MANIFEST", "1")
    monkeypatch.setenv("PIPELINE_SCHEMA", "backfill")
    for _ in range(2):
        assert cli.main(["ingest"]) == 0
    assert landing.users("backfill.sleep") == [1]
    assert landing.rows("select status from ops.raw_ingest_manifest") == [("loaded",)]
    assert cli.main(["ingest", "--no-use-manifest", "--schema", "raw"]) == 0
    assert landing.users("raw.sleep") == [1]
