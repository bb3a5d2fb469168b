"""Marking the cells of whole fields by hand, from boxes that a program proposes.

The panel needs ipywidgets and is imported by itself:
:class:`bloodseg_lib.samples.annotation.panel.AnnotationPanel`.
"""

from bloodseg_lib.samples.annotation.proposals import propose, propose_fields

__all__ = ["propose", "propose_fields"]
