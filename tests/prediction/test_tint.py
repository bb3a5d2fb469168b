"""Grey pictures that were tinted: the brightness of a pixel tells its colour."""

import cv2
import numpy as np
import pytest

from bloodseg_lib.prediction.preprocessing import Preprocessing
from bloodseg_lib.prediction.quality import judge
from bloodseg_lib.prediction.scale import AT_40X
from bloodseg_lib.prediction.segmenter import Segmentation
from bloodseg_lib.prediction.tint import is_tinted_grey

TINTS = {
    "sepia": lambda v: (v + 0.04, 0.89 * v, 0.7 * v),
    "eosin": lambda v: (v**0.6, v**1.3, v**0.9),
    "blue": lambda v: (0.8 * v, 0.9 * v, v),
    "none": lambda v: (v, v, v),
}


def smear(seed=0):
    """Red cells and some blue ones on a slide, with the noise of a camera, ``(300, 400, 3)``."""
    rng = np.random.default_rng(seed)
    density = np.zeros((300, 400, 3))
    for number in range(70):
        stain = (0.5, 0.6, 0.1) if number % 10 == 0 else (0.05, 0.4, 0.2)
        disc = np.zeros((300, 400))
        x, y = (int(rng.integers(0, side)) for side in (400, 300))
        cv2.circle(disc, (x, y), 15, rng.uniform(0.6, 1), -1)
        density += cv2.GaussianBlur(disc, (0, 0), 2)[:, :, None] * stain
    light = 235 * np.exp(-density) * np.linspace(0.9, 1, 400)[None, :, None]
    return np.clip(light + rng.normal(0, 2, light.shape), 0, 255).astype(np.uint8)


def tinted(image, tint):
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY) / 255
    return np.clip(np.dstack(TINTS[tint](grey)) * 255, 0, 255).astype(np.uint8)


def as_jpeg(image, quality):
    return cv2.imdecode(cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])[1], 1)


@pytest.mark.parametrize("tint", TINTS)
@pytest.mark.parametrize("quality", [None, 95, 85])
def test_a_tinted_grey_picture_is_told_and_a_stained_one_is_not(tint, quality):
    pictures = [tinted(smear(), tint), smear()]
    if quality:
        pictures = [as_jpeg(picture, quality) for picture in pictures]
    assert [is_tinted_grey(picture) for picture in pictures] == [True, False]


@pytest.mark.parametrize("size", [(300, 400), (20, 30)])
def test_a_drawing_and_a_scrap_have_one_curve_by_chance_only(size):
    image = np.full((*size, 3), (240, 220, 230), np.uint8)
    cv2.circle(image, (15, 10), 8, (200, 120, 170), -1, cv2.LINE_AA)
    assert not is_tinted_grey(image)


def test_the_words_of_a_tinted_picture_are_those_of_a_grey_one():
    words = "The picture is grey: the kinds of white cells differ in colour above all."
    for picture, said in ((tinted(smear(), "eosin"), True), (smear(), False)):
        preparation = Preprocessing.of(picture, reference_stain=False)
        segmentation = Segmentation(np.zeros((300, 400), np.uint8), None, AT_40X, preparation)
        quality = judge(picture, segmentation, ())
        assert (words in [finding.sentence for finding in quality.findings]) is said
        assert bool(quality.reason("differential")) is said
