"""Checks in seconds what a training needs before it begins: GPU, dataset, disk and memory."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from bloodseg_lib.network.backend import describe_device, dtype_policy, has_gpu
from bloodseg_lib.network.config import UNetConfig
from bloodseg_lib.network.devices import device_count, free_memory, process
from bloodseg_lib.runs import MIB, check_room
from bloodseg_lib.smears.dataset import Dataset
from bloodseg_lib.training.config import TrainingConfig

EXIT_NO_GPU = 3
"""What the command line ends with when a GPU was demanded and there is none."""

_BYTES = 4  # of a float32
# in memory: weights, gradients, two moments of Adam, and the state to begin the epoch again from
_COPIES_OF_WEIGHTS = 6
_MARGIN = 1.1  # for what is not counted
_CODE = 128 * MIB  # compiled functions and working space of the first steps


class NoGPUError(OSError):
    """A GPU was demanded, and the backend sees none."""

    exit_code = EXIT_NO_GPU


@dataclass(frozen=True)
class Preflight:
    """Result of the checks; everything in bytes, ``None`` if unknown.

    Attributes:
        memory_needed: of a training step, as estimated by :func:`memory_needed`.
        memory_free: of one device.
        disk_needed: of checkpoints, and of the cached dataset if it is not there yet.
        parts: into how many parts a batch must be cut to fit; 1: none.
    """

    memory_needed: int
    memory_free: int | None
    disk_needed: int
    parts: int

    def report(self, batch_size: int) -> str:
        """Say what the user must know; empty if there is nothing."""
        if self.parts == 1 or self.memory_free is None:
            return ""
        return (
            f"Memory: a batch of {batch_size} is estimated to need {self.memory_needed / MIB:,.0f} "
            "MiB (feature maps kept for the gradient, plus the weights "
            f"{_COPIES_OF_WEIGHTS} times), {self.memory_free / MIB:,.0f} MiB are free. Each batch "
            f"is taken in {self.parts} parts, "
            f"whose gradients are summed up, so a step is still one of {batch_size} images."
        )


def preflight(
    dataset: Dataset,
    unet: UNetConfig,
    config: TrainingConfig,
    folder: Path | str,
    require_gpu: bool = False,
) -> Preflight:
    """Check everything a training needs before it takes long.

    Args:
        dataset: what to train on.
        unet: shape of the network.
        config: how to train.
        folder: of the training.
        require_gpu: refuse to train without a GPU.

    Raises:
        NoGPUError: ``require_gpu``, and the backend sees no GPU.
        ValueError: the dataset or its images do not suit the network.
        OSError: the disk has too little room.
        MemoryError: not even one image fits.
    """
    if require_gpu and not has_gpu():
        raise NoGPUError(
            f"Expected a GPU, as demanded. Received {describe_device()}. Install the backend with "
            "GPU support, or demand none."
        )
    folder = Path(folder)
    images = check_images(dataset, "train", unet)
    check_images(dataset, "valid", unet)
    if config.images_per_epoch > images:
        raise ValueError(
            f"TrainingConfig.images_per_epoch: expected at most the {images} images of the split "
            f"'train'. Received {config.images_per_epoch}."
        )
    if process()[1] > 1 and config.max_minutes:
        raise ValueError(
            "TrainingConfig.max_minutes: expected 0 where several processes train together, whose "
            "clocks differ. Set epochs instead."
        )

    disk = _checked_disk(dataset, unet, folder)
    height, width = dataset.image("train", 0).shape[:2]
    of_device = -(-config.batch_size // device_count())  # of a batch, on each device
    free, parts = free_memory(), 1

    def needed() -> int:
        return memory_needed(unet, -(-of_device // parts), height, width, config.precision)

    whole = needed()
    while free is not None and needed() > free:
        if parts >= of_device:
            raise MemoryError(
                f"Expected memory for one image, {needed() / MIB:,.0f} MiB as estimated. Received "
                f"{free / MIB:,.0f} MiB free; close other programs "
                "or use a smaller width."
            )
        parts *= 2
    return Preflight(whole, free, disk, parts)


def memory_needed(
    unet: UNetConfig, batch: int, height: int, width: int, precision: str = "float32"
) -> int:
    """Estimate the memory in bytes that a training step adds to the process.

    Kept for the gradient, for every image: each convolution's input, that is every ReLU, pooling,
    dropout and concatenation, and with batch normalisation also each convolution's output. To these
    come, at the end, three maps of ten classes in float32 (logits, softmax, gradient), and for the
    gradient in progress the two largest maps; and the weights six times: themselves, their
    gradients, Adam's two moments, the state to begin an epoch again from, and copies. With a tenth
    more and 128 MiB, this was 10 to 40 % above the measured peak (widths 8 and 32, 2 to 16 images,
    TensorFlow on a CPU); on GPUs, whose working space varies, it is a first guess.

    Args:
        unet: shape of the network.
        batch: images at once.
        height, width: of an image, in pixels.
        precision: see :func:`bloodseg_lib.network.backend.dtype_policy`.

    Examples:
        >>> memory_needed(UNetConfig(width=8), batch=4, height=224, width=224) // MIB
        285
    """
    maps = 0  # values an image
    for level in range(unet.levels):
        pixels, channels = (height >> level) * (width >> level), unet.width << level
        of_each_convolution = 2 if unet.normalization == "batch" else 1
        pooled = channels // 2 if level else 0
        dropped = channels if level >= unet.levels - 2 else 0
        maps += pixels * (2 * of_each_convolution * channels + pooled + dropped)
        if level < unet.levels - 1:
            # convolutions, transposed one, concatenation
            maps += pixels * (2 * of_each_convolution * channels + channels + 2 * channels)
    size = 2 if dtype_policy(precision) == "mixed_bfloat16" else _BYTES
    underway = 2 * height * width * 2 * unet.width
    classes = 3 * 10 * height * width * _BYTES
    weights = _COPIES_OF_WEIGHTS * _BYTES * unet.parameters
    return int(_MARGIN * batch * (size * (maps + underway) + classes)) + weights + _CODE


def check_images(dataset: Dataset, split: str, unet: UNetConfig) -> int:
    """How many images a split has, if they suit the network.

    Raises:
        ValueError: there is none, or their size is no multiple of what the network's levels need.
    """
    count = len(dataset.names(split))
    if not count:
        raise ValueError(
            f"The dataset's split {split!r}: expected at least one image. Received none; build the "
            "dataset with some."
        )
    height, width = dataset.image(split, 0).shape[:2]
    if height % unet.multiple_px or width % unet.multiple_px:
        raise ValueError(
            f"The dataset's split {split!r}: expected height and width in multiples of "
            f"{unet.multiple_px} px, as {unet.levels} levels need. "
            f"Received {height} x {width}; use fewer levels or other images."
        )
    return count


def _checked_disk(dataset: Dataset, unet: UNetConfig, folder: Path) -> int:
    """Bytes that checkpoints and cached images will take, if each disk has room."""
    # best: the weights; latest: with two moments; as much once more while it is replaced, and once
    # for an epoch that a signal stopped
    checkpoints = 11 * _BYTES * unet.parameters
    checkpoints -= sum(path.stat().st_size for path in folder.glob("*.npz"))
    unpacked = 0
    for split in ("train", "valid"):
        if not any((dataset.folder / split).glob(".images-*.npy")):
            image = dataset.image(split, 0)
            unpacked += len(dataset.names(split)) * (image.size + image.size // 3)
    check_room(folder, checkpoints, "checkpoints")
    check_room(dataset.folder, unpacked, "the unpacked images")
    return max(0, checkpoints) + unpacked
