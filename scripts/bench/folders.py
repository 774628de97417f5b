"""Landing zones of very many tiny files: the first load, again without a change, and one new file."""

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from scripts.bench.clients import Measurement, check_copied, copy
from scripts.bench.inputs import Sizes, split
from scripts.bench.pipeline import Pipeline, check_loaded
from scripts.bench.scenario import Bench, Scenario, Spec, Step, one


def tiny_folder(sizes: Sizes) -> Path:
    """Return the landing zone of tiny files."""
    return split(sizes.tiny_files, sizes.tiny_rows)


def very_large_folder(sizes: Sizes) -> Path:
    """Return the landing zone of very many tiny files."""
    return split(sizes.folder_files, sizes.tiny_rows)


def tiny(bench: Bench, pipeline: Pipeline, prefix: str) -> Step:
    """Return the step that loads tiny files, and looks at them again.

    Arguments:
        bench: where.
        pipeline: the version that loads them.
        prefix: of the names of the rows.

    """
    return _first_and_again(bench, pipeline, prefix, tiny_folder(bench.sizes))


def very_large(bench: Bench, pipeline: Pipeline, prefix: str) -> Step:
    """Return the same step for very many files, and with one new file at the end."""
    loads = _first_and_again(bench, pipeline, prefix, very_large_folder(bench.sizes), has_new_file=True)
    return Step(loads.rows, loads.measure, repetitions=1)


def _first_and_again(bench: Bench, pipeline: Pipeline, prefix: str, folder: Path, has_new_file: bool = False) -> Step:
    first, again, new = f"{prefix}-first", f"{prefix}-again", f"{prefix}-new"
    files = sum(1 for _ in folder.iterdir())
    rows = files * bench.sizes.tiny_rows

    def measure() -> Mapping[str, Measurement]:
        with bench.migrated(pipeline) as database:
            measured = {first: pipeline.ingest(bench.server, database, folder)}
            check_loaded(database, files, rows)
            measured[again] = pipeline.ingest(bench.server, database, folder)
            if has_new_file:
                with _one_more_in(folder):
                    measured[new] = pipeline.ingest(bench.server, database, folder)
                check_loaded(database, files + 1, rows + 1)
            else:
                check_loaded(database, files, rows)
            return measured

    return Step((first, again, new) if has_new_file else (first, again), measure)


@contextmanager
def _one_more_in(folder: Path) -> Iterator[None]:
    """Add a file with a row of somebody else's to a folder, and remove it."""
    header, row = next(folder.iterdir()).read_text("ascii").splitlines()[:2]
    with tempfile.NamedTemporaryFile("w", dir=folder, prefix="daily_activity_9", suffix=".csv") as file:
        file.write(f"{header}\n4999999999,{row.partition(',')[2]}\n")
        file.flush()
        yield


def _tiny(bench: Bench) -> Sequence[Step]:
    paths = sorted(tiny_folder(bench.sizes).iterdir())

    def copied() -> Measurement:
        with bench.server.database() as database:
            measured = copy(bench.server, database, *paths)
            check_copied(database, bench.sizes.tiny_files * bench.sizes.tiny_rows)
            return measured

    return [one("tiny-psql", copied), tiny(bench, Pipeline(), "tiny")]


SCENARIOS = (
    Scenario(
        "tiny",
        "small",
        (
            Spec("tiny-psql", "`\\copy` of {tiny_files:,} files of {tiny_rows} rows", "tiny-psql", files="tiny_files"),
            Spec(
                "tiny-first", "**ingest** of {tiny_files:,} files of {tiny_rows} rows", "tiny-psql", files="tiny_files"
            ),
            Spec("tiny-again", "**ingest** of {tiny_files:,} files again, nothing new", files="tiny_files"),
        ),
        lambda sizes: [tiny_folder(sizes)],
        _tiny,
    ),
    Scenario(
        "folder",
        "small",
        (
            Spec("folder-first", "**ingest** of {folder_files:,} files of {tiny_rows} rows", files="folder_files"),
            Spec("folder-again", "**ingest** of {folder_files:,} files again, nothing new", files="folder_files"),
            Spec("folder-new", "**ingest** of {folder_files:,} files again, one file new", files="folder_files"),
        ),
        lambda sizes: [very_large_folder(sizes)],
        lambda bench: [very_large(bench, Pipeline(), "folder")],
    ),
)
