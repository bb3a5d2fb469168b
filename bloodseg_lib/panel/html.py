"""The panel's words and tables as HTML: the figures of an image, one cell, a message."""

from __future__ import annotations

import base64
import html
from collections.abc import Mapping

import numpy as np

from bloodseg_lib.classes import CELL_CLASSES, CLASSES, class_by_key
from bloodseg_lib.io import png_bytes
from bloodseg_lib.panel.corrections import ListedCell
from bloodseg_lib.prediction.counts import ALL_CELLS, BORDER_RULE, NOTICE, Counts


def heading(text: str, notice: str = "") -> str:
    """A heading of the panel, or its title when it has a notice beside it."""
    if notice:
        title = f'<span class="bloodseg-title" role="heading" aria-level="2">{text}</span>'
        return f'{title}<span class="bloodseg-notice">{notice}</span>'
    return f'<div class="bloodseg-heading" role="heading" aria-level="3">{text}</div>'


def message(text: str, alarm: bool = False) -> str:
    """A message or, with ``alarm``, an error; screen readers announce both.

    Examples:
        >>> message("a < b")
        '<div role="status" style="color:inherit">a &lt; b</div>'
    """
    role, style = "status", "color:inherit"
    if alarm:
        role, style = "alert", "color:#b00020;font-weight:bold"
    return f'<div role="{role}" style="{style}">{html.escape(text)}</div>'


def swatch(class_id: int) -> str:
    """A small square in the colour of a class."""
    style = f"background:{css_colour(class_id)}"
    return f'<span class="bloodseg-swatch" aria-hidden="true" style="{style}"></span>'


def css_colour(class_id: int) -> str:
    """The colour of a class for CSS."""
    return f"rgb{CLASSES[class_id].colour}"


def picture(image: np.ndarray, alt: str) -> str:
    """Pixels ``(H, W, 3) uint8`` as an ``<img>``."""
    data = base64.b64encode(png_bytes(image)).decode()
    return f'<img alt="{html.escape(alt, quote=True)}" src="data:image/png;base64,{data}">'


def figures_table(counts: Counts, corrections: int = 0) -> str:
    """Counts and figures of an image.

    Args:
        counts: with the corrections.
        corrections: how many were made.
    """
    rows = []
    for c in CELL_CLASSES:
        cells, pieces = counts.watershed[c.key], counts.components[c.key]
        pale = "" if cells or pieces else " class='bloodseg-none'"
        values = f"<td>{cells}</td><td>{pieces}</td><td>{counts.by_area[c.key]:.1f}</td>"
        rows.append(f"<tr{pale}><th scope='row'>{swatch(c.id)}{c.name}</th>{values}</tr>")
    white = [
        f"{class_by_key(key).name}: {fraction}"
        for key, fraction in counts.differential().items()
        if fraction.numerator
    ]
    of_all = "<span class='bloodseg-small'>infected of all red blood cells</span>"
    figures = {
        "Parasitaemia": f"{counts.parasitaemia()}<br>{of_all}",
        "Differential": "<br>".join(white) if white else "no white blood cells",
    }
    if counts.quality.findings:
        figures["Picture"] = "<br>".join(f.sentence for f in counts.quality.findings)
    apart = counts.disagreements()
    if apart:
        figures["Look again"] = "<br>".join(apart.values())
    if corrections:
        figures["Corrections"] = (
            f"{corrections} made by hand; pieces and areas are as the network found them"
        )
    rule = BORDER_RULE if counts.config.border_rule else ALL_CELLS
    columns = "".join(f"<th scope='col'>{c}</th>" for c in ("Class", "cells", "pieces", _AREA))
    return (
        "<table><caption>Cells, counted in three ways</caption>"
        f"<thead><tr>{columns}</tr></thead><tbody>{''.join(rows)}</tbody></table>{_terms(figures)}"
        f"<div class='bloodseg-small'>{rule} {counts.cut_by_border} left out. <b>{NOTICE}</b></div>"
    )


_AREA = "area / mean"


def cell_words(cell: ListedCell) -> str:
    """A cell in a line."""
    found = CLASSES[cell.found.class_id].name
    sure = "" if cell.found.confidence is None else f", {cell.found.confidence:.0%} sure"
    if cell.class_id is None:
        return f"{cell.number}: deleted (found as {found})"
    name = CLASSES[cell.class_id].name
    return (
        f"{cell.number}: {name} (found as {found}{sure})"
        if cell.mark
        else (f"{cell.number}: {name}{sure}")
    )


def cell_details(cell: ListedCell, scale: float, close_up: np.ndarray) -> str:
    """The class, probabilities and size of a cell.

    Args:
        cell: the cell.
        scale: factor that brings the image to 40x.
        close_up: the cell and its surroundings, ``(h, w, 3) uint8`` RGB.
    """
    found = cell.found
    x, y, width, height = found.box
    probabilities = found.probabilities
    likely = [i for i, p in enumerate(probabilities) if p >= 0.005]
    rows = []
    for i in sorted(likely, key=lambda i: -probabilities[i]):
        style = f"width:{55 * probabilities[i]:.0f}px;background:{css_colour(i)}"
        bar = f"<span class='bloodseg-bar' aria-hidden='true' style='{style}'></span>"
        rows.append(
            f"<tr><th scope='row'>{swatch(i)}{CLASSES[i].name}</th><td>{probabilities[i]:.1%}</td>"
            f"<td style='width:100%;text-align:left'>{bar}</td></tr>"
        )
    usual = CLASSES[found.class_id].mean_area_px / scale**2
    facts = {
        "Area": f"{found.area_px} pixels, {found.area_px / usual:.2f} of the mean of its class",
        "Box": f"{width} x {height} pixels at ({x}, {y})",
        "Agreement": f"{found.agreement:.0%} of its pixels have its class",
    }
    caption = (
        "Mean probability of each class, 0.5 % or more"
        if likely
        else "The probabilities of this cell are not known."
    )
    return (
        f"<div class='bloodseg-cell'>{picture(close_up, f'Close-up of cell {cell.number}')}<div>"
        f"<b>Cell {html.escape(cell_words(cell))}</b><table><caption>{caption}</caption>"
        f"<tbody>{''.join(rows)}</tbody></table></div></div>{_terms(facts)}"
    )


def _terms(words: Mapping[str, str]) -> str:
    return f"<dl>{''.join(f'<dt>{term}</dt><dd>{text}</dd>' for term, text in words.items())}</dl>"
