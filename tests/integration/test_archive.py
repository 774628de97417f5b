"""PIPELINE_ARCHIVE=1: no bytes that are not loaded end in the archive, whatever happens during the move."""

import os
import time
from dataclasses import replace
from pathlib import Path

import pytest

from ingestion import runner
from ingestion.config import Settings
from ingestion.results import RunResult
from ingestion.storage import StoredFile, archive
from ingestion.storage.local import LocalStorage
from tests.drops import Landing, sleep

NEWER = sleep(2, 3)


class Killed(BaseException):
    """What a SIGKILL leaves undone stays undone."""


@pytest.fixture
def archiving(settings: Settings) -> Settings:
    return replace(settings, archive=True)


def run(settings: Settings) -> RunResult:
    result = runner.run(settings, "ingest")
    assert result.exit_code == 0, result.error_summary
    return result


def files_of(landing: Landing) -> dict[str, bytes]:
    """Return all files in and below the landing zone, without the empty marks of the archive."""
    return {
        path.relative_to(landing.root).as_posix(): path.read_bytes()
        for path in landing.root.rglob("*")
        if path.is_file() and ".recent" not in path.parts
    }


def archived(landing: Landing) -> list[bytes]:
    return [content for name, content in files_of(landing).items() if name.startswith(".archive/")]


def test_a_drop_that_takes_the_name_just_before_the_move_is_loaded(
    landing: Landing, archiving: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    landing.put("a/sleep.csv", sleep(1))
    check = LocalStorage.is_unchanged

    def drop_after(storage: LocalStorage, file: StoredFile) -> bool:
        is_unchanged = check(storage, file)
        if archives:
            landing.put("a/sleep.csv", NEWER)
        return is_unchanged

    archives: list[str] = []
    take = LocalStorage.archive

    def note(storage: LocalStorage, file: StoredFile, checksum: str) -> bool:
        archives.append(file.name)
        return take(storage, file, checksum)

    with monkeypatch.context() as patch:
        patch.setattr(LocalStorage, "is_unchanged", drop_after)
        patch.setattr(LocalStorage, "archive", note)
        run(archiving)
    assert archives == ["a/sleep.csv"]
    assert files_of(landing) == {"a/sleep.csv": NEWER}
    run(archiving)
    assert landing.users() == [2, 3]
    assert archived(landing) == [NEWER]
    landing.check()


@pytest.mark.parametrize("has_time_restored", [False, True])
def test_what_a_writer_adds_after_the_move_is_loaded(
    landing: Landing, archiving: Settings, monkeypatch: pytest.MonkeyPatch, *, has_time_restored: bool
) -> None:
    path = landing.put("a/sleep.csv", sleep(1))
    status = path.stat()
    with path.open("ab") as writer:
        run(archiving)
        assert archived(landing) == [sleep(1)]
        time.sleep(0.02)
        writer.write(NEWER.partition(b"\n")[2])
        writer.flush()
        if has_time_restored:
            os.utime(writer.fileno(), ns=(status.st_atime_ns, status.st_mtime_ns))
            # the first run that begins an hour later
            monkeypatch.setattr(archive, "_SETTLED_SECONDS", 0.0)
    run(archiving)
    assert landing.users() == [1, 2, 3]
    landing.check()


def test_an_archived_file_is_compared_again_once(
    landing: Landing, archiving: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    landing.put("sleep.csv", sleep(1))
    run(archiving)
    compared: list[Path] = []
    compare = archive.checksum_of

    def note(path: Path) -> str:
        compared.append(path)
        return compare(path)

    monkeypatch.setattr(archive, "checksum_of", note)
    run(archiving)
    assert compared == [], "it is too early, and nothing has touched it"
    monkeypatch.setattr(archive, "_SETTLED_SECONDS", 0.0)
    for _ in range(2):
        run(archiving)
    assert len(compared) == 1
    assert archived(landing) == [sleep(1)]
    assert not list(landing.root.joinpath(".archive/.recent").iterdir())


@pytest.mark.parametrize("content", [sleep(1), NEWER], ids=["the loaded bytes", "a newer drop"])
def test_the_run_after_a_kill_finishes_the_move_or_loads_the_file(
    landing: Landing, settings: Settings, archiving: Settings, monkeypatch: pytest.MonkeyPatch, content: bytes
) -> None:
    landing.put("a/sleep.csv", sleep(1))
    run(settings)
    (file,) = LocalStorage(landing.root).list()
    (checksum,) = landing.rows("select checksum from ops.raw_ingest_manifest")[0]

    def kill(_path: Path) -> str:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(archive, "checksum_of", kill)
        patch.setattr(LocalStorage, "is_unchanged", lambda *_: landing.put("a/sleep.csv", content).exists())
        with pytest.raises(Killed):
            LocalStorage(landing.root).archive(file, checksum)
    assert not (landing.root / "a/sleep.csv").exists()
    result = run(settings)
    assert result.ingest is not None
    assert result.ingest.vanished == []
    if content == NEWER:
        assert files_of(landing) == {"a/sleep.csv": NEWER}
        assert landing.users() == [2, 3]
    else:
        assert archived(landing) == [content]
        assert landing.users() == [1]
    landing.check()


def test_what_cannot_be_put_back_is_kept_under_its_own_checksum(
    landing: Landing, archiving: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = landing.put("sleep.csv", sleep(1))
    with path.open("ab") as writer:
        run(archiving)
        landing.put("sleep.csv", NEWER)
        time.sleep(0.02)
        writer.write(b"4,4/12/2016,1,327,346\n")
    run(archiving)
    assert landing.users() == [2, 3]
    assert sorted(archived(landing)) == sorted([sleep(1) + b"4,4/12/2016,1,327,346\n", NEWER])
    (checksum,) = landing.rows("select checksum from ops.raw_ingest_manifest where status = 'replaced'")[0]
    assert not LocalStorage(landing.root).is_archived("sleep.csv", checksum)


def test_a_link_is_not_archived(landing: Landing, archiving: Settings) -> None:
    landing.put(".kept/bytes", sleep(1))
    (landing.root / "sleep.csv").symlink_to(".kept/bytes")
    run(archiving)
    assert landing.users() == [1]
    assert (landing.root / "sleep.csv").read_bytes() == sleep(1)
