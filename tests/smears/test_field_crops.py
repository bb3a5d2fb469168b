"""Crops of real fields, which are drawn here: red, green and blue tell the class of each pixel."""

import dataclasses

import numpy as np
import pytest
from discs import disc

from bloodseg_lib.classes import HEALTHY_RBC, NEUTROPHIL, SMEAR_SIZE_PX, UNKNOWN
from bloodseg_lib.samples.bank import SampleBank, write_bank
from bloodseg_lib.samples.field_bank import write_field, write_field_index
from bloodseg_lib.samples.labelled_field import LabelledField
from bloodseg_lib.smears.build import build_dataset
from bloodseg_lib.smears.field_crops import field_crop
from bloodseg_lib.smears.manifest import DatasetConfig
from bloodseg_lib.smears.pool import FieldChoice, Pool
from bloodseg_lib.smears.recipe import Recipe
from bloodseg_lib.smears.verify import verify

RECIPE = Recipe(background_size_px=336, rbc_count=(20, 30), real_fraction=0.5)


def labelled(height, width, group="g"):
    """A field, unknown but for a neutrophil of 20 x 20 and a red cell of 40 x 40 within it; the
    red of its picture is the label.
    """
    labels = np.full((height, width), UNKNOWN, np.uint8)
    labels[30:70, 40:80] = HEALTHY_RBC
    labels[40:60, 50:70] = NEUTROPHIL
    image = np.repeat(labels[:, :, None], 3, axis=2)
    return LabelledField(image, labels, "chula", group, group)


def pool_of(*fields):
    choices = [
        FieldChoice(f"fields/{f.name}.png", "chula", "neutrophil", lambda f=f: f) for f in fields
    ]
    return Pool([], choices)


@pytest.mark.parametrize("seed", range(8))
def test_picture_and_labels_stay_together_and_show_the_rarest_class(seed):
    crop = field_crop(pool_of(labelled(400, 500)), RECIPE, np.random.default_rng(seed))
    assert crop.image.shape == (SMEAR_SIZE_PX, SMEAR_SIZE_PX, 3)
    np.testing.assert_array_equal(crop.image[:, :, 0], crop.labels)
    assert NEUTROPHIL in crop.labels


def test_around_a_small_field_nothing_is_known():
    crop = field_crop(pool_of(labelled(100, 120)), RECIPE, np.random.default_rng(0))
    assert (crop.labels == NEUTROPHIL).sum() == 20 * 20
    assert (crop.labels == HEALTHY_RBC).sum() == 40 * 40 - 20 * 20
    assert (crop.labels == UNKNOWN).sum() == SMEAR_SIZE_PX**2 - 40 * 40


def test_unknown_pixels_are_no_cell():
    crop = field_crop(pool_of(labelled(400, 500)), RECIPE, np.random.default_rng(0))
    assert {cell["id"] for cell in crop.visible()} <= {HEALTHY_RBC, NEUTROPHIL}
    assert crop.is_real


def test_a_recipe_without_real_smears_is_stored_as_before():
    assert "real_fraction" not in Recipe().to_dict()
    assert Recipe.from_dict(RECIPE.to_dict()) == RECIPE


@pytest.fixture
def bank(tmp_path):
    """Discs, and a field in each split."""
    made = write_bank(
        [disc(c, i) for c in (HEALTHY_RBC, NEUTROPHIL) for i in range(12)], tmp_path / "bank"
    )
    splits = {f"chula/{split}": split for split in ("train", "valid", "test")}
    fields = [labelled(250, 260, split) for split in ("train", "valid", "test")]
    write_field_index(made.folder, [write_field(made.folder, f, splits) for f in fields])
    return SampleBank(made.folder)


def test_only_training_smears_are_real_and_none_of_another_splits_field(bank, tmp_path):
    config = DatasetConfig(train=40, valid=10, test=10, backgrounds=3, recipe=RECIPE)
    made = build_dataset(config, bank, tmp_path / "d", progress=False)
    real = {
        split: [n for n in made.names(split) if n.startswith("Real_")]
        for split in ("train", "valid", "test")
    }
    # 40 smears, half of them: 20 and three standard deviations of 3.2
    assert 10 <= len(real["train"]) <= 30
    assert real["valid"] == real["test"] == []
    samples = {
        cell["sample"]
        for i, name in enumerate(made.names("train"))
        if name.startswith("Real_")
        for cell in made.objects("train", i)
    }
    assert samples == {"fields/chula__train.png"}


def test_a_dataset_with_unknown_pixels_is_whole_and_counts_them_nowhere(bank, tmp_path):
    recipe = dataclasses.replace(RECIPE, real_fraction=1.0)
    config = DatasetConfig(train=4, valid=2, test=2, backgrounds=3, recipe=recipe)
    made = build_dataset(config, bank, tmp_path / "d", progress=False)
    assert verify(made.folder, progress=False).problems == []
    counted = sum(int((made.label_map("train", i) != UNKNOWN).sum()) for i in range(4))
    assert made.pixel_counts("train").sum() == counted < 4 * SMEAR_SIZE_PX**2
