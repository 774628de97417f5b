"""Working off a stream of items with several threads, results as they come."""

import queue
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Generic, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


class StoppedError(Exception):
    """Another worker has failed, or the caller has gone: whatever ended the work is raised elsewhere."""


def work_off(
    items: Iterator[Item], work: Callable[[Item], Result], workers: int, stop: threading.Event
) -> Iterator[tuple[Item, Result]]:
    """Yield each item with its result, in the order in which they are done.

    Items are taken from their iterator one at a time, as a worker is free for them.

    Arguments:
        items: what to do.
        work: does one; called in several threads, unless there is one worker.
        workers: how many.
        stop: set as soon as anything fails or the caller gives up; long work looks at it and raises `StoppedError`.

    Raises:
        BaseException: the first failure of a worker, once all have stopped.

    """
    if workers == 1:
        for item in items:
            yield item, work(item)
        return
    with ThreadPoolExecutor(workers, thread_name_prefix="worker") as pool:
        done: queue.SimpleQueue[tuple[Item, Result] | None] = queue.SimpleQueue()
        crew = _Crew(items, work, stop, done)
        futures = [pool.submit(crew.work_off) for _ in range(workers)]
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


class _Crew(Generic[Item, Result]):
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

    def work_off(self) -> None:
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
