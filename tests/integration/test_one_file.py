"""One file cannot starve the others: what goes wrong with it is its refusal, and its memory and time are bounded."""

import errno
import gzip
import json
import os
import re
import secrets
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, BinaryIO
from uuid import UUID

import psycopg2
import pytest

from ingestion import manifest, runner
from ingestion.config import ROOT, Database, Settings
from ingestion.containment import contained
from ingestion.errors import ConfigurationError, DatabaseUnavailableError, FileRefusedError, StatementError
from ingestion.storage import StoredFile
from ingestion.storage.local import LocalStorage
from ingestion.workers import StoppedError
from tests.drops import SLEEP_HEADER, Landing, activity, sleep
from tests.unit.test_formats import workbook

NIGHT = "1,4/12/2016 12:00:00 AM,1,327,346\n"
# a run on an ordinary file takes 80 MB
_MOST_MEGABYTES = 256
# of processor time, which a busy machine does not change much
_MOST_SECONDS = 60.0


def failing(exc: BaseException) -> Callable[..., BinaryIO]:
    """Return an `open` that fails for the first of the files."""
    take = LocalStorage.open

    def fail(storage: LocalStorage, file: StoredFile) -> BinaryIO:
        if file.name.startswith("a/"):
            raise exc
        return take(storage, file)

    return fail


@pytest.mark.parametrize("use_manifest", [True, False])
@pytest.mark.parametrize(
    ("exc", "reason"),
    [
        (MemoryError(), "it takes more memory than there is"),
        (RecursionError(), "it is nested too deeply"),
        (OSError(errno.EIO, os.strerror(errno.EIO)), "it could not be read: Input/output error"),
        (OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), "it could not be read: No space left on device"),
        (KeyError("a value of a participant"), "a bug of the pipeline (KeyError)"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_what_goes_wrong_with_a_file_is_its_refusal(
    landing: Landing, monkeypatch: pytest.MonkeyPatch, exc: Exception, reason: str, *, use_manifest: bool
) -> None:
    landing.put("a/sleep.csv", sleep(1))
    landing.put("b/sleep.csv", sleep(2))
    monkeypatch.setattr(LocalStorage, "open", failing(exc))
    results = {file.filename: file for file in landing.ingest(use_manifest=use_manifest).files}
    assert (results["a/sleep.csv"].status, results["a/sleep.csv"].reason) == ("refused", reason)
    assert results["a/sleep.csv"].hint
    assert results["b/sleep.csv"].status == "loaded"
    assert landing.users() == [2]
    monkeypatch.undo()
    assert landing.statuses(use_manifest=use_manifest)["a/sleep.csv"] == "loaded"
    landing.check()


@pytest.mark.parametrize("workers", [1, 3])
@pytest.mark.parametrize("sqlstate", ["54000", "54001", "22021", "23514", "53200", "53400", "XX000"])
def test_a_statement_that_a_file_makes_fail_refuses_the_file(
    landing: Landing, settings: Settings, monkeypatch: pytest.MonkeyPatch, sqlstate: str, workers: int
) -> None:
    for folder in "abcd":
        landing.put(f"{folder}/sleep.csv", sleep(ord(folder)))
    fail_in_the_database(monkeypatch, sqlstate)
    result = runner.run(replace(settings, workers=workers), "ingest")
    assert result.exit_code == 65
    assert f"(SQLSTATE {sqlstate})" in (result.error_summary or "")
    assert landing.users() == [ord(folder) for folder in "bcd"]
    assert landing.rows("select source_filename from ops.raw_ingest_manifest where status = 'refused'") == [
        ("a/sleep.csv",)
    ]
    landing.check()


@pytest.mark.parametrize("sqlstate", ["42501", "42P01", "25006", "53100", "57014", "XX001", "58030"])
def test_a_database_that_is_broken_ends_the_run(
    landing: Landing, monkeypatch: pytest.MonkeyPatch, sqlstate: str
) -> None:
    landing.put("a/sleep.csv", sleep(1))
    landing.put("b/sleep.csv", sleep(2))
    fail_in_the_database(monkeypatch, sqlstate)
    # a read-only database has an error of its own
    with pytest.raises(ConfigurationError if sqlstate == "25006" else StatementError) as caught:
        landing.ingest()
    assert sqlstate in {"25006", getattr(caught.value, "sqlstate", None)}
    assert landing.users() == []


def fail_in_the_database(monkeypatch: pytest.MonkeyPatch, sqlstate: str) -> None:
    """Make PostgreSQL fail after the first file is loaded and before that is committed."""
    record = manifest.record_loaded

    def fail(connection: Any, records: Iterable[manifest.Record], run_id: UUID) -> None:
        loaded = list(records)
        record(connection, loaded, run_id)
        if any(each.entry.filename.startswith("a/") for each in loaded):
            connection.cursor().execute(f"do $$ begin raise 'as it happens' using errcode = '{sqlstate}'; end $$")

    monkeypatch.setattr(manifest, "record_loaded", fail)


@pytest.mark.parametrize(
    "exc",
    [DatabaseUnavailableError("x"), ConfigurationError("x"), StoppedError(), BrokenPipeError(), KeyboardInterrupt()],
)
def test_what_is_not_about_the_file_passes(exc: BaseException) -> None:
    with pytest.raises(type(exc)), contained("sleep.csv"):
        raise exc
    with pytest.raises(DatabaseUnavailableError), contained("sleep.csv"):
        raise psycopg2.OperationalError("server closed the connection unexpectedly")


def test_a_statement_that_takes_too_long_refuses_the_file(landing: Landing, settings: Settings) -> None:
    slow = "do $$ begin raise 'canceling statement due to statement timeout' using errcode = '57014'; end $$"
    with pytest.raises(FileRefusedError, match="statement timeout"), contained("sleep.csv"):
        landing.rows(slow)


def test_a_landing_zone_that_vanishes_ends_the_run(landing: Landing, monkeypatch: pytest.MonkeyPatch) -> None:
    landing.put("a/sleep.csv", sleep(1))
    landing.put("b/sleep.csv", sleep(2))
    take = LocalStorage.open

    def unmount(storage: LocalStorage, file: StoredFile) -> BinaryIO:
        if landing.root.exists():
            landing.root.rename(landing.root.with_name("elsewhere"))
        return take(storage, file)

    monkeypatch.setattr(LocalStorage, "open", unmount)
    with pytest.raises(ConfigurationError, match="does not exist"):
        landing.ingest()


def test_a_path_that_no_index_can_hold_refuses_only_its_file(landing: Landing, settings: Settings) -> None:
    """As random as a path can be: PostgreSQL compresses others."""

    def path_of(length: int) -> str:
        folders = [secrets.token_urlsafe(150)[:199] for _ in range(length // 200 + 1)]
        return "a" + "/".join(folders)[: length - 14].rstrip("/-_.") + "/sleep.csv"

    landing.put(path_of(2_900), sleep(1))
    landing.put("z/sleep.csv", sleep(2))
    # nearly the longest that is accepted
    landing.put(path_of(2_400), sleep(3))
    for _ in range(2):
        result = runner.run(settings, "ingest")
        assert result.exit_code == 65
        assert "its path has more than 2400 bytes" in (result.error_summary or "")
        assert landing.users() == [2, 3]
    landing.check()


@contextmanager
def full_disk(size: int) -> Iterator[None]:
    """Limit the files that this process can write, as a full disk does."""
    import resource  # noqa: PLC0415
    import signal  # noqa: PLC0415

    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


def test_an_archive_that_does_not_fit_into_the_temporary_directory_is_refused(landing: Landing) -> None:
    path = landing.put("a/sleep.zip", b"")
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("sleep.csv", sleep(*range(100_000, 200_000)))
    landing.put("b/sleep.csv", sleep(2))
    with full_disk(1 << 21):
        results = {file.filename: file for file in landing.ingest().files}
    assert results["a/sleep.zip"].status == "refused"
    assert "it could not be read: File too large" in (results["a/sleep.zip"].reason or "")
    assert landing.users() == [2]


def bombs() -> Iterator[tuple[str, str, Callable[[], bytes], str]]:
    """Yield small files that unpack to much, and what becomes of each."""
    head = f"{SLEEP_HEADER}\n{NIGHT}1,many,1,1,1\n".encode()
    yield "line feeds", "sleep.csv.gz", lambda: gzip.compress(head + b"\n" * (15 << 20) + NIGHT.encode()), "loaded"
    yield "blank lines", "sleep.csv.gz", lambda: gzip.compress(head + b" \t\r\n" * (3 << 20) + NIGHT.encode()), "loaded"
    yield "short lines", "sleep.csv.gz", lambda: gzip.compress(head + b"1\n" * (7 << 20)), "refused"
    yield "a sparse spreadsheet", "sleep.xlsx", lambda: workbook(*sparse_rows(40_000)), "loaded"
    yield "cells far apart", "sleep.xlsx", lambda: workbook(*far_rows()), "refused"
    yield "a JSON array in a JSON array", "sleep.json", lambda: b"[[" + b"[]," * (8 << 20) + b"[]]]", "refused"
    yield "a JSON array of empty arrays", "sleep.json", lambda: b"[" + b"[]," * (4 << 20) + b"[]]", "refused"
    yield "zeros", "sleep.csv.gz", lambda: gzip.compress(bytes(64 << 20)), "refused"


def sparse_rows(count: int) -> Iterator[str]:
    def row(number: int, values: list[str], far: str) -> str:
        cells = [
            f'<c r="{letter}{number}" t="str"><v>{value}</v></c>' for letter, value in zip("ABCDE", values, strict=True)
        ]
        return f'<row r="{number}">{"".join(cells)}{far}</row>'

    yield row(1, SLEEP_HEADER.split(","), "")
    for number in range(2, count + 2):
        far = f'<c r="DA{number}" t="str"><v>x</v></c>' if number % 1000 == 0 else ""
        yield row(number, [str(number), "4/12/2016", "1", "327", "346"], far)


def far_rows() -> Iterator[str]:
    yield from sparse_rows(10)
    yield '<row r="400000"><c r="BFD400000"><v>1</v></c></row>'


@pytest.mark.parametrize(("name", "make", "status"), [bomb[1:] for bomb in bombs()], ids=[bomb[0] for bomb in bombs()])
def test_memory_and_time_of_one_file_are_bounded(
    name: str, make: Callable[[], bytes], status: str, landing: Landing, database: Database
) -> None:
    content = make()
    landing.put(name, content)
    program = (
        "import json, re, resource\n"
        "from pathlib import Path\n"
        "from ingestion.cli import main\n"
        "code = main(['ingest', '--use-manifest', '--log-format', 'json'])\n"
        # not ru_maxrss, which begins with that of the process that has started this one
        "own = int(re.search(r'VmHWM:\\s+(\\d+)', Path('/proc/self/status').read_text())[1])\n"
        "mine, of_others = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))\n"
        "seconds = sum(each.ru_utime + each.ru_stime for each in (mine, of_others))\n"
        "print(json.dumps([code, seconds, own >> 10, of_others.ru_maxrss >> 10]))\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        env={**os.environ, **database.environment, "PIPELINE_DATA_DIR": str(landing.root)},
        capture_output=True,
        text=True,
        check=True,
    )
    code, seconds, *peaks = json.loads(ended.stdout.splitlines()[-1])
    assert code == {"loaded": 0, "refused": 65}[status], ended.stderr
    assert max(peaks) < _MOST_MEGABYTES
    assert seconds < _MOST_SECONDS
    statuses = landing.rows("select status from ops.raw_ingest_manifest")
    assert statuses in ([(status,)], [])
    landing.check()


def test_blank_lines_are_counted_wherever_they_are(landing: Landing) -> None:
    rows = [
        SLEEP_HEADER,
        "",
        " \t",
        NIGHT.strip(),
        "",
        "\x0b",
        '1,many,"1",1,1',
        "",
        "",
        NIGHT.replace("1,", "2,", 1).strip(),
        "  ",
    ]
    for newline, name in (("\n", "a"), ("\r\n", "b"), ("\r", "c")):
        landing.put(
            f"{name}/sleep.csv", newline.join(row + name * 0 for row in rows).replace("327", str(ord(name))).encode()
        )
    for file in landing.ingest().files:
        assert (file.counts.read, file.counts.loaded, file.counts.rejected, file.counts.blank) == (10, 2, 1, 7)
    assert landing.rows("select distinct line_number from ops.rejected_rows") == [(7,)]
    assert landing.users() == [1, 1, 1, 2, 2, 2]


def test_files_of_other_datasets_are_loaded_as_well(landing: Landing) -> None:
    landing.put("a/sleep.json", b"[" * 100_000)
    landing.put("daily_activity.csv", activity(1))
    assert landing.statuses() == {"a/sleep.json": "refused", "daily_activity.csv": "loaded"}
    assert not re.search("bug", str(landing.ingest().files))
