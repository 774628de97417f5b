"""End a command within seconds of SIGTERM or SIGINT, whatever it waits for.

Python runs signal handlers between bytecode instructions, so a handler has to wait while the driver waits for the
server. A thread that the signal wakes therefore acts at once: it asks the server to cancel the statements of this
process, then ends the connections that still wait, and at last the process.
"""

import os
import select
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from types import FrameType, TracebackType
from typing import Self

from ingestion import db, log
from ingestion.errors import Interrupted, PipelineError

_SIGNALS = (signal.SIGTERM, signal.SIGINT)
# the thread wakes the main thread with it; it is ignored wherever no handler is installed
_WAKE_UP = signal.SIGURG
_LATER = b"\xff"
_DISCONNECT_AFTER_SECONDS = 1.5
_EXIT_AFTER_SECONDS = 4.5


class Interruptible:
    """A context manager that raises `Interrupted` on SIGTERM and SIGINT. A second one does not interrupt the clean-up.

    Use it in the main thread only. Where one is inside another, the inner one acts, and the outer one sees to it that
    the process ends in time.
    """

    _current: "Interruptible | None" = None

    def __init__(self) -> None:
        self.received: int | None = None
        self._cause: PipelineError | None = None
        self._accepts_causes = False
        self._is_held = False
        self._is_pending = False
        self._has_raised = False
        self._deadline: float | None = None
        self._lock = threading.Lock()
        self._is_active = False

    def __enter__(self) -> Self:
        self._outer, Interruptible._current = Interruptible._current, self
        self._wake, self._waker = socket.socketpair()
        self._waker.setblocking(False)
        self._thread = threading.Thread(target=self._watch, name="signals", daemon=True)
        self._thread.start()
        self._is_active = True
        self._previous = {signum: signal.signal(signum, self._handle) for signum in (*_SIGNALS, _WAKE_UP)}
        self._previous_wakeup = signal.set_wakeup_fd(self._waker.fileno(), warn_on_full_buffer=False)
        # __main__ blocks them until here
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        was_held, self._is_held = self._is_held, True
        if self._outer and was_held:
            # the end of the run is recorded, and its exit code stands
            self._outer.hold()
        with self._lock:
            self._accepts_causes = self._is_active = False
        signal.set_wakeup_fd(self._previous_wakeup)
        for signum, handler in self._previous.items():
            signal.signal(signum, handler)
        Interruptible._current = self._outer
        if self._outer and self.received is not None:
            self._outer._see_to_the_end_of(self.received, self._deadline)  # noqa: SLF001
        self._waker.close()
        self._thread.join()
        self._wake.close()

    @contextmanager
    def as_interruption(self) -> Iterator[None]:
        """Raise `Interrupted` in place of the error of a cancelled statement, and the cause of an `interrupt`.

        From the end of the block on, signals are held back: what follows must not be interrupted.
        """
        self._accepts_causes = True
        try:
            yield
            self.hold()
            # what a handler raises in a destructor is lost
            if self.has_interrupted or self._cause:
                raise Interrupted(self.received or signal.SIGTERM)
        except (PipelineError, Interrupted) as exc:
            self.hold()
            if self.received is not None and self.has_interrupted:
                raise Interrupted(self.received) from exc
            if self._cause is not None and exc is not self._cause:
                raise self._cause from exc
            raise

    @property
    def has_interrupted(self) -> bool:
        """Whether a signal has ended what was done, and was not held back."""
        return self.received is not None and not self._is_pending

    def hold(self) -> None:
        """From now on, let signals neither raise nor change how the run ends. The process still ends in time."""
        self._is_held = True

    @contextmanager
    def released(self) -> Iterator[None]:
        """Raise `Interrupted` again in the block, also for a signal that was held back."""
        self._is_held = False
        try:
            if self._is_pending and self.received is not None:
                raise Interrupted(self.received)
            yield
        finally:
            self._is_held = True

    def interrupt(self, cause: PipelineError) -> None:
        """End the block `as_interruption` with an error, from another thread. Outside of the block, do nothing.

        Arguments:
            cause: the error.

        """
        with self._lock:
            if not self._accepts_causes or self._is_held or self._cause or self.received is not None:
                return
            self._cause = cause
        self._poke()

    def _handle(self, signum: int, frame: FrameType | None) -> None:
        """Raise, unless signals are held back. It is called in the main thread."""
        if signum != _WAKE_UP:
            if self.received is None:
                self.received = signum
                self._is_pending = self._is_held
        elif self._has_raised:
            return
        if self._is_held or self._has_raised or (self.received is None and self._cause is None):
            return
        if _is_delicate(frame):
            self._waker.send(_LATER)
            return
        self._has_raised = True
        raise Interrupted(self.received) if self.received is not None else Interrupted(signal.SIGTERM, str(self._cause))

    def _watch(self) -> None:
        """Act on signals in a thread, until the block has ended."""
        received = 0
        steps: list[tuple[float, Callable[[], None]]] = []
        while True:
            seconds = max(steps[0][0] - time.monotonic(), 0) if steps else None
            if select.select([self._wake], [], [], seconds)[0]:
                if not (got := self._wake.recv(64)):
                    return
                if _LATER in got:
                    time.sleep(0.005)
                    self._poke()
                if not received and (signals := [each for each in got if each in _SIGNALS]):
                    received = signals[0]
                    now = time.monotonic()
                    self._deadline = now + _EXIT_AFTER_SECONDS
                    steps = [
                        # a wait that began later belongs to the clean-up
                        (now + _DISCONNECT_AFTER_SECONDS, partial(db.disconnect_waiting, _DISCONNECT_AFTER_SECONDS)),
                        (self._deadline, partial(exit_at_once, received)),
                    ]
                    db.cancel_all()
                    # in a thread of its own, because the log may be blocked, too
                    text = f"{signal.Signals(received).name} received; stopping the run"
                    threading.Thread(target=log.event, args=(text,), kwargs={"level": log.WARNING}, daemon=True).start()
            elif steps:
                steps.pop(0)[1]()

    def _poke(self) -> None:
        with self._lock:
            if self._is_active:
                signal.pthread_kill(threading.main_thread().ident or 0, _WAKE_UP)

    def _see_to_the_end_of(self, signum: int, deadline: float | None) -> None:
        """Take over the deadline of an inner block that has ended."""
        if self.received is None:
            self.received = signum
            self._deadline = deadline or time.monotonic() + _EXIT_AFTER_SECONDS
            threading.Thread(target=self._exit_in_time, args=(signum,), name="deadline", daemon=True).start()

    def _exit_in_time(self, signum: int) -> None:
        while self._is_active:
            if time.monotonic() > (self._deadline or 0):
                exit_at_once(signum)
            time.sleep(0.05)

    def _is_over_in(self, seconds: float) -> bool:
        """Wait for the end of the block, but not for longer than these seconds. Return whether it has come."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            if select.select([self._wake], [], [], left)[0] and not self._wake.recv(64):
                return True
        return False


def exit_at_once(signum: int) -> None:
    """End the process without its clean-up. If the run is not recorded yet, the next one records it as dead.

    Arguments:
        signum: the signal that asked for it.

    """
    # neither the log nor a stream of Python, which may be locked by what does not end
    with suppress(OSError):
        os.write(2, b"error: the clean-up takes too long, and is given up\n")
    os._exit(128 + signum)


def _is_delicate(frame: FrameType | None) -> bool:
    """Whether an exception raised in a frame would do harm."""
    # the driver decodes a message of the server: it would print the exception and go on
    if frame is not None and _module(frame).startswith("encodings."):
        return True
    # the lock of the log could stay locked; in an import, Python may raise a RuntimeError in place of the exception
    while frame is not None:
        if _module(frame) in {"logging", "importlib._bootstrap"}:
            return True
        frame = frame.f_back
    return False


def _module(frame: FrameType) -> str:
    return str(frame.f_globals.get("__name__", ""))
