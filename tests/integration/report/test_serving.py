"""The command `report`: it writes, resolves pseudonyms, and serves to this machine only."""

import http.client
import stat
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from ingestion import embedded
from ingestion.cli import main
from ingestion.config import Database
from ingestion.report.serving import Server
from tests.integration.report.conftest import Study
from tests.integration.report.reading import figures


@pytest.fixture
def configured(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    """Set the environment variables that select the database and reports of the study."""
    parameters = study.settings.known_database
    for name, value in parameters.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("DATABASE_URL", raising=False)
    monkeypatch.setenv("PIPELINE_REPORT_DIR", study.settings.reports)
    monkeypatch.setattr(embedded, "is_available", lambda: False)


@contextmanager
def serving(study: Study) -> Iterator[tuple[int, str]]:
    """Yield the port, and the path with the token."""
    server = Server(study.settings, 0)
    thread = threading.Thread(target=server.serve)
    thread.start()
    try:
        url = urlsplit(server.url)
        assert url.port
        yield url.port, url.path
    finally:
        server.stop()
        thread.join()


def get(port: int, path: str, host: str = "127.0.0.1") -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.putrequest("GET", path, skip_host=True)
    connection.putheader("Host", host)
    connection.endheaders()
    answer = connection.getresponse()
    content = answer.read()
    connection.close()
    return answer.status, content


def test_only_reports_are_served(study: Study) -> None:
    secret = Path(study.settings.reports, "secret.txt")
    secret.write_text("not a report")
    with serving(study) as (port, root):
        status, content = get(port, root)
        assert status == 200
        assert content.index(b"latest.html") < content.index(study.report.name.encode())
        assert get(port, f"{root}latest.html?x=1") == (200, study.report.read_bytes())
        assert f'href="{study.report.name}"'.encode() in content, "the links keep the token"
        for path in (
            "/secret.txt",
            "/../landing/sleep.csv",
            "/..%2flanding",
            "/nothing.html",
            "//etc/passwd",
            "/.html/x",
        ):
            assert get(port, root + path[1:])[0] == 404, path
        assert get(port, root, host="evil.example")[0] == 421, "DNS rebinding is rejected"
        assert get(port, root, host=f"localhost:{port}")[0] == 200
    secret.unlink()


def test_another_user_of_the_machine_gets_no_report(study: Study) -> None:
    """Other users can reach the port, but do not know the token of the address."""
    with serving(study) as (port, root), serving(study) as (_, other_root):
        assert root != other_root
        assert len(root) > 20
        for path in ("/", "/latest.html", "/x/latest.html", other_root, f"{other_root}latest.html", root[:-2] + "/"):
            assert get(port, path)[0] == 404, path
        assert get(port, root)[0] == 200


def test_the_browser_is_started_without_the_token(study: Study) -> None:
    """Other users can read its command line."""
    server = Server(study.settings, 0)
    with server.opener() as url:
        assert urlsplit(server.url).path.strip("/") not in url
        page = Path(urlsplit(url).path)
        assert server.url in page.read_text(encoding="utf-8")
        assert stat.S_IMODE(page.parent.stat().st_mode) == 0o700
    assert not page.parent.exists()
    server._server.server_close()


def test_a_port_in_use_is_an_error(study: Study, capsys: pytest.CaptureFixture[str]) -> None:
    with serving(study) as (port, _):
        assert main(["report", "--serve", "--port", str(port)]) == 64
    assert f"port {port} cannot be used" in capsys.readouterr().err
    assert main(["report", "--serve", "--port", "99999"]) == 64


@pytest.mark.usefixtures("configured")
def test_the_command_writes_to_the_given_file(study: Study, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "here.html"
    assert main(["report", "--output", str(path)]) == 0
    assert capsys.readouterr().out == f"{path}\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    names = figures(path)["participants"]["name"]
    assert main(["report", "--output", str(path), "--with-user-ids"]) == 0
    capsys.readouterr()
    assert main(["report", "who", names[0]]) == 0
    assert capsys.readouterr().out.strip() in figures(path)["participants"]["name"]
    assert main(["report", "who", "nobody"]) == 64
    assert main(["report", "--output", str(tmp_path / "absent" / "here.html")]) == 64


@pytest.mark.usefixtures("configured")
def test_the_command_says_that_there_is_no_screen(
    study: Study, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    assert main(["report", "--open"]) == 0
    said = capsys.readouterr().out
    assert said.splitlines()[0] == str(study.report), "the report of the latest run"
    assert "no screen" in said


@pytest.mark.usefixtures("configured")
def test_a_database_without_a_run_is_an_error(
    template: Database, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PGDATABASE", template.parameters["dbname"])
    assert main(["report"]) == 1
    assert "has no run yet" in capsys.readouterr().err
