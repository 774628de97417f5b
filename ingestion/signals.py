"""End a run within seconds of SIGTERM or SIGINT, even while it waits for the database.

Python runs signal handlers between bytecode instructions, so a handler has to wait while psycopg2 executes a statement.
A thread that the signal wakes therefore asks the server to cancel the statements of this process.
"""

import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import Self

from ingestion import db, log
from ingestion.errors import Interrupted, PipelineError

_SIGNALS = (signal.SIGTERM, signal.SIGINT)


class Interruptible:
    """A context manager that raises `Interrupted` on SIGTERM and SIGINT. A second one does not interrupt the clean-up.

    Use it in the main thread only.
    """

    def __init__(self) -> None:
        self.received: int | None = None

    def __enter__(self) -> Self:
        self._previous = {signum: signal.signal(signum, self._raise) for signum in _SIGNALS}
        self._wake, self._waker = socket.socketpair()
        self._waker.setblocking(False)
        self._previous_wakeup = signal.set_wakeup_fd(self._waker.fileno(), warn_on_full_buffer=False)
        self._thread = threading.Thread(target=self._cancel_when_woken, daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        signal.set_wakeup_fd(self._previous_wakeup)
        self._waker.close()
        self._thread.join()
        self._wake.close()
        for signum, handler in self._previous.items():
            signal.signal(signum, handler)

    @contextmanager
    def as_interruption(self) -> Iterator[None]:
        """Raise `Interrupted` in place of the error of a cancelled statement."""
        try:
            yield
        except PipelineError as exc:
            if self.received is not None:
                raise Interrupted(self.received) from exc
            raise

    def _raise(self, signum: int, _frame: FrameType | None) -> None:
        if self.received is None:
            self.received = signum
            raise Interrupted(signum)

    def _cancel_when_woken(self) -> None:
        while received := self._wake.recv(1):
            if received[0] in _SIGNALS:
                log.event(f"{signal.Signals(received[0]).name} received; stopping the run", level=log.WARNING)
                db.cancel_all()
                return
