"""A proxy between the pipeline and the server that delays, stops and cuts what passes."""

import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from tests.torture.wire import Messages

_CHUNK = 16_384
_SEGMENT = 1_400


class CutError(Exception):
    """The connection is to be cut here."""


@dataclass(eq=False)
class Link:
    """One connection through the proxy."""

    client: socket.socket
    server: socket.socket
    open_directions: int = 2

    def cut(self) -> None:
        """Cut it: both sides see a reset, or an end without goodbye."""
        with suppress(OSError):
            self.client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        for end in (self.client, self.server):
            # a shutdown wakes the other thread, which a close does not
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            with suppress(OSError):
                end.close()


class Rule:
    """What happens to the bytes that pass. This one lets them pass; subclasses do worse."""

    has_hit = False
    error: Exception | None = None

    def passing(self, link: Link, data: bytes, *, to_server: bool) -> Iterator[bytes]:  # noqa: ARG002
        """Yield the pieces that pass on, in order. Called by one thread for each direction of a connection.

        Raises:
            CutError: after the pieces so far, the connection is cut.

        """
        yield data


@dataclass
class Latency(Rule):
    """Every piece takes some time."""

    seconds: float
    has_hit: bool = False

    def passing(self, link: Link, data: bytes, *, to_server: bool) -> Iterator[bytes]:  # noqa: ARG002
        self.has_hit = True
        time.sleep(self.seconds)
        yield data


@dataclass
class AtByte(Rule):
    """Does something once, before a certain byte in one direction passes, counted over all connections.

    Arguments:
        byte: which one, from 0.
        to_server: the direction.
        action: what to do; the bytes wait for its end. It may raise CutError.

    """

    byte: int
    to_server: bool
    action: Callable[[Link], None]
    has_hit: bool = False
    _passed: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def passing(self, link: Link, data: bytes, *, to_server: bool) -> Iterator[bytes]:
        if to_server != self.to_server or self.has_hit:
            yield data
            return
        with self._lock:
            place = self.byte - self._passed
            self._passed += len(data)
            is_here = not self.has_hit and place < len(data)
            self.has_hit |= is_here
        if not is_here:
            yield data
            return
        yield data[:place]
        try:
            self.action(link)
        except CutError:
            raise
        except Exception as exc:  # noqa: BLE001  (the trial reports it: this is another thread)
            self.error = exc
        yield data[place:]


@dataclass
class Pause(Rule):
    """Lets nothing pass in any direction, from a certain byte to the server on.

    Arguments:
        byte: which one, counted over all connections.
        seconds: how long; None for a black hole, which ends with the trial and gives nothing back.

    """

    byte: int
    seconds: float | None
    has_hit: bool = False
    over: threading.Event = field(default_factory=threading.Event)
    _passed: int = 0

    def passing(self, link: Link, data: bytes, *, to_server: bool) -> Iterator[bytes]:  # noqa: ARG002
        self._passed += len(data) * to_server
        if self._passed > self.byte and not self.over.is_set():
            self.has_hit = True
            self.over.wait(self.seconds)
            if self.seconds is None:
                raise CutError
            self.over.set()
        yield data


@dataclass
class LostAnswer(Rule):
    """Cuts a connection at a COMMIT: in place of the server's answer, or before the server sees it.

    Arguments:
        commits: how many COMMITs pass unharmed before.
        is_delivered: whether the server sees this one, and commits.

    """

    commits: int
    is_delivered: bool = True
    has_hit: bool = False
    _seen: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _messages: dict[tuple[Link, bool], Messages] = field(default_factory=dict)
    _cursed: Link | None = None

    def passing(self, link: Link, data: bytes, *, to_server: bool) -> Iterator[bytes]:
        messages = self._messages.setdefault((link, to_server), Messages(is_client=to_server))
        if not to_server and link is self._cursed:
            if any(message.is_ready for _, message in messages.feed(data)):
                self.has_hit = True
                raise CutError
            return
        for _, message in messages.feed(data):
            if to_server and message.is_commit:
                with self._lock:
                    self._seen += 1
                    if self._seen > self.commits and self._cursed is None:
                        # the messages of the server begin anew with its answer
                        self._messages[link, False] = Messages(is_client=False)
                        self._cursed = link
            if link is self._cursed and not self.is_delivered:
                self.has_hit = True
                raise CutError
        yield data


class Proxy:
    """Listens on a port of this machine and passes everything on to a socket of the server.

    Arguments:
        target: the server's socket.

    """

    def __init__(self, target: Path) -> None:
        self.rule = Rule()
        self._target = target
        self._links: set[Link] = set()
        self._lock = threading.Lock()
        self._listener = socket.socket()
        # small windows and segments, so that the client is where the proxy is and not megabytes ahead
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _CHUNK)
        self._listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, _SEGMENT)
        self._listener.bind(("127.0.0.1", 0))
        self._listener.listen(64)
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def cut_all(self) -> None:
        """Cut all connections."""
        for link in self._links.copy():
            link.cut()

    def close(self) -> None:
        """Stop listening, and cut all connections."""
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut_all()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            server = socket.socket(socket.AF_UNIX)
            try:
                server.connect(str(self._target))
            except OSError:
                server.close()
                client.close()
                continue
            link = Link(client, server)
            self._links.add(link)
            for to_server in (True, False):
                threading.Thread(target=self._pump, args=(link,), kwargs={"to_server": to_server}, daemon=True).start()

    def _pump(self, link: Link, *, to_server: bool) -> None:
        source, target = (link.client, link.server) if to_server else (link.server, link.client)
        try:
            while data := source.recv(_CHUNK):
                for piece in self.rule.passing(link, data, to_server=to_server):
                    target.sendall(piece)
            target.shutdown(socket.SHUT_WR)
        except (OSError, CutError):
            link.cut()
        with self._lock:
            link.open_directions -= 1
            if link.open_directions == 0:
                self._links.discard(link)
                link.client.close()
                link.server.close()
