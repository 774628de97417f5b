"""Small files into a distant database, by way of a proxy that delays everything."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from scripts.bench.clients import Measurement, check_copied, copy
from scripts.bench.inputs import Sizes, split
from scripts.bench.pipeline import Pipeline, check_loaded
from scripts.bench.proxy import Proxy
from scripts.bench.scenario import Bench, Scenario, Spec, Step, of_process, one

# of each direction
DELAYS = {"distant-1": 0.001, "distant-50": 0.050}


def distant_folder(sizes: Sizes) -> Path:
    """Return the landing zone."""
    return split(sizes.distant_files, sizes.distant_rows)


def distant(bench: Bench, pipeline: Pipeline, prefix: str, delay_seconds: float) -> Step:
    """Return the step that loads small files into a distant database, and looks at them again.

    Arguments:
        bench: where.
        pipeline: the version that loads them.
        prefix: of the names of the rows.
        delay_seconds: of each direction.

    """
    first, again = f"{prefix}-first", f"{prefix}-again"
    folder, files = distant_folder(bench.sizes), bench.sizes.distant_files

    def measure() -> Mapping[str, Measurement]:
        with bench.migrated(pipeline) as database, Proxy(database, delay_seconds) as proxy:
            measured = {}
            for name in (first, again):
                before = proxy.round_trips
                ingested = of_process(pipeline.ingest(bench.server, proxy.database, folder))
                measured[name] = replace(ingested, round_trips=proxy.round_trips - before)
                check_loaded(database, files, files * bench.sizes.distant_rows)
            return measured

    return Step((first, again), measure)


def _scenario(name: str, delay_seconds: float) -> Scenario:
    def steps(bench: Bench) -> Sequence[Step]:
        paths = sorted(distant_folder(bench.sizes).iterdir())

        def copied() -> Measurement:
            with bench.server.database() as database, Proxy(database, delay_seconds) as proxy:
                # the table is created from nearby: only the load is measured
                measured = copy(bench.server, proxy.database, *paths, near=database)
                check_copied(database, len(paths) * bench.sizes.distant_rows)
                return replace(measured, round_trips=proxy.round_trips)

        return [one(f"{name}-psql", copied), distant(bench, Pipeline(), name, delay_seconds)]

    away = f"{delay_seconds * 1000:g} ms each way"
    return Scenario(
        name,
        "distant",
        (
            Spec(
                f"{name}-psql", f"`\\copy` of {{distant_files}} files of {{distant_rows}} rows, {away}", f"{name}-psql"
            ),
            Spec(f"{name}-first", f"**ingest**, first load, {away}", f"{name}-psql", files="distant_files"),
            Spec(f"{name}-again", f"**ingest** again, nothing new, {away}", files="distant_files"),
        ),
        lambda sizes: [distant_folder(sizes)],
        steps,
    )


SCENARIOS = tuple(_scenario(name, delay) for name, delay in DELAYS.items())
