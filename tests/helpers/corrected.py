"""Fields of a red and a green cell that were corrected in the panel, as it keeps them."""

import numpy as np
from red_and_green import FIELD, RedAndGreen

from bloodseg_lib.classes import HEALTHY_RBC, NEUTROPHIL
from bloodseg_lib.panel.session import PanelSession

RED, GREEN = (60, 50), (60, 110)
"""Row and column of the middle of each cell."""


def correct_fields(folder, *names, person=lambda session: session.correct(1, NEUTROPHIL)):
    """Segment a field of each name and have a person correct it: the red cell is a neutrophil.

    The fields differ in one pixel: the panel knows fields by their pixels.
    """
    for number, name in enumerate(names):
        field = FIELD.copy()
        field[0, number] = 254
        session = PanelSession(RedAndGreen(), folder=folder)
        session.segment(field, name, 37)
        person(session)


def neutrophils_and_green(tiles):
    """A network that learned: what is red is a neutrophil, what is green healthy."""
    labels = np.zeros(tiles.shape[:3], np.uint8)
    labels[(tiles[..., 0] > 128) & (tiles[..., 1] < 128)] = NEUTROPHIL
    labels[(tiles[..., 1] > 128) & (tiles[..., 0] < 128)] = HEALTHY_RBC
    return np.eye(10, dtype=np.float32)[labels]
