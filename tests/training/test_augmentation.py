import dataclasses
import time

import numpy as np
import pytest
from tiny_training import CONFIG, TinyDataset

from bloodseg_lib.training import epoch as epochs
from bloodseg_lib.training.augmentation import augmented, brightened, flipped
from bloodseg_lib.training.config import TrainingConfig

ALL = TrainingConfig(flips=True, stain=0.15, brightness=0.1, blur_px=1.0)


def a_batch(count=8, size=16):
    rng = np.random.default_rng(3)
    return rng.integers(0, 256, (count, size, size, 3), dtype=np.uint8), rng.integers(
        0, 10, (count, size, size), dtype=np.uint8
    )


def test_image_and_label_map_are_flipped_by_one_transform():
    labels = np.arange(16, dtype=np.uint8).reshape(1, 4, 4).repeat(40, axis=0)
    images = np.stack([labels, labels + 1, labels + 2], axis=-1)
    turned_images, turned_labels = flipped(images, labels, np.random.default_rng(0))
    np.testing.assert_array_equal(turned_images[..., 0], turned_labels)
    np.testing.assert_array_equal(turned_images[..., 2], turned_labels + 2)
    assert len({labels.tobytes() for labels in turned_labels}) == 8
    assert (np.sort(turned_labels.reshape(40, -1)) == np.arange(16)).all()


def test_flips_of_oblong_images_keep_their_shape():
    labels = np.arange(8, dtype=np.uint8).reshape(1, 2, 4).repeat(40, axis=0)
    _, turned = flipped(np.stack([labels] * 3, axis=-1), labels, np.random.default_rng(0))
    assert len({labels.tobytes() for labels in turned}) == 4


def test_nothing_is_varied_by_default():
    images, labels = a_batch()
    same_images, same_labels = augmented(images, labels, np.random.default_rng(0), TrainingConfig())
    np.testing.assert_array_equal(same_images, images)
    np.testing.assert_array_equal(same_labels, labels)


def test_all_together_image_and_label_map_still_fit():
    """Labels drawn into the image as bright squares on dark are found again at the same places
    after all changes.
    """
    labels = np.zeros((40, 32, 32), np.uint8)
    labels[:, 4:14, 18:30] = 1
    images = np.where(labels[..., None] == 1, np.uint8(230), np.uint8(40)).repeat(3, axis=-1)
    changed, moved = augmented(images, labels, np.random.default_rng(0), ALL)
    assert len({labels.tobytes() for labels in moved}) == 8
    for image, where in zip(changed, moved, strict=True):
        grey = image.mean(axis=-1)
        found = grey > (grey.min() + grey.max()) / 2
        assert (found != (where == 1)).mean() < 0.02


@pytest.mark.parametrize("name", ["stain", "brightness", "blur_px"])
def test_each_parameter_changes_images_alike_and_labels_not(name):
    config = TrainingConfig(**{name: 0.9})
    images, labels = a_batch()
    changed, same = augmented(images, labels, np.random.default_rng(0), config)
    np.testing.assert_array_equal(same, labels)
    assert changed.dtype == np.uint8
    assert changed.shape == images.shape
    different = [(a != b).any() for a, b in zip(changed, images, strict=True)]
    assert sum(different) >= 4  # a blur of nearly 0 is none


def test_contrast_and_brightness_by_hand():
    class Draws:
        def __init__(self):
            self.values = [np.log(2.0), 0.2]  # the logarithm of the contrast, the shift

        def normal(self, mean, deviation):
            assert (mean, deviation) == (0, 0.3)
            return self.values.pop(0)

    image = np.array([[[0, 100, 127], [128, 140, 255], [150, 90, 60]]], np.uint8)
    # 2 * (v - 127.5) + 127.5 + 25.5, cut to 0..255 and rounded to the nearest
    expected = np.array([[[0, 98, 152], [154, 178, 255], [198, 78, 18]]], np.uint8)
    np.testing.assert_array_equal(brightened(image, Draws(), 0.3), expected)


def test_the_batches_are_a_pure_function_of_seed_epoch_and_number():
    def batches(epoch, **changes):
        config = dataclasses.replace(CONFIG, stain=0.2, brightness=0.2, blur_px=1.0, **changes)
        return [
            images.tobytes() + labels.tobytes()
            for images, labels in epochs.batches(TinyDataset(), config, epoch)
        ]

    assert batches(1) == batches(1)
    assert batches(1) != batches(2)
    assert batches(1) != batches(1, seed=2)


def test_in_the_first_epochs_four_smears_at_half_size_stand_side_by_side():
    data = TinyDataset()
    halves = {labels[::2, ::2].tobytes(): i for i, labels in enumerate(data.splits["train"][1])}
    config = dataclasses.replace(CONFIG, flips=False, half_size_epochs=1)
    counted = np.zeros(len(halves), int)
    images_seen = 0
    for images, labels in epochs.batches(data, config, 1):
        assert images.shape[1:] == (32, 32, 3)
        for image, label_map in zip(images, labels, strict=True):
            images_seen += 1
            for quarter in (np.s_[:16, :16], np.s_[:16, 16:], np.s_[16:, :16], np.s_[16:, 16:]):
                number = halves[np.ascontiguousarray(label_map[quarter]).tobytes()]
                counted[number] += 1
                whole = data.splits["train"][0][number].astype(int)
                mean = whole.reshape(16, 2, 16, 2, 3).mean(axis=(1, 3))
                assert abs(image[quarter] - mean).max() <= 1
    assert images_seen == 12  # as many steps as in any epoch, of four smears for one
    assert (counted == 4).all()
    whole = [labels.tobytes() for labels in data.splits["train"][1]]
    second = [one.tobytes() for _, labels in epochs.batches(data, config, 2) for one in labels]
    assert sorted(second) == sorted(whole)


def test_each_of_the_four_smears_is_varied_by_itself():
    config = dataclasses.replace(CONFIG, flips=True, half_size_epochs=1, images_per_epoch=12)
    halves = {labels[::2, ::2].tobytes() for labels in TinyDataset().splits["train"][1]}
    untouched = [
        np.ascontiguousarray(quarter).tobytes() in halves
        for _, labels in epochs.batches(TinyDataset(), config, 1)
        for one in labels
        for quarter in (one[:16, :16], one[:16, 16:], one[16:, :16], one[16:, 16:])
    ]
    per_image = np.reshape(untouched, (12, 4)).sum(axis=1)
    assert len(set(per_image.tolist())) > 1


def test_an_image_takes_less_than_three_milliseconds_of_processor_time():
    images, labels = a_batch(16, 224)
    augmented(images, labels, np.random.default_rng(0), ALL)
    start = time.process_time()
    for number in range(4):
        augmented(images, labels, np.random.default_rng(number), ALL)
    assert (time.process_time() - start) / 64 < 0.003
