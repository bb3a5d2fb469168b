"""A field of one red and one green disc, and a segmenter that tells them apart by colour."""

from typing import ClassVar

import cv2
import numpy as np

from bloodseg_lib.classes import HEALTHY_RBC, INFECTED_RBC
from bloodseg_lib.prediction.scale import AT_40X
from bloodseg_lib.prediction.segmenter import PredictionConfig, segment_image

FIELD = np.full((120, 160, 3), 255, np.uint8)
cv2.circle(FIELD, (50, 60), 18, (255, 0, 0), -1)
cv2.circle(FIELD, (110, 60), 18, (0, 255, 0), -1)


class RedAndGreen:
    """A segmenter that calls red infected, green healthy and all else background."""

    identity: ClassVar = {"network": "0123456789abcdef", "options": {}}

    def predict(self, tiles):
        labels = np.zeros(tiles.shape[:3], np.uint8)
        labels[(tiles[..., 0] > 128) & (tiles[..., 1] < 128)] = INFECTED_RBC
        labels[(tiles[..., 1] > 128) & (tiles[..., 0] < 128)] = HEALTHY_RBC
        return np.eye(10, dtype=np.float32)[labels]

    def segment(self, image, scale=AT_40X, on_progress=None):
        plain = PredictionConfig(preprocess=False)
        return segment_image(image, self.predict, scale, plain, on_progress=on_progress)
