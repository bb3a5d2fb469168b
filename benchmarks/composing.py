"""Speed of composing and loading, as figures and ratios within one run: ``make bench``.

Other load on the machine changes the figures; the ratios less.
"""

import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path
from unittest import mock

import psutil
import training as training_benchmark

from bloodseg_lib.network.backend import describe_device
from bloodseg_lib.samples.bank import SampleBank, write_bank
from bloodseg_lib.samples.phantom import cells as phantom
from bloodseg_lib.smears import build as building
from bloodseg_lib.smears.build import build_dataset
from bloodseg_lib.smears.dataset import Dataset
from bloodseg_lib.smears.manifest import DatasetConfig, Tally
from bloodseg_lib.smears.recipe import RECIPES
from bloodseg_lib.smears.smear import Smear

SETS = 8
SMEARS = 157 * SETS  # as many a set of backgrounds as at full size
STAGES = {
    "background": (building, "compose_background"),
    "compose": (building, "compose_smear"),
    "label": (Smear, "visible"),
    "encode image": (building, "png_bytes"),
    "encode segment": (building, "label_map_bytes"),
    "write": (Path, "write_bytes"),
    "count": (Tally, "add_smear"),
    "digest": (building, "add_file"),
}


def peak_memory(command: list[str]) -> float:
    """The greatest memory of a command and the processes it starts, together, in MiB; shared
    memory is counted once.
    """
    peak = 0
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        while process.poll() is None:
            sizes = []
            for running in psutil.Process().children(recursive=True):
                with suppress(psutil.Error):  # it may just have ended
                    sizes.append(running.memory_full_info().pss)
            peak = max(peak, sum(sizes))
            time.sleep(0.1)
    if process.returncode:
        raise RuntimeError(
            f"{' '.join(command)}: ended with {process.returncode}. Run it by itself to see why."
        )
    return peak / 2**20


def composing(recipe: str, bank: SampleBank, folder: Path) -> Dataset:
    """Smears per second, every file written, with one and with two workers, and where the time
    goes.
    """
    config = DatasetConfig(
        train=SMEARS, valid=0, test=0, backgrounds=3 * SETS, recipe=RECIPES[recipe]
    )
    rates = {}
    for workers in (1, 2):
        warm = DatasetConfig(train=12, valid=0, test=0, backgrounds=12, recipe=RECIPES[recipe])
        # processes started, samples read
        build_dataset(
            warm, bank, folder / f"warm-{recipe}{workers}", workers=workers, progress=False
        )
        # Into a new folder: ext4 is slow to make files where others were deleted a moment ago.
        start = time.perf_counter()
        dataset = build_dataset(
            config, bank, folder / f"{recipe}{workers}", workers=workers, progress=False
        )
        rates[workers] = SMEARS / (time.perf_counter() - start)
    print(
        f"composing, {recipe}: {rates[1]:.0f} smears/s with 1 worker, {rates[2]:.0f} with 2: "
        f"x {rates[2] / rates[1]:.2f}"
    )
    spent, whole = Counter(), time.process_time()
    with ExitStack() as stack:
        for stage, (owner, name) in STAGES.items():
            stack.enter_context(
                mock.patch.object(owner, name, timed(getattr(owner, name), stage, spent))
            )
        build_dataset(config, bank, folder / f"{recipe}-timed", progress=False)
    whole = time.process_time() - whole
    spent["the rest"] = whole - spent.total()
    stages = ", ".join(
        f"{stage} {1000 * seconds / SMEARS:.2f}" for stage, seconds in spent.most_common()
    )
    print(f"    {1000 * whole / SMEARS:.2f} ms of CPU a smear: {stages}")
    command = [sys.executable, "-m", "bloodseg_lib", "dataset", "--bank", str(bank.folder)]
    command += ["--out", str(folder / f"{recipe}-memory"), "--recipe", recipe, "--workers", "2"]
    command += f"--train {SMEARS} --valid 0 --test 0 --backgrounds {3 * SETS}".split()
    print(f"    {peak_memory(command):.0f} MiB at most with 2 workers, all processes together")
    return dataset


def timed(function: Callable, stage: str, spent: Counter) -> Callable:
    """``function``, which adds the CPU seconds that it takes to ``spent[stage]``."""

    def called(*arguments, **named):
        start = time.process_time()
        try:
            return function(*arguments, **named)
        finally:
            spent[stage] += time.process_time() - start

    return called


def loading(dataset: Dataset) -> float:
    """Images per second that the loader delivers from the page cache."""
    for _ in dataset.batches("train", 100):
        pass
    start = time.perf_counter()
    for _ in dataset.batches("train", 100, epoch=1):
        pass
    rate = SMEARS / (time.perf_counter() - start)
    print(f"loader: {rate:.0f} images/s from page cache, batches of 100")
    return rate


def training(loader_rate: float) -> None:
    """The loader's speed against the training step's, at the narrowest width that is used, where
    the step is fastest.
    """
    rate, _ = training_benchmark.ours(8)
    print(
        f"training step, width 8: {rate:.2f} images/s; "
        f"the loader is {loader_rate / rate:.0f} times as fast"
    )


def main() -> None:
    print(describe_device())
    with tempfile.TemporaryDirectory() as scratch:
        bank = write_bank(phantom.read(40), Path(scratch) / "bank")
        datasets = [composing(recipe, bank, Path(scratch)) for recipe in RECIPES]
        training(loading(datasets[0]))


if __name__ == "__main__":
    main()
