import threading

import numpy as np
import pytest
from tiny_training import TinyDataset, run

from bloodseg_lib.network.backend import keras
from bloodseg_lib.training.feed import Feed, micro_batches, one_ahead


@pytest.mark.parametrize(("size", "count"), [(5, 1), (3, 2), (2, 3), (6, 1), (4, 3)])
def test_the_mean_over_the_micro_batches_is_that_of_the_batch(size, count):
    loss = np.array([1.0, 2.0, 4.0, 8.0, 16.0])
    images, labels = np.zeros((5, 1, 1, 3), np.uint8), np.arange(5, dtype=np.uint8)[:, None, None]
    means = [
        (loss[ids.ravel()] * weights.ravel()).mean()  # as Keras reduces a loss
        for _, ids, weights in micro_batches(images, labels, size, count)
    ]
    assert len(means) == count
    assert np.mean(means) == pytest.approx(loss.mean())


def test_an_error_of_the_dataset_comes_through_keras_as_it_is(tmp_path):
    class Broken(TinyDataset):
        def batches(self, *arguments, **options):
            for number, batch in enumerate(super().batches(*arguments, **options)):
                if number == 2:  # after those that Keras looks at before it starts
                    raise FileNotFoundError("images/7.png: gone")
                yield batch

    with pytest.raises(FileNotFoundError, match=r"images/7\.png: gone"):
        run(tmp_path, Broken())


def test_each_batch_is_made_while_the_one_before_is_learned_from():
    made = [threading.Event() for _ in range(4)]

    def batches():
        for number, event in enumerate(made):
            event.set()
            yield number

    taken = []
    for number in one_ahead(batches()):
        assert all(event.wait(60) for event in made[: number + 2])  # ours and the next
        assert not any(event.is_set() for event in made[number + 2 :])
        taken.append(number)
    assert taken == [0, 1, 2, 3]


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="JAX sees each batch's size")
@pytest.mark.parametrize(
    ("batch_size", "fill", "known", "count"),
    [(4, 0, 4, 3), (5, 0, None, 3), (5, 3, 3, 6)],
    ids=["even", "last one short", "filled up"],
)
def test_keras_compiles_for_the_size_of_the_batches_where_all_are_alike(
    batch_size, fill, known, count
):
    # 12 images
    even = 12 % batch_size == 0
    feed = Feed(lambda: TinyDataset().batches("train", batch_size), fill, 2, even)
    batches = feed.batches()
    assert {spec.shape[0] for spec in batches.element_spec} == {known}
    assert sum(1 for _ in batches) == count


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="JAX has no tf.data")
def test_nothing_of_a_feed_is_waited_for_when_it_ends():
    batch = (np.zeros((2, 4, 4, 3), np.uint8), np.zeros((2, 4, 4), np.uint8))
    dataset = Feed(lambda: iter([batch]), size=0, count=1, even=True).batches()
    assert dataset.options().autotune.enabled is False
