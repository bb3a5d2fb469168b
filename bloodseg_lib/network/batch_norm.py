"""Batch normalisation that trains faster on TensorFlow: one operation computes mean, variance,
scale and offset, where Keras uses one for each.

The result and the variables are the same, so that a checkpoint fits either. Taught by
``notebooks/03_weighted_training.ipynb``.
"""

from __future__ import annotations

from typing import Any

from bloodseg_lib.network.backend import keras

BLOCK_CHANNELS = 16
"""On CPUs with bfloat16 instructions the operation is slow in bfloat16 unless the channels are a
multiple of these; then it computes in float32.
"""


class FusedBatchNormalization(keras.layers.BatchNormalization):
    """:class:`keras.layers.BatchNormalization` over the last axis of ``(B, H, W, C)``; takes the
    same arguments.

    Differs only in training on TensorFlow: there it uses the operation ``FusedBatchNormV3``, whose
    moving variance is the unbiased one, larger by the factor *n* / (*n* - 1), *n* = B x H x W.
    Measured by ``python benchmarks/training.py``.
    """

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        if not training or keras.backend.backend() != "tensorflow":
            return super().call(inputs, training=training, mask=mask)
        import tensorflow as tf

        x = inputs if inputs.shape[-1] % BLOCK_CHANNELS == 0 else tf.cast(inputs, tf.float32)
        none = tf.zeros([0])  # in training the operation takes no moving statistics
        x, mean, variance, *_ = tf.raw_ops.FusedBatchNormV3(
            x=x,
            scale=self.gamma,
            offset=self.beta,
            mean=none,
            variance=none,
            epsilon=self.epsilon,
            is_training=True,
        )
        for moving, batch in ((self.moving_mean, mean), (self.moving_variance, variance)):
            moving.assign(moving * self.momentum + batch * (1 - self.momentum))
        return tf.cast(x, self.compute_dtype)
