import numpy as np
import pytest
from disc_fields import PURPLE, RED_CELL, field, grid, of_image

from bloodseg_lib.classes import HEALTHY_RBC, RBC_DIAMETER_PX
from bloodseg_lib.samples.extraction.field import CLUSTERS_PER_FIELD
from bloodseg_lib.samples.sample import CLUSTER

ISOLATED = grid()[:8]  # two columns, x 40 and 100
PAIR = [(220, 100, 20, RED_CELL), (250, 100, 20, RED_CELL)]


def clusters_of(*discs, **options):
    return list(of_image(field(*ISOLATED, *discs, **options), 41, measure=False).clusters())


def test_cells_that_overlap_are_one_healthy_sample_with_the_pixels_of_both():
    (cluster,) = clusters_of(*PAIR)
    assert (cluster.class_id, cluster.source, cluster.group) == (HEALTHY_RBC, "s", "f")
    assert cluster.name.startswith("f_rbc_") and cluster.name.endswith(CLUSTER)
    # where two discs overlap whose middles are 30 apart
    lens = 2 * 20**2 * (np.arccos(30 / 40) - 30 / 40 * np.sqrt(1 - (30 / 40) ** 2))
    assert cluster.area_px == pytest.approx(
        (2 * np.pi * 20**2 - lens) * (RBC_DIAMETER_PX / 41) ** 2, rel=0.06
    )


def test_isolated_cells_are_no_clusters():
    assert clusters_of() == []


@pytest.mark.parametrize("colour", [PURPLE, (90, 40, 130)], ids=["platelet", "nucleus"])
def test_what_shows_more_than_red_cells_is_left_alone(colour):
    assert clusters_of(*PAIR, (250, 100, 8, colour)) == []


def test_what_is_cut_by_the_border_is_left_alone():
    assert clusters_of((385, 100, 20, RED_CELL), (360, 100, 20, RED_CELL)) == []


def test_cells_that_are_open_to_the_background_are_left_alone():
    crescent = [(220, 100, 20, RED_CELL), (250, 100, 20, RED_CELL), (262, 100, 14, (250, 240, 150))]
    assert clusters_of(*crescent) == []


def test_a_small_hole_is_the_pallor_of_a_cell_and_part_of_it():
    (whole,), (pale,) = clusters_of(*PAIR), clusters_of(*PAIR, (218, 100, 5, (250, 240, 150)))
    assert pale.area_px == pytest.approx(whole.area_px, rel=0.01)


def test_a_field_without_isolated_cells_gives_none():
    assert list(of_image(field(*PAIR)).clusters()) == []


def test_at_most_so_many_of_a_field():
    pairs = [
        (x + dx, y, 20, RED_CELL)
        for x in range(180, 1100, 90)
        for y in (40, 100, 160)
        for dx in (0, 30)
    ]
    assert len(clusters_of(*pairs, size=(200, 1200))) == CLUSTERS_PER_FIELD
