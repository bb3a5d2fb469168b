import numpy as np
import pytest
from databases import PURPLE, marked, picture, write_csv
from pictures import write_image

from bloodseg_lib.classes import NEUTROPHIL, THROMBOCYTE, Box
from bloodseg_lib.evaluation.annotated import read
from bloodseg_lib.samples.extraction.boxes import BOX_COLUMNS, CellBox
from bloodseg_lib.samples.sources import lisc


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


def test_an_unknown_source_is_answered_with_the_known_ones(tmp_path):
    with pytest.raises(ValueError, match=r"zheng, pbc, mamic, own. Received 'kaggle'"):
        read("kaggle", tmp_path)
