"""`follow-up`: whom to call, why, and whether it is the person or the device; as a table, a file, or for REDCap."""

import argparse
import csv
import io
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from dataclasses import fields as dataclass_fields
from datetime import date
from pathlib import Path
from typing import Any

from rich.cells import cell_len
from rich.console import Console, Group, RenderableType
from rich.text import Text

from ingestion import db, follow_up
from ingestion.cli import redcap
from ingestion.cli.cells import without_formulas
from ingestion.cli.output import PLAIN_WIDTH, console, to_json
from ingestion.config import Settings
from ingestion.errors import PipelineError, UsageError
from ingestion.follow_up import CAUSES, CERTAINTIES, REASONS, WEARING_LESS_BY, Entry, FollowUp
from ingestion.leftovers import temporary_folder
from ingestion.printable import printable
from ingestion.report import pseudonyms_of
from ingestion.tables import table

_FOLDER = ".wearables-follow-up-"
_NAMED_RESOLVED = 10
# between two columns
_GAP = 1
# the facts of each column, one below the other
_Columns = dict[str, tuple[str, ...]]
_STEPS = ("usual steps", "recent steps")
_STACKED_STEPS = "usual, recent steps"
_FACTS = (
    *("new", "participant", "what", "arm", "site", "since", "person or device", "how sure", "last sync"),
    "last valid day",
)
# from wide to narrow
_LAYOUTS: tuple[_Columns, ...] = (
    {name: (name,) for name in (*_FACTS, *_STEPS)},
    {name: (name,) for name in _FACTS} | {_STACKED_STEPS: _STEPS},
    {
        "participant": ("participant", "new"),
        "what": ("what", "how sure"),
        "arm, site": ("arm", "site"),
        "since": ("since",),
        "person or device": ("person or device",),
        "last sync": ("last sync",),
        "last valid day": ("last valid day",),
        _STACKED_STEPS: _STEPS,
    },
)
_DATES = {"since", "last sync", "last valid day"}


def handle(arguments: argparse.Namespace, settings: Settings) -> int:
    """Run the command, and return the exit code.

    Arguments:
        arguments: its arguments.
        settings: the settings, with a database.

    Raises:
        PipelineError: the marts have no list.
        UsageError: the file cannot be written.

    """
    with db.session(db.ready_engine(settings), autocommit=False) as connection:
        # all figures are from the same moment
        connection.set_session(isolation_level="REPEATABLE READ", readonly=True)
        if not follow_up.exists(connection):
            raise PipelineError("the marts have no follow-up list", hint="Build them: python -m ingestion transform")
        told = follow_up.read(connection)
        if arguments.format == "redcap":
            _write(_for_redcap(told, follow_up.roster(connection), arguments), arguments.output)
            return 0
        user_ids = [entry.user_id for entry in told.entries] + [each.user_id for each in told.resolved]
        known = {} if settings.report_user_ids else pseudonyms_of(connection, user_ids)
    shown = _Shown(told, _chosen(told.entries, arguments), {each: known.get(each, each) for each in user_ids})
    if arguments.format == "table" and arguments.output is None:
        screen = console()
        screen.print(_screen(shown, screen.width))
    else:
        _write({"csv": _csv, "json": _json, "table": _plain}[arguments.format](shown), arguments.output)
    return 0


def write_dictionary(arguments: argparse.Namespace, settings: Settings) -> int:  # noqa: ARG001
    """Write the data dictionary of REDCap's instrument, and return the exit code.

    Arguments:
        arguments: the arguments of the command.
        settings: the settings; no database is needed.

    Raises:
        UsageError: the file cannot be written.

    """
    _write(redcap.dictionary(), arguments.output)
    return 0


@dataclass(frozen=True)
class _Shown:
    """A list as it is shown.

    Arguments:
        told: the whole list.
        entries: the entries that were asked for.
        names: what to call each participant.

    """

    told: FollowUp
    entries: list[Entry]
    names: dict[str, str]


def _chosen(entries: Sequence[Entry], arguments: argparse.Namespace) -> list[Entry]:
    reasons = {reason.replace("-", "_") for reason in arguments.reason or REASONS}
    chosen = [
        entry
        for entry in entries
        if entry.reason in reasons
        and arguments.arm in {None, entry.arm}
        and arguments.site in {None, entry.site}
        and (entry.is_new or not arguments.new)
    ]
    return chosen[: arguments.limit]


def _for_redcap(told: FollowUp, roster: Sequence[str], arguments: argparse.Namespace) -> str:
    """Return the import. A whole list says of everybody else on the roster that they are not on it."""
    entries, others = _chosen(told.entries, arguments), set(roster)
    if not roster:
        _remark("no roster is loaded: these are the ids of the exports, and REDCap makes a record for each new one")
    elif unknown := sum(entry.user_id not in others for entry in entries):
        _remark(f"left out: {_people(unknown)} not on the roster, for whom REDCap would make a record")
        entries = [entry for entry in entries if entry.user_id in others]
    is_whole = not (arguments.reason or arguments.arm or arguments.site or arguments.new or arguments.limit)
    return redcap.records(
        entries,
        sorted(others - {entry.user_id for entry in told.entries}) if is_whole else [],
        told.as_of_date,
        record_id=arguments.redcap_record_id,
        event=arguments.redcap_event,
    )


def _remark(text: str) -> None:
    print(text, file=sys.stderr)


def _screen(shown: _Shown, width: int) -> RenderableType:
    told = shown.told
    if told.as_of_date is None:
        return "The marts have no participants yet."
    if not told.entries:
        return Group(f"Nobody needs a call, as of {told.as_of_date}.", *_resolved(shown))
    if not shown.entries:
        return f"Nobody on the list is what you asked for. It has {_people(len(told.entries))}."
    facts = [_facts(entry, shown.names[entry.user_id], told.as_of_date) for entry in shown.entries]
    layouts = [_filled(layout, facts) for layout in _LAYOUTS]
    columns = next((each for each in layouts if _fits(each, facts, width)), layouts[-1])
    listed = table(*columns)
    listed.padding = (0, _GAP, 0, 0)
    for column, name, fitted in zip(listed.columns, columns, _widths(columns, facts, width), strict=True):
        column.width = fitted
        column.justify = "right" if name in {*_STEPS, _STACKED_STEPS} else "left"
    for each in facts:
        listed.add_row(*(Text(_cell(each, names)) for names in columns.values()))
    return Group(Text(_title(shown), style="bold"), "", listed, *_notes(shown))


def _cell(facts: dict[str, str], names: Sequence[str]) -> str:
    return "\n".join(facts[name] for name in names if facts[name])


def _filled(columns: _Columns, facts: Sequence[dict[str, str]]) -> _Columns:
    """Return the columns that are not empty."""
    return {header: names for header, names in columns.items() if any(_cell(each, names) for each in facts)}


def _fits(columns: _Columns, facts: Sequence[dict[str, str]], width: int) -> bool:
    """Whether the columns fit a terminal without breaking a word or a date."""
    narrowest = _extents(columns, facts, is_wrapped=True)
    return sum(narrowest) + _GAP * len(narrowest) <= width


def _widths(columns: _Columns, facts: Sequence[dict[str, str]], width: int) -> list[int]:
    """Return the width of each column: that of its longest line; where there is no room, nearer its longest word."""
    widths, narrowest = (_extents(columns, facts, is_wrapped=is_wrapped) for is_wrapped in (False, True))
    for _ in range(sum(widths) + _GAP * len(widths) - width):
        widest = max(range(len(widths)), key=lambda number: (widths[number] - narrowest[number], widths[number]))
        widths[widest] -= 1
    return widths


def _extents(columns: _Columns, facts: Sequence[dict[str, str]], *, is_wrapped: bool) -> list[int]:
    """Return the length of the longest line of each column, or of what must stay on one line."""
    extents = []
    for header, names in columns.items():
        words = r"[ \n]" if is_wrapped else r"\n"
        parts = re.split(words, header)
        for each in facts:
            parts += re.split("\n" if header in _DATES else words, _cell(each, names))
        extents.append(max(map(cell_len, parts)))
    return extents


def _title(shown: _Shown) -> str:
    told = shown.told
    new = sum(entry.is_new for entry in told.entries)
    since = f", {new:,} of them new since the report of {told.compared_with}" if told.compared_with else ""
    more = "" if len(shown.entries) == len(told.entries) else f" {len(shown.entries):,} of them are shown."
    return f"To call, as of {told.as_of_date}: {_people(len(told.entries))}{since}.{more}"


def _facts(entry: Entry, name: str, today: date) -> dict[str, str]:
    what = REASONS[entry.reason]
    # who does not synchronise may wear it less, too
    if entry.reason == "wearing_less" and entry.wearing_less_by:
        what += f": {WEARING_LESS_BY[entry.wearing_less_by]}"
    battery = (
        f" ({entry.battery_percent}%)" if entry.cause == "battery_low" and entry.battery_percent is not None else ""
    )
    return {
        "new": "new" if entry.is_new else "",
        "participant": name,
        "what": what,
        "arm": entry.arm or "",
        "site": entry.site or "",
        "since": _day(entry.since_date, today),
        "person or device": CAUSES[entry.cause] + battery if entry.cause else "",
        "how sure": CERTAINTIES[entry.certainty],
        "last sync": _day(entry.last_sync_date, today),
        "last valid day": _day(entry.last_valid_date, today),
        "usual steps": _steps(entry.usual_steps),
        "recent steps": _steps(entry.recent_steps),
    }


def _day(day: date | None, today: date) -> str:
    """Return a day, without the year if it is this one."""
    if day is None:
        return ""
    return f"{day.day} {day:%b}" if day.year == today.year else day.isoformat()


def _steps(median: float | None) -> str:
    return "" if median is None else f"{median:,.0f}"


def _people(number: int) -> str:
    return f"{number:,} participant{'' if number == 1 else 's'}"


def _notes(shown: _Shown) -> Iterator[RenderableType]:
    unknown = [entry for entry in shown.entries if entry.cause == "unknown"]
    if without := sum(entry.last_sync_date is None for entry in unknown):
        yield ""
        yield (
            f"Not known for {_people(without)}: no synchronisation data of them are loaded, so person and device cannot"
            " be told apart. docs/follow-up.md names the files."
        )
    if others := len(unknown) - without:
        yield ""
        yield f"Not known for {_people(others)}: their last synchronisations do not tell person and device apart."
    if len(shown.entries) == len(shown.told.entries):
        yield from _resolved(shown)


def _resolved(shown: _Shown) -> Iterator[RenderableType]:
    over = shown.told.resolved
    if not over:
        return
    named = (
        f"{shown.names[each.user_id]} ({REASONS[each.reason]}; now {(each.status or 'without data').replace('_', ' ')})"
        for each in over[:_NAMED_RESOLVED]
    )
    more = f" and {len(over) - _NAMED_RESOLVED:,} more" if len(over) > _NAMED_RESOLVED else ""
    yield ""
    yield Text(printable(f"No longer on the list since {shown.told.compared_with}: {', '.join(named)}{more}."))


def _records(shown: _Shown) -> Iterator[dict[str, Any]]:
    for entry in shown.entries:
        fields = asdict(entry)
        del fields["user_id"]
        yield {"position": fields.pop("position"), "participant": shown.names[entry.user_id], **fields}


def _csv(shown: _Shown) -> str:
    columns = ["participant" if field.name == "user_id" else field.name for field in dataclass_fields(Entry)]
    written = io.StringIO()
    writer = csv.DictWriter(written, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(_records(shown))
    return without_formulas(written.getvalue().encode()).decode()


def _json(shown: _Shown) -> str:
    told = shown.told
    over = [
        {"participant": shown.names[each.user_id], "reason": each.reason, "status": each.status}
        for each in told.resolved
    ]
    document = {"as_of_date": told.as_of_date, "compared_with": told.compared_with}
    return f"{to_json({**document, 'entries': list(_records(shown)), 'resolved': over})}\n"


def _plain(shown: _Shown) -> str:
    written = io.StringIO()
    Console(file=written, width=PLAIN_WIDTH).print(_screen(shown, PLAIN_WIDTH))
    return written.getvalue()


def _write(text: str, path: Path | None) -> None:
    """Print a text, or write it to a file that only this user can read."""
    if path is None:
        sys.stdout.write(printable(text, keep="\n\t") if sys.stdout.isatty() else text)
        return
    try:
        with temporary_folder(_FOLDER, path.parent) as folder:
            part = folder / path.name
            part.touch(mode=0o600)
            part.write_text(text, encoding="utf-8", newline="")
            part.replace(path)
    except OSError as exc:
        raise UsageError(
            f"{path} cannot be written ({exc.strerror})", hint="Choose another file with --output."
        ) from exc
    print(path)
