"""A network that learns from what another one says, too: knowledge distillation.

A large network's probabilities say what a pixel looks like besides its class, and they say so where
nobody knows the class. Of composed smears, whose classes are known, a small network learned as much
without them (``docs/decisions/2026-11-28-a-student.md``). Hinton, Vinyals, Dean 2015, arXiv
1503.02531, at a temperature of 1.
"""

from __future__ import annotations

from typing import Any

from bloodseg_lib.network.backend import keras
from bloodseg_lib.network.checkpoint import load_model
from bloodseg_lib.network.loss import WeightedCrossEntropy
from bloodseg_lib.network.pretrained import checkpoint_path

TEACHERS_SHARE = 0.5
"""Of the loss; the known classes have the rest."""


class Taught(keras.Model):
    """A network whose loss is in part its cross-entropy to the probabilities of a teacher, each
    pixel weighted as of the class that the teacher says.

    Args:
        inputs: images ``(B, H, W, 3)``, 0..255.
        logits: ``(B, H, W, 10)``.
        teacher: the network to learn from, as of :func:`load_teacher`.
        loss: that the model will be compiled with.
    """

    def __init__(self, inputs: Any, logits: Any, teacher: keras.Model, loss: WeightedCrossEntropy):
        super().__init__(inputs, logits)
        # in functions, so that Keras counts nothing of the teacher among the weights of this one
        self._says = lambda images: teacher(images, training=False)
        self._weights = lambda: keras.ops.convert_to_tensor(loss.weights)

    def compute_loss(
        self,
        x: Any = None,
        y: Any = None,
        y_pred: Any = None,
        sample_weight: Any = None,
        training: bool = True,
    ) -> Any:
        """Of a batch; called by Keras."""
        known = super().compute_loss(x, y, y_pred, sample_weight, training)
        said = keras.ops.stop_gradient(self._says(x))
        weight = keras.ops.take(self._weights(), keras.ops.argmax(said, axis=-1), axis=0)
        taught = weight * keras.ops.categorical_crossentropy(said, y_pred, from_logits=True)
        if sample_weight is not None:
            taught = taught * sample_weight
        return (1 - TEACHERS_SHARE) * known + TEACHERS_SHARE * keras.ops.mean(taught)


def load_teacher(name: str, precision: str) -> keras.Model:
    """The network of a checkpoint, with probabilities as its output, that learns nothing.

    Raises:
        FileNotFoundError, ValueError: the checkpoint is missing or damaged.
    """
    teacher, _ = load_model(checkpoint_path(name), precision)
    teacher.trainable = False
    return teacher
