"""White cells of no class, made of two: a round nucleus in a body that it does not belong to.

Immature granulocytes and erythroblasts are none of the five classes, and none is shown in training.
What sets them apart is a round nucleus in granular or even cytoplasm. Such cells are made of the
nucleus of a lymphocyte or monocyte and the body of a granulocyte, and the network is to give all
classes the same probability. So that it does not learn how a cell looks that was put together,
others get the nucleus of another cell of their class, and keep it.
"""

from __future__ import annotations

import torch
from torch.nn import functional

from bloodseg_lib.network.cell_view import WHITE_CELLS

EOSINOPHIL, _, NEUTROPHIL, LYMPHOCYTE, MONOCYTE = range(len(WHITE_CELLS.class_ids))
EVEN = 0.35  # chance, of lymphocytes' nuclei, that the body has the same density everywhere
SAME = 0.6  # chance, of cells of one class, that the nucleus is exchanged
TINT = 0.4  # standard deviation of the logarithm of an even body's densities
NUCLEUS, STEEPNESS = 0.6, 14.0  # density where the nucleus begins, of its 90 % quantile; its edge


def chimeras(
    density: torch.Tensor, mask: torch.Tensor, classes: torch.Tensor, chosen: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Cells, some of them with the nucleus of another one.

    Args:
        density: ``(N, 3, S, S) float32``, optical densities, each cell in the middle.
        mask: ``(N, 1, S, S)``, 1 within the cell.
        classes: ``(N,)``, in the order of the view of white cells.
        chosen: ``(N,) bool``, the cells that may become another.

    Returns:
        Densities, masks, and ``(N,) bool``: the cells that are of no class now.
    """
    number, device = len(density), density.device
    other = torch.randperm(number, device=device)
    lymphocyte, monocyte = classes[other] == LYMPHOCYTE, classes[other] == MONOCYTE
    granular = (classes == NEUTROPHIL) | (classes == EOSINOPHIL)
    even = lymphocyte & (torch.rand(number, device=device) < EVEN)
    of_none = chosen & (lymphocyte | monocyte) & (granular | even)
    exchanged = torch.rand(number, device=device) < SAME
    same = chosen & (classes == classes[other]) & ~even & exchanged
    own = nuclei(density, mask)
    nucleus = own[other]
    removed = functional.max_pool2d(own, 5, 1, 2)
    without = mask * (1 - removed) + 1e-3
    cytoplasm = ((density * without).sum((2, 3)) / without.sum((2, 3)))[..., None, None]
    body = density * (1 - removed) + cytoplasm * removed
    tint = torch.exp(TINT * torch.randn(number, 3, 1, 1, device=device))
    body = torch.where(_wide(even & of_none), cytoplasm * tint, body)

    def mean(densities: torch.Tensor, where: torch.Tensor) -> torch.Tensor:
        return (densities * where).sum((2, 3)) / (where.sum((2, 3)) + 1e-3)

    gain = mean(density, own) / (mean(density[other], nucleus) + 0.05)
    stained = density[other] * gain.clamp(0.3, 3)[..., None, None]
    made = _wide(of_none | same)
    density = torch.where(made, body * (1 - nucleus) + stained * nucleus, density)
    mask = torch.where(made, torch.maximum(mask, (nucleus > 0.5).float()), mask)
    return density, mask, of_none


def nuclei(density: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """How much each pixel is nucleus, ``(N, 1, S, S)``, 0..1: by its density in red and green."""
    stain = functional.avg_pool2d(density[:, :2].mean(1, keepdim=True), 3, 1, 1)
    dark = quantile_within(stain, mask, WHITE_CELLS.quantile).clamp(min=0.05)
    return torch.sigmoid((stain / dark - NUCLEUS) * STEEPNESS) * mask


def quantile_within(density: torch.Tensor, mask: torch.Tensor, quantile: float) -> torch.Tensor:
    """A quantile of each channel within each cell, ``(N, C, 1, 1)``; 0 where there is no cell."""
    inside = torch.where(mask > 0.5, density, torch.nan).flatten(2)
    return torch.nanquantile(inside, quantile, dim=2).nan_to_num()[..., None, None]


def _wide(chosen: torch.Tensor) -> torch.Tensor:
    return chosen[:, None, None, None]
