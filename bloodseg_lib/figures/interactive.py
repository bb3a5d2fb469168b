"""Figures to play with: sliders that draw one anew, and cells to name. Pages on which no kernel
runs show a picture in their place.

Taught by notebooks 1, 3, 4 and 6.
"""

from __future__ import annotations

import base64
import html
from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from typing import Any

import ipywidgets
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bloodseg_lib.classes import CELL_CLASSES, CLASSES, NUM_CLASSES
from bloodseg_lib.figures.charts import INK
from bloodseg_lib.figures.overlays import figure_png

_COLUMNS, _ROW_IN = 7, 1.5


class _Played:
    """A widget, and the picture that stands in its place on pages without a kernel."""

    widget: Any
    picture: bytes
    alt: str

    def _repr_mimebundle_(self, **options: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        still = {"image/png": self.picture, "text/plain": self.alt}
        return self.widget._repr_mimebundle_(**options) | still, {"image/png": {"alt": self.alt}}


class Playground(_Played):
    """A figure with a control for each parameter that it is drawn from.

    Args:
        draw: takes the parameters by name, their defaults at first, and returns a figure.
        alt: the content of the picture, in a sentence.
        controls: parameter -> (least, greatest, step), a list to choose from, or a widget.

    Raises:
        ValueError: a parameter of ``draw`` without default or control.

    Examples:
        >>> playground = Playground(lambda lines=2: Figure((lines, 1)), "empty", lines=(1, 4, 1))
        >>> playground.widget.children[0].children[0].value
        2
    """

    def __init__(self, draw: Callable[..., Figure], alt: str, **controls: Any):
        shown = ipywidgets.HTML()

        @wraps(draw)  # the controls begin with its defaults
        def show(**values: Any) -> None:
            self.last = figure_png(draw(**values))
            shown.value = _img(self.last, alt)

        controlled = ipywidgets.interactive(show, clear_output=False, **controls)
        self.widget = ipywidgets.VBox([controlled, shown])
        self.alt, self.picture = alt, self.last


class NamingGame(_Played):
    """Cells to name, one after the other. When all are named, your confusion matrix stands beside
    that of somebody who named the same cells.

    Args:
        pictures: of each cell ``(H, W, 3) uint8``, all of one size, the cell in the middle.
        truth: the class of each.
        others: name -> the classes that they gave, e.g. ``{"network": [...]}``.

    Attributes:
        named: the classes that you gave so far.

    Raises:
        ValueError: no cells, or not as many classes as cells.

    Examples:
        >>> cells = np.zeros((2, 8, 8, 3), np.uint8)
        >>> game = NamingGame(cells, [3, 9], {"network": [3, 8]})
        >>> game.name(3)
        >>> game.name(9)
        >>> game.progress.value
        'You: 2 of 2 right. network: 1 of 2 right.'
    """

    alt = "The cells to name, numbered, and the confusion matrix of the network"

    def __init__(
        self,
        pictures: Sequence[np.ndarray],
        truth: Sequence[int],
        others: Mapping[str, Sequence[int]],
    ):
        lengths = {len(pictures), len(truth), *map(len, others.values())}
        if len(lengths) != 1 or not len(truth):
            raise ValueError(
                "Expected one or more cells, and a class of each from everybody. "
                f"Received {len(pictures)} pictures and {sorted(lengths)} classes."
            )
        self._pictures, self._truth, self._others = pictures, list(truth), dict(others)
        self.named: list[int] = []
        self.progress = ipywidgets.HTML()
        self._shown = ipywidgets.HTML()
        buttons = [ipywidgets.Button(description=f"{c.letter} {c.name}") for c in CELL_CLASSES]
        for c, button in zip(CELL_CLASSES, buttons, strict=True):
            button.on_click(lambda _button, class_id=c.id: self.name(class_id))
        box = ipywidgets.HBox(buttons, layout={"flex_flow": "row wrap"})
        self.widget = ipywidgets.VBox([self.progress, self._shown, box])
        self.picture = figure_png(self._sheet())
        self._show()

    def name(self, class_id: int) -> None:
        """Give the cell that is shown a class, and show the next; after the last, do nothing."""
        if len(self.named) < len(self._truth):
            self.named.append(class_id)
            self._show()

    def _show(self) -> None:
        done, every = len(self.named), len(self._truth)
        if done < every:
            self.progress.value = f"Cell {done + 1} of {every}. Which class is it?"
            alt = "The cell to name, in the middle"
            figure = Figure(figsize=(2.6, 2.6), layout="constrained")
            _cell(figure.subplots(), self._pictures[done])
        else:
            answers = {"You": self.named, **self._others}
            pairs = {who: zip(self._truth, given, strict=True) for who, given in answers.items()}
            right = {who: sum(a == b for a, b in both) for who, both in pairs.items()}
            self.progress.value = " ".join(f"{w}: {n} of {every} right." for w, n in right.items())
            figure = Figure(figsize=(4 * len(answers), 4), layout="constrained")
            panels = figure.subplots(1, len(answers), squeeze=False)[0]
            for axes, (who, given) in zip(panels, answers.items(), strict=True):
                _matrix(axes, who, self._truth, given)
            alt = "Your confusion matrix beside the others'"
        self._shown.value = _img(figure_png(figure), alt)

    def _sheet(self) -> Figure:
        """All cells, numbered, with the matrices of the others beneath."""
        columns = min(_COLUMNS, len(self._truth))
        rows = -(-len(self._truth) // columns)
        figure = Figure(figsize=(9.5, _ROW_IN * rows + 4), layout="constrained")
        parts = figure.subfigures(2, 1, squeeze=False, height_ratios=(_ROW_IN * rows, 4))
        above, beneath = parts[:, 0]
        panels = above.subplots(rows, columns, squeeze=False).flat
        for panel in panels:
            panel.axis("off")
        for number, (panel, picture) in enumerate(
            zip(above.axes, self._pictures, strict=False), start=1
        ):
            panel.axis("on")
            _cell(panel, picture)
            panel.set_title(str(number), fontsize=9, pad=2)
        matrices = beneath.subplots(1, len(self._others), squeeze=False)[0]
        for axes, (who, given) in zip(matrices, self._others.items(), strict=True):
            _matrix(axes, who, self._truth, given)
        return figure


def _img(png: bytes, alt: str) -> str:
    data = base64.b64encode(png).decode()
    return f'<img alt="{html.escape(alt)}" src="data:image/png;base64,{data}">'


def _cell(axes: Axes, picture: np.ndarray) -> None:
    """The surroundings of a cell, with ticks at the rim that point to the middle."""
    height, width = picture.shape[:2]
    axes.imshow(picture)
    axes.set(xticks=[width / 2 - 0.5], yticks=[height / 2 - 0.5], xticklabels=[], yticklabels=[])
    axes.tick_params(top=True, right=True)


def _matrix(axes: Axes, who: str, truth: Sequence[int], given: Sequence[int]) -> None:
    """A confusion matrix of cells, by the letters of their classes."""
    counts = np.zeros((NUM_CLASSES, NUM_CLASSES), int)
    np.add.at(counts, (list(truth), list(given)), 1)
    axes.imshow(counts, cmap="Greys", vmin=0, vmax=2 * max(1, counts.max()))
    for row, column in zip(*np.nonzero(counts), strict=True):
        axes.text(column, row, str(counts[row, column]), ha="center", va="center", color=INK)
    letters = [c.letter for c in CLASSES]
    axes.set(title=f"{who}: {np.trace(counts)} of {len(truth)} right")
    axes.set(xlabel="named", ylabel="truth", ylim=(NUM_CLASSES - 0.5, 0.5))
    axes.set_xticks(range(NUM_CLASSES), letters)
    axes.set_yticks(range(1, NUM_CLASSES), letters[1:])
