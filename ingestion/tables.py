"""Format tables, facts, times and durations for people, on a terminal and through a pipe."""

from datetime import datetime
from typing import Any

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from ingestion.printable import printable

_FIGURES = {
    *("rows", "files", "read", "loaded", "written", "rejected", "line", "first line"),
    *("took", "try", "exit", "age", "stale after", "failures", "for", "runs"),
    *("rows added", "removed", "changed", "participants"),
}
# long text in these columns wraps; in all others it stays on its line
_WRAPPED = {"file", "last file", "why", "reason", "node", "message", "problem"}
_STYLES = {
    **dict.fromkeys(("success", "loaded", "ok", "pass"), "green"),
    **dict.fromkeys(("failure", "dead", "refused", "critical", "error", "fail"), "bold red"),
    **dict.fromkeys(("running", "warning", "warn", "duplicate", "retracted", "unknown"), "yellow"),
    **dict.fromkeys(("skipped", "replaced"), "dim"),
}
_MINUTE, _HOUR, _DAY = 60, 3600, 86400


def table(*headers: str, keep_lines: bool = False) -> Table:
    """Return an empty table.

    Arguments:
        headers: the headers of its columns. Columns of figures are aligned to the right.
        keep_lines: wrap only columns of long text.

    """
    made = _PlainTable(box=None, header_style="bold", pad_edge=False, padding=(0, 2, 0, 0))
    for header in headers:
        wraps = not keep_lines or header in _WRAPPED
        justify = "right" if header in _FIGURES else "left"
        made.add_column(header, justify=justify, no_wrap=not wraps, overflow="fold" if wraps else "ellipsis")  # type: ignore[arg-type]
    return made


def facts(*pairs: tuple[str, RenderableType]) -> Table:
    """Return names and facts, one pair per line."""
    made = Table.grid(padding=(0, 2))
    for name, fact in pairs:
        made.add_row(Text(name, style="bold"), _plain(fact))
    return made


class _PlainTable(Table):
    """A table whose cells are texts, in which nothing is an instruction to the terminal or to rich."""

    def add_row(self, *cells: RenderableType | None, **options: Any) -> None:
        super().add_row(*(_plain(cell) for cell in cells), **options)


def _plain(cell: RenderableType | None) -> RenderableType | None:
    if isinstance(cell, str):
        return Text(printable(cell))
    if isinstance(cell, Text) and not cell.plain.isprintable():
        cell.plain = printable(cell.plain, keep="\n")
    return cell


def state(name: str, shown: str | None = None) -> Text:
    """Return a state in its colour.

    Arguments:
        name: the state: success, loaded, running and so on.
        shown: the text to show in place of the name.

    """
    return Text(shown or name, style=_STYLES.get(name, ""))


def moment(when: datetime | None) -> str:
    """Return a time in the time zone of this machine, to the second."""
    return f"{when.astimezone():%Y-%m-%d %H:%M:%S}" if when else ""


def took(seconds: float | None) -> str:
    """Return a duration, in a unit from milliseconds to hours."""
    if seconds is None:
        return ""
    if seconds < _MINUTE:
        return f"{seconds:.1f} s" if seconds >= 1 else f"{seconds * 1000:.0f} ms"
    if seconds < _HOUR:
        return f"{seconds // _MINUTE:.0f} min {seconds % _MINUTE:.0f} s"
    return f"{seconds // _HOUR:.0f} h {seconds % _HOUR // _MINUTE:.0f} min"


def age(seconds: float | None) -> str:
    """Return an age in its largest unit."""
    if seconds is None:
        return ""
    for unit, length in (("d", _DAY), ("h", _HOUR), ("min", _MINUTE)):
        if seconds >= 2 * length:
            return f"{seconds // length:.0f} {unit}"
    return f"{max(seconds, 0):.0f} s"
