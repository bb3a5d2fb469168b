from dataclasses import replace

import numpy as np
import pytest
from discs import disc

from bloodseg_lib.classes import (
    HEALTHY_RBC,
    NEUTROPHIL,
)
from bloodseg_lib.samples.extraction.stain import REFERENCE_DENSITY, Stain
from bloodseg_lib.smears.pool import Pool, at_reference_stain, combinations
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


def test_samples_are_brought_to_the_reference_by_the_stain_of_their_field():
    sample = replace(disc(NEUTROPHIL, 128), stain=Stain((0.5, 0.74, 0.44)))
    ((_, brought),) = at_reference_stain([("a", sample)])
    assert brought.median_od == pytest.approx(sample.median_od / 2, abs=0.01)
    assert np.array_equal(brought.rgba[:, :, 3], sample.rgba[:, :, 3])


def test_where_no_field_was_seen_the_red_cells_of_a_patient_tell_the_stain():
    levels = (180, 190, 200)
    red = [replace(disc(HEALTHY_RBC, v), group="P1", name=str(v)) for v in levels]
    white = replace(disc(NEUTROPHIL, 60), group="P1")
    brought = dict(at_reference_stain([*((s.name, s) for s in red), ("white", white)]))
    factors = Stain(tuple(red[1].median_od.tolist())).factors
    assert brought["190"].median_od[1] == pytest.approx(REFERENCE_DENSITY[1], abs=0.01)
    assert brought["white"].median_od == pytest.approx(white.median_od * factors, abs=0.01)


def test_samples_of_an_unknown_stain_stay_as_they_are():
    sample = disc(NEUTROPHIL, 128)
    ((_, brought),) = at_reference_stain([("a", sample)])
    assert np.array_equal(brought.rgba, sample.rgba)
