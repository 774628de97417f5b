"""Small files of every kind load together as they load alone with each row judged.

The exports of all devices are drawn, most of them damaged a little, and files in random forms, as CSV and as JSON.
"""

import csv
import io
import json
import os
from collections import Counter
from pathlib import Path
from random import Random
from typing import Any

import pytest

from ingestion import load
from ingestion.file_transaction import group
from ingestion.load import file as load_file
from tests.datasets import DATASETS
from tests.drops import Landing
from tests.integration import exports
from tests.integration.test_groups import RECORDS, REJECTED, each_alone
from tests.integration.test_rewritten import ODD_DATES, ODD_IDS, ODD_NUMBERS, TEXTS, File

EXPORTS = sorted(
    path for path in Path(exports.__file__).parent.glob("*/landing/**/*") if path.suffix in {".csv", ".json", ".txt"}
)
ODD = (
    *TEXTS,
    *ODD_IDS,
    *ODD_NUMBERS,
    *ODD_DATES,
    "null",
    "true",
    '"5"',
    "{}",
    "[1]",
    "2026-02-29",
    "02/29/24",
    "1.250",
)
FIRST = int(os.environ.get("GROUPS_SEED", "0"))
SEEDS = range(FIRST, FIRST + int(os.environ.get("GROUPS_SEEDS", "4")))


def everything(landing: Landing) -> dict[str, list[str]]:
    """Return all rows with the names of their files, records and rejected rows, each in an order of its own."""
    queries = {
        dataset.name: "select m.source_filename, (to_jsonb(t) - '_file_id' - '_loaded_at')::text"
        f" from raw.{dataset.name} as t join ops.raw_ingest_manifest as m on m.file_id = t._file_id"
        for dataset in DATASETS
    }
    queries |= {"records": RECORDS, "rejected": REJECTED}
    return {name: sorted(map(repr, landing.rows(query))) for name, query in queries.items()}


def forget(landing: Landing) -> None:
    """Empty the tables."""
    tables = ", ".join(f"raw.{dataset.name}" for dataset in DATASETS)
    landing.rows(f"truncate {tables}, ops.raw_ingest_manifest, ops.rejected_rows; select 1")


def damaged(random: Random, text: str) -> str:
    """Return a text with a few of its characters, fields or lines changed."""
    for _ in range(random.choice((0, 0, 0, 1, 1, 3))):
        place = random.randrange(len(text))
        end = place
        while end < len(text) and text[end] not in ',;:"\n{}[]':
            end += 1
        start = max(text.rfind(each, 0, place) for each in ',;:"\n{}[]') + 1
        line = text.find("\n", place) + 1
        digit = str(random.randrange(10))
        text = random.choice(
            (
                text[:start] + random.choice(ODD) + text[end:],
                text[:place] + digit + text[place + text[place].isdigit() :],
                text[:place] + text[place + 1 :],
                text[:line] + "\n" + text[line:],
                text[:line] + text[line : text.find("\n", line) + 1] + text[line:],
            )
        )
    return text


def export(random: Random, number: int) -> tuple[str, bytes]:
    """Return an export of a device in a folder of its own."""
    path = random.choice(EXPORTS)
    name = str(path.relative_to(next(each for each in path.parents if each.name == "landing")))
    folder, _, rest = name.rpartition("user_id=")
    rest = rest.partition("/")[2] if folder or name.startswith("user_id=") else name
    content = path.read_bytes()
    if random.random() < 0.7:
        content = damaged(random, content.decode()).encode(errors="replace")
    return f"{folder}user_id=E{number}/{rest}", content


def table(random: Random, number: int) -> tuple[str, bytes]:
    """Return a file in a random form."""
    file = File(random)
    return f"{number}/" + file.name.replace("user_id=P 5", f"user_id=P {number}"), file.content()


def objects(random: Random, number: int) -> tuple[str, bytes]:
    """Return a file in a random form as objects of JSON."""
    file = File(random)
    rows = list(csv.reader(io.StringIO(file.content().decode(errors="replace"), newline=""), delimiter=file.delimiter))
    lines = []
    for row in rows[1:]:
        found: dict[str, Any] = dict(zip(rows[0], row, strict=False))
        for name, text in found.items():
            if text.isascii() and text.isdigit() and len(text) < 15 and random.random() < 0.5:
                found[name] = int(text)
            elif random.random() < 0.02:
                found[name] = random.choice([None, True, 1.5, 1e300, [1, "x"], {"a": {"b": "\x00"}}, "\ud800", "é"])
        lines.append(json.dumps(found, ensure_ascii=random.random() < 0.5))
    text = ("\n".join(lines) + "\n").encode(errors="surrogatepass")
    name = file.name.replace("user_id=P 5", f"user_id=P {number}").replace(".csv", ".ndjson")
    return f"{number}/{name}", text


@pytest.mark.parametrize("seed", SEEDS)
def test_files_of_every_kind_load_together_as_they_load_alone(
    landing: Landing, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    random = Random(seed)  # noqa: S311  (no secret)
    bundled: Counter[bool] = Counter()
    for number in range(60):
        name, content = random.choice((export, export, table, objects))(random, number)
        landing.put(name, content)
    examine = load.examine

    def note(work: Any) -> Any:
        found = examine(work)
        bundled[isinstance(found, load.Ready)] += 1
        return found

    with monkeypatch.context() as patch:
        patch.setattr(group, "examine", note)
        together = landing.statuses()
    found = everything(landing)
    landing.check()
    forget(landing)
    with each_alone(monkeypatch) as patch:
        patch.setattr(load_file, "can_rewrite", lambda _: False)
        alone = landing.statuses()
    assert alone == together
    expected = everything(landing)
    # not the whole of both, which nobody could read
    assert {name: Counter(found[name]) - Counter(rows) for name, rows in expected.items() if rows != found[name]} == {}
    assert expected == found
    assert bundled[True] > 10, bundled
