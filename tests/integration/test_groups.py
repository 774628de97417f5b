"""Small files that share a transaction: each still loads completely or not at all, as if it were alone."""

import gzip
import json
import re
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from random import Random
from typing import Any

import psycopg2.extensions
import pytest

from ingestion import load, manifest
from ingestion.db import supervision
from ingestion.errors import FileRefusedError
from ingestion.file_transaction import group
from ingestion.load import bundle
from ingestion.modes import grouping
from ingestion.storage import LocalStorage
from tests.drops import SLEEP_HEADER, Landing, activity, sleep

NIGHTS = "select (to_jsonb(s) - '_file_id' - '_loaded_at')::text from raw.sleep as s"
RECORDS = (
    "select source_filename, status, checksum, person, part, rows_read, row_count, rows_rejected, rows_blank, header,"
    " dialect, remarks, device, reason from ops.raw_ingest_manifest"
)
REJECTED = (
    "select m.source_filename, r.line_number, r.column_name, r.reason, r.raw_line::text from ops.rejected_rows as r"
    " join ops.raw_ingest_manifest as m using (file_id)"
)


def everything(landing: Landing) -> list[list[str]]:
    """Return all rows, records and rejected rows, each in an order of its own."""
    return [sorted(map(repr, landing.rows(query))) for query in (NIGHTS, RECORDS, REJECTED)]


def forget(landing: Landing) -> None:
    """Empty the tables."""
    landing.rows("truncate raw.sleep, raw.daily_activity, ops.raw_ingest_manifest, ops.rejected_rows; select 1")


@contextmanager
def counted() -> Iterator[Counter[str]]:
    """Count the messages that wait for an answer of the server."""
    found: Counter[str] = Counter()
    with pytest.MonkeyPatch.context() as patch:
        for owner, name in (
            (supervision._Waits, "execute"),
            (supervision._Waits, "copy_expert"),
            (supervision.Supervised, "commit"),
        ):
            original = getattr(owner, name)

            def call(*args: Any, _original: Any = original, _name: str = name, **kwargs: Any) -> Any:
                found[_name] += 1
                return _original(*args, **kwargs)

            patch.setattr(owner, name, call)
        yield found


def night(random: Random, user: int) -> str:
    """Return a row of a night; some are damaged."""
    day, minutes = random.randint(1, 28), random.randint(1, 700)
    return random.choice(
        [
            *[f"{user},4/{day}/2016 12:00:00 AM,1,{minutes},{minutes + 20}"] * 20,
            f'{user},"4/{day}/2016 12:00:00 AM",1,{minutes},{minutes + 20}',
            f'{user},4/{day}/2016 12:00:00 AM,1,"",{minutes}',
            f"{user},4/{day}/2016 12:00:00 AM,1,{minutes}",
            f"{user},today,1,{minutes},{minutes}",
            f"{user},4/{day}/2016 12:00:00 AM,1,-5,{minutes}",
            f" {user} ,4/{day}/2016 12:00:00 AM,1,{minutes},{minutes}",
            "",
            "\\.",
            f'{user},"4/{day}/2016\n12:00:00 AM",1,{minutes},{minutes}',
        ]
    )


def drawn(seed: int) -> dict[str, bytes]:
    """Return files of one to six nights in several forms, some with damaged rows, some with the same bytes."""
    random = Random(seed)  # noqa: S311  (no secret)
    files: dict[str, bytes] = {}
    for number in range(40):
        folder = random.choice(["", f"user_id={number}/", "site/"])
        newline = random.choice(["\n", "\n", "\r\n"])
        lines = [SLEEP_HEADER, *(night(random, number) for _ in range(random.randint(1, 6)))]
        end = random.choice([newline, newline, ""])
        files[f"{folder}sleep_{number}.csv"] = (newline.join(lines) + end).encode()
    twins = random.sample(sorted(files), 4)
    files[f"copy/{number}_sleep.csv"] = files[twins[0]]
    files["user_id=900/sleep.csv"] = files[twins[1]]
    files["site/day_activity.csv"] = activity(1, 2)
    files["sleep_broken.csv"] = b"Id,SleepDay\n1,2\n"
    return files


def of_kind(kind: str, number: int) -> tuple[str, bytes]:
    """Return a file of two nights that COPY cannot read as it is."""
    header, *rows = sleep(number, number).decode().splitlines()
    rows[1] = rows[1].replace("4/12", "4/13")
    lines = [header, *rows]
    name = f"{number:02}/sleep.csv"
    if kind == "undeclared":
        lines = [f"{header},Note,Site", *(f'{row},"so ""so"", é",' for row in rows)]
    elif kind == "path":
        name = f"user_id=P {number}\\x/sleep.csv"
        lines = [line.partition(",")[2] for line in lines]
    elif kind == "trailing":
        lines = [header, *(f"{row}," for row in rows)]
    elif kind == "blank":
        lines += ["", "", "Total,,2,654,692", ""]
    elif kind == "ids":
        lines = [header, *(f"S_{row}" for row in rows)]
    elif kind == "json":
        name = f"{number:02}/sleep.ndjson"
        objects = (dict(zip(header.split(","), row.split(","), strict=True)) for row in rows)
        lines = [json.dumps(each | {"device": {"id": number}}) for each in objects]
    elif kind == "factor":
        name = f"user_id=P{number}/oura_2026-03-01_2026-03-14_trends.csv"
        lines = ["date,Total Sleep Duration,Total Bedtime", "2026-03-30,19630,20770.5", "2026-03-31,19631,20771"]
    content = ("\n".join(lines) + "\n").encode()
    return (f"{name}.gz", gzip.compress(content)) if kind == "gz" else (name, content)


@contextmanager
def each_alone(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """Load each file in a group and a COPY of its own."""
    with monkeypatch.context() as patch:
        patch.setattr(grouping, "_MOST_FILES", 1)
        patch.setattr(group, "examine", lambda _: load.Left())
        yield patch


@pytest.mark.parametrize("seed", range(6))
def test_files_load_together_as_they_load_alone(landing: Landing, monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    for name, content in drawn(seed).items():
        landing.put(name, content)
    together = Counter(landing.statuses().values())
    found = everything(landing)
    landing.check()
    forget(landing)
    with each_alone(monkeypatch):
        assert Counter(landing.statuses().values()) == together
    assert everything(landing) == found
    assert together["loaded"] > 20


def test_a_refused_row_leaves_the_files_around_it_in_one_copy(landing: Landing) -> None:
    for number in range(20):
        landing.put(f"{number:02}/sleep.csv", sleep(number, number + 100))
    landing.put("07/sleep.csv", sleep(7) + b"7,4/13/2016 12:00:00 AM,1,many,346\n" + sleep(107).splitlines()[1] + b"\n")
    with counted() as messages:
        assert set(landing.statuses().values()) == {"loaded"}
    assert landing.users() == sorted([*range(20), *range(100, 120)])
    assert landing.rows("select line_number, reason from ops.rejected_rows") == [(3, "not_castable")]
    # all 20, those before and after the one at fault, and its good rows
    assert messages["copy_expert"] <= 6
    landing.check()


def test_a_refused_row_is_found_where_the_error_names_no_line(
    landing: Landing, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on Citus, whose nodes refuse rows without saying which."""
    monkeypatch.setattr(bundle, "_LINE_AT_FAULT", re.compile(r"(?!)"))
    for number in range(20):
        landing.put(f"{number:02}/sleep.csv", sleep(number, number + 100))
    for bad in (7, 8):
        landing.put(f"{bad:02}/sleep.csv", sleep(bad, bad + 100) + f"{bad},4/13/2016 12:00:00 AM,1,-5,346\n".encode())
    with counted() as messages:
        assert set(landing.statuses().values()) == {"loaded"}
    assert landing.users() == sorted([*range(20), *range(100, 120)])
    assert landing.rows("select line_number, reason from ops.rejected_rows") == [(4, "out_of_range")] * 2
    # halves of halves, and the rows of the two files that are good and to be judged
    assert messages["copy_expert"] <= 18
    landing.check()


def test_many_small_files_take_few_round_trips(landing: Landing) -> None:
    for number in range(40):
        landing.put(f"user_id={number}/sleep.csv", sleep(number))
    with counted() as messages:
        landing.ingest()
    assert landing.users() == list(range(40))
    assert messages.total() < 40, messages
    with counted() as messages:
        landing.ingest()
    assert messages.total() < 12, messages


@pytest.mark.parametrize("kind", ["undeclared", "path", "trailing", "blank", "ids", "json", "factor", "gz"])
def test_files_that_copy_cannot_read_as_they_are_take_few_round_trips(landing: Landing, kind: str) -> None:
    for number in range(20):
        landing.put(*of_kind(kind, number))
    with counted() as messages:
        assert set(landing.statuses().values()) == {"loaded"}
    assert landing.rows("select count(*) from raw.sleep") == [(40,)]
    assert messages.total() < 30, messages
    landing.check()


def test_a_bad_object_leaves_the_other_files_in_one_copy(landing: Landing) -> None:
    for number in range(20):
        landing.put(*of_kind("json", number))
    name, content = of_kind("json", 7)
    landing.put(name, content + b'{"Id": 7, "SleepDay": "4/14/2016", "TotalMinutesAsleep": "many"}\n')
    with counted() as messages:
        assert set(landing.statuses().values()) == {"loaded"}
    assert landing.rows("select count(*) from raw.sleep") == [(40,)]
    assert landing.rows("select line_number, reason from ops.rejected_rows") == [(3, "not_castable")]
    # the others, and the good rows of this one
    assert messages["copy_expert"] <= 4
    landing.check()


def test_a_file_whose_rewritten_rows_grow_too_large_is_loaded_alone(
    landing: Landing, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bundle, "_MOST_TEXT_BYTES", 2_000)
    header, *rows = sleep(*range(20)).decode().splitlines()
    wide = ",".join(f"A long name of a column {number}" for number in range(20))
    lines = [f"{header},{wide}", *(row + ",1" * 20 for row in rows)]
    landing.put("sleep.csv", ("\n".join(lines) + "\n").encode())
    assert len("\n".join(lines[1:])) < 2_000
    examined = load.examine
    found: list[object] = []

    def note(work: Any) -> Any:
        found.append(examined(work))
        return found[-1]

    monkeypatch.setattr(group, "examine", note)
    assert landing.statuses() == {"sleep.csv": "loaded"}
    assert found == [load.Left(may_copy=False)]
    assert landing.users() == list(range(20))


def test_a_file_that_changes_is_refused_and_the_others_load(landing: Landing, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(5):
        landing.put(f"{number}/sleep.csv", sleep(number))
    take = manifest.lock

    def overtaken(*args: Any) -> None:
        monkeypatch.setattr(manifest, "lock", take)
        landing.put("3/sleep.csv", sleep(33, 34))
        take(*args)

    monkeypatch.setattr(manifest, "lock", overtaken)
    assert Counter(landing.statuses().values()) == Counter(loaded=4, refused=1)
    assert landing.users() == [0, 1, 2, 4]
    assert landing.statuses()["3/sleep.csv"] == "loaded"
    assert landing.users() == [0, 1, 2, 4, 33, 34]
    landing.check()


def test_a_failure_of_the_whole_group_costs_only_the_file_that_causes_it(
    landing: Landing, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(5):
        landing.put(f"{number}/sleep.csv", sleep(number))
    record = manifest.record_loaded

    def fail(connection: psycopg2.extensions.connection, records: Any, run_id: Any) -> None:
        found = list(records)
        record(connection, found, run_id)
        if any(each.entry.filename.startswith("2/") for each in found):
            connection.cursor().execute("do $$ begin raise 'too large' using errcode = '54000'; end $$")

    monkeypatch.setattr(manifest, "record_loaded", fail)
    statuses = landing.statuses()
    assert statuses.pop("2/sleep.csv") == "refused"
    assert set(statuses.values()) == {"loaded"}
    assert landing.users() == [0, 1, 3, 4]
    landing.check()


def test_equal_bytes_in_one_group_are_loaded_once_a_participant(landing: Landing) -> None:
    content = sleep(*range(1, 13))
    for name in ("a/sleep.csv", "b/sleep.csv", "user_id=1/sleep.csv", "user_id=2/sleep.csv"):
        landing.put(name, content)
    results = {file.filename: file for file in landing.ingest().files}
    assert {name: result.status for name, result in results.items()} == {
        "a/sleep.csv": "loaded",
        "b/sleep.csv": "duplicate",
        "user_id=1/sleep.csv": "loaded",
        "user_id=2/sleep.csv": "loaded",
    }
    assert "same 12 rows as a/sleep.csv" in str(results["user_id=2/sleep.csv"].remarks[-1])
    landing.check()


def test_the_rows_of_older_contents_go_with_their_group(landing: Landing) -> None:
    for number in range(10):
        landing.put(f"{number}/sleep.csv", sleep(number))
    landing.ingest()
    for number in range(5):
        landing.put(f"{number}/sleep.csv", sleep(number + 50, number + 60))
    with counted() as messages:
        assert Counter(landing.statuses().values()) == Counter(replaced=5, skipped=5)
    assert landing.users() == [*range(5, 10), *range(50, 55), *range(60, 65)]
    assert messages.total() < 30, messages
    landing.check()


def test_a_small_file_is_opened_once(landing: Landing, monkeypatch: pytest.MonkeyPatch) -> None:
    landing.put("sleep.csv", sleep(1))
    opened, inner = Counter[str](), LocalStorage.open

    def count(storage: LocalStorage, file: Any) -> Any:
        opened[file.name] += 1
        return inner(storage, file)

    monkeypatch.setattr(LocalStorage, "open", count)
    landing.ingest()
    assert opened == Counter({"sleep.csv": 1})


def test_what_takes_long_is_committed_in_parts(landing: Landing, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(6):
        landing.put(f"{number}/sleep.csv", sleep(number))
    recorded, record = [], manifest.record_loaded

    def note(connection: Any, records: Any, run_id: Any) -> None:
        found = list(records)
        recorded.append(len(found))
        record(connection, found, run_id)

    monkeypatch.setattr(manifest, "record_loaded", note)
    monkeypatch.setattr(group, "_MOST_SECONDS", 0.0)
    monkeypatch.setattr(group, "examine", lambda _: load.Left())
    assert set(landing.statuses().values()) == {"loaded"}
    assert recorded == [1] * 6
    landing.check()


def test_a_file_that_cannot_be_read_refuses_itself(landing: Landing, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(4):
        landing.put(f"{number}/sleep.csv", sleep(number))
    examine = load.examine

    def fail(work: Any) -> Any:
        if work.file.name.startswith("1/"):
            raise FileRefusedError("it is damaged", hint="Export it again.")
        return examine(work)

    monkeypatch.setattr(group, "examine", fail)
    assert landing.statuses() == {
        "0/sleep.csv": "loaded",
        "1/sleep.csv": "refused",
        "2/sleep.csv": "loaded",
        "3/sleep.csv": "loaded",
    }
    assert landing.users() == [0, 2, 3]
