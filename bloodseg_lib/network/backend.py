"""Which backend Keras runs on: a quiet import, precision and determinism.

Import Keras through here - ``from bloodseg_lib.network.backend import keras`` - so that the log
output of the backend is silenced before it starts. TensorFlow is the default; ``KERAS_BACKEND=jax``
runs the same code on JAX. On JAX several processes, one on each host, train together when they are
started with ``KERAS_DISTRIBUTION_JOB_ADDRESSES``, ``KERAS_DISTRIBUTION_NUM_PROCESSES`` and
``KERAS_DISTRIBUTION_PROCESS_ID`` set (see ``keras.distribution.initialize``).
"""

from __future__ import annotations

import contextlib
import os
import re
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import joblib

# errors only: what it logs at every import tells a student nothing
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
# off by default on CPUs without AVX-512, where it trains this network up to 1.8 times as fast
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
# how processes on CPUs talk to each other
os.environ.setdefault("JAX_CPU_COLLECTIVES_IMPLEMENTATION", "gloo")
# else the first notebook's kernel takes all memory of the GPU and the next gets none
os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")

_START_NOISE = re.compile(
    r"WARNING: All log messages before absl::InitializeLog|I0000 |"
    r"E0000 .*failed call to cuInit: .*UNKNOWN ERROR \(303\)"
)
"""What TensorFlow logs before its log level takes effect, such as a missing GPU."""


@contextlib.contextmanager
def _without_start_noise() -> Iterator[None]:
    """Capture what C code writes to standard error, and print the lines that are not noise."""
    sys.stderr.flush()
    kept = os.dup(2)
    with tempfile.TemporaryFile() as caught:
        os.dup2(caught.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(kept, 2)
            os.close(kept)
            caught.seek(0)
            for line in caught.read().decode(errors="replace").splitlines():
                if not _START_NOISE.match(line):
                    print(line, file=sys.stderr)


with _without_start_noise():
    import keras

    if keras.backend.backend() == "tensorflow":
        import tensorflow

        # looks for one now, not in the middle of a notebook
        tensorflow.config.list_physical_devices("GPU")
    elif "KERAS_DISTRIBUTION_JOB_ADDRESSES" in os.environ:
        keras.distribution.initialize()  # before JAX is asked for anything

PRECISIONS = ("float32", "bfloat16", "auto")


def describe_device() -> str:
    """Backend, version and device in words, e.g. ``"TensorFlow 2.21.0 on the CPU (2 cores); no GPU
    found"``.
    """
    backend, version, gpus = _backend()
    if gpus:
        many = "s" if len(gpus) > 1 else ""
        return f"{backend} {version} on {len(gpus)} GPU{many}: {', '.join(gpus)}"
    cores = joblib.cpu_count()
    return f"{backend} {version} on the CPU ({cores} core{'s' * (cores > 1)}); no GPU found"


def has_gpu() -> bool:
    """Whether the backend sees a GPU (or TPU)."""
    return bool(_backend()[2])


def versions() -> dict[str, str]:
    """Versions of Keras and of the backend, for sidecars and reports."""
    backend, version, _ = _backend()
    return {"keras": keras.__version__, backend.lower(): version}


def has_bfloat16() -> bool:
    """Whether the hardware multiplies bfloat16 natively; emulated, it is slower than float32."""
    has: list[bool] = []  # of each accelerator
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        for gpu in tf.config.list_physical_devices("GPU"):
            details = tf.config.experimental.get_device_details(gpu)
            has.append(details.get("compute_capability", (0, 0)) >= (8, 0))
    elif keras.backend.backend() == "jax":
        import jax

        for device in jax.devices():
            if device.platform != "cpu":
                has.append(device.platform == "tpu" or float(device.compute_capability) >= 8)
    if has:
        return all(has)
    flags = Path("/proc/cpuinfo").read_text().split() if Path("/proc/cpuinfo").is_file() else []
    return "avx512_bf16" in flags or "amx_bf16" in flags


def dtype_policy(precision: str = "float32") -> str:
    """The Keras dtype policy of a precision: ``"float32"``; ``"bfloat16"``: the layers compute in
    bfloat16, while variables and the loss stay float32; ``"auto"``: bfloat16 where the hardware has
    it, else float32.

    Raises:
        ValueError: another word.

    Examples:
        >>> dtype_policy("bfloat16")
        'mixed_bfloat16'
    """
    if precision not in PRECISIONS:
        raise ValueError(
            f"precision: expected one of {', '.join(PRECISIONS)}. Received {precision!r}."
        )
    half = precision == "bfloat16" or (precision == "auto" and has_bfloat16())
    return "mixed_bfloat16" if half else "float32"


def make_deterministic() -> None:
    """Make the backend use only operations that give the same bits each time on the same machine.

    On TensorFlow this holds for the rest of the process. JAX is deterministic on the CPU; on GPUs
    it takes its own flag (``XLA_FLAGS=--xla_gpu_deterministic_ops=true``), which must be set before
    Python starts.
    """
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        tf.config.experimental.enable_op_determinism()


def _backend() -> tuple[str, str, list[str]]:
    """Name and version of the backend, and the names of its accelerators."""
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        gpus = {
            gpu.name: tf.config.experimental.get_device_details(gpu)
            for gpu in tf.config.list_physical_devices("GPU")
        }
        names = [details.get("device_name", name) for name, details in gpus.items()]
        return "TensorFlow", tf.__version__, names
    if keras.backend.backend() == "jax":
        import jax

        names = [device.device_kind for device in jax.devices() if device.platform != "cpu"]
        return "JAX", jax.__version__, names
    raise ValueError(
        f"KERAS_BACKEND: expected tensorflow or jax. Received {keras.backend.backend()!r}; "
        "unset the variable or correct it."
    )
