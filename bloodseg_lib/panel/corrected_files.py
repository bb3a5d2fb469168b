"""The files of a result after corrections by hand: the figures, the table, the label map and every
change.

Taught by ``notebooks/06_interactive_prediction.ipynb``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from bloodseg_lib.io import ENCODING, csv_rows, csv_text, label_map_bytes
from bloodseg_lib.panel.corrections import (
    UNIDENTIFIED,
    Correction,
    class_key,
    corrected,
    corrected_labels,
    listed_cells,
    present_cells,
)
from bloodseg_lib.panel.trail import trail
from bloodseg_lib.prediction.cell_table import cell_table
from bloodseg_lib.prediction.counts import Counts
from bloodseg_lib.samples.corrected_fields import LABELS

PICTURES_NOTE = (
    "The label map and the overlay show what the network found, without the corrections; the label "
    "map that ends in _corrected.png has them."
)


def corrected_files(
    counts: Counts, files: Mapping[str, bytes], stem: str, corrections: Sequence[Correction]
) -> dict[str, bytes]:
    """The files of :func:`bloodseg_lib.prediction.results.result_files` after corrections by hand;
    without any they are as they were.

    ``<stem>_cells.csv`` keeps a row for each cell that was found, and has one for each that was
    drawn: the column ``class`` is the corrected class, empty where the cell was deleted, and three
    columns are added: ``found_class``, ``correction`` (``changed``, ``deleted``, ``drawn``,
    ``confirmed``, ``restored`` or empty) and ``corrected_at`` (UTC). ``<stem>_counts.json`` has the
    corrected figures and every correction in the order it was made. ``<stem>_corrected.png`` is the
    label map after the corrections, 255 where nobody could name the cell.

    Raises:
        ValueError: a correction of a cell that does not exist.
    """
    if not corrections:
        return dict(files)
    summary = json.loads(files[f"{stem}_counts.json"])
    summary |= corrected(counts, corrections).to_dict()
    unidentified = sum(c.class_id == UNIDENTIFIED for c in listed_cells(counts, corrections))
    summary |= {"unidentified": unidentified, "corrections": trail(counts, corrections)}
    summary["corrections_note"] = PICTURES_NOTE
    return {
        **files,
        f"{stem}{LABELS}": label_map_bytes(corrected_labels(counts, corrections)),
        f"{stem}_cells.csv": _table(counts, corrections).encode(ENCODING),
        f"{stem}_counts.json": (json.dumps(summary, indent=1) + "\n").encode(),
    }


def _table(counts: Counts, corrections: Sequence[Correction]) -> str:
    """The CSV of the cells with its three columns of corrections."""
    cells = present_cells(counts, corrections)
    last = {correction.cell: correction for correction in corrections}
    table, made = csv_rows(cell_table(cell.found for cell in cells)), []
    for cell, row in zip(cells, table, strict=True):
        found, correction = "" if cell.drawn else row["class"], last.get(cell.number)
        if correction is None:
            made.append([*row.values(), found, "", ""])
            continue
        row["class"] = class_key(cell.class_id)
        row["uncertain"] = row["uncertain"] if cell.uncertain else ""
        what = cell.mark or ("confirmed" if cell.named else "restored")
        made.append([*row.values(), found, what, correction.time.isoformat()])
    columns = [*(table.fieldnames or ()), "found_class", "correction", "corrected_at"]
    return csv_text(columns, made)
