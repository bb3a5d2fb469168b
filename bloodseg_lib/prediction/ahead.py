"""The next image of a batch is read and segmented while the results of the one before are counted
and written, which keeps one core busy only.

Taught by ``notebooks/06_interactive_prediction.ipynb``.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from types import TracebackType
from typing import Generic, Self, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


class Ahead(Generic[Item, Result]):
    """Does work in another thread, at most one item ahead. A context manager; leaving it, by an
    interruption too, waits no longer than the work takes to ask :meth:`go_on`.

    Args:
        work: what is done with an item.

    Examples:
        >>> with Ahead(lambda number: number**2) as squares:
        ...     squares.begin(3)
        ...     [squares.take(3), squares.take(4)]
        [9, 16]
    """

    def __init__(self, work: Callable[[Item], Result]):
        self._work = work
        self._pool = ThreadPoolExecutor(1)
        self._begun: tuple[Item, Future[Result]] | None = None
        self._stopped = threading.Event()

    def begin(self, item: Item) -> None:
        """Begin with an item that will be taken next, if none before it fails."""
        self._begun = item, self._pool.submit(self._work, item)

    def take(self, item: Item) -> Result:
        """The result of an item, begun or not. Raises what the work raises."""
        if self._begun is None or self._begun[0] != item:
            self.begin(item)
        (_, future), self._begun = self._begun, None  # type: ignore[misc]
        return future.result()

    def go_on(self, fraction: float = 0.0) -> None:
        """To be called by the work from time to time.

        Raises:
            CancelledError: nobody waits for it any more.
        """
        if self._stopped.is_set():
            raise CancelledError

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stopped.set()
        self._pool.shutdown(cancel_futures=True)
