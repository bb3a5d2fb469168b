"""The animation of the README: the network of the package on a drawn field with all nine classes.

``python experiments/readme_field.py`` writes ``images/field.gif`` again.
"""

from pathlib import Path

import numpy as np

from bloodseg_lib import figures
from bloodseg_lib.classes import (
    BASOPHIL,
    EOSINOPHIL,
    LYMPHOCYTE,
    MONOCYTE,
    NEUTROPHIL,
    PLATELET_CLUMP,
    THROMBOCYTE,
)
from bloodseg_lib.network import checkpoint_path
from bloodseg_lib.prediction import AT_40X, Segmenter
from bloodseg_lib.samples import phantom
from bloodseg_lib.smears import Canvas, PlacedCell, Pool, Recipe, compose_background

FIELD = np.s_[:360, :720]
PLACES = (  # class, y, x
    (EOSINOPHIL, 60, 70),
    (NEUTROPHIL, 50, 330),
    (LYMPHOCYTE, 230, 480),
    (MONOCYTE, 60, 520),
    (BASOPHIL, 240, 90),
    (PLATELET_CLUMP, 170, 250),
    (THROMBOCYTE, 120, 210),
    (THROMBOCYTE, 270, 330),
    (NEUTROPHIL, 250, 600),
)


def drawn_field(seed: int = 2) -> np.ndarray:
    """``(360, 720, 3) uint8``: red cells at random, white cells and platelets at their places."""
    rng = np.random.default_rng(seed)
    cells = list(phantom.read(12, seed=1))
    recipe = Recipe(background_size_px=720, rbc_count=(150, 150), rbc_overlap=0.1)
    pool = Pool([(f"drawn {i}", cell) for i, cell in enumerate(cells)])
    scene = compose_background(pool, "ni", recipe, rng)
    canvas = Canvas(scene.image[FIELD], scene.instances[FIELD], list(scene.cells), recipe)
    for class_id, y, x in PLACES:
        of_class = [cell for cell in cells if cell.class_id == class_id]
        chosen = of_class[rng.integers(len(of_class))]
        canvas.paste(chosen.rgba, PlacedCell(class_id, "drawn"), y, x)
    return canvas.image


if __name__ == "__main__":
    field = drawn_field()
    found = Segmenter(checkpoint_path("released")).segment(field, AT_40X)
    frames = figures.heat_map_frames(field, found.probabilities)
    images = Path(__file__).resolve().parents[1] / "images"
    figures.write_gif(images / "field.gif", [frames[0], frames[-1], *frames[1:-1]], 1200)
