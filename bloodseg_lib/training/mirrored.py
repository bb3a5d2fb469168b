"""Adam whose gradients accumulate on several devices of TensorFlow."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bloodseg_lib.network.backend import keras


class MirroredAdam(keras.optimizers.Adam):
    """Adam under ``tf.distribute.MirroredStrategy`` with ``gradient_accumulation_steps``.

    Keras asks in a condition whether a step is due and adds the gradients of the devices up within
    it, where ``MirroredStrategy`` cannot. Here they are added up first, and each device asks. The
    variables, their names and the step are those of Keras; clipping and moving averages of the
    weights, which the training does not use, are left out.
    """

    def _backend_apply_gradients(
        self, grads: Sequence[Any], trainable_variables: Sequence[keras.Variable]
    ) -> None:
        import tensorflow as tf

        replica = tf.distribute.get_replica_context()
        summed = replica.all_reduce(tf.distribute.ReduceOp.SUM, list(grads))
        replica.merge_call(
            self._on_each_device, args=(summed, [v.value for v in trainable_variables])
        )

    def _on_each_device(
        self, strategy: Any, grads: Sequence[Any], variables: Sequence[Any]
    ) -> None:
        for grad, variable in zip(grads, variables, strict=True):
            strategy.extended.update(variable, self._accumulate, args=(grad,), group=False)

    def _accumulate(self, variable: Any, grad: Any) -> None:
        """Add a gradient to those before it, or with the last of them take the step."""
        import tensorflow as tf

        count = self.gradient_accumulation_steps
        accumulator = self._accumulated_gradients[self._get_variable_index(variable)]

        def step() -> None:
            if self.weight_decay and self._use_weight_decay(variable):
                self.assign_sub(variable, variable * self.weight_decay * self.learning_rate)
            self.update_step((accumulator.value + grad) / count, variable, self.learning_rate)
            self.assign(accumulator, tf.zeros_like(grad))

        is_last = (self._iterations.value + 1) % count == 0
        tf.cond(is_last, step, lambda: self.assign_add(accumulator, grad))
