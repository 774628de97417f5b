"""The benchmark, on a server: it is tried with small inputs, and its proxy delays and changes nothing else."""

import io
import json
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import psycopg2
import pytest

from ingestion.config import ROOT, Database
from scripts.bench import table
from scripts.bench.catalogue import SCENARIOS
from scripts.bench.clients import ClientFailedError, measure
from scripts.bench.proxy import Proxy


def test_a_quick_run_writes_complete_rows(tmp_path: Path) -> None:
    command = ["-m", "scripts.bench", "--quick", "--only", "wide,distant-1", "--no-peers", "--output", str(tmp_path)]
    result = subprocess.run([sys.executable, *command], cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    rows = {row["name"]: row for row in json.loads((tmp_path / "performance.json").read_text("utf-8"))["rows"]}
    wanted = [spec.name for each in SCENARIOS if each.name in {"wide", "distant-1"} for spec in each.rows]
    assert list(rows) == wanted
    page = (tmp_path / table.PAGE.name).read_text("utf-8")
    for row in rows.values():
        assert {"version", "commit", "date", "machine", "load_at_start", "load_at_end", "runs"} <= set(row)
        assert row["seconds"] > 0
        assert f"| {row['title']} |" in page
    assert rows["wide"]["speed"] > 0
    assert rows["distant-1-first"]["round_trips"] > rows["distant-1-again"]["round_trips"] > 0


def test_a_name_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "scripts.bench", "--only", "wide,no-such-row"]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 2
    assert "there is no no-such-row" in result.stderr


def test_the_proxy_delays_each_direction_and_counts_round_trips(database: Database) -> None:
    with Proxy(database, 0.01) as proxy, closing(psycopg2.connect(proxy.database.dsn)) as connection:
        connection.autocommit = True
        before = proxy.round_trips
        with connection.cursor() as cursor:
            begin = time.monotonic()
            for number in range(5):
                cursor.execute("select %s", (number,))
                assert cursor.fetchall() == [(number,)]
            assert time.monotonic() - begin >= 5 * 2 * 0.01
        assert proxy.round_trips - before == 5


def test_the_proxy_keeps_order_and_content(database: Database) -> None:
    lines = [f"{number}\n" for number in range(200_000)]
    with Proxy(database, 0.002) as proxy, closing(psycopg2.connect(proxy.database.dsn)) as connection:
        with connection.cursor() as cursor:
            cursor.execute("create temporary table numbers (position serial, value integer)")
            before = proxy.round_trips
            cursor.copy_expert("copy numbers (value) from stdin", io.StringIO("".join(lines)))
            # COPY, then all the data and its end: the data wait for nothing
            assert proxy.round_trips - before == 2
            received = io.StringIO()
            cursor.copy_expert("copy (select value from numbers order by position) to stdout", received)
        assert received.getvalue() == "".join(lines)


def test_the_proxy_passes_on_the_end_of_a_connection(database: Database) -> None:
    with Proxy(database, 0.002) as proxy, closing(psycopg2.connect(proxy.database.dsn)) as connection:
        with connection.cursor() as cursor, pytest.raises(psycopg2.OperationalError):
            cursor.execute("select pg_terminate_backend(pg_backend_pid())")
        assert connection.closed


def test_memory_of_the_processes_that_a_program_starts_counts() -> None:
    program = "import time; held = bytearray(60_000_000); held[::4096] = b'x' * len(held[::4096]); time.sleep(0.5)"
    measured, printed = measure(["sh", "-c", f'{sys.executable} -c "{program}"; echo done'])
    assert printed == "done\n"
    assert measured.peak_megabytes is not None
    assert measured.peak_megabytes > 60
    assert measured.seconds >= 0.5


def test_a_program_that_fails_is_no_measurement(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ClientFailedError, match="sh ended with exit code 3"):
        measure(["sh", "-c", "echo why >&2; exit 3"])
    assert "why" in capsys.readouterr().err
