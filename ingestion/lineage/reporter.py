"""Report a run to OpenLineage: a job for the pipeline, each step, each dataset and each model.

docs/telemetry.md lists the jobs and facets.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from openlineage.client.event_v2 import InputDataset, Job, OutputDataset, Run, RunEvent, RunState, set_producer
from openlineage.client.facet_v2 import (
    JobFacet,
    RunFacet,
    error_message_run,
    job_type_job,
    parent_run,
    processing_engine_run,
)
from openlineage.client.uuid import generate_new_uuid

from ingestion import __version__, log
from ingestion.config import Settings
from ingestion.errors import BadDataError, ConfigurationError, Interrupted
from ingestion.lineage.datasets import Datasets
from ingestion.lineage.delivery import Delivery
from ingestion.observers import Observer
from ingestion.results import FileResult, NodeResult, RunResult, Step
from ingestion.run_tracker import summary_of
from ingestion.sources import path_without_person, without_user_id

_PIPELINE = "wearables-pipeline"
_READ_FILES = {"loaded", "replaced", "refused"}


@dataclass(frozen=True)
class _JobRun:
    """One run of one job.

    Arguments:
        namespace: the namespace of the job.
        name: the name of the job.
        run_id: the id of the run.
        kind: the type of the job.
        parent: the run that this run is part of.

    """

    namespace: str
    name: str
    run_id: str
    kind: str
    parent: "_JobRun | None" = None

    @property
    def root(self) -> "_JobRun":
        return self.parent.root if self.parent else self


@dataclass(frozen=True)
class _Outcome:
    """The outcome of a job's run.

    Arguments:
        state: the state for the event.
        message: the error, if there is one.

    """

    state: RunState
    message: str | None = None


_STARTED = _Outcome(RunState.START)
_COMPLETE = _Outcome(RunState.COMPLETE)


class Reporter(Observer):
    """Reports a run to OpenLineage.

    Arguments:
        settings: the settings of the run.

    """

    def __init__(self, settings: Settings) -> None:
        set_producer(f"urn:{_PIPELINE}:{__version__}")
        self._namespace = settings.lineage.namespace
        self._outer_run = _outer_run(settings.lineage.parent)
        self._datasets = Datasets(settings)
        self._delivery = Delivery()
        self._pipeline: _JobRun
        self._step: Step
        self._step_run: _JobRun | None = None
        self._files: dict[str, list[FileResult]] = {}
        self._nodes: list[NodeResult] = []

    def run_started(self, run: RunResult) -> None:
        self._pipeline = _JobRun(self._namespace, _PIPELINE, str(run.run_id), "PIPELINE", self._outer_run)
        self._send(self._pipeline, _STARTED, run.started_at)

    def step_started(self, step: Step) -> None:
        self._step, self._step_run = step, None
        self._files, self._nodes = {}, []

    def file_ended(self, file: FileResult) -> None:
        if file.dataset and file.status in _READ_FILES:
            self._begin_step()
            self._files.setdefault(file.dataset, []).append(file)

    def models_built(self, nodes: list[NodeResult]) -> None:
        job_run = self._begin_step()
        self._nodes = nodes
        for node in nodes:
            if node.resource_type == "model" and node.started_at:
                model = self._part(job_run, node.name, "MODEL", node.started_at)
                ended_at = node.started_at + timedelta(milliseconds=node.duration_ms)
                inputs = self._datasets.read(node)
                self._send(model, _STARTED, node.started_at, inputs)
                if node.has_failed:
                    self._send(model, _Outcome(RunState.FAIL, node.message or node.status), ended_at, inputs)
                else:
                    self._send(model, _COMPLETE, ended_at, inputs, self._datasets.built(node))

    def step_ended(self, step: Step, error: BaseException | None) -> None:
        if self._step_run is None and not error:
            # the step did nothing; an event without datasets would look as if the job no longer had any
            return
        job_run = self._begin_step()
        outcome = _outcome_of(error, summary_of(error) if error else None)
        # bad files of one dataset do not fail another; any other error may have interrupted every dataset
        others = _COMPLETE if isinstance(error, BadDataError) else outcome
        for dataset, files in self._files.items():
            refused = next((file for file in files if file.status == "refused"), None)
            own = (
                _Outcome(RunState.FAIL, f"{path_without_person(refused.filename)}: {refused.reason}")
                if refused
                else others
            )
            self._send_dataset(job_run, dataset, files, own)
        ended_at = step.started_at + timedelta(milliseconds=step.duration_ms or 0)
        self._send(job_run, outcome, ended_at, self._datasets.tested(self._nodes))

    def _send_dataset(self, step: _JobRun, dataset: str, files: Sequence[FileResult], outcome: _Outcome) -> None:
        """Send the events of one dataset. In one event for all, every table would seem to depend on every file."""
        begun = [file.started_at or self._step.started_at for file in files]
        ended = [at + timedelta(milliseconds=file.duration_ms or 0) for at, file in zip(begun, files, strict=True)]
        job_run = self._part(step, dataset, "TASK", min(begun))
        inputs = self._datasets.files(files)
        loaded = [file for file in files if file.status != "refused"]
        self._send(job_run, _STARTED, min(begun), inputs)
        self._send(job_run, outcome, max(ended), inputs, [self._datasets.loaded(dataset, loaded)] if loaded else [])

    def run_ended(self, run: RunResult) -> None:
        ended_at = run.started_at + timedelta(seconds=run.duration_seconds)
        self._send(self._pipeline, _outcome_of(run.error, run.error_summary), ended_at)
        self._delivery.finish()

    def _begin_step(self) -> _JobRun:
        if self._step_run is None:
            self._step_run = self._part(self._pipeline, self._step.name, "TASK", self._step.started_at)
            self._send(self._step_run, _STARTED, self._step.started_at)
        return self._step_run

    def _part(self, whole: _JobRun, name: str, kind: str, started_at: datetime) -> _JobRun:
        run_id = str(generate_new_uuid(started_at))
        return _JobRun(self._namespace, f"{whole.name}.{name}", run_id, kind, whole)

    def _send(
        self,
        job_run: _JobRun,
        outcome: _Outcome,
        at: datetime,
        inputs: Sequence[InputDataset] = (),
        outputs: Sequence[OutputDataset] = (),
    ) -> None:
        run_facets: dict[str, RunFacet] = {
            "processing_engine": processing_engine_run.ProcessingEngineRunFacet(__version__, _PIPELINE)
        }
        if job_run.parent:
            run_facets["parent"] = _parent_facet(job_run.parent)
        if outcome.message:
            message = without_user_id(log.redact(outcome.message))
            run_facets["errorMessage"] = error_message_run.ErrorMessageRunFacet(message, "PYTHON")
        integration = "DBT" if job_run.kind == "MODEL" else "WEARABLES_PIPELINE"
        job_facets: dict[str, JobFacet] = {
            "jobType": job_type_job.JobTypeJobFacet("BATCH", integration, jobType=job_run.kind)
        }
        self._delivery.send(
            RunEvent(
                eventType=outcome.state,
                eventTime=at.astimezone(UTC).isoformat(),
                run=Run(job_run.run_id, run_facets),
                job=Job(job_run.namespace, job_run.name, job_facets),
                inputs=list(inputs),
                outputs=list(outputs),
            )
        )


def _outcome_of(error: BaseException | None, summary: str | None) -> _Outcome:
    if error is None:
        return _COMPLETE
    return _Outcome(RunState.ABORT if isinstance(error, Interrupted) else RunState.FAIL, summary)


def _outer_run(parent: str | None) -> _JobRun | None:
    """Return the run of the orchestrator that this run is part of."""
    if not parent:
        return None
    try:
        namespace, name, run_id = parent.rsplit("/", 2)
        return _JobRun(namespace, name, str(UUID(run_id)), "PARENT")
    except ValueError:
        raise ConfigurationError(
            "OPENLINEAGE_PARENT_ID does not name a run", hint="Set it to namespace/job/UUID of the run."
        ) from None


def _parent_facet(parent: _JobRun) -> parent_run.ParentRunFacet:
    root = parent.root
    return parent_run.ParentRunFacet(
        run=parent_run.Run(parent.run_id),
        job=parent_run.Job(parent.namespace, parent.name),
        root=parent_run.Root(parent_run.RootRun(root.run_id), parent_run.RootJob(root.namespace, root.name)),
    )
