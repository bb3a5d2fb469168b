import numpy as np
import pytest

from bloodseg_lib.network.backend import keras
from bloodseg_lib.network.batch_norm import FusedBatchNormalization

tensorflow_only = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="other backends take Keras's own layer"
)
X = np.random.default_rng(0).normal(3, 2, (2, 8, 8, 4)).astype(np.float32)
TO_LEARN = np.random.default_rng(1).normal(0, 1, X.shape).astype(np.float32)


def built(kind, **options):
    layer = kind(momentum=0.8, **options)
    layer.build(X.shape)
    layer.gamma.assign([1, 2, 3, 4])
    layer.beta.assign([0, 1, 0, -1])
    return layer


def learnt(layer):
    """Outputs of a training step, and the gradients of a loss by what goes in, scale and offset."""
    import tensorflow as tf

    x = tf.constant(X)
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = layer(x, training=True)
        loss = tf.reduce_sum(tf.cast(y, tf.float32) * TO_LEARN)
    return [
        np.asarray(value)
        for value in (y, *tape.gradient(loss, [x, layer.gamma.value, layer.beta.value]))
    ]


@tensorflow_only
def test_training_computes_what_keras_computes():
    fused, theirs = built(FusedBatchNormalization), built(keras.layers.BatchNormalization)
    for ours, expected in zip(learnt(fused), learnt(theirs), strict=True):
        np.testing.assert_allclose(ours, expected, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(fused.moving_mean, theirs.moving_mean, rtol=1e-5)


@tensorflow_only
def test_the_moving_variance_is_the_unbiased_one():
    layer = built(FusedBatchNormalization)
    layer(X, training=True)
    np.testing.assert_allclose(
        layer.moving_variance, 0.8 + 0.2 * X.var(axis=(0, 1, 2), ddof=1), rtol=1e-5
    )


@tensorflow_only
def test_bfloat16_comes_out_as_bfloat16_and_agrees_roughly():
    low, exact = (
        built(FusedBatchNormalization, dtype="mixed_bfloat16"),
        built(FusedBatchNormalization),
    )
    y = low(X, training=True)
    assert y.dtype == "bfloat16"
    np.testing.assert_allclose(np.asarray(y).astype(np.float32), exact(X, training=True), atol=0.1)


def test_predicting_is_keras_to_the_bit():
    fused, theirs = built(FusedBatchNormalization), built(keras.layers.BatchNormalization)
    np.testing.assert_array_equal(fused(X), theirs(X))
