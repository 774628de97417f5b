"""The workflows and their scripts. scripts/lint-deploy.sh checks their schemas and security."""

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from ingestion import __version__
from tests.container.engine import REPOSITORY, Result, command

WORKFLOWS = sorted((REPOSITORY / ".github/workflows").glob("*.yml"))
PINNED = re.compile(r"[\w-]+/[\w-]+@[0-9a-f]{40}")


def steps(workflow: Path) -> Iterator[dict[str, Any]]:
    for job in yaml.safe_load(workflow.read_text())["jobs"].values():
        yield from job["steps"]


def test_lint_deploy_finds_nothing() -> None:
    result = command(str(REPOSITORY / "scripts/lint-deploy.sh"))
    assert result.returncode == 0, result.output


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.name)
class TestWorkflow:
    def test_actions_are_pinned_by_commit(self, workflow: Path) -> None:
        used = [step["uses"] for step in steps(workflow) if "uses" in step]
        assert used
        assert [name for name in used if not PINNED.fullmatch(name)] == []

    def test_only_jobs_have_permissions(self, workflow: Path) -> None:
        text = yaml.safe_load(workflow.read_text())
        assert text["permissions"] == {}
        assert text["concurrency"]["group"]
        assert all(job["permissions"] and job["timeout-minutes"] for job in text["jobs"].values())

    def test_every_step_is_a_script_or_a_make_target_of_this_repository(self, workflow: Path) -> None:
        targets = re.findall(r"^([a-z-]+):", (REPOSITORY / "Makefile").read_text(), re.MULTILINE)
        for run in (step["run"] for step in steps(workflow) if "run" in step):
            words = [word for word in run.split() if word != "python3"]
            if words[0] == "make":
                assert words[1] in targets
            else:
                assert os.access(REPOSITORY / words[0], os.R_OK), run


class TestPublishing:
    def test_a_release_has_provenance_and_an_sbom(self) -> None:
        result = publish(f"v{__version__}")
        assert result.returncode == 0, result.output
        assert "--provenance=mode=max --sbom=true --push" in result.stdout
        assert f"registry.example.org/team/pipeline:{__version__}" in result.stdout
        assert "hush" not in result.output

    def test_a_tag_that_is_not_the_version_is_refused(self) -> None:
        assert publish("v9.9.9").returncode == 65


def publish(tag: str) -> Result:
    return command(
        str(REPOSITORY / "scripts/publish-image.sh"),
        environment={
            "PATH": os.environ["PATH"],
            "DRY_RUN": "1",
            "IMAGE_NAME": "registry.example.org/team/pipeline",
            "IMAGE_VERSION": tag,
            "REGISTRY_USER": "me",
            "REGISTRY_PASSWORD": "hush",
        },
    )
