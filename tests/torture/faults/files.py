"""Files that change while they are loaded."""

from collections.abc import Callable
from contextlib import ExitStack
from typing import BinaryIO

from tests.torture.contents import cut, grown, make, twin
from tests.torture.faults.base import Fault
from tests.torture.proxy import AtByte, Link
from tests.torture.trial import Trial
from tests.torture.zone import new_name

# the pipeline reads about two megabytes ahead of the proxy; these files have more than six
_ROWS = (200_000, 250_000)


def _append(trial: Trial, name: str) -> None:
    with trial.zone.open(name) as file:
        _grow(trial, name, file)


def _grow(trial: Trial, name: str, file: BinaryIO) -> None:
    content = grown(trial.random, trial.zone.current[name], trial.random.randint(1, 500))
    trial.zone.append(name, content, file)


def _truncate(trial: Trial, name: str) -> None:
    content = trial.zone.current[name]
    trial.zone.truncate(name, cut(content, trial.random.randrange(1, len(content.rows))))


def _replace(trial: Trial, name: str) -> None:
    trial.zone.put(name, make(trial.random, "heart_rate", trial.random.randint(1, 20_000)))


def _rename(trial: Trial, name: str) -> None:
    trial.zone.rename(name, new_name(trial.random, trial.zone, "heart_rate", ".csv"))


def _delete(trial: Trial, name: str) -> None:
    trial.zone.delete(name)


def _overwrite(trial: Trial, name: str) -> None:
    trial.zone.overwrite(name, twin(trial.zone.current[name]))


def _while_read(change: Callable[[Trial, str], None]) -> Callable[[Trial], bool]:
    """Return a fault that changes a large file at a random instant of its load."""

    def inject(trial: Trial) -> bool:
        trial.prepare(large=0)
        trial.variables["PIPELINE_WORKERS"] = "1"
        name = new_name(trial.random, trial.zone, "heart_rate", ".csv")
        trial.zone.put(name, make(trial.random, "heart_rate", trial.random.randint(*_ROWS)))
        rule = AtByte(trial.loading_instant(name), to_server=True, action=lambda _: change(trial, name))
        trial.impose(rule)
        trial.load()
        return rule.has_hit

    return inject


def _while_archived(trial: Trial) -> bool:
    """Replace files at a random instant of a run that archives what it has loaded."""
    trial.variables["PIPELINE_ARCHIVE"] = "1"
    trial.prepare(has_history=False, large=1)
    with ExitStack() as writers:
        # some writers still have their files open when these are moved
        files = {name: writers.enter_context(trial.zone.open(name)) for name in trial.zone.plain()}

        def change(_: Link) -> None:
            for name, file in files.items():
                if trial.random.random() < 0.5:
                    _grow(trial, name, file)
                else:
                    _replace_small(trial, name)

        rule = AtByte(trial.instant(), to_server=True, action=change)
        trial.impose(rule)
        trial.load()
    return rule.has_hit


def _replace_small(trial: Trial, name: str) -> None:
    trial.zone.put(name, make(trial.random, trial.zone.current[name].dataset, trial.random.randint(1, 50)))


FAULTS = (
    *(
        Fault(f"file {what} while it is read", text, _while_read(change))
        for what, change, text in (
            ("appended to", _append, "Rows are appended, in place."),
            ("truncated", _truncate, "The file is cut, in place."),
            ("replaced", _replace, "Another file is renamed to its name."),
            ("renamed", _rename, "It gets another name."),
            ("deleted", _delete, "It is deleted."),
            ("overwritten", _overwrite, "Bytes of the same size are written in place, and its time is restored."),
        )
    ),
    Fault(
        "files replaced while archived",
        "With PIPELINE_ARCHIVE=1, files are replaced or appended to at a random instant of the run.",
        _while_archived,
    ),
)
