"""Figures that an experiment measured, for notebooks to plot: JSON files of the package, each with
its date and the command that wrote it. ``experiments/measurements.py`` writes them.

Taught by ``notebooks/03_weighted_training.ipynb`` and ``notebooks/07_real_smears.ipynb``.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent / "measurements"


def measured(name: str) -> dict[str, Any]:
    """The figures of an experiment.

    Args:
        name: ``"exponents"`` (trainings that differ in the weight exponent, drawn cells) or
            ``"leave_one_out"`` (networks scored on a database that they were not shown).

    Returns:
        ``date``, ``command`` and ``rows``.

    Raises:
        ValueError: no such experiment; the message lists them.

    Examples:
        >>> rows = measured("leave_one_out")["rows"]
        >>> sorted({row["left_out"] for row in rows})
        ['chula', 'lisc', 'mamic', 'pbc', 'txl_pbc', 'zheng']
    """
    path = FOLDER / f"{name}.json"
    if not path.is_file():
        known = ", ".join(sorted(file.stem for file in FOLDER.glob("*.json")))
        raise ValueError(f"Expected an experiment, one of {known}. Received {name!r}.")
    return json.loads(path.read_text("utf-8"))
