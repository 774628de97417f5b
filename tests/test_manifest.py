"""The manifest: the database itself ensures that each content is loaded once."""

import hashlib
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import psycopg2
import pytest
from sqlalchemy import Engine, create_engine

from ingestion import db, manifest
from ingestion.config import Database
from ingestion.load.stream import HashedStream
from ingestion.manifest import Entry, LoadedFile
from ingestion.results import Counts
from tests.drops import Landing, sleep

ENTRY = Entry("raw", "sleep", "sleep.csv", "c0ffee", 12)
COUNTS = Counts(read=3, loaded=2, rejected=0, blank=1)


def test_ensure_manifest_table_creates_the_table_and_can_be_repeated(empty_database: Database) -> None:
    engine = create_engine("postgresql+psycopg2://", creator=lambda: psycopg2.connect(empty_database.dsn))
    manifest.ensure_manifest_table(engine)
    with db.transaction(engine) as connection:
        manifest.record_loaded(connection, 1, ENTRY, COUNTS, uuid4())
    manifest.ensure_manifest_table(engine)
    with db.session(engine) as connection:
        assert [file.filename for file in manifest.loaded_files(connection, "raw")] == ["sleep.csv"]


def test_the_manifest_has_the_required_columns(landing: Landing) -> None:
    content = sleep(1, 2)
    landing.put("a/sleep.csv", content)
    run_id = uuid4()
    landing.ingest(run_id=run_id)
    assert landing.rows(
        "select source_filename, checksum, ingested_at > now() - interval '1 hour', row_count, status, run_id::text"
        " from ops.raw_ingest_manifest"
    ) == [("a/sleep.csv", hashlib.sha256(content).hexdigest(), True, 2, "loaded", str(run_id))]


def test_a_loaded_file_is_found_by_name_and_by_checksum(engine: Engine) -> None:
    with db.transaction(engine) as connection:
        file_id = manifest.next_file_id(connection)
        manifest.record_loaded(connection, file_id, ENTRY, COUNTS, uuid4())
        assert manifest.find_name(connection, "raw", "sleep", "sleep.csv") == file_id
        assert manifest.find_checksum(connection, "raw", "sleep", "c0ffee", None) == (file_id, "sleep.csv")
        (found,) = manifest.loaded_files(connection, "raw")
        assert (found.dataset, found.filename, found.file_id, found.checksum, found.size) == (
            "sleep",
            "sleep.csv",
            file_id,
            "c0ffee",
            12,
        )
        assert isinstance(found, LoadedFile)
        for place in (("other", "sleep"), ("raw", "daily_activity")):
            assert manifest.find_name(connection, *place, "sleep.csv") is None
            assert manifest.find_checksum(connection, *place, "c0ffee", None) is None
        assert manifest.loaded_files(connection, "other") == []


def test_a_replaced_file_is_not_found_and_its_row_is_kept(landing: Landing) -> None:
    with db.transaction(landing.engine) as connection:
        for file_id, checksum in ((1, "c0ffee"), (2, "decaf")):
            entry = Entry("raw", "sleep", "sleep.csv", checksum, 12)
            manifest.record_loaded(connection, file_id, entry, COUNTS, uuid4())
            if file_id == 1:
                manifest.mark_replaced(connection, 1)
                assert manifest.find_name(connection, "raw", "sleep", "sleep.csv") is None
        assert manifest.find_checksum(connection, "raw", "sleep", "c0ffee", None) is None
        assert manifest.find_name(connection, "raw", "sleep", "sleep.csv") == 2
    assert landing.rows("select file_id, status from ops.raw_ingest_manifest order by 1") == [
        (1, "replaced"),
        (2, "loaded"),
    ]


@pytest.mark.parametrize(
    "second",
    [Entry("raw", "sleep", "other.csv", "c0ffee", 12), Entry("raw", "sleep", "sleep.csv", "decaf", 9)],
    ids=["same bytes", "same name"],
)
def test_the_database_refuses_to_load_a_content_or_name_twice(engine: Engine, second: Entry) -> None:
    with db.transaction(engine) as connection:
        manifest.record_loaded(connection, 1, ENTRY, COUNTS, uuid4())
    with db.session(engine) as connection:
        with pytest.raises(psycopg2.errors.UniqueViolation):
            manifest.record_loaded(connection, 2, second, COUNTS, uuid4())
        elsewhere = Entry("backfill", second.dataset, second.filename, second.checksum, second.size)
        manifest.record_loaded(connection, 3, elsewhere, COUNTS, uuid4())


def test_the_database_refuses_counts_that_do_not_add_up(engine: Engine) -> None:
    with db.session(engine) as connection, pytest.raises(psycopg2.errors.CheckViolation):
        manifest.record_loaded(connection, 1, ENTRY, Counts(read=3, loaded=2), uuid4())


def test_the_caller_commits(landing: Landing) -> None:
    def fail() -> None:
        with db.transaction(landing.engine) as connection:
            file_id = manifest.next_file_id(connection)
            manifest.record_loaded(connection, file_id, ENTRY, COUNTS, uuid4())
            manifest.mark_replaced(connection, file_id)
            manifest.record_not_loaded(connection, ENTRY, "refused", uuid4(), reason="bad")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert landing.rows("select * from ops.raw_ingest_manifest") == []


def test_a_repeated_refusal_updates_its_record(landing: Landing) -> None:
    with db.transaction(landing.engine) as connection:
        for reason in ("first", "second"):
            manifest.record_not_loaded(connection, ENTRY, "refused", uuid4(), reason=reason)
    assert landing.rows("select status, reason from ops.raw_ingest_manifest") == [("refused", "second")]


def test_the_content_fingerprint_changes_with_the_loaded_files(engine: Engine) -> None:
    seen = []
    with db.transaction(engine) as connection:

        def note() -> None:
            seen.append(manifest.content_fingerprint(connection, "raw"))

        first, second = manifest.next_file_id(connection), manifest.next_file_id(connection)
        note()
        manifest.record_loaded(connection, first, ENTRY, COUNTS, uuid4())
        note()
        manifest.record_loaded(connection, second, Entry("raw", "sleep", "b.csv", "decaf", 9), COUNTS, uuid4())
        note()
        manifest.mark_replaced(connection, first)
        note()
        assert len(set(seen)) == 4
        manifest.record_not_loaded(connection, ENTRY, "refused", uuid4(), reason="bad")
        assert manifest.content_fingerprint(connection, "raw") == seen[-1], "a refused file changes no rows"


CONCURRENT = 8


def ingest_at_once(landing: Landing, schema: str = "raw") -> list[dict[str, str]]:
    with ThreadPoolExecutor(CONCURRENT) as pool:
        return list(pool.map(lambda _: landing.statuses(schema=schema), range(CONCURRENT)))


@pytest.mark.parametrize("schema", ["raw", "backfill"])
def test_eight_concurrent_ingests_load_each_file_once(landing: Landing, schema: str) -> None:
    for number in range(5):
        landing.put(f"{number}/sleep.csv", sleep(number, number + 100))
    outcomes = ingest_at_once(landing, schema)
    for name in outcomes[0]:
        assert Counter(outcome[name] for outcome in outcomes)["loaded"] == 1
        assert {outcome[name] for outcome in outcomes} <= {"loaded", "skipped", "claimed"}
    assert landing.users(f"{schema}.sleep") == sorted([*range(5), *range(100, 105)])
    landing.check(schema)


def test_eight_concurrent_ingests_replace_a_changed_file_once(landing: Landing) -> None:
    landing.put("sleep.csv", sleep(1, 2))
    landing.ingest()
    landing.put("sleep.csv", sleep(3))
    outcomes = [outcome["sleep.csv"] for outcome in ingest_at_once(landing)]
    assert Counter(outcomes)["replaced"] == 1
    assert set(outcomes) <= {"replaced", "skipped", "claimed"}
    assert landing.users() == [3]
    landing.check()


def test_eight_concurrent_ingests_load_equal_bytes_once(landing: Landing) -> None:
    landing.put("sleep.csv", sleep(1))
    landing.put("copy/sleep.csv", sleep(1))
    ingest_at_once(landing)
    assert landing.users() == [1]
    assert landing.rows("select status, count(*) from ops.raw_ingest_manifest group by 1 order by 1") == [
        ("duplicate", 1),
        ("loaded", 1),
    ]
    landing.check()


def test_concurrent_ingests_in_both_modes_load_each_row_once(landing: Landing) -> None:
    landing.put("sleep.csv", sleep(1, 2))
    with ThreadPoolExecutor(4) as pool:
        outcomes = list(pool.map(lambda mode: landing.statuses(use_manifest=mode)["sleep.csv"], [True, False] * 2))
    assert "loaded" in outcomes
    assert set(outcomes) <= {"loaded", "skipped", "claimed"}
    assert landing.users() == [1, 2]
    landing.check()


def test_a_file_that_grew_while_it_was_read_is_not_loaded(landing: Landing, monkeypatch: pytest.MonkeyPatch) -> None:
    path = landing.put("sleep.csv", sleep(1))
    size_before = path.stat().st_size
    read = HashedStream.read
    streams: list[HashedStream] = []

    def append_while_reading(stream: HashedStream, size: int = -1) -> bytes:
        chunk = read(stream, size)
        if stream not in streams:
            streams.append(stream)
        # the first tells what the file is, the second loads it
        if len(streams) == 2 and path.stat().st_size == size_before:
            with path.open("ab") as file:
                file.write(b"2,4/12/2016,1,327,346\n")
        return chunk

    with monkeypatch.context() as patch:
        patch.setattr(HashedStream, "read", append_while_reading)
        (result,) = landing.ingest().files
    assert result.status == "refused"
    assert "changed while it was read" in (result.reason or "")
    assert landing.users() == []
    assert landing.statuses() == {"sleep.csv": "loaded"}
    assert landing.users() == [1, 2]


def test_a_slow_load_does_not_load_an_older_content(landing: Landing, monkeypatch: pytest.MonkeyPatch) -> None:
    """The slow ingest has read the old file, and still holds its claim, when the new file arrives."""
    landing.put("sleep.csv", sleep(1))
    take = manifest.lock

    def overtaken(connection: db.Connection, target_schema: str, dataset: str) -> None:
        monkeypatch.setattr(manifest, "lock", take)
        landing.put("sleep.csv", sleep(2, 3))
        assert landing.statuses() == {"sleep.csv": "claimed"}
        take(connection, target_schema, dataset)

    monkeypatch.setattr(manifest, "lock", overtaken)
    assert landing.statuses() == {"sleep.csv": "refused"}
    assert landing.users() == []
    assert landing.statuses() == {"sleep.csv": "loaded"}
    assert landing.users() == [2, 3]
    landing.check()
