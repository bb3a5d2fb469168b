"""A training of seconds, for tests;

run as a program it trains in a process of its own, which may be killed or have other devices.
"""

import dataclasses
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from bloodseg_lib.network.config import UNetConfig
from bloodseg_lib.smears.dataset import epoch_order
from bloodseg_lib.training.config import TrainingConfig
from bloodseg_lib.training.train import train

UNET = UNetConfig(width=2, levels=3)
CONFIG = TrainingConfig(batch_size=5, epochs=3, flips=True, learning_rate=0.01, seed=1)


class TinyDataset:
    """Blocks of 8 x 8 pixels whose brightness tells their class, behind the interface of
    ``Dataset``.
    """

    def __init__(self, size=32, train=12, pause_s=0.0, digest="tiny"):
        rng = np.random.default_rng(0)
        self.pause_s, self.splits, self.folder = pause_s, {}, Path(tempfile.gettempdir())
        for split, count in (("train", train), ("valid", 5)):
            labels = (
                rng.integers(0, 10, (count, size // 8, size // 8), dtype=np.uint8)
                .repeat(8, axis=1)
                .repeat(8, axis=2)
            )
            noise = rng.integers(0, 10, (*labels.shape, 3), dtype=np.uint8)
            self.splits[split] = (labels[..., None] * np.uint8(25) + noise, labels)
        self.manifest = {"digest": digest, "mean": [100.0, 110.0, 120.0], "std": [50.0, 51.0, 52.0]}

    def arrays(self, split):
        return self.splits[split]

    def names(self, split):
        return [f"{split}{i}" for i in range(len(self.splits[split][0]))]

    def image(self, split, i):
        return self.splits[split][0][i]

    def pixel_counts(self, split):
        return np.bincount(self.splits[split][1].ravel(), minlength=10)

    def batches(self, split, batch_size, seed=0, epoch=1, shuffle=True, images_per_epoch=0):
        images, labels = self.splits[split]
        order = (
            epoch_order(len(images), seed, epoch, images_per_epoch)
            if shuffle
            else np.arange(len(images))
        )
        for start in range(0, len(order), batch_size):
            time.sleep(self.pause_s)
            yield (
                images[order[start : start + batch_size]],
                labels[order[start : start + batch_size]],
            )


def run(folder, dataset=None, unet=UNET, config=CONFIG, **options):
    return train(dataset or TinyDataset(), unet, config, folder, progress=False, **options)


def bits(path):
    """The bytes of everything in a checkpoint but its sidecar."""
    with np.load(path) as arrays:
        return {name: arrays[name].tobytes() for name in arrays.files if name != "sidecar"}


def start(folder, environment=None, **options):
    """Train in a process of its own.

    Options: ``unet``, ``config`` (dicts), ``dataset`` (keywords), ``logical_cpus``,
    ``die_writing``, ``parts``.
    """
    helpers = Path(__file__).parent
    paths = os.pathsep.join(
        [str(helpers), str(helpers.parents[1]), os.environ.get("PYTHONPATH", "")]
    )
    return subprocess.Popen(
        [sys.executable, __file__, str(folder), json.dumps(options)],
        env={**os.environ, "PYTHONPATH": paths, **(environment or {})},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def _die_writing(number):
    """Have the process killed by SIGKILL within the checkpoint it writes as number ``number``, with
    half of its bytes on the disk.
    """
    import io
    import signal

    savez, written = np.savez, []

    def dying(path, **arrays):
        written.append(path)
        if len(written) < number:
            savez(path, **arrays)
            return
        whole = io.BytesIO()
        savez(whole, **arrays)
        with Path(path).open("wb") as half:
            half.write(whole.getvalue()[: whole.getbuffer().nbytes // 2])
            half.flush()
            os.kill(os.getpid(), signal.SIGKILL)

    np.savez = dying


def main(folder, unet=None, config=None, dataset=None, logical_cpus=1, die_writing=0, parts=1):
    if logical_cpus > 1:
        import tensorflow as tf

        cpu = tf.config.list_physical_devices("CPU")[0]
        tf.config.set_logical_device_configuration(
            cpu, [tf.config.LogicalDeviceConfiguration()] * logical_cpus
        )
    if die_writing:
        _die_writing(die_writing)
    if parts > 1:
        # as after memory had run out
        module = sys.modules["bloodseg_lib.training.train"]
        real = module.preflight
        module.preflight = lambda *values: dataclasses.replace(real(*values), parts=parts)
    from bloodseg_lib.network.devices import device_count

    trained = run(
        folder,
        TinyDataset(**(dataset or {})),
        UNetConfig.from_dict(unet or UNET.to_dict()),
        TrainingConfig.from_dict(config or CONFIG.to_dict()),
    )
    print(f"devices: {device_count()}; losses: {[record.train_loss for record in trained.history]}")


if __name__ == "__main__":
    main(sys.argv[1], **json.loads(sys.argv[2]))
