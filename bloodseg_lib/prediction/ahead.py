"""Work in another thread, for what keeps one core busy only: the next image of a batch is read and
segmented while the results of the one before are counted and written.

Taught by ``notebooks/06_interactive_prediction.ipynb``.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from typing import Any, Generic, Self, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


@contextlib.contextmanager
def beside(work: Callable[..., Result], *arguments: Any) -> Iterator[Future[Result]]:
    """Does work in another thread while the block runs; short work, because an interruption waits
    for it too. The block's end waits for it, and raises what it raised.

    Examples:
        >>> with beside(sum, [1, 2]) as total:
        ...     other = 3 + 4
        >>> total.result() + other
        10
    """
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(work, *arguments)
        yield future
        future.result()


class Ahead(Generic[Item, Result]):
    """Does work in another thread, at most one item ahead. A context manager; leaving it, by an
    interruption too, waits no longer than the work takes to call what it is given: a function to
    call from time to time, with the fraction that is done, which raises ``CancelledError`` once
    nobody waits any more.

    Examples:
        >>> with Ahead(lambda number, go_on: number**2) as squares:
        ...     squares.begin(3)
        ...     [squares.take(3), squares.take(4)]
        [9, 16]
    """

    def __init__(self, work: Callable[[Item, Callable[[float], None]], Result]):
        self._work = work
        self._pool = ThreadPoolExecutor(1)
        self._begun: tuple[Item, Future[Result]] | None = None
        self._stopped = threading.Event()

    def begin(self, item: Item) -> None:
        """Begin with an item that will be taken next, if none before it fails."""
        self._begun = item, self._pool.submit(self._work, item, self._go_on)

    def take(self, item: Item) -> Result:
        """The result of an item, begun or not. Raises what the work raises."""
        if self._begun is None or self._begun[0] != item:
            self.begin(item)
        (_, future), self._begun = self._begun, None  # type: ignore[misc]
        return future.result()

    def _go_on(self, _fraction: float) -> None:
        if self._stopped.is_set():
            raise CancelledError

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._pool.shutdown(cancel_futures=True)
