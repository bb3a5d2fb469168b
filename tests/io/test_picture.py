"""One reader for every kind of picture."""

import contextlib
import os
import socket
import struct
import zlib

import cv2
import numpy as np
import pytest
import tifffile
from kinds import DEEP, FIELD, KINDS, PLANES, SMALL, pages, tiff
from PIL import Image, ImageCms

from bloodseg_lib.io import read_image, read_mask, read_picture

EXIF_OF = {  # orientation -> what a camera held so stores of an upright picture
    2: lambda image: image[:, ::-1],
    3: lambda image: image[::-1, ::-1],
    4: lambda image: image[::-1],
    5: lambda image: image.transpose(1, 0, 2),
    6: lambda image: image.transpose(1, 0, 2)[::-1],
    7: lambda image: image.transpose(1, 0, 2)[::-1, ::-1],
    8: lambda image: image.transpose(1, 0, 2)[:, ::-1],
}


@pytest.mark.parametrize("name", KINDS)
def test_every_kind_of_file_gives_the_same_pixels(tmp_path, name):
    KINDS[name](tmp_path / name)
    np.testing.assert_array_equal(read_image(tmp_path / name), FIELD)


@pytest.mark.parametrize(
    ("name", "word"),
    [
        ("unexplained.tif", "further channel"),
        ("all_clear.png", "transparent everywhere"),
        ("12_bits.tif", "taken for 12 bits"),
        ("float_to_1.tif", "0 to 1"),
        ("ome_cyx.ome.tif", "red, green and blue"),
        ("thumbnail_first.tif", "Page 2 was read, the largest; 1 smaller not"),
    ],
)
def test_what_was_guessed_or_ignored_is_said(tmp_path, name, word):
    KINDS[name](tmp_path / name)
    assert any(word in note for note in read_picture(tmp_path / name).notes)


def test_a_usual_picture_has_no_note(tmp_path):
    for name in ("plain.png", "plain.tif", "16_bits.tif", "opaque.png", "pyramid.tif"):
        KINDS[name](tmp_path / name)
        assert read_picture(tmp_path / name).notes == ()


@pytest.mark.parametrize("orientation", EXIF_OF)
@pytest.mark.parametrize("ending", ["png", "tif", "lzw.tif", "mapped.tif", "webp"])
def test_a_picture_is_upright_as_its_file_says(tmp_path, monkeypatch, orientation, ending):
    path = tmp_path / f"a.{ending}"
    stored = np.ascontiguousarray(EXIF_OF[orientation](FIELD))
    if "tif" in ending:
        if ending == "mapped.tif":
            monkeypatch.setattr("bloodseg_lib.io.tiff._MAPPED_BYTES", 1000)
        packed = {"compression": "tiff_lzw"} if "lzw" in ending else {}
        Image.fromarray(stored).save(path, tiffinfo={274: orientation}, **packed)
    else:
        exif = Image.Exif()
        exif[274] = orientation
        Image.fromarray(stored).save(path, exif=exif, lossless=True)
    picture = read_picture(path)
    np.testing.assert_array_equal(picture.pixels, FIELD)
    assert isinstance(picture.pixels, np.memmap) == (ending == "mapped.tif")


def test_min_is_white_is_inverted(tmp_path):
    grey = FIELD[:, :, 0]
    written = {
        "8.tif": 255 - grey,
        "16.tif": 65535 - grey.astype(np.uint16) * 257,
    }
    for name, array in written.items():
        tifffile.imwrite(tmp_path / name, array, photometric="miniswhite")
        np.testing.assert_array_equal(read_image(tmp_path / name)[:, :, 1], grey)


def test_the_significant_bits_that_a_file_tells_count_more_than_its_values(tmp_path):
    ome = {"axes": "YXS", "SignificantBits": 12}
    tifffile.imwrite(tmp_path / "a.ome.tif", DEEP // 16 * 16, photometric="rgb", metadata=ome)
    picture = read_picture(tmp_path / "a.ome.tif")
    assert picture.bits == 12
    np.testing.assert_array_equal(picture.pixels, FIELD // 16)

    data = cv2.imencode(".png", DEEP // 16)[1].tobytes()
    chunk = b"sBIT" + bytes([12, 12, 12])
    chunk = struct.pack(">I", 3) + chunk + struct.pack(">I", zlib.crc32(chunk))
    (tmp_path / "a.png").write_bytes(data[:33] + chunk + data[33:])
    picture = read_picture(tmp_path / "a.png")
    assert (picture.bits, picture.notes) == (
        12,
        ("It has no colour: stains cannot be told apart.",),
    )


def test_what_is_partly_transparent_is_over_white(tmp_path):
    rgba = np.full((4, 6, 4), (100, 50, 0, 0), np.uint8)
    rgba[:, 3:, 3] = 51  # a fifth
    Image.fromarray(rgba).save(tmp_path / "a.png")
    tifffile.imwrite(tmp_path / "a.tif", rgba, photometric="rgb", extrasamples=["unassalpha"])
    for name in ("a.png", "a.tif"):
        pixels = read_image(tmp_path / name)
        assert pixels[0, 0].tolist() == [255, 255, 255]
        assert pixels[0, 5].tolist() == [224, 214, 204]  # 255 - (255 - c) / 5
    multiplied = np.full((4, 6, 4), (20, 10, 0, 51), np.uint8)
    multiplied[:, 3:] = 255
    tifffile.imwrite(tmp_path / "b.tif", multiplied, photometric="rgb", extrasamples=["assocalpha"])
    assert read_image(tmp_path / "b.tif")[0, 0].tolist() == [224, 214, 204]


def test_a_picture_as_transparent_everywhere_is_not_made_pale(tmp_path):
    half = np.full(FIELD.shape[:2], 128, np.uint8)
    Image.fromarray(np.dstack([FIELD, half])).save(tmp_path / "a.png")
    straight = {"photometric": "rgb", "extrasamples": ["unassalpha"]}
    tifffile.imwrite(tmp_path / "a.tif", np.dstack([FIELD, half]), **straight)
    for name in ("a.png", "a.tif"):
        picture = read_picture(tmp_path / name)
        np.testing.assert_array_equal(picture.pixels, FIELD)
        assert picture.notes == ("It is as transparent everywhere: that was taken for a mistake.",)
    multiplied = np.full((4, 6, 4), (20, 10, 0, 51), np.uint8)  # of (100, 50, 0), a fifth
    straight["extrasamples"] = ["assocalpha"]
    tifffile.imwrite(tmp_path / "b.tif", multiplied, **straight)
    assert read_image(tmp_path / "b.tif")[0, 0].tolist() == [100, 50, 0]


def with_chunk(kind, data):
    """Writes the field as a PNG with one more chunk before its pixels."""

    def write(path):
        Image.fromarray(FIELD).save(path)
        png, chunk = path.read_bytes(), kind + data
        chunk = struct.pack(">I", len(data)) + chunk + struct.pack(">I", zlib.crc32(chunk))
        path.write_bytes(png[:33] + chunk + png[33:])

    return write


def test_a_png_s_gamma_is_applied_unless_it_is_that_of_srgb(tmp_path):
    with_chunk(b"gAMA", struct.pack(">I", 45455))(tmp_path / "usual.png")
    assert read_picture(tmp_path / "usual.png").notes == ()
    with_chunk(b"gAMA", struct.pack(">I", 100000))(tmp_path / "linear.png")
    picture = read_picture(tmp_path / "linear.png")
    light = FIELD / 255  # IEC 61966-2-1; all of it above 0.0031308
    expected = 255 * (1.055 * light ** (1 / 2.4) - 0.055)
    np.testing.assert_allclose(picture.pixels, expected, atol=0.51)
    assert "gamma 1" in picture.notes[0]
    primaries = struct.pack(">8I", 31270, 32900, 68000, 32000, 26500, 69000, 15000, 6000)
    with_chunk(b"cHRM", primaries)(tmp_path / "p3.png")
    assert "other primary colours" in read_picture(tmp_path / "p3.png").notes[0]


def test_a_picture_from_minus_one_to_one_is_not_taken_for_one_from_zero(tmp_path):
    values = np.maximum(FIELD, 128) / 127.5 - 1
    values[0, :8] = -0.6  # little of a smear is darker than half of the light
    tifffile.imwrite(tmp_path / "a.tif", values, photometric="rgb")
    with pytest.raises(ValueError, match=r"Received float64 from -0\.6 to"):
        read_image(tmp_path / "a.tif")


def test_real_numbers_a_little_outside_their_range_are_cut_off(tmp_path):
    for white in (1, 255):
        values = FIELD.astype(np.float32) * (white / 255)
        values[0, :8] = 1.2 * white
        values[1, :8] = -0.1 * white
        tifffile.imwrite(tmp_path / "a.tif", values, photometric="rgb")
        picture = read_picture(tmp_path / "a.tif")
        np.testing.assert_array_equal(picture.pixels[2:], FIELD[2:])
        assert (picture.pixels[0, :8] == 255).all() and (picture.pixels[1, :8] == 0).all()
        assert "outside cut off" in picture.notes[0]


@pytest.mark.parametrize(("least", "most"), [(-1, 1), (0, 2), (0, 5), (-20, 200)])
def test_real_numbers_of_another_range_are_refused(tmp_path, least, most):
    values = np.linspace(least, most, 300, dtype=np.float32).reshape(10, 30)
    tifffile.imwrite(tmp_path / "a.tif", values, photometric="minisblack")
    with pytest.raises(
        ValueError, match=r"a\.tif: expected whole values.* 0 to 1\. Received float"
    ):
        read_image(tmp_path / "a.tif")


@pytest.mark.parametrize("array", [PLANES, FIELD[None], PLANES[None], FIELD[None, None]])
def test_an_array_as_networks_have_it_is_a_picture(tmp_path, array):
    np.save(tmp_path / "a.npy", array)
    np.testing.assert_array_equal(read_image(tmp_path / "a.npy"), FIELD)


def test_a_format_that_is_not_read_is_named_though_it_has_no_suffix(tmp_path):
    Image.fromarray(FIELD).save(tmp_path / "a.dat", format="TGA")
    with pytest.raises(ValueError, match=r"a\.dat: expected an image, received .*Targa.*PNG"):
        read_image(tmp_path / "a.dat")


@pytest.mark.parametrize(
    ("name", "write", "word"),
    [
        ("fields.tif", pages(FIELD, FIELD, FIELD), "3 pages of 400 x 320"),
        ("two.tif", pages(FIELD, FIELD[:200].copy()), "2 pages"),
        (
            "z.ome.tif",
            tiff(np.stack([PLANES] * 4), photometric="minisblack", metadata={"axes": "ZCYX"}),
            "4 focal planes",
        ),
        (
            "t.tif",
            tiff(np.stack([FIELD] * 2), imagej=True, metadata={"axes": "TYXS"}),
            "2 time points",
        ),
        (
            "five.ome.tif",
            tiff(
                np.stack([FIELD[:, :, 0]] * 5), photometric="minisblack", metadata={"axes": "CYX"}
            ),
            "5 channels",
        ),
        (
            "axis.tif",
            tiff(np.zeros((30, 40, 5), np.uint8), photometric="minisblack"),
            "30 pages of 5 x 40",
        ),
        (
            "moving.gif",
            lambda path: Image.fromarray(FIELD).save(
                path, save_all=True, append_images=[Image.fromarray(255 - FIELD)]
            ),
            "2 frames of 400 x 320",
        ),
    ],
)
def test_several_pictures_in_a_file_are_never_cut_to_the_first(tmp_path, name, write, word):
    write(tmp_path / name)
    with pytest.raises(ValueError, match=rf"{name}: expected one picture. Received {word}.*--page"):
        read_image(tmp_path / name)


def test_a_page_is_chosen(tmp_path):
    pages(FIELD, 255 - FIELD, SMALL)(tmp_path / "a.tif")
    expected = {1: FIELD, 2: 255 - FIELD, 3: SMALL}
    for page, image in expected.items():
        picture = read_picture(tmp_path / "a.tif", page=page)
        np.testing.assert_array_equal(picture.pixels, image)
        assert (picture.page, picture.pages) == (page, 3)
    with pytest.raises(ValueError, match=r"from 1 to 3. Received --page 4"):
        read_picture(tmp_path / "a.tif", page=4)


def test_a_focal_plane_in_colour_is_chosen(tmp_path):
    stack = np.stack([PLANES, 255 - PLANES])
    write = {"photometric": "minisblack", "metadata": {"axes": "ZCYX"}}
    tifffile.imwrite(tmp_path / "a.ome.tif", stack, **write)
    tifffile.imwrite(tmp_path / "b.ome.tif", stack, compression="zlib", **write)
    for name in ("a.ome.tif", "b.ome.tif"):
        np.testing.assert_array_equal(read_picture(tmp_path / name, page=2).pixels, 255 - FIELD)


def test_a_level_of_a_pyramid_is_chosen_and_its_pixels_are_larger(tmp_path):
    with tifffile.TiffWriter(tmp_path / "a.ome.tif") as file:
        meta = {"axes": "YXS", "PhysicalSizeX": 0.2, "PhysicalSizeXUnit": "µm"}
        file.write(FIELD, photometric="rgb", subifds=1, metadata=meta)
        file.write(FIELD[::2, ::2], photometric="rgb", subfiletype=1)
    picture = read_picture(tmp_path / "a.ome.tif", level=1)
    np.testing.assert_array_equal(picture.pixels, FIELD[::2, ::2])
    assert picture.pixel_size_um == pytest.approx(0.4)
    with pytest.raises(ValueError, match=r"level from 0 to 1\. Received 2"):
        read_picture(tmp_path / "a.ome.tif", level=2)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"resolution": (40000, 40000), "resolutionunit": "CENTIMETER"}, 0.25),
        ({"resolution": (101600, 101600), "resolutionunit": "INCH"}, 0.25),
        ({"resolution": (300, 300), "resolutionunit": "INCH"}, None),  # a printer's
        ({"resolution": (4, 4)}, None),  # of no unit
        ({"imagej": True, "resolution": (4, 4), "metadata": {"unit": "um"}}, 0.25),
        ({"imagej": True, "resolution": (4, 4), "metadata": {"unit": r"\u00B5m"}}, 0.25),
        ({"imagej": True, "resolution": (4, 4), "metadata": {"unit": "pixel"}}, None),
        ({"description": "Aperio Image|AppMag = 40|MPP = 0.25", "metadata": None}, 0.25),
    ],
)
def test_the_pixel_size_is_that_of_a_microscope(tmp_path, options, expected):
    tifffile.imwrite(tmp_path / "a.tif", FIELD, photometric="rgb", **options)
    picture = read_picture(tmp_path / "a.tif")
    assert picture.pixel_size_um == (None if expected is None else pytest.approx(expected))
    assert picture.objective == (40 if "description" in options else None)


def test_pixels_that_are_not_square_have_no_size_and_it_is_said(tmp_path):
    options = {"resolution": (40000, 20000), "resolutionunit": "CENTIMETER"}
    tifffile.imwrite(tmp_path / "a.tif", FIELD, photometric="rgb", **options)
    sizes = {"PhysicalSizeX": 0.25, "PhysicalSizeY": 0.5}
    write = {"photometric": "rgb", "metadata": {"axes": "YXS"} | sizes}
    tifffile.imwrite(tmp_path / "b.ome.tif", FIELD, **write)
    for name in ("a.tif", "b.ome.tif"):
        picture = read_picture(tmp_path / name)
        assert picture.pixel_size_um is None
        assert "0.5 times as wide as high" in picture.notes[-1]


@pytest.mark.parametrize(
    ("channels", "order", "words"),
    [
        ({"Name": ["Red", "Green", "Blue"]}, [0, 1, 2], ""),
        ({"Name": ["Blue", "green", "R"]}, [2, 1, 0], ""),
        ({"Color": [65535, 16711935, -16776961]}, [2, 1, 0], ""),
        ({"Name": ["DAPI", "FITC", "Cy5"]}, [0, 1, 2], "three channels, DAPI, FITC, Cy5, were"),
        ({}, [0, 1, 2], "three channels were taken for red, green and blue"),
    ],
)
def test_channels_are_put_in_the_order_of_their_names(tmp_path, channels, order, words):
    planes = FIELD.transpose(2, 0, 1)[order]
    described = {"axes": "CYX", "Channel": channels}
    tifffile.imwrite(tmp_path / "a.ome.tif", planes, photometric="minisblack", metadata=described)
    picture = read_picture(tmp_path / "a.ome.tif")
    expected = FIELD if not words else FIELD[:, :, order]
    np.testing.assert_array_equal(picture.pixels, expected)
    assert words in " ".join(picture.notes) and bool(words) == bool(picture.notes)


def test_a_colour_profile_is_applied_but_that_of_srgb(tmp_path):
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    Image.fromarray(FIELD).save(tmp_path / "srgb.png", icc_profile=srgb)
    np.testing.assert_array_equal(read_image(tmp_path / "srgb.png"), FIELD)
    Image.fromarray(FIELD).save(tmp_path / "damaged.png", icc_profile=srgb[:300])
    picture = read_picture(tmp_path / "damaged.png")
    np.testing.assert_array_equal(picture.pixels, FIELD)
    assert "cannot be used" in picture.notes[0]
    # a profile whose red and blue are exchanged, named otherwise
    swapped = bytearray(srgb)
    red, blue = (swapped.find(tag) for tag in (b"rXYZ", b"bXYZ"))
    swapped[red : red + 1], swapped[blue : blue + 1] = b"b", b"r"
    swapped = swapped.replace("sRGB".encode("utf-16-be"), "else".encode("utf-16-be"))
    Image.fromarray(FIELD).save(tmp_path / "swapped.png", icc_profile=bytes(swapped))
    picture = read_picture(tmp_path / "swapped.png")
    np.testing.assert_allclose(picture.pixels.astype(int), FIELD[:, :, ::-1], atol=2)
    assert "sRGB" in picture.notes[0]


def test_a_profile_of_linear_light_is_applied_whatever_its_name(tmp_path):
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    at = srgb.find(b"para\0\0\0\0")  # the curve, made the straight line
    linear = srgb[:at] + b"curv".ljust(12, b"\0") + srgb[at + 12 :]
    Image.fromarray(FIELD).save(tmp_path / "linear.png", icc_profile=linear)
    picture = read_picture(tmp_path / "linear.png")
    light = FIELD / 255
    curve = np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
    np.testing.assert_allclose(picture.pixels, 255 * curve, atol=2)
    assert "sRGB built-in to sRGB" in picture.notes[0]


def test_colours_that_a_tiff_does_not_explain_are_no_negative(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", FIELD, photometric="rgb")
    with tifffile.TiffFile(tmp_path / "a.tif", mode="r+") as file:
        file.pages[0].tags["PhotometricInterpretation"].overwrite(0)
    np.testing.assert_array_equal(read_image(tmp_path / "a.tif"), FIELD)


def test_a_picture_without_colour_is_said_to_be_grey(tmp_path):
    Image.fromarray(FIELD[:, :, 0]).save(tmp_path / "grey.png")
    Image.fromarray(np.repeat(FIELD[:, :, :1], 3, axis=2)).save(tmp_path / "as_rgb.png")
    Image.fromarray(FIELD).save(tmp_path / "colour.png")
    found = {name: read_picture(tmp_path / f"{name}.png") for name in ("grey", "as_rgb", "colour")}
    assert {name: picture.grey for name, picture in found.items()} == {
        "grey": True,
        "as_rgb": True,
        "colour": False,
    }
    assert "no colour" in found["grey"].notes[0]


@pytest.mark.parametrize(
    ("head", "word"),
    [
        (b"ZISRAWFILE", "Zeiss CZI.*Fiji"),
        (b"\xda\xce\xbe\x0a", "Nikon ND2"),
        (b"\x70\x00\x00\x00\x10", "Leica LIF"),
        (b"\0" * 128 + b"DICM", "DICOM"),
        (b"%PDF-1.7", "PDF"),
        (b"\0\0\0\x18ftypmp42", "a film"),
        (b"RIFF\x10\0\0\0AVI ", "a film"),
        (b"\0\0\0\x18ftypheic", "HEIC.*JPEG"),
        (b"<!doctype html>", "a web page"),
        (b"PK\x03\x04", "archive"),
        (b"version https://git-lfs.github.com/spec/v1\noid", r"Git LFS pointer.*git lfs pull"),
        (b"\xef\xbb\xbf\r\n  <HTML>", "a web page"),
        (b"<?xml version='1.0'?>\n<!DOCTYPE html>", "a web page"),
        (b"<!-- cached -->\n<html lang='de'>M\xfcller", "a web page"),
        ("\ufeff<html>".encode("utf-16-le"), "a web page"),
        (b"<Error><Code>AccessDenied</Code>", "an XML document"),
        (b"<?xml version='1.0'?>\n<svg>", "a drawing"),
        (b'\n{"message": "Not Found"}', "a JSON document"),
        (b"404: Not Found", "a text"),
        (b"\x0a\x05\x01\x08" + bytes(12), "a PCX picture.*PNG"),
        (b"qoif\0\0\1\0", "a QOI picture.*PNG"),
        (b"DDS |\0\0\0", "a DDS texture.*PNG"),
        (b"8BPS\0\1", "Photoshop.*PNG"),
        (b"\xc5\xd0\xd3\xc6", "EPS.*PNG"),
        (b"%!PS-Adobe-3.0 EPSF-3.0", "EPS.*PNG"),
        (b"v/1\x01\2\0", "OpenEXR.*PNG"),
        (b"\0\x05\x16\x07\0\2", "resource fork of macOS"),
        (b"IIU\0\x18\0", "a camera's raw file"),
        (b"0&\xb2u\x8ef\xcf\x11", "a film"),
    ],
)
def test_a_file_of_another_format_is_named_with_the_way_out(tmp_path, monkeypatch, head, word):
    monkeypatch.setitem(__import__("sys").modules, "pillow_heif", None)
    (tmp_path / "a.jpg").write_bytes(head)
    with pytest.raises(ValueError, match=rf"a\.jpg: expected an image, received .*{word}"):
        read_image(tmp_path / "a.jpg")


@pytest.mark.parametrize("shape", [(2, 3, 4, 5), (7,), (0, 5, 3), (4, 5, 6)])
def test_an_array_of_another_shape_is_refused(tmp_path, shape):
    np.save(tmp_path / "a.npy", np.zeros(shape, np.uint8))
    with pytest.raises(ValueError, match=r"a\.npy: expected (a picture|1 to 4 channels).*Received"):
        read_image(tmp_path / "a.npy")


@pytest.mark.parametrize("shape", [(4, 50, 60), (7, 50, 60)])
def test_planes_that_are_not_three_are_refused_by_their_shape(tmp_path, shape):
    np.save(tmp_path / "a.npy", np.zeros(shape, np.uint8))
    words = (
        rf"expected a picture, .*\(3, height, width\)\. Received an array of \({shape[0]}, 50, 60\)"
    )
    with pytest.raises(ValueError, match=words):
        read_image(tmp_path / "a.npy")


@pytest.mark.parametrize(
    ("array", "word"),
    [
        (np.array([["a", "b"]]), "texts"),
        (np.zeros((5, 5), "datetime64[s]"), "dates"),
        (np.zeros((5, 5), "timedelta64[s]"), "durations"),
        (np.zeros((5, 5), [("r", "u1"), ("g", "u1")]), "records of r, g"),
        (np.zeros((5, 5), complex), "complex numbers"),
        (np.array([{}], object), "objects"),
    ],
)
def test_an_array_of_no_numbers_is_refused_by_its_kind(tmp_path, array, word):
    np.save(tmp_path / "a.npy", array, allow_pickle=True)
    with pytest.raises(ValueError, match=rf"expected an array of numbers.*Received one of {word}"):
        read_image(tmp_path / "a.npy")


@pytest.mark.parametrize("ending", ["npy", "tif"])
def test_pixels_that_are_no_numbers_are_counted(tmp_path, ending):
    values = FIELD.astype(np.float32) / 255
    values[3, 2:7] = np.nan
    values[4, 2, 1] = np.nan
    if ending == "npy":
        np.save(tmp_path / "a.npy", values)
    else:
        tifffile.imwrite(tmp_path / "a.tif", values, photometric="rgb")
    with pytest.raises(ValueError, match=rf"Received none \(NaN\) in 6 pixels of {400 * 320}\."):
        read_image(tmp_path / f"a.{ending}")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes with names")
def test_what_is_no_regular_file_is_named_and_never_opened(tmp_path):
    os.mkfifo(tmp_path / "a.png")
    (tmp_path / "b.png").symlink_to(tmp_path / "nowhere")
    with socket.socket(socket.AF_UNIX) as address, contextlib.chdir(tmp_path):
        address.bind("c.png")
    for name, words in (
        ("a.png", "this is a pipe and no regular file"),
        ("b.png", "this link leads to none"),
        ("c.png", "this is a socket and no regular file"),
        ("d.png", "there is none"),
        (os.devnull, "this is a device and no regular file"),
    ):
        with pytest.raises(FileNotFoundError, match=f"expected an image file, {words}"):
            read_image(tmp_path / name)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "BMP", "WebP"])
@pytest.mark.parametrize("suffix", [".tga", ".ndpi", ".dng", ".czi"])
def test_a_picture_under_the_suffix_of_another_kind_is_read_and_it_is_said(tmp_path, kind, suffix):
    path = tmp_path / f"a{suffix}"
    Image.fromarray(FIELD).save(path, format=kind)
    picture = read_picture(path)
    assert picture.pixels.shape == FIELD.shape
    assert f"Its name ends in {suffix}, but it is a {kind}: it was read as that." in picture.notes


def test_a_tiff_called_tga_is_read_and_a_preview_called_mrxs_is_not(tmp_path):
    KINDS["plain.tif"](tmp_path / "a.tga")
    assert "but it is a TIFF" in read_picture(tmp_path / "a.tga").notes[0]
    Image.fromarray(FIELD).save(tmp_path / "a.mrxs", format="JPEG")
    with pytest.raises(ValueError, match="3DHISTECH"):
        read_image(tmp_path / "a.mrxs")


def test_a_tga_is_known_by_its_suffix(tmp_path):
    Image.fromarray(FIELD).save(tmp_path / "a.tga")
    with pytest.raises(ValueError, match=r"received a TGA picture.*PNG"):
        read_image(tmp_path / "a.tga")


@pytest.mark.parametrize("suffix", [".cr2", ".nef", ".arw", ".dng"])
def test_a_format_without_a_signature_of_its_own_is_known_by_its_suffix(tmp_path, suffix):
    KINDS["plain.tif"](tmp_path / f"a{suffix}")
    with pytest.raises(ValueError, match=r"received a camera's raw file.*TIFF"):
        read_image(tmp_path / f"a{suffix}")


@pytest.mark.parametrize("suffix", [".vsi", ".ndpi", ".bif"])
def test_a_slide_that_looks_like_another_format_is_named(tmp_path, suffix):
    KINDS["plain.tif"](tmp_path / f"a{suffix}")
    with pytest.raises(ValueError, match=r"expected an image, received an? .*(Fiji|QuPath)"):
        read_image(tmp_path / f"a{suffix}")


def test_a_picture_of_too_many_pixels_is_refused_before_it_is_decoded(tmp_path):
    Image.new("1", (30_000, 30_000)).save(tmp_path / "a.tif", compression="group4")
    Image.new("1", (30_000, 30_000)).save(tmp_path / "a.png")
    for name in ("a.tif", "a.png"):
        with pytest.raises(ValueError, match=r"500 megapixels. Received 30000 x 30000.*--max-mega"):
            read_image(tmp_path / name)
    KINDS["plain.png"](tmp_path / "b.png")
    with pytest.raises(ValueError, match=r"up to 0\.1 megapixels. Received 400 x 320"):
        read_picture(tmp_path / "b.png", max_megapixels=0.1)


@pytest.mark.parametrize("name", ["plain.tif", "deflate.tif", "lzw.tif", "tiled.tif", "plain.webp"])
@pytest.mark.parametrize("fraction", [0.5, 0.9, 0.99])
def test_a_file_cut_short_is_refused_by_name(tmp_path, name, fraction):
    KINDS[name](tmp_path / name)
    data = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(data[: int(fraction * len(data))])
    with pytest.raises(ValueError, match=rf"{name}: expected an image.*again"):
        read_image(tmp_path / name)


def test_a_jpeg_cut_short_is_refused_and_one_that_was_closed_again_is_said(tmp_path):
    rng = np.random.default_rng(0)
    Image.fromarray(rng.integers(0, 256, FIELD.shape, np.uint8)).save(tmp_path / "a.jpg")
    data = (tmp_path / "a.jpg").read_bytes()
    assert read_picture(tmp_path / "a.jpg").notes == ()
    (tmp_path / "a.jpg").write_bytes(data[: len(data) // 2])
    with pytest.raises(ValueError, match=r"a\.jpg: expected an image.*again"):
        read_image(tmp_path / "a.jpg")
    (tmp_path / "a.jpg").write_bytes(data[: len(data) // 2] + b"\xff\xd9")
    assert "as in a damaged file" in read_picture(tmp_path / "a.jpg").notes[0]


@pytest.mark.parametrize("name", ["plain.png", "16_bits.png", "deflate.tif"])
def test_one_wrong_bit_is_found_where_there_is_a_checksum(tmp_path, name):
    KINDS[name](tmp_path / name)
    data = bytearray((tmp_path / name).read_bytes())
    data[len(data) // 2] ^= 1
    (tmp_path / name).write_bytes(data)
    with pytest.raises(ValueError, match=rf"{name}: expected an image.*again"):
        read_image(tmp_path / name)


def test_a_fault_that_is_passed_over_is_said(tmp_path, capfd):
    pages(FIELD, SMALL)(tmp_path / "a.tif")
    data = (tmp_path / "a.tif").read_bytes()
    (tmp_path / "a.tif").write_bytes(data[: FIELD.nbytes + 224])  # without the second page
    assert any("may be damaged" in note for note in read_picture(tmp_path / "a.tif").notes)
    assert capfd.readouterr().err == ""


CELL = cv2.circle(np.zeros((60, 60), np.uint8), (30, 32), 15, 255, -1)


@pytest.mark.parametrize(
    "mask",
    [
        CELL,
        255 - CELL,
        np.where(CELL[:, :, None], (255, 0, 0), (0, 0, 0)).astype(np.uint8),
        np.where(CELL[:, :, None], (0, 128, 0), (255, 255, 255)).astype(np.uint8),
        np.dstack([np.full((60, 60, 3), 255, np.uint8), CELL]),
        np.dstack([np.zeros((60, 60, 3), np.uint8), CELL]),
        (CELL > 0).astype(np.uint16) * 7,
    ],
)
def test_a_mask_is_recognised_in_any_colour_and_inverted(tmp_path, mask):
    if mask.dtype == np.uint8 and mask.ndim == 2:
        Image.fromarray(mask).save(tmp_path / "m.png")
    else:
        order = [2, 1, 0, 3][: mask.shape[2]] if mask.ndim == 3 else slice(None)
        cv2.imwrite(str(tmp_path / "m.png"), mask[..., order] if mask.ndim == 3 else mask)
    np.testing.assert_array_equal(read_mask(tmp_path / "m.png") > 0, CELL > 0)


def test_a_palette_mask_is_recognised(tmp_path):
    indexed = Image.fromarray((CELL > 0).astype(np.uint8))
    indexed.putpalette([0, 0, 0, 128, 0, 0])
    indexed.save(tmp_path / "m.png")
    np.testing.assert_array_equal(read_mask(tmp_path / "m.png") > 0, CELL > 0)


def test_a_phone_s_heic_is_read_where_its_reader_is_installed(tmp_path):
    pillow_heif = pytest.importorskip("pillow_heif", reason="the extra heic is not installed")
    pillow_heif.register_heif_opener()
    Image.fromarray(FIELD).save(tmp_path / "a.heic", quality=100)
    picture = read_picture(tmp_path / "a.heic")
    assert np.abs(picture.pixels.astype(int) - FIELD).mean() < 3
    assert (picture.page, picture.pages) == (1, 1)
