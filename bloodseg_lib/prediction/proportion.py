"""A fraction of cells with its interval, or the reason why it is not given.

Taught by ``notebooks/06_interactive_prediction.ipynb``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

_Z = 1.959963984540054  # 97.5 % of a standard normal distribution is below it


def wilson_interval(numerator: int, denominator: int) -> tuple[float, float]:
    """The 95 % Wilson score interval of a proportion (Wilson 1927, JASA 22:209).

    Raises:
        ValueError: not ``0 <= numerator <= denominator``, or nothing counted.

    Examples:
        >>> low, high = wilson_interval(5, 10)
        >>> print(f"{low:.1%} to {high:.1%}")
        23.7% to 76.3%
    """
    if not 0 <= numerator <= denominator or denominator == 0:
        raise ValueError(
            "Expected 0 <= numerator <= denominator and denominator > 0. "
            f"Received {numerator} of {denominator}."
        )
    # in closed form: scipy.stats gives the same to 3e-9 and takes most of a second to import
    fraction, square = numerator / denominator, _Z**2 / denominator
    middle = (fraction + square / 2) / (1 + square)
    half = math.sqrt(fraction * (1 - fraction) * square + square**2 / 4) / (1 + square)
    return max(0.0, middle - half), min(1.0, middle + half)


@dataclass(frozen=True)
class Proportion:
    """A fraction of cells with its 95 % Wilson interval, unless there are too few cells to say.

    Attributes:
        numerator, denominator: cells.
        needed: the least denominator for a figure.
        withheld: why no figure is given; empty if one may be.
    """

    numerator: int
    denominator: int
    needed: int
    withheld: str = ""

    @property
    def value(self) -> float | None:
        """The proportion, 0..1, or ``None`` where it is withheld or there are too few cells."""
        return None if self.remark else self.numerator / self.denominator

    @property
    def interval(self) -> tuple[float, float] | None:
        """The 95 % Wilson interval, or ``None`` where there is no :attr:`value`."""
        return None if self.remark else wilson_interval(self.numerator, self.denominator)

    @property
    def remark(self) -> str:
        """Why there is no figure; empty if there is one."""
        if self.withheld:
            return f"withheld. {self.withheld}"
        if self.denominator < self.needed:
            return f"too few cells: {self.needed} needed"
        return ""

    def __str__(self) -> str:
        text, interval = f"{self.numerator} of {self.denominator}", self.interval
        if self.withheld:
            return "withheld"
        if self.value is None or interval is None:
            return f"{text}: too few cells ({self.needed} needed)"
        return f"{text}: {self.value:.1%} (95 % interval {interval[0]:.1%} to {interval[1]:.1%})"

    def to_dict(self) -> dict[str, Any]:
        """For JSON; ``percent`` and ``interval_percent`` are ``None`` where there is no figure, the
        counts too where it is withheld.
        """
        value, interval = self.value, self.interval
        return {
            "numerator": None if self.withheld else self.numerator,
            "denominator": None if self.withheld else self.denominator,
            "percent": None if value is None else round(100 * value, 3),
            "interval_percent": interval and [round(100 * bound, 3) for bound in interval],
            "remark": self.remark,
        }
