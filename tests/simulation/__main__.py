"""Simulate people of whom is known how they are, build the real marts, and say how often each status is wrong.

Also shuffle the days of real exports: in a random order nothing can rise or fall, so `declining` and `increasing` are
chance.
"""

import argparse
import contextlib
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from ingestion import db, embedded, migrate
from ingestion.config import ROOT, Database, Settings
from tests.conftest import create_database
from tests.simulation import marts, measures
from tests.simulation.exports import daily_activity
from tests.simulation.marts import daily_rows
from tests.simulation.people import people
from tests.simulation.report import Shuffle, as_markdown, as_text, tables, written

METHODS = ROOT / "docs" / "methods.md"


@contextlib.contextmanager
def servers() -> Iterator[tuple[Database, Database]]:
    """Yield an embedded server and a migrated database to copy."""
    with TemporaryDirectory() as folder, embedded.server(Path(folder, "data")) as server:
        template = create_database(server, "simulation_template")
        migrate.migrate(db.create_engine(Settings(database=replace(server, parameters=template.parameters))))
        yield server, template


def main(argv: Sequence[str] | None = None) -> int:
    """Simulate, build, compare and print.

    Arguments:
        argv: the arguments; by default, those of the process.

    """
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--people", type=int, default=500, help="people a seed (default: %(default)s)")
    parser.add_argument("--days", type=int, default=365, help="days of the study, 240 at least (default: %(default)s)")
    parser.add_argument("--seeds", type=int, nargs="+", default=[21, 22, 23], metavar="SEED")
    parser.add_argument(
        "--shuffle", type=Path, nargs="+", default=[], metavar="FILE", help="files of daily activity to shuffle"
    )
    parser.add_argument("--vars", default="", metavar="YAML", help="other cut-offs, for example '{z_clip: 3}'")
    parser.add_argument("--write", action="store_true", help="write the tables into docs/methods.md")
    arguments = parser.parse_args(argv)

    began = time.monotonic()
    persons = [person for seed in arguments.seeds for person in people(arguments.people, arguments.days, seed)]
    still = daily_rows([person for person in persons if person.truth == "stable"])
    sources = {"simulated, stable": still, **{path.stem: daily_activity(path) for path in arguments.shuffle}}
    orders = {
        f"{name}/{seed}/": measures.shuffled(rows, seed) for name, rows in sources.items() for seed in arguments.seeds
    }
    with servers() as (server, template):
        statuses = marts.statuses(server, template, persons, orders, arguments.vars)
    days = measures.judged(persons, statuses)
    shuffles = [Shuffle.of(prefix, statuses) for prefix in orders]
    found = tables(days, shuffles)
    seeds = ", ".join(str(seed) for seed in arguments.seeds)
    heading = f"{len(persons):,} people, {arguments.days} days, seeds {seeds}"
    print(f"{heading}; {time.monotonic() - began:.0f} seconds\n\n{as_text(found)}")
    if arguments.write:
        text = METHODS.read_text(encoding="utf-8")
        METHODS.write_text(written(text, f"{heading}.\n\n{as_markdown(found)}"), encoding="utf-8")
        print(f"\nwritten to {METHODS.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
