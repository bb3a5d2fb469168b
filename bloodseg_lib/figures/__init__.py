"""Pictures: arrays, matplotlib figures, GIFs, figures to play with. Taught by notebook 5."""

# Lazy: an overlay needs no matplotlib, which starts slowly.
from typing import TYPE_CHECKING

import lazy_loader

if TYPE_CHECKING:
    from bloodseg_lib.figures.animation import (
        captioned_frames,
        heat_map_frames,
        write_gif,
        write_webm,
    )
    from bloodseg_lib.figures.architecture import network_figure
    from bloodseg_lib.figures.charts import (
        class_balance_figure,
        class_legend,
        class_shares_figure,
        learning_curve_figure,
    )
    from bloodseg_lib.figures.images import (
        cells_figure,
        comparison_figure,
        heat_map_figure,
        sample_sheet,
        smears_figure,
        weight_map_figure,
    )
    from bloodseg_lib.figures.interactive import NamingGame, Playground
    from bloodseg_lib.figures.overlays import (
        described,
        figure_png,
        heat,
        heat_scale,
        legend_strip,
        overlay,
    )
    from bloodseg_lib.figures.scores import (
        confusion_figure,
        overlap_figure,
        per_class_figure,
        reliability_figure,
        threshold_figure,
    )

__all__ = [
    "NamingGame",
    "Playground",
    "captioned_frames",
    "cells_figure",
    "class_balance_figure",
    "class_legend",
    "class_shares_figure",
    "comparison_figure",
    "confusion_figure",
    "described",
    "figure_png",
    "heat",
    "heat_map_figure",
    "heat_map_frames",
    "heat_scale",
    "learning_curve_figure",
    "legend_strip",
    "network_figure",
    "overlap_figure",
    "overlay",
    "per_class_figure",
    "reliability_figure",
    "sample_sheet",
    "smears_figure",
    "threshold_figure",
    "weight_map_figure",
    "write_gif",
    "write_webm",
]

__getattr__, __dir__, _ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "animation": ["captioned_frames", "heat_map_frames", "write_gif", "write_webm"],
        "architecture": ["network_figure"],
        "charts": [
            "class_balance_figure",
            "class_legend",
            "class_shares_figure",
            "learning_curve_figure",
        ],
        "images": [
            "cells_figure",
            "comparison_figure",
            "heat_map_figure",
            "sample_sheet",
            "smears_figure",
            "weight_map_figure",
        ],
        "interactive": ["NamingGame", "Playground"],
        "overlays": ["described", "figure_png", "heat", "heat_scale", "legend_strip", "overlay"],
        "scores": [
            "confusion_figure",
            "overlap_figure",
            "per_class_figure",
            "reliability_figure",
            "threshold_figure",
        ],
    },
)
