"""`make run-prod` without a Docker engine, in a copy of the clone."""

import os
import shutil
from pathlib import Path

import pytest

from tests.container.engine import REPOSITORY, Result, command

PARTS = ("ingestion", "sql", "dbt", "docker", "scripts", "sample_data")


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A copy of the files that the script needs, without a database."""
    folder = tmp_path / "clone"
    folder.mkdir()
    for name in PARTS:
        shutil.copytree(
            REPOSITORY / name, folder / name, ignore=shutil.ignore_patterns("__pycache__", "target", "logs")
        )
    (folder / ".venv").symlink_to(REPOSITORY / ".venv")
    return folder


def run_prod(clone: Path, *words: str) -> Result:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PG", "DB_", "DATABASE_URL"))}
    return command(str(clone / "scripts/run-prod.sh"), *words, environment={**kept, "WITHOUT_DOCKER": "1"}, cwd=clone)


def test_the_embedded_postgresql_gets_the_same_roles(clone: Path) -> None:
    first = run_prod(clone)
    assert first.returncode == 0, first.output
    assert "the embedded PostgreSQL; files from ./sample_data" in first.stderr
    owners = command(
        *(str(clone / ".venv/bin/python"), "-m", "ingestion", "psql", "-XAtq", "--command"),
        "select distinct tableowner from pg_tables where schemaname in ('raw', 'marts') order by 1",
        environment={"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", str(clone))},
        cwd=clone,
    )
    assert owners.stdout.split() == ["wearables_owner", "wearables_transformer"], owners.output


def test_files_in_data_lake_take_precedence_over_the_sample_data(clone: Path) -> None:
    (clone / "data_lake").mkdir()
    shutil.copy(clone / "sample_data/sleep_2026-04-01.csv", clone / "data_lake")
    assert "files from ./data_lake" in run_prod(clone, "--help").stderr
