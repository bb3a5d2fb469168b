"""From published databases, or a program that draws them, to single cells that are split.

Taught by notebook 1.
"""

from bloodseg_lib.samples.bank import BankEntry, SampleBank, write_bank
from bloodseg_lib.samples.collect import Collection, collect
from bloodseg_lib.samples.extraction.masks import rbc_mask
from bloodseg_lib.samples.sample import CellSample, Skipped, cut_cell
from bloodseg_lib.samples.splits import SPLITS, split_groups
from bloodseg_lib.samples.verify import Verification, verify_bank
from bloodseg_lib.samples.whole_fields import add_fields, build_bank

__all__ = [
    "SPLITS",
    "BankEntry",
    "CellSample",
    "Collection",
    "SampleBank",
    "Skipped",
    "Verification",
    "add_fields",
    "build_bank",
    "collect",
    "cut_cell",
    "rbc_mask",
    "split_groups",
    "verify_bank",
    "write_bank",
]
