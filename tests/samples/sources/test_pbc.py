import numpy as np
import pytest
from databases import PURPLE, RED_CELL, only, picture, read, write_csv
from pictures import write_image

from bloodseg_lib.classes import HEALTHY_RBC, NEUTROPHIL, PLATELET_CLUMP, THROMBOCYTE
from bloodseg_lib.samples.extraction.masks import NO_CELL
from bloodseg_lib.samples.sample import AUTOMATIC
from bloodseg_lib.samples.sources import pbc
from bloodseg_lib.samples.sources.folders import NO_MASK, NOT_AN_IMAGE, SAME_NAME


def test_the_cell_in_the_middle_is_segmented_and_the_red_ones_around_it_are_healthy(pbc_root):
    samples, _ = read(pbc, pbc_root, automatic_masks=True)
    of = {s.class_id: s for s in samples if s.group == "SNE_1"}
    assert set(of) == {NEUTROPHIL, HEALTHY_RBC}
    assert of[NEUTROPHIL].name == f"SNE_1{AUTOMATIC}"
    # 37 of 73 pixels: 40x
    assert of[NEUTROPHIL].area_px == pytest.approx(np.pi * (60 * 37 / 73) ** 2, rel=0.1)
    assert of[HEALTHY_RBC].area_px == pytest.approx(np.pi * (36 * 37 / 73) ** 2, rel=0.15)


def test_without_automatic_masks_white_cells_are_left_out_and_platelets_are_not(pbc_root):
    samples, skipped = read(pbc, pbc_root, healthy=False)
    assert [(s.class_id, s.group) for s in samples] == [(THROMBOCYTE, "PLATELET_2")]
    assert [(r.reason, r.path.name) for r in skipped] == [
        (pbc.NOT_OUR_CLASS, "MY_3.jpg"),
        (NO_MASK, "SNE_1.jpg"),
    ]


def test_the_class_may_stand_in_the_name(pbc_root):
    for path in list(pbc_root.glob("*/*.jpg")):
        path.rename(pbc_root / f"{path.parent.name}___{path.name}")
    assert [(path.name, class_id, mask) for path, class_id, mask in pbc.labelled(pbc_root)] == [
        ("neutrophil___SNE_1.jpg", NEUTROPHIL, None),
        ("platelet___PLATELET_2.jpg", THROMBOCYTE, None),
    ]


def test_a_cell_beside_the_middle_is_not_the_labelled_one(pbc_root):
    write_image(
        pbc_root / "neutrophil/SNE_1.jpg",
        picture(363, 360, (80, 270, 60, PURPLE), (60, 60, 36, RED_CELL), (300, 60, 36, RED_CELL)),
    )
    only(
        [r for r in read(pbc, pbc_root, automatic_masks=True)[1] if "SNE_1" in r.path.name],
        NO_CELL,
        "in its middle",
    )


def test_a_second_image_of_the_same_name_and_an_unknown_folder_are_reported(pbc_root):
    write_image(pbc_root / "monocyte/SNE_1.jpg", picture(363, 360, (180, 181, 60, PURPLE)))
    (pbc_root / "blasts").mkdir()
    reasons = {
        r.path.relative_to(pbc_root).as_posix(): r.reason
        for r in read(pbc, pbc_root, automatic_masks=True)[1]
    }
    # folders are read by name, so this one comes second
    assert reasons["neutrophil/SNE_1.jpg"] == SAME_NAME
    assert reasons["blasts"] == NOT_AN_IMAGE


def test_the_database_is_read_from_the_folder_that_it_is_published_in(pbc_root, tmp_path):
    published = tmp_path / "download"
    published.mkdir()
    for path in list(pbc_root.iterdir()):
        if path.is_dir() and path != published:
            (published / pbc.FOLDER).mkdir(exist_ok=True)
            path.rename(published / pbc.FOLDER / path.name)
    assert [path.name for path, *_ in pbc.labelled(published)] == ["SNE_1.jpg", "PLATELET_2.jpg"]


def test_touching_platelets_in_a_box_of_grade_a_are_a_clump_and_no_thrombocyte(pbc_root):
    discs = [(x, y, 17, PURPLE) for x in (150, 181, 212) for y in (165, 196)]
    red = [(x, y, 36, RED_CELL) for x in (60, 300) for y in (60, 300)]
    write_image(pbc_root / "platelet/PLATELET_2.jpg", picture(363, 360, *discs, *red))
    rows = ("file", "x", "y", "width", "height", "grade")
    write_csv(pbc_root / pbc.GROUPS, rows, ("platelet/PLATELET_2.jpg", 120, 135, 120, 95, "A"))
    samples, skipped = read(pbc, pbc_root, healthy=False)
    assert [(s.class_id, s.group) for s in samples] == [(PLATELET_CLUMP, "PLATELET_2")]
    assert pbc.IN_A_CLUMP in [r.reason for r in skipped]


def test_a_wrong_line_of_the_table_of_clumps_is_named(pbc_root):
    rows = ("file", "x", "y", "width", "height", "grade")
    write_csv(pbc_root / pbc.GROUPS, rows, ("platelet/PLATELET_2.jpg", "a", 1, 2, 3, "A"))
    with pytest.raises(ValueError, match=r"platelet_groups.csv, line 2: expected file,x,y"):
        read(pbc, pbc_root)
