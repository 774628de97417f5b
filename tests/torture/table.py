"""The results: a line for each trial, and a table of all."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from tests.torture.findings import KINDS, Finding


@dataclass(frozen=True)
class Outcome:
    """What came of a trial.

    Arguments:
        seed: repeats it.
        fault: the name of its fault.
        has_hit: whether the fault hit while a command was running.
        has_marts: whether the marts were compared.
        findings: what is wrong.
        seconds: how long it took.

    """

    seed: int
    fault: str
    has_hit: bool
    has_marts: bool
    seconds: float
    findings: tuple[Finding, ...] = field(default=())

    def __str__(self) -> str:
        result = "ok" if not self.findings else "; ".join(map(str, self.findings[:5]))
        if len(self.findings) > 5:
            result += f"; and {len(self.findings) - 5} more"
        marts = " with marts" if self.has_marts else ""
        hit = "hit" if self.has_hit else "missed"
        return f"seed {self.seed:<11} {self.fault + marts:<44} {hit:<7} {self.seconds:5.1f} s  {result}"


def table(outcomes: Iterable[Outcome], names: Sequence[str]) -> list[list[str]]:
    """Return a header and a row for each fault, with the number of trials in which each kind was found.

    Arguments:
        outcomes: all trials.
        names: the faults, in order; those without a trial are left out.

    """
    outcomes = list(outcomes)
    rows = [["fault", "trials", "hits", *KINDS]]
    for name in [*names, "all"]:
        of_fault = [outcome for outcome in outcomes if name in (outcome.fault, "all")]
        if of_fault:
            found = [sum(any(each.kind == kind for each in one.findings) for one in of_fault) for kind in KINDS]
            hits = sum(outcome.has_hit for outcome in of_fault)
            rows.append([name, *map(str, (len(of_fault), hits, *found))])
    return rows


def as_text(rows: list[list[str]]) -> str:
    """Return a table for a terminal."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if n == 0 else cell.rjust(width)
            for n, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    )


def as_markdown(rows: list[list[str]]) -> str:
    """Return a table in Markdown."""
    header, *others = rows
    lines = [f"| {' | '.join(row)} |" for row in (header, *others)]
    lines.insert(1, f"|---{'|---:' * (len(header) - 1)}|")
    return "\n".join(lines)
