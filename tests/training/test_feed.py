import numpy as np
import pytest
from tiny_training import TinyDataset, run

from bloodseg_lib.training.feed import micro_batches


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
