"""The panel's images: of a folder, uploaded, as large as the screen needs, a cell close up."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path

import cv2
import numpy as np

from bloodseg_lib.io import IMAGE_SUFFIXES, Picture, read_picture

SHOWN_PX = (896, 1800)
"""The longer side of the picture in the panel, at least and at most; files for download have the
image's own size.
"""


def shown_size(height: int, width: int) -> tuple[int, int]:
    """Width and height of the picture of an image in the panel, for OpenCV.

    Examples:
        >>> shown_size(224, 448), shown_size(1000, 900), shown_size(3600, 1800)
        ((896, 448), (900, 1000), (900, 1800))
    """
    least, most = (limit / max(height, width) for limit in SHOWN_PX)
    ratio = least if least > 1 else min(1.0, most)
    return max(1, round(width * ratio)), max(1, round(height * ratio))


def offered_images(
    images: Mapping[str, np.ndarray] | Path | str | None,
) -> dict[str, np.ndarray | Path | Picture]:
    """The images to pick from by name: those given, or the files of a folder.

    Raises:
        FileNotFoundError: the folder is not there.
    """
    if images is None:
        return {}
    if isinstance(images, Mapping):
        return dict(images)
    folder = Path(images)
    if not folder.is_dir():
        raise FileNotFoundError(f"{folder}: expected a folder of images, there is none.")
    return {
        path.name: path
        for path in sorted(folder.iterdir())
        if path.suffix.lower() in IMAGE_SUFFIXES and not path.name.startswith(".")
    }


def opened(image: np.ndarray | Path | Picture) -> Picture:
    """An image as a picture, read where it is a file.

    Raises:
        FileNotFoundError, ValueError: it cannot be read.
    """
    if isinstance(image, Picture):
        return image
    return read_picture(image) if isinstance(image, Path) else Picture(image, Path())


def decoded_image(name: str, data: bytes) -> Picture:
    """The picture in an uploaded file, read as any other file is.

    Raises:
        ValueError: it is no image; the message has the name that the file had.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"upload{Path(name).suffix}"
        path.write_bytes(data)
        try:
            return read_picture(path)
        except ValueError as error:
            raise ValueError(str(error).replace(str(path), name)) from error


def close_up(
    image: np.ndarray, box: tuple[int, int, int, int], side_px: int = 300, boxed: bool = True
) -> np.ndarray:
    """A cell in the middle of a window twice its size, ``(side_px, side_px, 3) uint8``, with its
    box in white and black if ``boxed``. What lies beyond the image is grey.
    """
    x, y, width, height = box
    reach = max(width, height)
    left, top = x + width // 2 - reach, y + height // 2 - reach
    # What lies beyond the image is grey: repeated pixels would look like an object.
    window = np.full((2 * reach, 2 * reach, 3), 128, np.uint8)
    bottom, right = min(top + 2 * reach, image.shape[0]), min(left + 2 * reach, image.shape[1])
    inside = np.s_[max(top, 0) - top : bottom - top, max(left, 0) - left : right - left]
    window[inside] = image[max(top, 0) : bottom, max(left, 0) : right]
    part = cv2.resize(window, (side_px, side_px), interpolation=cv2.INTER_CUBIC)
    if not boxed:
        return part
    ratio = side_px / (2 * reach)
    first = round((x - left) * ratio), round((y - top) * ratio)
    last = round((x + width - left) * ratio), round((y + height - top) * ratio)
    cv2.rectangle(part, first, last, (0, 0, 0), 4)
    cv2.rectangle(part, first, last, (255, 255, 255), 2)
    return part
