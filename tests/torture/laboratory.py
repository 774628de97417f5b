"""The laboratory: a server, disks and a guard for all trials, and the course of one trial."""

import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg2

from tests.torture import guard, process, snapshot, verdict
from tests.torture.disk import Disk
from tests.torture.faults import fault_of, has_marts
from tests.torture.findings import Finding
from tests.torture.proxy import Proxy
from tests.torture.server import Server
from tests.torture.table import Outcome
from tests.torture.trial import TEMPLATE, Place, Trial, unjudged

_DATA_MEBIBYTES = 512
_TEMPORARY_MEBIBYTES = 32


@contextmanager
def opened(programs: Path) -> Iterator[Place]:
    """Start the server with a migrated template, and stop everything at the end.

    Arguments:
        programs: the folder with PostgreSQL's `initdb` and `postgres`.

    """
    folder = Path(tempfile.mkdtemp(prefix="torture-"))
    # the server's user has to reach its data
    folder.chmod(0o711)
    watching = guard.start(folder)
    try:
        data = Disk(folder / "disk", _DATA_MEBIBYTES)
        temporary = Disk(folder / "tmp", _TEMPORARY_MEBIBYTES)
        server = Server(programs, data, folder / "server.log", watching.pid)
        place = Place(server, temporary, folder, watching.pid)
        _migrate_template(place)
        yield place
    finally:
        # the guard does all the work, so that there is one way to clean up
        watching.communicate()


def run_trial(place: Place, seed: int) -> Outcome:
    """Run the trial of a seed.

    Arguments:
        place: from `opened`.
        seed: the seed.

    """
    started = time.monotonic()
    fault = fault_of(seed)
    trial = Trial(place, seed, has_marts=fault.has_marts or has_marts(seed))
    has_hit = False
    try:
        has_hit = fault.inject(trial)
        trial.heal()
        trial.findings += verdict.at_the_fault(trial)
        trial.age_leftovers()
        last = trial.load()
        trial.findings += verdict.at_the_end(trial, last, keeps_database=fault.keeps_database)
        if trial.has_marts and not trial.findings and (different := _compare_marts(trial)):
            trial.findings.append(different)
    except (psycopg2.Error, OSError) as exc:
        trial.findings.append(unjudged(exc))
    finally:
        trial.heal()
        trial.close()
    findings = tuple(dict.fromkeys(trial.findings))
    return Outcome(seed, fault.name, has_hit, trial.has_marts, time.monotonic() - started, findings)


def _compare_marts(trial: Trial) -> Finding | None:
    # pandas takes a second to import
    from tests.torture import marts  # noqa: PLC0415

    return marts.difference(trial, snapshot.take(trial.server, trial.database))


def _migrate_template(place: Place) -> None:
    place.server.create_database(TEMPLATE)
    proxy = Proxy(place.server.socket)
    variables = process.environment(proxy.port, TEMPLATE, place.folder, place.folder, place.folder)
    command = process.start(("migrate",), variables, place.group)
    if command.wait() != os.EX_OK:
        raise RuntimeError(f"the template cannot be migrated: {command.lines[-1:] or command.errors}")
    proxy.close()
