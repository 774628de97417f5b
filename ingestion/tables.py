"""How tables, facts, times and spans look to a person, on a terminal and through a pipe."""

from datetime import datetime

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

_FIGURES = {
    *("rows", "files", "read", "loaded", "written", "rejected", "line", "first line"),
    *("took", "try", "exit", "age", "stale after", "failures", "for"),
}
# what is too long for its column goes on below; all else stays on its line
_LONG = {"file", "last file", "why", "reason", "node", "message", "what became of it"}
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
        headers: of its columns; figures go to the right.
        keep_lines: break long text up rather than letting short columns wrap.

    """
    made = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 2, 0, 0))
    for header in headers:
        wraps = not keep_lines or header in _LONG
        justify = "right" if header in _FIGURES else "left"
        made.add_column(header, justify=justify, no_wrap=not wraps, overflow="fold" if wraps else "ellipsis")  # type: ignore[arg-type]
    return made


def facts(*pairs: tuple[str, RenderableType]) -> Table:
    """Return names and what is to be said of each, a line a pair."""
    made = Table.grid(padding=(0, 2))
    for name, fact in pairs:
        made.add_row(Text(name, style="bold"), fact)
    return made


def state(name: str, shown: str | None = None) -> Text:
    """Return the name of a state in its colour.

    Arguments:
        name: success, loaded, running and so on.
        shown: what to write, where it is not the name.

    """
    return Text(shown or name, style=_STYLES.get(name, ""))


def moment(when: datetime | None) -> str:
    """Return a time by the clock of this machine."""
    return f"{when.astimezone():%Y-%m-%d %H:%M:%S}" if when else ""


def took(seconds: float | None) -> str:
    """Return how long something took, from milliseconds to hours."""
    if seconds is None:
        return ""
    if seconds < _MINUTE:
        return f"{seconds:.1f} s" if seconds >= 1 else f"{seconds * 1000:.0f} ms"
    if seconds < _HOUR:
        return f"{seconds // _MINUTE:.0f} min {seconds % _MINUTE:.0f} s"
    return f"{seconds // _HOUR:.0f} h {seconds % _HOUR // _MINUTE:.0f} min"


def age(seconds: float | None) -> str:
    """Return how long ago something was, in its largest unit."""
    if seconds is None:
        return ""
    for unit, length in (("d", _DAY), ("h", _HOUR), ("min", _MINUTE)):
        if seconds >= 2 * length:
            return f"{seconds // length:.0f} {unit}"
    return f"{max(seconds, 0):.0f} s"
