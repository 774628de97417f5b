"""The network between the pipeline and the server."""

import signal
import time

from tests.torture.faults.base import Fault
from tests.torture.proxy import AtByte, CutError, Latency, Link, LostAnswer, Pause
from tests.torture.trial import Trial

_BLACK_HOLE_SECONDS = 2.0
# three times what the product promises
_END_SECONDS = 15.0


def _cut(_: Link) -> None:
    raise CutError


def _connection_cut(trial: Trial) -> bool:
    """Cut a connection after a random number of bytes, in a random direction."""
    trial.prepare()
    to_server = trial.random.random() < 0.5
    rule = AtByte(trial.instant() if to_server else trial.random.randint(1, 12_000), to_server, _cut)
    trial.impose(rule)
    trial.load()
    return rule.has_hit


def _answer_lost(trial: Trial) -> bool:
    """Cut a connection at a COMMIT, before or after the server has seen it."""
    trial.prepare()
    commits = trial.random.randrange(4 + 2 * len(trial.zone.current))
    rule = LostAnswer(commits, is_delivered=trial.random.random() < 0.7)
    trial.impose(rule)
    trial.load()
    return rule.has_hit


def _stall(trial: Trial) -> bool:
    """Let nothing pass for some seconds."""
    trial.prepare()
    rule = Pause(trial.instant(), trial.random.uniform(1, 4))
    trial.impose(rule)
    trial.load()
    return rule.has_hit


def _black_hole(trial: Trial) -> bool:
    """Let nothing pass any more, and end the command with SIGTERM."""
    trial.prepare()
    rule = Pause(trial.instant(), None)
    trial.impose(rule)
    command = trial.start(trial.command)
    command.wait_until(lambda: rule.has_hit)
    time.sleep(trial.random.uniform(0, _BLACK_HOLE_SECONDS))
    command.send(signal.SIGTERM)
    command.wait(_END_SECONDS)
    return rule.has_hit


def _latency(trial: Trial) -> bool:
    """Delay everything."""
    trial.prepare(large=0)
    rule = Latency(trial.random.uniform(0.002, 0.02))
    trial.impose(rule)
    trial.load()
    return rule.has_hit


FAULTS = (
    Fault(
        "connection cut",
        "A connection is reset after a random number of bytes in either direction.",
        _connection_cut,
        keeps_database=False,
    ),
    Fault(
        "answer to COMMIT lost",
        "A connection is cut between a COMMIT and its answer: mostly after the server has committed, or before.",
        _answer_lost,
        keeps_database=False,
    ),
    Fault("stall", "Nothing passes for 1 to 4 s, then everything goes on.", _stall),
    Fault(
        "black hole",
        "Nothing passes any more, in any connection; SIGTERM must end the command.",
        _black_hole,
        keeps_database=False,
    ),
    Fault("latency", "Everything is delayed by 2 to 20 ms in each direction.", _latency),
)
