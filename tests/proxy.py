"""A proxy between the pipeline and PostgreSQL that cuts, stalls and delays what it passes on."""

import socket
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal, Self

from ingestion.config import Database

Direction = Literal["to_server", "to_client"]
_BLOCK = 65536


@dataclass(eq=False)
class _Pair:
    """One connection: the client's socket and the server's."""

    client: socket.socket
    server: socket.socket
    is_closed: bool = False
    lock: threading.Lock = field(default_factory=threading.Lock)

    def close(self) -> None:
        with self.lock:
            if self.is_closed:
                return
            self.is_closed = True
        for each in (self.client, self.server):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()


class Proxy:
    """A proxy in front of a database, on loopback. Use it as a context manager.

    A stalled proxy passes nothing on, in either direction, and accepts connections that it does not pass on either. The
    kernel still acknowledges what is sent: to both sides it looks like a peer that has stopped, or a firewall that
    swallows packets and answers keepalives. What one side closes meanwhile stays open on the other.

    Arguments:
        database: the database behind the proxy.

    """

    def __init__(self, database: Database) -> None:
        self._upstream = database
        self._passing = threading.Event()
        self._passing.set()
        self._lock = threading.Lock()
        self._pairs: list[_Pair] = []
        self._is_over = False
        self._cut_after: tuple[int, Direction] | None = None
        self._stall_after: tuple[int, Direction] | None = None
        self.latency_seconds = 0.0
        # the bytes that were passed on since `forget`
        self.passed: dict[Direction, int] = {"to_server": 0, "to_client": 0}
        # how often a connection was cut
        self.cuts = 0

    def __enter__(self) -> Self:
        self._listener = socket.create_server(("127.0.0.1", 0))
        threading.Thread(target=self._accept, name="proxy", daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over = True
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._passing.set()
        self.cut()

    @property
    def database(self) -> Database:
        """The database, by way of this proxy."""
        host, port = self._listener.getsockname()
        return replace(self._upstream, parameters={**self._upstream.parameters, "host": str(host), "port": str(port)})

    def forget(self) -> None:
        """Count the bytes from 0 again, and break nothing more."""
        with self._lock:
            self.passed = {"to_server": 0, "to_client": 0}
            self._cut_after = self._stall_after = None
            self.cuts = 0
        self._passing.set()

    def cut_after(self, count: int, direction: Direction) -> None:
        """Cut all connections, once, after this many bytes were passed on in a direction."""
        self._cut_after = count, direction

    def stall_after(self, count: int, direction: Direction) -> None:
        """Stall after this many bytes were passed on in a direction."""
        self._stall_after = count, direction

    def stall(self) -> None:
        """Stall from now on."""
        self._passing.clear()

    def cut(self) -> None:
        """Cut all connections now."""
        with self._lock:
            pairs, self._pairs = self._pairs, []
        for pair in pairs:
            self.cuts += 1
            pair.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._connect, args=(client,), daemon=True).start()

    def _connect(self, client: socket.socket) -> None:
        self._passing.wait()
        if self._is_over:
            client.close()
            return
        parameters = self._upstream.parameters
        host, port = parameters["host"], parameters.get("port", "5432")
        try:
            if host.startswith("/"):
                server = socket.socket(socket.AF_UNIX)
                server.connect(str(Path(host, f".s.PGSQL.{port}")))
            else:
                server = socket.create_connection((host, int(port)))
        except OSError:
            client.close()
            return
        pair = _Pair(client, server)
        with self._lock:
            self._pairs.append(pair)
        for direction in ("to_server", "to_client"):
            threading.Thread(target=self._pass, args=(pair, direction), daemon=True).start()

    def _pass(self, pair: _Pair, direction: Direction) -> None:
        source, target = (pair.client, pair.server) if direction == "to_server" else (pair.server, pair.client)
        while True:
            try:
                block = source.recv(_BLOCK)
            except OSError:
                block = b""
            self._passing.wait()
            if not block:
                pair.close()
                return
            if self.latency_seconds:
                time.sleep(self.latency_seconds)
            if not self._pass_on(block, target, direction):
                pair.close()
                return

    def _pass_on(self, block: bytes, target: socket.socket, direction: Direction) -> bool:
        """Pass a block on, up to the byte at which something is to break. Return False if the connection is cut."""
        with self._lock:
            passed = self.passed[direction]
            cut, stall = (
                plan[0] - passed if plan and plan[1] == direction else None
                for plan in (self._cut_after, self._stall_after)
            )
            is_cut = cut is not None and cut < len(block)
            is_stalled = stall is not None and stall < len(block)
            end = max((cut or 0) if is_cut else (stall or 0), 0) if is_cut or is_stalled else len(block)
            self.passed[direction] += end
            if is_cut:
                self._cut_after = None
            if is_stalled:
                self._stall_after = None
        try:
            target.sendall(block[:end])
            if is_cut:
                self.cut()
                return False
            if is_stalled:
                self.stall()
                self._passing.wait()
                target.sendall(block[end:])
        except OSError:
            return False
        return True
