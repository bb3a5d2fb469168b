import pytest
from drawn_fields import untidy_field

from bloodseg_lib.prediction.discs import round_things


@pytest.mark.parametrize(
    ("seed", "discs", "diameters_px", "visible", "area_px"),
    [
        (0, 131, 5427.03, 96.167, 239878),
        (1, 133, 5391.00, 99.264, 229701),
        (2, 138, 5608.07, 102.597, 236295),
    ],
)
def test_an_untidy_field_is_measured_as_ever(seed, discs, diameters_px, visible, area_px):
    """Where the scale moves, all figures of all pictures move: nobody does that unawares."""
    found, area = round_things(untidy_field(seed))
    assert len(found) == discs
    assert found[:, 0].sum() == pytest.approx(diameters_px, rel=2e-4)
    assert found[:, 1].sum() == pytest.approx(visible, rel=2e-4)
    assert area == pytest.approx(area_px, rel=2e-4)
