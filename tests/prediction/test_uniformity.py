import numpy as np
import pytest

from bloodseg_lib.classes import HEALTHY_RBC, INFECTED_RBC, NEUTROPHIL, Box
from bloodseg_lib.prediction.cells import Cell
from bloodseg_lib.prediction.finding import Finding
from bloodseg_lib.prediction.quality import STRETCHED, UNLIKE_HALVES, _of_the_shapes
from bloodseg_lib.prediction.uniformity import Uniformity

HEIGHT, WIDTH = 400, 600


def cell(x, y, width=36, height=36, class_id=HEALTHY_RBC):
    area = round(np.pi / 4 * width * height)
    centre = (x + width / 2, y + height / 2)
    return Cell(class_id, area, Box(x, y, width, height), centre, 1.0, 0.9)


def row_of(number, y=20, **like):
    return [cell(10 + 50 * i, y, **like) for i in range(number)]


def measured(cells):
    return Uniformity.of(cells, HEIGHT, WIDTH)


@pytest.mark.parametrize(
    ("width", "height", "stretch"), [(36, 36, 1), (45, 30, 1.5), (30, 45, 2 / 3)]
)
def test_the_stretch_is_of_the_red_cells(width, height, stretch):
    others = row_of(11, 300, width=20, height=80, class_id=NEUTROPHIL)
    found = measured(row_of(10, width=width, height=height) + others)
    assert found.stretch == pytest.approx(stretch)


def test_single_cells_of_any_shape_do_not_stretch_a_picture():
    assert measured(row_of(8) + row_of(4, 100, width=70, height=20)).stretch == 1


def test_infected_cells_are_red_cells_and_cut_ones_say_nothing():
    assert measured(row_of(10, class_id=INFECTED_RBC)).stretch == 1
    cut = [cell(10 + 50 * i, 0, height=10) for i in range(11)]
    cut += [cell(WIDTH - 10, 30 * i + 5, width=10) for i in range(11)]
    cut += [cell(10 + 50 * i, HEIGHT - 10, height=10) for i in range(11)]
    cut += [cell(0, 30 * i + 5, width=10) for i in range(11)]
    assert measured(cut) == (None, None)
    whole = [*row_of(5, 1), *row_of(5, HEIGHT - 37)]
    whole += [cell(x, 60 + 40 * i) for x in (1, WIDTH - 37) for i in range(5)]
    assert measured(whole[:10]).stretch == measured(whole[10:]).stretch == 1


def test_fewer_than_ten_say_nothing():
    assert measured(row_of(9)).stretch is None
    assert measured(row_of(10)).stretch == 1


@pytest.mark.parametrize("turned", [False, True])
def test_halves_of_another_size_are_told(turned):
    small = [cell(10 + 50 * (i % 5), 10 + 100 * (i // 5), 30, 30) for i in range(15)]
    large = [cell(330 + 50 * (i % 5), 3 + 100 * (i // 5), 45, 45) for i in range(15)]
    if turned:
        small, large = (
            [cell(c.box.y, min(c.box.x, 340), c.box.width, c.box.width) for c in half]
            for half in (small, large)
        )
    assert measured(small + large).halves == pytest.approx(1.5, abs=0.02)
    assert measured(small + small).halves == 1


@pytest.mark.parametrize(("number", "halves"), [(9, None), (10, 1.5)])
def test_a_half_of_fewer_than_ten_says_nothing(number, halves):
    small = [cell(10, 10 + 35 * i, 30, 30) for i in range(10)]
    large = [cell(400, 3 + 35 * i, 45, 45) for i in range(number)]
    assert measured(small + large).halves == (halves and pytest.approx(halves, abs=0.02))


@pytest.mark.parametrize(
    ("red", "names"),
    [
        (Uniformity(None, None), []),
        (Uniformity(STRETCHED, UNLIKE_HALVES), []),
        (Uniformity(STRETCHED + 0.01, None), ["shape"]),
        (Uniformity(1 / STRETCHED - 0.01, None), ["shape"]),
        (Uniformity(1.0, UNLIKE_HALVES + 0.01), ["sizes"]),
    ],
)
def test_what_is_said_of_it(red, names):
    found: list[Finding] = list(_of_the_shapes(red))
    assert [f.name for f in found] == names
    assert all(f.level == "warning" and f.sentence.endswith(".") for f in found)
