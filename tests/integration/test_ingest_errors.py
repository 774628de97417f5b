"""What an ingest does with every kind of bad file: the table of docs/errors.md."""

import gzip
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from uuid import uuid4

import pytest

from ingestion import backlog, db
from ingestion.config import Settings
from ingestion.errors import BadDataError, ConfigurationError
from ingestion.ingest import Plan, ingest
from ingestion.load.judge import Judge
from ingestion.load.records import MAX_LINE_BYTES
from ingestion.recognition import Match, Recognition
from ingestion.results import FileResult, IngestResult
from ingestion.sources import dataset_named
from ingestion.storage import open_storage
from tests.integration.conftest import Rows

HEADER = "Id,SleepDay,TotalSleepRecords,TotalMinutesAsleep,TotalTimeInBed"
GOOD = "1503960366,4/12/2016 12:00:00 AM,1,327,346"
OTHER = "1503960366,4/13/2016 12:00:00 AM,2,384,407"

LoadSleep = Callable[[bytes], FileResult]


@pytest.fixture
def landing(settings: Settings) -> Path:
    return Path(settings.landing_zone)


@pytest.fixture
def run_ingest(engine: db.Engine, settings: Settings) -> Callable[[], IngestResult]:
    return lambda: ingest(engine, open_storage(settings.landing_zone), uuid4(), Plan())


@pytest.fixture
def load_sleep(landing: Path, run_ingest: Callable[[], IngestResult]) -> LoadSleep:
    def load_sleep(content: bytes) -> FileResult:
        """Write sleep.csv and ingest it."""
        (landing / "sleep.csv").write_bytes(content)
        (result,) = run_ingest().files
        return result

    return load_sleep


def lines(*text: str, end: str = "\n") -> bytes:
    return "".join(line + end for line in text).encode()


@dataclass(frozen=True)
class Loads:
    content: bytes
    rows: int = 2


LOADS = {
    "as exported": Loads(lines(HEADER, GOOD, OTHER)),
    "no line end at the end": Loads(lines(HEADER, GOOD, OTHER).rstrip(b"\n")),
    "header only": Loads(lines(HEADER), rows=0),
    "header only, no line end": Loads(HEADER.encode(), rows=0),
    "BOM": Loads(b"\xef\xbb\xbf" + lines(HEADER, GOOD, OTHER)),
    "UTF-16 with its mark": Loads(lines(HEADER, GOOD, OTHER).decode().encode("utf-16")),
    "CRLF": Loads(lines(HEADER, GOOD, OTHER, end="\r\n")),
    "CR": Loads(lines(HEADER, GOOD, OTHER, end="\r")),
    "quoted fields": Loads(lines(HEADER, *(",".join(f'"{f}"' for f in row.split(",")) for row in (GOOD, OTHER)))),
    "header in other case": Loads(
        lines("ID,sleep_day,total sleep records,TOTALMINUTESASLEEP,Total_Time_In_Bed", GOOD, OTHER)
    ),
    "ISO dates": Loads(lines(HEADER, "1503960366,2016-04-12,1,327,346", "1503960366,2016-04-13 00:00:00,2,384,407")),
    "optional column missing": Loads(
        lines(
            "Id,SleepDay,TotalMinutesAsleep,TotalTimeInBed",
            "1503960366,4/12/2016,327,346",
            "1503960366,4/13/2016,384,407",
        )
    ),
    "optional value missing": Loads(lines(HEADER, "1503960366,4/12/2016,,327,346", OTHER)),
    "whole numbers as 1.0": Loads(lines(HEADER, "1503960366,4/12/2016,1.0,327.0,346.0", OTHER)),
    "semicolons": Loads(lines(HEADER, GOOD, OTHER).replace(b",", b";")),
    "tabs": Loads(lines(HEADER, GOOD, OTHER).replace(b",", b"\t")),
    "bars, CRLF and quotes": Loads(lines(HEADER, GOOD.replace("327", '"327"'), OTHER, end="\r\n").replace(b",", b"|")),
    "title above the header": Loads(lines("Sleep export of April", "", HEADER, GOOD, OTHER)),
    "blank lines": Loads(lines(HEADER, GOOD, "", OTHER, "   ", "")),
}


@pytest.mark.parametrize("case", LOADS)
def test_a_good_file_loads_without_rejected_rows(case: str, load_sleep: LoadSleep, rows: Rows) -> None:
    result = load_sleep(LOADS[case].content)
    assert result.status == "loaded", result.reason
    assert result.counts.loaded == LOADS[case].rows
    assert result.counts.rejected == 0
    loaded = rows("select sleep_day::date::text, total_minutes_asleep from raw.sleep order by sleep_day")
    assert loaded == [("2016-04-12", 327), ("2016-04-13", 384)][: LOADS[case].rows]


def test_a_reordered_header_loads_into_the_right_columns(load_sleep: LoadSleep, rows: Rows) -> None:
    result = load_sleep(
        lines("TotalTimeInBed,TotalMinutesAsleep,Id,TotalSleepRecords,SleepDay", "346,327,1503960366,1,4/12/2016")
    )
    assert result.status == "loaded"
    assert rows("select user_id, total_sleep_records, total_minutes_asleep, total_time_in_bed from raw.sleep") == [
        ("1503960366", 1, 327, 346)
    ]


def test_undeclared_columns_are_kept_and_named(load_sleep: LoadSleep, rows: Rows) -> None:
    result = load_sleep(lines(f"{HEADER},Mood,Note", f"{GOOD},good,", f"{OTHER},,"))
    assert result.status == "loaded"
    assert result.extra == ("Mood", "Note")
    assert rows("select _extra from raw.sleep order by sleep_day") == [({"Mood": "good"},), (None,)]


@pytest.mark.parametrize(
    ("content", "reason", "hint"),
    [
        (b"", "empty", "header"),
        (
            lines("Id,SleepDay,TotalSleepRecords,TotalTimeInBed", "1,4/12/2016,1,346"),
            "lacks TotalMinutesAsleep",
            "sleep",
        ),
        (lines(f"{HEADER},Id", f"{GOOD},1"), "twice: Id", "Remove one"),
        (lines("Sleep export of April", GOOD), "lacks", "None of the first lines"),
        (lines(HEADER, GOOD).decode().encode("utf-16")[:-1], "UTF-16", "UTF-8"),
        (lines(HEADER + ",Café").decode().encode("cp1252"), "not UTF-8", "UTF-8"),
        (lines(HEADER + ",\x00"), "NUL", "again"),
        (
            lines(HEADER, "1503960366,13/4/2016,1,327,346", *(f"1,4/{day}/2016,1,327,346" for day in range(1, 13))),
            "line 2: the date is day first, and others of the file are month first",
            "dates of one kind",
        ),
        (lines(HEADER, GOOD, "x,x,x,x,x", "y,y,y,y,y"), "trusted: sleep_day: not_castable 2", "50 %"),
        (
            lines(HEADER, GOOD, "x,x,x,x,x", ",,,,", "1", "1,4/12/2016,x,1,1", "1,4/12/2016,1,1,-1"),
            "4 of 6 rows are bad, too many for the rest to be trusted: too_few_fields 1, ",
            "50 %",
        ),
        (lines(HEADER, GOOD, end="\r") + lines(OTHER, OTHER), "end with a carriage return, and some", "one kind"),
        (lines(HEADER, GOOD).decode().encode("utf-16-le"), "NUL", "utf-16-le"),
        (gzip.compress(lines(HEADER, GOOD)), "is a gzip archive", ".gz"),
        (b"PK\x03\x04" + lines(HEADER, GOOD), "a zip archive or a spreadsheet", ".xlsx"),
        (b"PAR1" + lines(HEADER, GOOD), "a Parquet file", ".parquet"),
        (lines(HEADER) + b"9" * (MAX_LINE_BYTES + 1) + b"\n" + lines(GOOD), "16 MiB", "again"),
    ],
)
def test_a_bad_file_is_refused_as_a_whole(
    content: bytes, reason: str, hint: str, load_sleep: LoadSleep, rows: Rows
) -> None:
    result = load_sleep(content)
    assert result.status == "refused"
    assert reason in (result.reason or "")
    assert hint in (result.hint or "")
    assert rows("select count(*) from raw.sleep") == [(0,)]
    assert rows("select source_filename, status, reason from ops.raw_ingest_manifest") == [
        ("sleep.csv", "refused", result.reason)
    ]


@pytest.mark.parametrize(
    ("bad", "reason", "column"),
    [
        (b"1503960366,4/14/2016,1,327", "too_few_fields", None),
        (b"1503960366,4/14/2016,1,327,346,7", "too_many_fields", None),
        (b"1503960366,4/14/2016,1,many,346", "not_castable", "total_minutes_asleep"),
        (b"1503960366,4/31/2016,1,327,346", "not_castable", "sleep_day"),
        (b"1.50396E+09,4/14/2016,1,327,346", "not_castable", "user_id"),
        (b"1503960366,4/14/2016,1,-5,346", "out_of_range", "total_minutes_asleep"),
        (b"1503960366,4/14/2016,1,327,1441", "out_of_range", "total_time_in_bed"),
        (b",4/14/2016,1,327,346", "missing_key", "user_id"),
        (b"1503960366,,1,327,346", "missing_key", "sleep_day"),
        (b"1503960366,4/14/2016,1,caf\xe9,346", "undecodable", None),
        (b"1503960366,4/14/2016,1,\x00327,346", "nul_byte", None),
        (b'1503960366,4/14/2016,1,"327,346', "unclosed_quote", None),
        (b"1503960366,4/14/2016,1,32\r7,346", "stray_carriage_return", None),
        (b"\\.", "too_few_fields", None),
        (b"1503960366,4/14/2016,1," + b"x" * (1 << 20) + b",346", "not_castable", "total_minutes_asleep"),
        (b'1503960366,4/14/2016,1,"3""27",346', "not_castable", "total_minutes_asleep"),
        (b'1503960366,4/14/2016,1,"32\n7",346', "not_castable", "total_minutes_asleep"),
    ],
)
def test_a_bad_row_goes_to_quarantine_and_the_others_load(
    bad: bytes, reason: str, column: str | None, load_sleep: LoadSleep, rows: Rows
) -> None:
    result = load_sleep(lines(HEADER, GOOD) + bad + b"\n" + lines(OTHER))
    assert result.status == "loaded", result.reason
    assert (result.counts.read, result.counts.loaded, result.counts.rejected) == (3, 2, 1)
    assert rows("select total_minutes_asleep from raw.sleep order by 1") == [(327,), (384,)]
    ((line, in_column, why, raw),) = rows("select line_number, column_name, reason, raw_line from ops.rejected_rows")
    assert (line, in_column, why) == (3, column, reason)
    assert isinstance(raw, memoryview)
    assert bytes(raw) == bad
    assert rows("select rows_read, row_count, rows_rejected, rows_blank from ops.raw_ingest_manifest") == [(3, 2, 1, 0)]


def test_line_numbers_are_those_of_the_file(load_sleep: LoadSleep, rows: Rows) -> None:
    load_sleep(lines(HEADER, GOOD, "", 'x,"a', 'b",3,4,5', "too,few", OTHER, OTHER, OTHER))
    assert rows("select line_number, reason from ops.rejected_rows order by 1") == [
        (4, "not_castable"),
        (6, "too_few_fields"),
    ]


def test_a_corrected_file_replaces_its_rejected_rows(load_sleep: LoadSleep, rows: Rows) -> None:
    load_sleep(lines(HEADER, GOOD, "bad"))
    result = load_sleep(lines(HEADER, GOOD, OTHER))
    assert result.status == "replaced"
    assert rows("select count(*) from raw.sleep") == [(2,)]
    assert rows("select status, row_count from ops.raw_ingest_manifest order by file_id") == [
        ("replaced", 1),
        ("loaded", 2),
    ]


def test_a_refused_file_does_not_stop_the_others(landing: Path, run_ingest: Callable[[], IngestResult]) -> None:
    (landing / "sleep.csv").write_bytes(lines("Id", "1"))
    (landing / "sleep_2026-01-20.csv").write_bytes(lines(HEADER, GOOD))
    result = run_ingest()
    assert [(file.filename, file.status) for file in result.files] == [
        ("sleep.csv", "refused"),
        ("sleep_2026-01-20.csv", "loaded"),
    ]


def test_a_refused_change_keeps_the_rows_of_the_older_content(load_sleep: LoadSleep, rows: Rows) -> None:
    load_sleep(lines(HEADER, GOOD))
    assert load_sleep(lines("Id", "1")).status == "refused"
    assert rows("select count(*) from raw.sleep") == [(1,)]


@pytest.mark.parametrize("bad", ["too,short", "1503960366,4/12/2016,1,many,346"], ids=["form", "value"])
@pytest.mark.parametrize("limit", ["rows", "per cent"])
def test_one_bad_row_above_the_limit_refuses_the_file(
    bad: str, limit: str, load_sleep: LoadSleep, rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = dataset_named("sleep")
    limited = replace(dataset, max_rejected_rows=3) if limit == "rows" else replace(dataset, max_rejected_percent=3)
    found = Recognition((Match(limited, limited.layouts[:1], "name"),))
    monkeypatch.setattr(backlog, "recognise", lambda *_: found)
    result = load_sleep(lines(HEADER, *[bad] * 4, *[GOOD] * 96))
    assert result.status == "refused"
    assert "4 of " in (result.reason or "")
    assert rows("select count(*) from raw.sleep") == [(0,)]
    assert rows("select count(*) from ops.rejected_rows") == [(0,)]
    result = load_sleep(lines(HEADER, *[bad] * 3, *[GOOD] * 97))
    assert (result.counts.loaded, result.counts.rejected) == (97, 3)


@pytest.mark.parametrize("step", ["copy", "find_bad", "insert_good", "quarantine_bad"])
def test_a_count_that_does_not_add_up_rolls_the_file_back(
    step: str, load_sleep: LoadSleep, rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    count = getattr(Judge, step)
    monkeypatch.setattr(Judge, step, lambda *arguments, **named: count(*arguments, **named) + 1)
    result = load_sleep(lines(HEADER, GOOD, OTHER, "1503960366,4/12/2016,1,many,346"))
    assert result.status == "refused"
    assert "do not add up" in (result.reason or "")
    assert rows("select count(*) from raw.sleep") == [(0,)]
    assert rows("select count(*) from ops.rejected_rows") == [(0,)]


def test_a_missing_data_directory_is_a_configuration_error(settings: Settings) -> None:
    with pytest.raises(ConfigurationError, match="does not exist") as caught:
        open_storage(f"{settings.landing_zone}/nowhere")
    assert "--data-dir" in (caught.value.hint or "")


def test_an_empty_directory_is_no_error_before_the_first_load(run_ingest: Callable[[], IngestResult]) -> None:
    assert run_ingest().files == []


def test_an_empty_directory_is_an_error_after_a_load(
    load_sleep: LoadSleep, landing: Path, run_ingest: Callable[[], IngestResult]
) -> None:
    load_sleep(lines(HEADER, GOOD))
    (landing / "sleep.csv").unlink()
    with pytest.raises(BadDataError, match="the manifest has 1 files of it") as caught:
        run_ingest()
    assert "mounted" in (caught.value.hint or "")


def test_a_file_that_cannot_be_read_is_refused(landing: Path, run_ingest: Callable[[], IngestResult]) -> None:
    (landing / "sleep.csv").symlink_to(landing / "gone.csv")
    (result,) = run_ingest().files
    assert result.status == "refused"
    assert "cannot be read" in (result.reason or "")


def test_a_reason_quotes_no_data(load_sleep: LoadSleep) -> None:
    planted = "PLANTED-7f3a"
    result = load_sleep(lines(HEADER, GOOD, f"1503960366,{planted},1,327,346", f"{planted},4/12/2016,1,1,1"))
    assert planted not in f"{result}"
