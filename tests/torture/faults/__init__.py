"""The faults. Each is a function that prepares a trial, does harm while commands run, and says whether it hit."""

from tests.torture.faults import by_hand, commands, disks, files, network, servers, signals
from tests.torture.faults.base import Fault

_ONE_WITH_MARTS_IN = 12

FAULTS: tuple[Fault, ...] = (
    *signals.FAULTS,
    *servers.FAULTS,
    *network.FAULTS,
    *disks.FAULTS,
    *files.FAULTS,
    *commands.FAULTS,
    *by_hand.FAULTS,
)


def fault_of(seed: int) -> Fault:
    """Return the fault that a seed stands for."""
    return FAULTS[seed % len(FAULTS)]


def has_marts(seed: int) -> bool:
    """Whether the trial of a seed builds the marts although its fault does not need them."""
    return seed // len(FAULTS) % _ONE_WITH_MARTS_IN == 0
