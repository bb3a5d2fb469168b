"""A part of a whole with its interval:

what a differential and a parasitaemia are made of. Taught by
``notebooks/06_interactive_prediction.ipynb``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Proportion:
    """A part of a whole, with its 95 % Wilson interval, or the admission that there are too few
    cells to say.

    Attributes:
        numerator, denominator: cells.
        needed: the least denominator for which a figure is given.
    """

    numerator: int
    denominator: int
    needed: int

    @property
    def value(self) -> float | None:
        """The proportion, 0..1, or ``None`` for too few cells."""
        return self.numerator / self.denominator if self.denominator >= self.needed else None

    @property
    def interval(self) -> tuple[float, float] | None:
        """The 95 % Wilson interval, or ``None`` for too few cells."""
        return (
            wilson_interval(self.numerator, self.denominator)
            if self.denominator >= self.needed
            else None
        )

    def __str__(self) -> str:
        if self.value is None or self.interval is None:
            return f"{self.numerator} of {self.denominator}: too few cells ({self.needed} needed)"
        return f"{self.numerator} of {self.denominator}: {self.value:.1%} (95 % interval {self.interval[0]:.1%} to {self.interval[1]:.1%})"

    def to_dict(self) -> dict[str, Any]:
        """For JSON; ``percent`` and ``interval_percent`` are ``None`` for too few cells."""
        value, interval = self.value, self.interval
        return {
            "numerator": self.numerator,
            "denominator": self.denominator,
            "percent": None if value is None else round(100 * value, 3),
            "interval_percent": None
            if interval is None
            else [round(100 * bound, 3) for bound in interval],
            "remark": "" if value is not None else f"too few cells: {self.needed} needed",
        }


def wilson_interval(numerator: int, denominator: int, z: float = 1.959964) -> tuple[float, float]:
    """The Wilson score interval of a proportion (Wilson 1927, JASA 22:209), 95 % with the default
    ``z``.

    Raises:
        ValueError: not ``0 <= numerator <= denominator``, or nothing counted.
    """
    if not 0 <= numerator <= denominator or denominator == 0:
        raise ValueError(
            f"Expected 0 <= numerator <= denominator and denominator > 0. Received {numerator} of {denominator}."
        )
    share, spread = numerator / denominator, z**2 / denominator
    middle = (share + spread / 2) / (1 + spread)
    half = math.sqrt(spread * share * (1 - share) + spread**2 / 4) / (1 + spread)
    return max(0.0, middle - half), min(1.0, middle + half)
