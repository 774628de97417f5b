"""The sample study shows what the pipeline can say: every status, every reason to call, and person or device."""

import os
import shutil
from collections import Counter
from collections.abc import Iterator
from datetime import date

import pytest

from ingestion import db, follow_up, runner
from ingestion.config import ROOT, Database, Settings
from ingestion.follow_up import Entry, FollowUp
from scripts.generate_sample_data import SEED, people
from tests.conftest import clone_database, drop_database

KINDS = {str(person.user_id): person.kind for person, _ in people(SEED)}


@pytest.fixture(scope="module")
def settings(server: Database, template: Database, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    folder = tmp_path_factory.mktemp("sample")
    shutil.copytree(ROOT / "sample_data", folder / "landing")
    database = clone_database(server, f"sample_{os.getpid()}", template)
    settings = Settings(
        database=database,
        data_dir=str(folder / "landing"),
        use_manifest=True,
        report_dir=str(folder / "reports"),
        dbt_target_dir=folder / "target",
        dbt_log_dir=folder / "logs",
    )
    result = runner.run(settings)
    assert result.exit_code == 0, result.error_summary
    assert result.ingest is not None
    assert not [remark for file in result.ingest.files for remark in file.remarks], "nothing has to be assumed"
    yield settings
    drop_database(server, database)


@pytest.fixture(scope="module")
def told(settings: Settings) -> FollowUp:
    with db.session(db.create_engine(settings)) as connection:
        return follow_up.read(connection)


def test_every_status_occurs(settings: Settings) -> None:
    with db.session(db.create_engine(settings)) as connection, connection.cursor() as cursor:
        cursor.execute("select status from marts.fct_user_status where as_of_date = '2026-04-29'")
        statuses = Counter(row[0] for row in cursor.fetchall())
    assert statuses.keys() == {
        *("withdrawn", "completed", "never_started", "stopped", "wearing_less", "new", "declining", "increasing"),
        "stable",
    }
    assert (statuses["completed"], statuses["withdrawn"], statuses["never_started"]) == (3, 1, 1)
    assert sum(statuses.values()) == 37


def test_every_reason_cause_and_certainty_occurs(told: FollowUp) -> None:
    assert told.as_of_date == date(2026, 4, 29)
    assert {entry.reason for entry in told.entries} == set(follow_up.REASONS)
    assert {entry.cause for entry in told.entries} == {*follow_up.CAUSES, None}
    assert {entry.certainty for entry in told.entries} == set(follow_up.CERTAINTIES)
    assert not [entry for entry in told.entries if KINDS.get(entry.user_id) in {"finished", "withdrawn"}]


def of_kind(told: FollowUp, kind: str | None) -> Entry:
    (entry,) = (entry for entry in told.entries if KINDS.get(entry.user_id) == kind)
    return entry


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("unsynced", ("not_synchronising", "not_synchronised", date(2026, 4, 22), date(2026, 4, 21))),
        ("empty_battery", ("not_synchronising", "battery_low", date(2026, 4, 19), date(2026, 4, 18))),
        ("unworn", ("stopped", "not_worn", date(2026, 4, 21), date(2026, 4, 25))),
        (None, ("never_started", "unknown", date(2026, 4, 13), None)),
    ],
)
def test_person_and_device_are_told_apart(
    kind: str | None, expected: tuple[str, str, date, date | None], told: FollowUp
) -> None:
    entry = of_kind(told, kind)
    assert (entry.reason, entry.cause, entry.since_date, entry.last_sync_date) == expected


def test_a_site_without_synchronisations_cannot_tell(told: FollowUp) -> None:
    causes = {entry.cause for entry in told.entries if entry.site == "Linz" and entry.reason != "moving_less"}
    assert causes == {"unknown"}


def test_hardly_anybody_who_is_steady_is_called(told: FollowUp) -> None:
    """One of them moves less by chance, as docs/methods.md expects of so many people."""
    called = [entry for entry in told.entries if KINDS.get(entry.user_id) in {"steady", "increasing", "new"}]
    assert [(entry.reason, entry.certainty) for entry in called] == [("moving_less", "likely")]
