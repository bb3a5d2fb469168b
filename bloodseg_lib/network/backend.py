"""Which backend Keras runs on, and on which devices. Only this module and
:mod:`bloodseg_lib.training.steps` import a backend by name.

Import Keras through here - ``from bloodseg_lib.network.backend import keras`` - so that the
backend's chatter is quieted before it starts. TensorFlow is the default; ``KERAS_BACKEND=jax`` runs
the same code on JAX. On JAX several processes, one on each host, train together when they are
started with ``KERAS_DISTRIBUTION_JOB_ADDRESSES``, ``KERAS_DISTRIBUTION_NUM_PROCESSES`` and
``KERAS_DISTRIBUTION_PROCESS_ID`` set (see ``keras.distribution.initialize``).
"""

from __future__ import annotations

import contextlib
import functools
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

# errors only: what it logs at every import tells a student nothing
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
# off by default on CPUs without AVX-512, where it trains this network up to 1.8 times as fast
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
# how processes on CPUs talk to each other
os.environ.setdefault("JAX_CPU_COLLECTIVES_IMPLEMENTATION", "gloo")
# else the first notebook's kernel takes all memory of the GPU and the next gets none
os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")

_START_NOISE = re.compile(
    r"WARNING: All log messages before absl::InitializeLog|I0000 |E0000 .*failed call to cuInit: .*UNKNOWN ERROR \(303\)"
)
"""What TensorFlow writes before its log level counts, among it that a machine without a GPU has
none.
"""


@contextlib.contextmanager
def _without_start_noise() -> Iterator[None]:
    """Hold back what C code writes to standard error, and pass on what is no mere noise."""
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

        # looks for one now, and not in the midst of a notebook
        tensorflow.config.list_physical_devices("GPU")
    elif "KERAS_DISTRIBUTION_JOB_ADDRESSES" in os.environ:
        keras.distribution.initialize()  # before JAX is asked for anything

PRECISIONS = ("float32", "bfloat16", "auto")


def describe_device() -> str:
    """What the network will run on, in words, e.g.

    ``"TensorFlow 2.21.0 on the CPU (2 cores); no GPU found"``.
    """
    backend, version, gpus = _backend()
    if gpus:
        return f"{backend} {version} on {len(gpus)} GPU{'s' if len(gpus) > 1 else ''}: {', '.join(gpus)}"
    return f"{backend} {version} on the CPU ({_cores()} core{'s' if _cores() > 1 else ''}); no GPU found"


def has_gpu() -> bool:
    """Whether the backend sees a GPU (or TPU)."""
    return bool(_backend()[2])


def versions() -> dict[str, str]:
    """Versions of Keras and of the backend, for sidecars and reports."""
    backend, version, _ = _backend()
    return {"keras": keras.__version__, backend.lower(): version}


def has_bfloat16() -> bool:
    """Whether the hardware multiplies bfloat16 natively;

    where it does not, emulating it is slower than float32.
    """
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        gpus = tf.config.list_physical_devices("GPU")
        if gpus:
            return all(
                tf.config.experimental.get_device_details(gpu).get("compute_capability", (0, 0))
                >= (8, 0)
                for gpu in gpus
            )
    elif keras.backend.backend() == "jax":
        import jax

        accelerators = [device for device in jax.devices() if device.platform != "cpu"]
        if accelerators:
            return all(
                device.platform == "tpu" or float(device.compute_capability) >= 8
                for device in accelerators
            )
    flags = Path("/proc/cpuinfo").read_text().split() if Path("/proc/cpuinfo").is_file() else []
    return "avx512_bf16" in flags or "amx_bf16" in flags


def dtype_policy(precision: str = "float32") -> str:
    """The Keras dtype policy of a precision.

    Args:
        precision: ``"float32"``; ``"bfloat16"``: the layers compute in bfloat16, while variables
            and the loss stay float32; ``"auto"``: bfloat16 where the hardware has it, else float32.

    Raises:
        ValueError: another word.
    """
    if precision not in PRECISIONS:
        raise ValueError(
            f"precision: expected one of {', '.join(PRECISIONS)}. Received {precision!r}."
        )
    return (
        "mixed_bfloat16"
        if precision == "bfloat16" or (precision == "auto" and has_bfloat16())
        else "float32"
    )


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

        gpus = tf.config.list_physical_devices("GPU")
        return (
            "TensorFlow",
            tf.__version__,
            [
                tf.config.experimental.get_device_details(gpu).get("device_name", gpu.name)
                for gpu in gpus
            ],
        )
    if keras.backend.backend() == "jax":
        import jax

        return (
            "JAX",
            jax.__version__,
            [device.device_kind for device in jax.devices() if device.platform != "cpu"],
        )
    raise ValueError(
        f"KERAS_BACKEND: expected tensorflow or jax. Received {keras.backend.backend()!r}; unset the variable or correct it."
    )


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def is_out_of_memory(error: BaseException) -> bool:
    """Whether this is how the backend, or Python, says that memory ran out."""
    if isinstance(error, MemoryError):
        return True
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        return isinstance(error, tf.errors.ResourceExhaustedError)
    return type(error).__name__ in (
        "JaxRuntimeError",
        "XlaRuntimeError",
    ) and "RESOURCE_EXHAUSTED" in str(error)


def free_memory() -> int | None:
    """Bytes that one device has free for a training:

    of the GPU with the least, or of the machine; ``None`` where nobody says.
    """
    if has_gpu():
        return _free_gpu_memory()
    free = []
    meminfo = Path("/proc/meminfo")
    if meminfo.is_file():
        free += [
            1024 * int(line.split()[1])
            for line in meminfo.read_text().splitlines()
            if line.startswith("MemAvailable:")
        ]
    group = Path("/sys/fs/cgroup")  # a container's own limit
    limit = (
        (group / "memory.max").read_text().strip() if (group / "memory.max").is_file() else "max"
    )
    if limit != "max":
        free.append(int(limit) - int((group / "memory.current").read_text()))
    return min(free) if free else None


def _free_gpu_memory() -> int | None:
    if keras.backend.backend() == "jax":
        import jax

        told = [device.memory_stats() for device in jax.local_devices()]
        return (
            min(stats["bytes_limit"] - stats["bytes_in_use"] for stats in told)
            if all(told)
            else None
        )
    try:  # TensorFlow cannot be asked
        told = subprocess.run(
            ["nvidia-smi", "--query-gpu=memory.free", "--format=csv,noheader,nounits"],
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return min((int(words) << 20 for words in told.stdout.split() if words.isdigit()), default=None)


@functools.cache
def strategy() -> Any:
    """TensorFlow's way over the devices of this host:

    all GPUs; without one, all logical CPU devices, of which there is one unless set otherwise.
    """
    import tensorflow as tf

    devices = tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")
    return (
        tf.distribute.MirroredStrategy([device.name for device in devices])
        if len(devices) > 1
        else tf.distribute.get_strategy()
    )


@contextlib.contextmanager
def every_device() -> Iterator[None]:
    """Make what is built in this block - network, optimizer - live on every device there is:

    all GPUs of the host, on JAX those of all processes.
    """
    if keras.backend.backend() == "tensorflow":
        with strategy().scope():
            yield
        return
    import jax

    if jax.device_count() == 1:
        yield
        return
    with keras.distribution.DataParallel(auto_shard_dataset=False).scope():
        yield


def device_count() -> int:
    """How many devices share the work within :func:`every_device`."""
    if keras.backend.backend() == "tensorflow":
        return strategy().num_replicas_in_sync
    import jax

    return jax.device_count()


def process() -> tuple[int, int]:
    """The number of this process, from 0, and how many train together:

    more than one only on JAX over several hosts.
    """
    if keras.backend.backend() == "tensorflow":
        return 0, 1
    import jax

    return jax.process_index(), jax.process_count()
