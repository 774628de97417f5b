"""Sends in the background: one thread a channel, with a limit on the attempts and on the time of all together."""

import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from tenacity import RetryCallState, Retrying, retry_if_exception_type, stop_after_attempt, stop_before_delay
from tenacity.wait import wait_exponential_jitter

from ingestion import log
from ingestion.config import AlertSettings
from ingestion.sending.errors import ChannelError, TemporaryError

_Queue = queue.SimpleQueue["Delivery | None"]


class Named(Protocol):
    """A channel, of which the outbox needs no more than the name."""

    @property
    def name(self) -> str:
        """The channel's name in the log."""


@dataclass
class Delivery:
    """A message on its way.

    Arguments:
        channel: the channel that sends it.
        what: the message's name in the log.
        send: sends it.
        error: why sending failed; None if it succeeded.
        is_done: whether the outcome is known.
        is_late: whether nobody waits for it any more; it may still be sent.

    """

    channel: Named
    what: str
    send: Callable[[], None]
    error: str | None = None
    is_done: bool = False
    is_late: bool = False


class Outbox:
    """Accepts messages and sends them in the background.

    Arguments:
        settings: the limits.

    """

    def __init__(self, settings: AlertSettings) -> None:
        self._settings = settings
        self._queues: dict[Named, _Queue] = {}
        self._threads: list[threading.Thread] = []
        self._deliveries: list[Delivery] = []

    def add(self, channel: Named, what: str, send: Callable[[], None]) -> Delivery:
        """Send a message in the background. The messages of one channel keep their order.

        Arguments:
            channel: the channel that sends it.
            what: the message's name in the log.
            send: sends it; may raise.

        """
        if channel not in self._queues:
            pending: _Queue = queue.SimpleQueue()
            self._queues[channel] = pending
            # a daemon thread that hangs does not keep the process alive
            thread = threading.Thread(
                target=self._send_all, args=(pending,), name=f"sends to {channel.name}", daemon=True
            )
            self._threads.append(thread)
            thread.start()
        delivery = Delivery(channel, what, send)
        self._deliveries.append(delivery)
        self._queues[channel].put(delivery)
        return delivery

    def wait(self, seconds: float) -> list[Delivery]:
        """Wait until every message is sent. A message that is not sent in time has failed.

        Arguments:
            seconds: the longest to wait.

        Returns:
            All messages.

        """
        deadline = time.monotonic() + seconds
        for pending in self._queues.values():
            pending.put(None)
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        for delivery in self._deliveries:
            if not delivery.is_done:
                delivery.is_late = True
                delivery.error = f"not sent within {seconds:g} s"
            if delivery.error:
                name, what = delivery.channel.name, delivery.what
                log.event(f"{name} could not send {what}: {delivery.error}", level=log.WARNING)
        return self._deliveries

    def _send_all(self, pending: _Queue) -> None:
        while delivery := pending.get():
            try:
                self._retrying()(delivery.send)
            except ChannelError as exc:
                delivery.error = str(exc)
            except Exception as exc:  # noqa: BLE001  (a bug in one message must not stop the next)
                delivery.error = f"{type(exc).__name__} (a bug: please report it)"
            delivery.is_done = True

    def _retrying(self) -> Retrying:
        settings = self._settings
        least = settings.timeout_seconds / 10
        backoff = wait_exponential_jitter(multiplier=least, max=settings.timeout_seconds, jitter=least)

        def wait(state: RetryCallState) -> float:
            error = state.outcome.exception() if state.outcome else None
            return max(backoff(state), getattr(error, "retry_after", 0.0))

        return Retrying(
            retry=retry_if_exception_type(TemporaryError),
            stop=stop_after_attempt(settings.attempts) | stop_before_delay(settings.total_seconds),
            wait=wait,
            reraise=True,
        )
