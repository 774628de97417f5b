"""Between client and store: passes requests on, remembers them, and breaks what it is told to break."""

import http.client
import socket
import struct
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Literal

Kind = Literal["403", "500", "503", "reset", "cut", "stall"]
_BLOCK = 8192
_ERRORS = {
    "403": b"<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>",
    "500": b"<Error><Code>InternalError</Code><Message>Please try again</Message></Error>",
    "503": b"<Error><Code>SlowDown</Code><Message>Reduce your request rate</Message></Error>",
}


@dataclass(frozen=True)
class Fault:
    """One failure.

    Arguments:
        kind: an answer of that status; a reset before any answer; a body cut off; a body that stops coming.
        after: where the body is cut or stops.

    """

    kind: Kind
    after: int = 0


@dataclass
class Seen:
    """A request that came by."""

    method: str
    path: str
    range: str | None
    if_match: str | None
    sent: int = 0


@dataclass
class Script:
    """What is to happen to the requests that match, in order; then nothing more happens."""

    faults: list[Fault] = field(default_factory=list)
    matches: Callable[[str, str], bool] = lambda _method, _path: True
    seen: list[Seen] = field(default_factory=list)
    on_fault: Callable[[], object] = lambda: None


Translate = Callable[["Handler", bytes], tuple[int, list[tuple[str, str]], bytes]]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    upstream: tuple[str, int]
    script: Script
    translate: Translate | None = None

    def log_message(self, *_arguments: object) -> None:
        pass

    def _serve(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        seen = Seen(self.command, self.path, self.headers.get("Range"), self.headers.get("If-Match"))
        self.script.seen.append(seen)
        fault = None
        if self.script.faults and self.script.matches(self.command, self.path):
            fault = self.script.faults.pop(0)
        if fault and fault.kind == "reset":
            # no lingering: the peer gets RST and not an orderly end
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()
            self.close_connection = True
            return
        if fault and fault.kind in _ERRORS:
            self._answer(int(fault.kind), [], _ERRORS[fault.kind], seen, None)
            return
        status, headers, content = (self.translate or forward)(self, body)
        self._answer(status, headers, content, seen, fault)

    def _answer(
        self, status: int, headers: list[tuple[str, str]], content: bytes, seen: Seen, fault: Fault | None
    ) -> None:
        self.send_response_only(status)
        for name, value in headers:
            if name.lower() not in {"content-length", "transfer-encoding", "connection"}:
                self.send_header(name, value)
        length = next((value for name, value in headers if name.lower() == "content-length"), str(len(content)))
        self.send_header("Content-Length", length if self.command == "HEAD" else str(len(content)))
        self.end_headers()
        if self.command == "HEAD":
            return
        end = min(fault.after, len(content)) if fault else len(content)
        for start in range(0, end, _BLOCK):
            block = content[start : min(start + _BLOCK, end)]
            try:
                self.wfile.write(block)
            except OSError:
                self.close_connection = True
                return
            seen.sent += len(block)
        if fault:
            self.script.on_fault()
            if fault.kind == "stall":
                time.sleep(3)
            self.connection.shutdown(socket.SHUT_RDWR)
            self.close_connection = True

    do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = _serve  # noqa: N815  (the library's names)


def forward(handler: Handler, body: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
    """Ask the store itself."""
    return ask(handler.upstream, handler.command, handler.path, body, dict(handler.headers.items()))


def ask(
    upstream: tuple[str, int], method: str, path: str, body: bytes = b"", headers: dict[str, str] | None = None
) -> tuple[int, list[tuple[str, str]], bytes]:
    connection = http.client.HTTPConnection(*upstream, timeout=30)
    try:
        sent = {name.lower(): value for name, value in (headers or {}).items()}
        if body or method in {"PUT", "POST"}:
            sent["content-length"] = str(len(body))
        connection.putrequest(method, path, skip_host="host" in sent, skip_accept_encoding=True)
        for name, value in sent.items():
            connection.putheader(name, value)
        connection.endheaders(body)
        response = connection.getresponse()
        return response.status, response.getheaders(), response.read()
    finally:
        connection.close()


class Proxy:
    """A proxy in front of one store, on loopback.

    Arguments:
        upstream: the store.
        translate: answers in the store's place; see `servers.as_gcs`.

    """

    def __init__(self, upstream: tuple[str, int], translate: Translate | None = None) -> None:
        self.script = Script()
        self.upstream = upstream
        fields = {"upstream": upstream, "translate": translate and staticmethod(translate), "script": self.script}
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), type("_Handler", (Handler,), fields))
        self._server.daemon_threads = True
        self._server.handle_error = lambda *_arguments: None  # type: ignore[method-assign]  # clients go when they like
        self.address = ("127.0.0.1", self._server.server_address[1])
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    @property
    def url(self) -> str:
        return "http://{}:{}".format(*self.address)

    def breaks(self, *faults: Fault, matches: Callable[[str, str], bool] = lambda _method, _path: True) -> Script:
        """Break the next requests that match, one fault each."""
        self.script.faults[:] = faults
        self.script.matches = matches
        self.script.seen.clear()
        self.script.on_fault = lambda: None
        return self.script

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
