"""What `transform --compare` prints."""

import argparse
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from ingestion import log, transform
from ingestion.cli.output import console, print_json
from ingestion.config import Settings
from ingestion.report.pseudonym import encode
from ingestion.tables import table, took
from ingestion.transform.differences import TO_CALL, Basis, Change, Differences, Figure, Side, order_of

# a share of fewer people says little; the report has the same limit
_FEWEST_FOR_SHARES = 10
_LISTED_PEOPLE = 50
_LISTED_FILES = 20
_WHOLE_FROM = 100
_NO_STATUS = "no status"
_ARROW = "->"
# the figures of a change in words; the others are named as their columns are
_WORDS = {
    "valid_days": "valid days",
    "recent_valid_days": "valid days of the last 14",
    "last_valid_date": "last valid day",
    "last_worn_date": "last worn day",
    "wearing_less_by": "worn less by",
    "start_valid_days": "valid days of the start",
    "start_median_steps": "median steps of the start",
    "start_wear_rate": "share of days worn at the start",
    "wear_hours_ratio": "hours worn against the start",
}


def handle(arguments: argparse.Namespace, settings: Settings) -> int:
    """Compare the present marts with others, and print who would have another status.

    Arguments:
        arguments: the options of the command.
        settings: the settings, with a database.

    Returns:
        The exit code: 0, whatever has changed.

    """
    # what the command prints is what a program reads
    log.configure(settings.log_format, sys.stderr)
    limit = arguments.limit or _LISTED_PEOPLE
    comparison = transform.compare(settings, transform.other_cut_offs(arguments.vars), keep=arguments.keep)
    name_of = _user_id if settings.report_user_ids else _pseudonym
    if arguments.json:
        print_json(_document(comparison, limit, with_user_ids=settings.report_user_ids))
    else:
        console().print(Group(*_text(comparison, limit, name_of)))
    return 0


def _pseudonym(change: Change) -> str:
    return encode(change.digest)


def _user_id(change: Change) -> str:
    return change.user_id


def _text(comparison: transform.Comparison, limit: int, name_of: Callable[[Change], str]) -> Iterator[RenderableType]:
    differences = comparison.differences
    yield from _answer(differences)
    for note in _notes(comparison):
        yield Text(note, style="yellow")
    yield ""
    yield from _what_differs(comparison.basis)
    if differences.changes:
        yield ""
        yield _matrix(differences)
    yield ""
    yield _days(differences.now, differences.compared)
    if differences.changes:
        yield ""
        yield _changes(differences.changes[:limit], name_of)
        if (more := len(differences.changes) - limit) > 0:
            yield f"and {more:,} more: --limit shows them"
    yield ""
    took_place = f"Compared in {took(comparison.seconds)}. The present marts are as before."
    yield took_place + (f" Kept: {', '.join(comparison.kept)}." if comparison.kept else "")


def _answer(differences: Differences) -> Iterator[RenderableType]:
    people, changed = differences.people, len(differences.changes)
    days = list(dict.fromkeys(str(side.as_of_date) for side in (differences.now, differences.compared)))
    share = f" ({100 * changed / people:.0f} %)" if changed and people >= _FEWEST_FOR_SHARES else ""
    verb = "has" if people == 1 else "have"
    text = f"{changed or 'None'} of the {people:,} people{share} who {verb} a status on {' or '.join(days)}"
    yield Text(f"{text} would have another one.", style="bold")
    if moved := differences.moved:
        yield f"{moved:,} more would have the same status, but since another day."


def _notes(comparison: transform.Comparison) -> Iterator[str]:
    now, compared = comparison.differences.now, comparison.differences.compared
    if now.as_of_date != compared.as_of_date:
        yield (
            f"The as-of dates differ: now {now.as_of_date}, compared {compared.as_of_date}."
            " Each side is as of its own date, so some changes come of the days between."
        )
    yield from comparison.basis.notes
    if comparison.failed_tests:
        yield f"Data tests that fail in the comparison: {', '.join(comparison.failed_tests)}"
    if comparison.warnings:
        yield f"Data tests that warn in the comparison: {', '.join(comparison.warnings)}"


def _what_differs(basis: Basis) -> Iterator[RenderableType]:
    if basis.cut_offs:
        listed = table("cut-off", "now", "compared")
        for each in basis.cut_offs:
            listed.add_row(each.name, _value(each.now), _value(each.compared))
        yield listed
    elif basis.cut_offs is not None:
        yield "The cut-offs are the same."
    if basis.files:
        yield ""
        listed = table("file of dbt/", "since the last build")
        for file in basis.files[:_LISTED_FILES]:
            listed.add_row(file.path, file.change)
        yield listed
        if more := len(basis.files[_LISTED_FILES:]):
            yield f"and {more} more files"
    elif basis.files is not None:
        yield "The models are the same."


def _matrix(differences: Differences) -> RenderableType:
    """A row a present status and a column a status in the comparison, of those that somebody leaves or gets."""
    changed = [pair for pair in differences.transitions if pair[0] != pair[1]]
    rows = sorted({now for now, _ in changed}, key=order_of)
    columns = sorted({compared for _, compared in changed}, key=order_of)
    made = table("now", *(f"{_ARROW} {_status(each)}" for each in columns), "unchanged")
    for now in rows:
        counts = [differences.transitions.get((now, each), 0) if each != now else 0 for each in columns]
        unchanged = differences.transitions.get((now, now), 0)
        made.add_row(_status(now), *(_count(each) if each else "" for each in counts), _count(unchanged))
    return made


def _days(now: Side, compared: Side) -> RenderableType:
    made = table("", "now", "compared")
    made.add_row("people with a status", _count(now.people), _count(compared.people))
    made.add_row("valid days", _count(now.valid_days), _count(compared.valid_days))
    means = (Text(_number(side.mean_steps), justify="right") for side in (now, compared))
    made.add_row("mean steps of a valid day", *means)
    made.add_row("alerts of few steps", _count(now.alerts), _count(compared.alerts))
    return made


def _changes(changes: list[Change], name_of: Callable[[Change], str]) -> RenderableType:
    listed = table("participant", "now", "since", "compared", "since", "why", keep_lines=True)
    for change in changes:
        style = "red" if change.compared in TO_CALL and change.now not in TO_CALL else ""
        listed.add_row(
            name_of(change),
            _status(change.now),
            str(change.now_since or ""),
            Text(_status(change.compared), style=style),
            str(change.compared_since or ""),
            "; ".join(_reasons(change)) or "by another rule: the figures are the same",
        )
    return listed


def _reasons(change: Change) -> Iterator[str]:
    figures = dict(change.figures)
    evidence, threshold = (figures.pop(name, (None, None)) for name in ("evidence", "threshold"))
    if evidence != (None, None):
        sides = [
            "none" if shown is None else _number(shown) + (f" of {_number(limit)}" if limit is not None else "")
            for shown, limit in zip(evidence, threshold, strict=True)
        ]
        yield f"evidence {f' {_ARROW} '.join(sides)}"
    for name, (now, compared) in figures.items():
        if (now, compared) == evidence:
            continue
        yield f"{_WORDS.get(name, name)} {_number(now)} {_ARROW} {_number(compared)}"


def _document(comparison: transform.Comparison, limit: int, *, with_user_ids: bool) -> dict[str, Any]:
    differences, basis = comparison.differences, comparison.basis
    name_of = _user_id if with_user_ids else _pseudonym
    return {
        "people": differences.people,
        "changed": len(differences.changes),
        "since_another_day": differences.moved,
        "cut_offs": None if basis.cut_offs is None else [asdict(each) for each in basis.cut_offs],
        "files": None if basis.files is None else [asdict(each) for each in basis.files],
        "notes": list(_notes(comparison)),
        "transitions": [
            {"now": now, "compared": compared, "people": people}
            for (now, compared), people in sorted(
                differences.transitions.items(), key=lambda item: tuple(map(order_of, item[0]))
            )
        ],
        "now": asdict(differences.now),
        "compared": asdict(differences.compared),
        "changes": [
            {
                "participant": name_of(change),
                "now": change.now,
                "now_since": change.now_since,
                "compared": change.compared,
                "compared_since": change.compared_since,
                "figures": {
                    name: {"now": now, "compared": compared} for name, (now, compared) in change.figures.items()
                },
            }
            for change in differences.changes[:limit]
        ],
        "changes_left_out": max(len(differences.changes) - limit, 0),
        "failed_tests": comparison.failed_tests,
        "warnings": comparison.warnings,
        "kept_schemas": comparison.kept,
        "seconds": round(comparison.seconds, 1),
    }


def _status(status: str | None) -> str:
    return status.replace("_", " ") if status else _NO_STATUS


def _count(count: int) -> Text:
    return Text(f"{count:,}", justify="right")


def _value(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else "none" if value is None else str(value)


def _number(figure: Figure) -> str:
    """A figure with as many digits as matter."""
    if figure is None:
        return "none"
    if isinstance(figure, str):
        return figure
    return f"{figure:,.0f}" if abs(figure) >= _WHOLE_FROM or figure == round(figure) else f"{figure:.3g}"
