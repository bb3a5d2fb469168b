"""One epoch of a training, as it is kept in the checkpoint and in ``log.csv``."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bloodseg_lib.classes import CLASSES
from bloodseg_lib.network.metrics import Scores


@dataclass(frozen=True)
class EpochRecord:
    """What is recorded of an epoch; ``None`` where an earlier version did not record it.

    Attributes:
        epoch: number, from 1.
        learning_rate: at the end of the epoch.
        train_loss: weighted loss, mean over the epoch while the network learned.
        train_accuracy: pixel accuracy 0..1, mean over the epoch while the network learned.
        valid_loss: weighted loss on the validation split.
        valid_accuracy: pixel accuracy on the validation split, 0..1.
        mean_iou: mean intersection over union of the validation split, 0..1.
        background_share: fraction of the validation pixels that are background: the accuracy of a
            network that predicts background everywhere.
        zero_recall: keys of the classes of which no validation pixel was found.
        time_s: of the epoch with its validation.
        images_per_s: of its training.
        parts: into how many parts a batch was cut because memory was short; 1: none.

    Examples:
        >>> record = EpochRecord(1, 0.001, 0.9, 0.7, 0.8, 0.75, zero_recall=("basophil",))
        >>> record.to_dict()["zero_recall"]
        ['basophil']
        >>> EpochRecord.from_dict(record.to_dict()) == record
        True
    """

    epoch: int
    learning_rate: float
    train_loss: float
    train_accuracy: float
    valid_loss: float
    valid_accuracy: float
    mean_iou: float | None = None
    background_share: float | None = None
    zero_recall: tuple[str, ...] = ()
    time_s: float = 0.0
    images_per_s: float | None = None
    parts: int | None = None

    def to_dict(self) -> dict[str, Any]:
        """As the JSON of the checkpoint holds it."""
        values = {name: v for name, v in vars(self).items() if v is not None}
        return {**values, "zero_recall": list(self.zero_recall)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> EpochRecord:
        """Read what :meth:`to_dict` wrote, in this version or an earlier one."""
        names = [field.name for field in dataclasses.fields(cls)]
        known = {name: values[name] for name in names if name in values}
        return cls(**{**known, "zero_recall": tuple(values.get("zero_recall", ()))})

    @classmethod
    def of_scores(cls, scores: Scores, **values: Any) -> EpochRecord:
        """Make the record of an epoch with the scores of its validation."""
        return cls(
            valid_accuracy=scores.pixel_accuracy,
            mean_iou=scores.mean_iou,
            background_share=scores.background_share,
            zero_recall=tuple(CLASSES[i].key for i in scores.zero_recall),
            **values,
        )
