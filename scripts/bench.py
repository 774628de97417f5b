r"""Measure loading on the embedded server: psql's \copy, this pipeline and other tools.

Usage: python -m scripts.bench [--rows 2000000] [--repetitions 3] [--pandas-rows 200000] [--only NAME] [--no-peers]

It takes about ten minutes and 3 GB in build/. Nothing else should run on the machine.
"""

import argparse
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from ingestion import embedded
from ingestion.config import Database
from scripts.bench_clients import (
    DLT,
    POLARS,
    TO_SQL,
    TO_SQL_COPY,
    Measurement,
    copy,
    copy_side_by_side,
    ingest,
    install_peers,
    machine,
    median,
    no_change_run,
    peer,
    scan,
    to_sql,
    version,
)
from scripts.bench_inputs import BUILD, generate, packed, split, variant, widened, with_bad_row


def report(name: str, measured: Measurement, copied: Measurement | None) -> None:
    """Print a row of the table."""
    ratio = f"{copied.seconds / measured.seconds:.2f}" if copied else ""
    memory = f"{measured.peak_megabytes:.0f}" if measured.peak_megabytes else ""
    print(f"{name:<36}{measured.seconds:>9.2f}{measured.process_seconds:>9.2f}{ratio:>8}{memory:>9}", flush=True)


Scenario = Callable[[Database, int], None]


def several(path: Path, rows: int, files: int) -> Scenario:
    """Measure the same rows as several files: one worker and two, one psql and two."""
    folder = split(path, files, max(1, rows // files))
    paths = sorted(folder.iterdir())

    def run(server: Database, repetitions: int) -> None:
        rounds = [
            (
                copy(server, *paths),
                copy_side_by_side(server, *paths),
                ingest(server, folder),
                ingest(server, folder, "--workers", "2"),
            )
            for _ in range(repetitions)
        ]
        alone, beside, one, two = (median(list(measured)) for measured in zip(*rounds, strict=True))
        report(f"psql \\copy, {files:,} files", alone, alone)
        report("two psql in parallel", beside, alone)
        report(f"ingest of {files:,} files", one, alone)
        report("the same, 2 workers", two, alone)
        ours, theirs = one.seconds / two.seconds, alone.seconds / beside.seconds
        print(f"{'':<6}two workers are {ours:.2f} times as fast as one, two psql {theirs:.2f} times", flush=True)

    return run


def known() -> Scenario:
    """Measure an ingest of a landing zone without new files."""
    folder = split(generate(200_000), 10_000, 20)

    def run(server: Database, repetitions: int) -> None:
        first, again = scan(server, folder, repetitions)
        report("ingest of 10,000 small files, once", first, None)
        report("ingest of 10,000 known files", again, None)

    return run


def scenarios(path: Path, rows: int) -> dict[str, Callable[[], Scenario]]:
    """Return the scenarios by name; each compares with psql on the same input."""

    def against(
        title: str, copied: Callable[[Database], Measurement], ours: dict[str, Callable[[Database], Measurement]]
    ) -> Scenario:
        def run(server: Database, repetitions: int) -> None:
            rounds = [(copied(server), *(each(server) for each in ours.values())) for _ in range(repetitions)]
            first, *others = (median(list(measured)) for measured in zip(*rounds, strict=True))
            report(f"psql \\copy, {title}", first, first)
            for name, measured in zip(ours, others, strict=True):
                report(name, measured, first)

        return run

    def clean() -> Scenario:
        return against("plain table", lambda s: copy(s, path), {"ingest": lambda s: ingest(s, path.parent)})

    def bad() -> Scenario:
        made = variant(path, "bad", with_bad_row)
        return against(
            "as if clean", lambda s: copy(s, path), {"ingest, 1 % bad rows": lambda s: ingest(s, made.parent)}
        )

    def packed_file() -> Scenario:
        made = packed(path)
        return against("of gzip -dc", lambda s: copy(s, made), {"ingest of .gz": lambda s: ingest(s, made.parent)})

    def wide() -> Scenario:
        made = variant(generate(min(100_000, rows)), "wide", widened)
        return against(
            "115 columns", lambda s: copy(s, made), {"ingest, 100 columns extra": lambda s: ingest(s, made.parent)}
        )

    return {
        "clean": clean,
        "bad": bad,
        "gz": packed_file,
        "wide": wide,
        "large": lambda: several(path, rows, 8),
        "many": lambda: several(path, rows, 2_000),
        "known": known,
    }


def measure_peers(server: Database, path: Path, rows: int, pandas_rows: int) -> None:
    """Measure the other tools, once each: their speeds differ so much that this is enough."""
    copied = copy(server, path)
    report("psql \\copy, plain table", copied, copied)
    report("polars + ADBC", peer(server, path, POLARS), copied)
    report("dlt, Arrow to CSV", peer(server, path, DLT.format("csv")), copied)
    report("dlt, Arrow to Parquet", peer(server, path, DLT.format("parquet")), copied)
    report("pandas to_sql through COPY", to_sql(server, path, TO_SQL_COPY), copied)
    if pandas_rows := min(pandas_rows, rows):
        scale = rows / pandas_rows
        part = to_sql(server, generate(pandas_rows), TO_SQL)
        whole = replace(part, seconds=part.seconds * scale, process_seconds=part.process_seconds * scale)
        report(f"pandas to_sql ({pandas_rows:,} x {scale:g})", whole, copied)


def main() -> None:
    """Read the command line, measure, and print a table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rows", type=int, default=2_000_000, help="rows of the file (default: %(default)s)")
    parser.add_argument(
        "--repetitions", type=int, default=3, help="print the median of this many measurements (default: %(default)s)"
    )
    parser.add_argument(
        "--pandas-rows",
        type=int,
        default=200_000,
        help="rows for to_sql, whose time is scaled up; 0 leaves it out (default: %(default)s)",
    )
    names = "clean, bad, gz, wide, large, many, known, peers"
    parser.add_argument("--only", metavar="NAME", help=f"measure one of {names}")
    parser.add_argument(
        "--no-peers", action="store_true", help="leave out dlt, polars and pandas, and do not install them"
    )
    arguments = parser.parse_args()

    with_peers = arguments.only in {None, "peers"} and not arguments.no_peers
    if with_peers:
        install_peers()
    path = generate(arguments.rows)
    data_directory = BUILD / "postgres"
    shutil.rmtree(data_directory, ignore_errors=True)
    with embedded.server(data_directory) as server:
        print(f"{arguments.rows:,} rows, {path.stat().st_size / 1e6:.0f} MB; median of {arguments.repetitions}")
        print(f"{machine()}, {version(server)}")
        print(f"load average at the start: {os.getloadavg()[0]:.1f} (much above 0: other work distorts the figures)\n")
        print(f"{'':<36}{'seconds':>9}{'process':>9}{'speed':>8}{'MB peak':>9}")
        for name, scenario in scenarios(path, arguments.rows).items():
            if arguments.only in {None, name}:
                scenario()(server, arguments.repetitions)
        if with_peers:
            measure_peers(server, path, arguments.rows, arguments.pandas_rows)
        if arguments.only is None:
            again, imported = no_change_run(server)
            print(f"\nrun without a change: {again.seconds:.2f} s; python -c 'import pandas': {imported.seconds:.2f} s")
        print(f"\nload average at the end: {os.getloadavg()[0]:.1f}")
        print("seconds: the step of ingest, or the process of the others")
        print(r"speed: 1 is \copy into a table with the same columns, without load metadata and CHECK")


if __name__ == "__main__":
    main()
