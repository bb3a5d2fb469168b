"""A trained network in a form that runs without this package: TensorFlow SavedModel, ONNX or
LiteRT.

The preprocessing is inside: what comes out takes raw RGB, 0..255, of any height and width that are
    multiples of 32, and gives class probabilities.
What was written is loaded back with the format's own runtime and compared with the network before
it is called exported. Taught by ``notebooks/06_interactive_prediction.ipynb``.
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

import cv2
import numpy as np

from bloodseg_lib.prediction.segmenter import TILE_PX, Predict

FORMATS = {"savedmodel": "", "onnx": ".onnx", "litert": ".tflite"}
"""The formats, and how the names of their files end; a SavedModel is a folder."""

TOLERANCE = 1e-3
"""The greatest difference of a probability between the network and what was exported."""

_KERAS_FORMATS = {"savedmodel": "tf_saved_model", "onnx": "onnx", "litert": "litert"}
_WRITERS = {"savedmodel": ("tensorflow",), "onnx": ("onnx", "tf2onnx"), "litert": ("tensorflow",)}
_RUNTIMES = {"savedmodel": ("tensorflow",), "onnx": ("onnxruntime",), "litert": ("tensorflow",)}


@dataclass(frozen=True)
class Exported:
    """What an export came to.

    Attributes:
        path: the file or folder.
        format: one of :data:`FORMATS`.
        difference: the greatest difference of a probability to the network's.
        images: on how many images they were compared.
    """

    path: Path
    format: str
    difference: float
    images: int


def missing_packages(format: str) -> list[str]:
    """Packages that an export to a format needs, to write and to compare, and that are not
    installed.
    """
    return [
        name
        for name in (*_WRITERS[_known(format)], *_RUNTIMES[format])
        if importlib.util.find_spec(name) is None
    ]


def export_checkpoint(
    checkpoint: Path | str, out: Path | str, format: str, images: Sequence[np.ndarray] = ()
) -> Exported:
    """Export a trained network, load it back and compare.

    Args:
        checkpoint: ``NAME.npz`` (or ``NAME.json``).
        out: file to write, or folder for a SavedModel; nothing of this name may exist.
        format: ``"savedmodel"``, ``"onnx"`` or ``"litert"``.
        images: ``(H, W, 3) uint8`` RGB to compare on, of 224 x 224 or more; of larger ones the
            middle is taken. Without any, drawn ones.

    Raises:
        FileNotFoundError: there is no such checkpoint.
        FileExistsError: ``out`` is there already.
        ValueError: an unknown format, another ending than the format's, a damaged checkpoint, or
            what was written answers differently.
        ImportError: a package that the format needs is not installed; the message names it.
    """
    from bloodseg_lib.network.backend import keras

    # here, so that importing this module does not start TensorFlow
    from bloodseg_lib.network.checkpoint import load_model

    out = Path(out)
    if FORMATS[_known(format)] and out.suffix != FORMATS[format]:
        raise ValueError(
            f"{out}: expected a name that ends in {FORMATS[format]}, as {format} files do."
        )
    if out.exists():
        raise FileExistsError(f"{out}: is there already. Delete it, or export to another name.")
    lacking = missing_packages(format)
    if lacking:
        raise ImportError(
            f"Exporting to {format} needs {' and '.join(lacking)}, not installed here. Run: pip install {' '.join(lacking)}"
        )
    model, _ = load_model(checkpoint)
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
        difference = float(np.abs(load_exported(written, format)(tiles) - expected).max())
        if not difference <= TOLERANCE:
            raise ValueError(
                f"{out}: expected the exported network to answer as the trained one, within {TOLERANCE}. It differs by {difference:.3g}; nothing was kept. "
                "Try another format, or another version of its converter."
            )
        shutil.move(written, out)
    return Exported(out, format, difference, len(tiles))


def load_exported(path: Path | str, format: str | None = None) -> Predict:
    """Load an exported network with the runtime of its format.

    Args:
        path: what :func:`export_checkpoint` wrote.
        format: told from the name if not given.

    Returns:
        what turns tiles into probabilities; :func:`bloodseg_lib.prediction.segmenter.segment_image`
        takes it.

    Raises:
        FileNotFoundError: there is nothing of that name.
        ImportError: the runtime is not installed; the message names it.
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(
            f"{path}: expected an exported network, there is none. Run: bloodseg export."
        )
    format = _known(
        format
        or next(
            (name for name, ending in FORMATS.items() if ending and path.suffix == ending),
            "savedmodel",
        )
    )
    lacking = [name for name in _RUNTIMES[format] if importlib.util.find_spec(name) is None]
    if lacking:
        raise ImportError(
            f"Running a network in {format} needs {' and '.join(lacking)}, not installed here. Run: pip install {' '.join(lacking)}"
        )
    return {"savedmodel": _savedmodel, "onnx": _onnx, "litert": _litert}[format](path)


def _savedmodel(path: Path) -> Predict:
    loaded = importlib.import_module("tensorflow").saved_model.load(str(path))

    def predict(tiles: np.ndarray) -> np.ndarray:
        return loaded.serve(tiles).numpy()

    return predict


def _onnx(path: Path) -> Predict:
    session = importlib.import_module("onnxruntime").InferenceSession(
        str(path), providers=["CPUExecutionProvider"]
    )
    name = session.get_inputs()[0].name

    def predict(tiles: np.ndarray) -> np.ndarray:
        return session.run(None, {name: tiles})[0]

    return predict


def _litert(path: Path) -> Predict:
    # the runtime's own package; TensorFlow still brings a copy
    separate = importlib.util.find_spec("ai_edge_litert") is not None
    source = (
        importlib.import_module("ai_edge_litert.interpreter")
        if separate
        else importlib.import_module("tensorflow").lite
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        interpreter = source.Interpreter(str(path))
    image, answer = (
        interpreter.get_input_details()[0]["index"],
        interpreter.get_output_details()[0]["index"],
    )

    def predict(tiles: np.ndarray) -> np.ndarray:
        interpreter.resize_tensor_input(image, tiles.shape)
        interpreter.allocate_tensors()
        interpreter.set_tensor(image, tiles)
        interpreter.invoke()
        return interpreter.get_tensor(answer)

    return predict


def _tiles(images: Sequence[np.ndarray]) -> np.ndarray:
    """The middles of images, ``(N, 224, 224, 3) uint8``."""
    tiles = []
    for image in images:
        top, left = ((side - TILE_PX) // 2 for side in image.shape[:2])
        if min(top, left) < 0:
            raise ValueError(
                f"Expected images of {TILE_PX} x {TILE_PX} pixels or more to compare on. Received {image.shape}."
            )
        tiles.append(image[top : top + TILE_PX, left : left + TILE_PX])
    return np.stack(tiles) if tiles else _drawn_tiles()


def _drawn_tiles() -> np.ndarray:
    rng = np.random.default_rng(0)
    tiles = np.full((2, TILE_PX, TILE_PX, 3), 240, np.uint8)
    for tile in tiles:
        for _ in range(20):
            cv2.circle(
                tile,
                rng.integers(TILE_PX, size=2).tolist(),
                int(rng.integers(8, 40)),
                rng.integers(60, 230, 3).tolist(),
                -1,
            )
    return tiles


def _known(format: str) -> str:
    if format not in FORMATS:
        raise ValueError(
            f"Expected a format to export to, one of {', '.join(FORMATS)}. Received {format!r}."
        )
    return format
