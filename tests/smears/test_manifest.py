import numpy as np
import pytest
from discs import disc

from bloodseg_lib.classes import (
    HEALTHY_RBC,
    NEUTROPHIL,
)
from bloodseg_lib.samples.bank import SPLITS, write_bank
from bloodseg_lib.smears.build import build_dataset
from bloodseg_lib.smears.manifest import DatasetConfig
from bloodseg_lib.smears.recipe import Recipe


@pytest.mark.parametrize(
    "wrong", [{"train": -1}, {"backgrounds": 0}, {"seed": 1.5}, {"train": True}]
)
def test_a_size_out_of_range_is_refused_by_name(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        DatasetConfig(**wrong)


def test_missing_classes_are_named_in_the_manifest(tmp_path):
    bank = write_bank(
        (disc(c, i) for c in (NEUTROPHIL, HEALTHY_RBC) for i in range(10)), tmp_path / "bank"
    )
    config = DatasetConfig(
        train=2, valid=1, test=1, backgrounds=3, recipe=Recipe(background_size_px=336)
    )
    missing = build_dataset(config, bank, tmp_path / "dataset", progress=False).manifest["bank"][
        "missing_classes"
    ]
    assert missing == [
        "eosinophil",
        "basophil",
        "lymphocyte",
        "monocyte",
        "thrombocyte",
        "platelet_clump",
        "infected_rbc",
    ]


def test_labels_segments_and_manifest_agree(dataset):
    for split in SPLITS:
        pixels, objects = np.zeros(10, int), 0
        for i in range(len(dataset.names(split))):
            labels, cells = dataset.label_map(split, i), dataset.objects(split, i)
            counts = np.bincount(labels.ravel(), minlength=10)
            pixels += counts
            objects += len(cells)
            for class_id in range(1, 10):
                assert counts[class_id] == sum(
                    cell["area_px"] for cell in cells if cell["id"] == class_id
                )
        assert pixels.tolist() == dataset.pixel_counts(split).tolist()
        assert objects == sum(dataset.manifest["objects"][split].values())


def test_mean_and_std_are_those_of_the_training_pixels(dataset):
    images, _ = dataset.arrays("train")
    assert dataset.manifest["mean"] == pytest.approx(images.reshape(-1, 3).mean(axis=0))
    assert dataset.manifest["std"] == pytest.approx(images.reshape(-1, 3).std(axis=0))


def test_cut_outs_lost_focus_and_drawn_parasites_are_for_training_only():
    recipe = Recipe(
        defocus=0.2, cut_outs=0.5, drawn_parasites=0.3, illumination=1.0, stain_jitter=0.1
    )
    config = DatasetConfig(train=1000, valid=100, test=100, backgrounds=360, recipe=recipe)
    of_train = [config.recipe_of("train", number) for number in range(100)]
    cut_outs = [found for found in of_train if found != recipe]
    assert 35 <= len(cut_outs) <= 65  # 50 on average, standard deviation 5
    assert set(cut_outs) == {Recipe(stain_jitter=0.1, drawn_parasites=0.3, rims=0.5)}
    for split in ("valid", "test"):
        found = {config.recipe_of(split, number) for number in range(10)}
        assert found == {Recipe(illumination=1.0, stain_jitter=0.1)}
