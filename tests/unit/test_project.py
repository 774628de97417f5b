"""The files around the program: licence, version, contributor's guide, hooks and changelog."""

import hashlib
import re

import pytest
import yaml

from ingestion import __version__
from ingestion.config import ROOT

# the text that apache.org publishes as LICENSE-2.0.txt
APACHE_2_0 = "cfc7749b96f63bd31c3c42b5c471bf756814053e847c10f3eb003417bc523d30"


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def test_the_licence_is_the_unmodified_apache_licence() -> None:
    assert hashlib.sha256((ROOT / "LICENSE").read_bytes()).hexdigest() == APACHE_2_0


def test_the_version_is_stated_once() -> None:
    assert 'dynamic = ["version"]' in read("pyproject.toml")
    assert "__version__" in read("pyproject.toml")
    assert not re.search(r"^version:", read("dbt/dbt_project.yml"), re.MULTILINE)


def test_the_newest_version_of_the_changelog_is_the_programs() -> None:
    versions = re.findall(r"^## (\d+\.\d+\.\d+)", read("CHANGELOG.md"), re.MULTILINE)
    assert versions[0] == __version__


def test_the_example_of_a_deployment_names_the_current_version() -> None:
    overlay = yaml.safe_load(read("docker/kubernetes/overlays/production/kustomization.yaml"))
    assert [image["newTag"] for image in overlay["images"]] == [__version__]


def test_every_part_of_make_lint_has_a_hook() -> None:
    (parts,) = re.findall(r"^lint: ([a-z -]+?) ##", read("Makefile"), re.MULTILINE)
    hooks = [hook for repo in yaml.safe_load(read(".pre-commit-config.yaml"))["repos"] for hook in repo["hooks"]]
    assert {hook["entry"] for hook in hooks} == {f"make --no-print-directory {part}" for part in parts.split()}


@pytest.mark.parametrize("page", ["CONTRIBUTING.md", "SECURITY.md"])
def test_every_path_exists(page: str) -> None:
    """A name such as NAME.toml stands for a new file: its folder must exist."""
    missing = []
    for path in re.findall(r"`([\w./-]+/[\w./-]*)`", read(page)):
        placeholder = re.search(r"[^/]*\b(?:NAME|NNN|DEVICE)|[^/]*_NAME", path)
        target = ROOT / (path[: placeholder.start()] if placeholder else path)
        if not target.exists():
            missing.append(path)
    assert not missing
