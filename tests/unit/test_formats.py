import gzip
import io
import struct
import sys
import zipfile
from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from pathlib import Path
from random import Random

import openpyxl
import pandas as pd
import pytest
from backports import zstd
from fastparquet import write

from ingestion.errors import FileRefusedError
from ingestion.formats import Limits, Text
from ingestion.formats.spreadsheet_process import DISK_IS_FULL

CSV = "Id,Café\n1,2\n".encode() * 50


def read(name: str, content: bytes, *, encoding: str = "utf-8", limits: Limits | None = None) -> bytes:
    text = Text(name, io.BytesIO(content), encoding, limits or Limits())
    parts = []
    while part := text.read(1000):
        parts.append(part)
    text.close()
    return b"".join(parts)


def zipped(**members: bytes) -> bytes:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in members.items():
            file.writestr(name, content)
    return archive.getvalue()


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("sleep.csv", CSV),
        ("sleep.csv.gz", gzip.compress(CSV)),
        ("sleep.csv.gz", gzip.compress(CSV[:30]) + gzip.compress(CSV[30:]) + b"\0" * 512),
        ("sleep.csv.zst", zstd.compress(CSV)),
        ("SLEEP.CSV.ZST", zstd.compress(CSV[:30]) + zstd.compress(CSV[30:])),
        ("sleep.csv.zip", zipped(sleep=CSV)),
        ("sleep.zip", zipped(**{"a/sleep.csv": CSV, "a/": b"", "__MACOSX/x": b".", "a/.DS_Store": b"."})),
        ("sleep.csv", CSV.decode().encode("utf-16")),
        ("sleep.csv.gz", gzip.compress(b"\xfe\xff" + CSV.decode().encode("utf-16-be"))),
    ],
)
def test_the_text_is_unchanged(name: str, content: bytes) -> None:
    assert read(name, content) == CSV


def test_a_declared_encoding_applies_without_a_byte_order_mark() -> None:
    assert read("sleep.csv", CSV.decode().encode("cp1252"), encoding="cp1252") == CSV
    assert read("sleep.csv", b"\xef\xbb\xbf" + CSV, encoding="cp1252") == b"\xef\xbb\xbf" + CSV
    assert read("sleep.csv", b"a\x80\x81", encoding="cp1252") == "a€".encode() + b"\x81"


def test_bytes_that_are_not_utf8_are_unchanged() -> None:
    assert read("sleep.csv", b"caf\xe9") == b"caf\xe9"


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("sleep.csv.gz", gzip.compress(CSV)[:-5], "incomplete"),
        ("sleep.csv.gz", CSV, "damaged"),
        ("sleep.csv.gz", gzip.compress(CSV) + b"more", "damaged|incomplete"),
        ("sleep.csv.gz", gzip.compress(CSV)[:-8] + b"\1" * 8, "damaged"),
        ("sleep.csv.gz", gzip.compress(CSV)[:3] + b"\x80" + gzip.compress(CSV)[4:], "damaged"),
        ("sleep.csv.gz", gzip.compress(CSV)[:3], "incomplete"),
        ("sleep.csv.zst", zstd.compress(CSV)[:-5], "incomplete"),
        ("sleep.csv.zst", CSV, "damaged"),
        ("sleep.zip", zipped(a=CSV)[:-30], "damaged"),
        ("sleep.zip", zipped(a=CSV, b=CSV), "2 files"),
        ("sleep.zip", zipped(), "0 files"),
        ("sleep.xlsx", zipped(**{f"m{number}": b"" for number in range(1001)}), "more than 1000 files"),
        ("sleep.csv", "Id\n".encode("utf-16")[:-1], "not UTF-16"),
        ("sleep.xlsx", CSV, "damaged"),
        ("sleep.xlsx", zipped(a=CSV), "spreadsheet cannot be read"),
        ("sleep.parquet", CSV, "cannot be read as Parquet"),
        ("sleep.parquet", b"PAR1PAR1", "cannot be read as Parquet"),
        ("sleep.parquet", b"PAR1" + b"x" * 50 + b"\xff\xff\xff\xffPAR1", "cannot be read as Parquet"),
        ("sleep.parquet", b"PAR1" + b"\x19" * 50 + b"\x32\0\0\0PAR1", "cannot be read as Parquet|damaged"),
    ],
)
def test_a_damaged_or_misnamed_file_is_refused(name: str, content: bytes, reason: str) -> None:
    with pytest.raises(FileRefusedError, match=reason) as caught:
        read(name, content)
    assert caught.value.hint


@pytest.mark.parametrize(
    ("name", "pack"),
    [
        ("sleep.csv.gz", gzip.compress),
        ("sleep.csv.zst", zstd.compress),
        ("sleep.csv.zip", lambda content: zipped(sleep=content)),
    ],
)
def test_an_archive_bomb_is_refused_early(name: str, pack: Callable[[bytes], bytes]) -> None:
    bomb = pack(bytes(8 << 20))
    with pytest.raises(FileRefusedError, match="200 times"):
        read(name, bomb, limits=Limits(free_bytes=1 << 20))
    with pytest.raises(FileRefusedError, match="GiB"):
        read(name, bomb, limits=Limits(total_bytes=1 << 20))


def test_a_directory_is_refused_by_its_size_before_it_is_read() -> None:
    """An archive may state any number of entries."""
    packed = bytearray(zipped(**{f"{number:05}" + "x" * 200: b"" for number in range(12_000)}))
    end = packed.rfind(b"PK\x05\x06")
    packed[end + 8 : end + 12] = struct.pack("<HH", 1, 1)
    with pytest.raises(FileRefusedError, match="more than 1000 files"):
        read("sleep.zip", bytes(packed), limits=Limits(members=1000))


FRAME = pd.DataFrame(
    {
        "Id": [1503960366, 4702921684],
        "SleepDay": pd.to_datetime(["2016-04-12", "2016-04-13"]),
        "TotalSleepRecords": pd.array([1, None], dtype="Int64"),
        "Note": ["a,b", None],
    }
)


def test_parquet_is_read_as_csv(tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("parquet") / "sleep.parquet"
    write(str(path), FRAME, row_group_offsets=1)
    assert read(path.name, path.read_bytes()).decode().splitlines() == [
        "Id,SleepDay,TotalSleepRecords,Note",
        '1503960366,2016-04-12,1,"a,b"',
        "4702921684,2016-04-13,,",
    ]


def test_parquet_without_rows_has_a_header(tmp_path: Path) -> None:
    path = tmp_path / "sleep.parquet"
    write(str(path), FRAME[:0])
    assert read(path.name, path.read_bytes()) == b"Id,SleepDay,TotalSleepRecords,Note\n"
    write(str(path), FRAME)
    with pytest.raises(FileRefusedError, match="a row group is larger than 0 MiB"):
        read(path.name, path.read_bytes(), limits=Limits(table_bytes=10))


def test_damaged_parquet_does_not_crash_the_run(tmp_path: Path) -> None:
    path = tmp_path / "sleep.parquet"
    write(str(path), pd.concat([FRAME] * 50))
    content = bytearray(path.read_bytes())
    content[4 : len(content) // 2] = b"\xff" * (len(content) // 2 - 4)
    with pytest.raises(FileRefusedError, match="damaged"):
        read("sleep.parquet", bytes(content))


@pytest.mark.parametrize("ending", ["os.kill(os.getpid(), signal.SIGSEGV)", "time.sleep(60)", "sys.exit(1)"])
def test_a_file_whose_reader_crashes_or_hangs_is_refused(
    ending: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "sleep.parquet"
    write(str(path), FRAME)
    program = f"import os, signal, sys, time; os.write(1, b'Id' + bytes([10])); {ending}"
    monkeypatch.setattr("ingestion.formats.parquet._COMMAND", (sys.executable, "-c", program))
    monkeypatch.setattr("ingestion.formats.parquet._PATIENCE_SECONDS", 0.5)
    with pytest.raises(FileRefusedError, match="damaged"):
        read("sleep.parquet", path.read_bytes())


def workbook(*rows: str) -> bytes:
    """Return a workbook whose sheet has these rows, as XML."""
    template, packed = io.BytesIO(), io.BytesIO()
    openpyxl.Workbook().save(template)
    with zipfile.ZipFile(template) as source, zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as target:
        for member in source.namelist():
            is_sheet = member == "xl/worksheets/sheet1.xml"
            target.writestr(member, _SHEET.format("".join(rows)) if is_sheet else source.read(member))
    return packed.getvalue()


_SHEET = (
    '<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>{}</sheetData></worksheet>'
)


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        (('<row r="2000000000"><c r="A2000000000"><v>1</v></c></row>',), "unpacks to more than 256 MiB"),
        (('<row r="1"><c r="BIO1"><v>1</v></c></row>',), "more than 1,600 columns"),
        (('<row r="1"><c r="BFD1"><v>1</v></c></row><row r="300000"><c r="A300000"><v>1</v></c></row>',), "256 MiB"),
        (("<row/>",) * (5 << 20), "200 times"),
        (('<row r="1"><c r="A1"><v>1e999</v></c></row>',), "cannot be read"),
    ],
    ids=["a row far below", "a cell far right", "a sparse sheet", "many empty rows", "a number too large"],
)
def test_a_spreadsheet_that_unpacks_to_too_much_is_refused(rows: tuple[str, ...], reason: str) -> None:
    with pytest.raises(FileRefusedError, match=reason) as caught:
        read("sleep.xlsx", workbook(*rows))
    assert caught.value.hint


VALUES = (
    *(None, "", 1, 1.0, 1.5, 0.1, 1e20, 2**53, True, False, "x", "a,b", 'q"q', "l\nf", " ", "=1+1", "#N/A", "é日本"),
    *(datetime.fromisoformat("2016-04-12"), datetime.fromisoformat("2016-04-12 10:30:15.5"), date(2016, 4, 12)),
    time(12, 30),
    *(timedelta(hours=30), "4/12/2016", "2016-04-12 00:00:00"),
)


@pytest.mark.parametrize("seed", range(8))
def test_a_spreadsheet_is_read_as_pandas_reads_it(seed: int) -> None:
    """Each kind of cell, with blank rows and columns in between, is written as before."""
    random = Random(seed)  # noqa: S311
    book = openpyxl.Workbook()
    for row in range(1, 30):
        for column in range(1, random.choice([1, 4, 9])):
            if random.random() < 0.5:
                book.active.cell(row, column, random.choice(VALUES))
    book.create_sheet("empty")
    file = io.BytesIO()
    book.save(file)
    frame = pd.read_excel(file, header=None, dtype=object, keep_default_na=False, na_filter=False)
    assert read("sleep.xlsx", file.getvalue()).decode() == frame.to_csv(index=False, header=False, lineterminator="\n")


def test_a_spreadsheet_is_refused_where_the_temporary_directory_is_full(monkeypatch: pytest.MonkeyPatch) -> None:
    program = f"import sys; sys.exit({DISK_IS_FULL})"
    monkeypatch.setattr("ingestion.formats.spreadsheet._COMMAND", (sys.executable, "-c", program))
    with pytest.raises(OSError, match="No space left"):
        read("sleep.xlsx", workbook())


def test_a_spreadsheet_is_read_as_csv() -> None:
    file = io.BytesIO()
    FRAME.to_excel(file, index=False)
    assert read("sleep.xlsx", file.getvalue()).decode().splitlines() == [
        "Id,SleepDay,TotalSleepRecords,Note",
        '1503960366,2016-04-12 00:00:00,1,"a,b"',
        "4702921684,2016-04-13 00:00:00,,",
    ]
    with pd.ExcelWriter(file) as writer:
        FRAME.to_excel(writer, sheet_name="April")
        FRAME.to_excel(writer, sheet_name="May")
    with pytest.raises(FileRefusedError, match="2 sheets"):
        read("sleep.xlsx", file.getvalue())


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b'[{"a": 1}, {"a": "x,]}"}\r\n]', b'{"a": 1}\n{"a": "x,]}"}\n'),
        (b'\xef\xbb\xbf [\n {\n  "a": [1,\n 2]\n }\n]\n', b'{   "a": [1,  2]  }\n'),
        ('[{"a": "\u00fc"}]'.encode("utf-16"), '{"a": "\u00fc"}\n'.encode()),
        (b"[]", b"\n"),
        (b'{\n "a": 1,\n "b": [1]\n}\n', b'{  "a": 1,  "b": [1] }\n'),
        (b"[1, null]", b"1\nnull\n"),
        (b'{"a": 1}\n{"a": 2}\n', b'{"a": 1}\n{"a": 2}\n'),
    ],
)
def test_a_json_array_becomes_lines(content: bytes, expected: bytes) -> None:
    assert read("sleep.json", content) == expected


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b'[{"a": 1}', "line 1: the JSON is invalid or incomplete"),
        (b'[\n{"a": 1},\n{"a": ', "line 3: the JSON is invalid or incomplete"),
        (b'[{"a": 1} {"a": 2}]', "the JSON is invalid or incomplete"),
        (b"[" * 100_000, "the JSON is invalid or incomplete"),
        (b'[{"a": "\xff"}]', "the file is not UTF-8"),
        (b"[" + b" " * 1000, "the JSON is invalid or incomplete"),
        (b'[\n"' + b"x" * (9 << 20), "line 2: an element of the JSON is longer than 2 MiB, or invalid"),
    ],
)
def test_invalid_json_is_refused(content: bytes, reason: str) -> None:
    with pytest.raises(FileRefusedError, match=reason):
        read("sleep.json", content)


@pytest.mark.parametrize("size", [1, 2, 7, 1000])
def test_a_json_array_is_read_alike_in_parts_of_any_size(size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    content = '[{"a": "é]"},\n 12345 ,\r\n[1, [2]] , "\U0001f600",\n\n {"b": {"c": "\\""}}, -1.5e10 ]\n'
    monkeypatch.setattr("ingestion.formats.json_array.CHUNK_BYTES", size)
    for encoding in ("utf-8", "utf-8-sig", "utf-16"):
        if size < 8 and encoding != "utf-8":
            continue
        elements = read("sleep.json", content.encode(encoding)).decode().splitlines()
        assert elements == ['{"a": "é]"}', "12345", "[1, [2]]", '"\U0001f600"', '{"b": {"c": "\\""}}', "-1.5e10"]
    with pytest.raises(FileRefusedError, match="line 5: the JSON is invalid"):
        read("sleep.json", content.replace("{", "x").replace("x", "{", 1).encode())
