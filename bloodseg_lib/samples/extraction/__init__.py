"""Cutting single cells and background crops out of fields of view."""

from bloodseg_lib.samples.extraction.boxes import CellBox, read_boxes, write_boxes
from bloodseg_lib.samples.extraction.field import Field
from bloodseg_lib.samples.extraction.masks import rbc_mask

__all__ = ["CellBox", "Field", "rbc_mask", "read_boxes", "write_boxes"]
