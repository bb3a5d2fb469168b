"""Epochs of a training by ``keras.Model.fit``: the batches, cut to the memory there is and shared
among the devices, and the validation.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence

import numpy as np
from tqdm.auto import tqdm

from bloodseg_lib.network.backend import keras
from bloodseg_lib.network.checkpoint import (
    broken_variables,
    restore_checkpoint,
    restore_weights,
    set_state,
    state_of,
)
from bloodseg_lib.network.devices import device_count, every_device, is_out_of_memory, process
from bloodseg_lib.network.loss import WeightedCrossEntropy, class_weights
from bloodseg_lib.network.metrics import Scores, scores
from bloodseg_lib.network.pixel_metrics import ConfusionMatrix, PixelMean, is_right
from bloodseg_lib.network.pretrained import checkpoint_path
from bloodseg_lib.network.unet import build_unet
from bloodseg_lib.smears.dataset import Dataset
from bloodseg_lib.training.distillation import Taught, load_teacher
from bloodseg_lib.training.feed import Feed, batches
from bloodseg_lib.training.record import EpochRecord
from bloodseg_lib.training.schedule import TableSchedule, adam, learning_rates
from bloodseg_lib.training.state import TrainingState
from bloodseg_lib.training.unfinished import Unfinished, take_up


class Trainer:
    """A network with its optimizer and loss, compiled for the batches that fit in memory.

    Args:
        dataset: to train and validate on.
        state: of the training; the network takes up its weights, optimizer and dropout.
        parts: into how many parts each batch is cut; see :meth:`epoch`.
        progress: show a bar.
    """

    def __init__(self, dataset: Dataset, state: TrainingState, parts: int, progress: bool = True):
        config = state.config
        self.dataset, self.state, self.config, self.progress = dataset, state, config, progress
        self.images = config.images_per_epoch or len(dataset.names("train"))
        self.steps = -(-self.images // config.batch_size)  # the last one may be of fewer images
        self.rates = learning_rates(config, self.steps)
        self._schedule = TableSchedule(self.rates)
        self._loss = WeightedCrossEntropy(
            class_weights(dataset.pixel_counts("train"), config.weight_exponent)
        )
        with every_device():
            self.model = build_unet(state.unet, seed=config.seed, precision=config.precision)
            # softmax and logarithm are numerically stable only when computed together
            logits = self.model.get_layer("logits").output
            self._learner = keras.Model(self.model.input, logits)
            if config.teacher:
                teacher = load_teacher(config.teacher, config.precision)
                self._learner = Taught(self.model.input, logits, teacher, self._loss)
            self._evaluator = keras.Model(self.model.input, logits)
            self._confusion = ConfusionMatrix()
        self.split(parts)
        if state.history:
            restore_checkpoint(state.latest, self.model, self.optimizer)
            # not 0 if the batch size was another
            done = int(self.optimizer.variables[0].numpy()) // self._accumulated
            self._schedule.first_step = done - state.epoch * self.steps
        elif config.start_from:
            restore_weights(checkpoint_path(config.start_from), self.model)
        before = state_of(self.model, self.optimizer)
        self._begun = take_up(state.folder, state.sidecar, parts, self.model, self.optimizer)
        self._before = before if self._begun else None
        self._asked: Sequence[int] = ()

    def split(self, parts: int) -> None:
        """Compile anew for batches cut into ``parts``, whose gradients are accumulated."""
        devices = device_count()
        self.parts, self.device_batch = parts, -(-self.config.batch_size // (parts * devices))
        size = self.device_batch * devices
        self._accumulated = -(-self.config.batch_size // size)
        self._schedule.accumulated = self._accumulated
        # alone and whole, a batch needs no filling up, and the last one of an epoch may be short
        self._fill = size if self._accumulated > 1 or devices > 1 else 0
        with every_device():
            self.optimizer = adam(
                self._schedule, self.config.weight_decay, self._accumulated, devices
            )
            self.optimizer.build(self.model.trainable_variables)
            means = self._compile(self._learner, PixelMean(is_right, "accuracy"), self.optimizer)
            means.insert(0, self._learner.metrics[0])  # of the loss; Keras lists the others late
            self._sums = [variable for mean in means for variable in mean.variables]
            self._compile(self._evaluator, self._confusion)

    def _compile(
        self,
        model: keras.Model,
        accuracy: keras.metrics.Metric,
        optimizer: keras.optimizers.Optimizer | None = None,
    ) -> list[keras.metrics.Metric]:
        # Keras' own mean of the loss counts images that fill a batch up
        filled = [PixelMean(self._loss.call, "pixel_loss")] if self._fill else []
        self._loss_name = "pixel_loss" if self._fill else "loss"
        model.compile(
            optimizer=optimizer,
            loss=self._loss,
            weighted_metrics=[*filled, accuracy],
            jit_compile=self.config.jit or keras.backend.backend() == "jax",
        )
        return [*filled, accuracy]

    def epoch(self, number: int, asked: Sequence[int] = ()) -> EpochRecord | Unfinished:
        """Train and validate one epoch; where memory runs out, begin it again with each batch cut
        into twice as many parts, whose gradients are accumulated.

        Args:
            number: from 1.
            asked: once something is in it, the epoch stops after the step under way.

        Raises:
            FloatingPointError: a loss or a weight is not finite.
            MemoryError: one image at a time is too much.
        """
        self._asked = asked
        before = self._before or state_of(self.model, self.optimizer)
        while True:
            try:
                record = self._epoch(number)
                self._begun = self._before = None
                return record
            except Exception as error:
                # the other processes would not begin again
                if not is_out_of_memory(error) or process()[1] > 1:
                    raise
                if self.device_batch == 1:
                    raise MemoryError(
                        "Expected memory for one image at a time. Received none; "
                        "use a smaller width, or free some."
                    ) from error
                self.split(2 * self.parts)
                set_state(self.model, self.optimizer, before)
                self._begun = self._before = None
                tqdm.write(
                    f"Out of memory in epoch {number}: it begins again, each batch of "
                    f"{self.config.batch_size} in {self.parts} parts whose gradients are summed up."
                )

    def _epoch(self, number: int) -> EpochRecord | Unfinished:
        start = time.perf_counter() - (self._begun.time_s if self._begun else 0.0)
        steps, loss, accuracy = self.learn(number)
        self._check_finite(loss, "training loss", number)
        # oneDNN's ReLU turns NaN into 0, so that the loss may be finite
        if broken := broken_variables(self.model):
            self._check_finite(math.nan, f"weight {broken[0]}", number)
        training_s = time.perf_counter() - start
        if not self._asked:
            validation, valid_loss = self.validate()
        if self._asked:
            sums = tuple(float(value.numpy()) for value in self._sums)
            return Unfinished(number, steps, self.parts, training_s, loss, accuracy, sums)
        self._check_finite(valid_loss, "validation loss", number)
        return EpochRecord.of_scores(
            validation,
            epoch=number,
            learning_rate=float(self.rates[number * self.steps - 1]),
            train_loss=loss,
            train_accuracy=accuracy,
            valid_loss=valid_loss,
            time_s=round(time.perf_counter() - start, 3),
            images_per_s=round(self.images / training_s, 2),
            parts=self.parts,
        )

    def learn(self, number: int) -> tuple[int, float, float]:
        """Train one epoch, or what is left of it.

        Returns:
            How many steps of it are done, with their mean loss and pixel accuracy.
        """
        begun = self._begun
        done = begun.steps if begun else 0
        if begun and done == self.steps:
            return done, begun.train_loss, begun.train_accuracy
        feed = self._feed(lambda: batches(self.dataset, self.config, number, done), self.images)
        name, hidden = f"epoch {number}/{self.config.epochs}", not self.progress
        bar = tqdm(total=self.images, unit="image", desc=name, disable=hidden, leave=False)
        with every_device(), bar, feed.own_errors():
            watch = _Progress(bar, self.config.batch_size, self._accumulated, done, self._asked)
            logs = self._learner.fit(
                feed.batches(),
                initial_epoch=number - 1,
                epochs=number,
                steps_per_epoch=(self.steps - done) * self._accumulated,
                shuffle=False,
                verbose=0,
                callbacks=[keras.callbacks.LambdaCallback(self._restore_sums), watch],
            ).history
        return watch.steps, logs[self._loss_name][-1], logs["accuracy"][-1]

    def _restore_sums(self, *_: object) -> None:
        """After Keras has set them to 0 at the beginning of an epoch."""
        sums = self._begun.sums if self._begun else ()
        for variable, value in zip(self._sums, sums, strict=False):
            variable.assign(value)

    def _feed(
        self, source: Callable[[], Iterator[tuple[np.ndarray, np.ndarray]]], images: int
    ) -> Feed:
        even = images % self.config.batch_size == 0
        return Feed(source, self._fill, self._accumulated, even)

    def validate(self) -> tuple[Scores, float]:
        """Scores and mean loss on the validation split."""
        size, images = self.config.batch_size, len(self.dataset.names("valid"))
        feed = self._feed(lambda: self.dataset.batches("valid", size, shuffle=False), images)
        steps, stop = -(-images // size) * self._accumulated, [_Stop(self._asked)]
        with every_device(), feed.own_errors():
            logs = self._evaluator.evaluate(
                feed.batches(), steps=steps, verbose=0, return_dict=True, callbacks=stop
            )
        return scores(self._confusion.matrix()), logs[self._loss_name]

    def _check_finite(self, value: float, what: str, number: int) -> None:
        if math.isfinite(value):
            return
        latest, kept = self.state.latest, "no epoch was finished"
        if latest.exists():
            kept = f"{latest} still holds the epoch before"
        raise FloatingPointError(
            f"The {what} is not finite in epoch {number}; {kept}. "
            "Lower the learning rate or use precision float32, and run again."
        )


class _Stop(keras.callbacks.Callback):
    """Stops a validation when asked to."""

    def __init__(self, asked: Sequence[int]):
        super().__init__()
        self._asked = asked

    def on_test_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
        """After each micro-batch."""
        self.model.stop_evaluating = bool(self._asked)


class _Progress(keras.callbacks.Callback):
    """Moves the bar, and stops the epoch at a loss that is not finite, or when asked to.

    Attributes:
        steps: that are done of the epoch.
    """

    def __init__(
        self, bar: tqdm, batch_size: int, accumulated: int, done: int, asked: Sequence[int]
    ):
        super().__init__()
        self._bar, self._batch_size, self._accumulated = bar, batch_size, accumulated
        self.steps = self._done = done
        self._asked = asked

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
        """After each micro-batch, with the means over the epoch so far."""
        means = logs or {}
        loss, accuracy = means.get("pixel_loss", means["loss"]), means["accuracy"]
        steps, within = divmod(batch + 1, self._accumulated)
        self.steps = self._done + steps
        self.model.stop_training = not math.isfinite(loss) or (bool(self._asked) and not within)
        self._bar.set_postfix(loss=f"{loss:.3f}", accuracy=f"{accuracy:.1%}", refresh=False)
        micro = self._done * self._accumulated + batch + 1
        seen = min(self._bar.total, micro * self._batch_size // self._accumulated)
        self._bar.update(seen - self._bar.n)
