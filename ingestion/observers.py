"""What a run did, and who is told of it while it happens: alerts, traces, metrics, lineage.

An observer never changes a run: what it raises is logged and forgotten.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal
from uuid import UUID, uuid4

from ingestion import log
from ingestion.ingest import FileResult, IngestResult
from ingestion.replay import Replay
from ingestion.retraction import Receipt, Retracted
from ingestion.run_tracker import Step, exit_code_of
from ingestion.transform import NodeResult

Command = Literal["run", "migrate", "ingest", "transform", "reload", "retract", "erase", "replay"]


@dataclass
class RunResult:
    """What a run did, as far as it has come.

    Arguments:
        command: what was called.
        run_id: its name.
        started_at: when.
        steps: what was started, in order.
        ingest: what became of the files, where files were looked at.
        nodes: what became of dbt's models and tests, where they were built.
        retracted: files that were taken out.
        replayed: files whose rejected rows were judged again.
        receipt: what was erased.
        report: the path or URL of its report, or of the last one where that says the same.
        error: what ended it, or None.
        error_summary: one redacted line about that.
        duration_seconds: from start to end.

    """

    command: Command
    run_id: UUID = field(default_factory=uuid4)
    started_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    steps: list[Step] = field(default_factory=list)
    ingest: IngestResult | None = None
    nodes: list[NodeResult] = field(default_factory=list)
    retracted: list[Retracted] = field(default_factory=list)
    replayed: list[Replay] = field(default_factory=list)
    receipt: Receipt | None = None
    report: str | None = None
    error: BaseException | None = None
    error_summary: str | None = None
    duration_seconds: float = 0.0

    @property
    def exit_code(self) -> int:
        """The exit code for the process; see `errors`."""
        return exit_code_of(self.error) if self.error else 0


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
