"""Train with the whole dataset in the memory of one accelerator, many steps a call.

`train` makes each batch on the host: flips, stain, and the copy to the device. On a GPU the host is
then what it waits for: 1,089 images a second at width 32, and hardly more at width 16
(docs/speed.md). Here the training set lies on the device, is varied there, and a hundred steps are
one call, so that the device never waits. Network, loss, optimizer, learning rates and what varies
are the package's own; what differs is what `train` promises beyond a network: no validation, no
resuming, no splitting where memory runs out. So this is an experiment, for JAX on one device, and
`leave_one_out.py --resident` trains by it.
"""

import functools
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import jax
import keras
import numpy as np
from jax import numpy as jnp
from tqdm.auto import tqdm

from bloodseg_lib.network.checkpoint import save_checkpoint, write_compact
from bloodseg_lib.network.config import UNetConfig
from bloodseg_lib.network.loss import WeightedCrossEntropy, class_weights
from bloodseg_lib.network.sidecar import Sidecar
from bloodseg_lib.network.unet import build_unet
from bloodseg_lib.smears.dataset import Dataset
from bloodseg_lib.training.config import TrainingConfig
from bloodseg_lib.training.schedule import TableSchedule, adam, learning_rates

CALL = 100
"""Steps a call: few enough to see how it goes, many enough that nothing is waited for."""

MEAN, STD = (204.0, 190.0, 198.0), (37.0, 48.0, 30.0)
"""Of the pixels of the recipe `realistic`, per channel, 0..255: one for all datasets, so that the
steps are compiled once."""


def varied(
    images: jax.Array, labels: jax.Array, key: jax.Array, strength: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """Mirror and turn each image at random, and vary its stain, as
    :func:`bloodseg_lib.training.augmentation.augmented` does on the host.

    Args:
        images: ``(B, H, H, 3) uint8`` transmittance.
        labels: ``(B, H, H) uint8``.
        key: all randomness.
        strength: of :func:`bloodseg_lib.smears.appearance.jitter_stain`.

    Returns:
        Images ``float32``, 0..255, and label maps.
    """
    turn, own, each = jax.random.split(key, 3)
    count = len(images)
    transpose, rows, columns = jax.random.bernoulli(turn, 0.5, (3, count))

    def symmetric(values: jax.Array) -> jax.Array:
        def where(chosen: jax.Array, changed: jax.Array, values: jax.Array) -> jax.Array:
            return jnp.where(chosen.reshape(-1, *[1] * (values.ndim - 1)), changed, values)

        values = where(transpose, jnp.swapaxes(values, 1, 2), values)
        values = where(rows, values[:, ::-1], values)
        return where(columns, values[:, :, ::-1], values)

    densities = 1.3 * jax.random.normal(own, (count, 1)) + jax.random.normal(each, (count, 3))
    factors = jnp.exp(strength * densities)[:, None, None]
    # a density times a factor is a transmittance to its power
    return 255 * (symmetric(images) / 255.0) ** factors, symmetric(labels)


@dataclass
class Learner:
    """A network's shape, compiled once for as many trainings as wanted.

    Args:
        unet: the network's shape; mean and standard deviation of the pixels are its own.
        batch_size: images a step.
    """

    unet: UNetConfig
    batch_size: int

    def __post_init__(self) -> None:
        self.model = build_unet(self.unet, precision="auto")
        self._network = keras.Model(self.model.input, self.model.get_layer("logits").output)
        self._optimizer = adam(TableSchedule(np.ones(1)))
        self._optimizer.build(self._network.trainable_variables)
        self._steps = jax.jit(self._scan, donate_argnums=0)

    def state(self, seed: int) -> Any:
        """Fresh weights, statistics and optimizer."""
        fresh = build_unet(self.unet, seed=seed, precision="auto")
        self.model.set_weights(fresh.get_weights())
        for variable in self._optimizer.variables:
            variable.assign(jnp.zeros_like(variable.value))
        network = self._network
        return tuple(
            [jnp.array(variable.value) for variable in variables]
            for variables in (
                network.trainable_variables,
                network.non_trainable_variables,
                self._optimizer.variables,
            )
        )

    def steps(self, state: Any, data: Any, steps: Any) -> tuple[Any, jax.Array]:
        """Some steps, and the mean loss of each; ``state`` is used up."""
        return self._steps(state, data, steps)

    def take(self, state: Any) -> keras.Model:
        """The model with the weights of a state."""
        trainable, others, _ = state
        for variables, values in (
            (self._network.trainable_variables, trainable),
            (self._network.non_trainable_variables, others),
        ):
            for variable, value in zip(variables, values, strict=True):
                variable.assign(value)
        return self.model

    def _scan(self, state: Any, data: Any, steps: Any) -> tuple[Any, jax.Array]:
        images, labels, weights, strength = data

        def loss_of(trainable: Any, others: Any, batch: Any) -> tuple[jax.Array, Any]:
            call = self._network.stateless_call
            logits, others = call(trainable, others, batch[0], training=True)
            loss = WeightedCrossEntropy(np.ones(10, np.float32))
            loss.weights = weights
            return loss(batch[1], logits), others

        def step(state: Any, one: Any) -> tuple[Any, jax.Array]:
            trainable, others, optimizer = state
            chosen, key, rate = one
            batch = varied(images[chosen], labels[chosen], key, strength)
            (loss, others), gradients = jax.value_and_grad(loss_of, has_aux=True)(
                trainable, others, batch
            )
            trainable, optimizer = self._follow(rate, optimizer, gradients, trainable)
            return (trainable, others, optimizer), loss

        return jax.lax.scan(step, state, steps)

    def _follow(self, rate: jax.Array, variables: Any, gradients: Any, trainable: Any) -> Any:
        """A step of the optimizer at a learning rate that is no constant of the compiled steps."""
        schedule = self._optimizer._learning_rate
        self._optimizer._learning_rate = _Rate(rate)
        try:
            return self._optimizer.stateless_apply(variables, gradients, trainable)
        finally:
            self._optimizer._learning_rate = schedule


@functools.cache
def learner(unet: UNetConfig, batch_size: int) -> Learner:
    """The learner of a shape, the same for all datasets."""
    return Learner(replace(unet, mean=MEAN, std=STD), batch_size)


class _Rate(keras.optimizers.schedules.LearningRateSchedule):
    """One rate, whatever the step."""

    def __init__(self, rate: Any):
        self.rate = rate

    def __call__(self, step: Any) -> Any:
        return self.rate


def train_resident(learner: Learner, dataset: Dataset, config: TrainingConfig, path: Path) -> float:
    """Train a network and write its weights.

    Args:
        learner: of the network.
        dataset: its training split must fit in the memory of the device.
        config: what it does not know is not done; it knows ``batch_size`` (the learner's),
            ``epochs``, ``images_per_epoch``, ``learning_rate``, ``schedule``, ``warmup_steps``,
            ``weight_exponent``, ``stain`` and ``seed``, and always flips.
        path: ``NAME.npz`` of the weights, kernels in half precision.

    Returns:
        Images a second.
    """
    images, labels = dataset.arrays("train")
    epoch = -(-(config.images_per_epoch or len(images)) // config.batch_size)
    # whole calls, because each number of steps is compiled on its own
    total = max(CALL, epoch * config.epochs // CALL * CALL)
    rates = learning_rates(replace(config, epochs=1), total)
    weights = class_weights(dataset.pixel_counts("train"), config.weight_exponent)
    on_device = [jnp.asarray(values) for values in (images, labels, weights)]
    data = (*on_device, jnp.float32(config.stain))
    key = jax.random.key(config.seed)

    def call(state: Any, number: int, rates: np.ndarray) -> tuple[Any, float]:
        rng = np.random.default_rng([config.seed, number])
        chosen = rng.integers(len(images), size=(len(rates), config.batch_size), dtype=np.int32)
        keys = jax.random.split(jax.random.fold_in(key, number), len(rates))
        state, losses = learner.steps(state, data, (chosen, keys, jnp.asarray(rates, jnp.float32)))
        return state, float(losses.mean())

    call(learner.state(config.seed), 0, np.zeros(CALL))  # compiles
    state, start = learner.state(config.seed), time.perf_counter()
    with tqdm(total=total * config.batch_size, unit="image", desc=path.parent.name) as bar:
        for number in range(total // CALL):
            state, loss = call(state, number, rates[number * CALL :][:CALL])
            bar.set_postfix(loss=f"{loss:.3f}", refresh=False)
            bar.update(CALL * config.batch_size)
    taken = time.perf_counter() - start
    sidecar = Sidecar(
        epoch=config.epochs,
        batch_size=config.batch_size,
        learning_rate=float(rates[-1]),
        mean=learner.unet.mean,
        std=learner.unet.std,
        max_valid_accuracy=0.0,  # none was measured
        min_valid_loss=0.0,
        history=[],
        unet=learner.unet.to_dict(),
        training=config.to_dict(),
        dataset=dataset.manifest["digest"],
    )
    whole = path.with_name("whole.npz")
    save_checkpoint(whole, learner.take(state), sidecar)
    write_compact(whole, path)
    for file in (whole, whole.with_suffix(".json")):
        file.unlink()
    return total * config.batch_size / taken
