"""Sending: each channel in a thread of its own, with bounded attempts, and all of them together in bounded time."""

import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from tenacity import RetryCallState, Retrying, retry_if_exception_type, stop_after_attempt, stop_before_delay
from tenacity.wait import wait_exponential_jitter

from ingestion import log
from ingestion.alerts.channel import Channel, ChannelError, TemporaryError
from ingestion.config import AlertSettings


@dataclass
class Delivery:
    """Something that a channel is to send.

    Arguments:
        channel: which.
        what: for the log.
        send: does it.
        error: why it failed; None where it was sent.
        is_done: whether that is known.

    """

    channel: Channel
    what: str
    send: Callable[[], None]
    error: str | None = None
    is_done: bool = False


class Post:
    """Takes deliveries, and sees to them in the background.

    Arguments:
        settings: the limits.

    """

    def __init__(self, settings: AlertSettings) -> None:
        self._settings = settings
        self._lines: dict[Channel, queue.SimpleQueue[Delivery | None]] = {}
        self._threads: list[threading.Thread] = []
        self._deliveries: list[Delivery] = []

    def add(self, channel: Channel, what: str, send: Callable[[], None]) -> Delivery:
        """Have something sent; what one channel sends keeps its order.

        Arguments:
            channel: by which.
            what: for the log.
            send: does it; may raise.

        """
        if channel not in self._lines:
            line: queue.SimpleQueue[Delivery | None] = queue.SimpleQueue()
            self._lines[channel] = line
            # a daemon: one that hangs does not keep the process
            thread = threading.Thread(target=self._work_off, args=(line,), name=f"alerts {channel.name}", daemon=True)
            self._threads.append(thread)
            thread.start()
        delivery = Delivery(channel, what, send)
        self._deliveries.append(delivery)
        self._lines[channel].put(delivery)
        return delivery

    def wait(self, seconds: float) -> list[Delivery]:
        """Wait until all is sent, or the time is over; what is not sent by then has failed.

        Arguments:
            seconds: how long.

        Returns:
            All that there was to send.

        """
        deadline = time.monotonic() + seconds
        for line in self._lines.values():
            line.put(None)
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        for delivery in self._deliveries:
            if not delivery.is_done:
                delivery.error = f"not sent within {seconds:g} s"
            if delivery.error:
                name, what = delivery.channel.name, delivery.what
                log.event(f"{name} could not send {what}: {delivery.error}", level=log.WARNING)
        return self._deliveries

    def _work_off(self, line: "queue.SimpleQueue[Delivery | None]") -> None:
        while delivery := line.get():
            try:
                self._attempts()(delivery.send)
            except ChannelError as exc:
                delivery.error = str(exc)
            except Exception as exc:  # noqa: BLE001  (a bug of a channel is no reason for the next one to be silent)
                delivery.error = f"{type(exc).__name__} (a bug: please report it)"
            delivery.is_done = True

    def _attempts(self) -> Retrying:
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
