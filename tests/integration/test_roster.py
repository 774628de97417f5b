"""A roster is loaded like any other file, and nothing else of it is kept; erase knows a participant's identifiers."""

from uuid import uuid4

from ingestion import db, retraction
from tests.drops import Landing, sleep

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
        retraction.erase(connection, "raw", "P00001", "a long random secret", uuid4())
    assert landing.rows("select user_id from raw.participants") == [("007",)]
    # 3 may be either's
    assert landing.rows("select distinct user_id from raw.sleep order by 1") == [("2",), ("3",)]
    assert landing.rows("select identifier, user_id from raw.identifiers order by 1, 2") == [("2", "007"), ("3", "007")]
