"""After any history of changes, crashes and concurrent runs, raw holds the rows of one clean load."""

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from hashlib import sha256
from multiprocessing import get_context
from pathlib import Path
from typing import Any, cast
from unittest.mock import patch

import psycopg2
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from ingestion import db, manifest, quarantine
from ingestion.config import ROOT, Database
from ingestion.file_transaction import group
from ingestion.run_tracker import DIED
from tests.drops import SLEEP_HEADER, Landing, sleep

NAMES = ("a/sleep.csv", "b/sleep.csv", "sleep.csv")

# contents of files, and the users of the rows that load; None where the file is refused
CONTENTS: dict[bytes, tuple[int, ...] | None] = {
    sleep(1, 2): (1, 2),
    sleep(2, 3): (2, 3),
    sleep(4, 5) + b"bad\n\n": (4, 5),
    sleep(): (),
    f"{SLEEP_HEADER}\nbad\nworse\n".encode(): None,
}

# points of the file transaction; a process may end before or after each
POINTS: tuple[tuple[Any, str], ...] = (
    (manifest, "reserve"),
    (group, "examine"),
    (group, "copy_together"),
    (group, "load"),
    (quarantine, "record"),
    (manifest, "lock"),
    (manifest, "mark_replaced"),
    (manifest, "record_loaded"),
    (manifest, "record_not_loaded"),
)


class CrashError(Exception):
    """The process ends here."""


@contextmanager
def crash_at(point: tuple[Any, str], call: int, *, after: bool) -> Iterator[None]:
    module, name = point
    function: Callable[..., Any] = getattr(module, name)
    calls = 0

    def crash(*args: Any, **kwargs: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == call and not after:
            raise CrashError
        result = function(*args, **kwargs)
        if calls == call:
            raise CrashError
        return result

    with patch.object(module, name, crash):
        yield


class Histories(RuleBasedStateMachine):
    """A landing zone whose files change at random, and a pipeline that may crash at any point."""

    def __init__(self, landing: Landing) -> None:
        super().__init__()
        self.landing = landing
        self.files: dict[str, bytes] = {}
        for path in sorted(landing.root.rglob("*.csv")):
            path.unlink()
        with db.session(landing.engine) as connection, connection.cursor() as cursor:
            cursor.execute("truncate raw.sleep, raw.daily_activity, ops.raw_ingest_manifest, ops.rejected_rows")

    def put(self, name: str, content: bytes) -> None:
        self.landing.put(name, content)
        self.files[name] = content

    @rule(changes=st.dictionaries(st.sampled_from(NAMES), st.sampled_from(list(CONTENTS)), min_size=1))
    def add_or_change(self, changes: dict[str, bytes]) -> None:
        for name, content in changes.items():
            self.put(name, content)

    @precondition(lambda self: self.files)
    @rule(data=st.data(), then=st.sampled_from(["copy", "rename", "swap", "delete"]))
    def move(self, data: st.DataObject, then: str) -> None:
        one = data.draw(st.sampled_from(sorted(self.files)))
        other = data.draw(st.sampled_from([name for name in NAMES if name != one]))
        content, others = self.files[one], self.files.get(other)
        if then != "delete":
            self.put(other, content)
        if then == "swap" and others is not None:
            self.put(one, others)
        elif then != "copy":
            del self.files[one]
            (self.landing.root / one).unlink()

    @precondition(lambda self: self.files)
    @rule()
    def run(self) -> None:
        expected = self.after_a_run()
        self.landing.ingest()
        self.assert_raw_is(expected)
        again = self.landing.statuses()
        assert set(again.values()) <= {"skipped", "duplicate", "refused"}, "a second run loads nothing"
        assert {name for name, status in again.items() if status == "refused"} == self.refused()
        self.assert_raw_is(expected)

    @precondition(lambda self: self.files)
    @rule(point=st.sampled_from(POINTS), call=st.integers(1, 4), after=st.booleans())
    def crash(self, point: tuple[Any, str], call: int, *, after: bool) -> None:
        kept = self.loaded_elsewhere()
        with crash_at(point, call, after=after), suppress(CrashError):
            self.landing.ingest()
        loaded = set(self.loaded().values())
        assert kept <= loaded, "rows of untouched files are gone"

    @precondition(lambda self: self.files)
    @rule()
    def run_concurrently(self) -> None:
        expected = self.after_a_run()
        with ThreadPoolExecutor(3) as pool:
            for outcome in [pool.submit(self.landing.ingest) for _ in range(3)]:
                outcome.result()
        self.landing.ingest()
        self.assert_raw_is(expected)

    @precondition(lambda self: self.files)
    @rule()
    def run_without_the_manifest(self) -> None:
        good = {content for content in self.files.values() if CONTENTS[content] is not None}
        expected = good or set(self.loaded().values())
        self.landing.ingest(use_manifest=False)
        self.assert_raw_is(expected)

    @invariant()
    def manifest_and_tables_agree(self) -> None:
        self.landing.check()

    def loaded(self) -> dict[str, bytes]:
        """The loaded contents according to the manifest, by file name."""
        content = {sha256(content).hexdigest(): content for content in CONTENTS}
        rows = self.landing.rows(
            "select source_filename, checksum from ops.raw_ingest_manifest where status = 'loaded'"
        )
        return {name: content[checksum] for name, checksum in rows}

    def refused(self) -> set[str]:
        return {name for name, content in self.files.items() if CONTENTS[content] is None}

    def loaded_elsewhere(self) -> set[bytes]:
        """The contents that no run may remove: of vanished files, and of files whose new content is refused."""
        return {content for name, content in self.loaded().items() if name not in self.files or name in self.refused()}

    def after_a_run(self) -> set[bytes]:
        """The contents that raw holds after a run, each once."""
        return self.loaded_elsewhere() | {content for content in self.files.values() if CONTENTS[content] is not None}

    def assert_raw_is(self, contents: set[bytes]) -> None:
        expected = Counter(user for content in contents for user in CONTENTS[content] or ())
        assert Counter(self.landing.users()) == expected


def test_any_history_ends_with_the_rows_of_one_clean_load(landing: Landing) -> None:
    assert all(hasattr(module, name) for module, name in POINTS)
    run_state_machine_as_test(
        cast("type[Histories]", lambda: Histories(landing)),
        settings=settings(
            max_examples=10,
            stateful_step_count=20,
            deadline=None,
            # shrinking takes minutes, as each step uses the database; add Phase.shrink to examine a failure
            phases=[Phase.generate],
            derandomize=True,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


def kill_at(point: tuple[Any, str], landing: Landing, *, after: bool) -> None:
    """Load in this process, and kill it at a point."""
    module, name = point
    function: Callable[..., Any] = getattr(module, name)

    def end(*args: Any, **kwargs: Any) -> None:
        if after:
            function(*args, **kwargs)
        os.kill(os.getpid(), signal.SIGKILL)

    with patch.object(module, name, end):
        landing.ingest()


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("point", POINTS, ids=lambda point: point[1])
def test_a_process_killed_at_any_point_loses_and_repeats_no_row(
    point: tuple[Any, str], landing: Landing, *, after: bool
) -> None:
    landing.put("a/sleep.csv", sleep(1, 2))
    landing.put("c/sleep.csv", sleep(6))
    landing.ingest()
    # a replaced file with a bad row, a duplicate, a refused file and a new one
    landing.put("a/sleep.csv", sleep(3, 4) + b"bad\n")
    landing.put("b/sleep.csv", sleep(6))
    landing.put("c/sleep_2026-01-20.csv", f"{SLEEP_HEADER}\nbad\nworse\n".encode())
    landing.put("d/sleep.csv", sleep(7))

    process = get_context("fork").Process(target=kill_at, args=(point, landing), kwargs={"after": after})
    process.start()
    process.join(60)
    assert process.exitcode == -signal.SIGKILL, "the process never reached the point"

    landing.check()
    assert landing.users() in ([1, 2, 6], [3, 4, 6], [3, 4, 6, 7])
    landing.ingest()
    assert landing.users() == [3, 4, 6, 7]
    landing.check()
    assert landing.rows("select status, count(*) from ops.raw_ingest_manifest group by 1 order by 1") == [
        ("duplicate", 1),
        ("loaded", 3),
        ("refused", 1),
        ("replaced", 1),
    ]


GATE = 4711
# triggers that stop a process at one point of the file transaction until the gate opens
HOLD_UP = {
    "in the middle of COPY": "create trigger hold_up before insert on raw.sleep for each row"
    " when (new.user_id = '15000') execute function public.hold_up()",
    "at the manifest's row": "create trigger hold_up before insert on ops.raw_ingest_manifest"
    " for each row execute function public.hold_up()",
    "at the commit": "create constraint trigger hold_up after insert on ops.raw_ingest_manifest"
    " deferrable initially deferred for each row execute function public.hold_up()",
}


@pytest.fixture
def gate(database: Database) -> Iterator[db.Connection]:
    """A session that keeps the gate closed."""
    connection = psycopg2.connect(database.dsn)
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute(
            "create function public.hold_up() returns trigger language plpgsql as"
            f" $$ begin perform pg_advisory_xact_lock({GATE}); return new; end $$"
        )
        cursor.execute(f"select pg_advisory_lock({GATE})")
    yield connection
    connection.close()


def until(landing: Landing, condition: str) -> None:
    deadline = time.monotonic() + 60
    while landing.rows(f"select {condition}") != [(True,)]:
        assert time.monotonic() < deadline, condition
        time.sleep(0.05)


@pytest.mark.parametrize("point", HOLD_UP)
def test_a_killed_process_leaves_no_half_loaded_file(
    point: str, landing: Landing, database: Database, gate: db.Connection
) -> None:
    landing.put("sleep.csv", sleep(1, 2, 3))
    landing.ingest()
    users = list(range(1, 20_001))
    landing.put("sleep.csv", sleep(*users))
    with gate.cursor() as cursor:
        cursor.execute(HOLD_UP[point])
    command = [sys.executable, "-m", "ingestion", "ingest", "--use-manifest", "--data-dir", str(landing.root)]
    environment = {**os.environ, "DATABASE_URL": database.dsn}

    with subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as it:
        until(landing, f"exists (select from pg_locks where locktype = 'advisory' and objid = {GATE} and not granted)")
        assert landing.users() == [1, 2, 3], "other sessions see no uncommitted rows"
        it.send_signal(signal.SIGKILL)
    assert it.returncode == -signal.SIGKILL

    gate.close()
    until(
        landing,
        "not exists (select from pg_stat_activity where application_name like 'wearables-pipeline%'"
        " and datname = current_database() and pid <> pg_backend_pid())",
    )
    assert landing.users() in ([1, 2, 3], users)
    landing.check()

    subprocess.run(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, check=True)
    assert landing.users() == users
    landing.check()
    assert landing.rows("select status, error_summary from ops.pipeline_runs order by started_at") == [
        ("failure", DIED),
        ("success", None),
    ]
    assert Path(landing.root, "sleep.csv").exists()


def test_a_process_loads_the_files_that_a_killed_one_had_claimed(
    landing: Landing, database: Database, gate: db.Connection
) -> None:
    landing.put("a/sleep.csv", sleep(15_000))
    with gate.cursor() as cursor:
        cursor.execute(HOLD_UP["in the middle of COPY"])
    command = [sys.executable, "-m", "ingestion", "ingest", "--use-manifest", "--data-dir", str(landing.root)]
    environment = {**os.environ, "DATABASE_URL": database.dsn}

    with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL) as first:
        until(landing, f"exists (select from pg_locks where locktype = 'advisory' and objid = {GATE} and not granted)")
        landing.put("b/sleep.csv", sleep(2))
        with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL) as second:
            until(landing, "exists (select from ops.raw_ingest_manifest where source_filename = 'b/sleep.csv')")
            assert landing.users() == [2], "the second process skips the file that the first has claimed"
            first.send_signal(signal.SIGKILL)
            gate.close()
    assert (first.returncode, second.returncode) == (-signal.SIGKILL, 0)
    assert landing.users() == [2, 15_000]
    landing.check()
