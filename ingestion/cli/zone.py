"""`ls` and `land`: what is in the landing zone, and what is added to it."""

import argparse
import json
import sys
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime

from ingestion import db, landing, log
from ingestion.cli.output import explain
from ingestion.config import Settings
from ingestion.printable import printable
from ingestion.storage import open_storage


def ls(arguments: argparse.Namespace, settings: Settings) -> int:
    """List the landing zone, and what an ingest would do with each file.

    Arguments:
        arguments: its arguments.
        settings: the settings, with a database.

    """
    engine = db.ready_engine(settings)
    storage = open_storage(settings.landing_zone, timeout_seconds=settings.storage_timeout_seconds)
    found: Counter[str] = Counter()
    for each in landing.preview(engine, storage, settings.schema, min_age_seconds=settings.min_age_seconds):
        found[each.state] += 1
        if arguments.json:
            fields = {"name": each.file.name, "size": each.file.size, "dataset": each.dataset}
            print(json.dumps({**fields, "device": each.device, "state": each.state, "detail": each.detail}))
        else:
            name = printable(each.file.name) + (f"  ({printable(each.detail)})" if each.detail else "")
            print(
                f"{each.state:<9}  {each.dataset or '-':<20}  {each.device or '-':<18}  {each.file.size:>13,}  {name}"
            )
    counts = ", ".join(f"{count:,} {state}" for state, count in found.items())
    print(f"{printable(log.redact(settings.landing_zone))}: {counts or 'no files'}", file=sys.stderr)
    if set(found) == {"unknown"}:
        explain(
            "none of these files is recognised: an ingest would fail", "See docs/datasets.md for names and columns."
        )
    return 0


def land(arguments: argparse.Namespace, settings: Settings) -> int:
    """Add files to the landing zone.

    Arguments:
        arguments: its arguments.
        settings: the settings.

    """
    # the landing zone of a run with the manifest, and not the sample data
    location = replace(settings, use_manifest=True).landing_zone
    storage = open_storage(location, timeout_seconds=settings.storage_timeout_seconds)
    today = datetime.now(UTC).date()
    for path in arguments.paths:
        landed = landing.land(storage, path, today)
        what = "landed" if landed.is_new else "exists"
        print(
            f"{what:<9}  {printable(landed.name)}" + ("" if landed.dataset else "  (no declared dataset has this name)")
        )
    return 0
