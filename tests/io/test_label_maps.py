import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image

from bloodseg_lib.classes import PALETTE
from bloodseg_lib.io import label_map_bytes, read_label_map

MAP = np.arange(10, dtype=np.uint8).repeat(3).reshape(5, 6)


@given(
    labels=arrays(
        np.uint8, st.tuples(st.integers(1, 9), st.integers(1, 9)), elements=st.integers(0, 9)
    )
)
def test_what_is_written_is_read(labels, tmp_path_factory):
    path = tmp_path_factory.mktemp("maps") / "map.png"
    path.write_bytes(label_map_bytes(labels))
    np.testing.assert_array_equal(read_label_map(path), labels)


def test_people_see_colours_and_programs_read_ids(tmp_path):
    (tmp_path / "map.png").write_bytes(label_map_bytes(MAP))
    np.testing.assert_array_equal(cv2.imread(str(tmp_path / "map.png"))[:, :, ::-1], PALETTE[MAP])
    with Image.open(tmp_path / "map.png") as picture:
        assert picture.mode == "P"
        np.testing.assert_array_equal(np.array(picture), MAP)


def test_the_same_map_gives_the_same_bytes():
    assert label_map_bytes(MAP) == label_map_bytes(np.asfortranarray(MAP))


def test_maps_from_elsewhere_are_read(tmp_path):
    shuffled = Image.fromarray((9 - MAP).astype(np.uint8))
    shuffled.putpalette(PALETTE[::-1].tobytes())
    pictures = {
        "grey": Image.fromarray(MAP),
        "grey_rgb": Image.fromarray(np.repeat(MAP[:, :, None], 3, axis=2)),
        "colours": Image.fromarray(PALETTE[MAP]),
        "near": Image.fromarray(
            np.where(PALETTE[MAP] == (255, 255, 0), (255, 0xE1, 0), PALETTE[MAP]).astype(np.uint8)
        ),
        "other_palette": shuffled,
    }
    for name, picture in pictures.items():
        picture.save(tmp_path / f"{name}.png")
        np.testing.assert_array_equal(read_label_map(tmp_path / f"{name}.png"), MAP, err_msg=name)


def test_a_colour_that_is_no_class_is_refused_with_the_file_and_the_mend(tmp_path):
    Image.new("RGB", (4, 4), (255, 128, 0)).save(tmp_path / "orange.png")
    with pytest.raises(ValueError, match=r"orange\.png: colour #ff8000 .* redraw"):
        read_label_map(tmp_path / "orange.png")


def test_an_id_above_nine_is_refused(tmp_path):
    Image.new("L", (4, 4), 12).save(tmp_path / "twelve.png")
    with pytest.raises(ValueError, match=r"twelve\.png.*Received 12"):
        read_label_map(tmp_path / "twelve.png")


@pytest.mark.parametrize("share", [0, 0.3, 0.7])
def test_a_damaged_map_is_refused_with_its_name(tmp_path, share):
    data = label_map_bytes(np.tile(MAP, (20, 20)))
    (tmp_path / "cut.png").write_bytes(data[: int(len(data) * share)])
    with pytest.raises(ValueError, match=r"cut\.png: expected a label map"):
        read_label_map(tmp_path / "cut.png")


def test_a_missing_map_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"none\.png"):
        read_label_map(tmp_path / "none.png")


def test_only_label_maps_are_written():
    for wrong in (np.full((2, 2), 10, np.uint8), np.zeros((2, 2), int), np.zeros((0, 2), np.uint8)):
        with pytest.raises(ValueError, match="label map"):
            label_map_bytes(wrong)
