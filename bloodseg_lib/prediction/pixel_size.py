"""How many micrometres a pixel measures: by the picture's file, or by its red cells.

Taught by ``notebooks/06_interactive_prediction.ipynb``.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from bloodseg_lib.classes import RBC_DIAMETER_UM
from bloodseg_lib.prediction.scale import Scale

UNLIKELY = 1.3
"""The red cells of no patient differ from it by a greater factor on average."""


class PixelSize(NamedTuple):
    """Micrometres of a pixel, and where they come from.

    Attributes:
        um: ``None`` where they are not known.
        source: ``"file"``, ``"red cells"``, or empty where they are not known.
    """

    um: float | None
    source: str

    @classmethod
    def of(cls, scale: Scale) -> PixelSize:
        """Those of a picture. A file by which red cells would have a size that they never have, as
        after a change of the objective, is not believed.

        Examples:
            >>> PixelSize.of(Scale.given(75.0))
            PixelSize(um=0.1, source='red cells')
        """
        diameter, told = scale.rbc_diameter_px, scale.file_um
        usual = None if diameter is None else RBC_DIAMETER_UM / diameter
        if told and (usual is None or 1 / UNLIKELY <= told / usual <= UNLIKELY):
            return cls(told, "file")
        return cls(usual, "red cells" if usual else "")

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {"um": self.um and round(self.um, 5), "from": self.source}
