"""Ids that COPY must not load as they are, wherever the text is cut into chunks."""

import io

import pytest

from ingestion.load.content import Content
from ingestion.load.header import Header, read_header
from tests.datasets import SLEEP

FIRST = b"Id,SleepDay,TotalMinutesAsleep,TotalTimeInBed\n"
LAST = b"SleepDay,TotalMinutesAsleep,TotalTimeInBed,Id\n"
NIGHT = b"4/12/2016,327,346"


def has_odd_ids(header: bytes, rows: bytes, chunk: int) -> bool:
    content = Content(io.BytesIO(header + rows))
    found: Header = read_header(SLEEP, content.peek(), "sleep.csv")
    content.skip(found.size, found.dialect, found.odd_ids)
    while content.read(chunk):
        pass
    return content.has_special_words


def rows_of(ids: list[bytes], header: bytes) -> bytes:
    return b"".join(b"%s,%s\n" % pair(each, header) for each in ids)


def pair(user: bytes, header: bytes) -> tuple[bytes, bytes]:
    return (user, NIGHT) if header == FIRST else (NIGHT, user)


@pytest.mark.parametrize("header", [FIRST, LAST])
@pytest.mark.parametrize("chunk", [*range(1, 130, 7), 1 << 20])
def test_an_odd_id_is_found_in_chunks_of_any_size(chunk: int, header: bytes) -> None:
    plain = [b"P1", b"1503960366", b'"P-17"', b"8" * 48]
    assert not has_odd_ids(header, rows_of(plain, header), chunk)
    for odd in (b"P2 ", b" P2", b"1.50396E+09", b"1503960366.0", b'"P2 "', b'"P2,x "', b'""', b"Total", b"8" * 300):
        assert has_odd_ids(header, rows_of([*plain, odd, *plain], header), chunk), odd
        assert has_odd_ids(header, rows_of([*plain, odd], header).rstrip(b"\n"), chunk), odd


@pytest.mark.parametrize("before", [b"4/12/2016,327,", b'"4/12/2016, noon",327,'])
def test_an_odd_id_behind_a_long_field_is_found(before: bytes) -> None:
    line = before + b"3" * 100 + b",P2 \n"
    for chunk in range(1, 300, 13):
        assert has_odd_ids(LAST, rows_of([b"P1"] * 3, LAST) + line, chunk)
