"""Upgrade, backup and restore as docs/operations.md describes them."""

import re
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.container.conftest import create_roles
from tests.container.engine import REPOSITORY, Database, Pipeline, command, docker

pytestmark = pytest.mark.container

CONTEXT = (
    "Dockerfile",
    ".dockerignore",
    "LICENSE",
    "requirements/runtime.txt",
    "docker",
    "ingestion",
    "sql",
    "dbt",
    "scripts",
)
DUMP = "/var/lib/postgresql/wearables.dump"
LOADED = "select count(*), min(_loaded_at), max(_loaded_at) from raw.sleep"


@pytest.fixture(scope="module")
def next_image(image: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """An image of a newer version, with one more migration."""
    context = tmp_path_factory.mktemp("next")
    for name in CONTEXT:
        original, copy = REPOSITORY / name, context / name
        copy.parent.mkdir(parents=True, exist_ok=True)
        if original.is_dir():
            shutil.copytree(original, copy, ignore=shutil.ignore_patterns("__pycache__", "target", "logs"))
        else:
            shutil.copyfile(original, copy)
    version = context / "ingestion/__init__.py"
    version.write_text(re.sub(r'__version__ = ".*"', '__version__ = "99.0.0"', version.read_text()))
    last = max(int(path.name[:3]) for path in (context / "sql").glob("*.sql"))
    (context / f"sql/{last + 1:03}_raw_sleep_note.sql").write_text("alter table raw.sleep add column note text;\n")
    tag = f"{image}-next"
    result = command(str(context / "scripts/build-image.sh"), tag, cwd=context, timeout=900)
    assert result.returncode == 0, result.output
    yield tag
    command("docker", "image", "rm", "--force", tag)


def test_the_next_version_applies_its_ddl_and_keeps_the_data(
    again: Pipeline, next_image: str, filled: Database
) -> None:
    database = filled
    loaded = database.query(LOADED)
    applied = int(database.query("select count(*) from ops.schema_migrations"))

    upgraded = replace(again, image=next_image)
    plan = upgraded.run("migrate", "--plan")
    assert "add column note" in plan.stdout, "the plan shows the new migration"
    result = upgraded.run()
    assert result.returncode == 0, result.output

    assert database.query(LOADED) == loaded, "no row was loaded again"
    newest = "select application_version from ops.schema_migrations order by file desc limit 1"
    assert database.query(newest) == "99.0.0"
    assert int(database.query("select count(*) from ops.schema_migrations")) == applied + 1
    assert database.query("select count(note) from raw.sleep") == "0", "the new column exists and can be read"

    # An older image refuses a newer schema: going back takes a restore.
    result = again.run("migrate")
    assert result.returncode == 78, result.output


def test_backup_and_restore(again: Pipeline, filled: Database) -> None:
    database = filled
    marts = "select count(*) from marts.fct_user_status"
    before = (database.query(LOADED), database.query(marts))

    server = database.server
    dump = ("pg_dump", "--username=postgres", "--format=custom", f"--file={DUMP}", database.name)
    docker("exec", server, *dump)
    restored = Database(server, f"{database.name}_restored")
    database.query(f"create database {restored.name}")
    try:
        create_roles(restored)
        restore = ("pg_restore", "--username=postgres", "--clean", "--if-exists", "--exit-on-error")
        docker("exec", server, *restore, f"--dbname={restored.name}", DUMP)
        assert (restored.query(LOADED), restored.query(marts)) == before
        result = again.run(environment={"PGDATABASE": restored.name})
        assert result.returncode == 0, result.output
        assert restored.query(LOADED) == before[0], "the manifest was restored, so no file is loaded again"
        assert restored.psql(marts, user="reader").returncode == 0, "the restore includes the privileges"
        assert restored.psql("select * from raw.sleep", user="reader").returncode != 0
    finally:
        database.query(f"drop database {restored.name} with (force)")


def test_the_context_contains_every_file_that_the_dockerfile_copies() -> None:
    """Without this, the upgrade test could build an image that lacks a file."""
    copied = re.findall(r"^COPY (?!--from)(?:--\S+ )*(\S+) ", (REPOSITORY / "Dockerfile").read_text(), re.MULTILINE)
    assert copied
    for name in copied:
        assert any(Path(name).is_relative_to(part) for part in CONTEXT), name
