"""How right a network is: on composed smears, on real fields, in counts. Taught by notebook 4."""

from bloodseg_lib.evaluation.annotated import SOURCES, AnnotatedField
from bloodseg_lib.evaluation.annotated import read as annotated_fields
from bloodseg_lib.evaluation.before_and_after import BeforeAndAfter, fine_tune
from bloodseg_lib.evaluation.calibration import Calibration, calibration
from bloodseg_lib.evaluation.composed import ComposedReport, evaluate_dataset
from bloodseg_lib.evaluation.counts import CountsReport, evaluate_counts
from bloodseg_lib.evaluation.fields import FieldScore, FieldsReport, evaluate_fields
from bloodseg_lib.evaluation.measured import measured
from bloodseg_lib.evaluation.report import Report, try_reports

__all__ = [
    "SOURCES",
    "AnnotatedField",
    "BeforeAndAfter",
    "Calibration",
    "ComposedReport",
    "CountsReport",
    "FieldScore",
    "FieldsReport",
    "Report",
    "annotated_fields",
    "calibration",
    "evaluate_counts",
    "evaluate_dataset",
    "evaluate_fields",
    "fine_tune",
    "measured",
    "try_reports",
]
