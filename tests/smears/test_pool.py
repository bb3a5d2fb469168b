from dataclasses import replace

import numpy as np
import pytest
from discs import disc

from bloodseg_lib.classes import (
    HEALTHY_RBC,
    NEUTROPHIL,
)
from bloodseg_lib.smears.pool import Pool, combinations
from bloodseg_lib.smears.recipe import Recipe


def test_all_combinations_of_one_or_two_on_three_backgrounds(pool):
    made = combinations(pool)
    assert len(made) == len(set(made)) == (7 + 7 * 8 // 2) * 3


def test_classes_without_samples_are_left_out_of_the_combinations():
    pool = Pool([("a", disc(NEUTROPHIL, 0)), ("b", disc(HEALTHY_RBC, 0))])
    assert combinations(pool) == [((NEUTROPHIL,), "nn"), ((NEUTROPHIL, NEUTROPHIL), "nn")]


def test_a_patient_with_many_cells_outweighs_no_other_where_the_recipe_says_so():
    samples = [
        ("one", replace(disc(HEALTHY_RBC, 0), group="one")),
        *((f"many{i}", replace(disc(HEALTHY_RBC, i), group="many")) for i in range(9)),
    ]
    pool, rng = Pool(samples), np.random.default_rng(0)

    def of_one(even):
        return sum(
            pool.draw(HEALTHY_RBC, Recipe(even_groups=even), rng, source)[0] == "one"
            for source in (None, "discs")
            for _ in range(200)
        )

    assert of_one(False) == pytest.approx(40, abs=20)  # a tenth of 400, standard deviation 6
    assert of_one(True) == pytest.approx(200, abs=35)  # half of them, standard deviation 10
