"""Signals to a command."""

import signal
import threading
import time
from collections.abc import Callable

from tests.torture.contents import make
from tests.torture.faults.base import Fault
from tests.torture.proxy import AtByte
from tests.torture.trial import Trial

_BUILD_SECONDS = 8.0
_REPORT_SECONDS = 0.1
_RUN_SECONDS = 1.0


def _while_loading(number: int) -> Callable[[Trial], bool]:
    """Return a fault that sends a signal at a random instant of `migrate` or `ingest`."""

    def inject(trial: Trial) -> bool:
        trial.prepare(is_migrated=trial.random.random() < 0.7)
        byte, delay = trial.instant(), trial.random.uniform(0, _RUN_SECONDS)
        if trial.random.random() < 0.5:
            # at a byte of the traffic, where the same seed means the same instant
            has_come = threading.Event()
            trial.impose(AtByte(byte, to_server=True, action=lambda _: has_come.set()))
            command = trial.start(trial.command)
            command.wait_until(has_come.is_set)
        else:
            command = trial.start(trial.command)
            command.await_log("run", "started")
            time.sleep(delay)
        has_hit = command.send(number)
        command.wait()
        return has_hit

    return inject


def _while_building(trial: Trial) -> bool:
    """Send a signal at a random instant of `dbt_build` or `report`."""
    trial.prepare(large=0)
    step, seconds = trial.random.choice((("dbt_build", _BUILD_SECONDS), ("report", _REPORT_SECONDS)))
    number = trial.random.choice((signal.SIGKILL, signal.SIGTERM, signal.SIGINT))
    delay = trial.random.uniform(0, seconds)
    command = trial.start(trial.command)
    command.await_log(step, "started")
    time.sleep(delay)
    has_hit = command.send(number)
    command.wait()
    return has_hit


def _one_worker(trial: Trial) -> bool:
    """Kill one of several processes that load the same landing zone."""
    trial.prepare(large=3)
    commands = [trial.start("ingest") for _ in range(3)]
    victim = trial.random.choice(commands)
    victim.await_log("ingest", "started")
    time.sleep(trial.random.uniform(0, _RUN_SECONDS))
    has_hit = victim.send(signal.SIGKILL)
    for command in commands:
        command.wait()
    return has_hit


def _land(trial: Trial) -> bool:
    """Kill `land` while it adds a file, and add the file again."""
    trial.prepare(large=0)
    source = trial.folder / "heart_rate.csv"
    content = make(trial.random, "heart_rate", 50_000)
    source.write_bytes(content.data)
    killed = trial.start("land", str(source))
    # most of its time is the start of the interpreter
    delay = trial.random.uniform(0.3, 0.7)
    time.sleep(delay)
    has_hit = killed.send(signal.SIGKILL)
    killed.wait()
    trial.run("land", str(source))
    names = [path.relative_to(trial.zone.root).as_posix() for path in trial.zone.root.rglob("heart_rate.csv")]
    for name in names:
        trial.zone.note(name, content)
    return has_hit


FAULTS = (
    *(
        Fault(
            f"{number.name} while loading",
            f"{number.name} at a random instant of migrate or ingest.",
            _while_loading(number),
        )
        for number in (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
    ),
    Fault(
        "signal while building",
        "SIGKILL, SIGTERM or SIGINT at a random instant of dbt_build or report.",
        _while_building,
        has_marts=True,
    ),
    Fault(
        "one of three processes killed",
        "Three processes with several workers load the same files; SIGKILL ends one of them.",
        _one_worker,
    ),
    Fault("SIGKILL while landing", "SIGKILL at a random instant of land, which is then repeated.", _land),
)
