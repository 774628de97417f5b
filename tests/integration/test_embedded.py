"""The embedded server, where its folder is not as plain as one would wish."""

import os
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import psycopg2
import pytest

from ingestion import embedded
from ingestion.errors import DatabaseUnavailableError


@pytest.fixture
def folder_of_its_own() -> Iterator[Path]:
    # as root the server runs as another user, and pytest shuts its folder to others whenever a session begins
    with TemporaryDirectory() as path:
        yield Path(path)


@pytest.mark.parametrize("folder", ["with a space", "it's é; (1)", "long" * 30])
def test_starts_in_any_folder_and_keeps_others_out(folder: str, folder_of_its_own: Path) -> None:
    data = folder_of_its_own / folder / "data"
    data.parent.mkdir()
    for _ in range(2):
        with embedded.server(data) as database:
            connection = psycopg2.connect(database.dsn)
            connection.close()
            socket_folder = Path(database.parameters["host"])
            assert socket_folder.stat().st_mode & 0o077 == 0 or socket_folder.parent.stat().st_mode & 0o077 == 0


def test_says_so_where_it_cannot_start(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "PG_VERSION").write_text("18\n")
    with pytest.raises(DatabaseUnavailableError, match="does not start") as caught, embedded.server(tmp_path / "data"):
        pass
    assert os.fspath(tmp_path) in (caught.value.hint or "")
