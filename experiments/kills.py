"""Kills commands at random moments, runs them again, and compares with an undisturbed run.

    python experiments/kills.py --out /tmp/kills --kills 30 bank white realistic train predict run
    python experiments/kills.py --out /tmp/kills --kills 30 --in-a-row 10 run

Every other kill hits the whole process group, the others the main process alone. Try number n of a
command comes at the same fraction of its time in every run (``--seed``); what ended before its
kill does not count. With ``--in-a-row`` the same output is killed that often before it may end.
What was done is in ``results.jsonl``: the same call again goes on. It takes one core; ``run`` takes
minutes a kill, fewer in a row.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
import numpy as np
from tqdm.auto import tqdm

PROGRAM = [sys.executable, "-m", "bloodseg_lib"]
SIZES = ["--train=60", "--valid=8", "--test=20", "--backgrounds=30", "--seed=3", "--workers=2"]
SETTINGS = ("epochs=3", "batch_size=4", "seed=1")
QUIET: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
_OWN = re.compile(rb"[Cc]heckpoint|seconds")
NOT_COMPARED = ("log.csv", ".jsonl", ".ipynb", ".npy", ".lock")
"""Endings of files that hold times, or that only speed things up."""


def command(name: str, work: Path, out: Path) -> list[str]:
    """The arguments of a command that writes to ``out``."""
    images = sorted(map(str, (work / "white" / "test" / "images").glob("*.png")))[:20]
    return {
        "bank": ["bank", "phantom=8", "--seed", "1"],
        "white": ["dataset", "--bank", f"{work / 'bank'}", "--recipe", "white", *SIZES],
        "realistic": ["dataset", "--bank", f"{work / 'bank'}", "--recipe", "realistic", *SIZES],
        "train": ["train", "--dataset", f"{work / 'white'}", "--width", "2"]
        + [word for setting in SETTINGS for word in ("--set", setting)],
        "predict": ["predict", *images, "--rbc-diameter", "34"],
        "run": ["run", "--profile", "quick"],
    }[name] + ["--out", f"{out}"]


def content(folder: Path) -> dict[str, str]:
    """Digest of each file; of a checkpoint that of its arrays, as its sidecar holds times."""
    found = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if not path.is_file() or name.endswith(NOT_COMPARED):
            continue
        if path.suffix == ".npz":
            with np.load(path) as arrays:
                data = b"".join(arrays[key].tobytes() for key in arrays if key != "sidecar")
        elif path.with_suffix(".npz").exists():
            continue
        else:
            data = path.read_bytes()
        if name.startswith("evaluation/report."):  # tells its own folder and seconds
            data = b"".join(line for line in data.splitlines() if not _OWN.search(line))
        found[name] = hashlib.sha256(data).hexdigest()
    return found


def undisturbed(name: str, work: Path) -> float:
    """Run a command once, if it was not; returns the seconds it took."""
    took = work / f"{name}.json"
    if not took.exists():
        shutil.rmtree(work / name, ignore_errors=True)
        started = time.monotonic()
        subprocess.run([*PROGRAM, *command(name, work, work / name)], check=True, **QUIET)
        took.write_text(json.dumps(time.monotonic() - started))
    return json.loads(took.read_text())


def kill(
    name: str, work: Path, moments_s: Sequence[float], group: bool, by: str = "SIGKILL"
) -> dict[str, object]:
    """Kill a command at each moment after it was started, start it again each time, let it end,
    and compare. ``group``: the first kill hits the whole process group, the next its leader alone,
    and so on; else the other way round.
    """
    out, interrupted = work / "killed" / name, 0
    shutil.rmtree(out, ignore_errors=True)
    arguments = [*PROGRAM, *command(name, work, out)]
    for number, moment_s in enumerate(moments_s):
        started = time.monotonic()
        process = subprocess.Popen(arguments, start_new_session=True, **QUIET)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(moment_s)
        after_s = time.monotonic() - started
        if process.poll() is None:
            interrupted += 1
            whole = group == (number % 2 == 0)
            (os.killpg if whole else os.kill)(process.pid, signal.Signals[by])
        process.wait()
    again = subprocess.run(arguments, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    got, expected = content(out), content(work / name)
    differing = sorted(set(got.items()) ^ set(expected.items()))
    return {
        "command": name,
        "after_s": round(after_s, 3),
        "group": group,
        "by": by,
        "kills": len(moments_s),
        "interrupted": interrupted,
        "same": again.returncode == 0 and not differing,
        "differing": [file for file, _ in differing][:5],
        "error": again.stderr[-300:] if again.returncode else "",
    }


@click.command()
@click.argument("names", nargs=-1, required=True)
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Folder to work in.")
@click.option("--kills", default=30, show_default=True, help="Of each command.")
@click.option("--seed", default=0, show_default=True)
@click.option("--by", default="SIGKILL", show_default=True, help="The signal.")
@click.option("--in-a-row", default=1, show_default=True, help="Kills of one output.")
def main(names: tuple[str, ...], out: Path, kills: int, seed: int, by: str, in_a_row: int) -> None:
    """Kill commands (bank, white, realistic, train, predict, run) and compare."""
    out.mkdir(parents=True, exist_ok=True)
    results = out / "results.jsonl"
    for name in ("bank", "white", *names):
        undisturbed(name, out)
    done = (
        [json.loads(line) for line in results.read_text().splitlines()] if results.exists() else []
    )
    for name in names:
        mine = [result for result in done if result["command"] == name]
        bar = tqdm(total=kills, initial=sum(result["interrupted"] for result in mine), desc=name)
        while bar.n < kills:
            number = len(mine)
            fractions = np.random.default_rng([seed, number]).uniform(0.02, 0.98, in_a_row)
            # a command that ended before its kill is faster today
            times = [result["after_s"] for result in mine if not result["interrupted"]]
            longest_s = min([undisturbed(name, out), *times])
            if in_a_row > 1:  # so that about the last one comes when all is nearly done
                longest_s *= 2 / in_a_row
            mine.append(kill(name, out, list(fractions * longest_s), number % 2 == 0, by))
            bar.update(mine[-1]["interrupted"])
            with open(results, "a", encoding="utf-8") as file:
                file.write(json.dumps(mine[-1]) + "\n")
        same = sum(result["interrupted"] for result in mine if result["same"])
        print(f"{name}: the same after {same} of {sum(r['interrupted'] for r in mine)} kills")


if __name__ == "__main__":
    main()
