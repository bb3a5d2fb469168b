"""What the judgement says of sharp fields that something was done to: `docs/any_picture.md`.

    python experiments/altered_fields.py mamic=FOLDER ... [--fields 2] [--kinds half-blurred ...]

The keys are those of `evaluate fields`. For each kind of alteration it prints how many pictures
were judged in which way, and those whose parasitaemia is given without a word though its interval
excludes that of the sharp field.
"""

import argparse
from collections import Counter
from collections.abc import Callable

import cv2
import numpy as np
from PIL import Image
from quality import real_fields
from tqdm.auto import tqdm

from bloodseg_lib.prediction.results import count_field
from bloodseg_lib.prediction.segmenter import Segmenter

Alteration = Callable[[np.ndarray, float], np.ndarray]
"""Of a picture; the second is the factor to 40x."""


def _blurred(image: np.ndarray, factor: float, px: float = 2.5) -> np.ndarray:
    return cv2.GaussianBlur(image, (0, 0), px / factor)


def _part_blurred(rows: float) -> Alteration:
    def altered(image: np.ndarray, factor: float) -> np.ndarray:
        part = np.s_[int(rows * len(image)) :, image.shape[1] // 2 :]
        result = image.copy()
        result[part] = _blurred(image, factor)[part]
        return result

    return altered


def _tilted(image: np.ndarray, factor: float) -> np.ndarray:
    result, width = image.copy(), image.shape[1]
    for i in range(1, 7):
        strip = np.s_[:, i * width // 7 : (i + 1) * width // 7]
        result[strip] = _blurred(image, factor, 0.5 * i)[strip]
    return result


def _jpeg(quality: int) -> Alteration:
    def altered(image: np.ndarray, _: float) -> np.ndarray:
        _, data = cv2.imencode(".jpg", image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
        return np.ascontiguousarray(cv2.imdecode(data, cv2.IMREAD_COLOR)[..., ::-1])

    return altered


def _reduced(px: float, back: int) -> Alteration:
    """To so few pixels a red cell, and back to the size it had."""

    def altered(image: np.ndarray, factor: float) -> np.ndarray:
        size = px * factor / 37
        small = cv2.resize(image, None, fx=size, fy=size, interpolation=cv2.INTER_AREA)
        return cv2.resize(small, image.shape[1::-1], interpolation=back)

    return altered


def _stretched(by: float) -> Alteration:
    return lambda image, _: cv2.resize(image, None, fx=by, fy=1, interpolation=cv2.INTER_LINEAR)


def _levels(function: Callable[[np.ndarray], np.ndarray]) -> Alteration:
    return lambda image, _: np.clip(function(image.astype(np.float32)), 0, 255).astype(np.uint8)


def _grid(image: np.ndarray, _: float) -> np.ndarray:
    result = image.copy()
    for x in range(0, image.shape[1], 60):
        cv2.line(result, (x, 0), (x, len(image)), (40, 40, 40), 1)
    for y in range(0, len(image), 60):
        cv2.line(result, (0, y), (image.shape[1], y), (40, 40, 40), 1)
    return result


def _watermark(image: np.ndarray, _: float) -> np.ndarray:
    layer, size = image.copy(), image.shape[1] / 400
    for y in range(60, len(image), 120):
        cv2.putText(
            layer, "SAMPLE SAMPLE", (10, y), 0, size, (120, 120, 120), max(2, int(3 * size))
        )
    return cv2.addWeighted(image, 0.65, layer, 0.35, 0)


def _mosaic(image: np.ndarray, _: float) -> np.ndarray:
    """Half of the field beside its other half at twice the size."""
    half = image[:, : image.shape[1] // 2]
    large = cv2.resize(image, None, fx=2, fy=2)[: len(image), : image.shape[1] // 2]
    return np.concatenate([half, large], axis=1)


def _vignette(image: np.ndarray, _: float) -> np.ndarray:
    rows, columns = np.indices(image.shape[:2]).astype(np.float32)
    far = np.hypot(rows / len(image) - 0.5, columns / image.shape[1] - 0.5)
    return (image * (1 - 1.2 * far**2)[:, :, None].clip(0.15)).astype(np.uint8)


def _pointer(image: np.ndarray, _: float) -> np.ndarray:
    """The pointer of an eyepiece: a dark wedge from the border to the middle."""
    height, width = image.shape[:2]
    wedge = np.array([[width, height // 3], [width, height // 3 + height // 25], [width // 2] * 2])
    wedge[2, 1] = height // 2
    return cv2.fillPoly(image.copy(), [wedge], (15, 12, 14), cv2.LINE_AA)


def _arrows(image: np.ndarray, _: float) -> np.ndarray:
    result, size = image.copy(), image.shape[1] // 12
    for x, y in ((3, 3), (6, 2), (5, 6), (8, 7)):
        end = (x * image.shape[1] // 10, y * len(image) // 10)
        begin = (end[0] - size, end[1] - size // 2)
        cv2.arrowedLine(result, begin, end, (0, 0, 0), max(2, size // 15), cv2.LINE_AA, 0, 0.35)
    return result


def _circle(outside: int) -> Alteration:
    """The round field of an eyepiece."""

    def altered(image: np.ndarray, _: float) -> np.ndarray:
        height, width = image.shape[:2]
        inside = np.zeros((height, width, 1), np.float32)
        cv2.circle(inside, (width // 2, height // 2), min(height, width) // 2, 1.0, -1)
        return (image * inside + outside * (1 - inside)).astype(np.uint8)

    return altered


def _by_telephone(image: np.ndarray, _: float) -> np.ndarray:
    """Held by hand to the eyepiece: round, beside the middle, with a soft edge, in warm light."""
    (height, width), radius = image.shape[:2], 0.45 * min(image.shape[:2])
    rows, columns = np.indices((height, width)).astype(np.float32)
    far = np.hypot(rows - 0.48 * height, columns - 0.53 * width) - radius
    light = 1 / (1 + np.exp(far / (radius / 40)))[:, :, None]
    seen = image * light * np.array([1, 0.93, 0.8]) + 12 * (1 - light)
    noise = np.random.default_rng(0).normal(0, 3, seen.shape)  # in the dark, too
    return np.clip(seen + noise, 0, 255).astype(np.uint8)


def _boxes(image: np.ndarray, _: float) -> np.ndarray:
    """As a detector of objects draws them, in a JPEG."""
    result, (height, width) = image.copy(), image.shape[:2]
    for x, y in ((2, 3), (6, 5), (8, 2), (4, 7)):
        begin = (x * width // 10, y * height // 10)
        end = (begin[0] + width // 12, begin[1] + width // 12)
        cv2.rectangle(result, begin, end, (255, 56, 56), max(1, width // 300))
    return _jpeg(85)(result, 1)


def _rings(image: np.ndarray, _: float) -> np.ndarray:
    """Around cells, by a program, in blue."""
    result, (height, width) = image.copy(), image.shape[:2]
    for x, y in ((3, 3), (7, 6), (8, 2)):
        place = (x * width // 10, y * height // 10)
        cv2.circle(result, place, width // 11, (40, 60, 180), max(2, width // 120), cv2.LINE_AA)
    return result


def _turned(outside: int) -> Alteration:
    """By 20 degrees, the corners filled."""

    def altered(image: np.ndarray, _: float) -> np.ndarray:
        height, width = image.shape[:2]
        matrix = cv2.getRotationMatrix2D((width / 2, height / 2), 20, 1)
        border = (outside,) * 3
        return cv2.warpAffine(image, matrix, (width, height), borderValue=border)

    return altered


def _screenshot(image: np.ndarray, _: float) -> np.ndarray:
    """In a window of a program, with its title and its buttons."""
    height, width = image.shape[:2]
    bar = max(24, height // 14)
    window = np.full((height + 3 * bar, width + 2 * bar, 3), 240, np.uint8)
    window[:bar] = (45, 62, 80)
    cv2.putText(window, "slide_17.tif - Viewer 2.1", (8, bar - 8), 0, bar / 45, (255,) * 3, 1)
    for i in range(6):
        left = bar + 3 * i * bar
        cv2.rectangle(window, (left, bar + 4), (left + 2 * bar, 2 * bar - 4), (200, 205, 215), -1)
        cv2.putText(window, "Open", (left + 4, 2 * bar - 8), 0, bar / 60, (30, 30, 30), 1)
    window[2 * bar : 2 * bar + height, bar : bar + width] = image
    return window


def _monitor(image: np.ndarray, _: float) -> np.ndarray:
    """Photographed off a screen: its lines and the camera's make a moire."""
    rows, columns = np.indices(image.shape[:2]).astype(np.float32)
    waves = 0.5 * np.sin(rows * 2 * np.pi / 3.3 + columns / 40) + 0.5 * np.sin(
        columns * 2 * np.pi / 2.7 + rows / 55
    )
    slow = np.sin(rows / 23 + columns / 31)
    return (image * (0.88 + 0.07 * waves + 0.05 * slow)[:, :, None]).astype(np.uint8)


def _moved(image: np.ndarray, factor: float) -> np.ndarray:
    """The stage moved while the shutter was open."""
    length = max(3, round(9 / factor))
    return cv2.filter2D(image, -1, np.full((1, length), 1 / length, np.float32))


def _twice(image: np.ndarray, factor: float) -> np.ndarray:
    """Exposed twice, a third of a cell apart."""
    step = round(14 / factor)
    other = np.roll(image, (step, step), axis=(0, 1))
    return cv2.addWeighted(image, 0.5, other, 0.5, 0)


def _fringes(image: np.ndarray, factor: float) -> np.ndarray:
    """Colours beside each other, as by a bad lens or a camera that takes them in turn."""
    step = max(1, round(3 / factor))
    red, green, blue = cv2.split(image)
    return cv2.merge([np.roll(red, step, 1), green, np.roll(blue, -step, 1)])


def _interlaced(image: np.ndarray, factor: float) -> np.ndarray:
    """A frame of video, of which every second line came later."""
    result = image.copy()
    result[1::2] = np.roll(image, round(6 / factor), axis=1)[1::2]
    return result


def _in_grey_frame(image: np.ndarray, _: float) -> np.ndarray:
    edge = len(image) // 4
    return cv2.copyMakeBorder(image, edge, edge, edge, edge, cv2.BORDER_CONSTANT, value=(128,) * 3)


def _of_colours(number: int) -> Alteration:
    """As a GIF of few colours, without dithering."""

    def altered(image: np.ndarray, _: float) -> np.ndarray:
        few = Image.fromarray(image).quantize(number, dither=Image.Dither.NONE)
        return np.asarray(few.convert("RGB"))

    return altered


def _gif_in_a_jpeg(image: np.ndarray, factor: float) -> np.ndarray:
    return _jpeg(85)(_of_colours(8)(image, factor), factor)


def _panels(image: np.ndarray, _: float) -> np.ndarray:
    """The field beside itself upside down, in a figure."""
    edges = {"borderType": cv2.BORDER_CONSTANT, "value": (255,) * 3}
    first, second = (
        cv2.copyMakeBorder(part, *[len(image) // 20] * 4, **edges)
        for part in (image, np.ascontiguousarray(image[::-1]))
    )
    return np.concatenate([first, second], axis=1)


def _part_lost(image: np.ndarray, _: float) -> np.ndarray:
    """The lower two fifths of one grey."""
    result = image.copy()
    result[len(image) * 3 // 5 :] = 128
    return result


def _grains(image: np.ndarray, factor: float) -> np.ndarray:
    """Grains of stain, one on each area of a red cell."""
    rng = np.random.default_rng(0)
    result, (height, width) = image.copy(), image.shape[:2]
    for _ in range(int(height * width * factor**2 / 900)):
        place = int(8 * rng.uniform(0, width)), int(8 * rng.uniform(0, height))
        radius = int(8 * rng.uniform(1, 1.8) / factor)
        cv2.circle(result, place, radius, (90, 40, 120), -1, cv2.LINE_AA, 3)
    return result


def _outlines(image: np.ndarray, _: float) -> np.ndarray:
    """Around every cell, as another program draws its result, in a JPEG."""
    smooth = cv2.GaussianBlur(image[..., 1], (0, 0), 2)
    _, dark = cv2.threshold(smooth, 0, 1, cv2.THRESH_BINARY_INV + cv2.THRESH_OTSU)
    found, _ = cv2.findContours(dark, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    return _jpeg(85)(cv2.drawContours(image.copy(), found, -1, (60, 80, 220), 2, cv2.LINE_AA), 1)


def _letters(image: np.ndarray, _: float) -> np.ndarray:
    """In yellow, by a program, in a JPEG."""
    result, (height, width) = image.copy(), image.shape[:2]
    for row in (0.25, 0.5, 0.75):
        place, colour = (int(0.08 * width), int(row * height)), (250, 230, 40)
        cv2.putText(result, "P. falciparum", place, 0, width / 500, colour, max(2, width // 300))
    return _jpeg(80)(result, 1)


def _printed(image: np.ndarray, _: float) -> np.ndarray:
    """Photographed off a page, on which each colour is dots in rows at an angle of its own."""
    rows, columns = np.indices(image.shape[:2]).astype(np.float32) * np.pi / 2
    result = np.empty_like(image)
    for channel, degrees in enumerate((15, 45, 75)):
        cosine, sine = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
        dots = np.cos(columns * cosine + rows * sine) + np.cos(rows * cosine - columns * sine)
        result[..., channel] = np.where(image[..., channel] / 255 > dots / 4 + 0.5, 245, 30)
    return _jpeg(85)(cv2.GaussianBlur(result, (0, 0), 1.3), 1)


def _tinted(image: np.ndarray, _: float) -> np.ndarray:
    """Light that is yellow at one side and blue at the other."""
    left, right = np.array([1, 0.97, 0.7]), np.array([0.75, 0.93, 1])
    across = np.linspace(0, 1, image.shape[1])[None, :, None]
    return (image * (left * (1 - across) + right * across)).astype(np.uint8)


KINDS: dict[str, Alteration] = {
    "nothing": lambda image, _: image,
    "half-blurred": _part_blurred(0),
    "quarter-blurred": _part_blurred(0.5),
    "tilted": _tilted,
    "jpeg-10": _jpeg(10),
    "jpeg-30": _jpeg(30),
    "pixels": _reduced(12, cv2.INTER_NEAREST),
    "enlarged": _reduced(12, cv2.INTER_CUBIC),
    "median": lambda image, factor: cv2.medianBlur(image, 2 * int(2.5 / factor) + 1),
    "bilateral": lambda image, _: cv2.bilateralFilter(image, 15, 90, 9),
    "sharpened": _levels(lambda x: x + 2 * (x - cv2.GaussianBlur(x, (0, 0), 2))),
    "noise": _levels(lambda x: x + np.random.default_rng(0).normal(0, 25, x.shape)),
    "stretched-1.3": _stretched(1.3),
    "stretched-2": _stretched(2.0),
    "mosaic": _mosaic,
    "mirrored": lambda image, _: np.concatenate([image, image[:, ::-1]], axis=1),
    "blue-first": lambda image, _: np.ascontiguousarray(image[..., ::-1]),
    "negative": lambda image, _: 255 - image,
    "one-channel": _levels(lambda x: x * np.array([1, 0, 0], np.float32)),
    "red-only-grey": lambda image, _: np.repeat(image[..., :1], 3, axis=2),
    "pale": _levels(lambda x: x.mean(2, keepdims=True) + 0.25 * (x - x.mean(2, keepdims=True))),
    "gaudy": _levels(lambda x: x.mean(2, keepdims=True) + 3 * (x - x.mean(2, keepdims=True))),
    "sodium-light": _levels(lambda x: x * np.array([1, 0.75, 0.3], np.float32)),
    "blue-filter": _levels(lambda x: x * np.array([0.4, 0.6, 1], np.float32)),
    "over-exposed": _levels(lambda x: x * 1.6),
    "under-exposed": _levels(lambda x: x * 0.4),
    "blacks-clipped": _levels(lambda x: (x - 110) * 255 / 145),
    "vignette": _vignette,
    "grid": _grid,
    "watermark": _watermark,
    "pointer": _pointer,
    "arrows": _arrows,
    "boxes": _boxes,
    "rings": _rings,
    "by-telephone": _by_telephone,
    "round-on-black": _circle(0),
    "round-on-white": _circle(255),
    "turned-on-black": _turned(0),
    "turned-on-white": _turned(255),
    "in-a-grey-frame": _in_grey_frame,
    "screenshot": _screenshot,
    "monitor": _monitor,
    "moved": _moved,
    "exposed-twice": _twice,
    "fringes": _fringes,
    "interlaced": _interlaced,
    "posterized": _levels(lambda x: np.round(x / 42) * 42),
    "specks": _levels(
        lambda x: np.where(np.random.default_rng(0).random(x.shape[:2])[..., None] < 0.01, 0, x)
    ),
    "no-blue": _levels(lambda x: x * np.array([1, 1, 0], np.float32)),
    "half-light-grey": lambda image, _: np.repeat(image[..., 1:2] // 2, 3, axis=2),
    "16-colours": _of_colours(16),
    "8-colours-jpeg": _gif_in_a_jpeg,
    "panels": _panels,
    "strip-twice": lambda image, _: np.concatenate([image[:, : len(image[0]) * 2 // 3], image], 1),
    "part-lost": _part_lost,
    "grains": _grains,
    "outlines-jpeg": _outlines,
    "letters-jpeg": _letters,
    "printed": _printed,
    "two-lights": _tinted,
}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("databases", nargs="+", help="KEY=FOLDER")
    parser.add_argument("--fields", type=int, default=2, help="of each database")
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=list(KINDS))
    options = parser.parse_args()
    segmenter = Segmenter()
    sharp: list[tuple[str, np.ndarray, float, float]] = []
    for name, image in real_fields(options.databases, options.fields):
        found = segmenter.segment(image)
        share = count_field(found, image).parasitaemia()
        if not share.withheld:
            rate = share.numerator / share.denominator
            sharp.append((name, image, found.scale.factor, rate))
    print("| what was done | good | note | warning | withheld | findings | silent and wrong |")
    print("|---|---:|---:|---:|---:|---|---|")
    for kind in tqdm(options.kinds, unit="kind"):
        levels: Counter = Counter()
        findings: Counter = Counter()
        wrong = []
        for name, image, factor, rate in sharp:
            altered = KINDS[kind](image, factor)
            counts = count_field(segmenter.segment(altered), altered)
            levels[counts.quality.level] += 1
            findings.update(finding.name for finding in counts.quality.findings)
            low, high = counts.parasitaemia().interval or (0, 1)
            if counts.quality.level in ("good", "note") and not low <= rate <= high:
                wrong.append(name)
        said = ", ".join(f"{name} {n}" for name, n in findings.most_common())
        row = " | ".join(str(levels[level]) for level in ("good", "note", "warning", "withheld"))
        tqdm.write(f"| {kind} | {row} | {said} | {', '.join(wrong)} |")


if __name__ == "__main__":
    main()
