"""Finding one cell in a picture, and saying why where that fails. What the readers of all databases
share.

Inside a reader, a cell that cannot be used raises :class:`LeftOut`; the reader's loop turns that
into a :class:`~bloodseg_lib.samples.sample.Skipped` and goes on with the next file. Taught by
``notebooks/01_dataset_creation.ipynb``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import cv2
import numpy as np

from bloodseg_lib.io import IMAGE_SUFFIXES, read_image, read_mask
from bloodseg_lib.samples.sample import Skipped

NOT_AN_IMAGE = "not an image file"
SAME_NAME = "second file of the same name"
UNREADABLE = "unreadable image"
NO_COLOUR = "no colour"
NO_MASK = "no mask"
NO_IMAGE = "mask without image"
WRONG_MASK_SIZE = "mask of another size"
EMPTY_MASK = "empty mask"
NO_CELL = "no cell found"
TOO_PALE = "too pale"
TOO_RAGGED = "too ragged"
TOO_SMALL = "too small"
TOO_LARGE = "too large"
TWO_CELLS = "two cells in one crop"
DEBRIS = "debris on the cell"
CUT = "cut at the edge"
TOUCHING = "touching a neighbour"


class LeftOut(ValueError):
    """A cell or file that a reader does not take.

    Args:
        reason: one of the constants of this module.
        detail: a sentence with the values behind it, and the mend where there is one.
    """

    def __init__(self, reason: str, detail: str):
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail

    def rejection(self, source: str, class_id: int, path: Path) -> Skipped:
        """The line of a reader's report."""
        return Skipped(source, class_id, path, self.reason, self.detail)


def class_folders(
    folder: Path, classes: Mapping[str, int], layout: str, also: tuple[str, ...] = ()
) -> list[tuple[Path, int]]:
    """The folders of a database that hold one class each.

    Args:
        folder: where they lie.
        classes: name of the folder -> class id; upper and lower case are the same.
        layout: what the database looks like, for the errors.
        also: names of folders that may be there and are not looked into here.

    Returns:
        ``(folder, class id)`` in the order of ``classes``.

    Raises:
        FileNotFoundError: ``folder`` or one of the class folders is not there.
        ValueError: there is a folder of another name.
    """
    if not folder.is_dir():
        raise FileNotFoundError(
            f"{folder}: no such folder. Expected {layout}. Give the folder that the database was unpacked to."
        )
    found = {
        p.name.lower(): p
        for p in sorted(folder.iterdir())
        if p.is_dir() and not p.name.startswith((".", "__MACOSX"))
    }
    legal = {name.lower(): class_id for name, class_id in classes.items()}
    for name, path in found.items():
        if name not in legal and name not in (other.lower() for other in also):
            raise ValueError(
                f"{path}: no class has a folder of this name. Expected {layout}. Rename it to one of {', '.join(classes)}, or move it away."
            )
    for name in classes:
        if name.lower() not in found:
            raise FileNotFoundError(
                f"{folder / name}: no such folder. Expected {layout}. Unpack the database again, or rename the folder back."
            )
    return [(found[name], class_id) for name, class_id in legal.items()]


def image_files(
    folder: Path,
    source: str,
    class_id: int,
    rejections: list[Skipped],
    pictures: tuple[str, ...] = IMAGE_SUFFIXES,
) -> Iterator[Path]:
    """The image files of one folder by name. Every other file, and a second one of the same stem,
    is reported.

    Args:
        folder: where.
        source, class_id: of the rejections.
        rejections: gets one entry for each file that is none, or one too many.
        pictures: endings of the pictures, where those of another ending are their masks.
    """
    stems = set()
    for path in sorted(folder.iterdir()):
        if (
            path.suffix.lower() not in IMAGE_SUFFIXES
            or not path.is_file()
            or path.name.startswith(".")
        ):
            kinds = ", ".join(IMAGE_SUFFIXES)
            rejections.append(
                Skipped(
                    source,
                    class_id,
                    path,
                    NOT_AN_IMAGE,
                    f"{path}: expected an image file ({kinds}). Move it away if it is none.",
                )
            )
        elif path.suffix.lower() not in pictures:
            yield path
        elif path.stem in stems:
            rejections.append(
                Skipped(
                    source,
                    class_id,
                    path,
                    SAME_NAME,
                    f"{path}: another file has this name but for its ending. Delete one of them.",
                )
            )
        else:
            stems.add(path.stem)
            yield path


def one_file(folder: Path, stem: str) -> Path | None:
    """The image file ``folder/stem.*``, whatever its ending, or None."""
    return next(
        (
            p
            for suffix in IMAGE_SUFFIXES
            for p in (folder / f"{stem}{suffix}", folder / f"{stem}{suffix.upper()}")
            if p.is_file()
        ),
        None,
    )


def colour_image(path: Path) -> np.ndarray:
    """Read a stained picture as ``(H, W, 3) uint8`` RGB.

    Raises:
        LeftOut: it cannot be read, or it is grey: a stain cannot be told without colour.
    """
    try:
        image = read_image(path)
    except (FileNotFoundError, ValueError) as error:
        raise LeftOut(UNREADABLE, str(error)) from error
    if not np.ptp(image, axis=2).any():
        raise LeftOut(
            NO_COLOUR,
            f"{path}: expected a picture in colour, received a grey one. Download or copy the original again.",
        )
    return image


def mask_of(
    path: Path | None, image_path: Path, shape: tuple[int, int], expected: str, border: int = 0
) -> np.ndarray:
    """Read the mask that belongs to an image.

    Args:
        path: of the mask; None where there is none.
        image_path: of the image.
        shape: height and width of the image.
        expected: where the mask should lie, for the error.
        border: pixels that masks of this database may be short of on each side; these are padded
            with 0.

    Returns:
        ``(H, W) uint8`` as stored.

    Raises:
        LeftOut: no mask, not readable, of another size, or nothing in it.
    """
    if path is None:
        raise LeftOut(
            NO_MASK,
            f"{image_path}: has no mask. Expected {expected}. Add the mask, or leave the image out.",
        )
    try:
        mask = read_mask(path)
    except ValueError as error:
        raise LeftOut(UNREADABLE, str(error)) from error
    if border and mask.shape == (shape[0] - 2 * border, shape[1] - 2 * border):
        mask = np.pad(mask, border)
    if mask.shape != shape:
        size = f"{shape[1]} x {shape[0]}"
        raise LeftOut(
            WRONG_MASK_SIZE,
            f"{path}: expected the size of its image, {size}. Received {mask.shape[1]} x {mask.shape[0]}. Get the two anew.",
        )
    if not mask.any():
        raise LeftOut(EMPTY_MASK, f"{path}: nothing is marked in this mask. Get it anew.")
    return mask


def largest(mask: np.ndarray) -> np.ndarray:
    """The largest connected part of a mask, its holes filled: ``(H, W)`` bool.

    Raises:
        LeftOut: the mask is empty.
    """
    contours, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    if not contours:
        raise LeftOut(NO_CELL, "Nothing stands out from the background.")
    return _filled(max(contours, key=cv2.contourArea), mask.shape)


def parts(mask: np.ndarray, least_px: int) -> list[np.ndarray]:
    """The connected parts of a mask that have at least ``least_px`` pixels, their holes filled, top
    to bottom: ``(H, W)`` bool each.
    """
    contours, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    found = [
        _filled(contour, mask.shape)
        for contour in sorted(
            contours, key=lambda contour: (contour[:, 0, 1].min(), contour[:, 0, 0].min())
        )
    ]
    return [part for part in found if part.sum() >= least_px]


def central(mask: np.ndarray) -> np.ndarray:
    """The connected part of a mask that fills most of the middle of the picture, its holes filled:
    ``(H, W)`` bool.

    Raises:
        LeftOut: there is nothing in the middle.
    """
    height, width = mask.shape
    contours, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    found = [_filled(contour, mask.shape) for contour in contours]
    middle = np.s_[height // 4 : height - height // 4, width // 4 : width - width // 4]
    best = max(found, key=lambda part: part[middle].sum(), default=None)
    if best is None or not best[middle].any():
        raise LeftOut(
            NO_CELL, "Nothing in the middle of the picture stands out from the background."
        )
    return best


def _filled(contour: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    return cv2.drawContours(np.zeros(shape, np.uint8), [contour], -1, 1, cv2.FILLED).astype(bool)


def opened(mask: np.ndarray, diameter_px: int) -> np.ndarray:
    """``mask`` without what is thinner than ``diameter_px``: spurs, bridges to neighbours, hairs."""
    return _morphology(mask, diameter_px, cv2.MORPH_OPEN)


def smooth(mask: np.ndarray, diameter_px: int) -> np.ndarray:
    """``mask`` without bays and spurs narrower than ``diameter_px``."""
    return _morphology(_morphology(mask, diameter_px, cv2.MORPH_CLOSE), diameter_px, cv2.MORPH_OPEN)


def _morphology(mask: np.ndarray, diameter_px: int, operation: int) -> np.ndarray:
    size = diameter_px | 1  # a disc of even size has no middle: it would move the mask by a pixel
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size))
    # a cell that the border cuts goes on beyond it: else its corners were rounded, and it seemed
    # whole
    padded = np.pad(mask, size, mode="edge")
    return cv2.morphologyEx(padded.astype(np.uint8), operation, disc)[size:-size, size:-size] > 0


def eroded(mask: np.ndarray, pixels: int) -> np.ndarray:
    """``mask`` without its outermost ``pixels``, also along the picture's border."""
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * pixels + 1, 2 * pixels + 1))
    return cv2.erode(np.pad(mask, 1).astype(np.uint8), disc)[1:-1, 1:-1] > 0


def window_of(mask: np.ndarray) -> tuple[slice, slice]:
    """Rows and columns of the smallest box around what a mask marks."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def solidity(mask: np.ndarray) -> float:
    """Area of a cell as a share of its convex hull:

    1 for an oval one, less for ragged or joined ones.
    """
    contours, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    points = np.concatenate(contours)
    hull = cv2.drawContours(
        np.zeros(mask.shape, np.uint8), [cv2.convexHull(points)], -1, 1, cv2.FILLED
    )
    return float(mask.sum() / hull.sum())


def edge_contact(mask: np.ndarray) -> float:
    """How far a cell leans on the picture's border:

    the longest side it touches, in diameters of a disc of its area.
    """
    touching = max(mask[0].sum(), mask[-1].sum(), mask[:, 0].sum(), mask[:, -1].sum())
    return float(touching / np.sqrt(4 * mask.sum() / np.pi))


def check_clean(image: np.ndarray, mask: np.ndarray, where: Path | str) -> None:
    """Refuse a red cell with stain deposit or dirt on it: parasites are purple, never black.

    Args:
        image: ``(H, W, 3) uint8`` RGB.
        mask: ``(H, W)`` bool.
        where: what the detail calls it.

    Raises:
        LeftOut: more than half a per cent of the cell is black.
    """
    black = (image.max(axis=2)[mask] < 85).mean()
    if black > 0.005:
        raise LeftOut(DEBRIS, f"{where}: {black:.1%} of the cell is black.")


def check_shape(
    mask: np.ndarray,
    scale: float,
    where: Path | str,
    areas: tuple[float, float],
    least_solidity: float,
    most_contact: float,
) -> None:
    """Refuse a mask that is not of one whole cell.

    Args:
        mask: ``(H, W)`` bool.
        scale: factor to 40x.
        where: what the detail calls it.
        areas: least and greatest area at 40x, in pixels.
        least_solidity: see :func:`solidity`.
        most_contact: see :func:`edge_contact`.

    Raises:
        LeftOut: naming the first check it fails.
    """
    area = mask.sum() * scale**2
    if area < areas[0]:
        raise LeftOut(TOO_SMALL, f"{where}: area at 40x {area:.0f} px < {areas[0]:.0f}.")
    if (contact := edge_contact(mask)) > most_contact:
        raise LeftOut(
            CUT, f"{where}: leans on the border over {contact:.2f} diameters > {most_contact}."
        )
    if area > areas[1]:
        raise LeftOut(TOO_LARGE, f"{where}: area at 40x {area:.0f} px > {areas[1]:.0f}.")
    if (value := solidity(mask)) < least_solidity:
        raise LeftOut(TOO_RAGGED, f"{where}: solidity {value:.2f} < {least_solidity}.")


def rbc_mask(image: np.ndarray) -> np.ndarray:
    """The red blood cell in the middle of a picture, on a light background: ``(H, W)`` bool.

    Otsu's threshold on the green channel, where the stains of RBCs are darkest.

    Raises:
        LeftOut: nothing stands out in the middle.
    """
    green = cv2.GaussianBlur(image[:, :, 1], (3, 3), 0)
    _, dark = cv2.threshold(green, 0, 255, cv2.THRESH_BINARY_INV | cv2.THRESH_OTSU)
    return largest(opened(central(dark), max(3, min(dark.shape) // 5)))


def platelet_mask(image: np.ndarray, least_contrast: float = 40.0) -> np.ndarray:
    """The platelet or clump of platelets in the middle of a picture: ``(H, W)`` bool.

    Platelets are darker in green *and* more purple than the RBCs beside or beneath them, so both
    are added up. The threshold lies between what the middle shows and the darker part of what
    surrounds it, so that neighbours are left out, however much of the picture they fill.

    Args:
        image: ``(H, W, 3) uint8`` RGB, a box around the platelet with a little of what is around.
        least_contrast: how much more it must show of the two than what is around, in grey values.

    Raises:
        LeftOut: nothing stands out in the middle, or not clearly.
    """
    red, green, blue = (image[:, :, i].astype(np.float32) for i in range(3))
    # darkness of green, and purple
    stain = cv2.GaussianBlur(255 - 2 * green + (red + blue) / 2, (3, 3), 0)
    height, width = stain.shape
    rows, columns = np.ogrid[:height, :width]
    # 0 in the middle, 0.5 at the sides
    distance = np.hypot((rows - (height - 1) / 2) / height, (columns - (width - 1) / 2) / width)
    wide = cv2.GaussianBlur(stain, (0, 0), max(height, width) / 16)
    row, column = np.unravel_index(np.where(distance < 0.35, wide, -np.inf).argmax(), stain.shape)
    peak, around = wide[row, column], np.percentile(stain[distance > 0.45], 85)
    if peak - around < least_contrast:
        raise LeftOut(
            TOO_PALE,
            f"The middle shows only {peak - around:.0f} grey values more stain than what is around, expected {least_contrast:.0f}.",
        )
    _, labels = cv2.connectedComponents((stain > around + 0.4 * (peak - around)).astype(np.uint8))
    if not labels[row, column]:
        raise LeftOut(
            NO_CELL, "Nothing in the middle of the picture stands out from the background."
        )
    core = smooth(labels == labels[row, column], 3)
    # A threshold above dark neighbours is too high where the platelet borders on the white slide:
    # there it gains its rim.
    slide = np.percentile(stain, 10)
    return largest(
        core
        | (cv2.dilate(core.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0)
        & (stain > slide + 0.4 * (peak - slide))
    )
