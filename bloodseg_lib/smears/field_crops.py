"""Training smears that nobody composed: crops of whole real fields with their label maps.

They show what composed smears lack: how cells lie and touch, and how a laboratory's stain, camera
and light look together. Where nobody knows the class, the label map says so, and the loss counts
nothing there. How many cells a crop has is not known, so that only training smears are such crops.
"""

from __future__ import annotations

import cv2
import numpy as np

from bloodseg_lib.classes import SMEAR_SIZE_PX, UNKNOWN, class_by_key
from bloodseg_lib.io import resized
from bloodseg_lib.optics import scale_density, white_levels
from bloodseg_lib.samples.extraction.stain import Stain
from bloodseg_lib.samples.labelled_field import LabelledField
from bloodseg_lib.smears.canvas import PlacedCell
from bloodseg_lib.smears.pool import FieldChoice, Pool, one_of
from bloodseg_lib.smears.recipe import Recipe
from bloodseg_lib.smears.smear import Smear


def field_crop(pool: Pool, recipe: Recipe, rng: np.random.Generator) -> Smear:
    """A random crop of a real field, in one of its eight symmetries.

    Sources, and the rarest classes of their fields, are drawn alike, however many fields they gave;
    the crop shows some of that class. A field smaller than the crop is surrounded by empty
    background of no known class.

    Args:
        pool: samples and fields of the training split.
        recipe: how; ``scale_jitter`` and ``reference_stain`` only.
        rng: all randomness.

    Returns:
        a smear of 224 x 224 without stain jitter, illumination and camera; each class is one
        instance, unknown pixels too.
    """
    choice = one_of(one_of(pool.fields, rng), rng)
    field = choice.load()
    side = round(SMEAR_SIZE_PX / (1 + rng.uniform(-1, 1) * recipe.scale_jitter))
    image, labels = _window(field, choice, side, rng)
    turns, mirrored = int(rng.integers(4)), rng.uniform() < 0.5
    image, labels = (np.rot90(part, turns) for part in (image, labels))
    if mirrored:
        image, labels = image[:, ::-1], labels[:, ::-1]
    image, labels = np.ascontiguousarray(image), np.ascontiguousarray(labels)
    if side != SMEAR_SIZE_PX:
        size = (SMEAR_SIZE_PX, SMEAR_SIZE_PX)
        image = resized(image, size)
        labels = cv2.resize(labels, size, interpolation=cv2.INTER_NEAREST_EXACT)
    if recipe.reference_stain:
        stain = Stain.of(field.image, 1.0, white_levels(np.full(3, 255)))
        image = scale_density(image, stain.factors)
    ids = [int(class_id) for class_id in np.unique(labels) if class_id]
    instances = np.zeros(labels.shape, np.uint16)
    for number, class_id in enumerate(ids, start=1):
        instances[labels == class_id] = number
    return Smear(image, instances, tuple(PlacedCell(c, choice.path) for c in ids))


def _window(
    field: LabelledField, choice: FieldChoice, side: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """The image and labels of a square that shows a random pixel of the field's rarest class."""
    rows, columns = np.nonzero(field.labels == class_by_key(choice.rarest).id)
    pixel = int(rng.integers(len(rows)))
    image = np.full((side, side, 3), 255, np.uint8)
    labels = np.full((side, side), UNKNOWN, np.uint8)
    taken, placed = [], []
    for wanted, length in zip((rows[pixel], columns[pixel]), field.labels.shape, strict=True):
        # within the field where it is large enough, else all of the field within the square
        least, greatest = min(0, length - side), max(0, length - side)
        start = int(np.clip(wanted - rng.integers(side), least, greatest))
        taken.append(slice(max(0, start), min(length, start + side)))
        placed.append(slice(max(0, -start), max(0, -start) + taken[-1].stop - taken[-1].start))
    image[tuple(placed)] = field.image[tuple(taken)]
    labels[tuple(placed)] = field.labels[tuple(taken)]
    return image, labels
