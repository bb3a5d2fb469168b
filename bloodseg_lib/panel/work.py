"""One long action at a time, which can be cancelled.

In a running kernel it works in a thread, so that the kernel goes on hearing the browser; without
one, as in a script, it is done when :meth:`Work.start` returns.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from threading import Event
from typing import Any

from bloodseg_lib.panel.status import Status


class Cancelled(Exception):
    """The action was cancelled by hand."""


class Work:
    """Runs long actions. Its status shows how far one is; the button ``cancel``, shown meanwhile,
    ends it, and ``disabled`` are controls that are so meanwhile.

    Attributes:
        busy: whether an action runs.
        task: the last one that ran in a thread, to be waited for; or ``None``.
    """

    def __init__(self, status: Status, cancel: Any, disabled: tuple[Any, ...]):
        self.status, self.cancel, self.disabled = status, cancel, disabled
        self.busy = False
        self._stop = Event()
        self.task: asyncio.Task[None] | None = None
        cancel.on_click(lambda _button: self._stop.set())

    def start(self, action: Callable[..., None], finished: Callable[[], None]) -> None:
        """Run ``action(on_step=..., on_progress=...)``, then ``finished()``. While another runs
        nothing happens: a double click is one run.
        """
        if self.busy:
            return
        self._begin(True)
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            self._end(self._outcome(action, lambda call, value: call(value)), finished)
            return

        async def run() -> None:
            def tell(call: Callable[[Any], None], value: Any) -> None:
                loop.call_soon_threadsafe(call, value)

            error = await asyncio.to_thread(self._outcome, action, tell)
            self._end(error, finished)

        self.task = loop.create_task(run())

    def _outcome(self, action: Callable[..., None], tell: Callable[..., None]) -> Exception | None:
        def advance(fraction: float) -> None:
            if self._stop.is_set():
                raise Cancelled
            tell(self.status.advance, fraction)

        try:
            action(on_step=lambda words: tell(self.status.say, words), on_progress=advance)
        except Exception as error:
            return error
        return None

    def _begin(self, busy: bool) -> None:
        self.busy = busy
        for control in self.disabled:
            control.disabled = busy
        self.cancel.layout.display = None if busy else "none"
        self._stop.clear()
        self.status.last_error = None
        if busy:
            self.status.advance(0)
        else:
            self.status.rest()

    def _end(self, error: Exception | None, finished: Callable[[], None]) -> None:
        self._begin(False)
        if isinstance(error, Cancelled):
            self.status.say("Cancelled. The former result is as it was.")
        elif error is not None:
            self.status.fail(error)
        else:
            self.status.guarded(finished)(None)
