"""From database folders to a sample bank, with a report of what was taken, what was left out, and
why.
"""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from inspect import signature
from pathlib import Path

from tqdm.auto import tqdm

from bloodseg_lib.classes import CELL_CLASSES, CLASSES
from bloodseg_lib.io import write_bytes
from bloodseg_lib.samples.bank import INDEX, SPLIT_SHARES, SPLITS, SampleBank, write_bank
from bloodseg_lib.samples.phantom import cells as phantom
from bloodseg_lib.samples.sample import CellSample, Skipped
from bloodseg_lib.samples.sources import catalog

REPORT = "report.md"
REJECTIONS = "rejections.csv"
DRAWN_SEED = 1_000_003
"""Added to the seed of cells drawn for empty splits, so that they are none of those that
``phantom=N`` draws.
"""


@dataclass
class Collection:
    """What was read.

    Attributes:
        accepted: (source, class id) -> areas of the samples in square pixels at 40x.
        stacks, patches: source -> number of samples that are stacks of red cells, or patches of
            fields; they are not among those accepted, whose areas are those of single cells.
        rejections: what was left out.
    """

    accepted: dict[tuple[str, int], list[int]] = field(default_factory=dict)
    stacks: Counter[str] = field(default_factory=Counter)
    patches: Counter[str] = field(default_factory=Counter)
    rejections: list[Skipped] = field(default_factory=list)

    def add(self, sample: CellSample) -> None:
        """Count a sample that went into the bank."""
        if sample.is_cluster or sample.is_background_crop:
            (self.stacks if sample.is_cluster else self.patches)[sample.source] += 1
            return
        self.accepted.setdefault((sample.source, sample.class_id), []).append(sample.area_px)

    def report(self, bank: SampleBank) -> str:
        """The report as Markdown:

        per source and class what was taken beside the original project's counts, and the reasons
        for the rest.
        """
        expected = {entry.key: entry.expected_counts for entry in catalog.DATABASES}
        lines = ["# What is in this sample bank", "", "## Taken", ""]
        lines += [
            "| source | class | accepted | rejected | original project | mean area, px | original's mean area, px |",
            "|---|---|---:|---:|---:|---:|---:|",
        ]
        rejected = Counter((r.source, r.class_id) for r in self.rejections)
        for source, class_id in sorted({*self.accepted, *rejected}):
            areas = self.accepted.get((source, class_id), [])
            mean = f"{sum(areas) / len(areas):.0f}" if areas else "-"
            lines.append(
                f"| {source} | {CLASSES[class_id].name if class_id else 'not known'} | {len(areas)} | {rejected[source, class_id]} "
                f"| {expected.get(source, {}).get(class_id, '-')} | {mean} | {CLASSES[class_id].mean_area_px or '-'} |"
            )
        several = (
            ("stacks of healthy red cells that touch or overlap", self.stacks),
            ("patches of fields that hold no malaria", self.patches),
        )
        for what, numbers in several:
            if numbers:
                found = ", ".join(
                    f"{source} {number}" for source, number in sorted(numbers.items())
                )
                lines += ["", f"Besides, {what}, only for smears to train on: {found}."]
        lines += [
            "",
            "## Left out",
            "",
            "| source | reason | number | for example |",
            "|---|---|---:|---|",
        ]
        reasons = Counter((r.source, r.reason) for r in self.rejections)
        examples = {(r.source, r.reason): r for r in reversed(self.rejections)}
        for (source, reason), number in sorted(reasons.items()):
            example = examples[source, reason]
            lines.append(
                f"| {source} | {reason} | {number} | {example.path.name}: {example.detail} |".replace(
                    "\n", " "
                )
            )
        if not reasons:
            lines.append("| - | nothing | 0 | - |")
        lines += [
            "",
            "## Splits",
            "",
            "Dealt out 80/10/10 by patient, slide or field where the source tells them.",
            "",
        ]
        lines += ["| class | " + " | ".join(SPLITS) + " |", "|---|" + "---:|" * len(SPLITS)]
        for cell_class in CELL_CLASSES:
            lines.append(
                f"| {cell_class.name} | "
                + " | ".join(str(bank.counts()[cell_class.key][split]) for split in SPLITS)
                + " |"
            )
        empty = [
            f"{c.name} in {split}"
            for c in CELL_CLASSES
            for split in SPLITS
            if not bank.counts()[c.key][split]
        ]
        lines += [
            "",
            f"No sample at all: {', '.join(empty)}."
            if empty
            else "Every split has samples of every class.",
        ]
        real = {(e.class_id, e.split) for e in bank.entries if e.source != phantom.SOURCE}
        drawn = {(e.class_id, e.split) for e in bank.entries} - real
        if real and drawn:
            names = ", ".join(
                f"{CLASSES[class_id].name} in {split}" for class_id, split in sorted(drawn)
            )
            lines.append(
                f"Drawn cells only, no real one: {names}. What is scored there says nothing of real cells of that class."
            )
        return "\n".join(lines) + "\n"

    def rejections_csv(self) -> str:
        """Every rejection, a line each: source, class, file, reason, detail."""
        table = io.StringIO()
        writer = csv.writer(table, lineterminator="\n")
        writer.writerow(["source", "class", "file", "reason", "detail"])
        for r in self.rejections:
            writer.writerow(
                [
                    r.source,
                    CLASSES[r.class_id].key if r.class_id else "",
                    r.path,
                    r.reason,
                    r.detail,
                ]
            )
        return table.getvalue()


def collect(
    roots: Mapping[str, Path | str],
    folder: Path | str,
    draw_missing: int = 0,
    seed: int = 0,
    progress: bool = True,
    automatic_masks: bool = False,
) -> tuple[SampleBank, Collection]:
    """Read databases into a new sample bank.

    Args:
        roots: key of the database -> its folder; for ``"phantom"`` the number of cells to draw of
            each class.
        folder: where to make the bank; ``report.md`` and ``rejections.csv`` are written beside its
            index.
        draw_missing: where a class has no sample in a split, cells are drawn for it: that split's
            share of so many, at least one; 0: it stays empty.
        seed: of the drawn cells and of the split.
        progress: show a progress bar.
        automatic_masks: whether readers that can shall segment cells that no expert masked.

    Returns:
        the bank, and what was read.

    Raises:
        ValueError, FileNotFoundError: an unknown database, a folder that is not laid out as the
            database is, a folder that is a bank already.
    """
    folder = Path(folder)
    if (folder / INDEX).exists():
        raise ValueError(
            f"{folder}: is a sample bank already. Delete it, or choose another folder."
        )
    # a misspelt key is told before hours of reading
    readers = {key: catalog.reader(key) for key in roots}
    collection = Collection()

    def samples() -> Iterator[CellSample]:
        for key, root in roots.items():
            if key == phantom.SOURCE:
                yield from phantom.read(_number(root), seed)
            else:
                options = (
                    {"automatic_masks": True}
                    if automatic_masks and "automatic_masks" in signature(readers[key]).parameters
                    else {}
                )
                yield from readers[key](Path(root), collection.rejections, **options)

    def drawn(class_id: int, split: str) -> list[CellSample]:
        ends = [
            round(draw_missing * sum(SPLIT_SHARES[s] for s in SPLITS[:i]))
            for i in range(len(SPLITS) + 1)
        ]
        first = ends[SPLITS.index(split)]
        count = max(1, ends[SPLITS.index(split) + 1] - first)
        # Behind those that phantom=N draws, and each split's behind the last one's: no drawn cell
        # is there twice.
        return [
            replace(s, name=f"missing-{s.name}")
            for s in phantom.read({class_id: first + count}, seed + DRAWN_SEED)
        ][first:]

    with tqdm(unit="cell", desc="collecting", disable=not progress) as bar:

        def count(sample: CellSample) -> None:
            collection.add(sample)
            bar.update()

        bank = write_bank(samples(), folder, seed, count, drawn if draw_missing else None)
    write_bytes(folder / REJECTIONS, collection.rejections_csv().encode())
    write_bytes(folder / REPORT, collection.report(bank).encode())
    return bank, collection


def _number(value: Path | str) -> int:
    if not str(value).isdigit() or int(value := str(value)) < 1:
        raise ValueError(
            f"phantom: expected the number of cells to draw of each class, e.g. phantom=100. Received {value!r}."
        )
    return int(value)
