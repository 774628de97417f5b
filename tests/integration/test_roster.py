"""A roster is loaded like any other file, and nothing else of it is kept; erase knows a participant's identifiers."""

from datetime import date
from uuid import uuid4

import openpyxl
import pytest

from ingestion import db, retraction
from ingestion.errors import UsageError
from tests.drops import Invoke, Landing, activity, sleep

KEY = "a long random secret"

ROSTER = b"""record_id,redcap_event_name,enrollment_date,end_date,arm,timezone,full_name,email
P00001,baseline_arm_1,2026-03-01,2026-05-30,A,Europe/Vienna,Ann Example,ann@example.org
007,baseline_arm_1,2026-03-02,,B,Europe/Vienna,Bob Example,bob@example.org
P00003,baseline_arm_1,2026-02-30,,B,,Cid Example,cid@example.org
"""
IDENTIFIERS = b"identifier,user_id\n1,P00001\n2,007\n"


def test_a_redcap_export_is_a_roster_and_nothing_else_of_it_is_kept(landing: Landing) -> None:
    landing.put("study/participants.csv", ROSTER)
    landing.put("study/identifiers.csv", IDENTIFIERS)
    assert set(landing.statuses().values()) == {"loaded"}
    assert landing.rows("select user_id, enrolled_on::text, ends_on::text, arm from raw.participants order by 1") == [
        ("007", "2026-03-02", None, "B"),
        ("P00001", "2026-03-01", "2026-05-30", "A"),
    ]
    assert landing.rows("select identifier, user_id from raw.identifiers order by 1") == [("1", "P00001"), ("2", "007")]
    ((column, raw),) = landing.rows("select column_name, raw_line from ops.rejected_rows")
    assert column == "enrolled_on"
    assert b"Cid" not in bytes(raw)
    assert b"example.org" not in bytes(raw)
    assert set(landing.statuses().values()) == {"skipped"}


def test_a_roster_may_be_a_spreadsheet(landing: Landing) -> None:
    book = openpyxl.Workbook()
    sheet = book.worksheets[0]
    for row in (
        ("participant_id", "enrolled_on", "ends_on", "name"),
        ("P00001", date(2026, 3, 1), date(2026, 5, 30), "Ann"),
        ("P00002", date(2026, 3, 2), None, "Bob"),
    ):
        sheet.append(row)
    book.save(landing.root / "Roster 2026.xlsx")
    assert landing.statuses() == {"Roster 2026.xlsx": "loaded"}
    assert landing.rows("select user_id, enrolled_on::text, ends_on::text from raw.participants order by 1") == [
        ("P00001", "2026-03-01", "2026-05-30"),
        ("P00002", "2026-03-02", None),
    ]


def test_a_corrected_roster_replaces_the_earlier_one(landing: Landing) -> None:
    landing.put("identifiers.csv", IDENTIFIERS)
    landing.ingest()
    landing.put("identifiers.csv", IDENTIFIERS.replace(b"2,007", b"2,P00001"))
    assert landing.statuses() == {"identifiers.csv": "replaced"}
    assert landing.rows("select identifier, user_id from raw.identifiers order by 1") == [
        ("1", "P00001"),
        ("2", "P00001"),
    ]


def test_a_table_of_others_is_no_roster(landing: Landing) -> None:
    landing.put("participants.csv", b"name,arm,site\nAnn,A,Vienna\n")
    landing.put("people.csv", b"participant_id,arm,site\nP1,A,Vienna\n")
    assert set(landing.statuses().values()) == {"unknown"}


def test_erase_takes_the_rows_of_all_identifiers_and_keeps_them_out(landing: Landing) -> None:
    landing.put("participants.csv", ROSTER)
    landing.put("identifiers.csv", IDENTIFIERS + b"3,P00001\n3,007\n")
    landing.put("sleep.csv", sleep(1, 2, 3))
    landing.ingest()
    with db.transaction(landing.engine) as connection:
        retraction.erase(connection, "raw", "P00001", KEY, uuid4())
    assert landing.rows("select user_id from raw.participants") == [("007",)]
    # 3 may be either's
    assert landing.rows("select distinct user_id from raw.sleep order by 1") == [("2",), ("3",)]
    assert landing.rows("select identifier, user_id from raw.identifiers order by 1, 2") == [("2", "007"), ("3", "007")]


def test_the_file_that_counts_says_whose_rows_are_erased(landing: Landing) -> None:
    landing.put("identifiers_1.csv", b"identifier,user_id\n1,A\n2,B\n")
    landing.put("identifiers_2.csv", b"identifier,user_id\n1,B\n")
    landing.put("sleep.csv", sleep(1, 2, 3))
    landing.ingest()
    with db.transaction(landing.engine) as connection:
        retraction.erase(connection, "raw", "A", KEY, uuid4())
    assert landing.ids() == ["1", "2", "3"]
    with db.transaction(landing.engine) as connection:
        retraction.erase(connection, "raw", "B", KEY, uuid4())
    assert landing.ids() == ["3"]


def test_an_identifier_of_another_participant_is_not_erased_alone(landing: Landing) -> None:
    """Their other rows, and their row of the roster, would stay."""
    landing.put("identifiers.csv", IDENTIFIERS)
    landing.put("sleep.csv", sleep(1))
    landing.ingest()
    with (
        pytest.raises(UsageError, match="the id to erase is an identifier of another participant"),
        db.transaction(landing.engine) as connection,
    ):
        retraction.erase(connection, "raw", "1", KEY, uuid4())
    assert landing.ids() == ["1"]
    assert landing.rows("select count(*) from ops.erased_users") == [(0,)]


def test_nothing_of_an_erased_participant_is_left_under_any_name(
    landing: Landing, invoke: Invoke, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIPELINE_ERASURE_KEY", KEY)
    identifiers = b"identifier,user_id\n1503960366,P-4711\n7,P-8\n"
    roster = b"participant_id,enrolled_on\nP-4711,2016-04-01\nP-8,2016-04-01\n"
    landing.put("identifiers.csv", identifiers)
    landing.put("participants.csv", roster)
    landing.put("activity.csv", activity(1503960366, 7))
    landing.put("sleep.csv", sleep(1503960366, 7))
    assert invoke("run") == 0
    assert landing.rows("select user_id, has_data from marts.dim_participant order by 1") == [
        ("P-4711", True),
        ("P-8", True),
    ]

    assert invoke("erase", "--user-id", "P-4711") == 0
    assert tables_with(landing, "P-4711") == tables_with(landing, "1503960366") == []
    assert landing.rows("select user_id, n_identifiers from marts.dim_participant") == [("P-8", 1)]

    landing.put("new/identifiers.csv", identifiers + b"9,P-8\n")
    landing.put("new/participants.csv", roster + b"P-9,2016-04-01\n")
    landing.put("new/sleep.csv", sleep(1503960366, 9))
    assert invoke("run") == 0
    assert tables_with(landing, "P-4711") == tables_with(landing, "1503960366") == []
    assert landing.rows("select user_id, n_identifiers from marts.dim_participant order by 1") == [
        ("P-8", 2),
        ("P-9", 0),
    ]


def test_files_that_name_an_erased_participant_are_forgotten(landing: Landing) -> None:
    landing.put("user_id=P-4711/notes.csv", b"mood,score\ngood,1\n")
    landing.put("user_id=P-8/notes.csv", b"mood,score\nbad,2\n")
    landing.ingest()
    names = "select source_filename from ops.recognised_files order by 1"
    assert len(landing.rows(names)) == 2
    with db.transaction(landing.engine) as connection:
        receipt = retraction.erase(connection, "raw", "P-4711", KEY, uuid4())
    assert receipt.rows["ops.recognised_files"] == 1
    assert landing.rows(names) == [("user_id=P-8/notes.csv",)]


def tables_with(landing: Landing, text: str) -> list[str]:
    """Return every table that has a text in any column."""
    tables = landing.rows(
        "select format('%I.%I', table_schema, table_name) from information_schema.tables"
        " where table_schema not in ('pg_catalog', 'information_schema')"
    )
    return [
        table
        for (table,) in tables
        if landing.rows(f"select 1 from {table} as t where position('{text}' in t::text) > 0 limit 1")
    ]
