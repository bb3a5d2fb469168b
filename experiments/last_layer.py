"""The last layer of a network of white cells, trained once more on cells as they are found.

A network learns what sets the classes apart from cells whose stain is varied far beyond what
laboratories do. Within a laboratory that it never saw it then tells eosinophils from neutrophils,
or lymphocytes from monocytes, nearly always (area under the ROC curve 0.88 to 1), but where one
class ends and the other begins it has learned from the varied cells, which are none. So that border
alone is drawn again, on cells as they are: the features stay, and the last layer is a regularised
logistic regression on them, in which every class counts alike, and a laboratory by the root of its
cells (https://arxiv.org/abs/2204.02937). Cells of no class (`of_no_class.py`) are among them, so
that they are told as before.
"""

from __future__ import annotations

import numpy as np
import torch
from of_no_class import with_cells_of_no_class
from second_look import Cells, Network, at_reference, blurred, chances, smoothed
from torch.nn import functional
from tqdm.auto import tqdm

from bloodseg_lib.network.cell_view import View

OF_NO_CLASS = 0.25  # how much they count together, where the five classes count 1
DECAY = 0.05  # of the squared weights
BATCH, STEPS = 64, 300


def train_again(network: Network, cells: Cells, view: View, seed: int = 0) -> None:
    """Replace the last layer of a network.

    Args:
        network: whose other layers stay as they are.
        cells: of known classes, as they are found.
        view: of the network.
    """
    torch.manual_seed(seed)
    network.eval()
    every = np.concatenate([cells.densities, cells.masks[..., None]], 3).transpose(0, 3, 1, 2)
    truth = torch.from_numpy(cells.classes)
    of_classes, of_none = _features(network, torch.from_numpy(every), truth, view)
    wanted = smoothed(truth, len(view.class_ids))
    likely = torch.from_numpy(chances(cells.classes, cells.sources)).float()
    dense = network.dense.to("cpu")
    optimizer = torch.optim.LBFGS(dense.parameters(), max_iter=STEPS, line_search_fn="strong_wolfe")

    def loss() -> torch.Tensor:
        optimizer.zero_grad()
        each = functional.cross_entropy(dense(of_classes), wanted, reduction="none")
        even = -functional.log_softmax(dense(of_none), 1).mean()
        total = (likely * each).sum() + OF_NO_CLASS * even + DECAY * dense.weight.square().sum()
        total.backward()
        return total

    optimizer.step(loss)


@torch.no_grad()
def _features(
    network: Network, cells: torch.Tensor, classes: torch.Tensor, view: View
) -> tuple[torch.Tensor, torch.Tensor]:
    """What enters the last layer, ``(N, channels)``, averaged over blurs and quarter turns: of the
    cells, and of those that can be made into cells of no class.
    """
    device = next(network.parameters()).device
    as_they_are, made = [], []
    for batch, of in zip(tqdm(cells.split(BATCH), unit="batch"), classes.split(BATCH), strict=True):
        density, mask = batch[:, :3].float(), batch[:, 3:].float()
        as_they_are.append(_seen(network, density, mask, view, device))
        density, mask, of_none = with_cells_of_no_class(density, mask, of, 1.0)
        if of_none.any():  # a last batch may be of a few cells
            made.append(_seen(network, density[of_none], mask[of_none], view, device))
    return torch.cat(as_they_are), torch.cat(made)


def _seen(
    network: Network, density: torch.Tensor, mask: torch.Tensor, view: View, device: torch.device
) -> torch.Tensor:
    views = []
    for sigma_px in view.blurs_px:
        sigma = torch.full((len(density),), sigma_px)
        soft = blurred(density, sigma, round(4 * sigma_px)) if sigma_px else density
        image = 2 * torch.exp(-at_reference(soft, mask, view) * mask) - 1
        for turns in range(view.turns):
            views.append(network.features(torch.rot90(image, turns, (2, 3)).to(device)).cpu())
    return torch.stack(views).mean(0)
