"""What a fault is."""

from collections.abc import Callable
from dataclasses import dataclass

from tests.torture.trial import Trial


@dataclass(frozen=True)
class Fault:
    """A fault.

    Arguments:
        name: its name in tables.
        text: what happens, in one sentence.
        inject: prepares the trial, does harm while commands run, and returns whether the fault hit.
        has_marts: whether its commands build the marts.
        keeps_database: whether the pipeline reaches the database all the time, and can record every end.

    """

    name: str
    text: str
    inject: Callable[[Trial], bool]
    has_marts: bool = False
    keeps_database: bool = True
