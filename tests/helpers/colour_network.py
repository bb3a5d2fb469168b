"""A real network with weights set by hand, so that a test knows its output."""

import numpy as np

from bloodseg_lib.classes import BACKGROUND, HEALTHY_RBC, LYMPHOCYTE


def colour_network():
    """A real U-Net with weights set by hand: pixels less green than the background are a red cell,
    and pixels that transmit little red light a nucleus, so a lymphocyte.
    """
    from bloodseg_lib.network.config import UNetConfig
    from bloodseg_lib.network.unet import build_unet

    config = UNetConfig(width=2, levels=2)
    model = build_unet(config)
    weights = {
        variable.path: np.zeros(variable.shape, np.float32)
        for variable in model.weights
        if "seed" not in variable.path
    }
    for layer in ("down0_conv1", "down0_conv2", "up0_conv1", "up0_conv2"):
        for channel in (0, 1):  # passed on from pixel to pixel, without looking at its neighbours
            weights[f"{layer}/kernel"][1, 1, channel, channel] = 1
    weights["down0_conv1/kernel"][1, 1, :3] = [[0, -1], [-1, 0], [0, 0]]
    weights["down0_conv1/bias"][:] = [0.45, 0.0]  # of -1..1: where green and red begin to count
    weights["logits/kernel"][0, 0, :, HEALTHY_RBC] = [40, 0]
    weights["logits/kernel"][0, 0, :, LYMPHOCYTE] = [40, 60]
    weights["logits/bias"][:] = -20
    weights["logits/bias"][[BACKGROUND, HEALTHY_RBC, LYMPHOCYTE]] = [2, 0, -1]
    for name in ("logits/kernel", "logits/bias"):
        weights[name] *= 4  # so that it is sure of what it says
    for variable in model.weights:
        if variable.path in weights:
            variable.assign(weights[variable.path])
    return config, model


def write_colour_network(path):
    """The same network as a checkpoint on disk; returns ``path``."""
    from bloodseg_lib.network.checkpoint import save_checkpoint
    from bloodseg_lib.network.sidecar import Sidecar

    config, model = colour_network()
    save_checkpoint(
        path,
        model,
        Sidecar(1, 1, 0.001, config.mean, config.std, 0.5, 1.0, [], config.to_dict(), {}, "none"),
    )
    return path
