"""A real HTTP server on loopback that keeps what it is sent, or behaves as badly as it is told to."""

import gzip
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass(frozen=True)
class Request:
    """What was sent once."""

    path: str
    headers: Mapping[str, str]
    body: bytes


@dataclass
class Receiver:
    """What a server has been sent, and how it answers."""

    status: int = 200
    hangs: bool = False
    delay: float = 0.0
    url: str = ""
    requests: list[Request] = field(default_factory=list)
    released: threading.Event = field(default_factory=threading.Event)

    def bodies(self, path: str) -> list[bytes]:
        """What was sent there."""
        return [request.body for request in self.requests if request.path == path]


@contextmanager
def receiver(*, status: int = 200, hangs: bool = False, delay: float = 0.0) -> Iterator[Receiver]:
    """Serve until the block ends; one that hangs takes what it is sent, and never answers."""
    received = Receiver(status, hangs, delay)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.headers["Content-Encoding"] == "gzip":
                body = gzip.decompress(body)
            received.requests.append(Request(self.path, dict(self.headers.items()), body))
            if received.hangs:
                received.released.wait(60)
                return
            time.sleep(received.delay)
            self.send_response(received.status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_arguments: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    received.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield received
    finally:
        received.released.set()
        server.shutdown()
        server.server_close()
        thread.join()
