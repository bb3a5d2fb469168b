import numpy as np
import pytest
from disc_fields import PURPLE, RED_CELL, field, grid, of_image

from bloodseg_lib.classes import BACKGROUND_CROP_PX, HEALTHY_RBC, RBC_DIAMETER_PX
from bloodseg_lib.samples.extraction.background_crops import CROPS_PER_FIELD
from bloodseg_lib.samples.sample import BACKGROUND_CROP

BACKGROUND = (250, 240, 150)
CELLS = [(x, y, 20, RED_CELL) for x in range(40, 400, 60) for y in range(40, 400, 60)]


def crops_of(*discs, size=(400, 400)):
    return list(of_image(field(*CELLS, *discs, size=size), 41, measure=False).background_crops())


def test_a_crop_shows_the_background_and_labels_the_red_cells():
    (crop,) = crops_of()
    assert crop.rgba.shape == (BACKGROUND_CROP_PX, BACKGROUND_CROP_PX, 4)
    assert (crop.class_id, crop.source, crop.group) == (HEALTHY_RBC, "s", "f")
    assert crop.name.startswith("f_") and crop.name.endswith(BACKGROUND_CROP)
    cells = crop.rgba[:, :, 3] > 0
    assert cells.mean() == pytest.approx(np.pi * 20**2 / 60**2, rel=0.1)
    # the yellow background is white, but for the soft edges of the cells
    assert np.abs(crop.rgba[~cells][:, :3].mean(axis=0) - 255).max() < 6
    assert crop.rgba[cells][:, 1].mean() < 200


def test_scale_is_40x():
    cells = crops_of()[0].rgba[:, :, 3] > 0
    columns = np.flatnonzero(np.diff(cells.mean(axis=0) > 0) & ~(cells.mean(axis=0) > 0)[:-1])
    assert np.diff(columns) == pytest.approx(60 * RBC_DIAMETER_PX / 41, abs=1.5)


def test_small_unknown_things_are_painted_out():
    (clean,), (crop,) = crops_of(), crops_of((190, 190, 5, PURPLE))
    np.testing.assert_array_equal(crop.rgba[:, :, 3], clean.rgba[:, :, 3])
    assert np.abs(crop.rgba[:, :, :3].astype(int) - clean.rgba[:, :, :3]).max() < 40


def test_no_crop_is_taken_where_a_white_cell_is():
    assert crops_of((190, 190, 30, (90, 40, 130))) == []


def test_rings_and_torn_rings_are_whole_cells():
    (clean,) = crops_of()
    (crop,) = crops_of(
        (220, 220, 8, BACKGROUND),
        (160, 160, 6, BACKGROUND),
        (160, 150, 6, BACKGROUND),
        (160, 140, 6, BACKGROUND),
    )
    assert np.mean(crop.rgba[:, :, 3] != clean.rgba[:, :, 3]) < 0.004


def test_crops_of_a_field_do_not_overlap_and_are_few():
    cells = [(x, y, 20, RED_CELL) for x in range(40, 1700, 60) for y in range(40, 800, 60)]
    image = field(*cells, size=(800, 1700))
    crops = list(of_image(image, 41, measure=False).background_crops())
    assert len(crops) == CROPS_PER_FIELD
    corners = [
        tuple(map(int, crop.name.removesuffix(BACKGROUND_CROP).split("_")[1:])) for crop in crops
    ]
    side = BACKGROUND_CROP_PX * 41 / RBC_DIAMETER_PX - 1
    assert all(
        max(abs(x - u), abs(y - v)) >= side
        for i, (x, y) in enumerate(corners)
        for u, v in corners[:i]
    )


def test_a_field_that_is_too_small_or_without_isolated_cells_gives_none():
    small = field(*grid()[:8], size=(200, 300))
    assert list(of_image(small, 41, measure=False).background_crops()) == []
    assert list(of_image(field(size=(400, 400)), 41, measure=False).background_crops()) == []
