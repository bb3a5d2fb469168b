import cv2
import numpy as np
import pytest
from PIL import Image

from bloodseg_lib.classes import CLASSES, HEALTHY_RBC, INFECTED_RBC
from bloodseg_lib.figures.animation import (
    captioned_frames,
    heat_map_frames,
    write_gif,
    write_webm,
)
from bloodseg_lib.figures.overlays import heat_scale

IMAGE = np.random.default_rng(0).integers(120, 240, (40, 60, 3), np.uint8)
LABELS = np.zeros((40, 60), np.uint8)
LABELS[5:20, 5:20], LABELS[20:35, 30:55] = INFECTED_RBC, HEALTHY_RBC
PROBABILITIES = np.eye(10, dtype=np.float16)[LABELS]


def read_gif(path):
    with Image.open(path) as gif:
        frames, times = [], []
        for i in range(gif.n_frames):
            gif.seek(i)
            frames.append(np.array(gif.convert("RGB")))
            times.append(gif.info["duration"])
        return frames, times, gif.info.get("loop")


def test_a_frame_for_the_image_each_class_and_the_result():
    frames = heat_map_frames(IMAGE, PROBABILITIES, width_px=300)
    assert (
        len(frames) == 12
        and {f.shape for f in frames} == {frames[0].shape}
        and frames[0].shape[1] == 300
    )
    assert frames[0].dtype == np.uint8


def test_each_class_frame_bears_its_colour():
    for c, frame in zip(
        CLASSES, heat_map_frames(IMAGE, PROBABILITIES, width_px=300)[1:11], strict=True
    ):
        np.testing.assert_array_equal(frame[20, 18], c.colour)


def test_each_class_frame_has_the_scale_of_the_heat_map_beneath():
    for frame in heat_map_frames(IMAGE, PROBABILITIES, width_px=300)[1:11]:
        scale = heat_scale(300)
        np.testing.assert_array_equal(frame[40 + 200 :][: len(scale)], scale)


def test_several_images_stand_side_by_side():
    frames = heat_map_frames(
        [IMAGE, IMAGE[::-1]], [PROBABILITIES, PROBABILITIES[::-1]], width_px=304
    )
    left, right = frames[9][40:140, :150], frames[9][40:140, 154:]
    assert np.abs(left.astype(int) - right[::-1]).mean() < 2 and not np.array_equal(left, right)


def test_sizes_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="one size"):
        heat_map_frames([IMAGE, IMAGE[1:]], [PROBABILITIES, PROBABILITIES[1:]])
    with pytest.raises(ValueError, match="for each"):
        heat_map_frames([IMAGE], [])
    with pytest.raises(ValueError, match=r"\(40, 60, 10\)"):
        heat_map_frames(IMAGE, PROBABILITIES[:, 1:])


def test_every_frame_is_shown_for_its_time_and_the_gif_repeats(tmp_path):
    write_gif(tmp_path / "a.gif", heat_map_frames(IMAGE, PROBABILITIES, width_px=300), frame_ms=700)
    frames, times, loop = read_gif(tmp_path / "a.gif")
    assert sum(times) == 12 * 700 and loop == 0
    assert len(frames) == 12


def test_identical_frames_keep_their_time_together(tmp_path):
    one, two = np.zeros((8, 8, 3), np.uint8), np.full((8, 8, 3), 255, np.uint8)
    write_gif(tmp_path / "a.gif", [one, one, one, two, one], frame_ms=200)
    frames, times, _ = read_gif(tmp_path / "a.gif")
    assert times == [600, 200, 200]
    assert [int(f[0, 0, 0]) for f in frames] == [0, 255, 0]


def test_class_colours_survive_the_palette_of_the_gif(tmp_path):
    frames = heat_map_frames(IMAGE, PROBABILITIES, width_px=300)
    write_gif(tmp_path / "a.gif", frames)
    for c, frame in zip(CLASSES, read_gif(tmp_path / "a.gif")[0][1:11], strict=True):
        np.testing.assert_array_equal(frame[20, 18], c.colour)


def test_one_frame_is_a_picture(tmp_path):
    write_gif(tmp_path / "a.gif", [IMAGE])
    with Image.open(tmp_path / "a.gif") as gif:
        assert gif.n_frames == 1 and gif.size == (60, 40)


def test_frames_that_make_no_gif_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"a\.gif: expected one or more"):
        write_gif(tmp_path / "a.gif", [])
    with pytest.raises(ValueError, match="one size"):
        write_gif(tmp_path / "a.gif", [IMAGE, IMAGE[1:]])
    with pytest.raises(ValueError, match="frame_ms"):
        write_gif(tmp_path / "a.gif", [IMAGE], frame_ms=1)
    assert not list(tmp_path.iterdir())


def test_each_caption_has_a_frame_with_its_pictures_side_by_side():
    dark, light = np.zeros_like(IMAGE), np.full_like(IMAGE, 255)
    one, two = captioned_frames({"a": [dark, light], "b": [light, dark]}, [HEALTHY_RBC], 304)
    assert one.shape == two.shape and one.shape[1] == 304
    assert one[90, [75, 229]].tolist() == [[0] * 3, [255] * 3]
    assert two[90, [75, 229]].tolist() == [[255] * 3, [0] * 3]
    assert (one[140:] == CLASSES[HEALTHY_RBC].colour).all(axis=2).any()


def test_a_video_holds_the_frames_in_their_order(tmp_path):
    frames = [np.full((41, 60, 3), (grey, 0, 255 - grey), np.uint8) for grey in (0, 120, 240)]
    write_webm(tmp_path / "a.webm", frames, frame_ms=500)
    video = cv2.VideoCapture(str(tmp_path / "a.webm"))
    read = []
    while (frame := video.read())[0]:
        read.append(frame[1])
    assert [frame.shape for frame in read] == [(40, 60, 3)] * 3
    reds = [frame[20, 30, 2] for frame in read]
    assert np.abs(np.array(reds, int) - (0, 120, 240)).max() < 12
    assert video.get(cv2.CAP_PROP_FPS) == 2
    assert [path.name for path in tmp_path.iterdir()] == ["a.webm"]


def test_the_same_frames_give_the_same_video(tmp_path):
    frames = [np.full((40, 60, 3), level, np.uint8) for level in (0, 120, 250)]
    for name in ("a.webm", "b.webm"):
        write_webm(tmp_path / name, frames)
    assert (tmp_path / "a.webm").read_bytes() == (tmp_path / "b.webm").read_bytes()
    write_webm(tmp_path / "b.webm", frames[1:])
    assert (tmp_path / "a.webm").read_bytes() != (tmp_path / "b.webm").read_bytes()
