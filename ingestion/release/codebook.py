"""The codebook: what each table and column contains, as CSV for programs and as a page for people."""

from collections.abc import Iterator
from html import escape
from pathlib import Path
from string import Template

from ingestion.release.cut_offs import CutOff
from ingestion.release.dictionary import Column, Table

COLUMNS = (
    *("table", "position", "column", "type", "unit", "description", "values", "minimum", "maximum"),
    *("is_required", "is_key", "cut_offs"),
)
_PAGE = Path(__file__).parent / "static" / "codebook.html"
_HEADINGS = ("Column", "Type", "Unit", "Contents", "Values", "Cut-offs")


def rows(tables: list[Table], cut_offs: list[CutOff]) -> Iterator[dict[str, object]]:
    """Yield a row for each table, and one for each of its columns.

    Arguments:
        tables: the tables of the release.
        cut_offs: the cut-offs in force.

    """
    for table in tables:
        yield {
            "table": table.name,
            "position": 0,
            "description": table.description,
            "cut_offs": _values_of(table.cut_offs, cut_offs),
        }
        for position, column in enumerate(table.columns, 1):
            yield {
                "table": table.name,
                "position": position,
                "column": column.name,
                "type": column.type,
                "unit": column.unit,
                "description": column.description,
                "values": "; ".join(column.values),
                "minimum": _number(column.minimum),
                "maximum": _number(column.maximum),
                "is_required": column.is_required,
                "is_key": column.name in table.key,
                "cut_offs": _values_of(column.cut_offs, cut_offs),
            }


def page(tables: list[Table], cut_offs: list[CutOff], title: str) -> str:
    """Return the codebook as a page that needs no other file.

    Arguments:
        tables: the tables of the release.
        cut_offs: the cut-offs in force.
        title: what the release is, in a few words.

    """
    links = "".join(f'<li><a href="#{table.name}">{table.name}</a></li>' for table in tables)
    sections = "".join(_section(table, cut_offs) for table in tables)
    listed = "".join(
        f"<tr><td><code>{escape(each.name)}</code></td><td>{escape(each.value)}</td>"
        f"<td>{escape(each.default) if each.is_changed else 'default'}</td></tr>"
        for each in cut_offs
    )
    page = Template(_PAGE.read_text(encoding="utf-8"))
    return page.substitute(title=escape(title), links=links, sections=sections, cut_offs=listed)


def _section(table: Table, cut_offs: list[CutOff]) -> str:
    head = "".join(f'<th scope="col">{heading}</th>' for heading in _HEADINGS)
    body = "".join(_row(table, column, cut_offs) for column in table.columns)
    used = _values_of(table.cut_offs, cut_offs)
    note = f"<p><strong>Cut-offs that decide its values:</strong> {escape(used)}</p>" if used else ""
    return (
        f'<section id="{table.name}"><h2>{table.name}</h2><p>{escape(table.description)}</p>{note}'
        f'<div class="wide" tabindex="0" role="region" aria-label="Columns of {table.name}">'
        f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div></section>"
    )


def _row(table: Table, column: Column, cut_offs: list[CutOff]) -> str:
    marks = [*(["key"] if column.name in table.key else []), *(["never empty"] if column.is_required else [])]
    limits = [
        text
        for text, value in (("from", column.minimum), ("to", column.maximum))
        if value is not None
        for text in (text, _number(value))
    ]
    cells = (
        f"<code>{escape(column.name)}</code>" + "".join(f' <span class="mark">{mark}</span>' for mark in marks),
        escape(column.type),
        escape(column.unit or ""),
        escape(column.description),
        " ".join(f"<code>{escape(value)}</code>" for value in column.values) or " ".join(limits),
        escape(_values_of(column.cut_offs, cut_offs)),
    )
    first, *others = cells
    return f'<tr><th scope="row">{first}</th>' + "".join(f"<td>{cell}</td>" for cell in others) + "</tr>"


def _values_of(names: tuple[str, ...], cut_offs: list[CutOff]) -> str:
    values = {each.name: each.value for each in cut_offs}
    # a list is in cut_offs.csv
    return "; ".join(name if values[name].startswith("[") else f"{name} = {values[name]}" for name in names)


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:g}"
