"""Scripts that prepare a machine for the tests, on machines that lack something."""

import shutil
import subprocess
from pathlib import Path

import pytest

from ingestion.config import ROOT


@pytest.fixture
def programs(tmp_path: Path) -> Path:
    """A folder for PATH that contains bash and what the scripts call first."""
    folder = tmp_path / "programs"
    folder.mkdir()
    for name in ("bash", "dirname"):
        (folder / name).symlink_to(str(shutil.which(name)))
    return folder


def run(script: str, programs: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(ROOT / "scripts" / script), *arguments],
        env={"PATH": str(programs), **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def install(programs: Path, *names: str) -> None:
    for name in names:
        program = programs / name
        program.write_text("#!/bin/sh\n")
        program.chmod(0o755)


def test_test_tools_lists_missing_packages_where_there_is_no_apt_get(programs: Path) -> None:
    install(programs, "npm")
    result = run("install-test-tools.sh", programs, "npm", "make")
    assert result.returncode == 1
    assert result.stderr.endswith("package manager of your system: make nodejs chromium\n")


def test_test_tools_does_nothing_where_everything_is_installed(programs: Path) -> None:
    install(programs, "npm", "node", "google-chrome")
    result = run("install-test-tools.sh", programs)
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")


def test_azurite_is_left_out_without_npm_and_required_in_ci(programs: Path, tmp_path: Path) -> None:
    stamp = tmp_path / "stamp"
    assert run("setup-azurite.sh", programs, str(stamp)).returncode == 0
    assert not stamp.exists(), "make must try again once npm is installed"
    result = run("setup-azurite.sh", programs, str(stamp), CI="1")
    assert result.returncode == 1
    assert "scripts/install-test-tools.sh" in result.stderr
