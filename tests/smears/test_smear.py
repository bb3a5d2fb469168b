import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from bloodseg_lib.smears.canvas import PlacedCell
from bloodseg_lib.smears.smear import Smear


def test_boxes_and_areas_are_those_of_the_visible_pixels():
    instances = np.zeros((8, 10), np.uint16)
    instances[1:4, 2:7] = 1  # 3 x 5 pixels, of which the second cell hides 2 x 2
    instances[2:4, 5:9] = 2
    smear = Smear(
        np.zeros((8, 10, 3), np.uint8),
        instances,
        (PlacedCell(9, "a"), PlacedCell(8, "b"), PlacedCell(3, "hidden")),
    )
    first, second = smear.visible()
    assert (first["box"], first["area_px"]) == ({"x": 2, "y": 1, "width": 5, "height": 3}, 11)
    assert (second["box"], second["area_px"]) == ({"x": 5, "y": 2, "width": 4, "height": 2}, 8)


def test_labels_are_the_classes_of_the_instances():
    smear = Smear(
        np.zeros((1, 3, 3), np.uint8),
        np.array([[0, 2, 1]], np.uint16),
        (PlacedCell(9, "a"), PlacedCell(4, "b")),
    )
    assert smear.labels.tolist() == [[0, 4, 9]]


@settings(max_examples=30)
@given(
    instances=arrays(
        np.uint16, st.tuples(st.integers(1, 12), st.integers(1, 12)), elements=st.integers(0, 5)
    )
)
def test_boxes_areas_and_labels_agree_with_counting_pixel_by_pixel(instances):
    smear = Smear(
        np.zeros((*instances.shape, 3), np.uint8),
        instances,
        tuple(PlacedCell(i + 4, str(i)) for i in range(5)),
    )
    found = {cell["sample"]: cell for cell in smear.visible()}
    for i in range(5):
        rows, columns = np.nonzero(instances == i + 1)
        assert (str(i) in found) == bool(len(rows))
        if len(rows):
            x, y = int(columns.min()), int(rows.min())
            box = {
                "x": x,
                "y": y,
                "width": int(columns.max()) - x + 1,
                "height": int(rows.max()) - y + 1,
            }
            assert (found[str(i)]["box"], found[str(i)]["area_px"]) == (box, len(rows))
    assert np.array_equal(smear.labels, np.where(instances > 0, instances + 3, 0))
