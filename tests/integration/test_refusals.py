"""Problems with the database are reported before anything is done."""

from dataclasses import replace

import pytest

from ingestion import db
from ingestion.config import Database, Settings
from ingestion.errors import ConfigurationError


def test_a_server_that_is_too_old_is_refused(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ingestion.db.opening._OLDEST_SERVER", 990_000)
    with pytest.raises(ConfigurationError, match=r"PostgreSQL 1[678] is too old"):
        db.wait_until_ready(db.create_engine(settings), 0)


@pytest.mark.parametrize("role", ["no_such_role", "none; drop table x"])
def test_a_missing_role_is_reported(role: str, settings: Settings) -> None:
    with (
        pytest.raises(ConfigurationError, match=f"cannot act as {role}") as caught,
        db.session(db.create_engine(settings), role=role),
    ):
        pass
    assert "roles.sql" in (caught.value.hint or "")


def test_an_invalid_port_is_reported_at_once(database: Database) -> None:
    wrong = replace(database, parameters={**database.parameters, "host": "127.0.0.1", "port": "five"})
    with pytest.raises(ConfigurationError, match="invalid integer"):
        db.wait_until_ready(db.create_engine(Settings(database=wrong)), 30)
