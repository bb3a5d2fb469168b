import cv2
import numpy as np
import pytest

from bloodseg_lib.classes import LYMPHOCYTE, MONOCYTE, NEUTROPHIL
from bloodseg_lib.samples.extraction.masks import Unusable
from bloodseg_lib.samples.extraction.red_cells import measured_rbc_diameter, red_cells
from bloodseg_lib.samples.extraction.white_cells import white_cells
from bloodseg_lib.samples.sources import lisc
from bloodseg_lib.samples.sources.folders import colour_image, one_file

BACKGROUND, RED_CELL, NUCLEUS, CYTOPLASM = (
    (245, 240, 245),
    (170, 160, 185),
    (110, 60, 160),
    (190, 135, 195),
)


def iou(one, other):
    return (one & other).sum() / (one | other).sum()


def disc(shape, x, y, radius):
    return cv2.circle(np.zeros(shape, np.uint8), (x, y), radius, 1, -1) > 0


def field(*cells):
    """A field of red cells 40 across with white cells ``(x, y, radius of the nucleus, radius of the
    cell)``.
    """
    image = np.full((300, 400, 3), BACKGROUND, np.uint8)
    for x in range(30, 400, 60):
        for y in range(30, 300, 60):
            cv2.circle(image, (x, y), 20, RED_CELL, -1)
    for x, y, nucleus, radius in cells:
        cv2.circle(image, (x, y), radius + 6, BACKGROUND, -1)
        cv2.circle(image, (x, y), radius, CYTOPLASM, -1)
        cv2.circle(image, (x, y), nucleus, NUCLEUS, -1)
    return cv2.GaussianBlur(image, (0, 0), 1)


@pytest.mark.parametrize(
    ("class_id", "nucleus", "radius"),
    [(NEUTROPHIL, 24, 38), (LYMPHOCYTE, 26, 30), (MONOCYTE, 30, 44)],
)
def test_nucleus_and_cytoplasm_are_the_cell(class_id, nucleus, radius):
    found = white_cells(field((200, 150, nucleus, radius)), class_id, 40)
    assert len(found) == 1
    assert iou(found[0], disc((300, 400), 200, 150, radius)) > 0.9


def test_two_cells_are_two_masks():
    found = white_cells(field((100, 150, 24, 38), (300, 150, 24, 38)), NEUTROPHIL, 40)
    assert [round(float(np.nonzero(mask)[1].mean()), -1) for mask in found] == [100, 300]


def test_lobes_of_one_nucleus_are_one_cell():
    image = field((200, 150, 10, 40))
    for x, y in ((185, 140), (215, 140), (200, 168)):
        cv2.circle(image, (x, y), 13, NUCLEUS, -1)
    assert len(white_cells(image, NEUTROPHIL, 40)) == 1


def test_red_cells_alone_are_no_white_cells():
    with pytest.raises(Unusable, match="nucleus"):
        white_cells(field(), NEUTROPHIL, 40)


@pytest.mark.slow
def test_automatic_masks_agree_with_the_experts(real_data):
    """Mean intersection over union of each class at least 0.8, of all at least 0.85, on the expert
    masks of LISC that are at hand.
    """
    root = real_data / "lisc"
    if not root.is_dir():
        pytest.skip(f"no lisc in {real_data}")
    scores = {}
    for folder, class_id in lisc.CLASS_FOLDERS.items():
        experts = root / lisc.MASKS / folder / "areaforexpert1"
        for mask_path in sorted(experts.iterdir()):
            path = one_file(root / lisc.FIELDS / folder, mask_path.stem.removesuffix("_expert"))
            image = colour_image(path)
            expert = np.any(lisc.marked_cells(image, path, experts, class_id), axis=0)
            diameter = measured_rbc_diameter(
                red_cells(image, lisc.SOURCE_RBC_DIAMETER_PX), lisc.SOURCE_RBC_DIAMETER_PX
            )
            scores.setdefault(class_id, []).append(
                iou(np.any(white_cells(image, class_id, diameter), axis=0), expert)
            )
    assert np.mean(np.concatenate(list(scores.values()))) > 0.85
    assert all(np.mean(found) > 0.8 for found in scores.values())
