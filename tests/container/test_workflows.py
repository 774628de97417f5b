"""The workflows and the scripts that they are made of; form and known weaknesses: scripts/lint-deploy.sh."""

import json
import os
import re
import socketserver
import threading
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


@pytest.fixture
def gh(tmp_path: Path) -> Path:
    """A folder with a `gh` that keeps its calls in calls.json, one a line, and knows the issues of open.txt."""
    program = tmp_path / "gh"
    program.write_text(
        """#!/usr/bin/env python3
import json, pathlib, sys
here = pathlib.Path(__file__).parent
body = sys.stdin.read() if "-" in sys.argv else ""
with (here / "calls.json").open("a") as calls:
    print(json.dumps([sys.argv[1:], body]), file=calls)
if sys.argv[1:3] == ["issue", "list"] and (here / "open.txt").exists():
    print((here / "open.txt").read_text())
"""
    )
    program.chmod(0o755)
    return tmp_path


def report(gh: Path, **environment: str) -> list[tuple[list[str], str]]:
    result = command(
        str(REPOSITORY / "scripts/report-run.sh"),
        environment={
            "PATH": f"{gh}:{os.environ['PATH']}",
            "RUN_ID": "8d2c",
            "EXIT_CODE": "65",
            "RUN_URL": "the-run",
            **environment,
        },
    )
    assert result.returncode == 0, result.output
    return [tuple(json.loads(line)) for line in (gh / "calls.json").read_text().splitlines()]


class TestIssue:
    def test_the_first_failure_opens_one(self, gh: Path) -> None:
        calls = report(gh, RESULT="failure", ERROR_SUMMARY="ingest: sleep.csv refused")
        assert [call[:2] for call, _ in calls] == [["issue", "list"], ["label", "create"], ["issue", "create"]]
        body = calls[-1][1]
        assert "8d2c" in body
        assert "exit code 65" in body
        assert "the-run" in body
        assert "    ingest: sleep.csv refused" in body

    def test_a_following_failure_comments_on_it(self, gh: Path) -> None:
        (gh / "open.txt").write_text("12")
        calls = report(gh, RESULT="failure", ERROR_SUMMARY="again")
        assert [call[:3] for call, _ in calls[1:]] == [["issue", "comment", "12"]]

    def test_the_next_success_closes_it(self, gh: Path) -> None:
        (gh / "open.txt").write_text("12")
        calls = report(gh, RESULT="success")
        assert [call[:3] for call, _ in calls[1:]] == [["issue", "close", "12"]]

    def test_a_success_with_no_issue_does_nothing(self, gh: Path) -> None:
        assert len(report(gh, RESULT="success")) == 1

    def test_the_summary_is_no_markdown(self, gh: Path) -> None:
        body = report(gh, RESULT="failure", ERROR_SUMMARY="@everyone # look\n[x](y)")[-1][1]
        assert "    @everyone # look\n    [x](y)" in body


class Mailbox(socketserver.BaseRequestHandler):
    """A mail server for one conversation; it takes everything and encrypts nothing."""

    received: list[str]

    def handle(self) -> None:
        stream = self.request.makefile("rwb", buffering=0)
        stream.write(b"220 here\r\n")
        for line in stream:
            word = line.split()[0].upper()
            if word == b"DATA":
                stream.write(b"354 go on\r\n")
                for text in stream:
                    if text == b".\r\n":
                        break
                    Mailbox.received.append(text.decode().rstrip())
            stream.write(b"221 bye\r\n" if word == b"QUIT" else b"250 ok\r\n")
            if word == b"QUIT":
                break


@pytest.fixture
def mail_server() -> Iterator[int]:
    Mailbox.received = []
    with socketserver.TCPServer(("127.0.0.1", 0), Mailbox) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server.server_address[1]
        server.shutdown()


def send_mail(address: str, **environment: str) -> Result:
    return command(
        *("python3", "scripts/send_failure_mail.py"),
        environment={
            "PATH": os.environ["PATH"],
            "SMTP_URL": address,
            "ALERT_EMAIL_TO": "ops@example.org",
            "ALERT_EMAIL_FROM": "pipeline@example.org",
            "RUN_ID": "8d2c",
            "EXIT_CODE": "69",
            "ERROR_SUMMARY": "migrate: no database connection",
            **environment,
        },
    )


class TestMail:
    def test_it_tells_run_and_reason(self, mail_server: int) -> None:
        result = send_mail(f"smtp://127.0.0.1:{mail_server}")
        assert result.returncode == 0, result.output
        text = "\n".join(Mailbox.received)
        assert "Subject: Wearables pipeline: run 8d2c failed" in text
        assert "migrate: no database connection" in text

    def test_a_line_break_makes_no_header(self, mail_server: int) -> None:
        send_mail(f"smtp://127.0.0.1:{mail_server}", RUN_ID="8d2c\nBcc: all@example.org")
        assert not [line for line in Mailbox.received if line.startswith("Bcc:")]

    def test_a_password_is_not_sent_in_the_clear(self, mail_server: int) -> None:
        result = send_mail(f"smtp://user:hush@127.0.0.1:{mail_server}")
        assert result.returncode == 69
        assert "offers no encryption" in result.stderr
        assert "hush" not in result.output

    def test_a_bad_address_is_a_bad_setting(self) -> None:
        assert send_mail("mail.example.org").returncode == 78


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
