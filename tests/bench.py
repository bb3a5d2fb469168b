"""Speed, as figures and ratios within one run: ``make bench``. Other load on the machine changes the figures; the ratios less."""

import shutil
import tempfile
import time
from pathlib import Path

import numpy as np

from bloodseg_lib.dataset import Dataset, DatasetConfig, build_dataset
from bloodseg_lib.device import describe_device, keras
from bloodseg_lib.recipes import RECIPES
from bloodseg_lib.samples import SampleBank, write_bank
from bloodseg_lib.sources import phantom
from bloodseg_lib.training import WeightedCrossEntropy
from bloodseg_lib.unet import UNetConfig, build_unet

SMEARS = 1000
STEPS = 4


def composing(bank: SampleBank, folder: Path) -> Dataset:
    """Smears per second, every file written, with one and with two workers, for each recipe."""
    for recipe in RECIPES:
        rates = {}
        for workers in (1, 2):
            shutil.rmtree(folder, ignore_errors=True)
            config = DatasetConfig(train=SMEARS, valid=0, test=0, backgrounds=18, recipe=RECIPES[recipe])
            build_dataset(DatasetConfig(train=20, valid=0, test=0, backgrounds=6), bank, folder / "warm", workers=workers, progress=False)
            start = time.perf_counter()
            dataset = build_dataset(config, bank, folder / "dataset", workers=workers, progress=False)
            rates[workers] = SMEARS / (time.perf_counter() - start)
        print(f"composing, {recipe}: {rates[1]:.0f} smears/s with 1 worker, {rates[2]:.0f} with 2: x {rates[2] / rates[1]:.2f}")
    return dataset


def loading(dataset: Dataset) -> float:
    """Images per second that the loader delivers from the page cache."""
    for _ in dataset.batches("train", 100):
        pass
    start = time.perf_counter()
    for _ in dataset.batches("train", 100, epoch=1):
        pass
    rate = SMEARS / (time.perf_counter() - start)
    print(f"loader: {rate:.0f} images/s from page cache, batches of 100")
    return rate


def training(dataset: Dataset, loader_rate: float) -> None:
    """Images per second of our training step beside plain Keras ``fit`` of the same network on arrays."""
    images, labels = next(dataset.batches("train", 4))
    for width in (16, 32):
        rates = {}
        for name, loss in (("plain", keras.losses.SparseCategoricalCrossentropy(from_logits=True)), ("weighted", WeightedCrossEntropy(np.ones(10)))):
            model = build_unet(UNetConfig(width=width))
            learner = keras.Model(model.input, model.get_layer("logits").output)
            learner.compile("adam", loss)
            learner.train_on_batch(images, labels)
            start = time.perf_counter()
            for _ in range(STEPS):
                learner.train_on_batch(images, labels)
            rates[name] = STEPS * len(images) / (time.perf_counter() - start)
        print(
            f"training, width {width}: {rates['weighted']:.2f} images/s with weight maps, {rates['plain']:.2f} with plain cross-entropy: "
            f"x {rates['weighted'] / rates['plain']:.2f}; the loader is {loader_rate / rates['weighted']:.0f} times as fast"
        )


def main() -> None:
    print(describe_device())
    with tempfile.TemporaryDirectory() as scratch:
        bank = write_bank(phantom.read(40), Path(scratch) / "bank")
        dataset = composing(bank, Path(scratch) / "work")
        training(dataset, loading(dataset))


if __name__ == "__main__":
    main()
