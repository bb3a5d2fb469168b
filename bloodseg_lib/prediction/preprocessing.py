"""What a photographed field is brought to before a network sees it: without the dark around it, and
on a white slide.

Both were measured to matter more than longer training. A network that never saw the dark lines at
the border of a video frame names them after what else is dark, a white cell as long as the border;
and on a slide in the yellow light of a halogen lamp everything looks stained. Taught by
``notebooks/06_interactive_prediction.ipynb``.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import cv2
import numpy as np

from bloodseg_lib.optics import background_colour

WHITE = 250
"""Grey level that the empty slide is brought to."""

# of a line's pixels: a line through crowded cells still shows some slide between them
_SLIDE_QUANTILE = 0.9
_DARK = 0.75  # a line whose slide is darker than this share of the field's belongs to the frame
_SOFT_PX = 1  # lines beside the frame that its blur has darkened
_MOST = 0.25  # share of a side that a frame may take; what is dark beyond it is something else
# of the slide's brightness: darker is what lies beyond the eyepiece; stained nuclei let more blue
# through
_BLACK = 0.35
# share of the picture; smaller dark things at the border are cells and dirt
_LEAST_SURROUND = 0.002
_SURROUND_PX = 1024  # size at which the surround is looked for
_HALO = 1 / 128  # of the longer side, beside the surround: the blurred rim of the eyepiece
# grey level: what is darker in all of a picture is no slide in transmitted light
_DARKEST_SLIDE = 90


@dataclass(frozen=True)
class Standard:
    """How an image is standardized.

    Attributes:
        frame: lines of the dark frame at the top, bottom, left and right.
        surround: ``(h, w) bool``, what lies within the frame, reduced: what is black and reaches
            the border, as beyond an eyepiece; None: nothing.
        levels: ``(256, 3) uint8``, the new grey level of each grey level of red, green and blue.
    """

    frame: tuple[int, int, int, int]
    surround: np.ndarray | None
    levels: np.ndarray

    @classmethod
    def of(cls, image: np.ndarray) -> Standard:
        """The standard of an image, ``(H, W, 3) uint8`` RGB;

        may be memory-mapped: little of it is read.
        """
        frame = dark_frame(image)
        top, bottom, left, right = frame
        field = image[top : image.shape[0] - bottom, left : image.shape[1] - right]
        return cls(frame, dark_surround(field), white_levels(background_colour(field)))

    def dark_rows(self, top: int, bottom: int, height: int, width: int) -> np.ndarray | None:
        """Which pixels of some rows lie in the surround, ``(bottom - top, width) bool``;

        None: none. Rows, height and width are those within the frame.
        """
        if self.surround is None:
            return None
        rows = np.arange(top, bottom) * self.surround.shape[0] // height
        columns = np.arange(width) * self.surround.shape[1] // width
        return self.surround[rows][:, columns]

    @classmethod
    def as_is(cls) -> Standard:
        """No frame, and every grey level as it is."""
        return cls(
            (0, 0, 0, 0), None, np.repeat(np.arange(256, dtype=np.uint8)[:, None], 3, axis=1)
        )


def white_levels(slide: np.ndarray) -> np.ndarray:
    """Grey levels that make a slide of this colour white, and keep the transmittance of the cells
    on it.

    Args:
        slide: ``(3,)`` RGB. Where its brightest channel is darker than a slide in transmitted light
            can be, the levels are kept.

    Returns:
        ``(256, 3) uint8``.
    """
    if max(slide) < _DARKEST_SLIDE:
        return Standard.as_is().levels
    # of a channel with next to no light only noise would be left
    factors = WHITE / np.maximum(np.asarray(slide, np.float32), _DARKEST_SLIDE * 2 / 3)
    return np.clip(np.arange(256)[:, None] * factors + 0.5, 0, 255).astype(np.uint8)


def dark_frame(image: np.ndarray) -> tuple[int, int, int, int]:
    """Width of the dark frame on each side.

    Args:
        image: ``(H, W, 3) uint8`` RGB; may be memory-mapped: only its border and some rows are
            read.

    Returns:
        lines at the top, bottom, left and right; 0 where there is no frame.
    """
    height, width = image.shape[:2]
    limit = _DARK * _brightness(image)
    sides = (
        (height, (image[i] for i in range(height))),
        (height, (image[-1 - i] for i in range(height))),
        (width, (image[:, i] for i in range(width))),
        (width, (image[:, -1 - i] for i in range(width))),
    )
    return tuple(_frame(lines, limit, int(_MOST * length)) for length, lines in sides)


def dark_surround(image: np.ndarray) -> np.ndarray | None:
    """What is black and reaches the border of a picture in any amount: what lies beyond the edge of
    an eyepiece.

    Args:
        image: ``(H, W, 3) uint8`` RGB; may be memory-mapped.

    Returns:
        ``(h, w) bool``, the picture reduced to at most 1024 pixels a side; None where there is
        nothing of the kind.
    """
    step = -(-max(image.shape[:2]) // _SURROUND_PX)
    light = cv2.GaussianBlur(np.ascontiguousarray(image[::step, ::step]).max(axis=2), (5, 5), 0)
    black = (light < _BLACK * _brightness(image)).astype(np.uint8)
    count, numbers, stats, _ = cv2.connectedComponentsWithStats(black)
    at_border = np.unique(np.concatenate([numbers[0], numbers[-1], numbers[:, 0], numbers[:, -1]]))
    kept = [
        i
        for i in range(1, count)
        if i in at_border and stats[i, cv2.CC_STAT_AREA] >= _LEAST_SURROUND * black.size
    ]
    if not kept:
        return None
    halo = 1 + 2 * round(_HALO * max(black.shape))
    return (
        cv2.dilate(
            np.isin(numbers, kept).astype(np.uint8),
            cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (halo, halo)),
        )
        > 0
    )


def _brightness(image: np.ndarray) -> float:
    """How bright the slide of a picture is: the median of its rows'."""
    rows = np.linspace(0, image.shape[0] - 1, min(image.shape[0], 64)).astype(int)
    return float(np.median([_slide(image[row]) for row in rows]))


def _frame(lines: Iterable[np.ndarray], limit: float, most: int) -> int:
    """How many lines, from the border inwards, are darker than ``limit``, with what their blur has
    darkened; 0 if more than ``most``.
    """
    for count, line in enumerate(lines):
        if count > most:
            return 0
        if _slide(line) >= limit:
            return min(count + _SOFT_PX, most) if count else 0
    return 0


def _slide(line: np.ndarray) -> float:
    """How bright the slide is on a line, ``(N, 3) uint8``, by its brightest channel."""
    return float(np.quantile(line.max(axis=-1), _SLIDE_QUANTILE))
