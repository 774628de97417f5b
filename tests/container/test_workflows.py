"""The workflows and the scripts that they are made of; form and known weaknesses: scripts/lint-deploy.sh."""

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.container.engine import REPOSITORY, Result, command

WORKFLOWS = sorted((REPOSITORY / ".github/workflows").glob("*.yml"))
PINNED = re.compile(r"[\w-]+/[\w-]+@[0-9a-f]{40}")


def steps(workflow: Path) -> Iterator[dict[str, Any]]:
    for job in yaml.safe_load(workflow.read_text())["jobs"].values():
        yield from job["steps"]


def test_what_a_maintainer_runs_is_clean() -> None:
    result = command(str(REPOSITORY / "scripts/lint-deploy.sh"))
    assert result.returncode == 0, result.output


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.name)
class TestWorkflow:
    def test_actions_are_pinned_by_commit(self, workflow: Path) -> None:
        used = [step["uses"] for step in steps(workflow) if "uses" in step]
        assert used
        assert [name for name in used if not PINNED.fullmatch(name)] == []

    def test_nothing_is_permitted_but_by_a_job(self, workflow: Path) -> None:
        text = yaml.safe_load(workflow.read_text())
        assert text["permissions"] == {}
        assert text["concurrency"]["group"]
        assert all(job["permissions"] and job["timeout-minutes"] for job in text["jobs"].values())

    def test_a_step_is_a_script_or_a_target_of_this_repository(self, workflow: Path) -> None:
        targets = re.findall(r"^([a-z-]+):", (REPOSITORY / "Makefile").read_text(), re.MULTILINE)
        for run in (step["run"] for step in steps(workflow) if "run" in step):
            words = [word for word in run.split() if word != "python3"]
            if words[0] == "make":
                assert words[1] in targets
            else:
                assert os.access(REPOSITORY / words[0], os.R_OK), run


class TestPublishing:
    def test_a_release_has_provenance_and_an_sbom(self) -> None:
        result = publish("v0.1.0")
        assert result.returncode == 0, result.output
        assert "--provenance=mode=max --sbom=true --push" in result.stdout
        assert "registry.example.org/team/pipeline:0.1.0" in result.stdout
        assert "hush" not in result.output

    def test_the_tag_is_the_programs_version(self) -> None:
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
