"""White cells of no class, drawn and composed: none is shown in training, yet all are to be told.

Erythroblasts and immature granulocytes are none of the five classes. A textbook says what sets them
apart, and cells of the five classes have the parts. An erythroblast is a small round cell whose
body is even, as a red cell's, around the dense round nucleus that a lymphocyte has. An immature
granulocyte has the body of a granulocyte, and a nucleus that is large and whole, an oval or a
kidney, with the chromatin of a lymphocyte or monocyte. So they are made, and the network is to give
all classes the same probability. So that it does not learn how a cell looks that was put together,
others get the nucleus of another cell of their class, in the same way, and keep it.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch.nn import functional

from bloodseg_lib.network.cell_view import WHITE_CELLS

EOSINOPHIL, _, NEUTROPHIL, LYMPHOCYTE, MONOCYTE = range(len(WHITE_CELLS.class_ids))
ERYTHROBLASTS = 0.45  # of those made; the others are granulocytes
SAME = 0.12  # of all cells: the nucleus is exchanged for one of their class
AREA_PX = (900, 2400)  # of erythroblasts, at 40x
FILLING = {"erythroblast": (0.2, 0.62), "granulocyte": (0.38, 0.75)}  # of the cell by the nucleus
BASOPHILIC = 2.2  # how much denser than a granulocyte's an immature body is at most
TINT = 0.4  # standard deviation of the logarithm of an even body's densities
WHOLE, KIDNEY = 0.6, 0.6  # of the nuclei that are drawn whole; of these with a dent
NUCLEUS, STEEPNESS = 0.6, 14.0  # density where the nucleus begins, of its 90 % quantile; its edge


class Parts(NamedTuple):
    """Cells taken apart, in the middle of squares of side S.

    Attributes:
        density, mask: ``(N, 3, S, S)``, optical densities, and ``(N, 1, S, S)``, 1 within the cell.
        nucleus: ``(N, 1, S, S)``, 0..1.
        stain: ``(N, 3, 1, 1)``, mean density of the nucleus.
    """

    density: torch.Tensor
    mask: torch.Tensor
    nucleus: torch.Tensor
    stain: torch.Tensor

    def of(self, chosen: torch.Tensor) -> Parts:
        return Parts(*(part[chosen] for part in self))


def with_cells_of_no_class(
    density: torch.Tensor, mask: torch.Tensor, classes: torch.Tensor, fraction: float
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Cells, about a fraction of them made into one of no class.

    Args:
        density: ``(N, 3, S, S) float32``, optical densities, each cell in the middle.
        mask: ``(N, 1, S, S)``, 1 within the cell.
        classes: ``(N,)``, in the order of the view of white cells.
        fraction: how many become one of no class, where a fifth is of each class.

    Returns:
        Densities, masks, and ``(N,) bool``: the cells that are of no class now.
    """
    chance = _uniform(density)
    granular = (classes == NEUTROPHIL) | (classes == EOSINOPHIL)  # two of five
    drawn = chance < fraction * ERYTHROBLASTS
    immature = granular & (chance > 1 - fraction * (1 - ERYTHROBLASTS) / 0.4) & ~drawn
    same = ~drawn & ~immature & (_uniform(density) < SAME)
    nucleus = nuclei(density, mask)
    cells = Parts(density, mask, nucleus, _mean(density, nucleus))
    others = cells.of(_others(classes, drawn, immature))

    area = torch.exp(_between(density, *map(math.log, AREA_PX)))
    own_area = mask.sum((1, 2, 3))
    filled = _between(density, *FILLING["granulocyte"])
    round_px = _between(density, *FILLING["erythroblast"]) * area
    target_px = torch.where(immature, filled * own_area, nucleus.sum((1, 2, 3)))
    target_px = torch.where(drawn, round_px, target_px)
    room_px = _radius(torch.where(drawn, area, own_area)) - _radius(target_px)
    shift_px = torch.where(same, 0.0, 0.85 * _uniform(density) * room_px.clamp(min=0))
    chromatin, shape = _nucleus_of(others, target_px, shift_px, immature)

    even = 1 - torch.where(drawn, _uniform(density), 0.3 * _uniform(density))
    chromatin = others.stain + _wide(even) * (chromatin - others.stain)
    darker = torch.where(drawn, _between(density, 1.0, 1.4), 1.0)
    darker = torch.where(immature, _between(density, 0.7, 1.1), darker)
    darker = darker * torch.exp(0.15 * torch.randn_like(darker))
    gain = (cells.stain / (others.stain + 0.05)).clamp(0.3, 3)
    body, outline = _body_of(cells, area, drawn)
    body = body * _wide(torch.where(immature, _between(density, 1.0, BASOPHILIC), 1.0))
    shape = shape * outline
    made = body * (1 - shape) + chromatin * gain * _wide(darker) * shape
    changed = _wide(drawn | immature | same)
    density = torch.where(changed, made.clamp(min=0), density)
    return density, torch.where(changed, outline, mask), drawn | immature


def nuclei(density: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """How much each pixel is nucleus, ``(N, 1, S, S)``, 0..1: by its density in red and green."""
    stain = functional.avg_pool2d(density[:, :2].mean(1, keepdim=True), 3, 1, 1)
    dark = quantile_within(stain, mask, WHITE_CELLS.quantile).clamp(min=0.05)
    return torch.sigmoid((stain / dark - NUCLEUS) * STEEPNESS) * mask


def quantile_within(density: torch.Tensor, mask: torch.Tensor, quantile: float) -> torch.Tensor:
    """A quantile of each channel within each cell, ``(N, C, 1, 1)``; 0 where there is no cell."""
    inside = torch.where(mask > 0.5, density, torch.nan).flatten(2)
    return torch.nanquantile(inside, quantile, dim=2).nan_to_num()[..., None, None]


def _others(classes: torch.Tensor, drawn: torch.Tensor, immature: torch.Tensor) -> torch.Tensor:
    """Whose nucleus each cell may get, ``(N,)``."""

    def any_of(likely: torch.Tensor) -> torch.Tensor:
        return torch.multinomial(likely.float() + 1e-9, len(classes), replacement=True)

    lymphocyte, monocyte = classes == LYMPHOCYTE, classes == MONOCYTE
    every = [any_of(classes == place) for place in range(len(WHITE_CELLS.class_ids))]
    alike = torch.stack(every, 1).gather(1, classes[:, None])[:, 0]
    whole = torch.where(immature, any_of(lymphocyte | monocyte), alike)
    return torch.where(drawn, any_of(lymphocyte), whole)


def _nucleus_of(
    others: Parts, target_px: torch.Tensor, shift_px: torch.Tensor, immature: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Nuclei turned, of an area and so far off the middle: densities, and where they are; those of
    immature cells may be drawn whole.
    """
    side_px = others.mask.shape[-1]
    direction = 2 * math.pi * _uniform(target_px)
    shift = torch.stack([shift_px * direction.cos(), shift_px * direction.sin()], 1)
    chromatin = _filled(others.density, (others.nucleus > 0.5).float())
    size = (target_px / others.nucleus.sum((1, 2, 3)).clamp(min=50)).sqrt().clamp(0.35, 1.8)
    angle = 2 * math.pi * _uniform(target_px)
    turned = _turned(torch.cat([chromatin, others.nucleus], 1), angle, size, shift * 2 / side_px)
    drawn = immature & (_uniform(target_px) < WHOLE)
    whole = _oval(_radius(target_px), shift, side_px)
    return turned[:, :3], torch.where(_wide(drawn), whole, turned[:, 3:])


def _oval(radius_px: torch.Tensor, shift: torch.Tensor, side_px: int) -> torch.Tensor:
    """Ovals and kidneys, ``(N, 1, S, S)``, 0..1, turned, their outlines a little uneven."""
    along, across = _axes(radius_px, shift, side_px)
    longer = torch.exp(_between(radius_px, 0.06, 0.22))[:, None, None]
    dented = _uniform(radius_px) < KIDNEY
    distance = torch.hypot(along / longer, across * longer) * _uneven(radius_px, side_px)
    larger = radius_px * torch.where(dented, 1.1, 1.0)  # by what the dent takes
    oval = torch.sigmoid((larger[:, None, None] - distance) * 1.5)
    deep = (radius_px * _between(radius_px, 0.75, 1.1))[:, None, None]
    wide = (radius_px * _between(radius_px, 0.3, 0.6))[:, None, None]
    dent = torch.sigmoid((torch.hypot(along, across - deep) - wide) * 1.2)
    return (oval * torch.where(dented[:, None, None], dent, 1.0))[:, None]


def _body_of(
    cells: Parts, area: torch.Tensor, drawn: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Densities without a nucleus, and outlines: round and even, or the cell's own."""
    side_px = cells.mask.shape[-1]
    nucleus = (functional.max_pool2d(cells.nucleus, 5, 1, 2) > 0.5).float()
    cytoplasm = -functional.max_pool2d(-cells.mask, 3, 1, 1) * (1 - nucleus)
    along, across = _axes(area, torch.zeros(len(area), 2, device=area.device), side_px)
    longer = torch.exp(0.05 * torch.randn_like(area))[:, None, None]
    distance = torch.hypot(along * longer, across / longer) * _uneven(area, side_px)
    disc = torch.sigmoid((_radius(area)[:, None, None] - distance) * 1.2)[:, None]
    tint = torch.exp(TINT * torch.randn_like(cells.stain))
    grain = 0.05 * torch.randn_like(cells.mask)
    uneven = 1 + 0.12 * _smooth(area, side_px)[:, None] + grain
    even = _mean(cells.density, cytoplasm).clamp(min=0.03) * tint * uneven
    body = torch.where(_wide(drawn), even, _filled(cells.density, cytoplasm))
    return body, torch.where(_wide(drawn), disc, cells.mask)


def _filled(density: torch.Tensor, known: torch.Tensor) -> torch.Tensor:
    """Densities everywhere, of what is known, ``(N, 1, S, S)``, turned about the middle."""
    mean, filled, seen = _mean(density, known), density * known, known
    each = torch.cat([filled, known], 1)
    one, none = torch.ones_like(density[:, 0, 0, 0]), torch.zeros_like(density[:, :2, 0, 0])
    for _ in range(4):
        turned = _turned(each, 2 * math.pi * _uniform(density), one, none)
        new = ((turned[:, 3:] > 0.9) & (seen < 0.5)).float()
        filled = filled + turned[:, :3] / turned[:, 3:].clamp(min=0.5) * new
        seen = torch.maximum(seen, new)
    return filled + mean * (1 - seen)


def _turned(
    x: torch.Tensor, angle: torch.Tensor, size: torch.Tensor, shift: torch.Tensor
) -> torch.Tensor:
    """Images turned, of another size, and shifted, ``(N, 2)`` in halves of the side."""
    cosine, sine = angle.cos() / size, angle.sin() / size
    right, down = shift.unbind(1)
    rows = [
        torch.stack([cosine, -sine, sine * down - cosine * right], 1),
        torch.stack([sine, cosine, -sine * right - cosine * down], 1),
    ]
    grid = functional.affine_grid(torch.stack(rows, 1), list(x.shape), align_corners=False)
    return functional.grid_sample(x, grid, align_corners=False)


def _axes(like: torch.Tensor, shift: torch.Tensor, side_px: int) -> tuple[torch.Tensor, ...]:
    """Distances from a shifted middle along two axes of any direction, ``(N, S, S)`` pixels."""
    place = torch.arange(side_px, device=like.device) - (side_px - 1) / 2
    right = place[None, None, :] - shift[:, 0, None, None]
    down = place[None, :, None] - shift[:, 1, None, None]
    angle = (2 * math.pi * _uniform(like))[:, None, None]
    cosine, sine = angle.cos(), angle.sin()
    return right * cosine + down * sine, down * cosine - right * sine


def _uneven(like: torch.Tensor, side_px: int) -> torch.Tensor:
    return 1 + 0.05 * _smooth(like, side_px)


def _smooth(like: torch.Tensor, side_px: int) -> torch.Tensor:
    """Noise that varies slowly, ``(N, S, S)``."""
    coarse = torch.randn(len(like), 1, 5, 5, device=like.device)
    return functional.interpolate(coarse, size=(side_px, side_px), mode="bicubic")[:, 0]


def _mean(density: torch.Tensor, where: torch.Tensor) -> torch.Tensor:
    total = (density * where).sum((2, 3)) + 1e-3 * density.mean((2, 3))
    return (total / (where.sum((2, 3)) + 1e-3))[..., None, None]


def _radius(area: torch.Tensor) -> torch.Tensor:
    return (area / math.pi).sqrt()


def _uniform(like: torch.Tensor) -> torch.Tensor:
    return torch.rand(len(like), device=like.device)


def _between(like: torch.Tensor, low: float, high: float) -> torch.Tensor:
    return low + (high - low) * _uniform(like)


def _wide(each: torch.Tensor) -> torch.Tensor:
    return each[:, None, None, None]
