"""The manifest: the database itself ensures that each content is loaded once."""

import hashlib
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import psycopg2
import pytest
from sqlalchemy import create_engine

from ingestion import db, manifest
from ingestion.config import Database
from ingestion.load.stream import HashedStream
from ingestion.manifest import Asked, Entry, Known, LoadedFile, NotLoaded, Record
from ingestion.results import Counts
from tests.drops import Landing, sleep

ENTRY = Entry("raw", "sleep", "sleep.csv", "c0ffee", 12)
COUNTS = Counts(read=3, loaded=2, rejected=0, blank=1)


def record(connection: db.Connection, file_id: int, entry: Entry = ENTRY, counts: Counts = COUNTS) -> None:
    manifest.record_loaded(connection, [Record(file_id, entry, counts)], uuid4())


def refuse(connection: db.Connection, reason: str = "bad") -> None:
    manifest.record_not_loaded(connection, [NotLoaded(ENTRY, "refused", reason=reason)], uuid4())


def known(connection: db.Connection, checksum: str = "c0ffee", schema: str = "raw", dataset: str = "sleep") -> Known:
    (found,) = manifest.look_up(connection, schema, [Asked.of(dataset, "sleep.csv", checksum)])
    return found


def reserve(connection: db.Connection) -> int:
    (reserved,) = manifest.reserve(connection, "raw", [("sleep", "sleep.csv")])
    assert reserved.file_id is not None
    return reserved.file_id


def test_ensure_manifest_table_creates_the_table_and_can_be_repeated(empty_database: Database) -> None:
    engine = create_engine("postgresql+psycopg2://", creator=lambda: psycopg2.connect(empty_database.dsn))
    manifest.ensure_manifest_table(engine)
    with db.transaction(engine) as connection:
        record(connection, 1)
    manifest.ensure_manifest_table(engine)
    with db.session(engine) as connection:
        assert [file.filename for file in manifest.contents(connection, "raw").loaded] == ["sleep.csv"]


def test_the_manifest_has_the_required_columns(landing: Landing) -> None:
    content = sleep(1, 2)
    landing.put("a/sleep.csv", content)
    run_id = uuid4()
    landing.ingest(run_id=run_id)
    assert landing.rows(
        "select source_filename, checksum, ingested_at > now() - interval '1 hour', row_count, status, run_id::text"
        " from ops.raw_ingest_manifest"
    ) == [("a/sleep.csv", hashlib.sha256(content).hexdigest(), True, 2, "loaded", str(run_id))]


def test_a_loaded_file_is_found_by_name_and_by_checksum(engine: db.Engine) -> None:
    with db.transaction(engine) as connection:
        file_id = reserve(connection)
        record(connection, file_id)
        assert known(connection).older_id == file_id
        assert known(connection).original == (file_id, "sleep.csv")
        assert known(connection, "decaf").original is None
        (found,) = manifest.contents(connection, "raw").loaded
        assert (found.dataset, found.filename, found.file_id, found.checksum, found.size) == (
            "sleep",
            "sleep.csv",
            file_id,
            "c0ffee",
            12,
        )
        assert isinstance(found, LoadedFile)
        for place in (("other", "sleep"), ("raw", "daily_activity")):
            found_there = known(connection, schema=place[0], dataset=place[1])
            assert (found_there.older_id, found_there.original) == (None, None)
        assert manifest.contents(connection, "other").loaded == []


def test_a_replaced_file_is_not_found_and_its_row_is_kept(landing: Landing) -> None:
    with db.transaction(landing.engine) as connection:
        for file_id, checksum in ((1, "c0ffee"), (2, "decaf")):
            entry = Entry("raw", "sleep", "sleep.csv", checksum, 12)
            record(connection, file_id, entry)
            if file_id == 1:
                manifest.mark_replaced(connection, [1])
                assert known(connection).older_id is None
        assert (known(connection).original, known(connection).older_id) == (None, 2)
    assert landing.rows("select file_id, status from ops.raw_ingest_manifest order by 1") == [
        (1, "replaced"),
        (2, "loaded"),
    ]


@pytest.mark.parametrize(
    "second",
    [Entry("raw", "sleep", "other.csv", "c0ffee", 12), Entry("raw", "sleep", "sleep.csv", "decaf", 9)],
    ids=["same bytes", "same name"],
)
def test_the_database_refuses_to_load_a_content_or_name_twice(engine: db.Engine, second: Entry) -> None:
    with db.transaction(engine) as connection:
        record(connection, 1)
    with db.session(engine) as connection:
        with pytest.raises(psycopg2.errors.UniqueViolation):
            record(connection, 2, second)
        elsewhere = Entry("backfill", second.dataset, second.filename, second.checksum, second.size)
        record(connection, 3, elsewhere)


def test_the_database_refuses_counts_that_do_not_add_up(engine: db.Engine) -> None:
    with db.session(engine) as connection, pytest.raises(psycopg2.errors.CheckViolation):
        record(connection, 1, counts=Counts(read=3, loaded=2))


def test_the_caller_commits(landing: Landing) -> None:
    def fail() -> None:
        with db.transaction(landing.engine) as connection:
            file_id = reserve(connection)
            record(connection, file_id)
            manifest.mark_replaced(connection, [file_id])
            refuse(connection)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert landing.rows("select * from ops.raw_ingest_manifest") == []


def test_a_repeated_refusal_updates_its_record(landing: Landing) -> None:
    with db.transaction(landing.engine) as connection:
        for reason in ("first", "second"):
            refuse(connection, reason)
    assert landing.rows("select status, reason from ops.raw_ingest_manifest") == [("refused", "second")]


def test_the_content_fingerprint_changes_with_the_loaded_files(engine: db.Engine) -> None:
    seen = []
    with db.transaction(engine) as connection:

        def note() -> None:
            seen.append(manifest.content_fingerprint(connection, "raw"))

        first, second = reserve(connection), reserve(connection)
        note()
        record(connection, first)
        note()
        record(connection, second, Entry("raw", "sleep", "b.csv", "decaf", 9))
        note()
        manifest.mark_replaced(connection, [first])
        note()
        assert len(set(seen)) == 4
        refuse(connection)
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
