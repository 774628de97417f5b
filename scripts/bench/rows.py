"""A row of a table: what was measured, when, and how it compares."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Self

# a ratio that is worse by more than this is a loss
LOSS = 0.15
# other work distorts the figures where the load average at the start was above this
BUSY_LOAD = 0.5


@dataclass(frozen=True)
class Circumstances:
    """Where and when rows were measured.

    Arguments:
        version: of the pipeline.
        commit: of the repository; a `+` follows if the program differs from it.
        date: in UTC.
        machine: processors, Python and server.
        load_at_start: load average of the last minute when the benchmark began; None for figures that are older than
            the record.
        load_at_end: the same when the row was finished; the benchmark's own work is part of it.

    """

    version: str
    commit: str
    date: str
    machine: str
    load_at_start: float | None = None
    load_at_end: float | None = None

    @property
    def is_busy(self) -> bool:
        """Whether other work distorts the figures."""
        return self.load_at_start is not None and self.load_at_start > BUSY_LOAD


@dataclass(frozen=True)
class Figures:
    """What a row says; medians of all repetitions.

    Arguments:
        seconds: the time.
        process_seconds: the time from start to exit of the process.
        speed: the time of what it is compared with, divided by its own.
        share: its own time, divided by that of what it is compared with.
        peak_megabytes: memory.
        files_per_second: files, divided by the time.
        round_trips: how often the program waited for the server.
        client_cpu: processor seconds of the program.
        server_cpu: processor seconds of the server.
        cpu_share: its own processor seconds of both, divided by those of what it is compared with.
        megabytes: the size of what was written.

    """

    seconds: float | None = None
    process_seconds: float | None = None
    speed: float | None = None
    share: float | None = None
    peak_megabytes: float | None = None
    files_per_second: float | None = None
    round_trips: float | None = None
    client_cpu: float | None = None
    server_cpu: float | None = None
    cpu_share: float | None = None
    megabytes: float | None = None

    def loss_against(self, before: "Figures", same_machine: bool) -> bool:
        """Return whether these figures are clearly worse than earlier ones.

        Arguments:
            before: the earlier figures.
            same_machine: whether seconds can be compared; without that, only ratios are.

        """
        if self.speed and before.speed:
            return self.speed < before.speed * (1 - LOSS)
        if self.share and before.share:
            return self.share > before.share * (1 + LOSS)
        return bool(same_machine and self.seconds and before.seconds and self.seconds > before.seconds * (1 + LOSS))


# of a row that has failed
NOTHING = Figures()


@dataclass(frozen=True)
class Row:
    """A row of a table.

    Arguments:
        name: stays the same from version to version.
        title: what was measured, for people.
        circumstances: where and when.
        figures: empty if it failed.
        runs: the seconds of each repetition.
        note: what else is worth knowing.
        error: why there are no figures.
        before: the row of the last version, without the one before that.

    """

    name: str
    title: str
    circumstances: Circumstances
    figures: Figures = NOTHING
    runs: tuple[float, ...] = ()
    note: str = ""
    error: str = ""
    before: "Row | None" = None

    def is_loss_against(self, before: "Row | None") -> bool:
        """Return whether the row is clearly worse than an earlier one."""
        if before is None:
            return False
        same_machine = self.circumstances.machine == before.circumstances.machine
        return self.figures.loss_against(before.figures, same_machine)

    def after(self, earlier: "Row | None") -> "Row":
        """Return the row with that of the last version.

        Arguments:
            earlier: the row on record. If it is of the same version, its own last version counts.

        """
        if earlier is None or earlier.circumstances.version != self.circumstances.version:
            return replace(self, before=replace(earlier, before=None) if earlier and not earlier.error else None)
        return replace(self, before=earlier.before)

    def as_json(self) -> dict[str, Any]:
        """Return the row as plain data, without what is empty."""
        plain = {
            "name": self.name,
            "title": self.title,
            **asdict(self.circumstances),
            **{name: _rounded(value) for name, value in asdict(self.figures).items()},
            "runs": [_rounded(seconds) for seconds in self.runs],
            "note": self.note,
            "error": self.error,
            "before": self.before.as_json() if self.before else None,
        }
        return {name: value for name, value in plain.items() if value not in (None, "", [])}

    @classmethod
    def from_json(cls, plain: Mapping[str, Any]) -> Self:
        """Return the row that `as_json` has made plain."""
        return cls(
            plain["name"],
            plain["title"],
            Circumstances(**{each.name: plain[each.name] for each in fields(Circumstances) if each.name in plain}),
            Figures(**{each.name: plain.get(each.name) for each in fields(Figures)}),
            tuple(plain.get("runs", ())),
            plain.get("note", ""),
            plain.get("error", ""),
            cls.from_json(plain["before"]) if "before" in plain else None,
        )


def _rounded(value: float | None) -> float | None:
    """Return a figure with three decimals, or without any if it is large."""
    return None if value is None else round(value, 3) if abs(value) < 1_000 else round(value)  # noqa: PLR2004
