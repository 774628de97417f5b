"""Disks that are full."""

import os

from tests.torture.contents import make
from tests.torture.faults.base import Fault
from tests.torture.proxy import AtByte, Link
from tests.torture.trial import Trial
from tests.torture.zone import new_name

_MEBIBYTE = 1 << 20
# archives of more than a mebibyte are copied to the disk
_ROWS = (40_000, 60_000)


def _data_full(trial: Trial) -> bool:
    """Fill the disk of the data directory at a random instant."""
    trial.prepare(large=2)
    server, free = trial.server, trial.random.randrange(3 * _MEBIBYTE)
    before = server.log.stat().st_size

    def fill(_: Link) -> None:
        server.disk.leave(free, server.process.pid)

    trial.impose(AtByte(trial.instant(), to_server=True, action=fill))
    trial.load()
    with server.log.open("rb") as log:
        log.seek(before)
        text = log.read()
    return b"No space left on device" in text or b"File too large" in text


def _temporary_full(trial: Trial) -> bool:
    """Load archives while the temporary folder is full."""
    trial.prepare(large=0)
    for _ in range(2):
        content = make(trial.random, "heart_rate", trial.random.randint(*_ROWS), suffix=".csv.zip")
        trial.zone.put(new_name(trial.random, trial.zone, "heart_rate", ".csv.zip"), content)
    disk = trial.place.temporary
    # Python looks for another folder where not even a few bytes fit
    disk.leave(trial.random.choice((1 << 16, _MEBIBYTE)), os.getpid())
    command = trial.load()
    disk.free(os.getpid())
    return command.exit_code != trial.model.expected_exit_code() or any(
        "space" in str(line.get("message")) for line in command.lines
    )


FAULTS = (
    Fault(
        "data directory full",
        "The disk of the server's data directory fills up at a random instant, and is freed after the run.",
        _data_full,
        keeps_database=False,
    ),
    Fault("TMPDIR full", "The disk of temporary files is full while archives are loaded.", _temporary_full),
)
