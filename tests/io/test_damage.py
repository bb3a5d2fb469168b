"""Bytes changed and files cut at random: refused in words, never another exception."""

from collections import Counter

import numpy as np
import pytest
from kinds import FIELD, KINDS, pillow

from bloodseg_lib.io import read_mask, read_picture

DAMAGED = {
    name: KINDS[name]
    for name in (
        "plain.png",
        "16_bits.png",
        "plain.bmp",
        "plain.webp",
        "indexed.gif",
        "plain.tif",
        "deflate.tif",
        "lzw.tif",
        "16_bits_lzw.tif",
        "ome_cyx.ome.tif",
        "pyramid.tif",
    )
} | {"photo.jpg": pillow(FIELD, quality=90)}
CHANGES = 17  # of each of twelve kinds: 204
CHECKED = ("plain.png", "16_bits.png")
"""Kinds with a checksum over the pixels."""


def damaged(data, rng):
    """A file with one byte changed, in every other case near its beginning, or cut."""
    changed = bytearray(data)
    if rng.random() < 0.3:
        return data[: rng.integers(1, len(data))]
    place = rng.integers(len(data) if rng.random() < 0.5 else min(400, len(data)))
    changed[place] ^= 1 << rng.integers(8)
    return bytes(changed)


@pytest.mark.parametrize("name", DAMAGED)
def test_damage_is_refused_in_words_or_read_but_raises_nothing_else(tmp_path, name):
    path = tmp_path / name
    DAMAGED[name](path)
    data, right = path.read_bytes(), read_picture(path).pixels
    rng = np.random.default_rng([len(name), *name.encode()])
    became = Counter()
    for _ in range(CHANGES):
        path.write_bytes(damaged(data, rng))
        for read in (read_picture, read_mask):
            try:
                found = read(path)
            except ValueError as error:
                assert str(error).startswith(f"{path}: expected")
                became["refused"] += 1
            else:
                if read is read_picture:
                    became["same" if np.array_equal(found.pixels, right) else "other"] += 1
    assert became["refused"]
    if name in CHECKED:
        assert not became["other"]
