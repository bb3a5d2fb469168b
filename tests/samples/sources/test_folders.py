from pathlib import Path

import cv2
import numpy as np
import pytest
from databases import PURPLE, PURPLE_ON_WHITE, marked, only, picture, read
from pictures import write_image
from PIL import Image

from bloodseg_lib.samples.extraction.boxes import NO_IMAGE
from bloodseg_lib.samples.extraction.masks import NO_CELL, Unusable
from bloodseg_lib.samples.sample import Skipped
from bloodseg_lib.samples.sources import iumc
from bloodseg_lib.samples.sources.folders import (
    NO_COLOUR,
    NO_MASK,
    NOT_AN_IMAGE,
    SAME_NAME,
    UNREADABLE,
    WRONG_MASK_SIZE,
    image_files,
    masks_without_image,
    read_each,
)


class TestBrokenFiles:
    """What a download can do to a file; the rest is still read."""

    @pytest.fixture
    def path(self, iumc_root):
        return iumc_root / "images/Neut/1.png"

    def test_an_empty_file(self, iumc_root, path):
        path.write_bytes(b"")
        samples, skipped = read(iumc, iumc_root)
        only(skipped, UNREADABLE, "1.png", "empty file", "Download or copy it again")
        assert len(samples) == 3

    def test_a_file_cut_short(self, iumc_root, path):
        path.write_bytes(path.read_bytes()[:200])
        only(read(iumc, iumc_root)[1], UNREADABLE, "1.png", "cannot be decoded")

    def test_a_text_file_of_that_name(self, iumc_root, path):
        path.write_text("404 not found")
        only(read(iumc, iumc_root)[1], UNREADABLE, "1.png", "received a text")

    def test_an_empty_mask_file(self, iumc_root):
        (iumc_root / "masks/Neut/1.png").write_bytes(b"")
        only(read(iumc, iumc_root)[1], UNREADABLE, "masks", "1.png", "empty file")

    def test_a_missing_mask(self, iumc_root):
        (iumc_root / "masks/Neut/1.png").unlink()
        only(read(iumc, iumc_root)[1], NO_MASK, "1.png", "Add the mask")

    def test_a_mask_without_image(self, iumc_root, path):
        path.unlink()
        only(read(iumc, iumc_root)[1], NO_IMAGE, "masks", "1.png")

    def test_a_mask_of_another_size(self, iumc_root):
        write_image(iumc_root / "masks/Neut/1.png", marked(200, 201, (100, 100, 50, 255)))
        only(read(iumc, iumc_root)[1], WRONG_MASK_SIZE, "200 x 200", "201 x 200")

    def test_a_grey_image(self, iumc_root, path):
        Image.fromarray(picture(200, 200, (100, 100, 50, PURPLE))).convert("L").save(path)
        only(read(iumc, iumc_root)[1], NO_COLOUR, "1.png", "in colour")

    def test_a_cmyk_jpeg_is_read_in_its_colours(self, iumc_root, path):
        path.unlink()
        Image.fromarray(picture(200, 200, (100, 100, 50, PURPLE))).convert("CMYK").save(
            path.with_suffix(".jpg"), quality=95
        )
        samples, skipped = read(iumc, iumc_root)
        assert skipped == []
        height, width = samples[-1].rgba.shape[:2]
        assert (
            np.abs(
                samples[-1].rgba[height // 2, width // 2, :3].astype(int) - PURPLE_ON_WHITE
            ).max()
            < 12
        )

    def test_a_png_of_16_bits_is_read_in_its_colours(self, iumc_root, path):
        image = picture(200, 200, (100, 100, 50, PURPLE)).astype(np.uint16) * 257
        path.write_bytes(cv2.imencode(".png", image[:, :, ::-1])[1].tobytes())
        samples, skipped = read(iumc, iumc_root)
        assert skipped == []
        assert (
            samples[-1].rgba[samples[-1].rgba[:, :, 3] > 0][:, :3] == PURPLE_ON_WHITE
        ).mean() > 0.95

    def test_names_with_spaces_and_foreign_letters(self, iumc_root, path):
        path.rename(path.with_name("Zelle Müller 细胞.png"))
        mask = iumc_root / "masks/Neut/1.png"
        mask.rename(mask.with_name("Zelle Müller 细胞.png"))
        samples, skipped = read(iumc, iumc_root)
        assert skipped == []
        assert samples[-1].name == "Neut_Zelle Müller 细胞"

    def test_other_files_are_reported(self, iumc_root, path):
        (path.parent / "Thumbs.db").write_bytes(b"x")
        only(read(iumc, iumc_root)[1], NOT_AN_IMAGE, "Thumbs.db")

    def test_a_second_file_of_the_same_name_is_reported(self, iumc_root, path):
        write_image(path.with_suffix(".tif"), picture(10, 10))
        only(read(iumc, iumc_root)[1], SAME_NAME, "1.tif")


class TestReadEach:
    def test_an_unusable_file_is_skipped_and_the_next_one_is_read(self):
        skipped = Skipped("s", 1, Path("c.txt"), NOT_AN_IMAGE)

        def read(path, class_id):
            yield f"{path} {class_id}"
            if path.name == "a.png":
                raise Unusable(NO_CELL, "Why.")

        files = [(Path("a.png"), 1), skipped, (Path("b.png"), 2)]
        assert list(read_each(files, "s", read)) == [
            "a.png 1",
            Skipped("s", 1, Path("a.png"), NO_CELL, "Why."),
            skipped,
            "b.png 2",
        ]


class TestImageFiles:
    def test_are_sorted_and_carry_the_class(self, tmp_path):
        for name in ("b.JPG", "a.png", ".c.png"):
            (tmp_path / name).touch()
        found = list(image_files(tmp_path, "s", 3))
        assert [one.reason for one in found if isinstance(one, Skipped)] == [NOT_AN_IMAGE]
        assert found[1:] == [(tmp_path / "a.png", 3), (tmp_path / "b.JPG", 3)]

    def test_masks_of_another_ending_are_passed_over(self, tmp_path):
        for name in ("1.bmp", "1.png"):
            (tmp_path / name).touch()
        assert list(image_files(tmp_path, "s", 0, (".bmp",))) == [(tmp_path / "1.bmp", 0)]


def test_a_mask_is_without_image_whatever_the_ending_of_the_image(tmp_path):
    for name in ("images/1.jpg", "masks/1_expert.png", "masks/2_expert.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    only(
        list(masks_without_image(tmp_path / "masks", tmp_path / "images", "s", 3, "_expert")),
        NO_IMAGE,
        "2_expert.png",
        "Add the image",
    )
