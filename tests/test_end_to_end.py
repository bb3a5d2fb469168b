"""The whole way from single cells to a report, small:

on drawn cells, and on real ones where they are at hand.
"""

import json

import numpy as np
import pytest

from bloodseg_lib.classes import CELL_CLASSES
from bloodseg_lib.evaluation.composed import evaluate_dataset
from bloodseg_lib.figures.animation import heat_map_frames, write_gif
from bloodseg_lib.network.config import UNetConfig
from bloodseg_lib.network.metrics import confusion_matrix
from bloodseg_lib.prediction.scale import AT_40X
from bloodseg_lib.prediction.segmenter import PredictionConfig, Segmenter
from bloodseg_lib.runs import RunFiles
from bloodseg_lib.samples.bank import SPLITS, write_bank
from bloodseg_lib.samples.collect import collect
from bloodseg_lib.samples.phantom import cells as phantom
from bloodseg_lib.smears.build import DatasetConfig, build_dataset
from bloodseg_lib.smears.recipe import RECIPES, Recipe
from bloodseg_lib.training.config import TrainingConfig
from bloodseg_lib.training.train import train


@pytest.mark.slow
def test_from_drawn_cells_to_report_and_animation(tmp_path):
    files = RunFiles(tmp_path)
    bank = write_bank(phantom.read(12), files.bank)
    config = DatasetConfig(
        train=24, valid=4, test=4, backgrounds=9, recipe=Recipe(background_size_px=400)
    )
    dataset = build_dataset(config, bank, files.dataset, progress=False)
    training = TrainingConfig(batch_size=4, epochs=2, learning_rate=0.005, weight_exponent=0.5)
    result = train(
        dataset,
        UNetConfig(width=4, normalization="batch"),
        training,
        files.training,
        progress=False,
    )
    assert result.history[1].train_loss < result.history[0].train_loss
    assert result.best == files.best

    segmenter = Segmenter(files.best, PredictionConfig(preprocess=False))
    report = evaluate_dataset(segmenter, dataset, "test", progress=False)
    report.save(files.evaluation)
    by_hand = sum(
        confusion_matrix(
            dataset.label_map("test", i),
            segmenter.segment(dataset.image("test", i), AT_40X).labels,
        )
        for i in range(config.test)
    )
    assert np.array_equal(report.confusion, by_hand)
    assert json.loads((files.evaluation / "report.json").read_text())["scores"][
        "pixel_accuracy"
    ] == pytest.approx(np.trace(by_hand) / by_hand.sum())

    write_gif(
        files.gif,
        heat_map_frames(
            dataset.image("test", 0),
            segmenter.segment(dataset.image("test", 0), AT_40X).probabilities,
        ),
    )
    assert files.gif.read_bytes()[:6] == b"GIF89a"


@pytest.mark.slow
def test_from_real_cells_to_composed_smears(tmp_path, real_data):
    bank, collection = collect(
        {"lisc": real_data / "lisc", "kaggle": real_data / "kaggle"},
        tmp_path / "bank",
        draw_missing=20,
        progress=False,
    )
    counts = bank.counts()
    assert all(counts[c.key][split] for c in CELL_CLASSES for split in SPLITS)
    groups = {split: {(e.source, e.group) for e in bank.select(split)} for split in SPLITS}
    assert (
        not groups["train"] & groups["test"]
        | groups["train"] & groups["valid"]
        | groups["valid"] & groups["test"]
    )
    assert sum(e.is_single for e in bank.entries) == sum(map(len, collection.accepted.values()))
    assert (
        sum(not e.is_single for e in bank.entries)
        == collection.clusters.total() + collection.background_crops.total()
        > 0
    )
    for recipe in RECIPES:
        config = DatasetConfig(train=6, valid=2, test=2, backgrounds=3, recipe=RECIPES[recipe])
        dataset = build_dataset(config, bank, tmp_path / recipe, progress=False)
        for i in range(6):
            labels = dataset.label_map("train", i)
            assert {cell["id"] for cell in dataset.objects("train", i)} == set(
                np.unique(labels)
            ) - {0}
