"""`sources`: what can be dropped, what a file would be taken for, and a draft for an unknown one."""

import argparse
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from rich.text import Text

from ingestion import db, inspection, log
from ingestion.cli.output import console, explain, print_json
from ingestion.config import ROOT, Settings
from ingestion.drafts import draft, write
from ingestion.errors import BadDataError, exit_code_of
from ingestion.results import FileResult
from ingestion.sources import Column, declared
from ingestion.storage import Storage, StoredFile, open_storage
from ingestion.tables import table

# a sum of sixty columns does not fit a line
_MOST_PARTS = 5


def handle(arguments: argparse.Namespace, settings: Settings) -> int:
    """Run the command, and return the exit code.

    Arguments:
        arguments: its arguments.
        settings: the settings. A database is used where there is one.

    """
    if arguments.what == "check":
        return _check(arguments, settings)
    if arguments.what == "new":
        return _new(arguments, settings)
    rows = list(_listed())
    if arguments.json:
        print_json({"sources": [asdict(row) for row in rows]})
        return 0
    listed = table("device", "file", "dataset", "columns")
    for row in rows:
        listed.add_row(row.device, ", ".join(row.files), row.dataset, ", ".join(map(_short, row.required)))
    console().print(listed)
    return 0


@dataclass(frozen=True)
class _Source:
    device: str
    files: list[str]
    dataset: str
    required: list[str]
    columns: dict[str, list[str]]


def _listed() -> Iterator[_Source]:
    pairs = [(layout, dataset) for dataset in declared() for layout in dataset.layouts]
    for layout, dataset in sorted(pairs, key=lambda pair: (pair[0].device, pair[1].name)):
        yield _Source(
            layout.device,
            [f"{stem}…" for stem in layout.stems],
            dataset.name,
            [layout.table] if layout.table else [column.header for column in layout.required],
            {column.name: _filled_by(column) for column in layout.columns},
        )


def _filled_by(column: Column) -> list[str]:
    return [f"always {column.constant}"] if column.constant is not None else list(column.headers)


def _check(arguments: argparse.Namespace, settings: Settings) -> int:
    with inspection.found(arguments.file, lambda: _zone(settings)) as (storage, file):
        seen = inspection.inspect(storage, file)
        results = _tried(settings, storage, file) if seen.fillings else []
    problems = [filling.problem for filling in seen.fillings if filling.problem]
    problems += [result.reason or "refused" for result in results if result.status == "refused"]
    if arguments.json:
        print_json({**asdict(seen), "dry_run": [_result(result) for result in results]})
    else:
        _show(seen, results)
    return exit_code_of(BadDataError("")) if problems or not seen.fillings else 0


def _tried(settings: Settings, storage: Storage, file: StoredFile) -> list[FileResult]:
    if settings.database is None:
        return []
    log.configure(settings.log_format, sys.stderr)
    return inspection.try_to_load(db.ready_engine(settings), storage, file, settings.schema)


def _result(result: FileResult) -> dict[str, object]:
    counts = asdict(result.counts)
    return {"dataset": result.dataset, "status": result.status, "reason": result.reason, **counts}


def _show(seen: inspection.Inspection, results: list[FileResult]) -> None:
    if not seen.fillings:
        explain(f"{seen.name} is unknown: {seen.reason}", seen.hint)
        return
    screen = console()
    by_dataset = {result.dataset: result for result in results}
    for filling in seen.fillings:
        how = "its name and its columns" if filling.recognised_by == "name" else "its columns"
        screen.print(Text(f"{seen.name}: {filling.dataset} of {filling.device}, by {how}", style="bold"))
        columns = table("column", "filled by")
        for column, headers in filling.columns.items():
            columns.add_row(column, _short(" + ".join(headers)))
        screen.print(columns)
        for what, text in _facts(filling, by_dataset.get(filling.dataset)):
            screen.print(Text(f"{what}: {text}"))


def _facts(filling: inspection.Filling, result: FileResult | None) -> Iterator[tuple[str, str]]:
    if filling.extra:
        yield "kept in _extra", ", ".join(filling.extra)
    if filling.dropped:
        yield "not kept", ", ".join(filling.dropped)
    yield "participant", filling.person or "nobody is named"
    if filling.date_order:
        yield "dates", f"{filling.date_order} ({filling.date_evidence or 'as the device writes them'})"
    if filling.problem:
        yield "would be refused", f"{filling.problem}. {filling.hint or ''}"
    if result:
        counts = result.counts
        rows = f"{counts.read:,} rows read, {counts.loaded:,} loaded, {counts.rejected:,} rejected"
        yield "dry run", rows if result.status in {"loaded", "replaced"} else f"{result.status}: {result.reason or ''}"


def _new(arguments: argparse.Namespace, settings: Settings) -> int:
    with inspection.found(arguments.file, lambda: _zone(settings)) as (storage, file):
        drafted = draft(arguments.name, file.name.rpartition("/")[2], lambda: storage.open(file))
    paths = _paths(arguments.name, arguments.into)
    write(drafted, paths)
    for path in paths:
        print(path)
    return 0


def _paths(name: str, into: Path | None) -> list[Path]:
    sql = ROOT / "sql"
    number = max(int(path.name[:3]) for path in sql.glob("[0-9][0-9][0-9]_*.sql")) + 1
    staging = into or ROOT / "dbt" / "models" / "staging"
    return [
        (into or ROOT / "ingestion" / "sources" / "datasets") / f"{name}.toml",
        (into or sql) / f"{number:03}_raw_{name}.sql",
        staging / f"stg_{name}.sql",
        staging / f"stg_{name}.yml",
    ]


def _zone(settings: Settings) -> Storage:
    location = replace(settings, use_manifest=True).landing_zone
    return open_storage(location, timeout_seconds=settings.storage_timeout_seconds)


def _short(header: str) -> str:
    """Return a header, or the first and the last part of a long sum."""
    parts = header.split(" + ")
    return header if len(parts) <= _MOST_PARTS else f"{parts[0]} + … + {parts[-1]}"
