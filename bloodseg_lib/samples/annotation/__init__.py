"""Marking the cells of whole fields by hand, from boxes that a program proposes or that were drawn
in other tools.

The panel needs ipywidgets and is imported by itself:
:class:`bloodseg_lib.samples.annotation.panel.AnnotationPanel`.
"""

from bloodseg_lib.samples.annotation.imported_boxes import import_boxes
from bloodseg_lib.samples.annotation.proposals import propose, propose_fields

__all__ = ["import_boxes", "propose", "propose_fields"]
