"""How to train, as one frozen configuration."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from bloodseg_lib.config import Config
from bloodseg_lib.network.backend import PRECISIONS


@dataclass(frozen=True)
class TrainingConfig(Config):
    """How to train. The defaults are those of the full-size training.

    Attributes:
        start_from: a checkpoint to fine-tune from; ``"released"``: the pretrained network that
            comes with the package; empty: train from scratch. Its network must be of the same
            shape, and its mean and standard deviation of the pixels are kept.
        teacher: a checkpoint of another network to learn from, too, of any width, or
            ``"released"``, see :mod:`bloodseg_lib.training.distillation`; empty: none. Not with
            ``half_size_epochs``: it would be asked of cells of half their size.
        batch_size: images a step.
        epochs: passes through the training set, or parts of one, see ``images_per_epoch``.
        images_per_epoch: 0: each epoch is one pass. Else the images of an epoch, so that a long
            pass is validated and saved more often.
        half_size_epochs: in so many first epochs each image is four smears at half size, side by
            side: a quarter of the work for a smear, see
            :func:`bloodseg_lib.training.augmentation.four_in_one`.
        schedule: ``"step"``: ``learning_rate`` for ``drop_after_epochs`` epochs, then
            ``later_learning_rate``. ``"cosine"``: from ``learning_rate`` along half a cosine down
            to 0 at the last step.
        learning_rate: of Adam, see ``schedule``.
        later_learning_rate, drop_after_epochs: of the schedule ``"step"``.
        warmup_steps: number of first steps in which the learning rate rises evenly from 0 to that
            of the schedule.
        weight_exponent: how strongly rare classes are weighted, see
            :func:`bloodseg_lib.network.loss.class_weights`.
        weight_decay: of AdamW, see :func:`bloodseg_lib.training.schedule.adam`; 0: plain Adam.
        flips: show each image mirrored and turned by quarter turns at random; a smear has no up or
            down.
        stain: strength of the stain jitter, see
            :func:`bloodseg_lib.smears.appearance.jitter_stain`; 0: none, 0.15: as from slide to
            slide.
        brightness: strength of the jitter of brightness and contrast, see
            :func:`bloodseg_lib.training.augmentation.brightened`; 0: none.
        blur_px: greatest standard deviation of a blur, see
            :func:`bloodseg_lib.smears.appearance.acquire`; 0: none.
        precision: ``"float32"``, ``"bfloat16"`` or ``"auto"``, see
            :func:`bloodseg_lib.network.backend.dtype_policy`.
        jit: compile each step with XLA.
        deterministic: use only operations that give the same bits each time.
        patience: stop after this number of epochs without a better validation accuracy, counted
            over all restarts; 0: never.
        max_minutes: start no epoch that would end later than this, counted over all restarts; 0: no
            limit.
        tensorboard: also write the history for TensorBoard, see
            :class:`bloodseg_lib.training.log.EventLog`.
        seed: of the first weights, the order of the images, the augmentation and the dropout.

    Examples:
        >>> TrainingConfig(epochs=3, batch_size=4).learning_rate
        0.001
        >>> TrainingConfig(batch_size=0)
        Traceback (most recent call last):
        ValueError: TrainingConfig.batch_size: expected at least 1. Received 0.
    """

    start_from: str = ""
    teacher: str = ""
    batch_size: int = 100
    epochs: int = 35
    images_per_epoch: int = 0
    half_size_epochs: int = 0
    schedule: Literal["step", "cosine"] = "step"
    learning_rate: float = 0.001
    later_learning_rate: float = 0.0001
    drop_after_epochs: int = 5
    warmup_steps: int = 0
    weight_exponent: float = 1.0
    weight_decay: float = 0.0
    flips: bool = False
    stain: float = 0.0
    brightness: float = 0.0
    blur_px: float = 0.0
    precision: str = "float32"
    jit: bool = False
    deterministic: bool = True
    patience: int = 0
    max_minutes: float = 0.0
    tensorboard: bool = False
    seed: int = 0

    def check(self) -> None:
        for field in ("batch_size", "epochs"):
            self.expect(getattr(self, field) >= 1, field, "at least 1")
        from_0 = (
            "images_per_epoch half_size_epochs drop_after_epochs warmup_steps patience seed "
            "weight_exponent weight_decay stain brightness blur_px max_minutes"
        )
        for field in from_0.split():
            self.expect(0 <= getattr(self, field) < math.inf, field, "at least 0")
        for field in ("learning_rate", "later_learning_rate"):
            self.expect(0 < getattr(self, field) < math.inf, field, "above 0")
        self.expect(
            not (self.teacher and self.half_size_epochs),
            "half_size_epochs",
            "0 with a teacher, which knows cells of full size",
        )
        self.expect(self.precision in PRECISIONS, "precision", f"one of {', '.join(PRECISIONS)}")
        self.expect(
            not (self.jit and self.deterministic),
            "jit",
            "False while deterministic is True, because XLA lacks some deterministic operations",
        )
