from collections import Counter

import numpy as np
import pytest
from databases import RED_CELL, only, picture, read, write_csv
from pictures import write_image

from bloodseg_lib.classes import HEALTHY_RBC, INFECTED_RBC
from bloodseg_lib.samples.extraction.boxes import BOX_COLUMNS
from bloodseg_lib.samples.extraction.masks import CUT, DEBRIS
from bloodseg_lib.samples.sources import mamic


def test_the_middle_cell_is_taken_without_its_neighbour(mamic_root):
    samples, skipped = read(mamic, mamic_root)
    assert [s.class_id for s in samples] == [INFECTED_RBC, HEALTHY_RBC]
    assert skipped == []
    assert samples[0].area_px == pytest.approx(np.pi * 32.5**2 * (37 / 68) ** 2, rel=0.06)


def test_the_group_is_slide_and_field(mamic_root):
    assert {s.group for s in read(mamic, mamic_root)[0]} == {"57546_24"}


def test_a_cut_cell_is_reported(mamic_root):
    write_image(
        mamic_root / "crops/healthy/57546_24_1.png", picture(80, 80, (38, 60, 33, RED_CELL))
    )
    only(read(mamic, mamic_root)[1], CUT, "57546_24_1.png")


def test_dirt_is_reported(mamic_root):
    write_image(
        mamic_root / "crops/healthy/57546_24_1.png",
        picture(80, 80, (38, 40, 33, RED_CELL), (30, 30, 8, (20, 20, 20))),
    )
    only(read(mamic, mamic_root)[1], DEBRIS, "57546_24_1.png")


def test_fields_and_crops_are_read_together(mamic_root):
    write_image(mamic_root / "fields/f.png", picture(200, 200, (100, 100, 33, RED_CELL)))
    write_csv(mamic_root / "boxes.csv", BOX_COLUMNS, ("f.png", 65, 65, 70, 70, "infected"))
    samples, _ = read(mamic, mamic_root)
    assert Counter(s.group for s in samples) == {"57546_24": 2, "f": 1}


def test_fields_without_boxes_are_refused(mamic_root):
    (mamic_root / "fields").mkdir()
    with pytest.raises(
        FileNotFoundError, match=r"boxes.csv: no such file.*field, x, y, width, height, class"
    ):
        read(mamic, mamic_root)


def test_neither_crops_nor_fields(tmp_path):
    with pytest.raises(FileNotFoundError, match="neither 'crops' nor 'fields' is there"):
        read(mamic, tmp_path)
