"""The results of several pictures put together, patient by patient."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bloodseg_lib.prediction.counts import Counts, pool
from bloodseg_lib.prediction.file_result import FileResult

ALL = "(all)"
"""In the place of a patient: all pictures."""


@dataclass(frozen=True)
class Together:
    """Pictures that are pooled.

    Attributes:
        name: of the patient, or :data:`ALL`.
        pictures: how many there are.
        withheld: of these, pictures whose figures are withheld, and that are not pooled.
        failed: of these, pictures that were not segmented.
        counts: of the others; None if there are none.
    """

    name: str
    pictures: int
    withheld: int
    failed: int
    counts: Counts | None

    @classmethod
    def of(cls, name: str, results: Sequence[FileResult]) -> Together:
        """Pool the results of some pictures."""
        counts = [result.counts for result in results if result.counts]
        sound = [each for each in counts if each.sound]
        failed, withheld = len(results) - len(counts), len(counts) - len(sound)
        return cls(name, len(results), withheld, failed, pool(sound) if sound else None)

    def __str__(self) -> str:
        """How many pictures the figures are of.

        Examples:
            >>> print(Together("P7", 5, 1, 0, None))
            4 of 5 pictures, 1 withheld
        """
        used = self.pictures - self.withheld - self.failed
        parts = [f"{used} of {self.pictures} pictures"]
        parts += [f"{self.withheld} withheld"] if self.withheld else []
        parts += [f"{self.failed} not segmented"] if self.failed else []
        return ", ".join(parts)


def by_patient(results: Sequence[FileResult]) -> list[Together]:
    """The results of each patient that is named, in the order of the names, and of all pictures."""
    names = sorted({result.patient for result in results if result.patient})
    patients = [Together.of(name, [r for r in results if r.patient == name]) for name in names]
    return [*patients, Together.of(ALL, results)]
