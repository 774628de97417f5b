"""What is not released, and that nothing is left behind then."""

import errno
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from ingestion import db, release
from ingestion.config import ROOT, Settings
from ingestion.errors import BusyError, PipelineError, TestsFailedError, UsageError
from tests.drops import Invoke
from tests.integration.release.conftest import Study

LAST_BUILD = """
step = 'dbt_build' and started_at = (select max(started_at) from ops.pipeline_steps where step = 'dbt_build')
"""
FAILED = f"""
update ops.pipeline_steps set status = 'failure', detail = detail || '{{"failures": ["balances"]}}' where {LAST_BUILD}
"""


def node(kind: str) -> str:
    return f"""
        insert into ops.dbt_node_results (
            run_id, dbt_invocation_id, node_id, resource_type, status, rows_affected, duration_ms
        )
        select run_id, coalesce(dbt_invocation_id, 'none'), 'test.wearables.balances.{kind}', '{kind}', 'fail', 1, 1
        from ops.pipeline_steps where {LAST_BUILD}
    """


def left_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_without_marts(settings: Settings, tmp_path: Path) -> None:
    with pytest.raises(PipelineError, match="there are no marts yet") as caught:
        release.write(db.create_engine(settings), settings, tmp_path / "release", release.Wanted())
    assert caught.value.hint == "Run: python -m ingestion run"
    assert "release" not in left_in(tmp_path)


def test_failed_tests_unless_forced(changed: Callable[..., Study], tmp_path: Path) -> None:
    copy = changed(FAILED, node("test"))
    with pytest.raises(TestsFailedError, match=r"tests of the marts failed in the last build: balances$"):
        copy.write(tmp_path / "release")
    assert left_in(tmp_path) == []
    copy.write(tmp_path / "release", release.Wanted(formats=("csv",), force=True))
    assert "**Tests failed on these data**: `balances`" in (tmp_path / "release" / "README.md").read_text()
    assert '"failed_tests": [\n    "balances"\n  ]' in (tmp_path / "release" / "versions.json").read_text()


def test_a_failed_model_even_if_forced(changed: Callable[..., Study], tmp_path: Path) -> None:
    copy = changed(FAILED, node("test"), node("model"))
    with pytest.raises(PipelineError, match="the last build of the marts failed"):
        copy.write(tmp_path / "release", release.Wanted(force=True))


def test_a_build_that_has_not_ended(changed: Callable[..., Study], tmp_path: Path) -> None:
    copy = changed(f"update ops.pipeline_steps set status = 'running', finished_at = null where {LAST_BUILD}")
    with pytest.raises(BusyError, match="the marts are being built"):
        copy.write(tmp_path / "release", release.Wanted(force=True))


@pytest.mark.parametrize("what", ["a file", "a cut-off", "a table"])
def test_marts_of_another_state(changed: Callable[..., Study], tmp_path: Path, what: str) -> None:
    retract = "update ops.raw_ingest_manifest set status = 'retracted' where file_id = 1"
    statements = {"a file": [retract], "a table": ["drop table marts.rpt_flow"]}.get(what, [])
    settings = {"dbt_vars": "{min_steps: 200}"} if what == "a cut-off" else {}
    with pytest.raises(PipelineError, match="other files, models or cut-offs"):
        changed(*statements).write(tmp_path / "release", release.Wanted(force=True), **settings)


def test_a_folder_that_is_not_empty(study: Study, tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "notes.txt").write_text("mine")
    with pytest.raises(UsageError, match="exists and is not empty"):
        study.write(tmp_path / "full")
    assert (tmp_path / "full" / "notes.txt").read_text() == "mine"
    with pytest.raises(UsageError, match="exists and is not empty"):
        study.write(tmp_path / "full" / "notes.txt")


def test_an_empty_folder_becomes_the_release(study: Study, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    study.write(tmp_path / "empty", release.Wanted(formats=("csv",)))
    assert (tmp_path / "empty" / "SHA256SUMS").exists()
    assert left_in(tmp_path) == ["empty"]
    assert (tmp_path / "empty").stat().st_mode & 0o077 == 0, "health data"


def test_a_folder_in_no_folder(study: Study, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be written"):
        study.write(tmp_path / "missing" / "release")


def test_a_disk_that_is_full(study: Study, tmp_path: Path) -> None:
    """The limit on the size of files makes a write fail in the middle, as a full disk does."""
    script = tmp_path / "script.py"
    target = tmp_path / "place" / "release"
    target.parent.mkdir()
    script.write_text(
        "import resource, sys\n"
        "from ingestion import transform\n"
        "from ingestion.cli import main\n"
        "parsed = transform.parsed_project\n"
        "def limited(*arguments):\n"
        "    project = parsed(*arguments)\n"
        "    resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))\n"
        "    return project\n"
        "transform.parsed_project = limited\n"
        "sys.exit(main(sys.argv[1:]))\n"
    )
    assert study.settings.database
    ended = subprocess.run(
        [sys.executable, str(script), "release", str(target)],
        env={
            **study.settings.database.environment,
            "PYTHONPATH": str(ROOT),
            "PATH": "/usr/bin:/bin",
            "HOME": str(tmp_path),
            "DBT_TARGET_PATH": str(study.settings.dbt_target_dir),
            "DBT_LOG_PATH": str(tmp_path / "logs"),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 64, ended.stderr
    assert f"release cannot be written ({os.strerror(errno.EFBIG)})" in ended.stderr
    assert left_in(target.parent) == []


def test_the_command_says_what_it_wrote(
    study: Study, tmp_path: Path, invoke: Invoke, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in study.database.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("DBT_TARGET_PATH", str(study.settings.dbt_target_dir))
    assert invoke("release", "--format", "csv", str(tmp_path / "release")) == 0
    printed = capsys.readouterr().out
    assert "41 participants (pseudonyms; dates are kept, so the data are not anonymous)" in printed
    assert "sha256 of SHA256SUMS: " in printed
    assert invoke("release", "a", "b") == 64
    assert invoke("release", "write", str(tmp_path / "release")) == 64, "it is not empty"
