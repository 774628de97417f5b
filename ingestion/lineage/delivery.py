"""Send events in a background thread, in order, with a limit to the wait at the end of a run."""

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
# the client would read the URL of the remote from .git/config, which can contain a token
_CONFIG = {"facets": {"source_code_location": {"disabled": True}}}


class Delivery:
    """Accepts events without waiting; a thread passes them to the client.

    Raises:
        ConfigurationError: no setting says where to send events.
        Exception: the client cannot read its settings.

    """

    def __init__(self) -> None:
        self._warn = log.log_first_warning("openlineage", "lineage is not delivered")
        # the client adds settings to the environment, which dbt and other child processes would inherit
        with exported({}):
            self._client = OpenLineageClient(config=_CONFIG)
        transport = self._client.config.transport or {}
        if self._client.transport.kind == "console" and transport.get("type") != "console":
            raise ConfigurationError(
                "no setting says where to send events", hint="Set OPENLINEAGE_URL, or a transport in openlineage.yml."
            )
        log.hide(_secrets_in(transport))
        self._events: queue.SimpleQueue[RunEvent | None] = queue.SimpleQueue()
        self._sent = 0
        self._thread = threading.Thread(target=self._send_all, name="lineage", daemon=True)
        self._thread.start()

    def send(self, event: RunEvent) -> None:
        """Queue an event.

        Arguments:
            event: the event, which must not change afterwards.

        """
        self._events.put(event)

    def finish(self) -> None:
        """Wait a few seconds for the queued events, as long as some of them are delivered."""
        self._events.put(None)
        began = moved_at = time.monotonic()
        sent = self._sent
        while self._thread.is_alive():
            self._thread.join(0.05)
            now = time.monotonic()
            if sent != self._sent:
                sent, moved_at = self._sent, now
            if now - moved_at > _STALLED_SECONDS or now - began > _FINISH_SECONDS:
                to = getattr(self._client.transport, "url", self._client.transport.kind)
                self._warn(f"{to} did not accept lineage within {now - began:.0f} s; the remaining events are lost")
                return

    def _send_all(self) -> None:
        while event := self._events.get():
            try:
                self._client.emit(event)
            except Exception as exc:  # noqa: BLE001  (each transport fails in ways of its own)
                self._warn(f"lineage is not delivered: {type(exc).__name__}: {exc}")
            self._sent += 1
        self._client.close(_STALLED_SECONDS)


def _secrets_in(settings: dict[str, Any], *, secret: bool = False) -> Iterator[str]:
    for name, value in settings.items():
        is_secret = secret or bool(_SECRET.search(name))
        if isinstance(value, dict):
            yield from _secrets_in(value, secret=is_secret)
        elif is_secret and isinstance(value, str):
            yield value
