"""A scenario: rows of a table, and the steps that measure them in turns."""

import contextlib
import statistics
import sys
import traceback
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from ingestion.config import ROOT, Database
from scripts.bench.clients import ClientFailedError, Measurement
from scripts.bench.inputs import Sizes
from scripts.bench.pipeline import Pipeline
from scripts.bench.rows import NOTHING, Figures
from scripts.bench.servers import Server


@dataclass(frozen=True)
class Spec:
    """What a row is about.

    Arguments:
        name: of the row.
        title: for people, with sizes in braces.
        speed_of: the row whose time is divided by this one's.
        share_of: the row by whose time this one's is divided.
        files: the size that counts its files.

    """

    name: str
    title: str
    speed_of: str = ""
    share_of: str = ""
    files: str = ""


@dataclass(frozen=True)
class Step:
    """What is run to measure some rows of a scenario.

    Arguments:
        rows: the names of the rows.
        measure: returns a measurement of each of them.
        repetitions: the most that are worth their time.

    """

    rows: tuple[str, ...]
    measure: Callable[[], Mapping[str, Measurement]]
    repetitions: int | None = None


@dataclass
class Bench:
    """What scenarios need to run.

    Arguments:
        server: for databases.
        sizes: of everything.
        repetitions: how often each step runs.
        with_peers: whether to measure other tools.
        stack: what to clean up after the scenario.

    """

    server: Server
    sizes: Sizes
    repetitions: int
    with_peers: bool
    stack: ExitStack = field(default_factory=ExitStack)
    _templates: dict[Path, Database] = field(default_factory=dict)

    @contextlib.contextmanager
    def migrated(self, pipeline: Pipeline) -> Iterator[Database]:
        """Create a database with the tables of a pipeline, and drop it at the end."""
        if pipeline.tree not in self._templates:
            template = self.server.create_database()
            pipeline.migrate(template)
            self._templates[pipeline.tree] = template
        with self.server.database(self._templates[pipeline.tree]) as database:
            yield database


@dataclass(frozen=True)
class Scenario:
    """Rows that are measured together.

    Arguments:
        name: for the command line.
        table: where its rows stand.
        rows: in the order of the table.
        inputs: generates the landing zones that it needs, and returns those that have to be older than a minute.
        steps: returns what to run in turns.
        repetitions: the most that are worth their time.
        has_peers: whether it also measures other tools.

    """

    name: str
    table: str
    rows: tuple[Spec, ...]
    inputs: Callable[[Sizes], Iterable[Path]]
    steps: Callable[[Bench], Sequence[Step]]
    repetitions: int | None = None
    has_peers: bool = False

    def title(self, spec: Spec, sizes: Sizes) -> str:
        """Return the title of a row."""
        return spec.title.format(**asdict(sizes), many_rows=sizes.many_rows)


@dataclass(frozen=True)
class Outcome:
    """What came of a row: figures, or why there are none."""

    spec: Spec
    figures: Figures = NOTHING
    runs: tuple[float, ...] = ()
    note: str = ""
    error: str = ""


Rounds = Mapping[str, Sequence[Measurement]]


def run(scenario: Scenario, bench: Bench) -> list[Outcome]:
    """Run a scenario; what fails is the outcome of its rows and does not stop the others.

    Arguments:
        scenario: what to measure.
        bench: where.

    Returns:
        The outcome of each row that was to be measured.

    """
    rounds: dict[str, list[Measurement]] = defaultdict(list)
    errors: dict[str, str] = {}
    wanted = [spec.name for spec in scenario.rows]
    try:
        with bench.stack:
            steps = scenario.steps(bench)
            wanted = [name for step in steps for name in step.rows]
            for number in range(min(bench.repetitions, scenario.repetitions or bench.repetitions)):
                # old and new, for example, take turns in being first
                for step in steps if number % 2 == 0 else reversed(steps):
                    if number < (step.repetitions or bench.repetitions) and not errors.keys() & set(step.rows):
                        _measure(step, rounds, errors)
    except Exception as exc:  # noqa: BLE001  (the other scenarios are still worth their time)
        errors |= dict.fromkeys(wanted, _reason(exc))
    return [_outcome(spec, rounds, errors, bench.sizes) for spec in scenario.rows if spec.name in wanted]


def one(name: str, measure: Callable[[], Measurement], repetitions: int | None = None) -> Step:
    """Return a step that measures one row."""
    return Step((name,), lambda: {name: measure()}, repetitions)


def of_process(measured: Measurement) -> Measurement:
    """Return a measurement whose time is that of the whole process."""
    return replace(measured, seconds=measured.process_seconds or measured.seconds)


def _measure(step: Step, rounds: dict[str, list[Measurement]], errors: dict[str, str]) -> None:
    try:
        for name, measured in step.measure().items():
            rounds[name].append(measured)
    except Exception as exc:  # noqa: BLE001  (see above)
        errors |= dict.fromkeys(step.rows, _reason(exc))


def _reason(exc: Exception) -> str:
    """Return why something failed, without a path of this machine."""
    if not isinstance(exc, ClientFailedError):
        traceback.print_exception(exc, file=sys.stderr)
    text = str(exc).partition("\n")[0].replace(str(ROOT), ".")
    return text if isinstance(exc, ClientFailedError) else f"{type(exc).__name__}: {text}"


def _outcome(spec: Spec, rounds: Rounds, errors: Mapping[str, str], sizes: Sizes) -> Outcome:
    if error := errors.get(spec.name):
        return Outcome(spec, error=error)
    runs = rounds[spec.name]
    seconds = _median(each.seconds for each in runs)
    files = getattr(sizes, spec.files) if spec.files else None
    figures = Figures(
        seconds=seconds,
        process_seconds=_median(each.process_seconds for each in runs),
        speed=_median(_ratios(rounds.get(spec.speed_of, ()), runs, _seconds)),
        share=_median(_ratios(runs, rounds.get(spec.share_of, ()), _seconds)),
        peak_megabytes=max((each.peak_megabytes for each in runs if each.peak_megabytes), default=None),
        files_per_second=files / seconds if files and seconds else None,
        round_trips=_median(each.round_trips for each in runs),
        client_cpu=_median(each.client_cpu for each in runs),
        server_cpu=_median(each.server_cpu for each in runs),
        cpu_share=_median(_ratios(runs, rounds.get(spec.share_of, ()), _cpu)),
        megabytes=_median(each.megabytes for each in runs),
    )
    return Outcome(spec, figures, tuple(each.seconds for each in runs), runs[-1].note)


def _seconds(measured: Measurement) -> float:
    return measured.seconds


def _cpu(measured: Measurement) -> float:
    return (measured.client_cpu or 0.0) + (measured.server_cpu or 0.0)


def _ratios(
    above: Sequence[Measurement], below: Sequence[Measurement], value: Callable[[Measurement], float]
) -> Iterator[float]:
    """Yield the ratios of the same turns: the speed of a machine drifts. The shorter one is repeated."""
    for number in range(max(len(above), len(below)) if above and below else 0):
        divisor = value(below[min(number, len(below) - 1)])
        if divisor:
            yield value(above[min(number, len(above) - 1)]) / divisor


def _median(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return statistics.median(known) if known else None
