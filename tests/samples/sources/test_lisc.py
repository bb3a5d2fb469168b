import numpy as np
import pytest
from databases import (
    LISC_CLASSES,
    PURPLE,
    PURPLE_ON_WHITE,
    RED_CELL,
    marked,
    only,
    picture,
    read,
    write_csv,
)
from pictures import write_image

from bloodseg_lib.classes import (
    BASOPHIL,
    EOSINOPHIL,
    HEALTHY_RBC,
    LYMPHOCYTE,
    MONOCYTE,
    NEUTROPHIL,
    THROMBOCYTE,
)
from bloodseg_lib.samples.extraction.boxes import NO_IMAGE
from bloodseg_lib.samples.extraction.masks import NO_CELL, TOO_PALE
from bloodseg_lib.samples.sources import lisc
from bloodseg_lib.samples.sources.folders import EMPTY_MASK, NO_MASK, WRONG_MASK_SIZE


def test_one_sample_a_field(lisc_root):
    samples, skipped = read(lisc, lisc_root)
    assert [s.class_id for s in samples] == [
        BASOPHIL,
        EOSINOPHIL,
        LYMPHOCYTE,
        MONOCYTE,
        NEUTROPHIL,
    ]
    assert skipped == []


def test_the_scale_makes_red_cells_37_pixels_wide(lisc_root):
    sample = read(lisc, lisc_root)[0][0]
    assert sample.rgba.shape[0] == pytest.approx(81 * 37 / 40, abs=1.5)


def test_the_group_is_the_field(lisc_root):
    assert [s.group for s in read(lisc, lisc_root)[0]] == [f"{name}_1" for name in LISC_CLASSES]


def test_coded_masks_lack_four_pixels_on_each_side(lisc_root):
    path = lisc_root / "Ground Truth Segmentation/Neut/areaforexpert1/1_expert.png"
    write_image(path, marked(168, 192, (56, 66, 40, 225), (56, 66, 15, 255)))
    sample = read(lisc, lisc_root)[0][-1]
    assert (sample.rgba[sample.rgba[:, :, 3] > 0][:, :3] == PURPLE_ON_WHITE).all()
    assert sample.area_px == pytest.approx(np.pi * 40**2 * (37 / 40) ** 2, rel=0.03)


def test_a_mask_without_that_border_is_moved_to_its_cell(lisc_root):
    path = lisc_root / "Ground Truth Segmentation/Neut/areaforexpert1/1_expert.png"
    write_image(path, marked(176, 200, (56, 67, 40, 255)))
    sample = read(lisc, lisc_root)[0][-1]
    assert (sample.rgba[sample.rgba[:, :, 3] > 0][:, :3] == PURPLE_ON_WHITE).mean() > 0.999
    assert sample.area_px == pytest.approx(np.pi * 40**2 * (37 / 40) ** 2, rel=0.03)


def test_several_cells_of_one_mask_are_several_samples_of_one_group(lisc_root):
    write_image(
        lisc_root / "Main Dataset/Neut/1.png",
        picture(176, 200, (50, 70, 40, PURPLE), (150, 120, 40, PURPLE)),
    )
    write_image(
        lisc_root / "Ground Truth Segmentation/Neut/areaforexpert1/1_expert.png",
        marked(176, 200, (50, 70, 40, 255), (150, 120, 40, 255)),
    )
    samples = [s for s in read(lisc, lisc_root)[0] if s.class_id == NEUTROPHIL]
    assert [(s.group, s.name) for s in samples] == [
        ("Neut_1", "Neut_1_1"),
        ("Neut_1", "Neut_1_2"),
    ]


def test_free_red_cells_are_healthy_samples_of_the_fields_group(lisc_root):
    discs = [(x, y, 20, RED_CELL) for x in (130, 180, 230, 280) for y in (30, 80, 130)]
    write_image(
        lisc_root / "Main Dataset/Neut/1.png", picture(176, 310, (60, 70, 40, PURPLE), *discs)
    )
    write_image(
        lisc_root / "Ground Truth Segmentation/Neut/areaforexpert1/1_expert.png",
        marked(176, 310, (60, 70, 40, 255)),
    )
    red = [s for s in read(lisc, lisc_root)[0] if s.class_id == HEALTHY_RBC]
    assert len(red) == 12
    assert {s.group for s in red} == {"Neut_1"}


def test_a_field_with_enough_red_cells_has_its_own_scale(lisc_root):
    discs = [(x, y, 23, RED_CELL) for x in (130, 190, 250, 310) for y in (30, 88, 146)]
    write_image(
        lisc_root / "Main Dataset/Neut/1.png", picture(176, 350, (60, 70, 40, PURPLE), *discs)
    )
    write_image(
        lisc_root / "Ground Truth Segmentation/Neut/areaforexpert1/1_expert.png",
        marked(176, 350, (60, 70, 40, 255)),
    )
    cell = next(s for s in read(lisc, lisc_root)[0] if s.class_id == NEUTROPHIL)
    assert cell.rgba.shape[0] == pytest.approx(81 * 37 / 46, abs=2.5)


def test_a_field_without_mask_can_be_segmented(lisc_root):
    (lisc_root / "Ground Truth Segmentation/Neut/areaforexpert1/1_expert.png").unlink()
    cell = read(lisc, lisc_root, automatic_masks=True, healthy=False)[0][-1]
    assert (cell.class_id, cell.name) == (NEUTROPHIL, "Neut_1_auto")
    assert cell.area_px == pytest.approx(np.pi * 40**2 * (37 / 40) ** 2, rel=0.1)


def test_a_field_without_anything_like_a_nucleus_is_reported(lisc_root):
    write_image(lisc_root / "Main Dataset/Mono/2.png", picture(176, 200))
    only(read(lisc, lisc_root, automatic_masks=True)[1], NO_CELL, "nucleus")


def test_a_field_without_mask_is_reported(lisc_root):
    write_image(lisc_root / "Main Dataset/Mono/2.png", picture(176, 200))
    samples, skipped = read(lisc, lisc_root)
    assert len(samples) == 5
    only(skipped, NO_MASK, "2.png", "2_expert", "Add the mask")


def test_a_mask_without_field_is_reported(lisc_root):
    write_image(
        lisc_root / "Ground Truth Segmentation/Mono/areaforexpert1/7_expert.png",
        marked(176, 200, (60, 70, 40, 255)),
    )
    only(read(lisc, lisc_root)[1], NO_IMAGE, "7_expert.png")


def test_a_mask_of_another_size_is_reported(lisc_root):
    write_image(
        lisc_root / "Ground Truth Segmentation/Mono/areaforexpert1/1_expert.png",
        marked(100, 90, (50, 50, 30, 255)),
    )
    only(read(lisc, lisc_root)[1], WRONG_MASK_SIZE, "1_expert.png", "200 x 176", "90 x 100")


def test_an_empty_mask_is_reported(lisc_root):
    write_image(
        lisc_root / "Ground Truth Segmentation/Mono/areaforexpert1/1_expert.png",
        marked(176, 200),
    )
    only(read(lisc, lisc_root)[1], EMPTY_MASK, "1_expert.png")


def test_a_mask_with_the_codes_of_another_class_is_reported(lisc_root):
    write_image(
        lisc_root / "Ground Truth Segmentation/Mono/areaforexpert1/1_expert.png",
        marked(168, 192, (56, 66, 40, 75)),
    )
    only(read(lisc, lisc_root)[1], lisc.OTHER_CLASS, "1_expert.png", "75")


def test_mixed_fields_are_reported(lisc_root):
    write_image(lisc_root / "Main Dataset/mixt/1.png", picture(176, 200))
    only(read(lisc, lisc_root)[1], lisc.MIXED_FIELD, "1.png")


def test_a_renamed_class_folder_is_named(lisc_root):
    (lisc_root / "Main Dataset/Neut").rename(lisc_root / "Main Dataset/Neutrophils")
    with pytest.raises(
        ValueError,
        match=r"Neutrophils: no class has a folder of this name.*Rename it to one of Baso",
    ):
        read(lisc, lisc_root)


def test_a_missing_class_folder_is_named(lisc_root):
    (lisc_root / "Ground Truth Segmentation/Neut").rename(lisc_root / "gone")
    with pytest.raises(FileNotFoundError, match=r"Neut: no such folder.*Unpack the database again"):
        read(lisc, lisc_root)


def test_class_folders_may_be_in_lower_case(lisc_root):
    (lisc_root / "Main Dataset/Neut").rename(lisc_root / "Main Dataset/neut")
    assert len(read(lisc, lisc_root)[0]) == 5


def test_boxes_give_thrombocytes_of_the_fields_group(lisc_root):
    image = picture(176, 200, (60, 70, 40, PURPLE), (150, 100, 7, PURPLE), (174, 100, 16, RED_CELL))
    write_image(lisc_root / "Main Dataset/Neut/1.png", image)
    write_csv(
        lisc_root / "platelet_boxes.csv",
        ("field", "x", "y", "width", "height"),
        ("Neut/1", 138, 88, 25, 25),
    )
    sample = read(lisc, lisc_root)[0][-1]
    assert (sample.class_id, sample.group) == (THROMBOCYTE, "Neut_1")
    assert sample.area_px == pytest.approx(np.pi * 7**2 * (37 / 40) ** 2, rel=0.25)


def test_a_box_with_nothing_in_it_is_reported(lisc_root):
    write_csv(
        lisc_root / "platelet_boxes.csv",
        ("field", "x", "y", "width", "height"),
        ("Neut/1", 150, 10, 25, 25),
    )
    only(read(lisc, lisc_root)[1], TOO_PALE, "box 150,10,25,25")


def test_boxes_of_a_field_that_is_not_there_are_reported(lisc_root):
    write_csv(
        lisc_root / "platelet_boxes.csv",
        ("field", "x", "y", "width", "height"),
        ("Neut/99", 10, 10, 25, 25),
    )
    only(read(lisc, lisc_root)[1], NO_IMAGE, "99", "platelet_boxes.csv")
