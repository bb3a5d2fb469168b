import numpy as np
import pytest
from databases import PURPLE, marked, picture, write_csv
from pictures import write_image

from bloodseg_lib.classes import HEALTHY_RBC, NEUTROPHIL, THROMBOCYTE, Box
from bloodseg_lib.evaluation.annotated import read
from bloodseg_lib.samples.extraction.boxes import BOX_COLUMNS, CellBox
from bloodseg_lib.samples.sources import lisc, txl_pbc


def test_a_field_of_lisc_has_a_class_and_the_mask_of_an_expert_if_there_is_one(tmp_path):
    for name in lisc.CLASS_FOLDERS:
        (tmp_path / lisc.FIELDS / name).mkdir(parents=True)
    for number in (1, 2):
        write_image(
            tmp_path / lisc.FIELDS / f"Neut/{number}.png", picture(176, 200, (60, 70, 40, PURPLE))
        )
    write_image(
        tmp_path / lisc.MASKS / "Neut" / lisc.EXPERT / "1_expert.png",
        marked(168, 192, (56, 66, 40, 225)),
    )
    first, second = read("lisc", tmp_path)
    assert (first.source, first.class_id, first.boxes) == ("lisc", NEUTROPHIL, ())
    assert first.mask.sum() == pytest.approx(np.pi * 40**2, rel=0.02)
    assert (second.path.name, second.mask) == ("2.png", None)


@pytest.mark.parametrize(("source", "folder"), [("own", "."), ("mamic", "fields")])
def test_boxed_fields_come_by_name_with_their_boxes(tmp_path, source, folder):
    for name in ("a.png", "b.png"):
        write_image(tmp_path / folder / name, picture(50, 60))
    rows = [(name, 1, 2, 3, 4, "thrombocyte") for name in ("b.png", "a.png")]
    write_csv(tmp_path / "boxes.csv", BOX_COLUMNS, *rows)
    found = list(read(source, tmp_path))
    assert [field.path for field in found] == [
        tmp_path / folder / "a.png",
        tmp_path / folder / "b.png",
    ]
    assert found[0].boxes == (CellBox("a.png", Box(1, 2, 3, 4), THROMBOCYTE),)
    assert (found[0].class_id, found[0].mask) == (0, None)


def test_a_boxed_field_that_is_missing_is_named(tmp_path):
    write_csv(tmp_path / "boxes.csv", BOX_COLUMNS, ("a.png", 1, 2, 3, 4, "thrombocyte"))
    (skipped,) = read("own", tmp_path)
    assert skipped.path == tmp_path / "a.png" and "boxes.csv names this field" in skipped.detail


def test_a_field_whose_mask_is_of_another_size_is_skipped_and_the_next_is_read(tmp_path):
    for name in lisc.CLASS_FOLDERS:
        (tmp_path / lisc.FIELDS / name).mkdir(parents=True)
    for number in (1, 2):
        write_image(tmp_path / lisc.FIELDS / f"Neut/{number}.png", picture(176, 200))
    masks = tmp_path / lisc.MASKS / "Neut" / lisc.EXPERT
    write_image(masks / "1_expert.png", marked(50, 60, (30, 20, 9, 225)))
    first, second = read("lisc", tmp_path)
    assert "expected the size of its image" in first.detail
    assert second.path.name == "2.png"


def test_every_box_of_txl_pbc_is_a_cell_but_that_of_a_white_cell_of_no_known_class(tmp_path):
    write_image(tmp_path / "images/a.png", picture(100, 200))
    (tmp_path / "labels").mkdir()
    (tmp_path / "labels/a.txt").write_text(
        "0 0.5 0.5 0.3 0.6\n0 0.9 0.1 0.1 0.1\n1 0.1 0.2 0.1 0.2\n2 0.1 0.9 0.02 0.04\n"
    )
    row = ("a.png", "Raabin-WBC", "95-8-8-3_178_1.jpg", "neutrophil")
    write_csv(tmp_path / "images.csv", txl_pbc.COLUMNS, row)
    (field,) = read("txl_pbc", tmp_path)
    assert [(cell.class_id, cell.box) for cell in field.boxes] == [
        (NEUTROPHIL, Box(70, 20, 60, 60)),
        (THROMBOCYTE, Box(18, 88, 4, 4)),
        (HEALTHY_RBC, Box(10, 10, 20, 20)),
    ]


def test_every_point_of_chula_is_a_box_of_a_healthy_red_cell(tmp_path):
    for name in ("1", "2"):
        write_image(tmp_path / f"fields/{name}.png", picture(100, 200))
    (tmp_path / "points").mkdir()
    (tmp_path / "points/1.txt").write_text("50 60 4\n3 5 0\n")
    (field,) = read("chula", tmp_path)  # nobody marked a cell in the other
    assert [(cell.class_id, cell.box) for cell in field.boxes] == [
        (HEALTHY_RBC, Box(31, 41, 39, 39)),
        (HEALTHY_RBC, Box(0, 0, 39, 39)),
    ]


def test_an_unknown_source_is_answered_with_the_known_ones(tmp_path):
    with pytest.raises(
        ValueError, match=r"zheng, pbc, mamic, txl_pbc, chula, own. Received 'kaggle'"
    ):
        read("kaggle", tmp_path)
