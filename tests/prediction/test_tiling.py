import cv2
import numpy as np
import pytest

from bloodseg_lib.classes import NUM_CLASSES
from bloodseg_lib.prediction import tiling
from bloodseg_lib.prediction.tiling import (
    ResampledImage,
    blended_rows,
    tile_layout,
    tile_side,
    tile_windows,
)

AS_IT_IS = np.repeat(np.arange(256, dtype=np.uint8)[:, None], 3, axis=1)


def noise(height, width, channels=3):
    values = np.random.default_rng(0).integers(0, 256, (height, width, channels), np.uint8)
    return cv2.GaussianBlur(values, (0, 0), 1.0)


def per_pixel(tiles):
    """A network that sees one pixel: green in the first class, red in the last."""
    found = np.zeros((*tiles.shape[:3], NUM_CLASSES), np.float32)
    found[..., 0], found[..., -1] = tiles[..., 1] / 255, tiles[..., 0] / 255
    return found


def predicted(image, network=per_pixel, overlap_px=64, at_once_px=224**2, on_progress=None):
    """All bands of an image, in tiles of 224, put together."""
    options = (overlap_px, at_once_px, 224, on_progress or (lambda fraction: None))
    return np.concatenate([band.copy() for band in blended_rows(image, network, *options)])


def test_beyond_its_edge_an_image_is_continued_by_reflection():
    """The last row and column are not repeated: 3 x 3 pixels 0..8 become 5 x 5."""
    image = np.arange(9, dtype=np.uint8).reshape(3, 3, 1).repeat(3, axis=2)
    rows = ResampledImage(image, 1.0, AS_IT_IS).rows(0, 5, 5)
    assert rows[:, :, 1].tolist() == [
        [0, 1, 2, 1, 0],
        [3, 4, 5, 4, 3],
        [6, 7, 8, 7, 6],
        [3, 4, 5, 4, 3],
        [0, 1, 2, 1, 0],
    ]


@pytest.mark.parametrize("factor", [0.3, 0.5, 0.8, 1.0, 1.3, 2.0, 3.1])
def test_an_image_at_40x_is_what_opencv_makes_of_it_wherever_it_is_cut(factor):
    image = noise(61, 47)
    at_40x = ResampledImage(image, factor, AS_IT_IS)
    height, width = round(61 * factor), round(47 * factor)
    assert (at_40x.height, at_40x.width) == (height, width)
    how = cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC
    expected = cv2.resize(image, (width, height), interpolation=how)
    whole = at_40x.rows(0, height, width)
    assert np.abs(whole.astype(int) - expected).max() <= 1
    for cut in (1, height // 3, height - 1):
        parts = [at_40x.rows(0, cut, width), at_40x.rows(cut, height, width)]
        np.testing.assert_array_equal(np.concatenate(parts), whole)


def test_a_grey_level_of_the_image_is_looked_up_in_the_table():
    """Also at the ends of a cubic curve, which goes beyond black and white."""
    image = np.zeros((20, 20, 3), np.uint8)
    image[8:12] = 255
    darker = (AS_IT_IS // 2 + [0, 10, 20]).astype(np.uint8)
    assert ResampledImage(image, 1.0, darker).rows(9, 10, 20)[0, 0].tolist() == [127, 137, 147]
    enlarged = ResampledImage(image, 4.0, AS_IT_IS).rows(0, 80, 80)
    assert enlarged[:30].max() < 30 and enlarged[34:46].min() > 225 and enlarged[10].max() == 0
    even = ResampledImage(np.full_like(image, 100), 1.7, AS_IT_IS)
    assert (even.rows(0, 34, 34) == 100).all()
    dot = ResampledImage(image[:1, :1], 0.1, AS_IT_IS)
    assert (dot.height, dot.width) == (1, 1) and dot.rows(0, 1, 1).shape == (1, 1, 3)


@pytest.mark.parametrize("factor", [0.3, 0.5, 0.8, 1.0, 1.3, 2.0, 3.1])
@pytest.mark.parametrize("chunk_rows", [5, 64])
def test_probabilities_come_back_as_opencv_resamples_them(factor, chunk_rows, monkeypatch):
    monkeypatch.setattr(tiling, "_CHUNK_ROWS", chunk_rows)
    image = ResampledImage(np.zeros((91, 47, 3), np.uint8), factor, AS_IT_IS)
    there = noise(image.height, image.width, NUM_CLASSES).astype(np.float32)
    how = cv2.INTER_LINEAR if factor < 1 else cv2.INTER_AREA
    layers = [cv2.resize(there[:, :, i], (47, 91), interpolation=how) for i in range(NUM_CLASSES)]
    for size in (1, 13, image.height):
        bands = (there[first : first + size] for first in range(0, image.height, size))
        found = list(image.resampled_back(bands))
        assert max(map(len, found)) <= chunk_rows
        np.testing.assert_allclose(np.concatenate(found), np.dstack(layers), atol=0.05)


@pytest.mark.parametrize(
    ("length", "largest_px", "expected"),
    [
        (1, 896, 224),
        (224, 896, 224),
        (225, 896, 256),
        (896, 896, 896),
        (897, 896, 512),  # two, of (897 + 64) / 2 = 481 at least
        (1728, 896, 896),  # 2 x 896 - 64
        (1729, 896, 640),  # three, of (1729 + 128) / 3 = 619
        (1000, 224, 224),
    ],
)
def test_a_tile_is_as_small_as_the_least_number_of_tiles_allows(length, largest_px, expected):
    assert tile_side(length, 64, largest_px) == expected
    assert tile_side(length, 64) == expected or largest_px < 896


def test_windows_of_two_tiles_by_hand():
    """Of 400 pixels they share 48. From its end inwards, a tile weighs nothing for 10 pixels and
    all from 30 on, as a fraction of what both weigh.
    """
    (first, left), (second, right) = tile_windows(400, 40)
    assert (first, second) == (0, 176) and left.dtype == np.float32
    assert (left[:176] == 1).all() and (right[-176:] == 1).all()
    assert (left[-10:] == 0).all() and (right[:10] == 0).all() and left[-11] > 0 < right[10]
    np.testing.assert_allclose(left[176:], right[:48][::-1], atol=1e-6)
    assert (left[176:186] == 1).all() and left[199] + left[200] == pytest.approx(1)
    # 14.5 pixels within the left one, 33.5 within the right one
    ramp = np.sin((14.5 - 10) / 20 * np.pi / 2) ** 2
    assert left[209] == pytest.approx(ramp / (ramp + 1), abs=1e-6)
    assert [window.tolist() for _, window in tile_windows(448, 0)] == [[1] * 224] * 2
    assert [start for start, _ in tile_windows(224, 112)] == [0]


def test_a_layout_by_hand():
    """A tile alone costs 0.7 more: one of 832 x 224 as much as 1414 x 224, two of 448 together 896.
    One of 480 x 480 costs 391,680, four of 256 x 256, two at once, 262,144.
    """
    assert tile_layout(200, 200, 64, 224**2) == (224, 224, 1)
    assert tile_layout(384, 384, 64, 0) == (224, 224, 1)
    assert tile_layout(832, 224, 64, 4 * 448 * 224) == (448, 224, 2)
    assert tile_layout(832, 224, 64, 4 * 448 * 224, 224) == (224, 224, 5)
    assert tile_layout(480, 480, 0, 480**2) == (256, 256, 2)


def test_tiles_of_a_wide_image_are_as_high_as_memory_allows():
    """A row of 40 bytes a pixel has 2^28 bytes: of 14,979 pixels' width, 448 rows."""
    assert tile_layout(10**6, 4000, 64, 10**6)[1] == 224
    assert tile_layout(14979, 448, 64, 10**7)[1] == 448
    assert tile_layout(14980, 448, 64, 10**7)[1] == 256  # two of (448 + 64) / 2


@pytest.mark.parametrize("shape", [(50, 60), (224, 300), (500, 610)])
def test_a_network_that_sees_one_pixel_says_the_same_in_tiles(shape):
    image, told = noise(*shape), []
    found = predicted(ResampledImage(image, 1.0, AS_IT_IS), on_progress=told.append)
    np.testing.assert_allclose(found, per_pixel(image[None])[0], atol=1e-6)
    steps = len(told)
    assert steps and told == pytest.approx([(i + 1) / steps for i in range(steps)])


def test_only_a_row_of_tiles_is_held_and_tiles_pass_together():
    seen = []

    def network(tiles):
        seen.append(tiles.shape)
        return per_pixel(tiles)

    image = ResampledImage(noise(500, 610), 1.0, AS_IT_IS)
    bands = blended_rows(image, network, 64, 2 * 224**2, 224, lambda fraction: None)
    assert [len(band) for band in bands] == [138, 138, 224]
    assert {shape[1:] for shape in seen} == {(224, 224, 3)} and max(s[0] for s in seen) == 2


def test_a_network_of_another_shape_is_told():
    image = ResampledImage(noise(50, 60), 1.0, AS_IT_IS)
    with pytest.raises(ValueError, match=r"gives \(1, 224, 224, 10\) for \(1, 224, 224, 3\)"):
        predicted(image, lambda tiles: per_pixel(tiles)[..., :9])
