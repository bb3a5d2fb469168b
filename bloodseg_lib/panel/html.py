"""The panel's words and tables as HTML: the figures of an image, one cell, a message."""

from __future__ import annotations

import base64
import html
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from bloodseg_lib.classes import CELL_CLASSES, CLASSES, RBC_IDS, WBC_IDS, class_by_key
from bloodseg_lib.evaluation.before_and_after import BeforeAndAfter
from bloodseg_lib.io import png_bytes
from bloodseg_lib.panel.corrections import UNIDENTIFIED, ListedCell, class_name, class_of_key
from bloodseg_lib.panel.result import Result
from bloodseg_lib.prediction.counts import ALL_CELLS, BORDER_RULE, NOTICE, UNCERTAIN, Counts, pool

UNIDENTIFIED_COLOUR = (158, 158, 158)
"""Red, green and blue of the cells that a person could not name."""


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
        '<div role="status">a &lt; b</div>'
    """
    kind = 'role="alert" class="bloodseg-alarm"' if alarm else 'role="status"'
    return f"<div {kind}>{html.escape(text)}</div>"


def swatch(class_id: int) -> str:
    """A small square in the colour of a class."""
    style = f"background:{css_colour(class_id)}"
    return f'<span class="bloodseg-swatch" aria-hidden="true" style="{style}"></span>'


def css_colour(class_id: int) -> str:
    """The colour of a class for CSS; grey for unidentified."""
    known = class_id != UNIDENTIFIED
    return f"rgb{CLASSES[class_id].colour if known else UNIDENTIFIED_COLOUR}"


def picture(image: np.ndarray, alt: str) -> str:
    """Pixels ``(H, W, 3) uint8`` as an ``<img>``."""
    data = base64.b64encode(png_bytes(image)).decode()
    return f'<img alt="{html.escape(alt, quote=True)}" src="data:image/png;base64,{data}">'


def figures_table(counts: Counts, corrected_cells: int = 0, unidentified: int = 0) -> str:
    """Counts and figures of an image with its corrections: cells with another class than the
    network found, and those that a person could not name.
    """
    rows = []
    for c in CELL_CLASSES:
        cells, pieces = counts.watershed[c.key], counts.components[c.key]
        pale = "" if cells or pieces else " class='bloodseg-none'"
        values = f"<td>{cells}</td><td>{pieces}</td><td>{counts.by_area[c.key]:.1f}</td>"
        rows.append(f"<tr{pale}><th scope='row'>{swatch(c.id)}{c.name}</th>{values}</tr>")
    white = [
        f"{key.capitalize() if key == UNCERTAIN else class_by_key(key).name}: {fraction}"
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
    if unidentified:
        figures["Unidentified"] = f"{unidentified}, counted neither as red nor as white cells"
    if corrected_cells:
        figures["Corrections"] = (
            f"{corrected_cells} made by hand; pieces and areas are as the network found them"
        )
    rule = BORDER_RULE if counts.config.border_rule else ALL_CELLS
    columns = "".join(f"<th scope='col'>{c}</th>" for c in ("Class", "cells", "pieces", _AREA))
    return (
        "<table><caption>Cells, counted in three ways</caption>"
        f"<thead><tr>{columns}</tr></thead><tbody>{''.join(rows)}</tbody></table>{_terms(figures)}"
        f"<div class='bloodseg-small'>{rule} {counts.cut_by_border} left out. <b>{NOTICE}</b></div>"
    )


def fields_table(fields: Sequence[tuple[str, Result]], target: int) -> str:
    """A row of figures for each field, and one for all together that are not left out, of so many
    red cells that are to be counted; empty without fields. A press on the name that a field can be
    picked by opens it.
    """
    if not fields:
        return ""
    rows, used = [], []
    for name, result in fields:
        counts, why = result.counts(), result.excluded.get("reason", "")
        if not why:
            used.append(counts)
        title, opens = html.escape(result.name), html.escape(name, quote=True)
        words = f"<button class='bloodseg-open' data-open='{opens}'>{title}</button>"
        findings = [f.sentence for f in counts.quality.findings]
        notes = [f"left out: {why}"] if why else findings or ["nothing to say"]
        rows.append(_field_row(words if name else title, counts, " ".join(notes), bool(why)))
    together = pool(used) if used else None
    red = together.number(RBC_IDS) if together else 0
    if together and len(fields) > 1:
        notes = [f.sentence for f in together.quality.findings]
        rows.append(_field_row(f"All {len(used)} together", together, " ".join(notes), False))
    heads = ("Field", "cells", "red", "white", "parasitaemia", "picture")
    columns = "".join(f"<th scope='col'>{head}</th>" for head in heads)
    goal = f"{red:,} of {target:,} red cells"
    return (
        f"{heading('Fields')}<div><progress value='{red}' max='{target}' aria-label='Red cells "
        f"counted'></progress> {goal}</div><table class='bloodseg-fields'><thead><tr>{columns}</tr>"
        f"</thead><tbody>{''.join(rows)}</tbody></table>"
    )


def _field_row(words: str, counts: Counts, notes: str, pale: bool) -> str:
    groups = (counts.number(ids) for ids in (RBC_IDS, WBC_IDS))
    cells = (len(counts.cells), *groups, counts.parasitaemia(), html.escape(notes))
    values = "".join(f"<td>{value}</td>" for value in cells)
    none = " class='bloodseg-none'" if pale else ""
    return f"<tr{none}><th scope='row'>{words}</th>{values}</tr>"


def before_and_after_table(report: BeforeAndAfter) -> str:
    """What a fine-tuning changed; what became worse is marked."""
    rows = []
    for f in report.figures:
        alarm = " class='bloodseg-alarm'" if f.after < f.before else ""
        rows.append(
            f"<tr><th scope='row'>{html.escape(f.words)}</th><td>{f.cells or '-'}</td>"
            f"<td>{f.before:.1%}</td><td><span{alarm}>{f.after:.1%}</span></td></tr>"
        )
    heads = ("Classified as the person says", "cells", "before", "after")
    columns = "".join(f"<th scope='col'>{head}</th>" for head in heads)
    words = f"Taught by {len(report.taught)} fields, compared on {len(report.held_out)} others"
    return (
        f"<table><caption>{words}</caption><thead><tr>{columns}</tr></thead>"
        f"<tbody>{''.join(rows)}</tbody></table>"
    )


_AREA = "area / mean"


def cell_words(cell: ListedCell) -> str:
    """A cell in a line."""
    found = CLASSES[cell.found.class_id].name
    sure = "" if cell.found.confidence is None else f", {cell.found.confidence:.0%} sure"
    if cell.class_id is None:
        return f"{cell.number}: deleted (found as {found})"
    name = class_name(cell.class_id)
    if cell.drawn:
        return f"{cell.number}: {name} (drawn by hand)"
    if cell.uncertain:
        sure = f", uncertain: {cell.uncertain}"
    return f"{cell.number}: {name}" + (f" (found as {found}{sure})" if cell.mark else sure)


def cell_details(cell: ListedCell, scale: float, close_up: np.ndarray) -> str:
    """The class, probabilities and size of a cell of an image that ``scale`` brings to 40x, beside
    its surroundings, ``(h, w, 3) uint8`` RGB.
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


def trail_list(steps: Sequence[Mapping[str, Any]]) -> str:
    """The record of the corrections, the last first, folded away; see
    :func:`bloodseg_lib.panel.corrections.trail`.
    """
    if not steps:
        return ""
    lines = []
    for step in reversed(steps):
        was, now = (class_name(class_of_key(step[key])) for key in ("from", "to"))
        action = f" ({step['action']})" if step["action"] else ""
        when = f"<time>{step['time'][:19].replace('T', ' ')}</time>"
        by = f", by {html.escape(step['by'])}" if "by" in step else ""
        lines.append(f"<li>{when} cell {step['cell']}: {was} to {now}{action}{by}</li>")
    words = f"{len(steps)} changes on record, the last first; times in UTC"
    return f"<details><summary>{words}</summary><ul>{''.join(lines)}</ul></details>"
