"""The interface of observers of a run: alerts, traces, metrics and lineage.

An observer cannot change a run: its errors are logged and ignored.
"""

from collections.abc import Callable, Iterable

from ingestion import log
from ingestion.results import FileResult, NodeResult, RunResult, Step


class Observer:
    """The base class of observers. It is called in the thread that runs the steps.

    Each method does nothing by default, and may raise.
    """

    def run_started(self, run: RunResult) -> None:
        """A run starts; it has not used the database yet."""

    def run_died(self, run_id: str) -> None:
        """An earlier run died, and has now been marked as failed."""

    def step_started(self, step: Step) -> None:
        """A step starts."""

    def step_ended(self, step: Step, error: BaseException | None) -> None:
        """A step has ended, with its error if it failed."""

    def file_ended(self, file: FileResult) -> None:
        """A file was processed, and its result is committed."""

    def models_built(self, nodes: list[NodeResult]) -> None:
        """Dbt has built models and run tests, successfully or not."""

    def run_ended(self, run: RunResult) -> None:
        """A run has ended, and its record is complete."""


class Observers(Observer):
    """Calls several observers, and never raises.

    Arguments:
        observers: the observers.

    """

    def __init__(self, observers: Iterable[Observer]) -> None:
        self._observers = tuple(observers)

    def run_started(self, run: RunResult) -> None:
        self._notify(lambda observer: observer.run_started(run))

    def run_died(self, run_id: str) -> None:
        self._notify(lambda observer: observer.run_died(run_id))

    def step_started(self, step: Step) -> None:
        self._notify(lambda observer: observer.step_started(step))

    def step_ended(self, step: Step, error: BaseException | None) -> None:
        self._notify(lambda observer: observer.step_ended(step, error))

    def file_ended(self, file: FileResult) -> None:
        self._notify(lambda observer: observer.file_ended(file))

    def models_built(self, nodes: list[NodeResult]) -> None:
        self._notify(lambda observer: observer.models_built(nodes))

    def run_ended(self, run: RunResult) -> None:
        self._notify(lambda observer: observer.run_ended(run))

    def _notify(self, call: Callable[[Observer], None]) -> None:
        for observer in self._observers:
            try:
                call(observer)
            except Exception as exc:  # noqa: BLE001  (no error of an observer may fail the run)
                name = type(observer).__name__
                log.event(f"{name} failed; the run continues: {log.describe(exc)}", level=log.WARNING)
