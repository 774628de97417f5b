"""What the backlog decides about a file, and when it reads the file."""

import hashlib
import io
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import BinaryIO, cast

import pytest

from ingestion.backlog import Backlog, Decision, Item
from ingestion.manifest import Contents, LoadedFile, Original
from ingestion.recognition import Memory
from ingestion.storage import Storage, StoredFile

NOW = datetime.now(UTC)


class Files:
    """A landing zone in memory. It remembers which files were read."""

    def __init__(self, **contents: bytes) -> None:
        self.contents = {f"{folder}/sleep.csv": content for folder, content in contents.items()}
        self.read: list[str] = []
        self.archived: set[str] = set()

    def list(self) -> Iterator[StoredFile]:
        for name, content in sorted(self.contents.items()):
            yield StoredFile(name, len(content), checksum(content), is_strong=True, modified_at=NOW)

    def open(self, file: StoredFile) -> BinaryIO:
        self.read.append(file.name)
        return io.BytesIO(self.contents[file.name])

    def is_archived(self, name: str, _checksum: str) -> bool:
        return name in self.archived


def checksum(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def loaded(folder: str, content: bytes, version: str | None = None) -> LoadedFile:
    return LoadedFile("sleep", f"{folder}/sleep.csv", 7, checksum(content), len(content), version)


def backlog_of(
    files: Files,
    *known: LoadedFile,
    retracted: Mapping[tuple[str, str | None, str], int] = MappingProxyType({}),
    duplicates: Mapping[tuple[str, str], str] = MappingProxyType({}),
    **options: object,
) -> Backlog:
    contents = Contents(list(known), dict(retracted), dict(duplicates))
    return Backlog(cast("Storage", files), contents=contents, **options)  # type: ignore[arg-type]


def decide(backlog: Backlog) -> Decision:
    (item,) = backlog.items()
    return backlog.decide(item)


def remembered(files: Files) -> Memory:
    """Return what a first look at files finds."""
    memory = Memory()
    list(backlog_of(files, memory=memory).items())
    files.read.clear()
    return memory


def test_a_file_is_opened_once_to_tell_what_it_is() -> None:
    files = Files(a=b"1234")
    memory = Memory()
    assert decide(backlog_of(files, memory=memory)) == Decision("new")
    assert files.read == ["a/sleep.csv"]
    assert decide(backlog_of(files, memory=memory)) == Decision("new")
    assert files.read == ["a/sleep.csv"]
    files.contents["a/sleep.csv"] = b"12345"
    assert decide(backlog_of(files, memory=memory)) == Decision("new")
    assert files.read == ["a/sleep.csv"] * 2


def test_a_file_of_another_size_is_new_and_not_read() -> None:
    files = Files(a=b"1234")
    memory = remembered(files)
    assert decide(backlog_of(files, loaded("b", b"123"), memory=memory)) == Decision("new")
    assert files.read == []


def test_a_known_version_is_not_read() -> None:
    files = Files(a=b"123")
    memory = remembered(files)
    assert decide(backlog_of(files, loaded("a", b"123", checksum(b"123")), memory=memory)).state == "known"
    assert files.read == []


def test_a_known_content_of_another_version_is_read_and_its_version_confirmed() -> None:
    files = Files(a=b"123")
    backlog = backlog_of(files, loaded("a", b"123", "older"), memory=remembered(files))
    assert decide(backlog).state == "known"
    assert files.read == ["a/sleep.csv"]
    assert backlog.confirmed_versions == {7: checksum(b"123")}


def test_another_content_of_a_known_name_is_changed() -> None:
    assert decide(backlog_of(Files(a=b"456"), loaded("a", b"123"))) == Decision("changed")


def test_known_bytes_under_another_name_are_a_duplicate() -> None:
    decision = decide(backlog_of(Files(a=b"123"), loaded("b", b"123")))
    assert (decision.state, decision.original) == ("duplicate", Original(7, "b/sleep.csv"))
    assert not decision.is_due


def test_what_the_manifest_had_is_not_trusted_once_it_has_changed() -> None:
    backlog = backlog_of(Files(a=b"123"), loaded("b", b"123"))
    (item,) = backlog.items()
    assert backlog.decide(item).state == "duplicate"
    backlog.forget(item)
    assert backlog.decide(item).state == "new", "the transaction that loads it finds out whether it is a duplicate"


def test_retracted_bytes_are_not_due() -> None:
    retracted: dict[tuple[str, str | None, str], int] = {("sleep", None, checksum(b"123")): 3}
    assert decide(backlog_of(Files(a=b"123"), retracted=retracted)).state == "retracted"
    assert decide(backlog_of(Files(a=b"456"), retracted=retracted)).state == "new"


@pytest.mark.parametrize("known", [(), (loaded("a", b"123", checksum(b"123")),)])
def test_force_loads_known_and_retracted_bytes(known: tuple[LoadedFile, ...]) -> None:
    backlog = backlog_of(Files(a=b"123"), *known, retracted={("sleep", None, checksum(b"123")): 3}, force=True)
    assert decide(backlog).is_due


@pytest.mark.parametrize(("min_age_seconds", "state"), [(0.0, "new"), (3600.0, "unsettled")])
def test_a_file_written_a_moment_ago_is_unsettled(min_age_seconds: float, state: str) -> None:
    assert decide(backlog_of(Files(a=b"123"), min_age_seconds=min_age_seconds)).state == state


def test_a_name_of_no_dataset_is_unknown() -> None:
    file = StoredFile("stress.csv", 3, "v")
    assert backlog_of(Files()).decide(Item(file, None)).state == "unknown"


def test_only_and_since_limit_the_list() -> None:
    files = Files(a=b"1", b=b"2")
    assert [item.file.name for item in backlog_of(files, only=frozenset({"b/sleep.csv"})).items()] == ["b/sleep.csv"]
    assert list(backlog_of(files, since=NOW + timedelta(hours=1)).items()) == []


def test_a_forgotten_file_is_decided_without_its_record() -> None:
    backlog = backlog_of(Files(a=b"456"), loaded("a", b"123"))
    (item,) = backlog.items()
    backlog.forget(item)
    assert backlog.loaded_as(item) is None
    assert backlog.decide(item) == Decision("new")


def test_vanished_files_are_those_neither_listed_nor_archived() -> None:
    files = Files(a=b"1")
    files.archived = {"c/sleep.csv"}
    backlog = backlog_of(files, loaded("a", b"1"), loaded("b", b"2"), loaded("c", b"3"))
    list(backlog.items())
    assert backlog.vanished() == ["b/sleep.csv"]
    assert backlog.expected_files() == 2


def test_a_duplicate_of_a_known_version_is_not_read() -> None:
    files = Files(a=b"123", b=b"123")
    memory = remembered(files)
    duplicates = {("b/sleep.csv", checksum(b"123")): checksum(b"123")}
    backlog = backlog_of(files, loaded("a", b"123", checksum(b"123")), duplicates=duplicates, memory=memory)
    assert [backlog.decide(item).state for item in backlog.items()] == ["known", "duplicate"]
    assert files.read == []
    elsewhere = backlog_of(files, loaded("a", b"456"), duplicates=duplicates, memory=memory)
    assert [elsewhere.decide(item).state for item in elsewhere.items()] == ["changed", "new"]
