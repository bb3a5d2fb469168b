"""What is to be said of a picture before its figures are believed.

Taught by ``notebooks/06_interactive_prediction.ipynb``.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

Level = Literal["note", "warning", "withheld"]
PARASITAEMIA, DIFFERENTIAL, COUNTS = "parasitaemia", "differential", "counts"
FRACTIONS = (PARASITAEMIA, DIFFERENTIAL)
EVERYTHING = (PARASITAEMIA, DIFFERENTIAL, COUNTS)


@dataclass(frozen=True)
class Finding:
    """One thing that is to be said of a picture.

    Attributes:
        name: a word for tables, e.g. ``"focus"``.
        level: ``"note"``, ``"warning"`` or ``"withheld"``.
        value: what was measured.
        sentence: for people.
        withholds: the figures that are not given for it, of :data:`EVERYTHING`.
    """

    name: str
    level: Level
    value: float
    sentence: str
    withholds: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self) | {"value": round(self.value, 4), "withholds": list(self.withholds)}


def doubt(
    name: str, value: float, sentence: str, lost: bool, withholds: tuple[str, ...]
) -> Finding:
    """A warning, or where all is lost the reason why these figures are withheld."""
    return Finding(
        name, "withheld" if lost else "warning", value, sentence, withholds if lost else ()
    )


@dataclass(frozen=True)
class Quality:
    """What is to be said of a picture before its figures are believed.

    Attributes:
        findings: the worst first; none of a picture that nothing is wrong with.

    Examples:
        >>> dark = Finding("light", "withheld", 12.0, "It is too dark.", EVERYTHING)
        >>> Quality((dark,)).level, Quality((dark,)).reason("counts"), Quality().level
        ('withheld', 'It is too dark.', 'good')
    """

    findings: tuple[Finding, ...] = ()

    @property
    def level(self) -> str:
        """The worst level of a finding; ``"good"`` without any."""
        return self.findings[0].level if self.findings else "good"

    def reason(self, figure: str) -> str:
        """Why a figure is withheld, in sentences; empty if it is not."""
        return " ".join(f.sentence for f in self.findings if figure in f.withholds)

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {"level": self.level, "findings": [f.to_dict() for f in self.findings]}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Quality:
        """What :meth:`to_dict` gave."""
        found = (f | {"withholds": tuple(f["withholds"])} for f in values["findings"])
        return cls(tuple(Finding(**each) for each in found))


NOTHING_WRONG = Quality()
