"""Small databases, as they are published."""

import pytest
from databases import IUMC_CLASSES, LISC_CLASSES, PURPLE, RED_CELL, marked, picture, write_csv
from pictures import write_image


@pytest.fixture
def lisc_root(tmp_path):
    """One field of each class with a mask in 0 and 255; radius 40."""
    for name in LISC_CLASSES:
        write_image(
            tmp_path / "Main Dataset" / name / "1.png",
            picture(176, 200, (60, 70, 40, PURPLE), (150, 120, 20, RED_CELL)),
        )
        write_image(
            tmp_path / "Ground Truth Segmentation" / name / "areaforexpert1" / "1_expert.png",
            marked(176, 200, (60, 70, 40, 255)),
        )
    return tmp_path


@pytest.fixture
def kaggle_root(tmp_path):
    """One cell of each class, radius 60 on black."""
    for folder in ("Parasitized", "Uninfected"):
        write_image(
            tmp_path / "cell_images" / folder / "C99P60ThinF_IMG_1_cell_1.png",
            picture(125, 125, (62, 62, 60, RED_CELL), background=(0, 0, 0)),
        )
    return tmp_path


@pytest.fixture
def mamic_root(tmp_path):
    """One crop of each class, radius 33, with a neighbour in the corner."""
    for folder in ("infected", "healthy"):
        write_image(
            tmp_path / "crops" / folder / "57546_24_974.png",
            picture(80, 80, (38, 40, 33, RED_CELL), (79, 0, 10, RED_CELL)),
        )
    return tmp_path


@pytest.fixture
def zheng_root(tmp_path):
    """Image 001 of each dataset, a neutrophil."""
    for number, size in ((1, 120), (2, 300)):
        folder = tmp_path / f"Dataset {number}"
        write_image(
            folder / "001.png",
            marked(
                size,
                size,
                (size // 2, size // 2, size // 4, 128),
                (size // 2, size // 2, size // 8, 255),
            ),
        )
        write_image(
            folder / "image.png", picture(size, size, (size // 2, size // 2, size // 4, PURPLE))
        )
        (folder / "image.png").rename(folder / "001.bmp")  # what a file is, its content tells
        write_csv(
            tmp_path / f"Class Labels of Dataset {number}.csv",
            ("image ID", "class label"),
            ("001", "1"),
        )
    return tmp_path


@pytest.fixture
def pbc_root(tmp_path):
    """A neutrophil, a platelet and an immature granulocyte, each among four red cells."""
    red = [(x, y, 36, RED_CELL) for x in (60, 300) for y in (60, 300)]
    for name, radius in (
        ("neutrophil/SNE_1.jpg", 60),
        ("platelet/PLATELET_2.jpg", 20),
        ("ig/MY_3.jpg", 60),
    ):
        write_image(tmp_path / name, picture(363, 360, (180, 181, radius, PURPLE), *red))
    return tmp_path


@pytest.fixture
def iumc_root(tmp_path):
    for name in IUMC_CLASSES:
        write_image(tmp_path / "images" / name / "1.png", picture(200, 200, (100, 100, 50, PURPLE)))
        write_image(tmp_path / "masks" / name / "1.png", marked(200, 200, (100, 100, 50, 255)))
    return tmp_path
