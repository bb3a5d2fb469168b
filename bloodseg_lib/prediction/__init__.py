"""From an image of any size to its label map, its cells, their counts and files.

Taught by notebooks 4 and 6.
"""

from bloodseg_lib.io import read_image as open_image
from bloodseg_lib.prediction.batch import predict_files
from bloodseg_lib.prediction.cells import Cell, CountingConfig
from bloodseg_lib.prediction.counts import ALL_CELLS, BORDER_RULE, NOTICE, Counts, count_cells, pool
from bloodseg_lib.prediction.export import export_checkpoint, load_exported
from bloodseg_lib.prediction.file_result import FileResult, failures, pooled_words
from bloodseg_lib.prediction.finding import Finding, Quality
from bloodseg_lib.prediction.inputs import Input, find_inputs
from bloodseg_lib.prediction.interchange import OutputConfig
from bloodseg_lib.prediction.out_folder import try_folder
from bloodseg_lib.prediction.probabilities import class_picture
from bloodseg_lib.prediction.proportion import Proportion, wilson_interval
from bloodseg_lib.prediction.results import count_field, result_files, save_segmentation
from bloodseg_lib.prediction.scale import AT_40X, Scale, find_scale
from bloodseg_lib.prediction.segmenter import (
    PredictionConfig,
    Segmentation,
    Segmenter,
    segment_image,
)
from bloodseg_lib.prediction.tiling import Predict

__all__ = [
    "ALL_CELLS",
    "AT_40X",
    "BORDER_RULE",
    "NOTICE",
    "Cell",
    "CountingConfig",
    "Counts",
    "FileResult",
    "Finding",
    "Input",
    "OutputConfig",
    "Predict",
    "PredictionConfig",
    "Proportion",
    "Quality",
    "Scale",
    "Segmentation",
    "Segmenter",
    "class_picture",
    "count_cells",
    "count_field",
    "export_checkpoint",
    "failures",
    "find_inputs",
    "find_scale",
    "load_exported",
    "open_image",
    "pool",
    "pooled_words",
    "predict_files",
    "result_files",
    "save_segmentation",
    "segment_image",
    "try_folder",
    "wilson_interval",
]
