"""Writes a release: a folder that appears whole or not at all."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

from ingestion import __version__, db, transform
from ingestion.config import Settings
from ingestion.errors import UsageError
from ingestion.leftovers import temporary_folder
from ingestion.release import checksums, codebook, cut_offs, listings, package, parquet, readme
from ingestion.release.dictionary import PARTICIPANTS, Dictionary, Table
from ingestion.release.package import Written
from ingestion.release.snapshot import Build, Facts, Names, Snapshot, opened
from ingestion.report import pseudonym
from ingestion.sources import declared

Format = Literal["csv", "parquet"]
FORMATS: tuple[Format, ...] = ("csv", "parquet")
# the form of a release; the next is another that `diff` has to know
FORM = 1

# the device of files that were loaded before the manifest noted it
_UNNAMED = "unnamed"
_FOLDER = ".wearables-release-"


@dataclass(frozen=True)
class Wanted:
    """What a release contains.

    Arguments:
        formats: the formats of the tables.
        with_staging: include the staging tables, from which the marts are made.
        with_user_ids: user ids instead of pseudonyms.
        force: accept marts whose tests failed.

    """

    formats: tuple[Format, ...] = FORMATS
    with_staging: bool = False
    with_user_ids: bool = False
    force: bool = False


@dataclass(frozen=True)
class Released:
    """A release that is written.

    Arguments:
        folder: where it is.
        tables: its tables, with their rows.
        participants: the number of participants.
        checksum: the SHA-256 of SHA256SUMS, which stands for all files.

    """

    folder: Path
    tables: tuple[Written, ...]
    participants: int
    checksum: str


def write(engine: db.Engine, settings: Settings, target: Path, wanted: Wanted) -> Released:
    """Write a release of the present marts.

    Arguments:
        engine: the database.
        settings: the settings.
        target: the folder to write, which must be empty if it exists.
        wanted: what it contains.

    Raises:
        UsageError: the folder is not empty, or cannot be written to.
        TestsFailedError: tests of the marts failed in the last build.
        PipelineError: there are no marts, or they are not of the present state.

    """
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise UsageError(f"{target} exists and is not empty", hint="Name a new folder: a release is never changed.")
    with _disk(target), temporary_folder(_FOLDER, target.absolute().parent) as scratch:
        folder = scratch / "release"
        folder.mkdir(mode=0o700)
        with opened(engine, settings) as snapshot:
            released = _Writing(snapshot, settings, wanted, folder, scratch).write()
        # replaces an empty folder
        folder.rename(target)
    return Released(target, *released)


class _Writing:
    def __init__(self, snapshot: Snapshot, settings: Settings, wanted: Wanted, folder: Path, scratch: Path) -> None:
        self._snapshot = snapshot
        self._settings = settings
        self._wanted = wanted
        self._folder = folder
        self._scratch = scratch

    def write(self) -> tuple[tuple[Written, ...], int, str]:
        build = self._snapshot.build(force=self._wanted.force)
        facts = self._snapshot.facts()
        in_force = cut_offs.in_force(self._settings)
        schemas = ("marts", *(("staging",) if self._wanted.with_staging else ()))
        parsed = transform.parsed_project(self._settings, transform.vars_of(self._settings))
        dictionary = Dictionary(parsed, (each.name for each in in_force))
        tables = [
            table.shown(with_user_ids=self._wanted.with_user_ids)
            for table in dictionary.tables(build.relations, schemas)
        ]
        users = self._snapshot.participants_of(tables)
        known = {user_id for found in users.values() for user_id in found if user_id is not None}
        names, mask = self._names(known, tables)
        (self._folder / "data").mkdir()
        written = [self._table(table, names, users.get(table.name, set()), mask) for table in tables]
        flow = listings.flow_of(tables)
        if flow:
            self._csv(flow, self._folder / "flow.csv", names, set(), mask)
        listings.write_files(self._folder / "files.csv", self._snapshot.files(), mask)
        listings.write_cut_offs(self._folder / "cut_offs.csv", in_force, tables)
        listings.write_codebook(self._folder / "codebook.csv", tables, in_force)
        title = f"Wearables study, data to {facts.as_of_date or 'the last load'}"
        (self._folder / "codebook.html").write_text(codebook.page(tables, in_force, title), encoding="utf-8")
        everybody = users.get(PARTICIPANTS, set())
        others = [*([replace(flow, name="flow")] if flow else []), listings.FILES, listings.CUT_OFFS, listings.CODEBOOK]
        referring = {name for name, found in users.items() if found <= everybody}
        description = package.describe(self._folder, written, others, referring)
        self._json("datapackage.json", {**description, "title": title, "version": __version__})
        self._json("versions.json", self._versions(build, facts, len(known)))
        text = readme.text(title, build, facts, written, with_user_ids=self._wanted.with_user_ids)
        (self._folder / "README.md").write_text(text, encoding="utf-8")
        checksums.write(self._folder)
        return tuple(written), len(known), checksums.sha256_of(self._folder / checksums.NAME)

    def _names(self, known: set[str], tables: list[Table]) -> tuple[Names, Callable[[str], str]]:
        """Return what stands for participants and devices, and what removes user ids from texts."""
        if self._wanted.with_user_ids:
            return Names({each: each for each in known}, {}), str
        unknown = self._snapshot.devices_of(tables) - _known_devices()
        devices = {name: f"device {given}" for name, given in self._snapshot.pseudonyms(unknown).items()}
        return Names(self._snapshot.pseudonyms(known), devices), pseudonym.Mask(known | self._snapshot.known_ids())

    def _table(self, table: Table, names: Names, users: set[str | None], mask: Callable[[str], str]) -> Written:
        formats = self._wanted.formats
        place = self._folder / "data" if "csv" in formats else self._scratch
        path = place / f"{table.name}.csv"
        rows = self._csv(table, path, names, users, mask)
        if "parquet" in formats:
            parquet.write(path, self._folder / "data" / f"{table.name}.parquet", table.columns)
        if place == self._scratch:
            path.unlink()
        return Written(table, rows, formats)

    def _csv(
        self,
        table: Table,
        path: Path,
        names: Names,
        users: set[str | None],
        mask: Callable[[str], str],
    ) -> int:
        with path.open("w", encoding="utf-8", newline="") as file:
            file.write(",".join(column.name for column in table.columns) + "\n")
            rows = self._snapshot.copy(table, names, users, file)
        if any(column.handling == "masked" for column in table.columns):
            plain = path.rename(self._scratch / f"{table.name}.plain")
            listings.masked(plain, path, table, mask)
            plain.unlink()
        return rows

    def _versions(self, build: Build, facts: Facts, participants: int) -> dict[str, Any]:
        return {
            "form": FORM,
            "pipeline": __version__,
            "dbt": version("dbt-core"),
            "postgresql": facts.server_version,
            "models": build.models,
            "inputs": build.inputs,
            "as_of_date": facts.as_of_date and facts.as_of_date.isoformat(),
            "last_load": facts.last_load and facts.last_load.astimezone(UTC).isoformat(),
            "files_loaded": facts.files_loaded,
            "participants": participants,
            "participants_are": "user_ids" if self._wanted.with_user_ids else "pseudonyms",
            # pseudonyms of different keys cannot be compared
            "pseudonyms_from_key": None if self._wanted.with_user_ids else self._snapshot.name_of_key(),
            "failed_tests": list(build.failed_tests),
            # they decide the bytes of Parquet files, and nothing else
            "parquet_written_with": {name: version(name) for name in ("fastparquet", "pandas", "cramjam")}
            if "parquet" in self._wanted.formats
            else None,
        }

    def _json(self, name: str, document: Any) -> None:
        text = json.dumps(document, indent=2, ensure_ascii=False)
        (self._folder / name).write_text(f"{text}\n", encoding="utf-8", newline="\n")


def _known_devices() -> set[str]:
    """Return the names of devices that no owner has given."""
    return {layout.device for dataset in declared() for layout in dataset.layouts} | {_UNNAMED}


@contextmanager
def _disk(target: Path) -> Iterator[None]:
    try:
        yield
    except OSError as exc:
        reason = exc.strerror or type(exc).__name__
        raise UsageError(
            f"{target} cannot be written ({reason})",
            hint="Name a folder on a disk with enough room, in a folder that exists and that you may write to.",
        ) from exc
