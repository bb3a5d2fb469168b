"""The devices that the backend runs on: their memory, sharing a batch among them, and several
processes.
"""

from __future__ import annotations

import contextlib
import functools
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bloodseg_lib.network.backend import has_gpu, keras
from bloodseg_lib.runs import free_addresses

_UNUSED_ADDRESSES = 1280 << 20
"""What TensorFlow takes of the address space beyond the memory it uses: 1050 MiB were measured in a
training on two cores.
"""


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error of the backend, or of Python, says that memory ran out."""
    if isinstance(error, MemoryError):
        return True
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        return isinstance(error, tf.errors.ResourceExhaustedError)
    of_jax = type(error).__name__ in ("JaxRuntimeError", "XlaRuntimeError")
    return of_jax and "RESOURCE_EXHAUSTED" in str(error)


def free_memory() -> int | None:
    """Free memory of one device in bytes: of the GPU with the least, or of the machine; ``None``
    if unknown.
    """
    if has_gpu():
        return _free_gpu_memory()
    meminfo = Path("/proc/meminfo")
    lines = meminfo.read_text().splitlines() if meminfo.is_file() else []
    free = [1024 * int(line.split()[1]) for line in lines if line.startswith("MemAvailable:")]
    group = Path("/sys/fs/cgroup")  # a container's own limit
    limit = group / "memory.max"
    if limit.is_file() and (most := limit.read_text().strip()) != "max":
        free.append(int(most) - int((group / "memory.current").read_text()))
    if (addresses := free_addresses()) is not None:
        free.append(max(0, addresses - _UNUSED_ADDRESSES))
    return min(free) if free else None


def _free_gpu_memory() -> int | None:
    if keras.backend.backend() == "jax":
        import jax

        stats = [device.memory_stats() for device in jax.local_devices()]
        return min(of["bytes_limit"] - of["bytes_in_use"] for of in stats) if all(stats) else None
    try:  # TensorFlow cannot be asked
        reply = subprocess.run(
            ["nvidia-smi", "--query-gpu=memory.free", "--format=csv,noheader,nounits"],
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return min(
        (int(words) << 20 for words in reply.stdout.split() if words.isdigit()), default=None
    )


@functools.cache
def strategy() -> Any:
    """How TensorFlow shares work among the devices of this host: all GPUs; without one, all logical
    CPU devices, of which there is one unless set otherwise.
    """
    import tensorflow as tf

    devices = tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")
    return (
        tf.distribute.MirroredStrategy([device.name for device in devices])
        if len(devices) > 1
        else tf.distribute.get_strategy()
    )


@functools.cache
def _jax_distribution() -> Any:
    """How JAX shares work among the devices of all processes; ``None`` with one device."""
    import jax

    if jax.device_count() == 1:
        return None
    return keras.distribution.DataParallel(auto_shard_dataset=False)


@contextlib.contextmanager
def every_device() -> Iterator[None]:
    """Build and train within this block on every device: all GPUs of the host, on JAX those of all
    processes.
    """
    if keras.backend.backend() == "tensorflow":
        with strategy().scope():
            yield
    elif (distribution := _jax_distribution()) is not None:
        with distribution.scope():
            yield
    else:
        yield


def device_count() -> int:
    """How many devices share the work within :func:`every_device`."""
    if keras.backend.backend() == "tensorflow":
        return strategy().num_replicas_in_sync
    import jax

    return jax.device_count()


def process() -> tuple[int, int]:
    """Number of this process, from 0, and how many processes train together: more than one only on
    JAX over several hosts.
    """
    if keras.backend.backend() == "tensorflow":
        return 0, 1
    import jax

    return jax.process_index(), jax.process_count()
