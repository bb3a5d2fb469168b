"""Cutting single cells and background crops out of fields of view."""

from bloodseg_lib.samples.extraction.boxes import CellBox, read_boxes, write_boxes
from bloodseg_lib.samples.extraction.field import Field

__all__ = ["CellBox", "Field", "read_boxes", "write_boxes"]
