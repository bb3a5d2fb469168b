"""Files that are no image, or an unusual one."""

import io
import struct
import zlib

import numpy as np
from PIL import Image


def encoded(image, format, **options):
    """An image as the bytes of a file."""
    data = io.BytesIO()
    picture = image if isinstance(image, Image.Image) else Image.fromarray(image)
    picture.save(data, format, **options)
    return data.getvalue()


def png_header(width, height):
    """The start of a PNG that claims to be very large."""

    def chunk(kind, data):
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
        + chunk(b"IDAT", b"")
        + chunk(b"IEND", b"")
    )


# 232 x 232
IMAGE = (
    np.random.default_rng(0).random((29, 29, 3)).repeat(8, axis=0).repeat(8, axis=1) * 255
).astype(np.uint8)

BAD = {
    "empty.png": (b"", "empty file"),
    "cut.png": (encoded(IMAGE, "PNG")[: len(encoded(IMAGE, "PNG")) // 2], "cannot be decoded"),
    "cut.jpg": (encoded(IMAGE, "JPEG")[: len(encoded(IMAGE, "JPEG")) // 2], "cannot be decoded"),
    "text.png": (b"hello", "received a text"),
    "short.png": (b"\x89PNG\r\n", "cannot be decoded"),
    "huge.png": (png_header(100_000, 100_000), "500 megapixels"),
}
"""Of each bad file its bytes and what must be said of it."""

UNUSUAL = {
    "sixteen.png": encoded(IMAGE[:, :, 0].astype(np.uint16) * 257, "PNG"),
    "alpha.png": encoded(np.dstack([IMAGE, np.full(IMAGE.shape[:2], 255, np.uint8)]), "PNG"),
    "cmyk.tif": encoded(Image.fromarray(IMAGE).convert("CMYK"), "TIFF"),
    "cmyk.jpg": encoded(Image.fromarray(IMAGE).convert("CMYK"), "JPEG"),
    "grey.bmp": encoded(IMAGE[:, :, 0], "BMP"),
    "tiny.png": encoded(IMAGE[:1, :1], "PNG"),
}
"""Files that are images all the same."""
