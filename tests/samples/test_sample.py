import cv2
import numpy as np
import pytest

from bloodseg_lib.classes import HEALTHY_RBC
from bloodseg_lib.samples.sample import BACKGROUND_CROP, CLUSTER, CellSample, cut_cell


def square(size=20, cell=slice(5, 15), colour=(200, 100, 150), around=(0, 0, 0)):
    image = np.full((size, size, 3), around, np.uint8)
    mask = np.zeros((size, size), bool)
    mask[cell, cell] = True
    image[mask] = colour
    return image, mask


class TestCutCell:
    def test_is_cropped_to_the_cell(self):
        rgba = cut_cell(*square())
        assert rgba.shape == (10, 10, 4)
        assert (rgba[:, :, 3] == 255).all()

    def test_scale_multiplies_the_sides(self):
        image, mask = square(120, slice(10, 110))
        assert cut_cell(image, mask, scale=0.37).shape == (
            37,
            37,
            4,
        )

    def test_alpha_is_all_or_nothing(self):
        image = np.full((101, 101, 3), 90, np.uint8)
        mask = cv2.circle(np.zeros((101, 101), np.uint8), (50, 50), 40, 1, -1)
        for scale in (0.3, 1.0, 1.7):
            assert set(np.unique(cut_cell(image, mask, scale)[:, :, 3])) == {0, 255}

    def test_a_symmetric_cell_stays_symmetric_when_shrunk(self):
        image = np.full((101, 101, 3), 90, np.uint8)
        mask = cv2.circle(np.zeros((101, 101), np.uint8), (50, 50), 50, 1, -1)
        alpha = cut_cell(image, mask, 0.31)[:, :, 3]
        assert np.array_equal(alpha, alpha[::-1])
        assert np.array_equal(alpha, alpha[:, ::-1])

    @pytest.mark.parametrize("around", [(0, 0, 0), (255, 255, 255)])
    def test_nothing_from_outside_bleeds_in_when_shrunk(self, around):
        image, _ = square(101, slice(0, 0), around=around)
        mask = cv2.circle(np.zeros((101, 101), np.uint8), (50, 50), 40, 1, -1) > 0
        image[mask] = (200, 100, 150)
        rgba = cut_cell(image, mask, 0.4)
        assert (rgba[:, :, :3] == (200, 100, 150)).all()

    def test_mask_of_another_size_is_refused(self):
        image, mask = square()
        with pytest.raises(
            ValueError, match=r"s/n: expected a mask of the image's size \(20, 20\)"
        ):
            cut_cell(image, mask[:10], where="s/n")

    def test_a_speck_is_refused(self):
        with pytest.raises(ValueError, match=r"at least 20 pixels at 40x. Received 16"):
            cut_cell(*square(cell=slice(5, 9)))

    def test_the_speck_counts_at_40x(self):
        with pytest.raises(ValueError, match="Received 9"):
            cut_cell(*square(), scale=0.3)


class TestCellSample:
    def test_the_ending_of_its_name_tells_a_cluster_or_a_background_crop(self):
        rgba = np.full((5, 5, 4), 255, np.uint8)
        kinds = [
            CellSample(rgba, HEALTHY_RBC, "s", "g", f"n{ending}")
            for ending in ("", CLUSTER, BACKGROUND_CROP)
        ]
        assert [(k.is_cluster, k.is_background_crop) for k in kinds] == [
            (False, False),
            (True, False),
            (False, True),
        ]

    def test_densities_are_those_of_its_pixels(self):
        grey = np.repeat(np.uint8([[255] * 8 + [51, 51]]), 10, axis=0)
        rgba = np.dstack([grey, grey, grey, np.full_like(grey, 255)])
        sample = CellSample(rgba, HEALTHY_RBC, "s", "g", "n")
        assert sample.median_od == pytest.approx([0, 0, 0])
        assert sample.nuclear_od == pytest.approx(np.log(5), abs=1e-6)
