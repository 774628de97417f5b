"""Serve reports over HTTP to this machine only, and only to whoever knows the address.

The address contains a token: other users of the machine can reach the port, too.
"""

import hmac
import html
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from ingestion.config import Settings
from ingestion.errors import UsageError
from ingestion.leftovers import temporary_folder
from ingestion.report.publishing import LATEST, open_reports
from ingestion.storage import Shelf

_HOST = "127.0.0.1"
_PATH = re.compile(r"/([\w-]+)/([\w.-]+\.html)?")
_TOKEN_BYTES = 16
# rejects DNS rebinding: a page of another site whose name resolves to this machine
_LOCAL = re.compile(r"(127\.0\.0\.1|localhost|\[::1\])(:\d+)?")


class Server:
    """An HTTP server for the reports that are kept.

    Arguments:
        settings: the settings.
        port: the port; 0 for any free port.

    Raises:
        UsageError: the port cannot be used.

    """

    def __init__(self, settings: Settings, port: int) -> None:
        self._token = secrets.token_urlsafe(_TOKEN_BYTES)
        try:
            self._server = ThreadingHTTPServer((_HOST, port), partial(_Handler, open_reports(settings), self._token))
        except (OSError, OverflowError) as exc:
            raise UsageError(
                f"port {port} cannot be used ({getattr(exc, 'strerror', 'not a valid port')})",
                hint="Choose another port with --port. 0 picks a free one.",
            ) from exc

    @property
    def url(self) -> str:
        """The URL of the list of reports."""
        return f"http://{_HOST}:{self._server.server_port}/{self._token}/"

    @contextmanager
    def opener(self) -> Iterator[str]:
        """Yield the URL of a file that leads a browser to the reports.

        Other users can read the command line of a browser, and this file's URL there, but not the file.
        """
        with temporary_folder(".wearables-report-") as folder:
            page = folder / "open.html"
            page.write_text(f'<!doctype html><meta http-equiv="refresh" content="0; url={self.url}">', encoding="utf-8")
            yield page.as_uri()

    def serve(self) -> None:
        """Answer requests until `stop` is called or the process is interrupted."""
        with self._server:
            self._server.serve_forever()

    def stop(self) -> None:
        """End `serve`."""
        self._server.shutdown()


class _Handler(BaseHTTPRequestHandler):
    server_version = "wearables-pipeline"
    sys_version = ""

    def __init__(self, shelf: Shelf, token: str, *arguments: object) -> None:
        self._shelf = shelf
        self._token = token.encode()
        super().__init__(*arguments)  # type: ignore[arg-type]

    def do_GET(self) -> None:
        if not _LOCAL.fullmatch(self.headers.get("Host", "")):
            self.send_error(HTTPStatus.MISDIRECTED_REQUEST)
            return
        match = _PATH.fullmatch(self.path.partition("?")[0])
        if match is None or not hmac.compare_digest(match[1].encode(), self._token):
            self.send_error(HTTPStatus.NOT_FOUND)
        elif match[2] is None:
            self._answer(self._list())
        elif (content := self._shelf.read(match[2])) is not None:
            self._answer(content)
        else:
            self.send_error(HTTPStatus.NOT_FOUND)

    def do_HEAD(self) -> None:
        self.do_GET()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Log nothing: the terminal already shows the address."""

    def _answer(self, content: bytes) -> None:
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Cache-Control", "no-store")
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("X-Frame-Options", "DENY")
        self.send_header("Referrer-Policy", "no-referrer")
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(content)

    def _list(self) -> bytes:
        names = [name for name in self._shelf.names() if name.endswith(".html")]
        names.sort(key=lambda name: (name == LATEST, name), reverse=True)
        items = "".join(f'<li><a href="{html.escape(name)}">{html.escape(name)}</a></li>' for name in names)
        return (
            '<!doctype html><html lang="en"><meta charset="utf-8"><meta name="color-scheme" content="light dark">'
            '<meta name="viewport" content="width=device-width"><link rel="icon" href="data:,"><title>Reports</title>'
            f"<h1>Reports</h1><ul>{items or '<li>No reports yet. Run: python -m ingestion report</li>'}</ul></html>"
        ).encode()
