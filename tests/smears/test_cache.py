import numpy as np
import pytest
from small_smears import CONFIG

from bloodseg_lib.smears.build import build_dataset


def test_cached_arrays_hold_the_images_and_label_maps(dataset):
    images, labels = dataset.arrays("valid")
    assert np.array_equal(images[3], dataset.image("valid", 3))
    assert np.array_equal(labels[3], dataset.label_map("valid", 3))


def test_a_cache_that_was_cut_short_is_noticed(bank, tmp_path):
    made = build_dataset(CONFIG, bank, tmp_path / "dataset", progress=False)
    images, _ = made.arrays("valid")
    with open(images.filename, "r+b") as file:
        file.truncate(images.offset + 5 * images[0].nbytes + 100)
    with pytest.raises(ValueError, match=r"images.*\.npy: expected 6 rows of 150528 bytes"):
        list(made.batches("valid", 4))
