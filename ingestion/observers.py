"""What a run did, and who is told of it while it happens: alerts, traces, metrics, lineage.

An observer never changes a run: what it raises is logged and forgotten.
"""

from collections.abc import Callable, Iterable

from ingestion import log
from ingestion.results import (
    FileResult,
    NodeResult,
    RunResult,
    Step,
)


class Observer:
    """Somebody who is told of a run, in the thread that runs its steps.

    Each method does nothing unless it is overridden, and may raise.
    """

    def run_started(self, run: RunResult) -> None:
        """A run begins: nothing has been asked of the database yet."""

    def run_died(self, run_id: str) -> None:
        """An earlier run had died without a word, and has just been marked as a failure."""

    def step_started(self, step: Step) -> None:
        """A step begins."""

    def step_ended(self, step: Step, error: BaseException | None) -> None:
        """A step has ended; its error follows, where it failed."""

    def file_ended(self, file: FileResult) -> None:
        """A file was loaded, or left out; what it did is committed."""

    def models_built(self, nodes: list[NodeResult]) -> None:
        """Models and their tests have been run by dbt, well or badly."""

    def run_ended(self, run: RunResult) -> None:
        """A run has ended, and its record in the database is complete."""


class Observers(Observer):
    """Several observers as one that never raises.

    Arguments:
        observers: who they are.

    """

    def __init__(self, observers: Iterable[Observer]) -> None:
        self._observers = tuple(observers)

    def run_started(self, run: RunResult) -> None:
        self._tell(lambda observer: observer.run_started(run))

    def run_died(self, run_id: str) -> None:
        self._tell(lambda observer: observer.run_died(run_id))

    def step_started(self, step: Step) -> None:
        self._tell(lambda observer: observer.step_started(step))

    def step_ended(self, step: Step, error: BaseException | None) -> None:
        self._tell(lambda observer: observer.step_ended(step, error))

    def file_ended(self, file: FileResult) -> None:
        self._tell(lambda observer: observer.file_ended(file))

    def models_built(self, nodes: list[NodeResult]) -> None:
        self._tell(lambda observer: observer.models_built(nodes))

    def run_ended(self, run: RunResult) -> None:
        self._tell(lambda observer: observer.run_ended(run))

    def _tell(self, tell: Callable[[Observer], None]) -> None:
        for observer in self._observers:
            try:
                tell(observer)
            except Exception as exc:  # noqa: BLE001  (whatever it is, the run goes on)
                name = type(observer).__name__
                log.event(f"{name} failed, and the run goes on: {log.describe(exc)}", level=log.WARNING)
