"""What the readers of databases yielded, and the report of it: what was accepted, what was skipped,
and why.
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from bloodseg_lib.classes import CELL_CLASSES, CLASSES, class_by_key
from bloodseg_lib.samples.bank import SampleBank
from bloodseg_lib.samples.phantom import cells as phantom
from bloodseg_lib.samples.sample import CLUSTER, CellSample, Skipped
from bloodseg_lib.samples.sources import catalog
from bloodseg_lib.samples.splits import SPLITS

REJECTIONS = "rejections.csv"
_ALL = "Every split has samples of every class."


@dataclass
class Collection:
    """What the readers yielded.

    Attributes:
        accepted: (source, class id) -> areas of the single cells in square pixels at 40x.
        clusters, background_crops: source -> number of samples that are clusters of red cells, or
            background crops.
        skipped: cells and files that were left out.
    """

    accepted: dict[tuple[str, int], list[int]] = field(default_factory=dict)
    clusters: Counter[str] = field(default_factory=Counter)
    background_crops: Counter[str] = field(default_factory=Counter)
    skipped: list[Skipped] = field(default_factory=list)

    @classmethod
    def of(cls, bank: SampleBank) -> Collection:
        """What the readers yielded when a finished bank was made."""
        collection = cls()
        for entry in bank.entries:
            if entry.is_single:
                key = entry.source, entry.class_id
                collection.accepted.setdefault(key, []).append(entry.area_px)
            elif entry.path.endswith(f"{CLUSTER}.png"):
                collection.clusters[entry.source] += 1
            else:
                collection.background_crops[entry.source] += 1
        with open(bank.folder / REJECTIONS, newline="", encoding="utf-8") as file:
            for source, name, path, reason, detail in list(csv.reader(file))[1:]:
                class_id = class_by_key(name).id if name else 0
                collection.skipped.append(Skipped(source, class_id, Path(path), reason, detail))
        return collection

    def add(self, item: CellSample | Skipped) -> None:
        """Count one item of a reader."""
        if isinstance(item, Skipped):
            self.skipped.append(item)
        elif item.is_cluster:
            self.clusters[item.source] += 1
        elif item.is_background_crop:
            self.background_crops[item.source] += 1
        else:
            self.accepted.setdefault((item.source, item.class_id), []).append(item.area_px)

    def report(self, bank: SampleBank) -> str:
        """The report as Markdown: accepted samples per source and class beside the original
        project's counts, the reasons for skipping the others, and the splits.
        """
        lines = ["# What is in this sample bank", ""]
        lines += [*self._accepted_lines(), "", *self._skipped_lines(), "", *_split_lines(bank)]
        return "\n".join(lines) + "\n"

    def _accepted_lines(self) -> Iterator[str]:
        columns = ["source", "class", "accepted", "skipped", "original project"]
        columns += ["mean area, px", "original's mean area, px"]
        yield from ("## Accepted", "", _row(*columns), "|---|---|---:|---:|---:|---:|---:|")
        expected = {entry.key: entry.expected_counts for entry in catalog.DATABASES}
        skipped = Counter((s.source, s.class_id) for s in self.skipped)
        for source, class_id in sorted({*self.accepted, *skipped}):
            areas = self.accepted.get((source, class_id), [])
            yield _row(
                source,
                CLASSES[class_id].name if class_id else "not known",
                len(areas),
                skipped[source, class_id],
                expected.get(source, {}).get(CLASSES[class_id].key, "-"),
                f"{sum(areas) / len(areas):.0f}" if areas else "-",
                CLASSES[class_id].mean_area_px or "-",
            )
        for kind, numbers in (
            ("clusters of healthy red cells that touch or overlap", self.clusters),
            ("background crops of fields that hold no malaria", self.background_crops),
        ):
            if numbers:
                listed = ", ".join(f"{source} {n}" for source, n in sorted(numbers.items()))
                yield from ("", f"Besides, {kind}, for training smears only: {listed}.")

    def _skipped_lines(self) -> Iterator[str]:
        header = _row("source", "reason", "number", "for example")
        yield from ("## Skipped", "", header, "|---|---|---:|---|")
        alike: dict[tuple[str, str], list[Skipped]] = {}
        for s in self.skipped:
            alike.setdefault((s.source, s.reason), []).append(s)
        for (source, reason), (first, *others) in sorted(alike.items()):
            example = f"{first.path.name}: {first.detail}"
            yield _row(source, reason, 1 + len(others), example).replace("\n", " ")
        if not alike:
            yield "| - | nothing | 0 | - |"


def _row(*cells: object) -> str:
    return f"| {' | '.join(map(str, cells))} |"


def _split_lines(bank: SampleBank) -> Iterator[str]:
    """The report's section on the splits."""
    counts = bank.counts()
    yield from ("## Splits", "")
    yield from ("Split 80/10/10 by patient, slide or field, as far as the source names them.", "")
    yield from (_row("class", *SPLITS), "|---|" + "---:|" * len(SPLITS))
    for c in CELL_CLASSES:
        yield _row(c.name, *(counts[c.key][split] for split in SPLITS))
    missing = ((c, split) for c in CELL_CLASSES for split in SPLITS if not counts[c.key][split])
    empty = ", ".join(f"{c.name} in {split}" for c, split in missing)
    yield from ("", f"No sample at all: {empty}." if empty else _ALL)
    real = {(e.class_id, e.split) for e in bank.entries if e.source != phantom.SOURCE}
    drawn = {(e.class_id, e.split) for e in bank.entries} - real
    if real and drawn:
        names = ", ".join(f"{CLASSES[c].name} in {split}" for c, split in sorted(drawn))
        yield (
            f"Drawn cells only, no real one: {names}. "
            "Scores there say nothing of real cells of that class."
        )
