"""What the panel says in words and tables, as HTML: the figures of an image, one cell, a message."""

from __future__ import annotations

import base64
import html

import numpy as np

from bloodseg_lib.classes import CELL_CLASSES, CLASSES, class_by_key
from bloodseg_lib.io import png_bytes
from bloodseg_lib.prediction.counts import ALL_CELLS, BORDER_RULE, NOTICE, Cell, Counts

STYLE = """<style>
.bloodseg-panel { max-width: 1240px; }
.bloodseg-panel .widget-html-content { line-height: 1.4; }
.bloodseg-panel .bloodseg-row { flex-flow: row wrap; align-items: center; gap: 2px 10px; }
.bloodseg-panel .bloodseg-heading { font-size: 15px; font-weight: 600; margin: 4px 0 0; }
.bloodseg-panel .bloodseg-title { font-size: 20px; font-weight: 600; }
.bloodseg-panel .bloodseg-notice { background: #ffe08a; color: #333; border-radius: 3px; padding: 2px 8px; font-weight: 600; margin-left: 12px; }
.bloodseg-panel table { border-collapse: collapse; font-size: 13px; margin: 0; width: 100%; }
.bloodseg-panel caption { text-align: left; font-size: 12px; opacity: 0.75; }
.bloodseg-panel th, .bloodseg-panel td { padding: 1px 8px 1px 0; text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
.bloodseg-panel th { font-weight: normal; }
.bloodseg-panel thead th { font-weight: 600; border-bottom: 1px solid #8888; }
.bloodseg-panel th:first-child { text-align: left; }
.bloodseg-panel .bloodseg-none { opacity: 0.5; }
.bloodseg-panel dl { display: grid; grid-template-columns: max-content 1fr; gap: 1px 10px; margin: 6px 0; font-size: 13px; }
.bloodseg-panel dt, .bloodseg-panel dd { float: none; width: auto; margin: 0; padding: 0; } .bloodseg-panel dt { font-weight: 600; }
.bloodseg-panel .bloodseg-small { font-size: 12px; opacity: 0.8; }
.bloodseg-panel .bloodseg-cell { display: flex; gap: 14px; align-items: flex-start; }
.bloodseg-panel .bloodseg-cell img { width: 120px; border: 1px solid #8888; border-radius: 3px; flex: none; }
.bloodseg-panel .bloodseg-cell > div { flex: 1; min-width: 0; }
.bloodseg-panel .bloodseg-bar { display: inline-block; height: 9px; border: 1px solid #555; min-width: 1px; }
.bloodseg-panel .bloodseg-swatch { display: inline-block; width: 11px; height: 11px; border: 1px solid #555; margin-right: 4px; vertical-align: -1px; }
</style>"""


def heading(text: str, notice: str = "") -> str:
    """A heading of the panel, or its title when it has a notice beside it."""
    if notice:
        return f'{STYLE}<span class="bloodseg-title" role="heading" aria-level="2">{text}</span><span class="bloodseg-notice">{notice}</span>'
    return f'<div class="bloodseg-heading" role="heading" aria-level="3">{text}</div>'


def message(text: str, alarm: bool = False) -> str:
    """What is going on, or what went wrong. Screen readers are told."""
    role, style = (
        ("alert", "color:#b00020;font-weight:bold") if alarm else ("status", "color:inherit")
    )
    return f'<div role="{role}" style="{style}">{html.escape(text)}</div>'


def swatch(class_id: int) -> str:
    """A small square in the colour of a class."""
    return f'<span class="bloodseg-swatch" aria-hidden="true" style="background:{css_colour(class_id)}"></span>'


def css_colour(class_id: int) -> str:
    """The colour of a class for CSS."""
    return f"rgb{CLASSES[class_id].colour}"


def picture(image: np.ndarray, alt: str) -> str:
    """Pixels ``(H, W, 3) uint8`` as an ``<img>``."""
    return f'<img alt="{html.escape(alt, quote=True)}" src="data:image/png;base64,{base64.b64encode(png_bytes(image)).decode()}">'


def figures_table(counts: Counts, corrections: int = 0) -> str:
    """Counts and figures of an image.

    Args:
        counts: with the corrections.
        corrections: how many were made.
    """
    rows = "".join(
        f"<tr{'' if counts.watershed[c.key] or counts.components[c.key] else _PALE}><th scope='row'>{swatch(c.id)}{c.name}</th>"
        f"<td>{counts.watershed[c.key]}</td><td>{counts.components[c.key]}</td><td>{counts.by_area[c.key]:.1f}</td></tr>"
        for c in CELL_CLASSES
    )
    white = [
        f"{class_by_key(key).name}: {share}"
        for key, share in counts.differential().items()
        if share.numerator
    ]
    shares = {
        "Parasitaemia": f"{counts.parasitaemia()}<br><span class='bloodseg-small'>infected of all red blood cells</span>",
        "Differential": "<br>".join(white) if white else "no white blood cells",
    }
    apart = counts.disagreements()
    if apart:
        shares["Look again"] = "<br>".join(apart.values())
    if corrections:
        shares["Corrections"] = (
            f"{corrections} made by hand; pieces and areas are as the network found them"
        )
    rule = BORDER_RULE if counts.config.border_rule else ALL_CELLS
    terms = "".join(f"<dt>{term}</dt><dd>{words}</dd>" for term, words in shares.items())
    return (
        "<table><caption>Cells, counted in three ways</caption><thead><tr><th scope='col'>Class</th><th scope='col'>cells</th>"
        f"<th scope='col'>pieces</th><th scope='col'>area / mean</th></tr></thead><tbody>{rows}</tbody></table><dl>{terms}</dl>"
        f"<div class='bloodseg-small'>{rule} {counts.cut_by_border} left out. <b>{NOTICE}</b></div>"
    )


_PALE = " class='bloodseg-none'"


def cell_words(number: int, cell: Cell, class_id: int | None) -> str:
    """A cell in a line.

    Args:
        number: of the cell.
        cell: as it was found.
        class_id: its class now, ``None``: deleted.
    """
    sure = "" if cell.confidence is None else f", {cell.confidence:.0%} sure"
    if class_id is None:
        return f"{number}: deleted (found as {CLASSES[cell.class_id].name})"
    if class_id != cell.class_id:
        return f"{number}: {CLASSES[class_id].name} (found as {CLASSES[cell.class_id].name}{sure})"
    return f"{number}: {CLASSES[class_id].name}{sure}"


def cell_details(
    number: int, cell: Cell, class_id: int | None, scale: float, close_up: np.ndarray
) -> str:
    """All that is known of a cell.

    Args:
        number: of the cell.
        cell: as it was found.
        class_id: its class now, ``None``: deleted.
        scale: factor that brings the image to 40x.
        close_up: the cell and its surroundings, ``(h, w, 3) uint8`` RGB.
    """
    x, y, width, height = cell.box
    title = cell_words(number, cell, class_id)
    probabilities = cell.probabilities
    likely = sorted(
        (i for i, p in enumerate(probabilities) if p >= 0.005), key=lambda i: -probabilities[i]
    )
    rows = "".join(
        f"<tr><th scope='row'>{swatch(i)}{CLASSES[i].name}</th><td>{probabilities[i]:.1%}</td><td style='width:100%;text-align:left'>"
        f"<span class='bloodseg-bar' aria-hidden='true' style='width:{55 * probabilities[i]:.0f}px;background:{css_colour(i)}'></span></td></tr>"
        for i in likely
    )
    usual = CLASSES[cell.class_id].mean_area_px / scale**2
    facts = {
        "Area": f"{cell.area_px} pixels, {cell.area_px / usual:.2f} of the mean of its class",
        "Box": f"{width} x {height} pixels at ({x}, {y})",
        "Agreement": f"{cell.agreement:.0%} of its pixels have its class",
    }
    terms = "".join(f"<dt>{term}</dt><dd>{words}</dd>" for term, words in facts.items())
    caption = (
        "Mean probability of each class, 0.5 % or more"
        if likely
        else "The probabilities of this cell are not known."
    )
    return (
        f"<div class='bloodseg-cell'>{picture(close_up, f'Close-up of cell {number}')}<div><b>Cell {html.escape(title)}</b>"
        f"<table><caption>{caption}</caption><tbody>{rows}</tbody></table></div></div><dl>{terms}</dl>"
    )
