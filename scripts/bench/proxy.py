"""A proxy before a server that makes it distant: everything arrives later, in order, and as fast as before."""

import asyncio
import selectors
import threading
from collections import deque
from dataclasses import replace
from typing import TYPE_CHECKING, Self, cast

from ingestion.config import Database

if TYPE_CHECKING:
    from collections.abc import Callable


class Proxy:
    """A proxy on loopback. Use it as a context manager.

    It passes on each piece of data a fixed time after it came, and opens each connection after one round trip, as TCP
    does. The delay limits no throughput: any number of pieces may be under way.

    Arguments:
        database: the database behind the proxy.
        delay_seconds: the delay of each direction.

    """

    def __init__(self, database: Database, delay_seconds: float) -> None:
        self._upstream = database
        self._delay = delay_seconds
        # epoll rounds waits up to whole milliseconds
        self._loop = asyncio.SelectorEventLoop(selectors.SelectSelector())
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxy")
        self._opening: set[asyncio.Task[None]] = set()
        self._ends: set[_End] = set()
        self.round_trips = 0

    def __enter__(self) -> Self:
        self._thread.start()
        listening = self._loop.create_server(self._accept, "127.0.0.1", 0)
        self._server = asyncio.run_coroutine_threadsafe(listening, self._loop).result()
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._stop(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    @property
    def database(self) -> Database:
        """The database, by way of this proxy."""
        host, port = self._server.sockets[0].getsockname()
        return replace(self._upstream, parameters={**self._upstream.parameters, "host": host, "port": str(port)})

    async def _stop(self) -> None:
        self._server.close()
        for task in self._opening:
            task.cancel()
        await asyncio.gather(*self._opening, return_exceptions=True)
        for end in self._ends:
            end.transport.abort()
        # what the transports have scheduled
        await asyncio.sleep(0)

    def _accept(self) -> asyncio.Protocol:
        client = _End(self._delay, on_arrival=self._asked, on_opening=self._open)
        self._ends.add(client)
        return client

    def _open(self, client: "_End") -> None:
        # asyncio itself keeps no task alive
        task = self._loop.create_task(self._connect(client))
        self._opening.add(task)
        task.add_done_callback(self._opening.discard)

    async def _connect(self, client: "_End") -> None:
        client.transport.pause_reading()
        # TCP's handshake
        self.round_trips += 1
        await asyncio.sleep(2 * self._delay)
        server = _End(self._delay)
        host, port = self._upstream.parameters["host"], self._upstream.parameters.get("port", "5432")
        try:
            if host.startswith("/"):
                await self._loop.create_unix_connection(lambda: server, f"{host}/.s.PGSQL.{port}")
            else:
                await self._loop.create_connection(lambda: server, host, int(port))
        except OSError:
            client.transport.abort()
            return
        self._ends.add(server)
        client.other, server.other = server, client
        client.transport.resume_reading()

    def _asked(self, client: "_End") -> None:
        if client.is_answered:
            self.round_trips += 1
            client.is_answered = False


class _End(asyncio.Protocol):
    """One end of a connection: what comes from it goes to the other end, later."""

    transport: asyncio.Transport
    other: "_End | None" = None

    def __init__(
        self,
        delay: float,
        on_arrival: "Callable[[_End], None] | None" = None,
        on_opening: "Callable[[_End], None] | None" = None,
    ) -> None:
        self._delay = delay
        self._on_arrival = on_arrival
        self._on_opening = on_opening
        self._under_way: deque[bytes] = deque()
        # whether it has got something since it last sent something
        self.is_answered = True

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # of TCP's delays only ours remains: asyncio sets TCP_NODELAY
        self.transport = cast("asyncio.Transport", transport)
        if self._on_opening:
            self._on_opening(self)

    def data_received(self, data: bytes) -> None:
        if self._on_arrival:
            self._on_arrival(self)
        self._pass_on(data)

    def connection_lost(self, _exc: Exception | None) -> None:
        # the end comes as late as everything else
        self._pass_on(b"")

    def _pass_on(self, data: bytes) -> None:
        self._under_way.append(data)
        asyncio.get_running_loop().call_later(self._delay, self._arrive)

    def _arrive(self) -> None:
        # the oldest, whichever timer it is: equal times have no order
        data = self._under_way.popleft()
        if self.other is None or self.other.transport.is_closing():
            return
        if data:
            self.other.is_answered = True
            self.other.transport.write(data)
        else:
            self.other.transport.close()
