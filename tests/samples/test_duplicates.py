import cv2
import numpy as np

from bloodseg_lib.samples.duplicates import near_duplicates, thumbnail


def cell(seed, radius=30):
    """A cell with a texture of its own."""
    rng = np.random.default_rng(seed)
    side = 2 * radius + 1
    texture = cv2.GaussianBlur(rng.normal(0, 1, (side, side)).astype(np.float32), (0, 0), 1.2)
    grey = np.clip(150 + 40 * texture / texture.std(), 0, 255).astype(np.uint8)
    alpha = cv2.circle(np.zeros((side, side), np.uint8), (radius, radius), radius, 255, -1)
    return np.dstack([grey, grey // 2, grey, alpha])


def pairs(samples):
    areas = [int((s[:, :, 3] > 0).sum()) for s in samples]
    found = near_duplicates(
        list(range(len(samples))), areas, [thumbnail(s) for s in samples], lambda i: samples[i]
    )
    return {tuple(sorted(pair)) for pair in found}


def saved_again(rgba, quality=80):
    colours = cv2.imdecode(
        cv2.imencode(".jpg", rgba[:, :, :3], [cv2.IMWRITE_JPEG_QUALITY, quality])[1],
        cv2.IMREAD_COLOR,
    )
    return np.dstack([colours, rgba[:, :, 3]])


def test_a_crop_saved_as_jpeg_again_is_found():
    assert pairs([cell(0), cell(1), saved_again(cell(0))]) == {(0, 2)}


def test_a_crop_whose_edge_differs_by_a_pixel_is_found():
    assert pairs([cell(0), cell(1), np.ascontiguousarray(cell(0)[1:])]) == {(0, 2)}


def test_different_cells_of_one_shape_and_colour_are_no_pair():
    assert pairs([cell(i) for i in range(40)]) == set()


def test_plain_cells_without_any_grain_are_no_pair():
    plain = cell(0)
    plain[:, :, :3] = 150
    assert pairs([plain, plain.copy()]) == set()


def test_no_samples_are_no_pairs():
    assert pairs([]) == set()
