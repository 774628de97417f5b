"""Measure the pipeline beside psql and other tools, and write the tables of docs/performance.md.

Usage: python -m scripts.bench [--only NAME,NAME] [--quick] [--against REVISION] ...

Nothing else should run on the machine. Files of some gigabytes stay in build/bench/.
"""

import argparse
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from ingestion import embedded
from scripts.bench import against, peers, record, table
from scripts.bench.catalogue import SCENARIOS, TABLE_OF
from scripts.bench.inputs import BUILD, QUICK, Sizes, settle
from scripts.bench.pipeline import Pipeline
from scripts.bench.rows import Circumstances, Row
from scripts.bench.scenario import Bench, Outcome, Scenario, run
from scripts.bench.servers import Server

_REPETITIONS = 3
# the sizes that the command line can change
_SIZES = ("rows", "tiny_files", "folder_files", "users", "days", "days_a_file")


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure what the command line says.

    Arguments:
        arguments: of the command line; None for those of the process.

    Returns:
        The exit code: 1 if anything failed.

    """
    # before the benchmark's own work counts
    load = record.load()
    # the server has to be stopped
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    options = _options(arguments)
    sizes = _sizes(options)
    output = options.output or (record.RECORD.parent if sizes == Sizes() else BUILD)
    if options.page:
        write(output, [])
        return 0
    note, scenarios = "", SCENARIOS
    if options.against:
        note, folder = against.unpack(options.against)
        scenarios = against.scenarios(Pipeline(folder))
    chosen = _chosen(scenarios, options.only)
    BUILD.mkdir(parents=True, exist_ok=True)
    # the files have to be a minute old, which most of them are when their turn comes
    landing_zones = {scenario.name: list(scenario.inputs(sizes)) for scenario in chosen}
    with_peers = not options.no_peers and any(scenario.has_peers for scenario in chosen) and _installed_peers()
    rows: list[Row] = []
    with _server() as server:
        bench = Bench(server, sizes, 1 if options.quick else options.repetitions, with_peers)
        here = record.circumstances(server.version, load)
        print(f"{here.machine}; version {here.version}, commit {here.commit}; load average {load:.2f} at the start")
        print(table.warning(here))
        recorded = record.committed() if sizes == Sizes() else {}
        for number, scenario in enumerate(chosen):
            if number == 0 or scenario.table != chosen[number - 1].table:
                print(table.terminal_heading(scenario.table), flush=True)
            for zone in landing_zones[scenario.name] if not options.quick else ():
                settle(zone)
            for outcome in run(scenario, bench):
                row = _row(scenario, outcome, sizes, record.ended(here), note)
                print(table.terminal_row(scenario.table, row, recorded.get(row.name)), flush=True)
                rows.append(row)
            # now, so that an interrupted run keeps what it has
            write(output, rows)
    print(f"\nload average at the end: {record.load():.2f}; written to {output}")
    return 1 if any(row.error for row in rows) else 0


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    names = ", ".join(scenario.name for scenario in SCENARIOS)
    parser = argparse.ArgumentParser(prog="python -m scripts.bench", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", metavar="NAME,NAME", help=f"measure some of {names}")
    parser.add_argument("--quick", action="store_true", help="try everything once on small inputs; no figure counts")
    parser.add_argument(
        "--repetitions", type=int, default=_REPETITIONS, metavar="N", help="the most of each row (default: %(default)s)"
    )
    parser.add_argument("--no-peers", action="store_true", help="leave out polars, dlt, pandas and the shell loop")
    parser.add_argument(
        "--against", metavar="REVISION", help="measure an earlier revision and this one in turns, and nothing else"
    )
    parser.add_argument("--page", action="store_true", help="measure nothing, and write the page from its record")
    parser.add_argument(
        "--output",
        type=Path,
        metavar="DIR",
        help="where performance.json and performance.md are (default: docs/, and build/bench/ for other sizes)",
    )
    for name in _SIZES:
        default = getattr(Sizes(), name)
        parser.add_argument(f"--{name.replace('_', '-')}", type=int, metavar="N", help=f"default: {default:,}")
    options = parser.parse_args(arguments)
    known = against.NAMES if options.against else [scenario.name for scenario in SCENARIOS]
    if unknown := sorted(set(_names(options.only)) - set(known)):
        parser.error(f"there is no {', '.join(unknown)}; there are {', '.join(known)}")
    return options


def _names(only: str | None) -> list[str]:
    return [name.strip() for name in only.split(",")] if only else []


def _sizes(options: argparse.Namespace) -> Sizes:
    changed = {name: value for name in _SIZES if (value := getattr(options, name)) is not None}
    return replace(QUICK if options.quick else Sizes(), **changed)


def _chosen(scenarios: Sequence[Scenario], only: str | None) -> list[Scenario]:
    return [scenario for scenario in scenarios if not only or scenario.name in _names(only)]


@contextmanager
def _server() -> Iterator[Server]:
    # not a private folder: as root, the server runs as another user
    folder = BUILD / f"postgres-{os.getpid()}"
    try:
        with embedded.server(folder) as database:
            yield Server(database, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _installed_peers() -> bool:
    """Return whether the other tools are installed, after an attempt."""
    try:
        peers.install()
    except (subprocess.CalledProcessError, OSError) as exc:
        print(
            f"The other tools are left out, because they cannot be installed ({type(exc).__name__}).", file=sys.stderr
        )
        return False
    return True


def _row(scenario: Scenario, outcome: Outcome, sizes: Sizes, now: Circumstances, note: str) -> Row:
    title = scenario.title(outcome.spec, sizes)
    notes = "; ".join(text for text in (note, outcome.note) if text)
    return Row(outcome.spec.name, title, now, outcome.figures, outcome.runs, notes, outcome.error)


def write(folder: Path, rows: Sequence[Row]) -> None:
    """Add rows to the record of a folder, and write its page anew.

    Arguments:
        folder: where both are; it is created if it does not exist.
        rows: the rows; without any, only the page is written.

    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / record.RECORD.name
    record.write(path, record.merged(record.read(path), rows, list(TABLE_OF)))
    # the record rounds, and the page shows what it has
    table.write(folder / table.PAGE.name, record.read(path), TABLE_OF)


if __name__ == "__main__":
    sys.exit(main())
