"""The ten classes of the segmentation - ids, names, colours, groups - and sizes at 40x.

No other module writes a class id, a class name or a class colour.
Taught by ``notebooks/01_dataset_creation.ipynb``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np


@dataclass(frozen=True)
class CellClass:
    """One class of the segmentation.

    Attributes:
        id: the value of the class in a label map, 0..9.
        name: its name for people, e.g. ``"Infected RBC"``.
        key: its name for folders, columns and options, e.g. ``"infected_rbc"``.
        code: four letters for the names of composed smears, e.g. ``"Infe"``.
        colour: RGB, 0..255.
        group: ``"WBC"``, ``"platelet"``, ``"RBC"`` or ``"background"``.
        mean_area_px: mean area of such a cell at 40x in square pixels as the original project
            measured it; 0 for background.
    """

    id: int
    name: str
    key: str
    code: str
    colour: tuple[int, int, int]
    group: str
    mean_area_px: float

    @property
    def letter(self) -> str:
        """Its mark in pictures, for those who cannot tell the colours apart.

        Examples:
            >>> "".join(c.letter for c in CLASSES)
            '-EBNLMTCih'
        """
        small = {"background": "-", "RBC": self.code[0].lower()}
        return small.get(self.group, self.code[0])


(
    BACKGROUND,
    EOSINOPHIL,
    BASOPHIL,
    NEUTROPHIL,
    LYMPHOCYTE,
    MONOCYTE,
    THROMBOCYTE,
    PLATELET_CLUMP,
    INFECTED_RBC,
    HEALTHY_RBC,
) = range(10)

UNKNOWN = 255
"""In the label map of a real field: nobody knows the class of this pixel. The loss ignores it."""

CLASSES: tuple[CellClass, ...] = (
    CellClass(BACKGROUND, "Background", "background", "Back", (0, 0, 0), "background", 0),
    CellClass(EOSINOPHIL, "Eosinophil", "eosinophil", "Eosi", (0, 255, 255), "WBC", 4987),
    CellClass(BASOPHIL, "Basophil", "basophil", "Baso", (0, 128, 128), "WBC", 4994),
    CellClass(NEUTROPHIL, "Neutrophil", "neutrophil", "Neut", (251, 190, 190), "WBC", 4879),
    CellClass(LYMPHOCYTE, "Lymphocyte", "lymphocyte", "Lymp", (128, 128, 0), "WBC", 2744),
    CellClass(MONOCYTE, "Monocyte", "monocyte", "Mono", (0, 0, 128), "WBC", 6694),
    CellClass(THROMBOCYTE, "Thrombocyte", "thrombocyte", "Thro", (255, 255, 0), "platelet", 244),
    CellClass(
        PLATELET_CLUMP, "Platelet clump", "platelet_clump", "Clum", (255, 0, 255), "platelet", 614
    ),
    CellClass(INFECTED_RBC, "Infected RBC", "infected_rbc", "Infe", (255, 0, 0), "RBC", 1092),
    CellClass(HEALTHY_RBC, "Healthy RBC", "healthy_rbc", "Heal", (0, 255, 0), "RBC", 1040),
)

NUM_CLASSES = len(CLASSES)
CELL_CLASSES = CLASSES[1:]
WBC_IDS = tuple(c.id for c in CLASSES if c.group == "WBC")
PLATELET_IDS = tuple(c.id for c in CLASSES if c.group == "platelet")
RBC_IDS = tuple(c.id for c in CLASSES if c.group == "RBC")

RBC_DIAMETER_PX = 37.0
"""Diameter of a red blood cell at 40x, the scale of every composed smear, in pixels."""

RBC_DIAMETER_UM = 7.5
"""Usual diameter of a red blood cell on a smear."""

SMEAR_SIZE_PX = 224
"""Height and width of a composed smear in pixels."""

BACKGROUND_CROP_PX = 288
"""Height and width of a background crop of a real field, in pixels at 40x."""

PALETTE = np.array([c.colour for c in CLASSES], dtype=np.uint8)
"""``(10, 3) uint8``: row *i* is the RGB colour of class *i*."""
PALETTE.setflags(write=False)

_KEYS = {c.key: c for c in CLASSES}
_TOLERANCE = 40  # the greatest difference of a colour from that of its class, in any channel


class Box(NamedTuple):
    """A bounding box in an image, in whole pixels.

    Attributes:
        x, y: column and row of its upper left pixel.
        width, height: in pixels.

    Examples:
        >>> box = Box(x=2, y=1, width=3, height=2)
        >>> box.right, box.bottom
        (5, 3)
        >>> box.meets(Box(4, 2, 9, 9)), box.meets(Box(5, 1, 9, 9))
        (True, False)
    """

    x: int
    y: int
    width: int
    height: int

    @classmethod
    def of_mask(cls, mask: np.ndarray) -> Box:
        """The smallest box around the nonzero pixels of a mask.

        Args:
            mask: ``(H, W)``, with a nonzero pixel.
        """
        rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
        x, y = int(columns[0]), int(rows[0])
        return cls(x, y, int(columns[-1]) + 1 - x, int(rows[-1]) + 1 - y)

    @property
    def right(self) -> int:
        """The column after its last."""
        return self.x + self.width

    @property
    def bottom(self) -> int:
        """The row after its last."""
        return self.y + self.height

    @property
    def middle(self) -> tuple[float, float]:
        """x and y of its middle."""
        return self.x + self.width / 2, self.y + self.height / 2

    @property
    def window(self) -> tuple[slice, slice]:
        """Its rows and columns, to index an image with."""
        return slice(self.y, self.bottom), slice(self.x, self.right)

    def cut(self, shape: tuple[int, ...], margin: int = 0) -> Box:
        """With a margin on each side, as far as it is within an image of this height and width."""
        left, top = max(0, self.x - margin), max(0, self.y - margin)
        right, bottom = min(shape[1], self.right + margin), min(shape[0], self.bottom + margin)
        return Box(left, top, right - left, bottom - top)

    def meets(self, other: Box) -> bool:
        """Whether the two share a pixel."""
        across = self.x < other.right and other.x < self.right
        return across and self.y < other.bottom and other.y < self.bottom

    def holds(self, x: float, y: float) -> bool:
        """Whether a point is in it, its edges included."""
        return self.x <= x <= self.right and self.y <= y <= self.bottom


def class_by_key(key: str) -> CellClass:
    """The class whose key (``"neutrophil"``, ``"platelet_clump"`` ...) is given.

    Raises:
        ValueError: no class has that key; the message lists the legal ones.

    Examples:
        >>> class_by_key("neutrophil").id
        3
    """
    if key not in _KEYS:
        raise ValueError(
            f"Expected the key of a class, one of {', '.join(_KEYS)}. Received {key!r}."
        )
    return _KEYS[key]


def check_labels(labels: np.ndarray, where: str = "label map", unknown: bool = False) -> np.ndarray:
    """Return ``labels`` if it is a label map, i.e. ``(H, W) uint8`` with ids 0..9.

    Args:
        labels: any array.
        where: its name in the error, usually the path it was read from.
        unknown: whether it may have pixels of :data:`UNKNOWN`.

    Raises:
        ValueError: wrong shape, dtype or an id above 9.
    """
    if labels.ndim != 2 or labels.dtype != np.uint8:
        raise ValueError(
            f"{where}: expected a label map of shape (H, W) and dtype uint8. "
            f"Received {labels.shape} {labels.dtype}."
        )
    ids = labels[labels != UNKNOWN] if unknown else labels
    if ids.size and ids.max() >= NUM_CLASSES:
        raise ValueError(f"{where}: expected class ids 0..{NUM_CLASSES - 1}. Received {ids.max()}.")
    return labels


def labels_to_colours(labels: np.ndarray) -> np.ndarray:
    """Paint a label map with the class colours.

    Args:
        labels: ``(H, W) uint8``, ids 0..9.

    Returns:
        ``(H, W, 3) uint8`` RGB.
    """
    return PALETTE[check_labels(labels)]


def colours_to_labels(image: np.ndarray, where: str = "colour map") -> np.ndarray:
    """Read a colour image of a segmentation back into a label map.

    Colours near a class colour are accepted, because published maps differ slightly (the original
    project draws thrombocytes as ``ffe100`` instead of ``ffff00``); far ones are refused by name.

    Args:
        image: ``(H, W, 3) uint8`` RGB.
        where: name of the image in the error, usually its path.

    Returns:
        ``(H, W) uint8``, ids 0..9.

    Raises:
        ValueError: wrong shape or dtype, or a colour of no class.
    """
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
        raise ValueError(
            f"{where}: expected a colour map of shape (H, W, 3) and dtype uint8. "
            f"Received {image.shape} {image.dtype}."
        )
    packed = image.astype(np.uint32) @ np.array([65536, 256, 1], dtype=np.uint32)
    codes, first, inverse = np.unique(packed, return_index=True, return_inverse=True)
    # (colours, 3)
    colours = np.stack([codes >> 16, codes >> 8 & 255, codes & 255], axis=1).astype(np.int16)
    distance = np.abs(colours[:, None] - PALETTE.astype(np.int16)).max(axis=2)  # (colours, 10)
    far = distance.min(axis=1) > _TOLERANCE
    if far.any():
        i = int(np.flatnonzero(far)[0])
        y, x = np.unravel_index(first[i], packed.shape)
        nearest = CLASSES[int(distance[i].argmin())]
        raise ValueError(
            f"{where}: colour #{codes[i]:06x} at row {y}, column {x} is no class's. "
            f"The nearest is {nearest.name} #{bytes(nearest.colour).hex()}; redraw the map with "
            "the class colours, and save it without JPEG compression or smoothing."
        )
    return distance.argmin(axis=1).astype(np.uint8)[inverse].reshape(packed.shape)
