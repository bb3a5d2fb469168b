"""One trained network on disk: ``NAME.npz`` with the weights and ``NAME.json``, the sidecar, which
describes them.

The weights are plain NumPy arrays, one for each variable under its layer's name
(``down0_conv1/kernel``), with checksums and without pickle: ``numpy.load`` opens them, and a file
from a stranger can run no code. A checkpoint to resume training from also holds the optimizer's
variables and the state of the dropout's random generator.

Two files cannot be replaced in one stroke, so the ``.npz`` holds the sidecar too, as its entry
``sidecar``: it alone is the whole checkpoint, and a process killed between the two writes leaves a
``.json`` that is one save behind, which is noticed and not used. Taught by
``notebooks/03_weighted_training.ipynb``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from bloodseg_lib.io import replacing, write_json
from bloodseg_lib.network.archive import OPTIMIZER, SIDECAR, CheckpointReader, weights_path
from bloodseg_lib.network.backend import keras
from bloodseg_lib.network.sidecar import Sidecar
from bloodseg_lib.network.unet import build_unet

Optimizer: TypeAlias = keras.optimizers.Optimizer


def save_checkpoint(
    path: Path | str, model: keras.Model, sidecar: Sidecar, optimizer: Optimizer | None = None
) -> None:
    """Write a checkpoint. Whenever the process is killed, the old one or the new one is there,
    whole.

    Args:
        path: of the weights, ``NAME.npz``; the sidecar goes to ``NAME.json``.
        model: the network.
        sidecar: its description.
        optimizer: ``None``: weights only, enough to predict. Else its state and that of the dropout
            are saved too, enough to resume training.
    """
    _write(weights_path(path), state_of(model, optimizer), sidecar)


def _write(path: Path, arrays: Mapping[str, np.ndarray], sidecar: Sidecar) -> None:
    text = json.dumps(sidecar.to_dict()).encode()
    described: dict[str, Any] = {**arrays, SIDECAR: np.frombuffer(text, dtype=np.uint8)}
    with replacing(path) as temporary:
        np.savez(temporary, **described)
    write_json(path.with_suffix(".json"), sidecar.to_dict())


def write_compact(source: Path | str, target: Path | str) -> None:
    """Write the weights of a checkpoint alone, kernels in half precision: enough to predict and to
    fine-tune, in a sixth of the bytes. So are released networks kept.

    Raises:
        FileNotFoundError, ValueError: as :func:`load_model`.
    """
    with CheckpointReader(source) as reader:
        arrays = reader.arrays(reader.unet.weight_shapes())
        sidecar = reader.sidecar
    halved = {
        name: value.astype(np.float16) if name.endswith("/kernel") else value
        for name, value in arrays.items()
    }
    _write(weights_path(target), halved, sidecar)


def read_sidecar(path: Path | str) -> Sidecar:
    """Read what a checkpoint says of itself.

    Args:
        path: ``NAME.npz`` (or ``NAME.json``).

    Raises:
        FileNotFoundError: there is no ``NAME.npz``.
        ValueError: it, or the ``NAME.json`` beside it, is damaged or belongs to another network.
    """
    with CheckpointReader(path) as reader:
        return reader.sidecar


def load_model(path: Path | str, precision: str = "float32") -> tuple[keras.Model, Sidecar]:
    """Build the network of a checkpoint, ready to predict.

    Args:
        path: ``NAME.npz`` (or ``NAME.json``).
        precision: to compute in, see :func:`bloodseg_lib.network.backend.dtype_policy`.

    Returns:
        The model, as :func:`bloodseg_lib.network.unet.build_unet` makes it, and the sidecar.

    Raises:
        FileNotFoundError: there is no such checkpoint.
        ValueError: one of its files is damaged, or the weights are not finite, or not of the
            network that the sidecar describes.
    """
    with CheckpointReader(path) as reader:
        model = build_unet(reader.unet, precision=precision)
        _assign(reader, _variables(model))
        return model, reader.sidecar


def restore_weights(path: Path | str, model: keras.Model) -> None:
    """Give a network of the same shape the weights of a checkpoint, with or without an optimizer,
    to fine-tune it on other data; its mean and standard deviation of the pixels are not touched.

    Raises:
        FileNotFoundError, ValueError: as :func:`load_model`.
    """
    with CheckpointReader(path) as reader:
        _assign(reader, _variables(model))


def restore_checkpoint(path: Path | str, model: keras.Model, optimizer: Optimizer) -> Sidecar:
    """Restore a network, its optimizer and its dropout to the state they were saved in; both are of
    the same shape and kind as then. The optimizer is built here, because assigning to one that is
    not would be lost.

    Raises:
        FileNotFoundError, ValueError: as :func:`load_model`; also if it was saved without
            optimizer.
    """
    if not optimizer.built:
        optimizer.build(model.trainable_variables)
    with CheckpointReader(path) as reader:
        _assign(reader, _variables(model, optimizer), optimizer)
        return reader.sidecar


def state_of(model: keras.Model, optimizer: Optimizer | None) -> dict[str, np.ndarray]:
    """Copy everything that a training step changes: weights, optimizer, dropout; the arrays of a
    checkpoint to resume from, under the same names.
    """
    state = {}
    for name, variable in _variables(model, optimizer).items():
        state[name] = variable.numpy().copy()
        if optimizer is not None and variable is optimizer.variables[0]:
            # its counter in steps instead of micro-batches
            steps = state[name] // (optimizer.gradient_accumulation_steps or 1)
            state[name] = np.asarray(steps)
    return state


def set_state(model: keras.Model, optimizer: Optimizer, state: Mapping[str, np.ndarray]) -> None:
    """Restore network, optimizer and dropout to what :func:`state_of` returned."""
    for name, variable in _variables(model, optimizer).items():
        _set_value(variable, state[name], optimizer)


def broken_variables(model: keras.Model) -> list[str]:
    """Names of the weights that hold a value that is not finite."""
    return [
        name
        for name, variable in _variables(model).items()
        if not np.isfinite(variable.numpy()).all()
    ]


def _assign(
    reader: CheckpointReader,
    variables: Mapping[str, keras.Variable],
    optimizer: Optimizer | None = None,
) -> None:
    """Give each variable its saved value; none is touched unless all fit."""
    values = reader.arrays({name: tuple(variable.shape) for name, variable in variables.items()})
    for name, value in values.items():
        dtype = keras.backend.standardize_dtype(variables[name].dtype)
        if keras.backend.is_int_dtype(dtype) and not np.array_equal(value, value.astype(dtype)):
            raise ValueError(
                f"{reader.path}: expected {name} in {dtype}. Received {value}. Copy the checkpoint "
                "again, or train again."
            )
    for name, value in values.items():
        _set_value(variables[name], value, optimizer)


def _variables(model: keras.Model, optimizer: Optimizer | None = None) -> dict[str, keras.Variable]:
    """Variables of a checkpoint by name; ``layer.variables`` adds the state of random generators to
    ``layer.weights``.
    """
    named = {}
    for layer in model.layers:
        for variable in layer.weights if optimizer is None else layer.variables:
            named[f"{layer.name}/{variable.name}"] = variable
    for variable in optimizer.variables if optimizer is not None else ():
        # between steps, when checkpoints are written, the accumulated gradients are 0
        if not variable.name.endswith("gradient_accumulator"):
            named[f"{OPTIMIZER}/{variable.path}"] = variable
    return named


def _set_value(variable: keras.Variable, value: np.ndarray, optimizer: Optimizer | None) -> None:
    if optimizer is not None and variable is optimizer.variables[0]:
        value = value * (optimizer.gradient_accumulation_steps or 1)
    variable.assign(value)
