import shutil

import numpy as np
import pytest
from databases import PURPLE, marked, only, picture, read
from pictures import write_image
from PIL import Image

from bloodseg_lib.classes import BASOPHIL, CLASSES, EOSINOPHIL, LYMPHOCYTE, MONOCYTE, NEUTROPHIL
from bloodseg_lib.samples.sources import iumc
from bloodseg_lib.samples.sources.folders import NO_MASK


def test_pairs_of_image_and_mask(iumc_root):
    samples, skipped = read(iumc, iumc_root)
    assert [s.class_id for s in samples] == [EOSINOPHIL, LYMPHOCYTE, MONOCYTE, NEUTROPHIL]
    assert skipped == []


def test_the_scale_may_be_given(iumc_root):
    samples, _ = read(iumc, iumc_root, rbc_diameter_px=74.0)
    assert samples[0].rgba.shape[0] == pytest.approx(101 / 2, abs=1)


def test_else_the_classes_mean_areas_come_to_those_at_40x(iumc_root):
    logs = [np.log(s.area_px / CLASSES[s.class_id].mean_area_px) for s in read(iumc, iumc_root)[0]]
    assert np.mean(logs) == pytest.approx(0, abs=0.03)


def test_basophils_are_read_if_there_are_any(iumc_root):
    write_image(iumc_root / "images/Baso/1.png", picture(200, 200, (100, 100, 50, PURPLE)))
    write_image(iumc_root / "masks/Baso/1.png", marked(200, 200, (100, 100, 50, 255)))
    assert BASOPHIL in {s.class_id for s in read(iumc, iumc_root)[0]}


def test_one_class_is_enough(iumc_root):
    for name in ("Eosi", "Lymp", "Mono"):
        shutil.rmtree(iumc_root / "images" / name)
    samples, skipped = read(iumc, iumc_root)
    assert [s.class_id for s in samples] == [NEUTROPHIL]
    assert skipped == []


def test_masks_in_colour_or_inverted_are_read(iumc_root):
    mask = marked(200, 200, (100, 100, 50, 255))
    red = np.where(mask[:, :, None] > 0, (255, 0, 0), (0, 0, 0)).astype(np.uint8)
    for written in (255 - mask, red):
        write_image(iumc_root / "masks/Neut/1.png", written)
        samples, _ = read(iumc, iumc_root, rbc_diameter_px=37.0)
        assert samples[-1].area_px == pytest.approx(np.pi * 50**2, rel=0.02)


def test_masks_saved_as_jpeg_are_read(iumc_root):
    (iumc_root / "masks/Neut/1.png").unlink()
    Image.fromarray(marked(200, 200, (100, 100, 50, 255))).save(
        iumc_root / "masks/Neut/1.jpg", quality=60
    )
    samples, _ = read(iumc, iumc_root, rbc_diameter_px=37.0)
    assert samples[-1].area_px == pytest.approx(np.pi * 50**2, rel=0.03)


def cut_out(around):
    """The cell in its own colours, paler outwards, on one colour."""
    rows, columns = np.mgrid[:200, :200]
    away = np.hypot(rows - 100, columns - 100)
    cell = np.dstack([away + 60, away + 20, away + 100]).astype(np.uint8)
    return np.where((away <= 50)[:, :, None], cell, np.uint8(around))


@pytest.mark.parametrize("suffix", [".png", ".jpg"])
@pytest.mark.parametrize(
    "mask",
    [
        marked(200, 200, (100, 100, 50, 90), (100, 100, 30, 255)),  # cytoplasm and nucleus
        marked(200, 200, (100, 100, 50, 100)),
        cut_out(255),
        cut_out(0),
    ],
    ids=["levels", "dim", "on white", "on black"],
)
def test_masks_of_levels_or_of_the_cell_s_own_colours_are_read_whole(iumc_root, mask, suffix):
    (iumc_root / "masks/Neut/1.png").unlink()
    Image.fromarray(mask).save((iumc_root / "masks/Neut/1").with_suffix(suffix), quality=60)
    samples, skipped = read(iumc, iumc_root, rbc_diameter_px=37.0)
    assert not skipped
    assert samples[-1].area_px == pytest.approx(np.pi * 50**2, rel=0.03)


def test_a_picture_in_the_place_of_a_mask_is_refused(iumc_root):
    image = picture(200, 200, (100, 100, 50, PURPLE), (20, 20, 18, PURPLE), (180, 30, 19, PURPLE))
    noise = np.random.default_rng(0).integers(0, 12, image.shape, np.uint8)
    write_image(iumc_root / "masks/Neut/1.png", image - noise)
    _, skipped = read(iumc, iumc_root, rbc_diameter_px=37.0)
    only(skipped, NO_MASK, "1.*: expected a mask, of one colour beside the cell.")


@pytest.mark.parametrize("diameter", [0, -1.0, float("nan")])
def test_a_scale_that_is_none_is_refused(iumc_root, diameter):
    with pytest.raises(ValueError, match="diameter of a red cell"):
        read(iumc, iumc_root, rbc_diameter_px=diameter)
