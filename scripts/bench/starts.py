"""What a run costs that has nothing to do: the whole process, and what Python and its imports take of it."""

import sys
from collections.abc import Sequence

from scripts.bench.clients import Measurement, measure
from scripts.bench.pipeline import Pipeline
from scripts.bench.scenario import Bench, Scenario, Spec, Step, of_process, one


def no_change(bench: Bench, pipeline: Pipeline, name: str) -> Step:
    """Return the step that runs the pipeline on sample_data/ again.

    Arguments:
        bench: where.
        pipeline: the version that runs.
        name: of the row.

    """
    database = bench.stack.enter_context(bench.migrated(pipeline))
    command = ("run", "--data-dir", "sample_data", "--use-manifest")
    pipeline.call(database, *command)
    return one(name, lambda: of_process(pipeline.call(database, *command, server=bench.server)[0]))


def importing(pipeline: Pipeline, name: str) -> Step:
    """Return the step that imports the command line."""
    return one(name, lambda: _python("import ingestion.cli", pipeline))


def _python(program: str, pipeline: Pipeline) -> Measurement:
    return measure([sys.executable, "-c", program], folder=pipeline.tree)[0]


def _steps(bench: Bench) -> Sequence[Step]:
    pipeline = Pipeline()
    return [
        one("start-python", lambda: _python("pass", pipeline)),
        importing(pipeline, "start-import"),
        no_change(bench, pipeline, "start-run"),
    ]


SCENARIOS = (
    Scenario(
        "start",
        "start",
        (
            Spec("start-python", "`python -c pass`"),
            Spec("start-import", "`python -c 'import ingestion.cli'`"),
            Spec("start-run", "**run** on `sample_data/`, nothing new"),
        ),
        lambda _sizes: (),
        _steps,
    ),
)
