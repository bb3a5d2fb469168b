"""Proportions as people read them and as JSON holds them."""

from hypothesis import given
from hypothesis import strategies as st

from bloodseg_lib.prediction.proportion import Proportion, wilson_interval


def test_a_figure_has_its_cells_and_its_interval():
    """Wilson's interval of 5 of 10: 23.66 % to 76.34 %."""
    half = Proportion(5, 10, needed=10)
    assert str(half) == "5 of 10: 50.0% (95 % interval 23.7% to 76.3%)"
    assert half.to_dict() == {
        "numerator": 5,
        "denominator": 10,
        "percent": 50.0,
        "interval_percent": [23.659, 76.341],
        "remark": "",
    }
    assert Proportion(1, 3, needed=1).to_dict()["percent"] == 33.333


def test_too_few_cells_leave_the_numbers_and_no_figure():
    few = Proportion(5, 10, needed=11)
    assert str(few) == "5 of 10: too few cells (11 needed)"
    assert few.to_dict() == {
        "numerator": 5,
        "denominator": 10,
        "percent": None,
        "interval_percent": None,
        "remark": "too few cells: 11 needed",
    }


def test_what_is_withheld_leaves_nothing():
    none = Proportion(5, 10, needed=1, withheld="The picture is grey.")
    assert str(none) == "withheld"
    assert none.to_dict() == {
        "numerator": None,
        "denominator": None,
        "percent": None,
        "interval_percent": None,
        "remark": "withheld. The picture is grey.",
    }


@given(st.integers(1, 10_000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_an_interval_holds_its_fraction_and_lies_within_0_and_1(cells):
    low, high = wilson_interval(*cells)
    assert 0 <= low <= cells[0] / cells[1] + 1e-12 and cells[0] / cells[1] - 1e-12 <= high <= 1
