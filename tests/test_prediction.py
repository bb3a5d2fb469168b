import subprocess
import sys
from itertools import pairwise

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bloodseg_lib.classes import BACKGROUND, HEALTHY_RBC, INFECTED_RBC
from bloodseg_lib.prediction import TILE_PX, Segmenter, scale_to_40x, segment_image, tile_windows


def colour_network(tiles):
    """Says infected with the share of red, healthy with that of green, background with the rest: exact, and blind to its neighbours."""
    probabilities = np.zeros((*tiles.shape[:3], 10), np.float32)
    probabilities[..., INFECTED_RBC] = tiles[..., 0] / 510
    probabilities[..., HEALTHY_RBC] = tiles[..., 1] / 510
    probabilities[..., BACKGROUND] = 1 - probabilities.sum(axis=3)
    return probabilities


def blurring_network(tiles, radius_px=9):
    """As a network with zero padding: the same everywhere, except within ``radius_px`` of a tile's edge, where it sees black."""
    size = (2 * radius_px + 1,) * 2
    return colour_network(np.stack([cv2.blur(t, size, borderType=cv2.BORDER_CONSTANT) for t in tiles.astype(np.float32)]))


def field(height, width, seed=0):
    """Soft blobs of colour."""
    noise = np.random.default_rng(seed).random((height // 8 + 2, width // 8 + 2, 3)).astype(np.float32)
    return (cv2.resize(noise, (width, height), interpolation=cv2.INTER_CUBIC).clip(0, 1) * 255).astype(np.uint8)


def test_an_image_of_one_tile_gives_exactly_what_the_network_says():
    image = field(TILE_PX, TILE_PX)
    expected = blurring_network(image[None])[0]
    result = segment_image(image, blurring_network)
    np.testing.assert_array_equal(result.probabilities, expected.astype(np.float16))
    np.testing.assert_array_equal(result.labels, expected.argmax(axis=2))


@pytest.mark.parametrize("shape", [(1, 1), (30, 500), (224, 225), (223, 600), (449, 801)])
def test_any_size_is_covered_without_loss(shape):
    image = field(*shape)
    result = segment_image(image, colour_network)
    assert result.labels.shape == shape and result.labels.dtype == np.uint8
    assert result.probabilities.shape == (*shape, 10) and result.probabilities.dtype == np.float16
    np.testing.assert_allclose(result.probabilities, colour_network(image[None])[0], atol=1e-3)


def test_a_shifted_field_has_the_same_prediction_away_from_its_edges():
    image = field(700, 900)
    whole = segment_image(image, blurring_network).probabilities[53 + 20 :, 71 + 20 :]
    shifted = segment_image(image[53:, 71:], blurring_network).probabilities[20:, 20:]
    np.testing.assert_allclose(whole, shifted, atol=2e-3)  # the last bit of float16 and the order of sums


def test_without_overlap_the_same_network_shows_seams():
    image = field(700, 900)
    whole = segment_image(image, blurring_network, overlap_px=0).probabilities[73:, 91:]
    shifted = segment_image(image[53:, 71:], blurring_network, overlap_px=0).probabilities[20:, 20:]
    assert np.abs(whole.astype(np.float32) - shifted).max() > 0.05


def test_edge_effects_wider_than_the_discarded_margin_are_blended_softly():
    image = np.full((600, 600, 3), 200, np.uint8)
    result = segment_image(image, lambda tiles: blurring_network(tiles, 24)).probabilities[40:-40, 40:-40, INFECTED_RBC].astype(np.float32)
    assert np.abs(np.diff(result, axis=1)).max() < 0.004  # of 0.39: no step that an eye would see


@given(st.integers(TILE_PX, 3000), st.integers(0, 112))
def test_windows_sum_to_one_at_every_pixel(length, overlap_px):
    total = np.zeros(length)
    for start, window in tile_windows(length, overlap_px):
        assert 0 <= start <= length - TILE_PX and window.min() >= 0
        total[start : start + TILE_PX] += window
    np.testing.assert_allclose(total, 1, atol=1e-6)


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

    result = segment_image(image, network, scale=0.5)  # 150 x 250 at 40x: two tiles across, 26 pixels apart
    assert seen == [(2, 224, 224, 3)]
    assert result.scale == 0.5 and result.labels.shape == (300, 500)
    assert result.probabilities[140, 260, INFECTED_RBC] == pytest.approx(0.5, abs=1e-3)
    assert result.probabilities[20, 20, BACKGROUND] == pytest.approx(1, abs=1e-3)


def test_batches_hold_no_more_tiles_than_allowed_and_do_not_change_the_result():
    image, sizes = field(300, 1000), []

    def network(tiles):
        sizes.append(len(tiles))
        return blurring_network(tiles)

    few = segment_image(image, network, batch_size=2)
    assert max(sizes) == 2
    np.testing.assert_array_equal(few.probabilities, segment_image(image, network, batch_size=50).probabilities)


def test_scale_to_40x_is_37_over_the_diameter():
    assert scale_to_40x(74) == 0.5
    with pytest.raises(ValueError, match="2 to 2000"):
        scale_to_40x(0)


@pytest.mark.parametrize(
    ("image", "options", "words"),
    [
        (np.zeros((5, 5), np.uint8), {}, r"\(H, W, 3\).*Received \(5, 5\) uint8"),
        (np.zeros((5, 5, 4), np.uint8), {}, r"\(5, 5, 4\)"),
        (np.zeros((5, 5, 3), np.float32), {}, "float32"),
        (np.zeros((0, 5, 3), np.uint8), {}, r"\(0, 5, 3\)"),
        ("smear.png", {}, "Received str"),
        (np.zeros((5, 5, 3), np.uint8), {"scale": 0.0}, "scale"),
        (np.zeros((5, 5, 3), np.uint8), {"scale": float("nan")}, "scale"),
        (np.zeros((5, 5, 3), np.uint8), {"overlap_px": 113}, "overlap_px"),
    ],
)
def test_bad_input_is_refused_in_words(image, options, words):
    with pytest.raises(ValueError, match=words):
        segment_image(image, colour_network, **options)


def test_a_network_of_another_shape_is_refused():
    with pytest.raises(ValueError, match="It gave"):
        segment_image(field(224, 224), lambda tiles: np.zeros((len(tiles), 112, 112, 10), np.float32))


def test_a_checkpoint_segments_as_its_network_predicts(tmp_path):
    from bloodseg_lib.checkpoint import Sidecar, save_checkpoint
    from bloodseg_lib.unet import UNetConfig, build_unet

    config = UNetConfig(width=2, levels=3)
    model = build_unet(config)
    sidecar = Sidecar(1, 1, 0.1, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0), 0.1, 1.0, [], config.to_dict(), {}, "none")
    save_checkpoint(tmp_path / "best.npz", model, sidecar)
    image = field(224, 224)
    result = Segmenter(tmp_path / "best.npz").segment(image)
    np.testing.assert_allclose(result.probabilities, np.asarray(model.predict_on_batch(image[None]))[0], atol=1e-3)


def test_a_missing_checkpoint_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"none\.npz"):
        Segmenter(tmp_path / "none.npz")


def test_only_what_needs_the_network_imports_tensorflow():
    modules = (
        "classes config files labelmaps runs samples smears dataset metrics weights counting figures animation prediction evaluation results widgets"
    )
    lines = "; ".join(f"import bloodseg_lib.{name}" for name in modules.split())
    code = f"import sys, bloodseg_lib; {lines}; sys.exit(any(name in sys.modules for name in ('tensorflow', 'keras', 'jax', 'matplotlib.pyplot')))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_importing_the_package_is_quick_and_imports_no_tensorflow():
    code = (
        "import sys, time; t = time.perf_counter(); import bloodseg_lib; "
        "sys.exit('tensorflow' in sys.modules or 'keras' in sys.modules or time.perf_counter() - t > 0.5)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
