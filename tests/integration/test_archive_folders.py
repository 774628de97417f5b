"""Archives and workbooks as folders: each member is a file of the landing zone, loaded once."""

import gzip
import io
import json
import re
import tarfile
import zipfile
from collections import Counter
from pathlib import Path
from typing import Any, BinaryIO
from uuid import uuid4

import openpyxl
import pytest

from ingestion import db, manifest, retraction
from ingestion.errors import UsageError
from ingestion.ingest import Plan, ingest
from ingestion.modes import grouping
from ingestion.results import IngestResult
from ingestion.storage import LocalStorage, StoredFile, local, open_storage
from tests.drops import Invoke, Landing, activity, sleep

MEMBERS = {f"Takeout/Fitbit/sleep-{number:03}.csv": sleep(number) for number in range(1, 301)}
OF_NO_DATASET = "Takeout/archive_browser.html"


def zipped(members: dict[str, bytes]) -> bytes:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in members.items():
            file.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)
    return archive.getvalue()


def tarred(members: dict[str, bytes]) -> bytes:
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as file:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            file.addfile(info, io.BytesIO(content))
    return archive.getvalue()


def workbook(**sheets: list[list[object]]) -> bytes:
    book = openpyxl.Workbook()
    book.remove(book.active)
    for title, rows in sheets.items():
        sheet = book.create_sheet(title)
        for row in rows:
            sheet.append(row)
    content = io.BytesIO()
    book.save(content)
    return content.getvalue()


def table(content: bytes) -> list[list[object]]:
    return [list(line.split(",")) for line in content.decode().splitlines()]


@pytest.fixture(autouse=True)
def _tokens_are_strong(monkeypatch: pytest.MonkeyPatch) -> None:
    """Trust the times of files that were just written."""
    monkeypatch.setattr(local, "_RACY_SECONDS", 0)


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often each file of the directory itself was opened."""
    counts: Counter[str] = Counter()
    open_file = LocalStorage.open

    def counting(storage: LocalStorage, file: StoredFile) -> BinaryIO:
        counts[file.name] += 1
        return open_file(storage, file)

    monkeypatch.setattr(LocalStorage, "open", counting)
    return counts


def load(landing: Landing, **plan: object) -> IngestResult:
    return ingest(landing.engine, open_storage(str(landing.root)), uuid4(), Plan(**plan))  # type: ignore[arg-type]


def states(result: IngestResult) -> Counter[str]:
    return Counter(file.status for file in result.files)


def users(landing: Landing, table: str = "raw.sleep") -> list[int]:
    return sorted(int(user) for user in landing.users(table))


def test_a_second_run_opens_the_archive_not_once(landing: Landing, opened: Counter[str]) -> None:
    landing.put("user_id=7/takeout.zip", zipped({**MEMBERS, OF_NO_DATASET: b"<html/>", "Takeout/x.bin": b"\0"}))
    result = load(landing)
    assert states(result) == {"loaded": 300, "unknown": 1}
    (unknown,) = (file for file in result.files if file.status == "unknown")
    assert (unknown.filename, unknown.reason) == ("user_id=7/takeout.zip", "2 of its members are of no dataset")
    assert opened == {"user_id=7/takeout.zip": 1}
    opened.clear()
    assert states(load(landing)) == {"skipped": 300, "unknown": 1}
    assert not opened
    landing.check()


def test_a_later_export_contains_the_earlier_one(landing: Landing) -> None:
    landing.put("takeout-1.zip", zipped(MEMBERS))
    load(landing)
    landing.put("takeout-2.zip", zipped({**MEMBERS, "Takeout/Fitbit/sleep-301.csv": sleep(301)}))
    assert states(load(landing)) == {"skipped": 300, "duplicate": 300, "loaded": 1}
    assert states(load(landing)) == {"skipped": 301, "duplicate": 300}
    assert users(landing) == list(range(1, 302))
    landing.check()


def test_a_changed_archive_of_the_same_name(landing: Landing) -> None:
    landing.put("a.zip", zipped({"sleep-1.csv": sleep(1), "sleep-2.csv": sleep(2)}))
    load(landing)
    landing.put("a.zip", zipped({"sleep-1.csv": sleep(1), "sleep-2.csv": sleep(2, 3)}))
    assert landing.statuses() == {"a.zip!/sleep-1.csv": "skipped", "a.zip!/sleep-2.csv": "replaced"}
    landing.put("a.zip", zipped({"sleep-2.csv": sleep(2, 3)}))
    result = load(landing)
    assert {file.filename: file.status for file in result.files} == {"a.zip!/sleep-2.csv": "skipped"}
    assert result.vanished == ["a.zip!/sleep-1.csv"]
    assert users(landing) == [1, 2, 3]
    landing.check()


@pytest.mark.parametrize("name", ["a.tar", "a.tar.gz", "A.TGZ"])
def test_a_tar(landing: Landing, name: str) -> None:
    content = tarred({"x/sleep.csv": sleep(1), "x/daily_activity.csv.gz": gzip.compress(activity(2))})
    landing.put(name, content if name.endswith(".tar") else gzip.compress(content))
    members = {f"{name}!/x/sleep.csv", f"{name}!/x/daily_activity.csv.gz"}
    assert landing.statuses() == dict.fromkeys(members, "loaded")
    assert landing.statuses() == dict.fromkeys(members, "skipped")
    assert (users(landing), users(landing, "raw.daily_activity")) == ([1], [2])


def test_a_tar_with_one_file_is_a_folder_too(landing: Landing) -> None:
    landing.put("a.tar", tarred({"sleep.csv": sleep(1)}))
    assert landing.statuses() == {"a.tar!/sleep.csv": "loaded"}


def test_archives_in_archives_are_folders_one_level_deep(landing: Landing) -> None:
    deepest = zipped({"sleep-8.csv": sleep(8), "sleep-9.csv": sleep(9)})
    inner = zipped({"sleep-1.csv": sleep(1), "sleep-2.csv": sleep(2), "deep.zip": deepest})
    many = {
        f"{number}.zip": zipped({"sleep-a.csv": sleep(number), "sleep-b.csv": sleep(-number)})
        for number in range(20, 30)
    }
    landing.put("a.zip", zipped({"inner.zip": inner, "sleep.zip": zipped({"x.csv": sleep(3)}), **many}))
    result = load(landing, workers=4)
    assert states(result) == {"loaded": 23, "unknown": 1}
    assert {"a.zip!/inner.zip!/sleep-1.csv", "a.zip!/sleep.zip"} <= {file.filename for file in result.files}
    assert states(load(landing)) == {"skipped": 23, "unknown": 1}
    assert states(load(landing, only=frozenset({"a.zip!/inner.zip"}))) == {"skipped": 2, "unknown": 1}


def test_a_workbook_of_two_sheets(landing: Landing) -> None:
    landing.put("user_id=7/book.xlsx", workbook(Nights=table(sleep(1)), Days=table(activity(2)), Notes=[]))
    members = {"user_id=7/book.xlsx!/Nights.xlsx": "sleep", "user_id=7/book.xlsx!/Days.xlsx": "daily_activity"}
    result = load(landing)
    assert {file.filename: file.dataset for file in result.files} == members
    assert states(result) == {"loaded": 2}
    assert states(load(landing)) == {"skipped": 2}
    landing.put("user_id=7/copy.xlsx", (landing.root / "user_id=7/book.xlsx").read_bytes())
    assert states(load(landing)) == {"skipped": 2, "duplicate": 2}
    landing.check()


def test_two_sheets_of_one_dataset_are_two_files(landing: Landing) -> None:
    landing.put("book.xlsx", workbook(January=table(sleep(1)), February=table(sleep(1, 2))))
    assert set(landing.statuses().values()) == {"loaded"}
    landing.put("book.xlsx", workbook(January=table(sleep(1)), February=table(sleep(2, 3))))
    assert states(load(landing)) == {"replaced": 2}
    assert users(landing) == [1, 2, 3]
    landing.check()


def retract(landing: Landing, name: str) -> int:
    with db.transaction(landing.engine) as connection:
        return len(retraction.retract(connection, "raw", name, "wrong", uuid4()))


def test_one_member_and_a_whole_archive_are_retracted(landing: Landing) -> None:
    landing.put("a.zip", zipped({f"sleep-{number}.csv": sleep(number) for number in (1, 2, 3)}))
    landing.put("a.zip.old/sleep.csv", sleep(4))
    load(landing)
    assert retract(landing, "a.zip!/sleep-1.csv") == 1
    assert users(landing) == [2, 3, 4]
    assert retract(landing, "a.zip") == 2
    assert users(landing) == [4]
    assert states(load(landing)) == {"retracted": 3, "skipped": 1}
    assert states(load(landing, only=frozenset({"a.zip"}), force=True)) == {"loaded": 3}
    assert users(landing) == [1, 2, 3, 4]
    landing.check()


def test_a_member_or_an_archive_can_be_named(landing: Landing) -> None:
    landing.put("a.zip", zipped({"sleep-1.csv": sleep(1), "sleep-2.csv": sleep(2), "x.html": b"<p>"}))
    landing.put("sleep-4.csv", sleep(4))
    assert states(load(landing, only=frozenset({"a.zip!/sleep-2.csv"}))) == {"loaded": 1}
    assert users(landing) == [2]
    assert states(load(landing, only=frozenset({"a.zip"}))) == {"loaded": 1, "skipped": 1, "unknown": 1}
    assert users(landing) == [1, 2]
    for absent in ("b.zip", "a.zip!/sleep-3.csv"):
        with pytest.raises(UsageError, match=f"not in the landing zone: {absent}"):
            load(landing, only=frozenset({absent}))


def test_ls_lists_members_and_changes_nothing(
    landing: Landing, invoke: Invoke, capsys: pytest.CaptureFixture[str]
) -> None:
    landing.put("a.zip", zipped({"sleep-1.csv": sleep(1), "bad/sleep.csv": b"", "x.html": b""}))
    assert invoke("ls", "--json") == 0
    listed = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(each["name"], each["state"], each["detail"]) for each in listed] == [
        ("a.zip!/bad/sleep.csv", "new", "would be refused: the file is empty"),
        ("a.zip!/sleep-1.csv", "new", None),
        ("a.zip", "unknown", "1 of its members are of no dataset"),
    ]
    assert landing.rows("select count(*) from ops.archives") == [(0,)]


def test_a_dry_run_and_a_full_reload(landing: Landing) -> None:
    landing.put("a.zip", zipped({"sleep-1.csv": sleep(1), "sleep-2.csv": sleep(2)}))
    assert states(load(landing, dry_run=True)) == {"loaded": 2}
    assert landing.rows("select count(*) from ops.archives") == [(0,)]
    assert users(landing) == []
    for _ in range(2):
        assert states(load(landing, use_manifest=False)) == {"loaded": 2}
        assert users(landing) == [1, 2]


def test_several_workers_and_more_archives_than_are_kept_open(landing: Landing) -> None:
    expected = []
    for number in range(1, 9):
        members = {f"sleep-{number}-{part}.csv": sleep(number * 100 + part) for part in range(20)}
        expected += [number * 100 + part for part in range(20)]
        landing.put(f"{number}.zip", zipped(members))
    assert states(load(landing, workers=4)) == {"loaded": 160}
    assert users(landing) == expected
    assert states(load(landing, workers=4)) == {"skipped": 160}
    landing.check()


def test_an_archive_that_may_still_grow_is_held_back_as_one(landing: Landing) -> None:
    landing.put("a.zip", zipped({"sleep-1.csv": sleep(1), "sleep-2.csv": sleep(2), "x.html": b""}))
    result = load(landing, min_age_seconds=3600)
    assert [(file.filename, file.status) for file in result.files] == [("a.zip", "unsettled")]
    assert users(landing) == []
    named = load(landing, min_age_seconds=3600, only=frozenset({"a.zip!/sleep-1.csv"}))
    assert [(file.filename, file.status) for file in named.files] == [("a.zip!/sleep-1.csv", "unsettled")]


def encrypted() -> bytes:
    content = bytearray(zipped({"sleep-1.csv": sleep(1), "sleep-2.csv": sleep(2)}))
    for mark, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        place = content.find(mark)
        while place >= 0:
            content[place + offset] |= 1
            place = content.find(mark, place + 4)
    return bytes(content)


def damaged_header() -> bytes:
    content = bytearray(tarred({"sleep-1.csv": sleep(1), "sleep-2.csv": sleep(2)}))
    content[1024 + 150] ^= 0xFF
    return bytes(content)


def not_utf8() -> bytes:
    name = "sleep-é.csv"
    return zipped({name: sleep(1), "sleep-2.csv": sleep(2)}).replace(name.encode(), b"sleep-\xff\xff.csv")


def long_name() -> bytes:
    """A tar whose header says that the next name has 4 GiB."""
    info = tarfile.TarInfo("././@LongLink")
    info.type, info.size = tarfile.GNUTYPE_LONGNAME, 4 << 30
    return info.tobuf(tarfile.GNU_FORMAT) + tarred({"sleep-1.csv": sleep(1)})


BOMB = {"sleep-1.csv": bytes(20 << 20), "sleep-2.csv": bytes(20 << 20)}


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("a.zip", zipped({"sleep-1.csv": sleep(1), "sleep-2.csv": sleep(2)})[:-40], "the archive is damaged"),
        ("a.zip", encrypted(), "the archive is encrypted"),
        ("a.zip", zipped(BOMB), "unpacks to more than 200 times its size"),
        ("a.zip", not_utf8(), "the archive is damaged"),
        ("a.zip", b"", "the archive is damaged"),
        ("a.tar", damaged_header(), "the archive is damaged"),
        (
            "a.tar",
            tarred({"sleep-1.csv": sleep(1), "sleep-2.csv": sleep(2)})[:1100],
            "the archive is damaged|incomplete",
        ),
        ("a.tar", long_name(), "the archive is damaged"),
        ("a.tar.gz", gzip.compress(tarred(BOMB)), "unpacks to more than 200 times its size"),
        ("a.tar.gz", gzip.compress(tarred(MEMBERS))[:-9], "the archive is incomplete"),
        ("a.tgz", b"no gzip", "the archive is damaged"),
        ("a.xlsx", b"no workbook", "the archive is damaged"),
    ],
)
def test_a_bad_archive_does_not_stop_the_others(landing: Landing, name: str, content: bytes, reason: str) -> None:
    landing.put(f"0/{name}", content)
    landing.put("b.zip", zipped({"sleep-1.csv": sleep(1), "sleep-2.csv": sleep(2)}))
    for status in ("loaded", "skipped"):
        results = {file.filename: file for file in load(landing).files}
        bad = results.pop(f"0/{name}")
        assert bad.status in {"unknown", "refused"}
        assert re.search(reason, bad.reason or "")
        assert bad.hint
        assert {file.status for file in results.values()} == {status}
    assert users(landing) == [1, 2]


def test_archives_in_an_archive_count_for_its_limits(landing: Landing) -> None:
    """Each of them alone is below them."""
    inner = zipped({"sleep-1.csv": bytes(7 << 20), "sleep-2.csv": bytes(7 << 20)})
    landing.put("a.zip", zipped({f"{number}.zip": inner for number in range(3)}))
    landing.put("sleep-3.csv", sleep(3))
    results = {file.filename: file for file in load(landing).files}
    assert results["a.zip"].reason == "the file unpacks to more than 200 times its size"
    assert results["sleep-3.csv"].status == "loaded"


def test_names_of_members_lead_nowhere(landing: Landing, tmp_path: Path) -> None:
    names = ["../../sleep-1.csv", "/etc/sleep-2.csv", "C:\\x\\sleep-3.csv", "a/\x1b[2Jsleep-4.csv", "b/../sleep-5.csv"]
    landing.put("a.zip", zipped({name: sleep(number) for number, name in enumerate(names, 1)}))
    landing.put("b.tar", tarred({name: sleep(number + 10) for number, name in enumerate(names, 1)}))
    results = load(landing).files
    inside = {"sleep-1.csv", "etc/sleep-2.csv", "C:/x/sleep-3.csv", "b/sleep-5.csv"}
    assert {file.filename.partition("!/")[2] for file in results} >= inside
    assert all(file.filename.isprintable() for file in results)
    assert {path.name for path in tmp_path.rglob("*sleep*")} == set()


def test_of_two_members_of_one_name_the_last_counts(landing: Landing) -> None:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("sleep.csv", sleep(1))
        file.writestr("sleep-3.csv", sleep(3))
        with pytest.warns(UserWarning, match="Duplicate"):
            file.writestr("sleep.csv", sleep(2))
    landing.put("a.zip", archive.getvalue())
    assert states(load(landing)) == {"loaded": 2}
    assert users(landing) == [2, 3]


def test_what_macos_and_editors_add_and_links_are_no_members(landing: Landing) -> None:
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as file:
        for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE):
            info = tarfile.TarInfo(f"sleep-{kind.decode()}.csv")
            info.type, info.linkname = kind, "/etc/passwd"
            file.addfile(info)
        info = tarfile.TarInfo("sleep.csv")
        info.size = len(sleep(1))
        file.addfile(info, io.BytesIO(sleep(1)))
    landing.put("a.tar", archive.getvalue())
    added = dict.fromkeys(("__MACOSX/._sleep-2.csv", ".git/sleep.csv", "x/.sleep.csv", "sleep.csv.part"), b"x")
    landing.put("b.zip", zipped({"sleep-2.csv": sleep(2), "sleep-3.csv": sleep(3), "README.txt": b"x", **added}))
    assert landing.statuses() == dict.fromkeys(
        ("a.tar!/sleep.csv", "b.zip!/sleep-2.csv", "b.zip!/sleep-3.csv"), "loaded"
    )


@pytest.mark.parametrize("name", ["user_id=7/export.zip", "export_user_id=7.zip", "user_id=7.zip"])
def test_the_folder_or_the_name_of_the_archive_names_the_person(landing: Landing, name: str) -> None:
    header = "date,bedtime_start,total_sleep_duration"
    landing.put(name, zipped({"a/notes.csv": header.encode(), "a/sleep-1.csv": sleep(1)}))
    load(landing)
    assert landing.rows("select person from ops.raw_ingest_manifest where status = 'loaded'") == [("7",)]


def test_a_folder_that_is_named_like_an_archive_is_a_folder(landing: Landing) -> None:
    landing.put("wow!/sleep.csv", sleep(1))
    landing.put("export.zip!/sleep.csv", sleep(2))
    assert set(landing.statuses().values()) == {"loaded"}
    assert set(landing.statuses().values()) == {"skipped"}
    assert users(landing) == [1, 2]


def test_an_archive_that_was_loaded_as_one_file_stays_one(landing: Landing) -> None:
    landing.put("sleep.zip", zipped({"x.csv": sleep(1)}))
    landing.put("book.xlsx", workbook(sleep=table(sleep(5))))
    assert landing.statuses() == {"sleep.zip": "loaded", "book.xlsx": "loaded"}
    assert landing.statuses() == {"sleep.zip": "skipped", "book.xlsx": "skipped"}
    landing.put("sleep.zip", zipped({"x.csv": sleep(1), "sleep-2.csv": sleep(2)}))
    assert landing.statuses()["sleep.zip"] == "refused"
    assert users(landing) == [1, 5]
    landing.check()


def test_a_folder_of_which_one_file_is_left_stays_a_folder(landing: Landing) -> None:
    landing.put("sleep.zip", zipped({"sleep-1.csv": sleep(1), "sleep-2.csv": sleep(2)}))
    load(landing)
    landing.put("sleep.zip", zipped({"sleep-1.csv": sleep(1)}))
    assert landing.statuses() == {"sleep.zip!/sleep-1.csv": "skipped"}
    assert users(landing) == [1, 2]


def test_an_archive_that_is_gone_is_one_line_and_a_damaged_one_none(landing: Landing) -> None:
    for name in ("a.zip", "b.zip"):
        members = {f"sleep-{name[0]}{number}.csv": sleep(ord(name[0]) * 10 + number) for number in range(3)}
        landing.put(name, zipped(members))
    landing.put("sleep.csv", sleep(1))
    load(landing)
    (landing.root / "a.zip").unlink()
    landing.put("b.zip", b"PK")
    assert load(landing).vanished == ["a.zip"]


def test_archives_stay_where_they_are(landing: Landing) -> None:
    landing.put("a.zip", zipped({"sleep-1.csv": sleep(1), "sleep-2.csv": sleep(2)}))
    landing.put("sleep-3.csv", sleep(3))
    assert states(load(landing, archive=True)) == {"loaded": 3}
    assert sorted(path.name for path in landing.root.iterdir()) == [".archive", "a.zip"]
    again = load(landing, archive=True)
    assert (states(again), again.vanished) == ({"skipped": 2}, [])


class KilledError(BaseException):
    """The process ends here."""


@pytest.mark.parametrize("call", [1, 2, 4])
def test_a_kill_in_the_middle_loses_and_doubles_nothing(
    landing: Landing, monkeypatch: pytest.MonkeyPatch, call: int
) -> None:
    landing.put("a.zip", zipped({f"sleep-{number}.csv": sleep(number) for number in range(10)}))
    record, calls = manifest.record_loaded, 0

    def killed(*args: Any, **kwargs: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == call:
            raise KilledError
        return record(*args, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(grouping, "_MOST_FILES", 3)
        patch.setattr(manifest, "record_loaded", killed)
        with pytest.raises(KilledError):
            load(landing)
    committed = 3 * (call - 1)
    assert users(landing) == list(range(committed))
    assert states(load(landing)) == Counter({"skipped": committed, "loaded": 10 - committed})
    assert users(landing) == list(range(10))
    landing.check()


def test_an_unchanged_archive_with_duplicates_is_not_opened_again(landing: Landing, opened: Counter[str]) -> None:
    earlier = {f"sleep-{number}.csv": sleep(number) for number in range(1, 4)}
    landing.put("a.zip", zipped(earlier))
    landing.put("b.zip", zipped({**earlier, "sleep-9.csv": sleep(9)}))
    landing.ingest()
    opened.clear()
    assert Counter(file.status for file in landing.ingest().files) == {"skipped": 4, "duplicate": 3}
    assert opened == {}
    landing.put("a.zip", zipped({"sleep-1.csv": sleep(8)}))
    assert landing.statuses()["b.zip!/sleep-1.csv"] == "loaded"
    assert landing.users() == [1, 2, 3, 8, 9]
    landing.check()
