import numpy as np
import pytest
from small_smears import CONFIG

from bloodseg_lib.smears.build import build_dataset
from bloodseg_lib.smears.dataset import Dataset, epoch_order


def test_batches_hold_every_image_once_in_an_order_of_seed_and_epoch(dataset):
    def order(seed, epoch):
        batches = list(dataset.batches("train", 5, seed=seed, epoch=epoch))
        assert [len(images) for images, _ in batches] == [5, 5, 5, 5, 4]
        return [image.tobytes() for images, _ in batches for image in images]

    assert order(1, 2) == order(1, 2)
    assert order(1, 2) != order(1, 3)
    assert sorted(order(1, 2)) == sorted(image.tobytes() for image in dataset.arrays("train")[0])


def test_a_pass_is_cut_into_epochs():
    def order(epoch):
        return epoch_order(11, seed=3, epoch=epoch, images_per_epoch=5).tolist()

    whole = [epoch_order(11, seed=3, epoch=number).tolist() for number in (1, 2)]
    assert [order(1) + order(2), order(3) + order(4)] == [pass_[:10] for pass_ in whole]
    assert whole[0] != whole[1] and sorted(whole[0]) == sorted(whole[1]) == list(range(11))


def test_batches_of_a_part_of_a_pass_hold_what_its_order_says(dataset):
    images, _ = dataset.arrays("train")
    shown = np.concatenate(
        [some for some, _ in dataset.batches("train", 4, seed=3, epoch=2, images_per_epoch=9)]
    )
    np.testing.assert_array_equal(
        shown, images[epoch_order(len(images), seed=3, epoch=2, images_per_epoch=9)]
    )


def test_an_image_comes_with_its_own_label_map(dataset):
    images, labels = dataset.arrays("train")
    label_of = {
        image.tobytes(): label.tobytes() for image, label in zip(images, labels, strict=True)
    }
    for some_images, some_labels in dataset.batches("train", 7, seed=3):
        assert [label_of[image.tobytes()] for image in some_images] == [
            label.tobytes() for label in some_labels
        ]


def test_a_truncated_manifest_is_named(dataset, tmp_path):
    (tmp_path / "dataset.json").write_text('{"images": {"tr')
    with pytest.raises(ValueError, match=r"dataset\.json: expected JSON.*cut short"):
        Dataset(tmp_path)


def test_a_lost_image_is_noticed(bank, tmp_path):
    made = build_dataset(CONFIG, bank, tmp_path / "dataset", progress=False)
    (made.folder / "test" / "images" / f"{made.names('test')[0]}.png").unlink()
    with pytest.raises(ValueError, match="expected 6 images, found 5"):
        Dataset(made.folder).names("test")


def test_another_seed_is_another_order():
    first, second = (epoch_order(50, seed=seed, epoch=1).tolist() for seed in (1, 2))
    assert first != second and sorted(first) == sorted(second)
