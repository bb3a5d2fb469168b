"""Drawing phantom cells, so that a fresh machine needs no download."""

from bloodseg_lib.samples.phantom.cells import AREA_VARIATION, SOURCE, draw_cell, read

__all__ = ["AREA_VARIATION", "SOURCE", "draw_cell", "read"]
