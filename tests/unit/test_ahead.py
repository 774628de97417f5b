"""A stream that is read ahead returns the same bytes and errors in order, and leaves no thread behind."""

import io
import sys
import threading
import time

import pytest

from ingestion.errors import FileRefusedError
from ingestion.load.read_ahead import ReadAhead


class Stream:
    """Numbered chunks, and then the end or an error."""

    def __init__(self, chunks: int, error: BaseException | None = None) -> None:
        self.chunks = chunks
        self.reads = 0
        self.error = error

    def read(self, _size: int) -> bytes:
        if self.reads == self.chunks:
            if self.error:
                raise self.error
            return b""
        self.reads += 1
        return f"{self.reads} ".encode()


def threads() -> int:
    return sum(thread.name == "read-ahead" for thread in threading.enumerate())


@pytest.mark.parametrize("chunks", [0, 1, 2, 3, 5, 50])
def test_every_chunk_comes_once_and_in_order(chunks: int) -> None:
    with ReadAhead(Stream(chunks), 8) as ahead:
        read = b"".join(iter(lambda: ahead.read(8), b""))
        assert ahead.read(8) == b"", "the end stays the end"
    assert read.split() == [str(number).encode() for number in range(1, chunks + 1)]
    assert threads() == 0


@pytest.mark.parametrize("chunks", [0, 1, 2, 10])
def test_an_error_is_raised_where_it_happened(chunks: int) -> None:
    ahead = ReadAhead(Stream(chunks, FileRefusedError("it broke")), 8)
    seen: list[bytes] = []
    with ahead, pytest.raises(FileRefusedError, match="it broke"):
        seen.extend(iter(lambda: ahead.read(8), b""))
    assert len(seen) == chunks
    assert threads() == 0


def test_leaving_early_stops_the_thread_and_reads_little() -> None:
    stream = Stream(1_000_000)
    with ReadAhead(stream, 8) as ahead:
        for _ in range(5):
            ahead.read(8)
        time.sleep(0.05)
    assert threads() == 0
    assert stream.reads < 20, "only a few chunks are read ahead"


def test_a_single_chunk_needs_no_thread() -> None:
    with ReadAhead(io.BytesIO(b"all of it"), 64) as ahead:
        assert ahead.read(64) == b"all of it"
        assert ahead.read(64) == b""
        assert threads() == 0


def test_threads_take_short_turns_only_while_something_is_read_ahead() -> None:
    usual = sys.getswitchinterval()
    with ReadAhead(Stream(1), 8) as short:
        while short.read(8):
            pass
        assert sys.getswitchinterval() == usual, "nothing was read ahead"
    with ReadAhead(Stream(50), 8) as first, ReadAhead(Stream(50), 8) as second:
        for ahead in (first, second):
            for _ in range(5):
                ahead.read(8)
        assert sys.getswitchinterval() < usual
    assert sys.getswitchinterval() == usual
