"""Where micrometres come from."""

from dataclasses import replace

import pytest

from bloodseg_lib.prediction.pixel_size import PixelSize
from bloodseg_lib.prediction.scale import Scale

MEASURED = Scale(0.5, "measured", 75.0, 40)


@pytest.mark.parametrize(
    ("scale", "expected"),
    [
        (MEASURED, (0.1, "red cells")),  # 7.5 micrometres on 75 pixels
        (replace(MEASURED, file_um=0.09), (0.09, "file")),
        (replace(MEASURED, file_um=0.25), (0.1, "red cells")),  # red cells of 19 micrometres
        (Scale(1.0, "assumed"), (None, "")),
        (Scale(1.0, "assumed", file_um=0.2), (0.2, "file")),
    ],
)
def test_the_file_is_believed_unless_red_cells_would_have_an_unlikely_size(scale, expected):
    assert PixelSize.of(scale) == expected


def test_json_has_five_digits_or_nothing():
    assert PixelSize(0.1234567, "file").to_dict() == {"um": 0.12346, "from": "file"}
    assert PixelSize(None, "").to_dict() == {"um": None, "from": ""}
