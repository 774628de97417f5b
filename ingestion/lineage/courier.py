"""How events leave the process: in order, behind the run's back, and with a limit to the wait for them at its end."""

import queue
import re
import threading
import time
from collections.abc import Iterator
from typing import Any

from openlineage.client import OpenLineageClient
from openlineage.client.event_v2 import RunEvent

from ingestion import log
from ingestion.config import exported
from ingestion.errors import ConfigurationError

_STALLED_SECONDS = 3.0
_FINISH_SECONDS = 10.0
_SECRET = re.compile(r"key|token|secret|password", re.IGNORECASE)
# the remote's URL, which it would read from .git/config, may have a token in it
_CONFIG = {"facets": {"source_code_location": {"disabled": True}}}


class Courier:
    """Takes events and returns at once; a thread hands them to the client.

    Raises:
        ConfigurationError: nothing says where they go.
        Exception: the client does not understand its settings.

    """

    def __init__(self) -> None:
        self._say = log.hear_once("openlineage", "lineage is not delivered")
        # the client puts settings of its own into the environment, which dbt and others would get to see
        with exported({}):
            self._client = OpenLineageClient(config=_CONFIG)
        transport = self._client.config.transport or {}
        if self._client.transport.kind == "console" and transport.get("type") != "console":
            raise ConfigurationError(
                "nothing says where events go", hint="Set OPENLINEAGE_URL, or a transport in openlineage.yml."
            )
        log.hide(_secrets_in(transport))
        self._events: queue.SimpleQueue[RunEvent | None] = queue.SimpleQueue()
        self._carried = 0
        self._thread = threading.Thread(target=self._carry, name="lineage", daemon=True)
        self._thread.start()

    def send(self, event: RunEvent) -> None:
        """Hand over an event.

        Arguments:
            event: not to be changed any more.

        """
        self._events.put(event)

    def finish(self) -> None:
        """Wait for what is on its way, as long as some of it arrives, and not for long."""
        self._events.put(None)
        began = moved_at = time.monotonic()
        carried = self._carried
        while self._thread.is_alive():
            self._thread.join(0.05)
            now = time.monotonic()
            if carried != self._carried:
                carried, moved_at = self._carried, now
            if now - moved_at > _STALLED_SECONDS or now - began > _FINISH_SECONDS:
                to = getattr(self._client.transport, "url", self._client.transport.kind)
                self._say(f"lineage was not taken by {to} within {now - began:.0f} s, and the rest of it is lost")
                return

    def _carry(self) -> None:
        while event := self._events.get():
            try:
                self._client.emit(event)
            except Exception as exc:  # noqa: BLE001  (each transport fails in ways of its own)
                self._say(f"lineage is not delivered: {type(exc).__name__}: {exc}")
            self._carried += 1
        self._client.close(_STALLED_SECONDS)


def _secrets_in(settings: dict[str, Any], *, secret: bool = False) -> Iterator[str]:
    for name, value in settings.items():
        is_secret = secret or bool(_SECRET.search(name))
        if isinstance(value, dict):
            yield from _secrets_in(value, secret=is_secret)
        elif is_secret and isinstance(value, str):
            yield value
