"""An earlier version and this one in turns, on the same inputs: the ratio holds on a busy machine, too."""

import io
import shutil
import subprocess
import tarfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ingestion.config import ROOT
from scripts.bench.distant import DELAYS, distant, distant_folder
from scripts.bench.folders import tiny, tiny_folder, very_large, very_large_folder
from scripts.bench.inputs import BUILD, Sizes
from scripts.bench.loads import bad_files, large, large_folder, one_file
from scripts.bench.marts import TITLES, marts
from scripts.bench.pipeline import Pipeline
from scripts.bench.scenario import Bench, Scenario, Spec, Step
from scripts.bench.starts import importing, no_change

TABLE = "against"


def unpack(revision: str) -> tuple[str, Path]:
    """Write the files of a revision below build/, and return its short name and the folder.

    Arguments:
        revision: anything that git knows.

    Raises:
        CalledProcessError: git does not know it.

    """

    def git(*arguments: str) -> bytes:
        return subprocess.run(["git", *arguments], cwd=ROOT, check=True, stdout=subprocess.PIPE).stdout

    name = git("rev-parse", "--short", f"{revision}^{{commit}}").decode().strip()
    folder = BUILD / "revisions" / name
    if not folder.exists():
        unfinished = folder.with_name("unfinished")
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(parents=True)
        parts = ("ingestion", "sql", "dbt", "sample_data")
        with tarfile.open(fileobj=io.BytesIO(git("archive", "--format=tar", name, *parts))) as archive:
            archive.extractall(unfinished, filter="data")
        unfinished.rename(folder)
    return name, folder


@dataclass(frozen=True)
class _Pair:
    """What is measured of both versions.

    Arguments:
        name: of the scenario.
        titles: of the rows, by the end of their names.
        inputs: see `Scenario`.
        steps: returns the steps of a version; the names of their rows have the prefix.
        files: the size that counts the files.

    """

    name: str
    titles: Mapping[str, str]
    inputs: Callable[[Sizes], Iterable[Path]]
    steps: Callable[[Bench, Pipeline, str], Sequence[Step]]
    files: str = ""


def _distant_pair(name: str, delay_seconds: float) -> _Pair:
    away = f"{delay_seconds * 1000:g} ms each way"
    return _Pair(
        name,
        {"first": f"{{distant_files}} files of {{distant_rows}} rows, {away}", "again": "again, nothing new"},
        lambda sizes: [distant_folder(sizes)],
        lambda bench, pipeline, prefix: [distant(bench, pipeline, prefix, delay_seconds)],
        files="distant_files",
    )


_PAIRS = (
    _Pair(
        "bad",
        {"clean": "one file, {rows:,} rows", "bad": "the same with 1 % bad rows"},
        bad_files,
        one_file,
    ),
    _Pair(
        "large",
        {"one": "{large_files} files, one worker", "two": "{large_files} files, two workers"},
        lambda sizes: [large_folder(sizes)],
        large,
        files="large_files",
    ),
    _Pair(
        "tiny",
        {"first": "{tiny_files:,} files of {tiny_rows} rows", "again": "again, nothing new"},
        lambda sizes: [tiny_folder(sizes)],
        lambda bench, pipeline, prefix: [tiny(bench, pipeline, prefix)],
        files="tiny_files",
    ),
    _Pair(
        "folder",
        {
            "first": "{folder_files:,} files of {tiny_rows} rows",
            "again": "again, nothing new",
            "new": "again, one file new",
        },
        lambda sizes: [very_large_folder(sizes)],
        lambda bench, pipeline, prefix: [very_large(bench, pipeline, prefix)],
        files="folder_files",
    ),
    *(_distant_pair(name, delay) for name, delay in DELAYS.items()),
    _Pair(
        "start",
        {"import": "`import ingestion.cli`", "run": "run on `sample_data/`, nothing new"},
        lambda _sizes: (),
        lambda bench, pipeline, prefix: [
            importing(pipeline, f"{prefix}-import"),
            no_change(bench, pipeline, f"{prefix}-run"),
        ],
    ),
    _Pair(
        "marts",
        {name: f"marts after {title}" for name, title in TITLES.items()},
        lambda _sizes: (),
        lambda bench, pipeline, prefix: [marts(bench, pipeline, prefix, with_floor=False)],
    ),
)

NAMES = [pair.name for pair in _PAIRS]


def scenarios(old: Pipeline) -> tuple[Scenario, ...]:
    """Return the scenarios that measure an earlier version beside this one.

    Arguments:
        old: the earlier version.

    """
    return tuple(_in_turns(old, pair) for pair in _PAIRS)


def _in_turns(old: Pipeline, pair: _Pair) -> Scenario:
    """Return a scenario with two rows for each title: the earlier version, and this one as a share of it."""

    def steps(bench: Bench) -> Sequence[Step]:
        before = pair.steps(bench, old, f"old-{pair.name}")
        return [*before, *pair.steps(bench, Pipeline(), f"new-{pair.name}")]

    rows: list[Spec] = []
    for suffix, title in pair.titles.items():
        before = f"old-{pair.name}-{suffix}"
        rows.append(Spec(before, title, files=pair.files))
        after = f"new-{pair.name}-{suffix}"
        rows.append(Spec(after, "**the same, this version**", share_of=before, files=pair.files))
    return Scenario(pair.name, TABLE, tuple(rows), pair.inputs, steps)
