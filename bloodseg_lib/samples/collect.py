"""From database folders to a sample bank, with a report of what was accepted, what was skipped, and
why.

Taught by ``notebooks/01_dataset_creation.ipynb``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from inspect import signature
from pathlib import Path

from tqdm.auto import tqdm

from bloodseg_lib.classes import CELL_CLASSES, CLASSES
from bloodseg_lib.io import write_bytes, write_csv
from bloodseg_lib.runs import owned
from bloodseg_lib.samples.bank import BankWriter, SampleBank
from bloodseg_lib.samples.phantom import cells as phantom
from bloodseg_lib.samples.sample import CellSample, Skipped
from bloodseg_lib.samples.sources import catalog
from bloodseg_lib.samples.splits import SPLIT_FRACTIONS, SPLITS

REPORT = "report.md"
REJECTIONS = "rejections.csv"
DRAWN_SEED = 1_000_003
"""Added to the seed of cells drawn for empty splits, so that they differ from those that
``phantom=N`` draws.
"""


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
                expected.get(source, {}).get(class_id, "-"),
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
        examples: dict[tuple[str, str], Skipped] = {}
        for s in self.skipped:
            examples.setdefault((s.source, s.reason), s)
        reasons = Counter((s.source, s.reason) for s in self.skipped)
        for (source, reason), number in sorted(reasons.items()):
            example = examples[source, reason]
            row = _row(source, reason, number, f"{example.path.name}: {example.detail}")
            yield row.replace("\n", " ")
        if not reasons:
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
    empty = [
        f"{c.name} in {split}" for c in CELL_CLASSES for split in SPLITS if not counts[c.key][split]
    ]
    yield ""
    if empty:
        yield f"No sample at all: {', '.join(empty)}."
    else:
        yield "Every split has samples of every class."
    real = {(e.class_id, e.split) for e in bank.entries if e.source != phantom.SOURCE}
    drawn = {(e.class_id, e.split) for e in bank.entries} - real
    if real and drawn:
        names = ", ".join(
            f"{CLASSES[class_id].name} in {split}" for class_id, split in sorted(drawn)
        )
        yield (
            f"Drawn cells only, no real one: {names}. "
            "Scores there say nothing of real cells of that class."
        )


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
        draw_missing: the number of cells to draw of a class over all splits, for the splits where
            it has no sample; each gets its fraction of them, at least one. 0: they stay empty.
        seed: of the drawn cells and of the split.
        progress: show a progress bar.
        automatic_masks: segment cells that no expert masked, with the readers that can.

    Returns:
        the bank, and what the readers yielded.

    Raises:
        ValueError: an unknown database, or a folder that is a bank already.
        BlockingIOError: another command is writing there.
        FileNotFoundError: a folder is missing, or not laid out as its database is.
    """
    # a misspelt key is refused before hours of reading
    readers = {key: catalog.reader(key) for key in roots}
    collection = Collection()
    with tqdm(unit="cell", desc="collecting", disable=not progress) as bar:

        def items() -> Iterator[CellSample | Skipped]:
            for key, root in roots.items():
                if key == phantom.SOURCE:
                    yield from phantom.read(_number(root), seed)
                else:
                    offered = signature(readers[key]).parameters
                    wanted = automatic_masks and "automatic_masks" in offered
                    options = {"automatic_masks": True} if wanted else {}
                    yield from readers[key](Path(root), **options)

        def samples() -> Iterator[CellSample]:
            for item in items():
                if isinstance(item, CellSample):
                    yield item
                else:
                    collection.add(item)

        def fill(class_id: int, split: str) -> list[CellSample]:
            return _drawn(class_id, split, draw_missing, seed + DRAWN_SEED)

        def count(sample: CellSample) -> None:
            collection.add(sample)
            bar.update()

        with owned(folder):
            writer = BankWriter(folder, count)
            for sample in samples():
                writer.add(sample)
            try:
                bank = writer.close(seed, fill if draw_missing else None)
            except ValueError as error:
                if collection.accepted or not collection.skipped:
                    raise
                _write_rejections(writer.folder, collection)
                raise ValueError(_nothing_usable(writer.folder, collection)) from error
            _write_rejections(bank.folder, collection)
            write_bytes(bank.folder / REPORT, collection.report(bank).encode())
    return bank, collection


def _nothing_usable(folder: Path, collection: Collection) -> str:
    reasons = Counter(skipped.reason for skipped in collection.skipped)
    listed = ", ".join(f"{reason} {number}" for reason, number in reasons.most_common())
    return (
        f"{folder}: expected at least one usable sample, received none. Reasons: {listed}; each "
        f"with its file in {folder / REJECTIONS}. For example: {collection.skipped[0].detail}"
    )


def _write_rejections(folder: Path, collection: Collection) -> None:
    rows = (
        (s.source, CLASSES[s.class_id].key if s.class_id else "", s.path, s.reason, s.detail)
        for s in collection.skipped
    )
    columns = ("source", "class", "file", "reason", "detail")
    write_csv(folder / REJECTIONS, columns, rows)


def _drawn(class_id: int, split: str, number: int, seed: int) -> list[CellSample]:
    """Cells for a split that has none of a class: its fraction of ``number``, at least one."""
    before = sum(SPLIT_FRACTIONS[s] for s in SPLITS[: SPLITS.index(split)])
    first = round(number * before)
    count = max(1, round(number * (before + SPLIT_FRACTIONS[split])) - first)
    # Behind those of the splits before it: no drawn cell is there twice.
    cells = list(phantom.read({class_id: first + count}, seed))[first:]
    return [replace(cell, name=f"missing-{cell.name}") for cell in cells]


def _number(value: Path | str) -> int:
    if not str(value).isdigit() or int(str(value)) < 1:
        raise ValueError(
            "phantom: expected the number of cells to draw of each class, e.g. phantom=100. "
            f"Received {str(value)!r}."
        )
    return int(str(value))
