import pytest
from databases import RED_CELL, only, picture, read
from pictures import write_image

from bloodseg_lib.classes import HEALTHY_RBC, INFECTED_RBC
from bloodseg_lib.samples.extraction.masks import CUT, NO_CELL, TOO_RAGGED
from bloodseg_lib.samples.sources import kaggle


@pytest.mark.parametrize("inside", ["", "cell_images"])
def test_root_may_be_the_folder_or_the_one_above(kaggle_root, inside):
    samples, skipped = read(kaggle, kaggle_root / inside)
    assert [s.class_id for s in samples] == [INFECTED_RBC, HEALTHY_RBC]
    assert skipped == []


def test_a_cell_of_the_usual_size_comes_near_37_pixels(kaggle_root):
    sample = read(kaggle, kaggle_root)[0][0]
    assert sample.rgba.shape[0] == pytest.approx(37, abs=3)


def test_nothing_black_comes_along(kaggle_root):
    assert all(s.rgba[:, :, :3].min() > 100 for s in read(kaggle, kaggle_root)[0])


def test_the_slide_at_the_rims_becomes_white(kaggle_root):
    for folder in ("Parasitized", "Uninfected"):
        image = picture(
            125,
            125,
            (62, 62, 60, (225, 200, 180)),
            (62, 62, 57, RED_CELL),
            background=(0, 0, 0),
        )
        write_image(kaggle_root / "cell_images" / folder / "C99P60ThinF_IMG_1_cell_1.png", image)
    middle = read(kaggle, kaggle_root)[0][0].rgba[15, 15, :3].tolist()
    assert middle == pytest.approx([190 * 255 / 225, 150 * 255 / 200, 255], abs=2)


def test_the_archives_second_copy_is_left_alone(kaggle_root):
    write_image(
        kaggle_root / "cell_images/cell_images/Parasitized/a.png",
        picture(125, 125, (62, 62, 60, RED_CELL), background=(0, 0, 0)),
    )
    assert len(read(kaggle, kaggle_root)[0]) == 2


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("C99P60ThinF_IMG_20150918_141314_cell_7.png", "P60"),
        ("C68P29N_ThinF_IMG_20150819_133236_cell_1.png", "P29"),
        ("C39P4thinF_original_IMG_20150622_110115_cell_11.png", "P4"),
        ("C51AP12thinF_IMG_20150724_154330_cell_9.png", "P12"),
        ("C37BP2_thinF_IMG_20150620_132238a_cell_11.png", "P2"),
        ("C47P8thin_Original_Motic_IMG_20150714_104217_cell_4.png", "P8"),
        ("C201ThinF_IMG_20150930_143208_cell_2.png", "C201"),
        ("C1_thinF_IMG_20150604_104722_cell_9.png", "C1"),
        ("my own cell.png", "my own cell"),
    ],
)
def test_the_patient_is_in_the_name(name, expected):
    assert kaggle.patient(name) == expected


def test_a_ragged_cell_is_reported(kaggle_root):
    image = picture(125, 125, (62, 62, 60, RED_CELL), background=(0, 0, 0))
    image[:40, :75] = 0
    write_image(kaggle_root / "cell_images/Uninfected/bad.png", image)
    only(read(kaggle, kaggle_root)[1], TOO_RAGGED, "bad.png", "solidity")


def test_two_cells_are_reported(kaggle_root):
    write_image(
        kaggle_root / "cell_images/Uninfected/two.png",
        picture(125, 225, (62, 62, 60, RED_CELL), (162, 62, 60, RED_CELL), background=(0, 0, 0)),
    )
    only(read(kaggle, kaggle_root)[1], kaggle.TWO_CELLS, "two.png")


def test_a_cut_cell_is_reported(kaggle_root):
    write_image(
        kaggle_root / "cell_images/Uninfected/cut.png",
        picture(125, 70, (62, 62, 60, RED_CELL), background=(0, 0, 0)),
    )
    only(read(kaggle, kaggle_root)[1], CUT, "cut.png")


def test_an_all_black_crop_is_reported(kaggle_root):
    image = picture(125, 125, background=(0, 0, 0))
    image[0, 0] = (0, 0, 9)
    write_image(kaggle_root / "cell_images/Uninfected/black.png", image)
    only(read(kaggle, kaggle_root)[1], NO_CELL, "black.png")


def test_a_folder_of_an_unknown_class_is_named(kaggle_root):
    (kaggle_root / "cell_images/Vivax").mkdir()
    with pytest.raises(ValueError, match=r"Vivax: no class has a folder of this name.*Parasitized"):
        read(kaggle, kaggle_root)
