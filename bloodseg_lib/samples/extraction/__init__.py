"""Cutting single cells and background crops out of fields of view."""

from bloodseg_lib.samples.extraction.masks import rbc_mask

__all__ = ["rbc_mask"]
