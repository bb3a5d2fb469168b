"""Reading a checkpoint's file, which may be damaged or come from a stranger: without pickle,
without Keras, and no array before its declared shape is known to be the expected one.

Taught by ``notebooks/03_weighted_training.ipynb``.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from bloodseg_lib.io import read_json
from bloodseg_lib.network.config import UNetConfig
from bloodseg_lib.network.sidecar import Sidecar, mend

SIDECAR, OPTIMIZER, DROPOUT = "sidecar", "optimizer", "seed_generator_state"
"""Names of the entries of a checkpoint that are no weights: the first one; what begins with the
second; what ends with the third.
"""

_SIDECAR_BYTES = 2**26  # 64 MiB: the history of a hundred thousand epochs


class CheckpointReader:
    """An open checkpoint, ``NAME.npz`` (or ``NAME.json``).

    Attributes:
        path: of the weights.
        sidecar: what the checkpoint says of itself.

    Raises:
        FileNotFoundError: there is no ``NAME.npz``.
        ValueError: it, or the ``NAME.json`` beside it, is damaged or belongs to another network.
    """

    def __init__(self, path: Path | str):
        self.path = weights_path(path)
        if not self.path.is_file():
            raise FileNotFoundError(
                f"{self.path}: expected the weights of a trained network, there are none. Run "
                "notebooks/03_weighted_training.ipynb, or correct the path."
            )
        try:
            self._file = zipfile.ZipFile(self.path)
        except Exception as error:
            raise self._damaged(error) from error
        try:
            self._check_entries()
            try:
                values = json.loads(self._array(SIDECAR, None).tobytes())
            except (ValueError, RecursionError) as error:
                raise self._damaged(error) from error
            self.sidecar = Sidecar.parse(values, self.path)
            if self.unet.parameters > self.path.stat().st_size:
                raise self._mismatch(
                    "of any name", f"{self.unet.parameters} values", "a file of fewer bytes"
                )
            self._check_copy()
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> CheckpointReader:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    @property
    def unet(self) -> UNetConfig:
        """The shape of its network."""
        return UNetConfig.from_dict(self.sidecar.unet)

    def arrays(self, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, np.ndarray]:
        """The values of variables by name, of all that are needed. The state of optimizer and
        dropout may be left out; weights may not.

        Raises:
            ValueError: the checkpoint lacks one or holds others, or one has another shape or a
                value that is not a finite number.
        """
        stored = {name.removesuffix(".npy") for name in self._file.namelist()} - {SIDECAR}
        optional = {
            name for name in stored if name.startswith(f"{OPTIMIZER}/") or name.endswith(DROPOUT)
        }
        if any(name.startswith(f"{OPTIMIZER}/") for name in shapes) and not optional:
            raise ValueError(
                f"{self.path}: expected a checkpoint with the state of its optimizer. Received "
                "weights only; train from latest.npz."
            )
        for name in sorted(set(shapes) ^ (stored - (optional - set(shapes)))):
            raise self._mismatch(
                name,
                "one in the network" if name in shapes else "none",
                "one in the file" if name in stored else "none",
            )
        return {name: self._array(name, shape) for name, shape in shapes.items()}

    def _check_entries(self) -> None:
        """Refuse what no checkpoint is and what could take more memory than the file is long."""
        entries = self._file.infolist()
        if f"{SIDECAR}.npy" not in self._file.namelist():
            raise self._damaged("it holds no sidecar")
        if any(
            entry.compress_type != zipfile.ZIP_STORED or entry.flag_bits & 1 for entry in entries
        ):
            raise self._damaged("entries are compressed or encrypted, not as numpy.savez has them")
        if sum(entry.file_size for entry in entries) > self.path.stat().st_size:
            raise self._damaged("its entries declare more bytes than it holds")

    def _array(self, name: str, shape: tuple[int, ...] | None) -> np.ndarray:
        """An array, once its header declares the shape; None: a string of bytes of any length."""
        try:
            with self._file.open(f"{name}.npy") as stream:
                version = np.lib.format.read_magic(stream)
                read = {1: "read_array_header_1_0", 2: "read_array_header_2_0"}[version[0]]
                found, _, dtype = getattr(np.lib.format, read)(stream)
            if shape is not None and found != shape:
                raise self._mismatch(name, f"shape {shape}", f"shape {found}")
            if shape is None and (
                dtype != np.uint8 or len(found) != 1 or not 0 <= found[0] <= _SIDECAR_BYTES
            ):
                raise self._damaged(f"{name} is {dtype} of shape {found}")
            if dtype.kind not in "fiu":
                raise self._not_finite(name)
            with self._file.open(f"{name}.npy") as stream:
                value = np.lib.format.read_array(stream, allow_pickle=False)
        except _Refused:
            raise
        except Exception as error:  # whatever zipfile, zlib and NumPy raise of damaged bytes
            raise self._damaged(error) from error
        # false for what is not a number, too
        if not (abs(value.astype(np.float64)) <= np.finfo(np.float32).max).all():
            raise self._not_finite(name)
        return value

    def _check_copy(self) -> None:
        """Refuse a ``.json`` that cannot be read or describes another network, not an older one."""
        beside = self.path.with_suffix(".json")
        if not beside.exists():
            return
        try:
            values = read_json(beside)
        except (ValueError, RecursionError) as error:
            raise ValueError(
                f"{beside}: expected the sidecar of {self.path.name}, received a damaged or cut "
                f"file. {mend(beside)}"
            ) from error
        copy = Sidecar.parse(values, beside)
        if copy.unet != self.sidecar.unet:
            raise ValueError(
                f"{beside}: expected the sidecar of {self.path.name}, {self.sidecar.unet}. "
                f"Received that of another network, {copy.unet}. {mend(beside)}"
            )

    def _not_finite(self, name: str) -> _Refused:
        return self._damaged(f"variable {name} holds a value that is not a finite number")

    def _damaged(self, error: object) -> _Refused:
        return _Refused(
            f"{self.path}: expected a checkpoint of this package, received another or a damaged "
            f"file ({error}). Copy it again or train again."
        )

    def _mismatch(self, name: str, expected: str, received: str) -> _Refused:
        return _Refused(
            f"{self.path}: expected weights of the network its sidecar describes "
            f"({self.sidecar.unet}). Received those of another: variable {name}, "
            f"expected {expected}, received {received}. Copy the checkpoint again, or use the one "
            "of this network."
        )


class _Refused(ValueError):
    """A reason that is in words already."""


def weights_path(path: Path | str) -> Path:
    """The weights file of a checkpoint.

    Raises:
        ValueError: the name does not end in ``.npz`` or ``.json``.
    """
    path = Path(path)
    if path.suffix not in (".npz", ".json"):
        raise ValueError(
            f"{path}: expected a checkpoint, a file whose name ends in .npz, e.g. best.npz. "
            "Received another kind of file."
        )
    return path.with_suffix(".npz")
