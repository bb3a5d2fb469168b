"""Walking the folders of a database and reading its pictures and masks: what all readers share.

A reader passes its files to :func:`read_each`, with a function that yields the samples of one file.
A file that cannot be used becomes a :class:`~bloodseg_lib.samples.sample.Skipped`, and the next one
follows.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from bloodseg_lib.io import IMAGE_SUFFIXES, read_image, read_mask
from bloodseg_lib.samples.extraction.boxes import NO_IMAGE
from bloodseg_lib.samples.extraction.masks import Unusable
from bloodseg_lib.samples.sample import Skipped

NOT_AN_IMAGE = "not an image file"
SAME_NAME = "second file of the same name"
UNREADABLE = "unreadable image"
NO_COLOUR = "no colour"
NO_MASK = "no mask"
WRONG_MASK_SIZE = "mask of another size"
EMPTY_MASK = "empty mask"

_Item = TypeVar("_Item")


def database_folder(root: Path | str, layout: str) -> Path:
    """The folder of a database, if it is there.

    Args:
        root: the folder.
        layout: what the database looks like, for the error.

    Raises:
        FileNotFoundError: it is not there.
    """
    if not Path(root).is_dir():
        raise FileNotFoundError(
            f"{root}: no such folder. Expected {layout}. "
            "Give the folder that the database was unpacked to."
        )
    return Path(root)


def class_folders(
    folder: Path,
    classes: Mapping[str, int],
    layout: str,
    also: tuple[str, ...] = (),
    all_needed: bool = True,
) -> list[tuple[Path, int]]:
    """The folders of a database that hold one class each.

    Args:
        folder: which contains them.
        classes: name of the folder -> class id; upper and lower case are the same.
        layout: what the database looks like, for the errors.
        also: names of other folders that are allowed.
        all_needed: whether none may be missing; else one is enough.

    Returns:
        ``(folder, class id)`` in the order of ``classes``.

    Raises:
        FileNotFoundError: ``folder`` or one of the class folders is missing.
        ValueError: a folder has another name.
    """
    found = {
        path.name.lower(): path
        for path in sorted(database_folder(folder, layout).iterdir())
        if path.is_dir() and not path.name.startswith((".", "__MACOSX"))
    }
    legal = {name.lower(): class_id for name, class_id in classes.items()}
    for name, path in found.items():
        if name not in legal and name not in (other.lower() for other in also):
            raise ValueError(
                f"{path}: no class has a folder of this name. Expected {layout}. "
                f"Rename it to one of {', '.join(classes)}, or move it away."
            )
    for name in classes:
        if name.lower() not in found and (all_needed or not found):
            raise FileNotFoundError(
                f"{folder / name}: no such folder. Expected {layout}. "
                "Unpack the database again, or rename the folder back."
            )
    return [(found[name], class_id) for name, class_id in legal.items() if name in found]


def image_files(
    folder: Path, source: str, class_id: int, pictures: tuple[str, ...] = IMAGE_SUFFIXES
) -> Iterator[tuple[Path, int] | Skipped]:
    """The image files of one folder by name, each with its class. Any other file, and a second one
    of the same stem, is skipped.

    Args:
        folder: which contains them.
        source, class_id: of the cells in them.
        pictures: endings of the pictures, where image files of another ending are their masks.
    """
    stems = set()
    for path in sorted(folder.iterdir()):
        suffix = path.suffix.lower()
        if suffix not in IMAGE_SUFFIXES or not path.is_file() or path.name.startswith("."):
            kinds = ", ".join(IMAGE_SUFFIXES)
            detail = f"{path}: expected an image file ({kinds}). Move it away if it is none."
            yield Skipped(source, class_id, path, NOT_AN_IMAGE, detail)
        elif suffix not in pictures:
            continue
        elif path.stem in stems:
            detail = f"{path}: another file has this name but for its ending. Delete one of them."
            yield Skipped(source, class_id, path, SAME_NAME, detail)
        else:
            stems.add(path.stem)
            yield path, class_id


def read_each(
    files: Iterable[tuple[Any, ...] | Skipped],
    source: str,
    read: Callable[..., Iterable[_Item | Skipped]],
) -> Iterator[_Item | Skipped]:
    """The samples, or labelled fields, of all files.

    Args:
        files: with their classes, see :func:`image_files`, and what else ``read`` takes; skipped
            ones stay skipped.
        source: of the samples.
        read: file and class -> its samples; a file for which it raises :class:`Unusable` is
            skipped.
    """
    for file in files:
        if isinstance(file, Skipped):
            yield file
            continue
        try:
            yield from read(*file)
        except Unusable as error:
            yield error.skipped(source, file[1], file[0])


def masks_without_image(
    masks: Path, images: Path, source: str, class_id: int, ending: str = ""
) -> Iterator[Skipped]:
    """The masks of a folder whose image is missing, and its files that are not images.

    Args:
        masks, images: the two folders.
        source, class_id: of the cells in them.
        ending: of the masks' stems.
    """
    found = image_files(images, source, class_id)
    stems = {file[0].stem for file in found if not isinstance(file, Skipped)}
    for file in image_files(masks, source, class_id):
        if isinstance(file, Skipped):
            yield file
        elif (stem := file[0].stem.removesuffix(ending)) not in stems:
            detail = (
                f"{file[0]}: there is no image {images / stem}.* for this mask. "
                "Add the image, or delete the mask."
            )
            yield Skipped(source, class_id, file[0], NO_IMAGE, detail)


def one_file(folder: Path, stem: str) -> Path | None:
    """The image file ``folder/stem.*``, whatever its ending, or None."""
    endings = (spelt for suffix in IMAGE_SUFFIXES for spelt in (suffix, suffix.upper()))
    paths = (folder / f"{stem}{ending}" for ending in endings)
    return next((path for path in paths if path.is_file()), None)


def group_of(field: str) -> str:
    """The group of a field's cells: its name without ending, folders joined by underscores. Copies
    that Roboflow made of one picture, mirrored or turned, are one group.

    Examples:
        >>> group_of("Neut/11.png"), group_of("train/images/11_png.rf.0a1b2c.jpg")
        ('Neut_11', 'train_images_11_png')
    """
    name = Path(field).with_suffix("").as_posix().replace("/", "_")
    return re.sub(r"\.rf\.\w+$", "", name)


def colour_image(path: Path) -> np.ndarray:
    """Read a stained picture as ``(H, W, 3) uint8`` RGB.

    Raises:
        Unusable: it cannot be read, or it is grey: stains differ in colour only.
    """
    try:
        image = read_image(path)
    except (FileNotFoundError, ValueError) as error:
        raise Unusable(UNREADABLE, str(error)) from error
    if not np.ptp(image, axis=2).any():
        raise Unusable(
            NO_COLOUR,
            f"{path}: expected a picture in colour, received a grey one. "
            "Download or copy the original again.",
        )
    return image


def mask_of(
    path: Path | None, image_path: Path, shape: tuple[int, ...], expected: str, border: int = 0
) -> np.ndarray:
    """Read the mask that belongs to an image.

    Args:
        path: of the mask; None where it is missing.
        image_path: of the image.
        shape: height and width of the image.
        expected: where the mask should be, for the error.
        border: pixels that masks of this database may lack on each side; they are padded with 0.

    Returns:
        ``(H, W) uint8`` as stored.

    Raises:
        Unusable: the mask is missing, unreadable, empty or of another size.
    """
    if path is None:
        raise Unusable(
            NO_MASK,
            f"{image_path}: has no mask. Expected {expected}. "
            "Add the mask, or leave the image out.",
        )
    try:
        mask = read_mask(path)
    except ValueError as error:
        raise Unusable(UNREADABLE, str(error)) from error
    if border and mask.shape == (shape[0] - 2 * border, shape[1] - 2 * border):
        mask = np.pad(mask, border)
    if mask.shape != tuple(shape):
        raise Unusable(
            WRONG_MASK_SIZE,
            f"{path}: expected the size of its image, {shape[1]} x {shape[0]}. "
            f"Received {mask.shape[1]} x {mask.shape[0]}. Get the two anew.",
        )
    if not mask.any():
        raise Unusable(EMPTY_MASK, f"{path}: nothing is marked in this mask. Get it anew.")
    return mask
