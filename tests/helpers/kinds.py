"""One drawn field in every kind of file that holds its pixels without loss."""

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import tifffile
from drawn_fields import drawn_field
from PIL import Image

FIELD = drawn_field()
FIELD.flags.writeable = False
DEEP = FIELD.astype(np.uint16)
OPAQUE = np.full((*FIELD.shape[:2], 1), 255, np.uint8)
SMALL = FIELD[::8, ::8].copy()

Write = Callable[[Path], object]


def tiff(array: np.ndarray, **options: object) -> Write:
    """Writes a TIFF; RGB unless told otherwise."""
    return lambda path: tifffile.imwrite(path, array, **{"photometric": "rgb", **options})


def pages(*arrays: np.ndarray, **options: object) -> Write:
    """Writes a TIFF of several pages."""

    def write(path: Path) -> None:
        with tifffile.TiffWriter(path, **options) as file:
            for array in arrays:
                file.write(array, photometric="rgb", metadata=None)

    return write


def pillow(array: np.ndarray, **options: object) -> Write:
    return lambda path: Image.fromarray(array).save(path, **options)


def opencv(array: np.ndarray) -> Write:
    """Writes RGB or RGBA by OpenCV, which knows 16 bits."""
    order = [2, 1, 0, 3][: array.shape[2]]
    return lambda path: cv2.imwrite(str(path), array[:, :, order])


def opencv_tiff(array: np.ndarray, compression: int) -> Write:
    tag = [cv2.IMWRITE_TIFF_COMPRESSION, compression]
    return lambda path: cv2.imwrite(str(path), array[:, :, ::-1], tag)


def palette(path: Path) -> None:
    Image.fromarray(FIELD).quantize(16).save(path)


def pyramid(path: Path) -> None:
    with tifffile.TiffWriter(path) as file:
        file.write(FIELD, photometric="rgb", subifds=1)
        file.write(FIELD[::2, ::2], photometric="rgb", subfiletype=1)


PLANES = np.ascontiguousarray(FIELD.transpose(2, 0, 1))
LZW = 5


def pam(path: Path) -> None:
    height, width = FIELD.shape[:2]
    header = f"P7\nWIDTH {width}\nHEIGHT {height}\nDEPTH 3\nMAXVAL 255\nTUPLTYPE RGB\nENDHDR\n"
    path.write_bytes(header.encode() + FIELD.tobytes())


def jpeg_2000(array: np.ndarray) -> Write:
    """Writes it without loss."""
    return lambda path: cv2.imwrite(
        str(path), array[:, :, ::-1], [cv2.IMWRITE_JPEG2000_COMPRESSION_X1000, 1000]
    )


KINDS: dict[str, Write] = {
    "plain.png": pillow(FIELD),
    "plain.bmp": pillow(FIELD),
    "plain.webp": pillow(FIELD, lossless=True),
    "plain.ppm": pillow(FIELD),
    "plain.pam": pam,
    "indexed.png": palette,
    "indexed.gif": palette,
    "indexed.tif": palette,
    "opaque.png": pillow(np.dstack([FIELD, OPAQUE])),
    "plain.tif": tiff(FIELD),
    "big_endian.tif": tiff(FIELD, byteorder=">"),
    "big.tif": tiff(FIELD, bigtiff=True),
    "deflate.tif": tiff(FIELD, compression="zlib", predictor=True),
    "packbits.tif": pillow(FIELD, compression="packbits"),
    "tiled.tif": tiff(FIELD, tile=(64, 64)),
    "lzw.tif": opencv_tiff(FIELD, LZW),
    "planar.tif": tiff(PLANES, planarconfig="separate"),
    "planar_tiles.tif": tiff(PLANES, planarconfig="separate", tile=(64, 64), compression="zlib"),
    "alpha.tif": tiff(np.dstack([FIELD, OPAQUE]), extrasamples=["unassalpha"]),
    "unexplained.tif": tiff(np.dstack([FIELD, 0 * OPAQUE]), extrasamples=["unspecified"]),
    "unexplained_deflate.tif": tiff(
        np.dstack([FIELD, 0 * OPAQUE]), extrasamples=["unspecified"], compression="zlib"
    ),
    "all_clear.png": pillow(np.dstack([FIELD, 0 * OPAQUE])),
    "all_clear.tif": tiff(np.dstack([FIELD, 0 * OPAQUE]), extrasamples=["unassalpha"]),
    "16_bits.tif": tiff(DEEP * 257),
    "16_bits_big_endian.tif": tiff(DEEP * 257, byteorder=">"),
    "16_bits.png": opencv(DEEP * 257),
    "16_bits_lzw.tif": opencv_tiff(DEEP * 257, LZW),
    "16_bits_planar.tif": tiff(PLANES.astype(np.uint16) * 257, planarconfig="separate"),
    "14_bits.tif": tiff(DEEP * 64),
    "12_bits.tif": tiff(DEEP * 16),
    "12_bits.png": opencv(DEEP * 16),
    "12_bits_lzw.tif": opencv_tiff(DEEP * 16, LZW),
    "12_bits_alpha.png": opencv(np.dstack([DEEP * 16, 0 * DEEP[:, :, :1]])),
    "12_bits_opaque.png": opencv(np.dstack([DEEP * 16, OPAQUE.astype(np.uint16) * 257])),
    "10_bits.tif": tiff(DEEP * 4),
    "16_bits.jp2": jpeg_2000(DEEP * 257),
    "12_bits.jp2": jpeg_2000(DEEP * 16),
    "8_in_16_bits.tif": tiff(DEEP),
    "8_in_16_bits.png": opencv(DEEP),
    "8_in_signed_16_bits.tif": tiff(FIELD.astype(np.int16)),
    "15_bits_signed.tif": tiff(FIELD.astype(np.int16) * 128),
    "float_to_1.tif": tiff(FIELD.astype(np.float32) / 255),
    "float_to_255.tif": tiff(FIELD.astype(np.float32)),
    "ome.ome.tif": tiff(FIELD, metadata={"axes": "YXS"}),
    "ome_cyx.ome.tif": tiff(PLANES, photometric="minisblack", metadata={"axes": "CYX"}),
    "ome_cyx_deflate.ome.tif": tiff(
        PLANES, photometric="minisblack", metadata={"axes": "CYX"}, compression="zlib"
    ),
    "ome_tczyx.ome.tif": tiff(
        PLANES[None, :, None], photometric="minisblack", metadata={"axes": "TCZYX"}
    ),
    "imagej_cyx.tif": tiff(PLANES, photometric="minisblack", imagej=True, metadata={"axes": "CYX"}),
    "imagej_12_bits.tif": tiff(
        PLANES.astype(np.uint16) * 16,
        photometric="minisblack",
        imagej=True,
        metadata={"axes": "CYX"},
    ),
    "pyramid.tif": pyramid,
    "pages_of_a_pyramid.tif": pages(FIELD, FIELD[::2, ::2].copy(), SMALL),
    "thumbnail_first.tif": pages(SMALL, FIELD),
}
"""Name of the file -> what writes it: each must be read as :data:`FIELD`."""
