"""Fine-tuning on corrected fields: a short training that goes on from a network, of crops of the
fields and of smears of drawn cells, which keep the classes alive that the fields lack.

Taught by ``notebooks/06_interactive_prediction.ipynb``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from bloodseg_lib.io import write_bytes
from bloodseg_lib.network.cell_view import VIEWS, companion
from bloodseg_lib.network.checkpoint import read_sidecar, write_compact
from bloodseg_lib.network.config import UNetConfig
from bloodseg_lib.network.pretrained import checkpoint_path
from bloodseg_lib.runs import RunFiles
from bloodseg_lib.samples.bank import SampleBank
from bloodseg_lib.smears.build import build_dataset
from bloodseg_lib.smears.dataset import Dataset
from bloodseg_lib.smears.manifest import DatasetConfig
from bloodseg_lib.smears.recipe import recipe_named
from bloodseg_lib.training.config import TrainingConfig
from bloodseg_lib.training.record import EpochRecord
from bloodseg_lib.training.train import train

SMEARS = DatasetConfig(
    train=1200,
    valid=20,
    test=60,
    backgrounds=60,
    recipe=replace(recipe_named("realistic"), real_fraction=0.75),
)
"""What is trained on: so many of the smears are crops of the corrected fields."""

TRAINING = TrainingConfig(
    batch_size=4,
    epochs=4,
    images_per_epoch=300,
    schedule="cosine",
    learning_rate=0.0003,
    warmup_steps=20,
    weight_exponent=0.5,
    flips=True,
    stain=0.1,
    precision="auto",
)
"""How: ``docs/decisions/2026-11-26-fine-tuning.md`` has what was measured."""


def fine_tuned(
    bank: SampleBank,
    run: RunFiles,
    start_from: Path | str = "released",
    on_epoch: Callable[[EpochRecord], None] | None = None,
    *,
    progress: bool = True,
) -> Dataset:
    """Fine-tune a network, or go on with it, see :func:`bloodseg_lib.training.train.train`, and
    write it to ``run.network``, with the white-cell network of the one before, if it has one.

    It is the network of the last epoch: the validation, on drawn cells, does not know which is best
    for the fields.

    Args:
        bank: of corrected fields, see :func:`bloodseg_lib.samples.corrected_fields.write`.
        run: gets the dataset, the training and the network.
        start_from: the network, a checkpoint or ``"released"``.
        on_epoch: called with the record of each epoch.
        progress: show bars.

    Returns:
        the dataset; its ``test`` split is of drawn cells only.
    """
    dataset = build_dataset(SMEARS, bank, run.dataset, workers=-1, progress=progress)
    start = checkpoint_path(start_from)
    config = replace(TRAINING, start_from=str(start_from))
    unet = UNetConfig.from_dict(read_sidecar(start).unet)
    result = train(dataset, unet, config, run.training, on_epoch, progress=progress)
    write_compact(result.latest, run.network)
    for view in VIEWS:
        if (second := companion(start, view)).is_file():
            write_bytes(companion(run.network, view), second.read_bytes())
    return dataset
