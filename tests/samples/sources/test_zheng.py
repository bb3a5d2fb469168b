import numpy as np
import pytest
from databases import only, read, write_csv

from bloodseg_lib.classes import NEUTROPHIL
from bloodseg_lib.samples.extraction.boxes import NO_IMAGE
from bloodseg_lib.samples.sources import zheng
from bloodseg_lib.samples.sources.folders import NO_MASK


def test_nucleus_and_cytoplasm_are_the_cell(zheng_root):
    samples, skipped = read(zheng, zheng_root)
    assert skipped == []
    assert [s.class_id for s in samples] == [NEUTROPHIL] * 2
    assert samples[1].area_px == pytest.approx(np.pi * 75**2 * (37 / 68) ** 2, rel=0.03)


def test_each_image_is_its_own_group(zheng_root):
    assert [s.group for s in read(zheng, zheng_root)[0]] == ["1_001", "2_001"]


def test_one_dataset_can_be_chosen(zheng_root):
    assert len(read(zheng, zheng_root, datasets=(2,))[0]) == 1


def test_an_image_without_mask_is_reported(zheng_root):
    (zheng_root / "Dataset 1/001.png").unlink()
    only(read(zheng, zheng_root)[1], NO_MASK, "001.bmp")


def test_a_mask_without_image_is_reported(zheng_root):
    (zheng_root / "Dataset 1/001.bmp").unlink()
    only(read(zheng, zheng_root)[1], NO_IMAGE, "001.png")


def test_an_image_without_label_is_reported(zheng_root):
    write_csv(zheng_root / "Class Labels of Dataset 1.csv", ("image ID", "class label"))
    only(read(zheng, zheng_root)[1], zheng.NO_LABEL, "001.bmp", "Class Labels of Dataset 1.csv")


def test_a_label_without_image_is_reported(zheng_root):
    write_csv(
        zheng_root / "Class Labels of Dataset 1.csv",
        ("image ID", "class label"),
        ("001", "1"),
        ("002", "2"),
    )
    only(read(zheng, zheng_root)[1], NO_IMAGE, "002.bmp")


def test_a_wrong_label_is_named(zheng_root):
    write_csv(
        zheng_root / "Class Labels of Dataset 2.csv", ("image ID", "class label"), ("001", "6")
    )
    with pytest.raises(ValueError, match=r"Class Labels of Dataset 2.csv, line 2: .*001,6"):
        read(zheng, zheng_root)


def test_a_missing_table_is_named(zheng_root):
    (zheng_root / "Class Labels of Dataset 2.csv").unlink()
    with pytest.raises(FileNotFoundError, match=r"Class Labels of Dataset 2.csv: no such file"):
        read(zheng, zheng_root)
