"""Cells as a network finds them: with the outlines and neighbours that a second look meets.

Samples of a bank are whole single cells. In a field an outline is bitten, two cells are one, the
border cuts a cell, and what is no red cell is taken for one. A second network that was never shown
such red cells calls many of them infected, so it is shown them: in composed smears, whose label
maps tell which cells are infected, and in real fields of people without malaria. White cells are
found in the pictures that those of the bank were cut from, and where somebody looked at them:
`white_cells_by_eye.csv` has a class for those of databases that tell none, of a point within each
cell. No haematologist did; cut, smudged and doubtful ones are left out. Which network finds them
matters: one that knows the laboratory outlines its cells better than those of people's pictures
will be, and where a class ends is then learned from outlines that are too good.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from seen import DATABASES, name_of, trained_on
from tqdm.auto import tqdm

from bloodseg_lib.classes import INFECTED_RBC, UNKNOWN, Box, class_by_key
from bloodseg_lib.evaluation import annotated
from bloodseg_lib.evaluation.annotated import AnnotatedField
from bloodseg_lib.io import read_image
from bloodseg_lib.network.cell_view import RED_CELLS, WHITE_CELLS
from bloodseg_lib.prediction.cells import CountingConfig, Instance, find_instances
from bloodseg_lib.prediction.scale import AT_40X
from bloodseg_lib.prediction.second_look import around
from bloodseg_lib.prediction.segmenter import PredictionConfig, Segmenter
from bloodseg_lib.samples.bank import SampleBank
from bloodseg_lib.samples.extraction.boxes import CellBox
from bloodseg_lib.samples.extraction.field import spread
from bloodseg_lib.samples.field_bank import read_field
from bloodseg_lib.smears.dataset import Dataset

WHITE = ("lisc", "zheng", "pbc", "txl_pbc")
"""Databases that tell the class of white cells."""
HEALTHY_PEOPLE = ("lisc", "zheng", "pbc", "txl_pbc", "chula")
"""Databases in whose fields nobody has malaria."""
FOUND = ", found"  # how their sources end
BY_EYE = Path(__file__).with_name("white_cells_by_eye.csv")
INFECTED, HEALTHY = 0.3, 0.05
"""A cell is infected where at least the first fraction of its pixels is of an infected cell, and
healthy up to the second; between them it is left out.
"""

Pictures = Iterator[tuple[np.ndarray, np.ndarray, str]]
"""Pictures at 40x; ``(H, W) float32``, 1 where infected cells are, 0 elsewhere, NaN where nobody
knows; and where the pictures are from.
"""


def of_smears(dataset: Dataset, number: int) -> Pictures:
    """The first composed smears of the training split."""
    for i in range(min(number, len(dataset.names("train")))):
        image, labels = dataset.image("train", i), dataset.label_map("train", i)
        infected = (labels == INFECTED_RBC).astype(np.float32)
        infected[labels == UNKNOWN] = np.nan
        yield image, infected, "composed"


def of_fields(bank: SampleBank, without: frozenset[str], number: int) -> Pictures:
    """Some fields of each database of people without malaria, of the training split."""
    for source in sorted(set(HEALTHY_PEOPLE) - without):
        fields = [f for f in bank.fields if f.source == source and f.split == "train"]
        for entry in spread(fields, number):
            field = read_field(bank.folder, entry)
            yield field.image, np.zeros(field.labels.shape, np.float32), source


def of_pictures(data: Path, bank: SampleBank, source: str) -> Iterator[AnnotatedField]:
    """Pictures of a database's labelled white cells, whose samples are in the training split, and
    those whose class somebody saw. Of these the source is the laboratory: there are few of each,
    and they are to be drawn as of one.
    """
    trained = trained_on(bank.folder)
    for field in annotated.read(source, data / DATABASES[source]):
        if isinstance(field, AnnotatedField) and trained.get(name_of(field)):
            yield field
    cells: dict[tuple[str, str], list[CellBox]] = {}
    with open(BY_EYE, newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            if row["database"] == source:
                point = Box(int(row["x"]), int(row["y"]), 1, 1)
                cell = CellBox(Path(row["image"]).name, point, class_by_key(row["class"]).id)
                cells.setdefault((row["laboratory"], row["image"]), []).append(cell)
    for (laboratory, image), boxes in cells.items():
        field = AnnotatedField(source, data / DATABASES[source] / image, boxes=tuple(boxes))
        if trained.get(name_of(field)):
            yield replace(field, source=laboratory)


def white_cells(pictures: Iterator[AnnotatedField], network: Path | str) -> Iterator[tuple]:
    """Densities, mask, class and source of each labelled white cell, as `second_look.Cells` has
    them; sources are apart from those of the bank, so that both are drawn.
    """
    segmenter = Segmenter(network, PredictionConfig(second_look=False))
    view = WHITE_CELLS
    for field in tqdm(pictures, unit="picture"):
        labelled = [box for box in field.boxes if box.class_id in view.class_ids]
        if not labelled and field.class_id not in view.class_ids:
            continue
        image = read_image(field.path)
        found = segmenter.segment(image)
        instances = find_instances(found.labels, view.class_ids, found.scale, CountingConfig())
        for class_id, near in _labelled(field, labelled, instances):
            cell = max(near, key=lambda one: np.count_nonzero(one.mask), default=None)
            if cell is None:
                continue
            preparation = found.preprocessing
            seen = preparation.correction.applied(image)
            density, mask = around(seen, cell, found.scale.factor, preparation.levels, view)
            place = view.class_ids.index(class_id)
            source = f"{field.source}{FOUND}"
            yield density.astype(np.float16), mask.astype(np.float16), place, source


def _labelled(
    field: AnnotatedField, boxes: list[CellBox], instances: list[Instance]
) -> Iterator[tuple[int, list[Instance]]]:
    """The class of each label, and the cells that it may be about."""
    if not boxes:
        yield field.class_id, instances
    for label in boxes:
        x, y = label.box.x + label.box.width // 2, label.box.y + label.box.height // 2
        covers = [
            one
            for one in instances
            if one.box.x <= x < one.box.right and one.box.y <= y < one.box.bottom
        ]
        yield label.class_id, covers


def red_cells(pictures: Pictures, network: Path | str) -> Iterator[tuple]:
    """Densities, mask, class and source of each red cell, as `second_look.Cells` has them."""
    segmenter = Segmenter(network, PredictionConfig(second_look=False))
    view = RED_CELLS
    place = view.class_ids.index(INFECTED_RBC)
    for image, infected, source in tqdm(pictures, unit="picture"):
        found = segmenter.segment(image, AT_40X)
        levels = found.preprocessing.levels
        for cell in find_instances(found.labels, view.class_ids, AT_40X, CountingConfig()):
            fraction = infected[cell.box.window][cell.mask].mean()
            if not (fraction <= HEALTHY or fraction >= INFECTED):  # nor where it is not known
                continue
            density, mask = around(image, cell, 1.0, levels, view)
            class_id = place if fraction >= INFECTED else 1 - place
            yield density.astype(np.float16), mask.astype(np.float16), class_id, source
