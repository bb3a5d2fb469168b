"""Animations, as GIF or video: smears under the heat map of each class in turn, and how a network
learned.

Taught by ``notebooks/05_gif_visualization.ipynb``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import cv2
import imageio.v3 as iio
import numpy as np
from matplotlib import colormaps
from PIL import Image, ImageDraw

from bloodseg_lib.classes import CLASSES, NUM_CLASSES, PALETTE
from bloodseg_lib.figures.overlays import HEAT, font, heat, heat_scale, legend_strip, overlay
from bloodseg_lib.io import replacing

FRAME_MS = 900
_HEADER_PX, _GAP_PX = 40, 4
_TRACK_UID = b"\x73\xc5\x88"  # and its length, 8 bytes, in the header of a WebM
_COLOURS = 128  # half of what GIF allows: the file is a third smaller and looks the same


def heat_map_frames(
    images: np.ndarray | Sequence[np.ndarray],
    probabilities: np.ndarray | Sequence[np.ndarray],
    width_px: int = 720,
) -> list[np.ndarray]:
    """The frames of an animation: the images alone, under the heat map of each class in turn, and
    tinted with the predicted classes.

    Args:
        images: one ``(H, W, 3) uint8`` RGB image, or several of one size, which stand side by side.
        probabilities: of each ``(H, W, 10)``, 0..1.
        width_px: width of a frame.

    Returns:
        twelve frames ``(h, width_px, 3) uint8`` RGB, each with a caption, and with a legend or the
        scale of the heat map.

    Raises:
        ValueError: no images, or sizes that do not fit each other.

    Examples:
        >>> frames = heat_map_frames(np.zeros((32, 32, 3), np.uint8), np.full((32, 32, 10), 0.1))
        >>> len(frames), frames[0].shape[1]
        (12, 720)
    """
    images, probabilities = _several(images, 3), _several(probabilities, 3)
    sizes = {image.shape for image in images}
    if len(sizes) != 1 or len(images) != len(probabilities):
        raise ValueError(
            "Expected one or more images of one size, and probabilities for each. "
            f"Received {len(images)} and {len(probabilities)}."
        )
    expected = (*sizes.pop()[:2], NUM_CLASSES)
    for p in probabilities:
        if p.shape != expected:
            raise ValueError(f"Expected probabilities of shape {expected}. Received {p.shape}.")
    maps = [p.argmax(axis=2).astype(np.uint8) for p in probabilities]
    present = np.unique(maps).tolist()
    legend = legend_strip(width_px, [i for i in present if i])
    scale = heat_scale(width_px)
    height = max(len(legend), len(scale))
    legend, scale = (
        np.pad(strip, ((0, height - len(strip)), (0, 0), (0, 0)), constant_values=255)
        for strip in (legend, scale)
    )
    title, blank = "The smear" if len(images) == 1 else "The smears", np.full_like(legend, 255)
    frames = [_frame(title, None, images, blank, width_px)]
    for c in CLASSES:
        shown = [heat(image, p[:, :, c.id]) for image, p in zip(images, probabilities, strict=True)]
        largest = max(float(p[:, :, c.id].max()) for p in probabilities)
        caption = f"{c.name}: probability up to {largest:.2f}"
        frames.append(_frame(caption, c.id, shown, scale, width_px))
    tinted = [overlay(image, m) for image, m in zip(images, maps, strict=True)]
    frames.append(_frame("The most probable class of each pixel", None, tinted, legend, width_px))
    return frames


def captioned_frames(
    pictures: Mapping[str, Sequence[np.ndarray]], class_ids: Sequence[int], width_px: int = 720
) -> list[np.ndarray]:
    """The frames of an animation: of each caption its pictures side by side.

    Args:
        pictures: caption -> ``(H, W, 3) uint8`` RGB, as many of one size for each.
        class_ids: classes of the legend.
        width_px: width of a frame.

    Returns:
        a frame ``(h, width_px, 3) uint8`` RGB for each caption.
    """
    legend = legend_strip(width_px, class_ids)
    return [_frame(caption, None, side, legend, width_px) for caption, side in pictures.items()]


def write_webm(path: Path | str, frames: Sequence[np.ndarray], frame_ms: int = FRAME_MS) -> None:
    """Write frames as a video in the format WebM (VP8), which browsers play, atomically.

    Args:
        path: where.
        frames: ``(H, W, 3) uint8`` RGB, all of one size; of an odd side the last pixel is left out.
        frame_ms: how long each is shown, in milliseconds.

    Raises:
        OSError: this OpenCV was built without the encoder.
    """
    height, width = (side // 2 * 2 for side in frames[0].shape[:2])
    with replacing(path) as temporary:
        file = temporary.with_suffix(".webm")  # by which OpenCV chooses the format
        writer = cv2.VideoWriter(
            str(file), cv2.VideoWriter.fourcc(*"VP80"), 1000 / frame_ms, (width, height)
        )
        if not writer.isOpened():
            raise OSError(
                f"{path}: expected an OpenCV that encodes VP8, as that of opencv-python does. "
                f"Received {cv2.__version__} without it."
            )
        for frame in frames:
            writer.write(cv2.cvtColor(frame[:height, :width], cv2.COLOR_RGB2BGR))
        writer.release()
        file.write_bytes(_with_own_number(file.read_bytes()))
        file.replace(temporary)


def _with_own_number(video: bytes) -> bytes:
    """A WebM whose track has the digest of all else for its number, which FFmpeg draws at random:
    the same frames give the same bytes.
    """
    begin = video.find(_TRACK_UID, 0, 1024)
    if begin < 0:
        return video
    begin += len(_TRACK_UID)
    drawn = video[begin : begin + 8]
    digest = hashlib.md5(video.replace(drawn, bytes(8)), usedforsecurity=False).digest()
    return video.replace(drawn, digest[:8])  # also where tags name it


def write_gif(path: Path | str, frames: Sequence[np.ndarray], frame_ms: int = FRAME_MS) -> None:
    """Write frames as a GIF that repeats for ever, atomically.

    Args:
        path: where.
        frames: ``(H, W, 3) uint8`` RGB, all of one size.
        frame_ms: how long each is shown, in milliseconds; GIF counts in steps of 10.

    Raises:
        ValueError: no frames, frames of different sizes, or a time below 20 ms, which browsers do
            not honour.
    """
    if not frames or any(f.shape != frames[0].shape or f.dtype != np.uint8 for f in frames):
        received = sorted({f"{f.shape} {f.dtype}" for f in frames})
        raise ValueError(
            f"{path}: expected one or more uint8 frames of one size. Received {received}."
        )
    if frame_ms < 20:
        raise ValueError(f"{path}: expected a frame_ms of at least 20. Received {frame_ms}.")
    few = [_reduced(f) for f in frames]
    # The writer would merge identical neighbours into one frame and lose the time of the others.
    kept, times = [few[0]], [frame_ms]
    for frame in few[1:]:
        if np.array_equal(frame, kept[-1]):
            times[-1] += frame_ms
        else:
            kept.append(frame)
            times.append(frame_ms)
    with replacing(path) as temporary:
        duration = times if len(times) > 1 else frame_ms
        iio.imwrite(temporary, kept, extension=".gif", duration=duration, loop=0)


def _reduced(frame: np.ndarray) -> np.ndarray:
    """A frame in few colours, those of the classes and of the heat map among them: a palette made
    of the frame alone would alter the rare ones.
    """
    fixed = np.vstack(
        [PALETTE, (colormaps[HEAT](np.linspace(0, 1, 32))[:, :3] * 255).astype(np.uint8)]
    )
    picture = Image.fromarray(frame)
    own = picture.quantize(_COLOURS - len(fixed), Image.Quantize.MEDIANCUT).getpalette()
    palette = Image.new("P", (1, 1))
    palette.putpalette(fixed.tobytes() + bytes(own or ()))
    return np.array(picture.quantize(palette=palette, dither=Image.Dither.NONE).convert("RGB"))


def _several(arrays: np.ndarray | Sequence[np.ndarray], dimensions: int) -> list[np.ndarray]:
    return (
        [arrays] if isinstance(arrays, np.ndarray) and arrays.ndim == dimensions else list(arrays)
    )


def _frame(
    caption: str,
    class_id: int | None,
    pictures: Sequence[np.ndarray],
    footer: np.ndarray,
    width_px: int,
) -> np.ndarray:
    """Caption above, pictures side by side at the width that fits, footer below."""
    side = (width_px - _GAP_PX * (len(pictures) - 1)) // len(pictures)
    height = round(side * pictures[0].shape[0] / pictures[0].shape[1])
    body = np.full((height, width_px, 3), 255, np.uint8)
    for i, picture in enumerate(pictures):
        how = cv2.INTER_AREA if side < picture.shape[1] else cv2.INTER_LINEAR
        left = i * (side + _GAP_PX)
        body[:, left : left + side] = cv2.resize(picture, (side, height), interpolation=how)
    header = Image.new("RGB", (width_px, _HEADER_PX), "white")
    draw, x = ImageDraw.Draw(header), 8
    if class_id is not None:
        draw.rectangle((x, 10, x + 20, 30), fill=CLASSES[class_id].colour, outline=(60, 60, 60))
        x += 30
    draw.text((x, _HEADER_PX / 2), caption, fill=(30, 30, 30), font=font(18), anchor="lm")
    return np.vstack([np.array(header), body, footer])
