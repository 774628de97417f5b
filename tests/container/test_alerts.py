"""The image sends an alert for a failed run, with the address of the webhook in a file."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.container.engine import Pipeline, command, docker, eventually

pytestmark = pytest.mark.container

# Prints the body of each request as a line.
LISTENER = """
from http.server import BaseHTTPRequestHandler, HTTPServer
class Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        print(self.rfile.read(int(self.headers['Content-Length'])).decode(), flush=True)
        self.send_response(200)
        self.end_headers()
    def log_message(self, *_): pass
print('ready', flush=True)
HTTPServer(('', 8000), Handler).serve_forever()
"""


@pytest.fixture
def hook(image: str, network: str) -> Iterator[str]:
    name = f"{network}-hook"
    docker("run", "--detach", f"--name={name}", f"--network={network}", image, "python", "-c", LISTENER)
    eventually(lambda: "ready" in docker("logs", name), "the listener is ready")
    yield name
    command("docker", "rm", "--force", name)


def test_a_failure_and_its_recovery_are_each_sent_once(pipeline: Pipeline, hook: str, tmp_path: Path) -> None:
    landing_zone, secret = tmp_path / "landing", tmp_path / "hook"
    landing_zone.mkdir()
    secret.write_text(f"http://{hook}:8000/planted-secret")
    for path in (landing_zone, tmp_path, *tmp_path.parents[:2]):
        path.chmod(path.stat().st_mode | 0o055)
    secret.chmod(0o444)
    options = [f"--volume={secret}:/run/secrets/hook:ro"]
    small = replace(pipeline, landing_zone=landing_zone)
    environment = {"PIPELINE_ALERT_WEBHOOK_URL_FILE": "/run/secrets/hook"}
    file = landing_zone / "sleep.csv"
    for content, code in (("Id\n1\n", 65), ("Id\n1\n", 65), ("Id,SleepDay,TotalMinutesAsleep,TotalTimeInBed\n", 0)):
        file.write_text(content)
        file.chmod(0o444)
        result = small.run("ingest", environment=environment, options=options)
        assert result.returncode == code, result.output
        assert "cannot record in ops.alerts" not in result.output
        assert "planted" not in result.output
        file.unlink()
    sent = [json.loads(line) for line in docker("logs", hook).splitlines()[1:]]
    assert [(body["kind"], body["times"]) for body in sent] == [("failure", 1), ("recovery", 2)]
