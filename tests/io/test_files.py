import errno
import io
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from pictures import write_image
from PIL import Image

from bloodseg_lib.io import (
    WriteError,
    csv_text,
    png_bytes,
    read_image,
    read_json,
    read_mask,
    read_rgba,
    replacing,
    resized,
    spelled,
    write_bytes,
    write_json,
)

RGB = np.arange(4 * 5 * 3, dtype=np.uint8).reshape(4, 5, 3)


def test_an_exception_leaves_the_old_file_and_nothing_else(tmp_path):
    write_bytes(tmp_path / "a.txt", b"old")
    with pytest.raises(RuntimeError), replacing(tmp_path / "a.txt") as temporary:
        temporary.write_bytes(b"half of the ne")
        raise RuntimeError
    assert [(p.name, p.read_bytes()) for p in tmp_path.iterdir()] == [("a.txt", b"old")]


def test_the_old_file_stands_until_the_new_one_is_whole(tmp_path):
    write_bytes(tmp_path / "a.txt", b"old")
    with replacing(tmp_path / "a.txt") as temporary:
        temporary.write_bytes(b"new")
        assert (tmp_path / "a.txt").read_bytes() == b"old"
    assert (tmp_path / "a.txt").read_bytes() == b"new"


def test_folders_are_made_and_the_file_is_for_all_to_read(tmp_path):
    write_bytes(tmp_path / "deep/er/a.txt", b"x")
    assert (tmp_path / "deep/er/a.txt").stat().st_mode & 0o777 == 0o644


def test_json_goes_there_and_back(tmp_path):
    value = {"a": [1, 2.5, None], "b": "ß"}
    write_json(tmp_path / "a.json", value)
    assert read_json(tmp_path / "a.json") == value


@pytest.mark.parametrize("data", [b"", b'{"epoch": 3, "hist', b"\xff\xfe\x00"])
def test_truncated_json_is_refused_with_file_and_mend(tmp_path, data):
    (tmp_path / "a.json").write_bytes(data)
    with pytest.raises(ValueError, match=r"a\.json: expected JSON.*Delete it"):
        read_json(tmp_path / "a.json")


@given(image=arrays(np.uint8, st.tuples(st.integers(1, 8), st.integers(1, 8), st.just(3))))
def test_an_image_is_rgb_there_and_back(image, tmp_path_factory):
    path = tmp_path_factory.mktemp("images") / "ü.png"
    write_image(path, image)
    np.testing.assert_array_equal(read_image(path), image)


def test_rgba_goes_there_and_back_and_needs_its_alpha(tmp_path):
    rgba = np.dstack([RGB, np.full((4, 5), 200, np.uint8)])
    write_image(tmp_path / "a.png", rgba)
    np.testing.assert_array_equal(read_rgba(tmp_path / "a.png"), rgba)
    write_image(tmp_path / "b.png", RGB)
    with pytest.raises(ValueError, match=r"b\.png: expected an 8-bit RGBA"):
        read_rgba(tmp_path / "b.png")


def test_grey_16_bit_alpha_and_cmyk_are_read_as_rgb(tmp_path):
    cv2.imwrite(str(tmp_path / "grey.png"), np.full((2, 2), 77, np.uint8))
    cv2.imwrite(str(tmp_path / "deep.png"), np.full((2, 2, 3), 0x4D00, np.uint16))
    Image.new("RGBA", (2, 2), (77, 77, 77, 255)).save(tmp_path / "opaque.png")
    Image.new("CMYK", (8, 8), (0, 0, 0, 178)).save(tmp_path / "print.jpg")
    for name in ("grey.png", "deep.png", "opaque.png"):
        np.testing.assert_array_equal(read_image(tmp_path / name), np.full((2, 2, 3), 77))
    assert np.abs(read_image(tmp_path / "print.jpg").astype(int) - 77).max() <= 3


@pytest.mark.parametrize("ending", [".png", ".jpg", ".bmp"])
@pytest.mark.parametrize("fraction", [0, 0.1, 0.6])
def test_an_image_cut_short_is_refused_by_name(tmp_path, ending, fraction):
    data = cv2.imencode(ending, np.random.default_rng(0).integers(0, 256, (60, 60, 3), np.uint8))[
        1
    ].tobytes()
    (tmp_path / f"cut{ending}").write_bytes(data[: int(len(data) * fraction)])
    with pytest.raises(ValueError, match=rf"cut\{ending}: expected an image.*again"):
        read_image(tmp_path / f"cut{ending}")


def test_a_text_called_png_is_refused_by_name(tmp_path):
    (tmp_path / "a.png").write_text("not a picture")
    with pytest.raises(ValueError, match=r"a\.png: expected an image, received a text"):
        read_image(tmp_path / "a.png")


def test_a_missing_file_is_named(tmp_path):
    for read in (read_image, read_mask, read_rgba, read_json):
        with pytest.raises(FileNotFoundError, match="none"):
            read(tmp_path / "none.png")


def test_a_mask_is_read_as_stored(tmp_path):
    mask = np.array([[0, 50], [75, 255]], np.uint8)
    write_image(tmp_path / "m.png", mask)
    np.testing.assert_array_equal(read_mask(tmp_path / "m.png"), mask)


def test_the_same_pixels_give_the_same_bytes():
    assert png_bytes(RGB) == png_bytes(RGB.copy())


@given(
    image=arrays(np.uint8, st.tuples(st.integers(1, 9), st.integers(1, 9), st.sampled_from([3, 4])))
)
def test_opencv_and_pillow_read_the_pixels_of_our_png(image):
    data = png_bytes(image)
    code = cv2.COLOR_BGR2RGB if image.shape[2] == 3 else cv2.COLOR_BGRA2RGBA
    np.testing.assert_array_equal(
        cv2.cvtColor(cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED), code), image
    )
    np.testing.assert_array_equal(np.array(Image.open(io.BytesIO(data))), image)
    np.testing.assert_array_equal(
        np.array(Image.open(io.BytesIO(png_bytes(image[::-1, ::2, 0])))), image[::-1, ::2, 0]
    )


@pytest.mark.parametrize(
    "wrong",
    [
        np.zeros((4, 4)),
        np.zeros((4, 4, 2), np.uint8),
        np.zeros((0, 4, 3), np.uint8),
        np.zeros(4, np.uint8),
    ],
)
def test_what_is_no_picture_is_not_written(wrong):
    with pytest.raises(ValueError, match="Expected a picture to write"):
        png_bytes(wrong)


def test_a_table_has_its_columns_first_and_quotes_what_needs_it():
    assert csv_text(["a", "b"], [[1, "x,y"], [None, 2.5]]) == 'a,b\n1,"x,y"\n,2.5\n'


def test_shrinking_averages_and_enlarging_keeps_an_even_image():
    image = np.array([[0, 100], [20, 200]], np.uint8)
    np.testing.assert_array_equal(resized(image, (1, 1)), [[80]])
    np.testing.assert_array_equal(
        resized(np.full((2, 3, 3), 7, np.uint8), (9, 6)), np.full((6, 9, 3), 7)
    )


def test_a_drive_that_refuses_to_set_permissions_is_written_to(tmp_path, monkeypatch):
    def refused(_path, _mode):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(Path, "chmod", refused)
    write_bytes(tmp_path / "a.txt", b"x")
    assert [(p.name, p.read_bytes()) for p in tmp_path.iterdir()] == [("a.txt", b"x")]


def test_an_error_of_writing_names_file_cause_and_mend(tmp_path):
    write_bytes(tmp_path / "a", b"x")
    with pytest.raises(WriteError, match=r"/a/b: expected to write it\. Received: .*\. Choose"):
        write_bytes(tmp_path / "a" / "b", b"x")
    with (
        pytest.raises(WriteError, match=r"/c: expected to write it\. Received: full\. Make room"),
        replacing(tmp_path / "c"),
    ):
        raise OSError(errno.ENOSPC, "full")


def test_an_error_of_another_file_stays_what_it_is(tmp_path):
    with pytest.raises(FileNotFoundError), replacing(tmp_path / "a"):
        (tmp_path / "none").read_bytes()


def test_a_path_as_windows_writes_it_is_found(tmp_path):
    (tmp_path / "M\u00fcller").mkdir()
    (tmp_path / "M\u00fcller" / "a.png").touch()
    for text in ("M\u00fcller\\a.png", "Mu\u0308ller\\a.png"):
        assert spelled(tmp_path, text) == tmp_path / "M\u00fcller" / "a.png"
    assert spelled(tmp_path, "b\\a.png") == tmp_path / "b\\a.png"
