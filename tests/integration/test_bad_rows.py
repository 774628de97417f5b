"""Bad rows anywhere in a large file: good rows that go through COPY as they are load as if every row were judged."""

import os
from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta
from random import Random

import pytest
from sqlalchemy import Engine

from ingestion import db
from ingestion.load import file as load_file
from ingestion.load.stream import CHUNK_BYTES
from ingestion.load.work import Loaded
from ingestion.sources import dataset_named
from tests.integration.test_rewritten import Loader, Outcome, judged

HEADER = "Id,SleepDay,TotalSleepRecords,TotalMinutesAsleep,TotalTimeInBed"
BAD = (
    *("7,4/12/2016,1,2", "7,4/12/2016,1,2,3,4", "7,4/12/2016,1,many,3", "7,4/12/2016,1,-2,3", ",4/12/2016,1,2,3"),
    *('7,4/12/2016,1,"2\n\n",3', '7,4/12/2016,1,2,"3', "7,4/12/2016,1,\0,3", "7,4/31/2016,1,2,3", "7,today,1,2,3"),
    *("7,4/12/2016,1,NaN,3", "7,4/12/2016,1,2,3\r", "7,4/12/2016,1,2,1441", "7,4/12/2016,1,2," + "9" * 30),
)
# not as the others, and good or nothing
ODD = ('"7","4/12/2016","1","2","3"', '"\n7",4/12/2016,1,2,3', "7,2/29/2016,1,2,3", " 7 ,4/12/2016,1, 2,3", "", ",,,,")


def content(random: Random) -> bytes:
    """Return a file of several chunks, with bad and odd rows at random places, or where a chunk ends."""
    newline = random.choice(("\n", "\r\n"))
    where = random.choice(("borders", "first", "last", "anywhere"))
    rows = random.choice((CHUNK_BYTES // 60, CHUNK_BYTES // 25))
    chosen = {"first": {0}, "last": {rows - 1}}.get(where, {random.randrange(rows) for _ in range(9)})
    lines, size = [HEADER], len(HEADER + newline)
    day = datetime(2016, 4, 1)  # noqa: DTZ001
    for number in range(rows):
        at = day + timedelta(days=number % 30)
        line = f"{5_000_000_000 + number // 30},{at.month}/{at.day}/{at.year},1,{random.randint(0, 1440)},500"
        # chunks end where the buffers of the text and of the records do, with the header and without it
        is_at_border = where == "borders" and (size + 60) % CHUNK_BYTES < len(HEADER) + 120
        if number in chosen or is_at_border:
            line = random.choice((*BAD, *ODD)).replace("\n", newline)
        lines.append(line)
        size += len(line + newline)
    text = newline.join(lines) + random.choice(("", newline))
    return text.encode()


def facts(outcome: Outcome) -> tuple[object, ...]:
    """Return what must be equal. What is said of the evidence may differ: some rows were not looked at."""
    loaded = outcome.loaded
    told = (loaded.counts, loaded.checksum) if isinstance(loaded, Loaded) else loaded
    return told, outcome.rows, outcome.rejected


@pytest.fixture
def loader(engine: Engine) -> Iterator[Loader]:
    with db.session(engine, autocommit=False) as connection:
        yield Loader(connection)


def test_files_with_bad_rows_anywhere_load_as_if_every_row_were_judged(
    loader: Loader, monkeypatch: pytest.MonkeyPatch
) -> None:
    """8 files, or BAD_ROWS_EXAMPLES; always the same, or others from BAD_ROWS_SEED on."""
    counts: Counter[str] = Counter()
    first = int(os.environ.get("BAD_ROWS_SEED", "0"))
    for number in range(first, first + int(os.environ.get("BAD_ROWS_EXAMPLES", "8"))):
        text = content(Random(number))  # noqa: S311  (no secret)
        fast = loader.load(dataset_named("sleep"), "sleep_day.csv", text)
        with judged(), monkeypatch.context() as patch:
            patch.setattr(load_file, "certainly_good", lambda *_: None)
            slow = loader.load(dataset_named("sleep"), "sleep_day.csv", text)
        assert facts(fast) == facts(slow), number
        counts["loaded" if isinstance(fast.loaded, Loaded) else "refused"] += 1
        counts["rejected"] += len(fast.rejected)
    assert counts["loaded"] > counts["refused"]
    assert counts["rejected"] > 20, "too few bad rows"
