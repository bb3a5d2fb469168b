"""The status of the panel: its message, its progress bar and the last error."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import ipywidgets

from bloodseg_lib.panel.html import message


class Status:
    """The line of the panel that says what is going on, and its progress bar.

    Attributes:
        message, progress: the two widgets.
        last_error: the exception that the last action ended with, or ``None``.
    """

    def __init__(self) -> None:
        self.message = ipywidgets.HTML()
        self.progress = ipywidgets.IntProgress(
            description="Progress",
            style={"description_width": "60px"},
            layout={"width": "260px", "display": "none"},
        )
        self.last_error: Exception | None = None

    def guarded(self, action: Callable[[], Any]) -> Callable[[Any], None]:
        """A handler for a widget that does ``action``.

        ipywidgets swallows what a handler raises, so it is shown and kept.
        """

        def handler(_event: Any) -> None:
            self.last_error = None
            try:
                action()
            except Exception as error:
                self.fail(error)

        return handler

    def say(self, text: str) -> None:
        """Show a message."""
        self.message.value = message(text)

    def fail(self, error: Exception) -> None:
        """Show and keep an error."""
        self.last_error = error
        self.message.value = message(str(error) or type(error).__name__, alarm=True)

    def advance(self, fraction: float) -> None:
        """Show the fraction of an image, 0..1, that has passed through the network."""
        self.progress.value = round(self.progress.max * fraction)
        self.progress.layout.display = None

    def rest(self) -> None:
        """Hide the progress bar."""
        self.progress.layout.display = "none"
