"""Parasites and stain deposit drawn on red cells, for the network that tells infected ones.

Infected cells come from two databases, healthy ones from seven. A network can then learn a
laboratory's hue, or the one kind of parasite that was photographed there, for the parasite. Drawn
on healthy cells of all of them, parasites have every stain. Young ones of *P. falciparum* are rings
of a sixth to a third of the cell, pale inside, with one or two dots of chromatin, often at the
cell's edge; older ones are blots with pigment. What passes for one is drawn on cells of both
classes: grains of stain, dark in all colours, with sharp edges, some with a bright middle.

All in optical density at 40x, where a red cell measures 36 pixels.
"""

from __future__ import annotations

import math

import torch
from torch.nn import functional

RADIUS_PX = (2.0, 6.0)  # of a ring
THICKNESS_PX = (0.6, 2.0)
CHROMATIN_PX = (0.8, 2.6)
BLOT_PX = (1.5, 4.0)
GRAIN_PX = (0.6, 2.2)
RING, TWICE, RIM = 0.7, 0.2, 0.3  # chances: a ring; a second parasite; one at the cell's edge
RIM_PX = 4  # so near the edge that is
BRIGHT = 0.3  # of a grain, that its middle is bright


def with_parasites(density: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Each cell with one parasite or two.

    Args:
        density: ``(N, 3, S, S) float32``, optical densities.
        mask: ``(N, 1, S, S)``, 1 within the cell.
    """
    stain = (density * mask).sum((2, 3)) / mask.sum((2, 3)).clamp(min=1)  # (N, 3)
    once = _parasite(density, mask, stain)
    second = (_uniform(len(density), 0, 1) < TWICE)[:, None, None, None].to(density.device)
    return torch.where(second, _parasite(once, mask, stain), once)


def with_grains(density: torch.Tensor, chance: float) -> torch.Tensor:
    """Some of the cells with a grain of stain or three, on them or beside them."""
    number, side = len(density), density.shape[-1]
    for odds in (1.0, 0.4, 0.4):
        drawn = _uniform(number, 0, 1) < chance
        chance *= odds
        angle, far = _uniform(number, 0, 2 * math.pi), _uniform(number, 0, 22)
        x, y = side / 2 + far * angle.cos(), side / 2 + far * angle.sin()
        radius = _uniform(number, *GRAIN_PX)
        distance = _distance(x, y, side)
        grain = torch.sigmoid((radius[:, None, None] - distance) / 0.4)
        hue = _uniform((number, 3), 0.6, 1.0) * _uniform(number, 0.3, 1.5)[:, None]
        amount = (hue[:, :, None, None] * grain[:, None]).to(density.device)
        core = torch.sigmoid((radius[:, None, None] * 0.5 - distance) / 0.3)
        bright = (_uniform(number, 0, 1) < BRIGHT)[:, None, None].float()
        kept = (1 - bright * core)[:, None].to(density.device)
        some = drawn[:, None, None, None].to(density.device)
        density = torch.where(some, (density + amount) * kept, density)
    return density


def _parasite(density: torch.Tensor, mask: torch.Tensor, stain: torch.Tensor) -> torch.Tensor:
    number, side, device = len(density), density.shape[-1], density.device
    inner = -functional.max_pool2d(-mask, 2 * RIM_PX + 1, stride=1, padding=RIM_PX)
    at_rim = (_uniform(number, 0, 1) < RIM)[:, None, None, None].to(device)
    places = torch.where(at_rim, mask - inner, mask)
    place = torch.multinomial(places.flatten(1).clamp(min=0) + 1e-6, 1)[:, 0].cpu()
    x, y = (place % side).float(), (place // side).float()
    ring = (_uniform(number, 0, 1) < RING)[:, None, None]
    radius = _uniform(number, *RADIUS_PX)
    cytoplasm, inside = _ring(x, y, radius, side)
    cytoplasm = torch.where(ring, cytoplasm, _blot(x, y, side))
    inside = torch.where(ring, inside, torch.zeros(()))
    chromatin = torch.zeros(number, side, side)
    for odds in (1.0, 0.4):  # dots on the ring
        angle = _uniform(number, 0, 2 * math.pi)
        far = torch.where(ring[:, 0, 0], radius, _uniform(number, 0, 2))
        distance = _distance(x + far * angle.cos(), y + far * angle.sin(), side, stretch=True)
        size = _uniform(number, *CHROMATIN_PX)[:, None, None]
        some = (_uniform(number, 0, 1) < odds)[:, None, None].float()
        chromatin = torch.maximum(chromatin, some * torch.exp(-((distance / size) ** 3)))
    strength = (0.15 + stain.mean(1)).cpu()  # pale stains have pale parasites
    blue = _colour(number, (0.5, 1.2), (0.5, 1.2), (0.1, 0.6))
    blue *= _uniform(number, 0.15, 1.5)[:, None]
    red = _colour(number, (0.3, 1.1), (0.8, 1.6), (0.3, 1.0))
    red *= _uniform(number, 0.4, 3.0)[:, None]
    added = blue[:, :, None, None] * cytoplasm[:, None] + red[:, :, None, None] * chromatin[:, None]
    added = (added * strength[:, None, None, None]).to(device)
    pale = (_uniform(number, 0, 0.5)[:, None, None] * inside)[:, None].to(device)
    return density * (1 - pale) + added * mask


def _ring(
    x: torch.Tensor, y: torch.Tensor, radius: torch.Tensor, side: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """A ring, thicker at one side, and what it encloses, each ``(N, S, S)`` from 0 to 1."""
    number = len(x)
    distance = _distance(x, y, side, stretch=True)
    across = (distance - radius[:, None, None]) / _uniform(number, *THICKNESS_PX)[:, None, None]
    rows, columns = torch.meshgrid(torch.arange(side), torch.arange(side), indexing="ij")
    angle = torch.atan2(rows - y[:, None, None], columns - x[:, None, None])
    thick = torch.cos(angle - _uniform(number, 0, 2 * math.pi)[:, None, None])
    uneven = _uniform(number, 0, 0.9)[:, None, None]
    ring = torch.exp(-(across**2)) * (1 - uneven * (1 - thick) / 2)
    return ring, torch.sigmoid(-across * 2 - 1)


def _blot(x: torch.Tensor, y: torch.Tensor, side: int) -> torch.Tensor:
    """An uneven spot, ``(N, S, S)`` from 0 to 1."""
    number = len(x)
    spot = torch.zeros(number, side, side)
    for _ in range(3):
        shift_x, shift_y = _uniform(number, -2, 2), _uniform(number, -2, 2)
        distance = _distance(x + shift_x, y + shift_y, side, stretch=True)
        size = _uniform(number, *BLOT_PX)[:, None, None]
        spot = torch.maximum(spot, torch.exp(-((distance / size) ** 2)))
    return spot


def _distance(x: torch.Tensor, y: torch.Tensor, side: int, stretch: bool = False) -> torch.Tensor:
    """Of each pixel from a place, ``(N, S, S)``; stretched: in one direction as if farther."""
    rows, columns = torch.meshgrid(torch.arange(side), torch.arange(side), indexing="ij")
    down, across = rows - y[:, None, None], columns - x[:, None, None]
    if stretch:
        angle = _uniform(len(x), 0, math.pi)[:, None, None]
        along = across * angle.cos() + down * angle.sin()
        down = down * angle.cos() - across * angle.sin()
        across = along * _uniform(len(x), 1, 1.6)[:, None, None]
    return torch.sqrt(across**2 + down**2 + 1e-6)


def _colour(number: int, *ranges: tuple[float, float]) -> torch.Tensor:
    return torch.stack([_uniform(number, low, high) for low, high in ranges], 1)


def _uniform(shape: int | tuple[int, ...], low: float, high: float) -> torch.Tensor:
    return low + (high - low) * torch.rand(shape)
