"""Process a stream of items with several threads."""

import queue
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Generic, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


class StoppedError(Exception):
    """The work was stopped, because another worker failed or the caller gave up. That cause is raised, not this."""


def map_unordered(
    items: Iterator[Item], work: Callable[[Item], Result], workers: int, stop: threading.Event
) -> Iterator[tuple[Item, Result]]:
    """Yield each item with its result, in the order in which they are done.

    A worker takes the next item from the iterator only when it is free.

    Arguments:
        items: what to process.
        work: processes one item; called in several threads, unless there is one worker.
        workers: the number of threads.
        stop: set when a worker fails or the caller gives up; long work should check it and raise `StoppedError`.

    Raises:
        BaseException: the first failure of a worker, once all have stopped.

    """
    if workers == 1:
        for item in items:
            yield item, work(item)
        return
    with ThreadPoolExecutor(workers, thread_name_prefix="worker") as pool:
        done: queue.SimpleQueue[tuple[Item, Result] | None] = queue.SimpleQueue()
        shared = _SharedWork(items, work, stop, done)
        futures = [pool.submit(shared.run) for _ in range(workers)]
        try:
            for _ in futures:
                while pair := done.get():
                    yield pair
        except BaseException:
            stop.set()
            raise
    errors = [error for future in futures if (error := future.exception())]
    for error in sorted(errors, key=lambda error: isinstance(error, StoppedError)):
        raise error


class _SharedWork(Generic[Item, Result]):
    def __init__(
        self,
        items: Iterator[Item],
        work: Callable[[Item], Result],
        stop: threading.Event,
        done: "queue.SimpleQueue[tuple[Item, Result] | None]",
    ) -> None:
        self._items = items
        self._work = work
        self._stop = stop
        self._done = done
        self._lock = threading.Lock()

    def run(self) -> None:
        try:
            while not self._stop.is_set():
                with self._lock:
                    item = next(self._items, None)
                if item is None:
                    return
                self._done.put((item, self._work(item)))
        except BaseException:
            self._stop.set()
            raise
        finally:
            self._done.put(None)
