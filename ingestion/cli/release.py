"""`release`: writes a frozen data set, or prints what differs between two."""

import argparse
import re
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from ingestion import db
from ingestion.cli.output import console, print_json
from ingestion.config import Settings
from ingestion.printable import printable
from ingestion.release import FORMATS, Change, Comparison, Released, StatusChanges, TableChange, Wanted, compare
from ingestion.release import write as write_release
from ingestion.tables import table

# a list is cut off after so many; --json has all
_MOST_LISTED = 20
_SHORT = 60
_FINGERPRINT = re.compile("[0-9a-f]{64}")


def write(arguments: argparse.Namespace, settings: Settings) -> int:
    """Write a release, and return the exit code.

    Arguments:
        arguments: the arguments of the command.
        settings: the settings, with a database.

    Raises:
        PipelineError: the release cannot be written.

    """
    wanted = Wanted(
        formats=(arguments.format,) if arguments.format else FORMATS,
        with_staging=arguments.staging,
        with_user_ids=arguments.with_user_ids,
        force=arguments.force,
    )
    released = write_release(db.ready_engine(settings), settings, arguments.folder, wanted)
    if arguments.json:
        rows = {each.table.name: each.rows for each in released.tables}
        figures = {"participants": released.participants, "rows": rows, "checksum": released.checksum}
        print_json({"folder": str(released.folder), **figures})
    else:
        console().print(_show_released(released, with_user_ids=wanted.with_user_ids))
    return 0


def diff(arguments: argparse.Namespace, settings: Settings) -> int:  # noqa: ARG001
    """Print what differs between two releases, and return 0 if nothing does, else 1.

    Arguments:
        arguments: the arguments of the command.
        settings: the settings, which this does not need.

    Raises:
        UsageError: a folder contains no release, or the two cannot be compared.
        BadDataError: a release was altered.

    """
    comparison = compare(arguments.first, arguments.second)
    if arguments.json:
        print_json(_as_json(comparison))
    else:
        console().print(Group(*_show(comparison)))
    return 0 if comparison.is_same else 1


def _show_released(released: Released, *, with_user_ids: bool) -> RenderableType:
    listed = table("table", "rows")
    for each in released.tables:
        listed.add_row(each.table.name, f"{each.rows:,}")
    named = "user ids" if with_user_ids else "pseudonyms; dates are kept, so the data are not anonymous"
    return Group(
        listed,
        "",
        Text(printable(f"{released.folder}: {released.participants:,} participants ({named})")),
        Text(f"sha256 of SHA256SUMS: {released.checksum}"),
        Text("README.md in it says how to check and cite it.", style="dim"),
    )


def _show(found: Comparison) -> Iterator[RenderableType]:
    if found.is_same:
        yield Text("The two releases are the same, byte for byte.")
        return
    if not any((found.versions, found.cut_offs, found.files_added, found.files_removed, found.tables)):
        yield Text("The data are the same. Only the files differ: their formats, or the words of their description.")
        return
    if found.versions:
        yield _changes("versions and state", found.versions)
    if found.cut_offs:
        yield _changes("cut-offs", found.cut_offs)
    for what, names in (
        ("files added", found.files_added),
        ("files removed", found.files_removed),
        ("participants added", found.people_added),
        ("participants removed", found.people_removed),
    ):
        if names:
            yield from _list(what, names)
    if found.tables:
        yield _tables(found.tables)
    for what, changes in (("on the last day of each", found.statuses), ("revised", found.statuses_revised)):
        if changes and changes.counts:
            yield _statuses(what, changes)


def _changes(what: str, changes: list[Change]) -> RenderableType:
    listed = table(what, "before", "after")
    for each in changes:
        listed.add_row(each.name, _short(each.before), _short(each.after))
    return Group(listed, "")


def _list(what: str, names: list[str]) -> Iterator[RenderableType]:
    yield Text(f"{what}: {len(names):,}", style="bold")
    for name in names[:_MOST_LISTED]:
        yield Text(printable(f"  {name}"))
    if len(names) > _MOST_LISTED:
        yield Text(f"  and {len(names) - _MOST_LISTED:,} more; --json lists all", style="dim")
    yield ""


def _tables(changes: list[TableChange]) -> RenderableType:
    listed = table("table", "rows added", "removed", "changed", "what")
    for each in changes:
        changed = "-" if each.changed is None else f"{each.changed:,}"
        listed.add_row(each.name, f"{each.added:,}", f"{each.removed:,}", changed, "; ".join(_what(each)))
    return Group(listed, "")


def _what(change: TableChange) -> Iterator[str]:
    if change.is_only_in:
        yield f"only in {'A' if change.is_only_in == 'before' else 'B'}"
    if change.is_keyed_otherwise:
        yield "has other columns or another key: its rows are not compared"
    if change.columns_added:
        yield f"new columns: {', '.join(change.columns_added)}"
    if change.columns_removed:
        yield f"columns gone: {', '.join(change.columns_removed)}"
    if change.columns_changed:
        yield ", ".join(f"{name} ({rows:,})" for name, rows in change.columns_changed.most_common(5))


def _statuses(what: str, changes: StatusChanges) -> RenderableType:
    days = f"{changes.before} and {changes.after}" if changes.before != changes.after else f"{changes.before}"
    listed = table(f"status {what}: {days}", "", "participants")
    for (before, after), count in changes.counts.items():
        listed.add_row(before, f"-> {after}", f"{count:,}")
    return Group(listed, "")


def _short(value: object) -> str:
    text = "" if value is None else str(value)
    if _FINGERPRINT.fullmatch(text):
        return text[:12]
    return text if len(text) <= _SHORT else f"{text[:_SHORT]}..."


def _as_json(found: Comparison) -> dict[str, Any]:
    document = asdict(found)
    for name in ("statuses", "statuses_revised"):
        if changes := getattr(found, name):
            counts = changes.counts.items()
            moves = [{"before": old, "after": new, "participants": count} for (old, new), count in counts]
            document[name] = {"before": changes.before, "after": changes.after, "changes": moves}
    for each, change in zip(document["tables"], found.tables, strict=True):
        each["columns_changed"] = dict(sorted(change.columns_changed.items()))
    return document
