import numpy as np
import pytest
from disc_fields import PURPLE, RED_CELL, field, grid

from bloodseg_lib.classes import HEALTHY_RBC, RBC_DIAMETER_PX
from bloodseg_lib.samples.extraction.clusters import STACKS_PER_FIELD, stack_samples
from bloodseg_lib.samples.extraction.red_cells import red_cells
from bloodseg_lib.samples.sample import CLUSTER

FREE = grid()[:8]  # two columns, x 40 and 100
PAIR = [(220, 100, 20, RED_CELL), (250, 100, 20, RED_CELL)]


def stacks_of(*discs, **options):
    image = field(*FREE, *discs, **options)
    return list(stack_samples(image, red_cells(image, 40), "s", "f", 41.0))


def test_cells_that_overlap_are_one_healthy_sample_with_the_pixels_of_both():
    (stack,) = stacks_of(*PAIR)
    assert (stack.class_id, stack.source, stack.group) == (HEALTHY_RBC, "s", "f")
    assert stack.name.startswith("f_rbc_") and stack.name.endswith(CLUSTER)
    # where two discs overlap whose middles are 30 apart
    lens = 2 * 20**2 * (np.arccos(30 / 40) - 30 / 40 * np.sqrt(1 - (30 / 40) ** 2))
    assert stack.area_px == pytest.approx(
        (2 * np.pi * 20**2 - lens) * (RBC_DIAMETER_PX / 41) ** 2, rel=0.06
    )


def test_free_lying_cells_are_no_stacks():
    assert stacks_of() == []


@pytest.mark.parametrize("colour", [PURPLE, (90, 40, 130)], ids=["platelet", "nucleus"])
def test_what_shows_more_than_red_cells_is_left_alone(colour):
    assert stacks_of(*PAIR, (250, 100, 8, colour)) == []


def test_what_is_cut_by_the_border_is_left_alone():
    assert stacks_of((385, 100, 20, RED_CELL), (360, 100, 20, RED_CELL)) == []


def test_cells_that_lie_open_to_the_slide_are_left_alone():
    crescent = [(220, 100, 20, RED_CELL), (250, 100, 20, RED_CELL), (262, 100, 14, (250, 240, 150))]
    assert stacks_of(*crescent) == []


def test_a_small_hole_is_the_pallor_of_a_cell_and_part_of_it():
    (whole,), (pale,) = stacks_of(*PAIR), stacks_of(*PAIR, (218, 100, 5, (250, 240, 150)))
    assert pale.area_px == pytest.approx(whole.area_px, rel=0.01)


def test_a_field_without_free_lying_cells_gives_none():
    image = field(*PAIR)
    assert list(stack_samples(image, red_cells(image, 40), "s", "f", 41.0)) == []


def test_at_most_so_many_of_a_field():
    pairs = [
        (x + dx, y, 20, RED_CELL)
        for x in range(180, 1100, 90)
        for y in (40, 100, 160)
        for dx in (0, 30)
    ]
    assert len(stacks_of(*pairs, size=(200, 1200))) == STACKS_PER_FIELD
