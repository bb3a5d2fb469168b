import numpy as np
import pytest

from bloodseg_lib.panel.images import close_up, shown_size


@pytest.mark.parametrize(
    ("height", "width", "size"),
    [(224, 448, (896, 448)), (1000, 900, (900, 1000)), (3600, 1800, (900, 1800))],
)
def test_the_picture_has_a_longer_side_of_896_to_1800_pixels(height, width, size):
    assert shown_size(height, width) == size


def test_a_close_up_has_the_cell_in_its_middle_and_its_box_around_it():
    image = np.full((40, 40, 3), 100, np.uint8)
    image[15:25, 15:25] = 200
    part = close_up(image, (15, 15, 10, 10), side_px=80)  # 20 x 20 pixels, four times as large
    assert part.shape == (80, 80, 3) and (part[40, 40] == 200).all() and (part[5, 5] == 100).all()
    assert (part[20, 40] == 255).all() and (part[40, 60] == 255).all()


def test_a_close_up_is_grey_beyond_the_border():
    part = close_up(np.full((20, 20, 3), 7, np.uint8), (0, 0, 10, 10), side_px=80)
    assert (part[5, 5] == 128).all() and (part[75, 75] == 7).all()


def test_a_close_up_for_the_gallery_has_no_box():
    image = np.full((40, 40, 3), 7, np.uint8)
    assert (close_up(image, (15, 15, 10, 10), side_px=80, boxed=False) == 7).all()
