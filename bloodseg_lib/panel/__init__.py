"""The ipywidgets panel: an image in, named and counted cells out. Taught by notebook 6."""

from bloodseg_lib.panel.panel import SegmentationPanel
from bloodseg_lib.panel.session import PanelSession

__all__ = ["PanelSession", "SegmentationPanel"]
