"""The tables: on the terminal while a run measures, and in docs/performance.md from the record."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ingestion.config import ROOT
from scripts.bench.rows import Circumstances, Row

PAGE = ROOT / "docs" / "performance.md"
_MARKED = "(!)"
_TITLE_WIDTH = 62


@dataclass(frozen=True)
class Column:
    """A column of a table.

    Arguments:
        heading: above it.
        value: its text in a row.
        width: on the terminal.

    """

    heading: str
    value: Callable[[Row], str]
    width: int = 9


def _number(value: float | None, form: str) -> str:
    return "" if value is None else format(value, form)


def seconds(value: float | None) -> str:
    """Return a time with about three digits."""
    return "" if value is None else format(value, ",.0f" if value >= 100 else ".1f" if value >= 10 else ".2f")  # noqa: PLR2004


SECONDS = Column("seconds", lambda row: seconds(row.figures.seconds))
SPEED = Column("speed", lambda row: _number(row.figures.speed, ".2f"), 7)
SHARE = Column("share", lambda row: _number(row.figures.share, ".2f"), 7)
CPU_SHARE = Column("share of CPU", lambda row: _number(row.figures.cpu_share, ".2f"), 13)
PEAK = Column("MB peak", lambda row: _number(row.figures.peak_megabytes, ",.0f"))
FILES = Column("files/s", lambda row: _number(row.figures.files_per_second, ",.0f"))
TRIPS = Column("round trips", lambda row: _number(row.figures.round_trips, ",.0f"), 12)
SERVER = Column("CPU of server", lambda row: seconds(row.figures.server_cpu), 14)
CLIENT = Column("CPU of client", lambda row: seconds(row.figures.client_cpu), 14)
SIZE = Column("MB written", lambda row: _number(row.figures.megabytes, ",.1f"), 11)
NOTE = Column("slowest", lambda row: row.note, 0)
REVISION = Column("earlier commit", lambda row: row.note, 0)

# the columns of each table of the page
TABLES: Mapping[str, tuple[Column, ...]] = {
    "loading": (SECONDS, SPEED, PEAK),
    "small": (SECONDS, SPEED, FILES, PEAK),
    "distant": (SECONDS, SPEED, TRIPS),
    "start": (SECONDS, CLIENT, PEAK),
    "marts": (SECONDS, SHARE, SERVER, CLIENT, NOTE),
    "report": (SECONDS, PEAK, SERVER, CLIENT, SIZE),
    "storage": (SECONDS, SPEED, PEAK),
    "against": (SECONDS, SHARE, CPU_SHARE, FILES, TRIPS, PEAK, REVISION),
}


def terminal_heading(table: str) -> str:
    """Return the headings of a table on the terminal."""
    columns = [f"{column.heading:>{column.width}}" for column in TABLES[table] if column.width]
    return f"\n{table:<{_TITLE_WIDTH}}{''.join(columns)}{'on record':>14}"


def terminal_row(table: str, row: Row, recorded: Row | None) -> str:
    """Return a row for the terminal.

    Arguments:
        table: where it stands.
        row: what was measured.
        recorded: the row of the committed record.

    """
    title = f"{row.title.replace('*', '').replace('`', ''):<{_TITLE_WIDTH}}"
    if row.error:
        return f"{title}  failed: {row.error}"
    cells = "".join(f"{column.value(row):>{column.width}}" for column in TABLES[table] if column.width)
    mark = f"  {_MARKED}" if row.is_loss_against(recorded) else ""
    return f"{title}{cells}{_compared(recorded):>14}{mark}  {row.note}".rstrip()


def warning(circumstances: Circumstances) -> str:
    """Return a sentence about other work on the machine, or nothing."""
    if not circumstances.is_busy:
        return ""
    load = _number(circumstances.load_at_start, ".1f")
    return f"The machine was busy (load average {load} at the start): other work distorts these figures."


def _compared(row: Row | None) -> str:
    """Return the figure of a row with which another is compared."""
    if row is None or row.error:
        return ""
    if ratio := row.figures.speed or row.figures.share:
        return f"{ratio:.2f}"
    if time := seconds(row.figures.seconds):
        return f"{time} s"
    return f"{FILES.value(row)} {FILES.heading}"


def markdown(table: str, rows: Iterable[Row]) -> str:
    """Return a table of the page, and where and when it was measured.

    Arguments:
        table: its name.
        rows: its rows.

    """
    rows = list(rows)
    if not rows:
        return "Not measured yet.\n"
    columns = [column for column in TABLES[table] if any(column.value(row) for row in rows)]
    has_before = any(row.before for row in rows)
    headings = ["", *(column.heading for column in columns), *(["last version"] if has_before else [])]
    lines = [_line(headings), "|" + "---|" * len(headings)]
    for row in rows:
        cells = [column.value(row) for column in columns]
        if row.error:
            cells = [f"failed: {row.error}", *cells[1:]]
        lines.append(_line([row.title, *cells, *([_before(row)] if has_before else [])]))
    return "\n".join([*lines, "", *_sources(rows)]) + "\n"


def _before(row: Row) -> str:
    """Return the figure of the last version, and whether the row is worse."""
    if row.before is None:
        return ""
    mark = f" {_MARKED}" if row.is_loss_against(row.before) else ""
    return f"{_compared(row.before)} in {row.before.circumstances.version}{mark}"


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _sources(rows: Sequence[Row]) -> list[str]:
    """Return lines that say where and when rows were measured."""
    by_run: dict[tuple[object, ...], list[Row]] = {}
    for row in rows:
        of = row.circumstances
        by_run.setdefault((of.version, of.commit, of.date, of.machine, of.load_at_start), []).append(row)
    lines = []
    for of_run in by_run.values():
        of = of_run[0].circumstances
        which = "" if len(by_run) == 1 else f" {_those(of_run)}:"
        counts = sorted({len(row.runs) for row in of_run if row.runs})
        repetitions = f"; repetitions: {', '.join(map(str, counts))}" if counts else ""
        load = _number(of.load_at_start, ".1f") or "not recorded"
        lines.append(
            f"- Measured:{which} version {of.version}, commit {of.commit}, {of.date}, {of.machine}; "
            f"load average at the start: {load}{repetitions}."
        )
        if text := warning(of):
            lines.append(f"  **{text}**")
    return lines


def _those(rows: Sequence[Row]) -> str:
    """Return which rows are meant."""
    more = f" and {len(rows) - 1} more" if len(rows) > 1 else ""
    return f"“{rows[0].title}”{more}"


def written(page: str, tables: Mapping[str, str]) -> str:
    """Return a page with its tables replaced.

    Arguments:
        page: its text; each table stands between two marks.
        tables: the new ones by name.

    """
    for name, table in tables.items():
        marked = rf"(<!-- table {name}: begin[^\n]*-->\n).*?(?=<!-- table {name}: end -->)"
        page = re.sub(marked, lambda match, table=table: match[1] + table, page, flags=re.DOTALL)  # type: ignore[misc]
    return page


def tables_of(rows: Mapping[str, Row], table_of: Mapping[str, str]) -> dict[str, str]:
    """Return all tables of the page.

    Arguments:
        rows: the record.
        table_of: the table of each row.

    """
    return {
        table: markdown(table, [row for row in rows.values() if table_of.get(row.name) == table]) for table in TABLES
    }


def write(path: Path, rows: Mapping[str, Row], table_of: Mapping[str, str]) -> None:
    """Write the tables into a page; a page that does not exist gets nothing else."""
    tables = tables_of(rows, table_of)
    empty = "".join(f"## {name}\n\n<!-- table {name}: begin -->\n<!-- table {name}: end -->\n\n" for name in tables)
    page = path.read_text(encoding="utf-8") if path.exists() else f"# Performance\n\n{empty}"
    path.write_text(written(page, tables), encoding="utf-8")
