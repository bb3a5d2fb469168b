"""The databases of single cells: the address, licence, layout and reader of each."""

from __future__ import annotations

import importlib
import textwrap
from collections.abc import Callable, Iterator
from typing import Any

from bloodseg_lib.classes import class_by_key
from bloodseg_lib.samples.labelled_field import LabelledField
from bloodseg_lib.samples.sample import CellSample, Skipped
from bloodseg_lib.samples.sources.database_entry import DatabaseEntry, Download

_WRAPPED = textwrap.TextWrapper(
    110, subsequent_indent=" " * 12, break_long_words=False, break_on_hyphens=False
)


DATABASES: tuple[DatabaseEntry, ...] = (
    DatabaseEntry(
        key="lisc",
        title="LISC: Leukocyte Images for Segmentation and Classification",
        url="http://users.cecs.anu.edu.au/~hrezatofighi/Data/Leukocyte%20Data.htm",
        licence="free for research and education, with citation",
        citation=(
            "Rezatofighi, Soltanian-Zadeh: Automatic recognition of five types of white blood "
            "cells in peripheral blood. Computerized Medical Imaging and Graphics 35(4), 2011, "
            "333-343."
        ),
        layout=(
            "Main Dataset/<Class>/N.* and Ground Truth "
            "Segmentation/<Class>/areaforexpert1/N_expert.*, <Class>: Baso, Eosi, Lymp, Mono, "
            "Neut; optional: platelet_boxes.csv"
        ),
        expected_counts={
            "eosinophil": 37,
            "basophil": 50,
            "neutrophil": 47,
            "lymphocyte": 45,
            "monocyte": 48,
        },
        grouping=(
            "a group is a field, or several that overlap where a crop gives it away; which fields "
            "are of one patient is not known."
        ),
    ),
    DatabaseEntry(
        key="iumc",
        title="IUMC: white blood cells of Isfahan University of Medical Sciences",
        url="https://misp.mui.ac.ir",
        licence="not stated; ask the authors",
        citation=(
            "Sarrafzadeh, Rabbani, Talebi, Usefi Banaem: Selection of the best features for "
            "leukocytes classification in blood smear microscopic images. Proc. SPIE 9041, 2014, "
            "90410P."
        ),
        layout="images/<Class>/NAME.* and masks/<Class>/NAME.*, <Class>: Eosi, Lymp, Mono, Neut",
        expected_counts={"eosinophil": 42, "neutrophil": 38, "lymphocyte": 32, "monocyte": 36},
        grouping="a group is an image; patients are not known.",
    ),
    DatabaseEntry(
        key="mamic",
        title="MAMIC (MOMIC): thin smears with Plasmodium falciparum",
        url="http://fimm.webmicroscope.net/Research/Momic",
        licence="not stated; do not redistribute",
        citation=(
            "Linder et al.: A malaria diagnostic tool based on computer vision screening and "
            "visualization of Plasmodium falciparum candidate areas in digitized blood smears. "
            "PLoS ONE 9(8), 2014, e104855."
        ),
        layout="crops/infected and crops/healthy, or fields with boxes.csv beside it, or both",
        expected_counts={
            "thrombocyte": 82,
            "platelet_clump": 36,
            "infected_rbc": 407,
            "healthy_rbc": 3539,
        },
        grouping=(
            "a group is slide and field; all crops are of one slide, whose patient is in every "
            "split."
        ),
    ),
    DatabaseEntry(
        key="kaggle",
        title="KAGGLE: the NIH's malaria cells",
        url="https://www.kaggle.com/datasets/iarunava/cell-images-for-detecting-malaria",
        licence="work of the US government, public domain; please cite",
        citation=(
            "Rajaraman et al.: Pre-trained convolutional neural networks as feature extractors "
            "toward improved malaria parasite detection in thin blood smear images. PeerJ 6, 2018, "
            "e4568."
        ),
        layout="cell_images/Parasitized and cell_images/Uninfected",
        expected_counts={"infected_rbc": 13779, "healthy_rbc": 13779},
        grouping="a group is a patient, from the file name.",
        download=Download("kaggle:iarunava/cell-images-for-detecting-malaria"),
    ),
    DatabaseEntry(
        key="zheng",
        title="Zheng et al.: white blood cells with masks of nucleus and cytoplasm",
        url="https://github.com/zxaoyou/segmentation_WBC",
        licence="GPL-3",
        citation=(
            "Zheng, Wang, Wang, Liu: Fast and robust segmentation of white blood cell images by "
            "self-supervised learning. Micron 107, 2018, 55-71."
        ),
        layout=(
            "Dataset 1/NNN.bmp with NNN.png, Class Labels of Dataset 1.csv, and the same of "
            "Dataset 2"
        ),
        grouping="a group is an image; patients are not known.",
        download=Download(
            "https://github.com/zxaoyou/segmentation_WBC/archive/refs/heads/master.zip",
            note="GitHub repacks this archive at times, so that no published sha256 lasts",
        ),
    ),
    DatabaseEntry(
        key="pbc",
        title="PBC: peripheral blood cells of the Hospital Clinic of Barcelona",
        url="https://data.mendeley.com/datasets/snkd93bnjr/1",
        licence="CC BY 4.0",
        citation=(
            "Acevedo, Merino, Alferez, Molina, Boldu, Rodellar: A dataset of microscopic "
            "peripheral blood cell images for development of automatic recognition systems. Data "
            "in Brief 30, 2020, 105474."
        ),
        layout=(
            "PBC_dataset_normal_DIB/<class>/NAME.jpg, or images named <class>_..., <class>: "
            "basophil, eosinophil, erythroblast, ig, lymphocyte, monocyte, neutrophil, platelet; "
            "optional: platelet_groups.csv"
        ),
        grouping="a group is an image; patients are not known: one may be on both sides.",
    ),
    DatabaseEntry(
        key="txl_pbc",
        title="TXL-PBC: boxes around every cell of fields of Raabin-WBC, BCCD and draaslan",
        url="https://github.com/lugan113/TXL-PBC_Dataset",
        licence="MIT (boxes and BCCD); Raabin-WBC asks for citation",
        citation=(
            "Gan et al.: A curated and re-annotated peripheral blood cell dataset integrating four "
            "public resources. Scientific Data, 2025, arXiv 2407.13214. Images of Raabin-WBC: "
            "Kouzehkanan et al., Scientific Reports 12, 2022, 1123; of BCCD: "
            "github.com/Shenggan/BCCD_Dataset."
        ),
        layout="images/NAME.png, labels/NAME.txt (YOLO: 0 white cell, 1 red cell, 2 platelet), "
        "images.csv",
        grouping=(
            "a group is a slide (Raabin-WBC, from the file name; of photographs named by time, a "
            "day) or an image (BCCD, draaslan), whose patients are not known."
        ),
    ),
    DatabaseEntry(
        key="chula",
        title="Chula RBC-12: red cells in thalassaemia, without malaria",
        url="https://github.com/Chula-PIC-Lab/Chula-RBC-12-Dataset",
        licence="MIT",
        citation=(
            "Naruenatthanaset, Chalidabhongse, Palasuwan, Anantrasirichai, Palasuwan: Red blood "
            "cell segmentation with overlapping cell separation and classification on imbalanced "
            "dataset. arXiv 2012.01321, 2021."
        ),
        layout="fields/N.jpg and points/N.txt (x y kind), or Dataset and Label",
        grouping="a group is a field; which fields are of one patient is not known.",
    ),
    DatabaseEntry(
        key="own",
        title="Fields of one's own, with boxes drawn around cells",
        url="",
        licence="yours",
        citation="",
        layout="fields and boxes.csv with the columns field,x,y,width,height,class,rbc_diameter_px",
        grouping="a group is a field; which fields are of one patient is not known.",
        reader_name="sources.own_fields",
    ),
    DatabaseEntry(
        key="phantom",
        title="Phantom cells, drawn by program",
        url="",
        licence="that of this project",
        citation="",
        layout="none: phantom=N draws N cells of each class",
        grouping="a group is a drawn slide of one cell.",
        reader_name="phantom.cells",
    ),
)


def entry(key: str) -> DatabaseEntry:
    """The entry of a database.

    Raises:
        ValueError: no database has that key; the message lists the legal ones.

    Examples:
        >>> entry("chula").licence
        'MIT'
    """
    found = {database.key: database for database in DATABASES}
    if key not in found:
        legal = ", ".join(found)
        raise ValueError(f"Expected the key of a database, one of {legal}. Received {key!r}.")
    return found[key]


def reader(key: str) -> Callable[..., Iterator[CellSample | Skipped]]:
    """The ``read`` function of a database, ``read(root, **options)``; for ``phantom``,
    ``read(cells_per_class, seed)``.

    Raises:
        ValueError: no database has that key; the message lists the legal ones.
    """
    return _module(key).read


def field_reader(key: str) -> Callable[..., Iterator[LabelledField | Skipped]] | None:
    """The ``fields`` function of a database, ``fields(root)``, or None where it has no fields whose
    cells are labelled.

    Raises:
        ValueError: see :func:`reader`.
    """
    return getattr(_module(key), "fields", None)


def _module(key: str) -> Any:
    name = entry(key).reader_name or f"sources.{key}"
    return importlib.import_module(f"bloodseg_lib.samples.{name}")


def table() -> str:
    """All databases for people to read: title, address, licence, citation, layout and counts."""
    paragraphs = []
    for database in DATABASES:
        by_hand = "by hand" if database.url else ""
        command = f"python -m bloodseg_lib fetch {database.key} --out FOLDER"
        counts = (f"{class_by_key(key).name} {n}" for key, n in database.expected_counts.items())
        facts = {
            "where": database.url,
            "licence": database.licence,
            "cite": database.citation,
            "layout": database.layout,
            "expected": ", ".join(counts),
            "fetch": command if database.download else by_hand,
        }
        lines = [f"{database.key} - {database.title}"]
        lines += [_WRAPPED.fill(f"  {name:9} {text}") for name, text in facts.items() if text]
        paragraphs.append("\n".join(lines))
    return "\n\n".join(paragraphs)
