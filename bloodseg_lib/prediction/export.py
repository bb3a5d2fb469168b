"""A trained network in a form that runs without this package: TensorFlow SavedModel or ONNX.

The network's own scaling is inside: the export takes raw RGB, 0..255, of any height and width that
are multiples of 32, and gives class probabilities. It is loaded back with the format's own runtime
and compared with the network before it counts as exported.
Taught by ``notebooks/06_interactive_prediction.ipynb``.
"""

from __future__ import annotations

import importlib
import importlib.util
import shutil
import tempfile
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bloodseg_lib.prediction.out_folder import try_folder
from bloodseg_lib.prediction.tiling import TILE_PX, Predict

FORMATS = {"savedmodel": "", "onnx": ".onnx"}
"""The formats, and the ending of their file names; a SavedModel is a folder."""

TOLERANCE = 1e-3
"""The greatest difference of a probability between the network and its export."""

_KERAS_FORMATS = {"savedmodel": "tf_saved_model", "onnx": "onnx"}
_PACKAGES = {"savedmodel": ("tensorflow",), "onnx": ("onnx", "tf2onnx", "onnxruntime")}


@dataclass(frozen=True)
class Exported:
    """An exported network.

    Attributes:
        path: the file or folder.
        format: one of :data:`FORMATS`.
        difference: the greatest difference of a probability to the network's.
        images: number of images they were compared on.
    """

    path: Path
    format: str
    difference: float
    images: int


def missing_packages(format: str) -> list[str]:
    """Packages that a format needs and that are not installed.

    Raises:
        ValueError: an unknown format.
    """
    if format not in FORMATS:
        raise ValueError(
            f"Expected a format to export to, one of {', '.join(FORMATS)}. Received {format!r}."
        )
    return [name for name in _PACKAGES[format] if importlib.util.find_spec(name) is None]


def export_checkpoint(
    checkpoint: Path | str, out: Path | str, format: str, images: Sequence[np.ndarray] = ()
) -> Exported:
    """Export a trained network, load it back and compare.

    Args:
        checkpoint: ``NAME.npz`` (or ``NAME.json``), or ``"released"``.
        out: file to write, or folder for a SavedModel; it must not exist.
        format: ``"savedmodel"`` or ``"onnx"``.
        images: ``(H, W, 3) uint8`` RGB to compare on, of 224 x 224 or more; of larger ones the
            centre is taken. Without any, one of random pixels.

    Raises:
        FileNotFoundError: there is no such checkpoint.
        FileExistsError: ``out`` exists.
        ValueError: an unknown format, another ending than the format's, a damaged checkpoint, or
            the export gives other probabilities.
        ImportError: a package that the format needs is not installed; the message names it.
    """
    # here, so that importing this module does not start TensorFlow
    from bloodseg_lib.network.backend import keras
    from bloodseg_lib.network.checkpoint import load_model
    from bloodseg_lib.network.pretrained import checkpoint_path

    out, missing = Path(out), missing_packages(format)
    if FORMATS[format] and out.suffix != FORMATS[format]:
        raise ValueError(
            f"{out}: expected a name that ends in {FORMATS[format]}, as {format} files do."
        )
    if out.exists():
        raise FileExistsError(f"{out}: is there already. Delete it, or export to another name.")
    if missing:
        raise ImportError(
            f"Exporting to {format} needs {' and '.join(missing)}, not installed here. "
            f"Run: pip install {' '.join(missing)}"
        )
    try_folder(out.parent)
    model, _ = load_model(checkpoint_path(checkpoint))
    signature = [keras.InputSpec(shape=(None, None, None, 3), dtype="uint8", name="image")]
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=f".{out.stem[:40]}-") as folder:
        written = Path(folder) / out.name
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # converters warn of their own future
            model.export(
                str(written),
                format=_KERAS_FORMATS[format],
                verbose=False,
                input_signature=signature,
            )
        tiles = _tiles(images)
        expected = np.asarray(model.predict_on_batch(tiles), np.float32)
        difference = float(np.abs(load_exported(written)(tiles) - expected).max())
        if not difference <= TOLERANCE:
            raise ValueError(
                f"{out}: expected the exported network to answer as the trained one, within "
                f"{TOLERANCE}. It differs by {difference:.3g}; nothing was kept. "
                "Try another format, or another version of its converter."
            )
        shutil.move(written, out)
    return Exported(out, format, difference, len(tiles))


def load_exported(path: Path | str) -> Predict:
    """Load an exported network with the runtime of its format.

    Args:
        path: the output of :func:`export_checkpoint`.

    Returns:
        a function from tiles to probabilities;
        :func:`bloodseg_lib.prediction.segmenter.segment_image` takes it.

    Raises:
        FileNotFoundError: there is nothing of that name.
        ImportError: the runtime is not installed.
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(
            f"{path}: expected an exported network, there is none. Run: bloodseg export."
        )
    if path.suffix == FORMATS["onnx"]:
        runtime = importlib.import_module("onnxruntime")
        session = runtime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
        name = session.get_inputs()[0].name
        return lambda tiles: session.run(None, {name: tiles})[0]
    loaded = importlib.import_module("tensorflow").saved_model.load(str(path))
    return lambda tiles: loaded.serve(tiles).numpy()


def _tiles(images: Sequence[np.ndarray]) -> np.ndarray:
    """The centres of images, ``(N, 224, 224, 3) uint8``."""
    tiles = []
    for image in images:
        top, left = ((side - TILE_PX) // 2 for side in image.shape[:2])
        if min(top, left) < 0:
            raise ValueError(
                f"Expected images of {TILE_PX} x {TILE_PX} pixels or more to compare on. "
                f"Received {image.shape}."
            )
        tiles.append(image[top : top + TILE_PX, left : left + TILE_PX])
    if tiles:
        return np.stack(tiles)
    return np.random.default_rng(0).integers(256, size=(1, TILE_PX, TILE_PX, 3), dtype=np.uint8)
