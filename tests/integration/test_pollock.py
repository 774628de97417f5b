"""Polluted files, as the Pollock benchmark describes them: no wrong row goes in, and the docs say what happens."""

import os
import re
import traceback
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from ingestion import db
from ingestion.config import ROOT, Database, Settings
from ingestion.results import FileResult
from tests.conftest import clone_database, drop_database
from tests.drops import Landing
from tests.pollution import Polluted, Pollution, pollutions

PAGE = ROOT / "docs" / "polluted-files.md"
HEAD = "| level | the file has | what happens |\n|---|---|---|\n"
COLUMNS = (
    "user_id, activity_date, total_steps, very_active_minutes, fairly_active_minutes, lightly_active_minutes,"
    # a pollution of the header may change the name
    " sedentary_minutes, calories, (select value from jsonb_each_text(_extra) order by key not like '%evi%' limit 1)"
)


@dataclass(frozen=True)
class Outcome:
    """What became of one file.

    Arguments:
        polluted: the file.
        result: what the pipeline says, None where it crashed.
        rows: what raw holds.

    """

    polluted: Polluted
    result: FileResult | None
    rows: Counter[tuple[Any, ...]]

    @property
    def missing(self) -> int:
        """The number of rows that are not in raw."""
        return (_counted(self.polluted.truth) - self.rows).total()

    @property
    def problem(self) -> str | None:
        """What is wrong about it."""
        if self.result is None or self.result.status not in {"loaded", "refused"}:
            return f"the file is {self.result.status}" if self.result else "the load crashed"
        if wrong := self.rows - _counted(self.polluted.truth):
            return f"{wrong.total()} wrong rows, such as {next(iter(wrong))}"
        if self.result.status == "refused":
            return "a refused file has rows" if self.rows else None
        counts = self.result.counts
        if counts.read != counts.loaded + counts.rejected + counts.blank or counts.loaded != self.rows.total():
            return f"the counts do not add up: {counts}"
        if self.missing > counts.rejected * self.polluted.rows_per_line:
            return f"{self.missing} rows are missing, and {counts.rejected} are in quarantine"
        return None

    def __str__(self) -> str:
        """Return what happened, for the docs."""
        if self.result is None:
            return "the run fails"
        if self.result.status == "refused":
            reason = (self.result.reason or "").removeprefix(f"{self.polluted.name}: ")
            reason = re.sub(r"^line \d+(?:, column \w+)?: ", "", reason)
            reason = re.sub(
                r"(the header lacks|a column twice:|too many for the rest to be trusted).*", r"\1 …", reason
            )
            return f"refused: `{re.sub(r'[0-9,]*[0-9]', 'N', reason).replace('…', '...')}`"
        reasons = ", ".join(sorted({f"`{fault.reason}`" for fault in self.result.faults}))
        if self.missing:
            return f"bad rows go to quarantine ({reasons}), the others load"
        return f"all rows load; other lines go to quarantine ({reasons})" if reasons else "all rows load"


def _counted(rows: Any) -> Counter[tuple[Any, ...]]:
    # ids may be numbers or texts; a text is kept as it is written, with escapes and spaces that its reader may remove
    return Counter((str(row[0]), *row[1:-1], re.sub(r'[\\"]', "", row[-1] or "").strip()) for row in rows)


@pytest.fixture(scope="module")
def outcomes(
    server: Database, template: Database, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, list[Outcome]]]:
    """What became of each file, by the kind of pollution."""
    database = clone_database(server, f"pollock_{os.getpid()}", template)
    engine = db.create_engine(Settings(database=database))
    landing = Landing(tmp_path_factory.mktemp("landing"), engine)
    yield {kind.name: [_load(landing, polluted) for polluted in kind.files] for kind in pollutions()}
    drop_database(server, database)


def _load(landing: Landing, polluted: Polluted) -> Outcome:
    path = landing.put(polluted.name, polluted.content)
    result: FileResult | None
    try:
        (result,) = landing.ingest().files
    except Exception:  # noqa: BLE001  (a crash is an outcome, and the other kinds are of interest)
        traceback.print_exc()
        result = None
    rows = _counted(landing.rows(f"select {COLUMNS} from raw.daily_activity"))
    path.unlink()
    with db.session(landing.engine) as connection, connection.cursor() as cursor:
        cursor.execute(
            "delete from raw.daily_activity; delete from ops.rejected_rows; delete from ops.raw_ingest_manifest"
        )
    return Outcome(polluted, result, rows)


@pytest.mark.parametrize("kind", pollutions(), ids=lambda kind: kind.name)
def test_no_wrong_row_goes_in_and_none_is_lost(kind: Pollution, outcomes: dict[str, list[Outcome]]) -> None:
    for outcome in outcomes[kind.name]:
        said = f"\nthe pipeline says: {outcome.result}\n{outcome.polluted.content[:3000].decode(errors='replace')}"
        assert outcome.problem is None, outcome.problem + said
        if kind.must_load:
            assert str(outcome).startswith("all rows load"), f"it has to load, but: {outcome}{said}"


def test_the_docs_say_what_happens(outcomes: dict[str, list[Outcome]]) -> None:
    table = HEAD + "".join(
        f"| {kind.level} | {kind.name} | {_described(Counter(map(str, outcomes[kind.name])))} |\n"
        for kind in pollutions()
    )
    if "UPDATE_DOCS" in os.environ:
        before = PAGE.read_text(encoding="utf-8").partition(HEAD)[0]
        PAGE.write_text(before + table, encoding="utf-8")
    assert PAGE.read_text(encoding="utf-8").endswith(table), (
        f"run this test with UPDATE_DOCS=1, and read what it changes in {PAGE.name}"
    )


def _described(texts: Counter[str]) -> str:
    if len(texts) == 1:
        return next(iter(texts))
    ordered = sorted(texts.items(), key=lambda pair: (-pair[1], pair[0]))
    return "<br>".join(f"{text} ({count} of {texts.total()} files)" for text, count in ordered)
