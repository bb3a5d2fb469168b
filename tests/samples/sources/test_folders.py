import cv2
import numpy as np
import pytest
from databases import PURPLE, PURPLE_ON_WHITE, marked, only, picture, read
from pictures import write_image
from PIL import Image

from bloodseg_lib.samples.extraction.boxes import NO_IMAGE
from bloodseg_lib.samples.sources import iumc
from bloodseg_lib.samples.sources.folders import (
    NO_COLOUR,
    NO_MASK,
    NOT_AN_IMAGE,
    SAME_NAME,
    UNREADABLE,
    WRONG_MASK_SIZE,
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
        only(read(iumc, iumc_root)[1], UNREADABLE, "1.png", "cannot be decoded")

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
