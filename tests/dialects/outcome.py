"""Loads an example, and judges what became of it."""

import os
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Literal

from psycopg2.sql import SQL, Identifier

from ingestion import db
from ingestion.results import FileResult
from tests.dialects.example import Example
from tests.dialects.table import DEVICE
from tests.drops import Landing

Verdict = Literal["loaded exactly", "some rows in quarantine", "refused"]
VERDICTS: tuple[Verdict, ...] = ("loaded exactly", "some rows in quarantine", "refused")


class WrongError(AssertionError):
    """Something went in that the file does not say, or was lost without a trace."""


@dataclass
class Loader:
    """Loads examples into one database, each as if it were the first.

    Arguments:
        landing: the landing zone and its database.

    """

    landing: Landing

    def load(self, example: Example) -> Verdict:
        """Load an example.

        Arguments:
            example: the example.

        Raises:
            WrongError: its rows are neither in raw nor in quarantine, or others are there.

        """
        files = [example.earlier] if example.earlier else []
        try:
            for name, content in [*files, (example.name, example.content)]:
                path = self.landing.put(name, content)
                os.utime(path, (example.written_at.timestamp(),) * 2)
                (result,) = self.landing.ingest().files
                path.unlink()
            return judge(example, result, self._rows(example), self._rejected(example))
        finally:
            path.unlink(missing_ok=True)
            self._clear(example)

    def _rows(self, example: Example) -> list[tuple[Any, ...]]:
        kind = example.table.kind
        names = [field.column for field in kind.columns if field.column]
        if "user_id" not in names:
            names.insert(0, "user_id")
        return self.landing.rows(
            f"select {', '.join(names)}, _extra ->> '{DEVICE}' from raw.{kind.dataset} where _file_id is {_of(example)}"
        )

    def _rejected(self, example: Example) -> int:
        ((count,),) = self.landing.rows(f"select count(*) from ops.rejected_rows where file_id is {_of(example)}")
        return int(count)

    def _clear(self, example: Example) -> None:
        with db.session(self.landing.engine) as connection, connection.cursor() as cursor:
            cursor.execute(SQL("delete from {}").format(Identifier("raw", example.table.kind.dataset)))
            cursor.execute("delete from ops.rejected_rows; delete from ops.raw_ingest_manifest")


def _of(example: Example) -> str:
    """Return an SQL condition on a file's id: not that of the earlier file."""
    earlier = example.earlier[0] if example.earlier else ""
    return f"distinct from (select max(file_id) from ops.raw_ingest_manifest where source_filename = '{earlier}')"


def judge(example: Example, result: FileResult, rows: list[tuple[Any, ...]], rejected: int) -> Verdict:
    """Return what became of an example.

    Arguments:
        example: the example.
        result: what the pipeline says of it.
        rows: what raw holds.
        rejected: the number of rows in quarantine.

    Raises:
        WrongError: its rows are neither in raw nor in quarantine, or others are there.

    """
    counts = result.counts
    found = Counter(_comparable(row) for row in rows)
    truth = Counter(_comparable(row) for row in example.table.expected)

    def require(is_right: bool, problem: str) -> None:
        if not is_right:
            raise WrongError(f"{problem}\nthe pipeline says: {_said(result)}")

    if result.status == "refused":
        require(not rows, "a refused file has rows in raw")
        require(bool(result.reason), "a file was refused without a reason")
        require(not example.is_plain, "a plain file was refused")
        return "refused"
    require(result.status == "loaded", f"the file is {result.status}")
    wrong = found - truth
    require(not wrong, f"{wrong.total()} of {found.total()} rows are wrong, such as\n{next(iter(wrong), None)}")
    require(counts.loaded == found.total(), "the count of loaded rows is wrong")
    require(counts.rejected == rejected, "the count of rejected rows is wrong")
    require(counts.read == counts.loaded + counts.rejected + counts.blank + counts.erased, "the counts do not add up")
    missing = (truth - found).total()
    require(missing <= rejected, f"{missing} rows are missing, and {rejected} are in quarantine")
    require(not (missing and example.is_plain), f"{missing} rows of a plain file were rejected")
    return "some rows in quarantine" if missing else "loaded exactly"


@dataclass
class Tally:
    """Counts outcomes by feature of the dialect."""

    counts: dict[str, Counter[str]] = field(default_factory=dict)

    def add(self, example: Example, verdict: str) -> None:
        """Count an example.

        Arguments:
            example: the example.
            verdict: what became of it.

        """
        features = [*example.features, "all", *(["plain"] if example.is_plain else [])]
        for feature in features:
            self.counts.setdefault(feature, Counter())[verdict] += 1

    def __str__(self) -> str:
        rows = [f"{'feature':36}" + "".join(f"{verdict:>25}" for verdict in VERDICTS)]
        for feature, counts in sorted(self.counts.items()):
            rows.append(f"{feature:36}" + "".join(f"{counts[verdict]:25}" for verdict in VERDICTS))
        return "\n".join(rows)


def _comparable(row: tuple[Any, ...]) -> tuple[Any, ...]:
    # ids may be numbers or texts
    return (str(row[0]), *row[1:])


def _said(result: FileResult) -> str:
    notes = [
        result.reason,
        *map(str, result.remarks),
        *(f"{fault.column}: {fault.reason} {fault.rows}" for fault in result.faults),
    ]
    counts = result.counts
    return (
        f"{result.status}, {counts.read} read, {counts.loaded} loaded, {counts.rejected} rejected,"
        f" {counts.blank} blank; {'; '.join(filter(None, notes))}"
    )
