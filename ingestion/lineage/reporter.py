"""A run as OpenLineage has it: a run of runs, each of which reads datasets and writes others.

docs/telemetry.md lists jobs and facets.
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
from ingestion.lineage.courier import Courier
from ingestion.lineage.datasets import Datasets
from ingestion.observers import Observer
from ingestion.results import FileResult, NodeResult, RunResult, Step
from ingestion.run_tracker import summary_of
from ingestion.sources import without_user_id

_PIPELINE = "wearables-pipeline"
_READ_FILES = {"loaded", "replaced", "refused"}


@dataclass(frozen=True)
class _Work:
    """One run of one job.

    Arguments:
        namespace: of the job.
        name: of the job.
        run_id: of the run.
        kind: of the job.
        parent: the run that it is a part of.

    """

    namespace: str
    name: str
    run_id: str
    kind: str
    parent: "_Work | None" = None

    @property
    def root(self) -> "_Work":
        return self.parent.root if self.parent else self


@dataclass(frozen=True)
class _News:
    """What became of a run.

    Arguments:
        state: as events have it.
        message: what went wrong, where something did.

    """

    state: RunState
    message: str | None = None


_STARTED = _News(RunState.START)
_COMPLETE = _News(RunState.COMPLETE)


class Reporter(Observer):
    """Tells OpenLineage of a run.

    Arguments:
        settings: of the run.

    """

    def __init__(self, settings: Settings) -> None:
        set_producer(f"urn:{_PIPELINE}:{__version__}")
        self._namespace = settings.lineage.namespace
        self._outer = _outer(settings.lineage.parent)
        self._datasets = Datasets(settings)
        self._courier = Courier()
        self._pipeline: _Work
        self._step: Step
        self._step_work: _Work | None = None
        self._files: dict[str, list[FileResult]] = {}
        self._nodes: list[NodeResult] = []

    def run_started(self, run: RunResult) -> None:
        self._pipeline = _Work(self._namespace, _PIPELINE, str(run.run_id), "PIPELINE", self._outer)
        self._tell(self._pipeline, _STARTED, run.started_at)

    def step_started(self, step: Step) -> None:
        self._step, self._step_work = step, None
        self._files, self._nodes = {}, []

    def file_ended(self, file: FileResult) -> None:
        if file.dataset and file.status in _READ_FILES:
            self._begin_step()
            self._files.setdefault(file.dataset, []).append(file)

    def models_built(self, nodes: list[NodeResult]) -> None:
        work = self._begin_step()
        self._nodes = nodes
        for node in nodes:
            if node.resource_type == "model" and node.started_at:
                model = self._part(work, node.name, "MODEL", node.started_at)
                ended_at = node.started_at + timedelta(milliseconds=node.duration_ms)
                inputs = self._datasets.read(node)
                self._tell(model, _STARTED, node.started_at, inputs)
                if node.has_failed:
                    self._tell(model, _News(RunState.FAIL, node.message or node.status), ended_at, inputs)
                else:
                    self._tell(model, _COMPLETE, ended_at, inputs, self._datasets.built(node))

    def step_ended(self, step: Step, error: BaseException | None) -> None:
        if self._step_work is None and not error:
            # it had nothing to do; without datasets it would look as if the job had none any more
            return
        work = self._begin_step()
        news = _news_of(error, summary_of(error) if error else None)
        # one dataset's bad files are none of another's business; whatever else ended the step may have cut it short
        others = _COMPLETE if isinstance(error, BadDataError) else news
        for dataset, files in self._files.items():
            refused = next((file for file in files if file.status == "refused"), None)
            own = _News(RunState.FAIL, f"{refused.filename}: {refused.reason}") if refused else others
            self._tell_of_source(work, dataset, files, own)
        ended_at = step.started_at + timedelta(milliseconds=step.duration_ms or 0)
        self._tell(work, news, ended_at, self._datasets.tested(self._nodes))

    def _tell_of_source(self, step: _Work, dataset: str, files: Sequence[FileResult], news: _News) -> None:
        """Tell of one dataset's files: all of a step's together would look as if each table came of each file."""
        begun = [file.started_at or self._step.started_at for file in files]
        ended = [at + timedelta(milliseconds=file.duration_ms or 0) for at, file in zip(begun, files, strict=True)]
        work = self._part(step, dataset, "TASK", min(begun))
        inputs = self._datasets.files(files)
        loaded = [file for file in files if file.status != "refused"]
        self._tell(work, _STARTED, min(begun), inputs)
        self._tell(work, news, max(ended), inputs, [self._datasets.loaded(dataset, loaded)] if loaded else [])

    def run_ended(self, run: RunResult) -> None:
        ended_at = run.started_at + timedelta(seconds=run.duration_seconds)
        self._tell(self._pipeline, _news_of(run.error, run.error_summary), ended_at)
        self._courier.finish()

    def _begin_step(self) -> _Work:
        if self._step_work is None:
            self._step_work = self._part(self._pipeline, self._step.name, "TASK", self._step.started_at)
            self._tell(self._step_work, _STARTED, self._step.started_at)
        return self._step_work

    def _part(self, whole: _Work, name: str, kind: str, started_at: datetime) -> _Work:
        run_id = str(generate_new_uuid(started_at))
        return _Work(self._namespace, f"{whole.name}.{name}", run_id, kind, whole)

    def _tell(
        self,
        work: _Work,
        news: _News,
        at: datetime,
        inputs: Sequence[InputDataset] = (),
        outputs: Sequence[OutputDataset] = (),
    ) -> None:
        run_facets: dict[str, RunFacet] = {
            "processing_engine": processing_engine_run.ProcessingEngineRunFacet(__version__, _PIPELINE)
        }
        if work.parent:
            run_facets["parent"] = _parent_facet(work.parent)
        if news.message:
            message = without_user_id(log.redact(news.message))
            run_facets["errorMessage"] = error_message_run.ErrorMessageRunFacet(message, "PYTHON")
        integration = "DBT" if work.kind == "MODEL" else "WEARABLES_PIPELINE"
        job_facets: dict[str, JobFacet] = {
            "jobType": job_type_job.JobTypeJobFacet("BATCH", integration, jobType=work.kind)
        }
        self._courier.send(
            RunEvent(
                eventType=news.state,
                eventTime=at.astimezone(UTC).isoformat(),
                run=Run(work.run_id, run_facets),
                job=Job(work.namespace, work.name, job_facets),
                inputs=list(inputs),
                outputs=list(outputs),
            )
        )


def _news_of(error: BaseException | None, summary: str | None) -> _News:
    if error is None:
        return _COMPLETE
    return _News(RunState.ABORT if isinstance(error, Interrupted) else RunState.FAIL, summary)


def _outer(parent: str | None) -> _Work | None:
    """Return the run that an orchestrator says ours is a part of."""
    if not parent:
        return None
    try:
        namespace, name, run_id = parent.rsplit("/", 2)
        return _Work(namespace, name, str(UUID(run_id)), "PARENT")
    except ValueError:
        raise ConfigurationError(
            "OPENLINEAGE_PARENT_ID is not the name of a run", hint="Write it as namespace/job/UUID of the run."
        ) from None


def _parent_facet(parent: _Work) -> parent_run.ParentRunFacet:
    root = parent.root
    return parent_run.ParentRunFacet(
        run=parent_run.Run(parent.run_id),
        job=parent_run.Job(parent.namespace, parent.name),
        root=parent_run.Root(parent_run.RootRun(root.run_id), parent_run.RootJob(root.namespace, root.name)),
    )
