"""Damages pictures at random, and says what becomes of each: a byte changed, or the file cut.

    python experiments/damaged_pictures.py --out /tmp/damaged [--changes 17] [--seed 0]

Nine of the drawn smears of `trial/images` make one picture, which is written in twelve kinds of
file. What a damaged file is read as, and its figures where its pixels are others and nothing was
said, is in `OUT/damaged.jsonl`: the same call again goes on. The table goes to the terminal.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import cv2
import numpy as np
import tifffile
from PIL import Image
from tqdm.auto import tqdm

from bloodseg_lib.io import Picture, read_image, read_picture
from bloodseg_lib.prediction.results import count_field
from bloodseg_lib.prediction.scale import AT_40X
from bloodseg_lib.prediction.segmenter import Segmenter

TRIAL = Path(__file__).parents[1] / "trial" / "images"
OUTCOMES = (
    ("refused", "refused in words"),
    ("same", "the same pixels"),
    ("said", "other pixels, and said"),
    ("same figures", "other pixels, the same figures"),
    ("judged", "other pixels, warned of or withheld"),
    ("silent", "other figures, nothing said"),
    ("traceback", "another exception"),
)


def kinds(image: np.ndarray) -> dict[str, Callable[[Path], Any]]:
    """Name of a file -> what writes the picture to it."""
    deep, planes = image.astype(np.uint16) * 257, np.ascontiguousarray(image.transpose(2, 0, 1))
    lzw = [cv2.IMWRITE_TIFF_COMPRESSION, 5]

    def pillow(**how: Any) -> Callable[[Path], Any]:
        return lambda path: Image.fromarray(image).save(path, **how)

    def tiff(array: np.ndarray, **how: Any) -> Callable[[Path], Any]:
        return lambda path: tifffile.imwrite(path, array, **{"photometric": "rgb", **how})

    return {
        "8_bits.png": pillow(),
        "16_bits.png": lambda path: cv2.imwrite(str(path), deep[:, :, ::-1]),
        "photo.jpg": pillow(quality=90),
        "progressive.jpg": pillow(quality=90, progressive=True),
        "plain.bmp": pillow(),
        "lossless.webp": pillow(lossless=True),
        "palette.gif": pillow(),
        "plain.tif": tiff(image),
        "deflate.tif": tiff(image, compression="zlib", predictor=True),
        "lzw.tif": lambda path: cv2.imwrite(str(path), image[:, :, ::-1], lzw),
        "planar_16_bits.tif": tiff(planes.astype(np.uint16) * 257, planarconfig="separate"),
        "three_pages.ome.tif": tiff(planes, photometric="minisblack", metadata={"axes": "CYX"}),
    }


def damaged(data: bytes, rng: np.random.Generator) -> tuple[str, bytes]:
    """What was done, and a file with one bit changed, in every other case near its beginning, or
    cut.
    """
    if rng.random() < 0.3:
        length = int(rng.integers(1, len(data)))
        return f"cut after {length}", data[:length]
    changed, near = bytearray(data), rng.random() < 0.5
    place, bit = int(rng.integers(min(400, len(data)) if near else len(data))), rng.integers(8)
    changed[place] ^= 1 << bit
    return f"bit {bit} of byte {place}", bytes(changed)


def figures(segmenter: Segmenter, image: np.ndarray) -> tuple[Any, str]:
    """The figures of a picture, and the level of its judgement."""
    counts = count_field(segmenter.segment(image, AT_40X), image)
    return [counts.watershed, str(counts.parasitaemia())], counts.quality.level


def outcome(path: Path, right: Picture, segmenter: Segmenter, known: list[Any]) -> str:
    """What becomes of a damaged file, one of :data:`OUTCOMES`."""
    try:
        picture = read_picture(path)
    except ValueError as error:
        return "refused" if str(error).startswith(f"{path}: expected") else "traceback"
    except Exception:
        return "traceback"
    if np.array_equal(picture.pixels, right.pixels):
        return "same"
    if set(picture.notes) - set(right.notes):
        return "said"
    found, level = figures(segmenter, picture.pixels)
    if found == known:
        return "same figures"
    return "judged" if level in ("warning", "withheld") else "silent"


@click.command(help=__doc__)
@click.option("--out", type=click.Path(path_type=Path), required=True)
@click.option("--changes", default=17, help="Of each kind of file.")
@click.option("--seed", default=0)
def main(out: Path, changes: int, seed: int) -> None:
    out.mkdir(parents=True, exist_ok=True)
    smears = [read_image(path) for path in sorted(TRIAL.glob("*.png"))[:9]]
    image = np.vstack([np.hstack(smears[i : i + 3]) for i in (0, 3, 6)])
    segmenter, kept = Segmenter(), out / "damaged.jsonl"
    lines = kept.read_text().splitlines() if kept.exists() else []
    done = {(row["kind"], row["number"]): row["outcome"] for row in map(json.loads, lines)}
    with kept.open("a") as file, tqdm(total=12 * changes, unit="file") as bar:
        for name, write in kinds(image).items():
            path, known = out / name, []
            write(path)
            data, right = path.read_bytes(), read_picture(path)
            for number in range(changes):
                what, content = damaged(data, np.random.default_rng([seed, number, *name.encode()]))
                if (name, number) not in done:
                    path.write_bytes(content)
                    known = known or figures(segmenter, right.pixels)[0]
                    done[name, number] = outcome(path, right, segmenter, known)
                    row = {"kind": name, "number": number, "what": what}
                    file.write(json.dumps({**row, "outcome": done[name, number]}) + "\n")
                    file.flush()
                bar.update()
    print_table(done)


def print_table(done: dict[tuple[str, int], str]) -> None:
    """A row for each kind of file, and one of all."""
    print("| file | damaged | " + " | ".join(words for _, words in OUTCOMES) + " |")
    print("|---|" + "---:|" * (1 + len(OUTCOMES)))
    rows = {name: [o for (kind, _), o in done.items() if kind == name] for name, _ in done}
    for name, outcomes in {**rows, "all": list(done.values())}.items():
        tally = Counter(outcomes)
        numbers = [len(outcomes), *(tally[key] for key, _ in OUTCOMES)]
        print(f"| {name} | " + " | ".join(map(str, numbers)) + " |")


if __name__ == "__main__":
    main()
