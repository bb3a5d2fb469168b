"""What a person's presses, keys and strokes in the picture correct."""

from __future__ import annotations

import html
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from bloodseg_lib.panel.cell_list import CellList
from bloodseg_lib.panel.controls import PanelControls
from bloodseg_lib.panel.corrections import UNIDENTIFIED
from bloodseg_lib.panel.drawn import Outline
from bloodseg_lib.panel.session import PanelSession
from bloodseg_lib.panel.status import Status


class Correcting:
    """Connects the controls of corrections with the session; ``show`` shows the new figures and
    lists.
    """

    def __init__(
        self,
        session: PanelSession,
        controls: PanelControls,
        status: Status,
        cells: CellList,
        show: Callable[[], None],
    ):
        self.session, self.controls, self.status = session, controls, status
        self.cells, self.show = cells, show
        actions: dict[Any, Callable[[], str]] = {
            controls.change: lambda: session.correct(cells.chosen(), controls.new_class.value),
            controls.delete: lambda: session.correct(cells.chosen(), None),
            controls.restore: lambda: session.restore(cells.chosen()),
            controls.merge: lambda: session.merge(cells.chosen()),
            controls.undo: session.undo,
            controls.redo: session.redo,
            controls.exclude: lambda: session.exclude(self._reason()),
            controls.include: lambda: session.exclude(""),
        }
        for button, action in actions.items():
            button.on_click(status.guarded(partial(self.correct, action)))
        controls.person.observe(status.guarded(self._name), "value")

    def _reason(self) -> str:
        reason: str = self.controls.reason.value.strip()
        if not reason:
            raise ValueError(
                "Expected why the field is left out, received nothing. Write a reason."
            )
        return reason

    def _name(self) -> None:
        self.session.person = self.controls.person.value.strip()

    def correct(self, action: Callable[[], str]) -> None:
        """Do something that corrects, show its result, and say what it did. A cell that it drew is
        chosen, so that the next key is for it.
        """
        picture = self.controls.picture
        before = {cell.number for cell in self.session.cells()}
        words = action()
        there = {cell.number for cell in self.session.cells()}
        if picture.selected not in there:  # its drawing was undone, or it was cut
            picture.selected = 0
        picture.chosen = [number for number in picture.chosen if number in there]
        self.show()
        if new := there - before:
            picture.selected = max(new)
        self.status.say(words)
        self.controls.said.value = html.escape(words)

    def act(self, message: Mapping[str, Any]) -> None:
        """Do what the picture sends: a key, ``{"key"}``; an outline of a new cell, ``{"outline"}``;
        or a line through a cell, ``{"line", "cell"}``.
        """
        session = self.session
        if "outline" in message:
            points, class_id = _points(message["outline"]), self.controls.new_class.value
            self.correct(lambda: session.draw(points, class_id))
        elif "line" in message:
            line, number = _points(message["line"]), int(message["cell"])
            self.correct(lambda: session.split(number, line))
        else:
            self.correct(self._of_key(str(message["key"])))

    def _of_key(self, key: str) -> Callable[[], str]:
        if key in "uU":
            return self.session.undo
        if key in "zZ":
            return self.session.redo
        class_id = None if key == "Delete" else int(key) or UNIDENTIFIED
        return lambda: self.session.correct(self.cells.chosen(), class_id)


def _points(sent: list[list[float]]) -> Outline:
    return tuple((float(x), float(y)) for x, y in sent)
