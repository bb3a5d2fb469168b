"""The variation on a device, `experiments/resident.py`, is that of the host."""

import numpy as np
import pytest

from bloodseg_lib.optics import scale_density

jax = pytest.importorskip("jax", reason="the extra jax is not installed")


@pytest.fixture(scope="module")
def seen():
    from resident import varied

    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (16, 8, 8, 3), np.uint8)
    labels = images[..., 0]  # so that they must move together
    key, still = jax.random.key(3), jax.numpy.float32(0)
    moved, moved_labels = varied(images, labels, key, still)
    stained, _ = varied(images, labels, key, jax.numpy.float32(0.3))
    return images, *(np.asarray(array) for array in (moved, moved_labels, stained))


def test_image_and_label_map_are_mirrored_and_turned_alike_in_all_eight_ways(seen):
    images, moved, labels, _ = seen
    np.testing.assert_array_equal(np.rint(moved[..., 0]), labels)
    ways = set()
    for image, result in zip(images, np.rint(moved), strict=True):
        turned = [np.rot90(i, k) for i in (image, image[:, ::-1]) for k in range(4)]
        fits = [k for k, way in enumerate(turned) if np.array_equal(way, result)]
        assert len(fits) == 1
        ways |= set(fits)
    assert len(ways) >= 6  # of eight, in sixteen images


def test_the_stain_varies_in_optical_density(seen):
    """Each channel by a factor of its own, as `scale_density` does it."""
    _, moved, _, stained = seen
    for before, after in zip(np.rint(moved).astype(np.uint8), stained, strict=True):
        usable = (before > 40) & (before < 215)
        ratio = np.log(np.maximum(after, 1e-9) / 255) / np.log(np.clip(before, 1, 254) / 255)
        factors = [np.median(ratio[..., c][usable[..., c]]) for c in range(3)]
        assert len({round(f, 3) for f in factors}) == 3
        expected = scale_density(before, np.array(factors)).astype(float)
        assert np.abs(after - expected)[usable].max() <= 1
