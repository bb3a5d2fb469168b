import numpy as np
import pytest
from disc_fields import PURPLE, RED_CELL, field, grid

from bloodseg_lib.classes import BACKGROUND_CROP_PX, HEALTHY_RBC, RBC_DIAMETER_PX
from bloodseg_lib.samples.extraction.background_crops import PATCHES_PER_FIELD, patch_samples
from bloodseg_lib.samples.extraction.red_cells import red_cells
from bloodseg_lib.samples.sample import BACKGROUND_CROP

SLIDE = (250, 240, 150)
CELLS = [(x, y, 20, RED_CELL) for x in range(40, 400, 60) for y in range(40, 400, 60)]


def patches_of(*discs, size=(400, 400)):
    image = field(*CELLS, *discs, size=size)
    return list(patch_samples(image, red_cells(image, 40), "s", "f", 41.0))


def test_a_patch_shows_the_slide_and_labels_the_red_cells():
    (patch,) = patches_of()
    assert patch.rgba.shape == (BACKGROUND_CROP_PX, BACKGROUND_CROP_PX, 4)
    assert (patch.class_id, patch.source, patch.group) == (HEALTHY_RBC, "s", "f")
    assert patch.name.startswith("f_") and patch.name.endswith(BACKGROUND_CROP)
    cells = patch.rgba[:, :, 3] > 0
    assert cells.mean() == pytest.approx(np.pi * 20**2 / 60**2, rel=0.1)
    # the yellow slide is white, but for the soft edges of the cells
    assert np.abs(patch.rgba[~cells][:, :3].mean(axis=0) - 255).max() < 6
    assert patch.rgba[cells][:, 1].mean() < 200


def test_scale_is_40x():
    cells = patches_of()[0].rgba[:, :, 3] > 0
    columns = np.flatnonzero(np.diff(cells.mean(axis=0) > 0) & ~(cells.mean(axis=0) > 0)[:-1])
    assert np.diff(columns) == pytest.approx(60 * RBC_DIAMETER_PX / 41, abs=1.5)


def test_small_unknown_things_are_painted_out():
    (clean,), (patch,) = patches_of(), patches_of((190, 190, 5, PURPLE))
    np.testing.assert_array_equal(patch.rgba[:, :, 3], clean.rgba[:, :, 3])
    assert np.abs(patch.rgba[:, :, :3].astype(int) - clean.rgba[:, :, :3]).max() < 40


def test_no_patch_is_taken_where_a_white_cell_lies():
    assert patches_of((190, 190, 30, (90, 40, 130))) == []


def test_rings_and_torn_rings_are_whole_cells():
    (clean,) = patches_of()
    (patch,) = patches_of(
        (220, 220, 8, SLIDE), (160, 160, 6, SLIDE), (160, 150, 6, SLIDE), (160, 140, 6, SLIDE)
    )
    assert np.mean(patch.rgba[:, :, 3] != clean.rgba[:, :, 3]) < 0.004


def test_patches_of_a_field_do_not_overlap_and_are_few():
    cells = [(x, y, 20, RED_CELL) for x in range(40, 1700, 60) for y in range(40, 800, 60)]
    image = field(*cells, size=(800, 1700))
    patches = list(patch_samples(image, red_cells(image, 40), "s", "f", 41.0))
    assert len(patches) == PATCHES_PER_FIELD
    corners = [tuple(map(int, patch.name.removesuffix(BACKGROUND_CROP).split("_")[1:])) for patch in patches]
    side = BACKGROUND_CROP_PX * 41 / RBC_DIAMETER_PX - 1
    assert all(
        max(abs(x - u), abs(y - v)) >= side
        for i, (x, y) in enumerate(corners)
        for u, v in corners[:i]
    )


def test_a_field_that_is_too_small_or_without_free_lying_cells_gives_none():
    small = field(*grid()[:8], size=(200, 300))
    assert list(patch_samples(small, red_cells(small, 40), "s", "f", 41.0)) == []
    assert list(patch_samples(field(size=(400, 400)), [], "s", "f", 41.0)) == []
