"""Records, their form, and the stream that they are read from."""

import csv
import hashlib
import io
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingestion.errors import FileRefusedError
from ingestion.load import records as module
from ingestion.load.content import Content
from ingestion.load.dialect import Dialect
from ingestion.load.header import Header
from ingestion.load.parse import Record, RowReader
from ingestion.load.records import MAX_LINE_BYTES, Records
from ingestion.load.stream import CHUNK_BYTES, HashedStream
from tests.datasets import DATASETS


class Pieces(io.RawIOBase):
    """A stream that returns its bytes in pieces of any size, as a network does."""

    def __init__(self, content: bytes, sizes: list[int]) -> None:
        self._content = io.BytesIO(content)
        self._sizes = iter(sizes)

    def read(self, size: int = -1) -> bytes:
        return self._content.read(min(size, next(self._sizes, size)))


def stream_of(content: bytes, sizes: list[int] | None = None) -> HashedStream:
    return HashedStream(Pieces(content, sizes or []))  # type: ignore[arg-type]


def header_of(fields: int, newline: bytes = b"\n") -> Header:
    names = tuple(f"x{number}" for number in range(fields))
    return Header(names, names, DATASETS[0].layouts[0], Dialect(newline=newline))


def records(content: Content | HashedStream, newline: bytes = b"\n", fields: int = 2) -> Iterator[Record]:
    reader = Records(content, header_of(fields, newline))
    while (record := reader.next()) is not None:
        yield record


def cut(content: bytes, newline: bytes = b"\n", fields: int = 2, sizes: list[int] | None = None) -> list[Record]:
    return list(records(Content(stream_of(content, sizes)), newline, fields))


# bytes with a meaning in CSV, and a few without
contents = st.lists(
    st.sampled_from(
        [b"a", b"1", b",", b'"', b'""', b'",', b',"', b"\n", b"\r\n", b"\r", b"\x00", b"\xc3\xa9", b"\xe9", b" "]
    ),
    max_size=40,
).map(b"".join)
newlines = st.sampled_from([b"\n", b"\r"])


@given(contents, newlines, st.integers(1, 4), st.lists(st.integers(1, 7), max_size=60))
def test_records_do_not_depend_on_the_size_of_the_pieces(
    content: bytes, newline: bytes, fields: int, sizes: list[int]
) -> None:
    assert cut(content, newline, fields, sizes) == cut(content, newline, fields)


@given(contents, newlines, st.integers(1, 4))
def test_no_byte_is_lost_and_line_numbers_are_those_of_the_file(content: bytes, newline: bytes, fields: int) -> None:
    lines = content.split(newline)
    if not lines[-1]:
        lines.pop()
    expected = 2
    rebuilt = []
    for record in cut(content, newline, fields):
        assert record.line == expected
        spanned = record.raw.split(newline)
        rebuilt += spanned
        expected += len(spanned)
    assert rebuilt == [line.rstrip(b"\r") for line in lines]


@given(contents, st.lists(st.integers(1, 7), max_size=60), st.integers(1, 9))
def test_the_checksum_is_that_of_all_bytes(content: bytes, sizes: list[int], at_a_time: int) -> None:
    stream = stream_of(content, sizes)
    taken = b""
    while chunk := stream.read(at_a_time):
        taken += chunk
    assert taken == content
    assert stream.checksum == hashlib.sha256(content).hexdigest()
    assert stream.size == len(content)


@given(contents, st.integers(1, 4))
def test_copy_reads_a_parsed_record_as_one_row_with_all_its_fields(content: bytes, fields: int) -> None:
    """COPY must not fail on a parsed record: the good rows would fail with it."""
    for record in cut(content, fields=fields):
        text, reason = RowReader(header_of(fields), ()).read(record)
        assert text is None or reason is None
        if text is not None:
            assert fields_as_copy_sees_them(text) == fields


def fields_as_copy_sees_them(text: str) -> int:
    """Count fields as PostgreSQL's CopyReadAttributesCSV does: a quote opens and closes anywhere in a field."""
    quoted, count = False, 1
    for character in text:
        if character == '"':
            quoted = not quoted
        elif not quoted:
            assert character not in "\r\n", "COPY would read a line end"
            count += character == ","
    assert not quoted, "COPY would read on into the next record"
    return count


@given(st.lists(st.lists(st.text(st.characters(blacklist_characters="\x00,", codec="utf-8")), min_size=2, max_size=2)))
def test_rows_of_a_csv_writer_are_read_back(rows: list[list[str]]) -> None:
    file = io.StringIO(newline="")
    csv.writer(file, lineterminator="\n", quoting=csv.QUOTE_ALL).writerows(rows)
    reader = RowReader(header_of(2), ())
    found = [reader.read(record) for record in cut(file.getvalue().encode())]
    if not any("\r\n" in field or field.count("\n") > 90 for row in rows for field in row):
        read = [next(csv.reader(io.StringIO(text, newline=""))) for text, _ in found if text is not None]
        assert read == [row for row in rows if any(field.strip() for field in row)]


@pytest.mark.parametrize(
    ("content", "newline", "expected"),
    [
        (b"", b"\n", []),
        (b"a,b", b"\n", [(2, b"a,b")]),
        (b"a,b\n", b"\n", [(2, b"a,b")]),
        (b"a,b\r\nc,d\r\n", b"\n", [(2, b"a,b"), (3, b"c,d")]),
        (b"a,b\rc,d\r", b"\r", [(2, b"a,b"), (3, b"c,d")]),
        (b"a,b\n\n  \nc,d", b"\n", [(2, b"a,b"), (3, b""), (4, b"  "), (5, b"c,d")]),
        (b'a,"b\nb"\nc,d\n', b"\n", [(2, b'a,"b\nb"'), (4, b"c,d")]),
        (b'a,"b\n\n""\n"\nc,d\n', b"\n", [(2, b'a,"b\n\n""\n"'), (6, b"c,d")]),
        (b'a,"b\nc,d\ne,f\n', b"\n", [(2, b'a,"b'), (3, b"c,d"), (4, b"e,f")]),
        (b'a,"b\nc,d\ne,"f\n', b"\n", [(2, b'a,"b'), (3, b"c,d"), (4, b'e,"f')]),
        (b'a,"b\nc\n d",e\nf,g\n', b"\n", [(2, b'a,"b'), (3, b"c"), (4, b' d",e'), (5, b"f,g")]),
        (b'a,b"\nc,d"\ne,f\n', b"\n", [(2, b'a,b"'), (3, b'c,d"'), (4, b"e,f")]),
        (b'a,b"c"\n', b"\n", [(2, b'a,b"c"')]),
        (b'a,"b\nc,d\ne",f\n', b"\n", [(2, b'a,"b'), (3, b"c,d"), (4, b'e",f')]),
        (b'"', b"\n", [(2, b'"')]),
    ],
)
def test_records(content: bytes, newline: bytes, expected: list[tuple[int, bytes]]) -> None:
    assert [(record.line, record.raw) for record in cut(content, newline)] == expected


def test_an_open_quote_costs_only_its_own_row() -> None:
    """An open quote at the top of a long file does not swallow the rows below it."""
    rows = [b"%d,x" % number for number in range(500)]
    found = cut(b"\n".join([b'1,"never closed', *rows]))
    assert [record.raw for record in found[1:]] == rows


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"1,2", None),
        (b'"1","2"', None),
        (b'"1,1",2', None),
        (b'1,"2\n2"', None),
        (b'1,""', None),
        (b",", None),
        ('1,"é"'.encode(), None),
        (b"1", "too_few_fields"),
        (b"1,2,3", "too_many_fields"),
        (b'1"a,b"2', None),
        (b'1"a,b,2', "too_many_fields"),
        (b'1,"2"3', "stray_quote"),
        (b'1,"2', "unclosed_quote"),
        (b"1,\x00", "nul_byte"),
        (b"1,\xe9", "undecodable"),
        (b"1,2\r3", "stray_carriage_return"),
        (b"1,2\n3,4", "stray_carriage_return"),
        (b'"1\r",2\r', None),
    ],
)
def test_the_form_of_a_record(raw: bytes, reason: str | None) -> None:
    assert RowReader(header_of(2), ()).read(Record(2, raw))[1] == reason


def test_an_endless_line_is_refused_before_it_fills_the_memory() -> None:
    taken = 0

    class Endless(io.RawIOBase):
        def read(self, size: int = -1) -> bytes:
            nonlocal taken
            taken += size
            return b"9" * size if taken > CHUNK_BYTES else b"a,b\nc,d\n".ljust(size, b"9")

    found = records(HashedStream(Endless()))  # type: ignore[arg-type]
    assert [next(found).raw, next(found).raw] == [b"a,b", b"c,d"]
    with pytest.raises(FileRefusedError, match="line 4: the line is longer than 16 MiB"):
        next(found)
    assert taken <= MAX_LINE_BYTES + 2 * CHUNK_BYTES


def test_a_long_line_is_refused_wherever_it_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_LINE_BYTES", 10)
    monkeypatch.setattr(module, "CHUNK_BYTES", 8)
    assert [record.raw for record in cut(b"1,345678\n2,345\n")] == [b"1,345678", b"2,345"]
    with pytest.raises(FileRefusedError, match="line 3"):
        cut(b"1,2\n3,4567890123456789\n5,6\n")


@pytest.mark.parametrize(
    ("content", "newline", "lines"),
    [
        (b"", b"\n", 0),
        (b"a", b"\n", 1),
        (b"a\n", b"\n", 1),
        (b"a\nb", b"\n", 2),
        (b"a\rb\r", b"\r", 2),
        (b"\n", b"\n", 1),
    ],
)
def test_lines_are_counted_after_the_header(content: bytes, newline: bytes, lines: int) -> None:
    header = b"x,y" + newline
    text = Content(stream_of(header + content))
    assert text.peek().startswith(header)
    text.skip(len(header), Dialect(newline=newline))
    assert text.lines == 0
    while text.read(2):
        pass
    assert text.lines == lines


def test_progress_counts_every_byte_and_line() -> None:
    heard: list[tuple[int, int]] = []

    def listen(size: int, lines: int) -> None:
        heard.append((size, lines))

    text = Content(HashedStream(io.BytesIO(b"x,y\n" + b"1,2\n" * 5), listen), listen)
    text.peek()
    text.skip(4, Dialect())
    while text.read(6):
        pass
    assert (sum(size for size, _ in heard), sum(lines for _, lines in heard)) == (24, 5)


def test_a_hashed_stream_closes_its_underlying_stream() -> None:
    raw = io.BytesIO(b"x")
    HashedStream(raw).close()
    assert raw.closed


@pytest.mark.parametrize(
    "word", [*b"today NOW nAn -Inf epoch tomorrow infinity 0x1f 0B1 0o7 1_000".split(), b'"yes""terday"']
)
@pytest.mark.parametrize("size", [1, 2, 3, 1000])
def test_special_words_are_found_across_chunks(word: bytes, size: int) -> None:
    clean = b"1,4/12/2016 12:00:00 AM,2.5,True\n" * 5
    for text, seen in ((clean, False), (clean + b"1," + word + b"\n" + clean, True)):
        content = Content(stream_of(text, [size] * len(text)))
        while content.read(size):
            pass
        assert content.has_special_words == seen
