"""A file that is overwritten in place while it is read loads as one of its versions, or not at all."""

import hashlib
import mmap
import os
import random
import time
from collections.abc import Callable
from pathlib import Path
from threading import Thread

import pytest

from ingestion.load.stream import CHUNK_BYTES, HashedStream
from ingestion.storage import local
from tests.drops import SLEEP_HEADER, Landing

ROWS = 60_000
TRIALS = 25


def version(minutes: int) -> bytes:
    """Return a file of 3 MB whose rows all have this value."""
    rows = (f"{10_000_000 + user},4/12/2016 12:00:00 AM,1,{minutes},{minutes}" for user in range(1, ROWS))
    return "".join(f"{line}\n" for line in (SLEEP_HEADER, *rows)).encode()


VERSIONS = (version(111), version(222))
CHECKSUMS = {hashlib.sha256(version).hexdigest() for version in VERSIONS}

Write = Callable[[Path, bytes], None]


def at_once(path: Path, content: bytes) -> None:
    with path.open("r+b") as file:
        file.write(content)


def in_pieces(path: Path, content: bytes) -> None:
    """Write as slowly as a transfer."""
    with path.open("r+b", buffering=0) as file:
        for begin in range(0, len(content), CHUNK_BYTES):
            file.write(content[begin : begin + CHUNK_BYTES])
            time.sleep(0.001)


def backwards(path: Path, content: bytes) -> None:
    with path.open("r+b", buffering=0) as file:
        for begin in reversed(range(0, len(content), CHUNK_BYTES)):
            file.seek(begin)
            file.write(content[begin : begin + CHUNK_BYTES])


def through_a_mapping(path: Path, content: bytes) -> None:
    with path.open("r+b") as file, mmap.mmap(file.fileno(), 0) as mapping:
        for begin in range(0, len(content), CHUNK_BYTES):
            mapping[begin : begin + CHUNK_BYTES] = content[begin : begin + CHUNK_BYTES]


def overwrite(path: Path, content: bytes, write: Write) -> None:
    """Overwrite a file and restore its modification time, as `rsync --inplace --times` and `cp -p` do."""
    status = path.stat()
    write(path, content)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def check_is_one_version(landing: Landing) -> None:
    """Assert that raw and the manifest hold one whole version, or nothing."""
    loaded = landing.rows("select total_minutes_asleep, count(*) from raw.sleep group by 1")
    assert loaded in ([], [(111, ROWS - 1)], [(222, ROWS - 1)])
    checksums = {
        checksum for (checksum,) in landing.rows("select checksum from ops.raw_ingest_manifest where status = 'loaded'")
    }
    assert checksums <= CHECKSUMS


@pytest.mark.parametrize("is_old", [True, False], ids=["old", "young"])
@pytest.mark.parametrize("write", [at_once, in_pieces, backwards, through_a_mapping])
def test_a_file_overwritten_at_a_random_moment_is_never_a_mixture(
    write: Write, is_old: bool, landing: Landing, monkeypatch: pytest.MonkeyPatch
) -> None:
    if is_old:
        # a file of more than a minute, which is not read again
        monkeypatch.setattr(local, "_RACY_SECONDS", 0.05)
    path = landing.put("sleep.csv", VERSIONS[0])
    moments = random.Random(14)  # noqa: S311  (no secret)
    for trial in range(TRIALS):
        time.sleep(0.06 if is_old else 0)
        content = VERSIONS[(trial + 1) % 2]
        delay = moments.uniform(0, 0.25)

        def change(delay: float = delay, content: bytes = content) -> None:
            time.sleep(delay)
            overwrite(path, content, write)

        writer = Thread(target=change)
        writer.start()
        landing.ingest()
        writer.join()
        check_is_one_version(landing)
    assert landing.statuses()["sleep.csv"] in {"loaded", "replaced", "skipped"}
    assert landing.rows("select distinct checksum from ops.raw_ingest_manifest where status = 'loaded'") == [
        (hashlib.sha256(path.read_bytes()).hexdigest(),)
    ]


@pytest.mark.parametrize("is_old", [True, False], ids=["old", "young"])
# the chunk before these is read to tell what the file is
@pytest.mark.parametrize("chunk", range(1, len(VERSIONS[0]) // CHUNK_BYTES, 3))
def test_a_file_overwritten_after_any_chunk_is_refused(
    chunk: int, is_old: bool, landing: Landing, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = landing.put("sleep.csv", VERSIONS[0])
    if is_old:
        time.sleep(0.06)
        monkeypatch.setattr(local, "_RACY_SECONDS", 0.05)
    read, chunks = HashedStream.read, iter(range(1_000))

    def read_and_overwrite(stream: HashedStream, size: int = -1) -> bytes:
        found = read(stream, size)
        if next(chunks) == chunk:
            overwrite(path, VERSIONS[1], at_once)
        return found

    with monkeypatch.context() as patched:
        patched.setattr(HashedStream, "read", read_and_overwrite)
        (result,) = landing.ingest().files
    assert (result.status, result.reason) == ("refused", "it changed while it was read")
    assert landing.rows("select count(*) from raw.sleep") == [(0,)]
    assert landing.statuses() == {"sleep.csv": "loaded"}
    check_is_one_version(landing)
