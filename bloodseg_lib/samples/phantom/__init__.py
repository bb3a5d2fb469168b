"""Drawing phantom cells, so that a fresh machine needs no download."""

from bloodseg_lib.samples.phantom.cells import draw_cell, read

__all__ = ["draw_cell", "read"]
