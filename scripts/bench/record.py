"""The record of the figures: docs/performance.json, to which each run adds its rows."""

import json
import os
import platform
import re
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from ingestion import __version__
from ingestion.config import ROOT
from scripts.bench.rows import Circumstances, Row

RECORD = ROOT / "docs" / "performance.json"
_PROGRAM = ("ingestion", "sql", "dbt")


def circumstances(server_version: str, load_at_start: float) -> Circumstances:
    """Return where and when this run measures.

    Arguments:
        server_version: name and version of the server.
        load_at_start: the load average before the benchmark began its own work.

    """
    today = f"{datetime.now(UTC):%Y-%m-%d}"
    return Circumstances(_version(), _commit(), today, _machine(server_version), load_at_start)


def load() -> float:
    """Return the load average of the last minute."""
    return round(os.getloadavg()[0], 2)


def ended(circumstances: Circumstances) -> Circumstances:
    """Return the circumstances of a row that is finished now."""
    return replace(circumstances, load_at_end=load())


def read(path: Path) -> dict[str, Row]:
    """Return the rows of a record by name; none if there is no such file."""
    return _rows(path.read_text(encoding="utf-8")) if path.exists() else {}


def committed() -> dict[str, Row]:
    """Return the rows of the record that is committed; none if git knows none."""
    name = RECORD.relative_to(ROOT).as_posix()
    shown = subprocess.run(["git", "show", f"HEAD:{name}"], cwd=ROOT, check=False, capture_output=True, text=True)
    return _rows(shown.stdout) if shown.returncode == 0 else {}


def merged(earlier: Mapping[str, Row], new: Iterable[Row], names: Sequence[str]) -> dict[str, Row]:
    """Return the rows of a record after a run.

    Arguments:
        earlier: the rows on record.
        new: those of the run.
        names: of all rows that there are, in order; others are left out.

    """
    rows = dict(earlier) | {row.name: row.after(earlier.get(row.name)) for row in new}
    return {name: rows[name] for name in names if name in rows}


def write(path: Path, rows: Mapping[str, Row]) -> None:
    """Write a record."""
    plain = {"rows": [row.as_json() for row in rows.values()]}
    path.write_text(json.dumps(plain, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def _rows(text: str) -> dict[str, Row]:
    rows = (Row.from_json(plain) for plain in json.loads(text)["rows"])
    return {row.name: row for row in rows}


def _version() -> str:
    """Return the version of the pipeline; a `+` follows if the changelog has changes after it."""
    headings = re.findall(r"^## (.*)$", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    return f"{__version__}+" if headings and headings[0] == "Unreleased" else __version__


def _commit() -> str:
    def git(*arguments: str) -> str:
        return subprocess.run(["git", *arguments], cwd=ROOT, check=False, capture_output=True, text=True).stdout.strip()

    has_changes = bool(git("status", "--porcelain", "--", *_PROGRAM))
    return (git("rev-parse", "--short", "HEAD") or "unknown") + ("+" if has_changes else "")


def _machine(server_version: str) -> str:
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    model = next((line.partition(": ")[2] for line in lines if line.startswith("model name")), platform.machine())
    return f"{os.cpu_count()} x {model}, Python {platform.python_version()}, {server_version}"
