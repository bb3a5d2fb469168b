"""How one step of the training is taken on each backend: on one device or several, of a batch whole
or in parts.

Taught by ``notebooks/03_weighted_training.ipynb``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from bloodseg_lib.network.backend import keras, strategy


class Steps:
    """Takes training steps and judges, on all devices at once.

    A batch may be taken in parts, one after the other, when it does not fit in memory as a whole;
    the sum of their gradients is that of the batch. (A batch normalisation then sees a part at a
    time.) Built within :func:`every_device`.

    Keras' own ``train_on_batch`` gives every device of a ``MirroredStrategy`` the whole batch
    instead of its share, and cannot take parts; and fed by a generator, ``fit`` compiles for images
    of unknown size, which on a CPU takes a good half more time.

    Args:
        learner: from images to logits.
        loss: with a method ``call(labels, logits)``, which gives the loss of each pixel.
        optimizer: not yet built.
        jit: compile with XLA; JAX always does.
    """

    def __init__(
        self,
        learner: keras.Model,
        loss: keras.losses.Loss,
        optimizer: keras.optimizers.Optimizer,
        jit: bool = False,
    ):
        optimizer.build(learner.trainable_variables)
        self._engine = (_OnTensorFlow if keras.backend.backend() == "tensorflow" else _OnJax)(
            learner, loss, optimizer, jit
        )

    @property
    def devices(self) -> int:
        """How many devices share the work."""
        return self._engine.devices

    def learn(
        self, images: np.ndarray, labels: np.ndarray, device_batch: int
    ) -> list[tuple[Any, Any]]:
        """Take one step.

        Args:
            images: ``(B, H, W, 3) uint8``.
            labels: ``(B, H, W) uint8``.
            device_batch: how many images a device takes at once, at most.

        Returns:
            A pair of scalars for each part, still on the device: their sums are the loss of the
                batch and its pixel accuracy, 0..1.
        """
        parts = list(_parts(images, labels, device_batch * self.devices, self.devices))
        if len(parts) == 1:
            return [self._engine.step(*parts[0])]
        told, gradients = [], None
        for part in parts:
            loss, accuracy, more = self._engine.gradients(*part)
            gradients = more if gradients is None else self._engine.add(gradients, more)
            told.append((loss, accuracy))
        self._engine.apply(gradients)
        return told

    def judge(
        self, images: np.ndarray, labels: np.ndarray, device_batch: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """What the network says now, so that no probabilities travel back from the device.

        Returns:
            Predicted ids, ``(B, H, W) uint8``, and the loss of each image, ``(B,) float32``.
        """
        judged = [
            self._engine.judge(*part)
            for part in _parts(images, labels, device_batch * self.devices, self.devices)
        ]
        predicted, losses = (np.concatenate(columns) for columns in zip(*judged, strict=True))
        real = np.concatenate(
            [
                part[2] > 0
                for part in _parts(images, labels, device_batch * self.devices, self.devices)
            ]
        )
        return predicted[real], losses[real]


def _parts(
    images: np.ndarray, labels: np.ndarray, size: int, devices: int
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Cut a batch into parts: images, labels and the share that each image has in the batch's
    means.

    Each part is filled up to a multiple of the number of devices with images whose share is 0.
    """
    for start in range(0, len(images), size):
        chosen = np.arange(start, min(start + size, len(images)))
        filled = np.concatenate([chosen, np.resize(chosen, -len(chosen) % devices)])
        shares = np.where(
            np.arange(len(filled)) < len(chosen), np.float32(1 / len(images)), np.float32(0)
        )
        yield images[filled], labels[filled], shares


def _loss_and_accuracy(
    loss: keras.losses.Loss, labels: Any, logits: Any, shares: Any
) -> tuple[Any, Any]:
    """Sums over the images of share times mean loss, and of share times pixel accuracy."""
    # (B, H, W)
    right = keras.ops.equal(keras.ops.argmax(logits, axis=-1), keras.ops.cast(labels, "int32"))
    accuracy = keras.ops.mean(keras.ops.cast(right, "float32"), axis=(1, 2))  # (B,)
    return keras.ops.sum(
        shares * keras.ops.mean(loss.call(labels, logits), axis=(1, 2))
    ), keras.ops.sum(shares * accuracy)


def _judgement(loss: keras.losses.Loss, labels: Any, logits: Any) -> tuple[Any, Any]:
    """Predicted ids and the loss of each image."""
    return keras.ops.cast(keras.ops.argmax(logits, axis=-1), "uint8"), keras.ops.mean(
        loss.call(labels, logits), axis=(1, 2)
    )


class _OnTensorFlow:
    """Steps through ``tf.function``, and with several devices ``MirroredStrategy.run``;

    the optimizer sums the gradients of the devices.
    """

    def __init__(
        self,
        learner: keras.Model,
        loss: keras.losses.Loss,
        optimizer: keras.optimizers.Optimizer,
        jit: bool,
    ):
        import tensorflow as tf

        self._tf, self._strategy = tf, strategy()
        self.devices = self._strategy.num_replicas_in_sync
        variables = [variable.value for variable in learner.trainable_variables]

        def gradients(images: Any, labels: Any, shares: Any) -> tuple[Any, Any, list[Any]]:
            with tf.GradientTape() as tape:
                loss_value, accuracy = _loss_and_accuracy(
                    loss, labels, learner(images, training=True), shares
                )
            return loss_value, accuracy, tape.gradient(loss_value, variables)

        def apply(gradients: list[Any]) -> None:
            optimizer.apply(gradients, learner.trainable_variables)

        def step(images: Any, labels: Any, shares: Any) -> tuple[Any, Any]:
            loss_value, accuracy, found = gradients(images, labels, shares)
            apply(found)
            return loss_value, accuracy

        def judge(images: Any, labels: Any) -> tuple[Any, Any]:
            return _judgement(loss, labels, learner(images, training=False))

        self.apply = self._everywhere(apply, jit)
        self.add = self._everywhere(
            lambda some, more: [a + b for a, b in zip(some, more, strict=True)], jit
        )
        self._step, self._gradients, self._judge = (
            self._everywhere(function, jit) for function in (step, gradients, judge)
        )

    def step(self, *part: np.ndarray) -> tuple[Any, Any]:
        return self._sums(*self._step(*map(self._dealt, part)))

    def gradients(self, *part: np.ndarray) -> tuple[Any, Any, Any]:
        loss, accuracy, gradients = self._gradients(*map(self._dealt, part))
        return *self._sums(loss, accuracy), gradients

    def judge(
        self, images: np.ndarray, labels: np.ndarray, _shares: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        judged = self._judge(self._dealt(images), self._dealt(labels))
        return tuple(
            np.concatenate(
                [one.numpy() for one in self._strategy.experimental_local_results(values)]
            )
            for values in judged
        )

    def _everywhere(self, function: Callable, jit: bool) -> Callable:
        inner = self._tf.function(function, jit_compile=True) if jit else function
        if self.devices == 1:
            return inner if jit else self._tf.function(function)
        return self._tf.function(lambda *values: self._strategy.run(inner, args=values))

    def _dealt(self, values: np.ndarray) -> Any:
        """Each device its share."""
        if self.devices == 1:
            return values
        shares = np.split(values, self.devices)
        return self._strategy.experimental_distribute_values_from_function(
            lambda context: self._tf.convert_to_tensor(shares[context.replica_id_in_sync_group])
        )

    def _sums(self, *values: Any) -> tuple[Any, ...]:
        return (
            values
            if self.devices == 1
            else tuple(self._strategy.reduce("SUM", value, axis=None) for value in values)
        )


class _OnJax:
    """Steps as pure functions of the variables' values;

    with several devices, of this or other processes, XLA sums the gradients.
    """

    def __init__(
        self,
        learner: keras.Model,
        loss: keras.losses.Loss,
        optimizer: keras.optimizers.Optimizer,
        jit: bool,
    ):
        import jax

        self._jax, self._learner, self._optimizer = jax, learner, optimizer
        self._distribution = keras.distribution.distribution()
        self.devices = jax.device_count() if self._distribution else 1

        def gradients(weights: Any, state: Any, images: Any, labels: Any, shares: Any) -> Any:
            def of(weights: Any) -> tuple[Any, Any]:
                logits, new_state = learner.stateless_call(weights, state, images, training=True)
                loss_value, accuracy = _loss_and_accuracy(loss, labels, logits, shares)
                return loss_value, (accuracy, new_state)

            (loss_value, (accuracy, new_state)), found = jax.value_and_grad(of, has_aux=True)(
                weights
            )
            return loss_value, accuracy, new_state, found

        def step(
            weights: Any, state: Any, moments: Any, images: Any, labels: Any, shares: Any
        ) -> Any:
            loss_value, accuracy, state, found = gradients(weights, state, images, labels, shares)
            return loss_value, accuracy, state, *optimizer.stateless_apply(moments, found, weights)

        def judge(weights: Any, state: Any, images: Any, labels: Any) -> Any:
            return _judgement(
                loss, labels, learner.stateless_call(weights, state, images, training=False)[0]
            )

        self._gradients, self._step, self._judge = jax.jit(gradients), jax.jit(step), jax.jit(judge)
        self._stateless_apply = jax.jit(optimizer.stateless_apply)
        self.add = jax.jit(lambda some, more: [a + b for a, b in zip(some, more, strict=True)])

    def step(self, *part: np.ndarray) -> tuple[Any, Any]:
        loss, accuracy, state, weights, moments = self._step(
            *self._values(), self._moments(), *map(self._dealt, part)
        )
        self._assign(self._learner.non_trainable_variables, state)
        self._assign(self._learner.trainable_variables, weights)
        self._assign(self._optimizer.variables, moments)
        return loss, accuracy

    def gradients(self, *part: np.ndarray) -> tuple[Any, Any, Any]:
        loss, accuracy, state, found = self._gradients(*self._values(), *map(self._dealt, part))
        self._assign(self._learner.non_trainable_variables, state)
        return loss, accuracy, found

    def apply(self, gradients: Any) -> None:
        weights, moments = self._stateless_apply(self._moments(), gradients, self._values()[0])
        self._assign(self._learner.trainable_variables, weights)
        self._assign(self._optimizer.variables, moments)

    def judge(
        self, images: np.ndarray, labels: np.ndarray, _shares: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        judged = self._judge(*self._values(), self._dealt(images), self._dealt(labels))
        if self._jax.process_count() > 1:
            from jax.experimental import multihost_utils

            judged = [multihost_utils.process_allgather(values, tiled=True) for values in judged]
        return tuple(np.asarray(values) for values in judged)

    def _values(self) -> tuple[list[Any], list[Any]]:
        return [v.value for v in self._learner.trainable_variables], [
            v.value for v in self._learner.non_trainable_variables
        ]

    def _moments(self) -> list[Any]:
        return [v.value for v in self._optimizer.variables]

    @staticmethod
    def _assign(variables: list[Any], values: list[Any]) -> None:
        for variable, value in zip(variables, values, strict=True):
            variable.assign(value)

    def _dealt(self, values: np.ndarray) -> Any:
        """Each device its share: every process hands over its own part of the batch."""
        if self._distribution is None:
            return values
        mine = np.split(values, self._jax.process_count())[self._jax.process_index()]
        return self._jax.make_array_from_process_local_data(
            self._distribution.get_data_layout(values.shape).backend_layout, mine
        )
