"""Several commands at once."""

import signal
import time

from tests.torture.faults.base import Fault
from tests.torture.process import HUNG_SECONDS, Command
from tests.torture.trial import Trial


def _runs(trial: Trial) -> bool:
    """Start several loads at once."""
    trial.prepare(is_migrated=trial.random.random() < 0.7, large=2)
    commands = [trial.start("ingest") for _ in range(trial.random.randint(3, 6))]
    for command in commands:
        command.wait()
    return True


def _mixture(trial: Trial) -> bool:
    """Start two loads, retract, reload, replay, erase and status at once, in random order."""
    trial.prepare(has_history=True, large=1)
    current = trial.zone.current
    wanted: list[tuple[str, ...]] = [("ingest",), ("ingest",), ("status",), ("status",)]
    names = sorted(
        name for name, checksum in trial.model.kept if name in current and current[name].checksum == checksum
    )
    if names:
        retracted, reloaded, replayed = (trial.random.choice(names) for _ in range(3))
        retract = ("retract", retracted, "--reason", "a trial")
        wanted += [retract, ("reload", reloaded), ("rejected", "replay", replayed)]
    erase = ("erase", "--user-id", trial.random.choice(trial.rows()).split(",")[0])
    trial.model.erased = int(erase[-1])
    wanted.append(erase)
    trial.random.shuffle(wanted)
    started = {}
    for arguments in wanted:
        started[arguments] = trial.start(*arguments)
        time.sleep(trial.random.uniform(0, 0.3))
    _stop_builds(list(started.values()))
    if names:
        checksum = current[retracted].checksum
        is_certain = started[retract].has_logged("retract", "success") and current[reloaded].checksum != checksum
        (trial.model.retracted if is_certain else trial.model.uncertain).add(checksum)
    return True


def _stop_builds(commands: list[Command]) -> None:
    """Wait for the end of commands, and stop those that come to build the marts."""
    deadline = time.monotonic() + HUNG_SECONDS
    while (running := [each for each in commands if each.exit_code is None]) and time.monotonic() < deadline:
        for command in running:
            if command.has_logged("dbt_build", "started") and not command.signals:
                command.send(signal.SIGTERM)
        time.sleep(0.02)
    for command in commands:
        command.wait()


FAULTS = (
    Fault("several loads at once", "Three to six processes load the same landing zone.", _runs),
    Fault(
        "several commands at once",
        "ingest twice, retract, reload, replay, erase and status start within a moment, in random order.",
        _mixture,
    ),
)
