"""The learning rate and the optimizer that follows it."""

from __future__ import annotations

from typing import Any

import numpy as np

from bloodseg_lib.network.backend import keras
from bloodseg_lib.training.config import TrainingConfig
from bloodseg_lib.training.mirrored import MirroredAdam

NOT_DECAYED = ("bias", "gamma", "beta")
"""Names of the variables without weight decay: offsets, and the scales of normalisations."""


def learning_rates(config: TrainingConfig, steps_per_epoch: int) -> np.ndarray:
    """The learning rate of every step of the training, ``(epochs * steps_per_epoch,) float64``.

    Examples:
        >>> config = TrainingConfig(epochs=3, drop_after_epochs=2)
        >>> learning_rates(config, steps_per_epoch=1).tolist()
        [0.001, 0.001, 0.0001]
    """
    step = np.arange(config.epochs * steps_per_epoch)
    if config.schedule == "cosine":
        rates = config.learning_rate * (1 + np.cos(np.pi * step / len(step))) / 2
    else:
        early = step < config.drop_after_epochs * steps_per_epoch
        rates = np.where(early, config.learning_rate, config.later_learning_rate)
    if config.warmup_steps:
        rates = rates * np.minimum(1, (step + 1) / config.warmup_steps)
    return rates


class TableSchedule(keras.optimizers.schedules.LearningRateSchedule):
    """Looks the learning rate up in a table by step; the optimizer counts and saves the steps.

    Args:
        rates: as :func:`learning_rates` returns them. Before the first and after the last step the
            nearest holds.

    Attributes:
        first_step: step of the first entry; set it before the first step is taken.
        accumulated: over how many micro-batches, which the optimizer counts, a step goes.
    """

    def __init__(self, rates: np.ndarray):
        self.rates = rates
        self.first_step, self.accumulated = 0, 1

    def __call__(self, step: Any) -> Any:
        step = keras.ops.cast(step, "int32") // self.accumulated
        index = keras.ops.clip(step - self.first_step, 0, len(self.rates) - 1)
        return keras.ops.take(keras.ops.convert_to_tensor(self.rates, dtype="float32"), index)


def adam(
    schedule: TableSchedule, weight_decay: float = 0.0, accumulated: int = 1, devices: int = 1
) -> keras.optimizers.Optimizer:
    """Adam (Kingma & Ba 2015, arXiv 1412.6980), or with a weight decay AdamW (Loshchilov & Hutter
    2019, arXiv 1711.05101).

    Args:
        schedule: of the learning rate.
        weight_decay: each step shrinks every kernel by this fraction, times the learning rate.
            Offsets and normalisations are left alone.
        accumulated: over how many micro-batches a step accumulates its gradient.
        devices: on how many.
    """
    common = {
        "name": "adam",  # of one name, so that either takes up the other's state
        "gradient_accumulation_steps": accumulated if accumulated > 1 else None,
    }
    if accumulated > 1 and devices > 1 and keras.backend.backend() == "tensorflow":
        optimizer = MirroredAdam(schedule, weight_decay=weight_decay or None, **common)
    elif weight_decay:
        optimizer = keras.optimizers.AdamW(schedule, weight_decay=weight_decay, **common)
    else:
        optimizer = keras.optimizers.Adam(schedule, **common)
    if weight_decay:
        optimizer.exclude_from_weight_decay(
            var_names=[rf"(^|/){name}(:\d+)?$" for name in NOT_DECAYED]
        )
    return optimizer
