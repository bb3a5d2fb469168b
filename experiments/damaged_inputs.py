"""Damages inputs at random and asks what the commands say of them.

    python experiments/damaged_inputs.py --out /tmp/damaged --each 60

Of each kind of input (checkpoint, bank, dataset, picture, table) one file is damaged a time: one
bit or four flipped, cut, zeros over a part, or another file in its place. Then the command that
reads it runs, and what it wrote is compared with that of the whole input. Every try is a line in
``results.jsonl``; the same call again goes on, and prints the table. It takes one core.
"""

from __future__ import annotations

import concurrent.futures
import json
import multiprocessing
import re
import shutil
import traceback
from collections import Counter
from pathlib import Path
from typing import Any

import click
import numpy as np
from click.testing import CliRunner
from kills import content, undisturbed
from PIL import Image
from tqdm.auto import tqdm

KINDS = ("checkpoint", "bank", "dataset", "picture", "table")
OUTCOMES = ("refused", "same", "other", "traceback", "died")
SIZES = ["--train=6", "--valid=2", "--test=2", "--backgrounds=3", "--workers=1", "--seed=3"]
MOST_S = 120


def make_inputs(work: Path) -> Path:
    """The whole inputs, made once: a folder for each kind."""
    inputs = work / "inputs"
    if inputs.exists():
        return inputs
    from bloodseg_lib.network.pretrained import checkpoint_path

    for name in ("bank", "white"):
        undisturbed(name, work)
    made = work / "inputs.part"
    shutil.rmtree(made, ignore_errors=True)
    (made / "checkpoint").mkdir(parents=True)
    for suffix in (".npz", ".json"):
        source = checkpoint_path("released").with_suffix(suffix)
        if source.exists():
            shutil.copy(source, made / "checkpoint" / f"net{suffix}")
    shutil.copytree(work / "bank", made / "bank")
    shutil.copytree(work / "white", made / "dataset", ignore=shutil.ignore_patterns(".*", "train"))
    smears = sorted((work / "white" / "test" / "images").glob("*.png"))
    (made / "picture").mkdir()
    picture = Image.open(smears[0]).convert("RGB")
    for name in ("p.png", "p.jpg", "p.bmp", "p.tif", "p.webp", "p.gif"):
        picture.save(made / "picture" / name)
    picture.save(made / "picture" / "lzw.tif", compression="tiff_lzw")
    np.save(made / "picture" / "p.npy", np.asarray(picture))
    (made / "table").mkdir()
    for number, path in enumerate(smears[:3]):
        shutil.copy(path, made / "table" / f"{number}.png")
    rows = "".join(f"{n}.png,patient {n % 2}\n" for n in range(3))
    (made / "table" / "list.csv").write_text(f"path,patient\n{rows}")
    boxes = "".join(f"{n}.png,{40 * n + 5},60,34,36,healthy,34\n" for n in range(3))
    (made / "table" / "boxes.csv").write_text(
        f"field,x,y,width,height,class,rbc_diameter_px\n{boxes}"
    )
    made.rename(inputs)
    return inputs


def arguments(kind: str, place: Path, file: Path, out: Path, number: int) -> list[str]:
    """The command that reads an input."""
    if kind == "bank":
        return ["dataset", "--bank", f"{place}", *SIZES, "--out", f"{out}"]
    if kind == "dataset":
        what = ("dataset", "counts")[number % 2]
        return ["evaluate", what, f"{place}", "--split", "test", "--out", f"{out}"]
    if file.name == "boxes.csv":
        return ["evaluate", "fields", f"own={place}", "--out", f"{out}"]
    picture = place.parent / "inputs" / "table" / "0.png" if kind == "checkpoint" else file
    words = ["predict", f"{picture}", "--rbc-diameter", "34", "--out", f"{out}"]
    return words + (["--checkpoint", f"{place / 'net.npz'}"] if kind == "checkpoint" else [])


def damage(data: bytes, how: str, others: list[Path], rng: np.random.Generator) -> bytes:
    """The bytes of a file, damaged."""
    changed = bytearray(data)
    if how == "cut":
        return data[: rng.integers(len(data))]
    if how == "zeros":
        start = int(rng.integers(len(data)))
        length = min(int(rng.integers(1, 4096)), len(data) - start)
        changed[start : start + length] = bytes(length)
    elif how == "swapped":
        return others[rng.integers(len(others))].read_bytes()
    for _ in range({"one bit": 1, "four bits": 4}.get(how, 0)):
        # half of them where formats have their headers
        place = rng.integers(len(data) if rng.random() < 0.5 else min(512, len(data)))
        changed[place] ^= 1 << rng.integers(8)
    return bytes(changed)


def run(words: list[str], out: Path) -> dict[str, Any]:
    """Run a command in this process: how it ended, what it wrote, the most memory it took."""
    from bloodseg_lib.cli import main as program

    shutil.rmtree(out, ignore_errors=True)
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
    before = memory("VmRSS")
    result = CliRunner().invoke(program, words)
    failed = result.exception is not None and not isinstance(result.exception, SystemExit)
    lines = result.output.strip().splitlines()
    # figures: no report's time, no digest of what was damaged
    wrote = {
        name: digest
        for name, digest in (content(out) if out.exists() else {}).items()
        if name.endswith((".csv", "_classes.png")) or "/" in name
    }
    return {
        "rc": result.exit_code,
        "traceback": "".join(traceback.format_exception(result.exception)) if failed else "",
        "words": lines[-1][:300] if lines else "",
        "wrote": wrote,
        "peak_mib": memory("VmHWM") - before,
    }


def memory(name: str) -> int:
    """Of this process, in MiB, as Linux counts it."""
    found = re.search(rf"{name}:\s+(\d+)", Path("/proc/self/status").read_text())
    return int(found[1]) // 1024 if found else 0


def attempt(kind: str, number: int, seed: int, work: Path) -> dict[str, Any]:
    """Damage one file of a kind, run the command, and compare with the whole input."""
    rng = np.random.default_rng([seed, KINDS.index(kind), number])
    inputs = work / "inputs"
    place, out = work / kind, work / "out"
    files = [path for path in sorted((inputs / kind).rglob("*")) if path.is_file()]
    files = [p for p in files if (p.suffix == ".csv") == (kind == "table") or kind == "bank"]
    endings = sorted({path.suffix for path in files})
    ending = endings[rng.integers(len(endings))]
    of_ending = [path for path in files if path.suffix == ending]
    chosen = of_ending[rng.integers(len(of_ending))]
    how = ("one bit", "four bits", "cut", "zeros", "swapped")[number % 5]

    target = place / chosen.relative_to(inputs / kind)
    words = arguments(kind, place, target, out, number)
    whole = work / "whole.json"
    expected = json.loads(whole.read_text()) if whole.exists() else {}
    key = " ".join(words)
    if key not in expected:
        shutil.rmtree(place, ignore_errors=True)
        shutil.copytree(inputs / kind, place)
        good = run(words, out)
        assert good["rc"] == 0, good
        whole.write_text(json.dumps({**expected, key: good["wrote"]}))
        expected[key] = good["wrote"]
    shutil.rmtree(place, ignore_errors=True)
    shutil.copytree(inputs / kind, place)
    others = [path for path in inputs.rglob("*") if path.is_file() and path != chosen]
    target.write_bytes(damage(chosen.read_bytes(), how, sorted(others), rng))
    got = run(words, out)
    if got["traceback"]:
        outcome = "traceback"
    elif got["rc"]:
        outcome = "refused"
    else:
        outcome = "same" if got["wrote"] == expected[key] else "other"
    named = target.relative_to(place).as_posix()
    return {"kind": kind, "file": named, "how": how, "outcome": outcome, **got, "wrote": None}


def table(results: list[dict[str, Any]]) -> str:
    """The results as Markdown."""
    lines = [f"| kind | {' | '.join(OUTCOMES)} | peak of refused, MiB |", "|---|" + "---:|" * 6]
    for kind in KINDS:
        mine = [result for result in results if result["kind"] == kind]
        counts = Counter(result["outcome"] for result in mine)
        peak = max((r["peak_mib"] for r in mine if r["outcome"] == "refused"), default=0)
        lines.append(f"| {kind} | {' | '.join(str(counts[o]) for o in OUTCOMES)} | {peak} |")
    return "\n".join(lines)


@click.command()
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Folder to work in.")
@click.option("--each", default=60, show_default=True, help="Tries of each kind of input.")
@click.option("--seed", default=0, show_default=True)
def main(out: Path, each: int, seed: int) -> None:
    """Damage inputs and print a table of what became of them."""
    out = out.resolve()
    out.mkdir(parents=True, exist_ok=True)
    make_inputs(out)
    file = out / "results.jsonl"
    results = [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []
    left = [(kind, n) for n in range(each) for kind in KINDS]
    workers = None
    for kind, number in tqdm(left[len(results) :], initial=len(results), total=len(left)):
        workers = workers or concurrent.futures.ProcessPoolExecutor(
            1, multiprocessing.get_context("spawn")
        )
        try:
            result = workers.submit(attempt, kind, number, seed, out).result(MOST_S)
        except (concurrent.futures.BrokenExecutor, TimeoutError) as error:
            result = {"kind": kind, "outcome": "died", "traceback": repr(error), "peak_mib": 0}
            for process in list(workers._processes.values()):
                process.kill()
            workers = None
        results.append({**result, "number": number})
        with open(file, "a", encoding="utf-8") as lines:
            lines.write(json.dumps(results[-1]) + "\n")
    print(table(results))
    others = Counter(
        (r["kind"], Path(r["file"]).suffix, r["how"]) for r in results if r["outcome"] == "other"
    )
    for (kind, ending, how), number in sorted(others.items()):
        print(f"other: {kind}, {ending}, {how}: {number}")


if __name__ == "__main__":
    main()
