import pickle
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import pytest
from bad_files import BAD, UNUSUAL
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from pictures import write_image
from PIL import Image
from skimage import data

from bloodseg_lib.classes import BACKGROUND, HEALTHY_RBC, INFECTED_RBC, NEUTROPHIL
from bloodseg_lib.cli import main
from bloodseg_lib.io import read_image, read_label_map
from bloodseg_lib.network.single_cell import SingleCellNetwork
from bloodseg_lib.prediction import segmenter as prediction
from bloodseg_lib.prediction import tiling
from bloodseg_lib.prediction.probabilities import over_symmetries
from bloodseg_lib.prediction.results import result_files
from bloodseg_lib.prediction.scale import AT_40X, Scale
from bloodseg_lib.prediction.segmenter import (
    PredictionConfig,
    Segmenter,
    segment_image,
)
from bloodseg_lib.prediction.tiling import TILE_PX, tile_layout, tile_side, tile_windows


def segment(image, network, factor=1.0, **options):
    """Segment without preprocessing, which these colours are not made for."""
    config = PredictionConfig(**{"preprocess": False, **options})
    return segment_image(image, network, Scale.of_factor(factor), config)


def colour_network(tiles):
    """Says infected with the share of red, healthy with that of green, background with the rest:

    exact, and blind to its neighbours.
    """
    probabilities = np.zeros((*tiles.shape[:3], 10), np.float32)
    probabilities[..., INFECTED_RBC] = tiles[..., 0] / 510
    probabilities[..., HEALTHY_RBC] = tiles[..., 1] / 510
    probabilities[..., BACKGROUND] = 1 - probabilities.sum(axis=3)
    return probabilities


def blurring_network(tiles, radius_px=9):
    """As a network with zero padding:

    the same everywhere, except within ``radius_px`` of a tile's edge, where it sees black.
    """
    size = (2 * radius_px + 1,) * 2
    return colour_network(
        np.stack(
            [cv2.blur(t, size, borderType=cv2.BORDER_CONSTANT) for t in tiles.astype(np.float32)]
        )
    )


def field(height, width, seed=0):
    """Soft blobs of colour."""
    noise = (
        np.random.default_rng(seed).random((height // 8 + 2, width // 8 + 2, 3)).astype(np.float32)
    )
    return (
        cv2.resize(noise, (width, height), interpolation=cv2.INTER_CUBIC).clip(0, 1) * 255
    ).astype(np.uint8)


def test_an_image_of_one_tile_gives_exactly_what_the_network_says():
    image = field(TILE_PX, TILE_PX)
    expected = blurring_network(image[None])[0]
    result = segment(image, blurring_network)
    np.testing.assert_array_equal(result.probabilities, expected.astype(np.float16))
    np.testing.assert_array_equal(result.labels, expected.argmax(axis=2))


@pytest.mark.parametrize("shape", [(1, 1), (30, 500), (224, 225), (223, 600), (449, 801)])
def test_any_size_is_covered_without_loss(shape):
    image = field(*shape)
    result = segment(image, colour_network)
    assert result.labels.shape == shape and result.labels.dtype == np.uint8
    assert result.probabilities.shape == (*shape, 10) and result.probabilities.dtype == np.float16
    np.testing.assert_allclose(result.probabilities, colour_network(image[None])[0], atol=1e-3)


@pytest.mark.parametrize("tile_px", [224, 320, 896])
def test_a_shifted_field_has_the_same_prediction_away_from_its_edges(tile_px):
    image = field(700, 900)
    whole = segment(image, blurring_network, tile_px=tile_px).probabilities[
        53 + 20 : -20, 71 + 20 : -20
    ]
    shifted = segment(image[53:, 71:], blurring_network, tile_px=tile_px).probabilities[
        20:-20, 20:-20
    ]
    # the last bit of float16 and the order of sums
    np.testing.assert_allclose(whole, shifted, atol=2e-3)


def test_without_overlap_the_same_network_shows_seams():
    image = field(700, 900)
    whole = segment(image, blurring_network, overlap_px=0, tile_px=224).probabilities[73:, 91:]
    shifted = segment(image[53:, 71:], blurring_network, overlap_px=0, tile_px=224).probabilities[
        20:, 20:
    ]
    assert np.abs(whole.astype(np.float32) - shifted).max() > 0.05


def test_edge_effects_wider_than_the_discarded_margin_are_blended_softly():
    image = np.full((600, 600, 3), 200, np.uint8)
    result = (
        segment(image, lambda tiles: blurring_network(tiles, 24), tile_px=224)
        .probabilities[40:-40, 40:-40, INFECTED_RBC]
        .astype(np.float32)
    )
    assert np.abs(np.diff(result, axis=1)).max() < 0.004  # of 0.39: no step that an eye would see


@given(st.integers(TILE_PX, 3000), st.integers(0, 112))
def test_windows_sum_to_one_at_every_pixel(length, overlap_px):
    total = np.zeros(length)
    for start, window in tile_windows(length, overlap_px):
        assert 0 <= start <= length - TILE_PX and window.min() >= 0
        total[start : start + TILE_PX] += window
    np.testing.assert_allclose(total, 1, atol=1e-6)


@given(st.integers(1, 30000), st.integers(0, 112), st.sampled_from([224, 320, 896]))
def test_tiles_are_few_and_no_larger_than_they_need_be(length, overlap_px, largest_px):
    side = tile_side(length, overlap_px, largest_px)
    assert TILE_PX <= side <= largest_px and side % 32 == 0
    count = len(tile_windows(max(length, side), overlap_px, side))
    assert count == len(tile_windows(max(length, largest_px), overlap_px, largest_px))
    assert side == TILE_PX or count * (side - 32) < length + (count - 1) * overlap_px


@given(st.integers(TILE_PX, 3000), st.integers(0, 112))
def test_neighbouring_tiles_overlap_at_least_as_asked(length, overlap_px):
    starts = [start for start, _ in tile_windows(length, overlap_px)]
    assert starts[0] == 0 and starts[-1] == length - TILE_PX
    assert all(b - a <= TILE_PX - overlap_px for a, b in pairwise(starts))


def test_scale_brings_the_image_to_40x_and_the_result_back():
    image = np.zeros((300, 500, 3), np.uint8)
    image[100:180, 200:320] = (255, 0, 0)
    seen = []

    def network(tiles):
        seen.append(tiles.shape)
        return colour_network(tiles)

    result = segment(image, network, factor=0.5)  # 150 x 250 at 40x: one tile of 224 x 256
    assert seen == [(1, 224, 256, 3)]
    assert result.scale.factor == 0.5 and result.labels.shape == (300, 500)
    assert result.probabilities[140, 260, INFECTED_RBC] == pytest.approx(0.5, abs=1e-3)
    assert result.probabilities[20, 20, BACKGROUND] == pytest.approx(1, abs=1e-3)


def test_batches_hold_no_more_tiles_than_allowed_and_do_not_change_the_result():
    image, sizes = field(300, 1000), []

    def network(tiles):
        sizes.append(len(tiles))
        return blurring_network(tiles)

    few = segment(image, network, batch_size=2, tile_px=224)
    assert max(sizes) == 2
    np.testing.assert_array_equal(
        few.probabilities, segment(image, network, batch_size=50, tile_px=224).probabilities
    )


def test_tiles_of_any_size_agree():
    image = field(500, 1000)
    small, large = (
        segment(image, blurring_network, tile_px=tile_px).probabilities for tile_px in (224, 896)
    )
    np.testing.assert_allclose(small[:-20, :-20], large[:-20, :-20], atol=2e-3)


@pytest.mark.parametrize("scale", [0.37, 0.5, 0.9, 1.3, 2.2])
def test_bands_give_what_opencv_gives_for_the_whole(scale):
    image = field(301, 437)
    result = segment(image, colour_network, factor=scale)
    size = (round(437 * scale), round(301 * scale))
    there = cv2.resize(image, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)
    channels = np.moveaxis(colour_network(there[None])[0], 2, 0)
    back = np.dstack(
        [
            cv2.resize(
                channel, (437, 301), interpolation=cv2.INTER_LINEAR if scale < 1 else cv2.INTER_AREA
            )
            for channel in channels
        ]
    )
    # one grey level of 255 and the rounding of float16
    np.testing.assert_allclose(result.probabilities, back, atol=4e-3)


@pytest.mark.parametrize("scale", [0.6, 1.0, 1.7])
def test_a_scaled_image_is_the_same_in_one_band_or_many(scale, monkeypatch):
    image = field(900, 300)
    whole = segment(image, colour_network, factor=scale)
    monkeypatch.setattr(tiling, "_BAND_BYTES", 1)  # bands of 224 rows
    monkeypatch.setattr(tiling, "_CHUNK_ROWS", 7)
    bands = segment(image, colour_network, factor=scale)
    np.testing.assert_allclose(whole.probabilities, bands.probabilities, atol=1e-3)


def test_the_probabilities_of_a_large_image_are_on_disk_and_all_else_is_the_same(monkeypatch):
    image = field(300, 400)
    small = segment(image, colour_network)
    monkeypatch.setattr(prediction, "KEPT_PX", 300 * 400 - 1)
    large = segment(image, colour_network)
    assert small.probabilities.dtype == np.float16
    assert isinstance(large.probabilities, np.memmap) and large.probabilities.dtype == np.uint8
    np.testing.assert_array_equal(small.labels, large.labels)
    # of 255, the rounding of float16
    assert np.abs(small.confidence.astype(int) - large.confidence).max() <= 1
    kept = segment(image, colour_network, keep_probabilities=True)
    assert kept.probabilities.dtype == np.float16


def test_confidence_is_the_probability_of_the_pixels_class():
    result = segment(field(224, 224), colour_network)
    np.testing.assert_allclose(
        result.confidence / 255, result.probabilities.max(axis=2), atol=0.5 / 255 + 1e-3
    )


def test_the_scale_is_measured_where_none_is_given():
    image = np.full((400, 400, 3), 240, np.uint8)
    for x in range(60, 400, 100):
        for y in range(60, 400, 100):
            cv2.circle(image, (x, y), 35, (200, 120, 130), -1)
    measured = segment_image(image, colour_network).scale
    assert measured.how == "measured" and measured.factor == pytest.approx(37 / 71, rel=0.08)
    given = segment(image, colour_network, 0.5).scale
    assert given.how == "given" and given.rbc_diameter_px == 74
    empty = segment_image(np.full((300, 300, 3), 240, np.uint8), colour_network).scale
    assert empty.how == "assumed" and empty.factor == 1 and "give their diameter" in str(empty)


def test_a_picture_of_one_white_cell_is_segmented_again_at_the_scale_that_it_tells():
    image = np.full((300, 300, 3), 240, np.uint8)
    cv2.circle(image, (150, 150), 120, (120, 60, 160), -1)
    seen = []

    def dark_is_white_cell(tiles):
        seen.append(tiles.shape[1])
        probabilities = np.zeros((*tiles.shape[:3], 10), np.float32)
        dark = tiles[..., 1] < 150
        probabilities[..., NEUTROPHIL], probabilities[..., BACKGROUND] = dark, ~dark
        return probabilities

    found = segment_image(image, dark_is_white_cell, Scale(1.0, "assumed"))
    assert found.scale.how == "assumed" and found.scale.factor == pytest.approx(0.3, rel=0.03)
    assert np.count_nonzero(found.labels) == pytest.approx(np.pi * 120**2, rel=0.05)
    assert len(seen) == 2


def test_a_scale_that_was_measured_before_is_not_measured_again(monkeypatch):
    monkeypatch.setattr(prediction, "find_scale", None)
    scale, plain = Scale(0.5, "measured", 74.0, 9), PredictionConfig(preprocess=False)
    result = segment_image(field(300, 300), colour_network, scale, plain)
    assert result.scale is scale
    np.testing.assert_array_equal(
        result.labels, segment(field(300, 300), colour_network, 0.5).labels
    )


@pytest.mark.parametrize("size", [(224, 224), (700, 1900)])
def test_progress_rises_to_one(size):
    told = []
    config = PredictionConfig(tile_px=224)
    segment_image(field(*size), colour_network, AT_40X, config, on_progress=told.append)
    assert (
        told == sorted(told) and told[-1] == 1 and 0 < told[0] <= 1 and len(set(told)) == len(told)
    )


@given(st.integers(1, 4000), st.integers(1, 4000), st.sampled_from([1, 4, 16]))
def test_tiles_pass_in_company_and_few_pixels_twice(width, height, batch):
    at_once = batch * TILE_PX**2
    wide, high, together = tile_layout(width, height, 64, at_once)
    assert wide % 32 == 0 and high % 32 == 0 and together * wide * high <= at_once
    across, down = (
        len(tile_windows(max(width, wide), 64, wide)),
        len(tile_windows(max(height, high), 64, high)),
    )
    assert 1 <= together <= across
    if batch == 16 and width >= 448:
        assert across % together != 1 and together > 1  # a tile alone takes nearly twice as long
    if batch == 16 and min(width, height) >= 448:
        assert across * wide * down * high <= 1.5 * width * height


def test_an_array_or_plain_tiff_on_disk_is_mapped_and_gives_the_same(tmp_path, monkeypatch):
    import tifffile

    image = field(300, 260)
    np.save(tmp_path / "a.npy", image)
    tifffile.imwrite(tmp_path / "a.tif", image, photometric="rgb")
    tifffile.imwrite(tmp_path / "packed.tif", image, photometric="rgb", compression="zlib")
    monkeypatch.setattr("bloodseg_lib.io.tiff._MAPPED_BYTES", 1000)
    expected = segment(image, colour_network).labels
    for name, mapped in (("a.npy", True), ("a.tif", True), ("packed.tif", False)):
        opened = read_image(tmp_path / name)
        assert isinstance(opened, np.memmap) == mapped
        np.testing.assert_array_equal(segment(opened, colour_network).labels, expected)


def test_an_array_file_that_is_none_is_refused_in_words(tmp_path):
    (tmp_path / "a.npy").write_bytes(b"text")
    with pytest.raises(ValueError, match=r"a\.npy: expected an image, received a text"):
        read_image(tmp_path / "a.npy")


@pytest.mark.skipif(
    not sys.platform.startswith("linux"),
    reason="reads the peak of resident memory as Linux reports it",
)
def test_memory_does_not_grow_with_the_area_of_the_image(tmp_path):
    path = tmp_path / "large.npy"
    np.lib.format.open_memmap(path, "w+", np.uint8, (3000, 3000, 3))[:] = 200
    code = f"""
import numpy as np, resource
from bloodseg_lib.io import read_image
from bloodseg_lib.prediction.scale import Scale
from bloodseg_lib.prediction.segmenter import PredictionConfig, segment_image
on_disk = PredictionConfig(keep_probabilities=False, preprocess=False)
blank = np.zeros(10, np.float32); blank[0] = 1
network = lambda tiles: np.broadcast_to(blank, (*tiles.shape[:3], 10))
image = read_image({str(path)!r})
segment_image(image[:300], network, Scale.of_factor(1), on_disk)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
segment_image(image, network, Scale.of_factor(0.8), on_disk)
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024)
"""
    grown = float(
        subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        ).stdout
    )
    # MiB; the probabilities of the whole image in float32 would be 343, and there were three copies
    # of them
    assert grown < 350


@pytest.mark.parametrize(
    ("image", "options", "words"),
    [
        (np.zeros((5, 5), np.uint8), {}, r"\(H, W, 3\).*Received \(5, 5\) uint8"),
        (np.zeros((5, 5, 4), np.uint8), {}, r"\(5, 5, 4\)"),
        (np.zeros((5, 5, 3), np.float32), {}, "float32"),
        (np.zeros((0, 5, 3), np.uint8), {}, r"\(0, 5, 3\)"),
        ("smear.png", {}, "Received str"),
        (np.zeros((5, 5, 3), np.uint8), {"factor": 0.0}, "scale"),
        (np.zeros((5, 5, 3), np.uint8), {"factor": float("nan")}, "scale"),
        (np.zeros((5, 5, 3), np.uint8), {"overlap_px": 113}, "overlap_px"),
        (np.zeros((5, 5, 3), np.uint8), {"tile_px": 230}, "tile_px"),
        (np.zeros((5, 5, 3), np.uint8), {"tile_px": 192}, "tile_px"),
        (np.zeros((5, 5, 3), np.uint8), {"batch_size": 0}, "batch_size"),
    ],
)
def test_bad_input_is_refused_in_words(image, options, words):
    with pytest.raises(ValueError, match=words):
        segment(image, colour_network, **options)


@pytest.mark.parametrize("scale", [1.0, "40x"])
def test_a_scale_that_is_none_is_refused_in_words(scale):
    with pytest.raises(ValueError, match=r"Expected a scale: Scale\.given.* Received"):
        segment_image(np.zeros((5, 5, 3), np.uint8), colour_network, scale)


def test_a_network_of_another_shape_is_refused():
    with pytest.raises(ValueError, match="It gave"):
        segment(field(224, 224), lambda tiles: np.zeros((len(tiles), 112, 112, 10), np.float32))


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    """A tiny network with fresh weights."""
    from bloodseg_lib.network.checkpoint import save_checkpoint
    from bloodseg_lib.network.config import UNetConfig
    from bloodseg_lib.network.sidecar import Sidecar
    from bloodseg_lib.network.unet import build_unet

    config = UNetConfig(width=2, levels=3)
    path = tmp_path_factory.mktemp("network") / "best.npz"
    save_checkpoint(
        path,
        build_unet(config),
        Sidecar(
            1, 1, 0.1, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0), 0.1, 1.0, [], config.to_dict(), {}, "none"
        ),
    )
    return path


def test_a_checkpoint_segments_as_its_network_predicts(checkpoint):
    from bloodseg_lib.network.checkpoint import load_model

    segmenter = Segmenter(checkpoint, PredictionConfig(preprocess=False))
    image = field(224, 224)
    result = segmenter.segment(image, AT_40X)
    np.testing.assert_allclose(
        result.probabilities,
        np.asarray(load_model(checkpoint)[0].predict_on_batch(image[None]))[0],
        atol=1e-3,
    )


def test_test_time_augmentation_turns_every_prediction_back():
    tiles = np.random.default_rng(0).integers(256, size=(2, 32, 64, 3), dtype=np.uint8)
    np.testing.assert_allclose(
        over_symmetries(lambda t: t / np.float32(255), tiles), tiles / np.float32(255), atol=1e-6
    )


def test_test_time_augmentation_averages_what_depends_on_the_direction():
    def by_column(tiles):
        return np.broadcast_to(
            np.arange(tiles.shape[2], dtype=np.float32)[:, None], (*tiles.shape[:3], 10)
        )

    # each pixel is in the column of its own x, of its mirror's, of its y and of its y's mirror,
    # twice each
    expected = ((32 - 1) + (64 - 1)) / 4
    np.testing.assert_allclose(
        over_symmetries(by_column, np.zeros((1, 32, 64, 3), np.uint8)),
        np.full((1, 32, 64, 10), expected),
    )


def test_a_segmenter_augments_when_told(checkpoint):
    tiles = field(96, 64)[None]
    plain = Segmenter(checkpoint)
    augmented = Segmenter(checkpoint, PredictionConfig(test_time_augmentation=True))
    np.testing.assert_array_equal(augmented.predict(tiles), over_symmetries(plain.predict, tiles))
    assert not np.allclose(augmented.predict(tiles), plain.predict(tiles), atol=1e-6)
    np.testing.assert_allclose(
        augmented.predict(tiles[:, ::-1])[:, ::-1], augmented.predict(tiles), atol=1e-5
    )


def test_threads_may_share_a_segmenter(checkpoint):
    segmenter = Segmenter(checkpoint)
    images = [field(300, 340 + 8 * number) for number in range(8)]
    expected = [segmenter.segment(image, AT_40X).labels for image in images]
    with ThreadPoolExecutor(4) as threads:
        found = threads.map(lambda image: segmenter.segment(image, AT_40X).labels, images)
        for labels, each in zip(found, expected, strict=True):
            np.testing.assert_array_equal(labels, each)


def test_all_networks_give_back_their_memory_after_a_picture(monkeypatch):
    segmenter, released = Segmenter(), []
    monkeypatch.setattr(SingleCellNetwork, "release", lambda network: released.append(network))
    segmenter.segment(field(64, 64), AT_40X)
    assert released == segmenter.single_cells and len(released) == 2


def test_a_segmenter_may_be_sent_to_another_process(checkpoint):
    segmenter = Segmenter(checkpoint, PredictionConfig(test_time_augmentation=True))
    sent = pickle.loads(pickle.dumps(segmenter))
    assert sent.identity == segmenter.identity
    tiles = field(96, 64)[None]
    np.testing.assert_array_equal(sent.predict(tiles), segmenter.predict(tiles))


def predict_command(checkpoint, out, *paths, options=()):
    return CliRunner().invoke(
        main,
        ["predict", *map(str, paths), "--checkpoint", str(checkpoint), "--out", str(out), *options],
    )


@pytest.mark.parametrize("options", [(), ("--rbc-diameter", "50")])
def test_the_command_line_gives_the_bytes_that_the_segmenter_does(options, checkpoint, tmp_path):
    image = np.full((300, 340, 3), 240, np.uint8)
    for x in range(50, 340, 80):
        for y in range(50, 300, 80):
            cv2.circle(image, (x, y), 25, (205, 140, 150), -1)
    write_image(tmp_path / "smear.png", image)
    result = predict_command(checkpoint, tmp_path / "out", tmp_path / "smear.png", options=options)
    assert result.exit_code == 0, result.output
    assert ("as given" if options else "the mean of") in result.output
    segmentation = Segmenter(checkpoint).segment(image, Scale.given(50) if options else None)
    expected = result_files(segmentation, image, "smear")[1]
    written = {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    assert written.pop("predicted.jsonl")  # what the results were made of, to go on with
    assert written == expected


def test_several_images_are_also_pooled(checkpoint, tmp_path):
    write_image(tmp_path / "a.png", field(224, 224))
    write_image(tmp_path / "b.png", field(224, 224)[::-1])
    result = predict_command(
        checkpoint,
        tmp_path / "out",
        tmp_path / "a.png",
        tmp_path / "b.png",
        options=("--rbc-diameter", "37"),
    )
    assert result.exit_code == 0 and (tmp_path / "out" / "pooled_counts.json").is_file()


@pytest.mark.parametrize("option", ["--label-maps-only", "--class-maps-only"])
def test_label_maps_alone_are_written_under_the_names_of_the_images(option, checkpoint, tmp_path):
    write_image(tmp_path / "smear.png", field(224, 224))
    result = predict_command(
        checkpoint,
        tmp_path / "out",
        tmp_path / "smear.png",
        options=("--rbc-diameter", "37", option),
    )
    assert result.exit_code == 0, result.output
    written = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert written == ["predicted.jsonl", "smear.png"]
    assert np.array_equal(
        read_label_map(tmp_path / "out" / "smear.png"),
        Segmenter(checkpoint).segment(field(224, 224), AT_40X).labels,
    )


@pytest.mark.parametrize("name", [*BAD, "array.npy"])
def test_a_bad_file_is_named_in_words_and_the_others_are_predicted(name, checkpoint, tmp_path):
    content, words = BAD.get(name, (b"hello", "expected an image"))
    write_image(tmp_path / "good.png", field(224, 230))
    (tmp_path / name).write_bytes(content)
    result = predict_command(
        checkpoint,
        tmp_path / "out",
        tmp_path / name,
        tmp_path / "good.png",
        options=("--rbc-diameter", "37"),
    )
    assert result.exit_code == 1 and isinstance(result.exception, SystemExit)  # no traceback
    assert name in result.output and words in result.output
    assert (tmp_path / "out" / "good_classes.png").is_file() and not (
        tmp_path / "out" / f"{Path(name).stem}_classes.png"
    ).exists()


@pytest.mark.parametrize("name", UNUSUAL)
def test_an_unusual_image_is_read_as_what_it_shows(name, checkpoint, tmp_path):
    (tmp_path / name).write_bytes(UNUSUAL[name])
    result = predict_command(checkpoint, tmp_path / "out", tmp_path / name)
    assert result.exit_code == 0, result.output
    with (
        Image.open(tmp_path / name) as picture,
        Image.open(tmp_path / "out" / f"{Path(name).stem}_classes.png") as classes,
    ):
        assert classes.size == picture.size


def test_of_a_photograph_of_something_else_it_is_said_that_it_has_no_scale(checkpoint, tmp_path):
    write_image(tmp_path / "cat.png", data.chelsea())
    result = predict_command(checkpoint, tmp_path / "out", tmp_path / "cat.png")
    assert (
        result.exit_code == 0 and "scale 1 assumed: fewer than 3 red blood cells" in result.output
    )


def test_a_missing_checkpoint_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"none\.npz"):
        Segmenter(tmp_path / "none.npz")


def test_only_what_needs_the_network_imports_tensorflow():
    modules = (
        "classes config io optics runs samples.bank smears.compose smears.dataset "
        "network.metrics network training prediction prediction.cells prediction.counts "
        "prediction.export prediction.results prediction.scale prediction.segmenter "
        "prediction.tiling figures.images figures.charts figures.architecture figures.overlays "
        "figures.animation evaluation.composed panel.panel"
    )
    lines = "; ".join(f"import bloodseg_lib.{name}" for name in modules.split())
    code = (
        f"import sys, bloodseg_lib; {lines}; sys.exit(any(name in sys.modules for name in "
        "('tensorflow', 'keras', 'jax', 'matplotlib.pyplot')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_face_imports_no_tensorflow():
    code = (
        "import sys; from bloodseg_lib.prediction import PredictionConfig, Segmenter, count_cells; "
        "sys.exit('tensorflow' in sys.modules or 'keras' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_importing_the_package_is_quick_and_imports_no_tensorflow():
    code = (
        "import sys, time; t = time.process_time(); import bloodseg_lib; "
        "slow = time.process_time() - t > 0.5; "
        "sys.exit('tensorflow' in sys.modules or 'keras' in sys.modules or slow)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
