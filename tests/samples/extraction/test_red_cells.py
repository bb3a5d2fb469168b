import cv2
import numpy as np
import pytest
from disc_fields import PURPLE, RED_CELL, YELLOW, field, grid

from bloodseg_lib.optics import background_colour
from bloodseg_lib.samples.extraction.red_cells import measured_rbc_diameter, red_cells
from bloodseg_lib.samples.sample import cut_cell


class TestBackgroundColour:
    def test_is_that_of_the_empty_background(self):
        assert np.abs(background_colour(field(*grid())) - YELLOW).max() <= 2

    def test_cells_may_cover_nearly_all_of_it(self):
        image = field(slide=RED_CELL)
        image[:20, :200] = YELLOW
        assert np.abs(background_colour(image) - YELLOW).max() <= 2

    def test_glints_are_no_background(self):
        image = field(*grid())
        image[100:110, 100:110] = 255
        assert np.abs(background_colour(image) - YELLOW).max() <= 2

    def test_is_looked_for_around_a_cell(self):
        image = np.hstack([field(), field(slide=(200, 200, 200))])
        assert background_colour(
            image, np.s_[100:140, 500:540], reach_px=50
        ).tolist() == pytest.approx([200, 200, 200], abs=2)


class TestTransmittance:
    def test_the_background_becomes_white(self):
        image = field((100, 100, 20, RED_CELL))
        mask = np.zeros(image.shape[:2], bool)
        mask[60:140, 60:140] = True  # with some background
        rgba = cut_cell(image, mask, background=background_colour(image))
        assert rgba[2, 2, :3].tolist() == pytest.approx([255, 255, 255], abs=4)
        assert rgba[40, 40, :3].tolist() == pytest.approx(
            [190 * 255 / 250, 150 * 255 / 240, 120 * 255 / 150], abs=6
        )

    def test_black_stays_black(self):
        image = np.zeros((20, 20, 3), np.uint8)
        assert not cut_cell(image, np.ones((20, 20)), background=YELLOW)[:, :, :3].any()

    @pytest.mark.parametrize(
        "colour", [(0, 240, 150), (255, 255), (300, 200, 200), (float("nan"), 1, 1)]
    )
    def test_what_is_no_colour_is_refused(self, colour):
        with pytest.raises(ValueError, match="colour of the empty slide"):
            cut_cell(np.zeros((20, 20, 3), np.uint8), np.ones((20, 20)), background=colour)


class TestRedCells:
    def test_isolated_ones_are_found_and_measured(self):
        cells = red_cells(field(*grid(20)), 40)
        assert len(cells) == 24
        assert measured_rbc_diameter(cells, 99) == pytest.approx(41, abs=1.5)
        assert all(cell.clean for cell in cells)

    def test_few_ones_do_not_change_the_scale(self):
        assert measured_rbc_diameter(red_cells(field((100, 100, 20, RED_CELL)), 40), 37.5) == 37.5

    def test_touching_and_cut_ones_are_left_alone(self):
        assert (
            red_cells(
                field((100, 100, 20, RED_CELL), (135, 100, 20, RED_CELL), (5, 200, 20, RED_CELL)),
                40,
            )
            == []
        )

    def test_one_with_a_platelet_on_it_is_not_clean(self):
        spotted = (160, 160, 4, PURPLE)
        cells = red_cells(field(*grid(), (100, 100, 4, PURPLE), spotted), 40)
        middles = [
            (cell.box.x + cell.box.width // 2, cell.box.y + cell.box.height // 2)
            for cell in cells
            if not cell.clean
        ]
        assert sorted(middles) == [
            pytest.approx((100, 100), abs=2),
            pytest.approx((160, 160), abs=2),
        ]

    def test_a_white_cell_of_that_size_is_not_clean(self):
        assert [c.clean for c in red_cells(field((100, 100, 20, (60, 20, 90))), 40)] == [False]

    def test_the_black_around_an_eyepiece_does_not_matter(self):
        image = field(*grid())
        seen = cv2.circle(np.zeros(image.shape[:2], np.uint8), (200, 150), 190, 1, -1)
        assert len(red_cells(image * seen[:, :, None], 40)) >= 20
