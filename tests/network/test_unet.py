import numpy as np
import pytest

from bloodseg_lib.network.config import UNetConfig
from bloodseg_lib.network.unet import build_unet


def conv(size, channels_in, channels_out):
    return size * size * channels_in * channels_out + channels_out


def test_the_network_of_the_paper_halved_has_7760394_parameters():
    contracting = [(3, 32), (32, 64), (64, 128), (128, 256), (256, 512)]
    expanding = [(512, 256), (256, 128), (128, 64), (64, 32)]
    down = sum(conv(3, a, b) + conv(3, b, b) for a, b in contracting)
    # The transposed convolution halves the channels, the concatenation doubles them again, the
    # first convolution halves them.
    up = sum(conv(2, a, b) + conv(3, 2 * b, b) + conv(3, b, b) for a, b in expanding)
    assert down + up + conv(1, 32, 10) == 7_760_394
    assert build_unet(size_px=224).count_params() == 7_760_394


def test_width_scales_every_level():
    model = build_unet(UNetConfig(width=3))
    widths = [
        model.get_layer(name).filters
        for name in ("down0_conv1", "down1_conv2", "down4_conv1", "up3_conv0", "up0_conv2")
    ]
    assert widths == [3, 6, 48, 24, 3]


@pytest.fixture(scope="module")
def tiny():
    return build_unet(UNetConfig(width=2))


@pytest.fixture(scope="module")
def image():
    return np.random.default_rng(0).integers(0, 256, (2, 32, 48, 3), dtype=np.uint8)


def test_output_is_a_probability_for_every_class_and_pixel_of_any_multiple_of_16(tiny, image):
    probabilities = np.asarray(tiny(image))
    assert probabilities.shape == (2, 32, 48, 10)
    assert probabilities.dtype == np.float32
    np.testing.assert_allclose(probabilities.sum(axis=-1), 1, rtol=1e-5)


def test_uint8_and_float_images_give_the_same(tiny, image):
    np.testing.assert_array_equal(
        np.asarray(tiny(image)), np.asarray(tiny(image.astype(np.float32)))
    )


def test_images_are_normalised_inside():
    plain = build_unet(UNetConfig(width=2, mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0)))
    inside = build_unet(UNetConfig(width=2, mean=(10.0, 20.0, 30.0), std=(2.0, 4.0, 8.0)))
    raw = np.full((1, 16, 16, 3), (14, 28, 14), dtype=np.uint8)
    # (14-10)/2, (28-20)/4, (14-30)/8
    normalised = np.full((1, 16, 16, 3), (2, 2, -2), dtype=np.float32)
    np.testing.assert_allclose(np.asarray(inside(raw)), np.asarray(plain(normalised)), rtol=1e-5)
    assert inside.count_params() == plain.count_params()


def test_weights_are_a_pure_function_of_the_seed():
    def first_kernel(seed):
        return np.asarray(
            build_unet(UNetConfig(width=2), seed=seed).get_layer("down0_conv1").kernel
        )

    np.testing.assert_array_equal(first_kernel(3), first_kernel(3))
    assert (first_kernel(3) != first_kernel(4)).any()


def test_bfloat16_still_ends_in_float32_and_agrees_roughly(tiny, image):
    low = build_unet(UNetConfig(width=2), precision="bfloat16")
    probabilities = np.asarray(low(image))
    assert probabilities.dtype == np.float32
    np.testing.assert_allclose(probabilities, np.asarray(tiny(image)), atol=0.03)


def test_batch_normalisation_is_an_option():
    model = build_unet(UNetConfig(width=2, normalization="batch", momentum=0.8))
    assert model.get_layer("down0_norm1").momentum == 0.8
    assert not model.get_layer("down0_conv1").use_bias


def test_dropout_ends_the_contracting_path():
    model = build_unet(UNetConfig(width=2, dropout=0.25))
    assert [layer.name for layer in model.layers if "dropout" in layer.name] == [
        "down3_dropout",
        "down4_dropout",
    ]
    assert model.get_layer("down4_dropout").rate == 0.25


def test_impossible_shapes_are_refused():
    with pytest.raises(ValueError, match=r"UNetConfig.width: expected 1 to 512. Received 0"):
        UNetConfig(width=0)
    with pytest.raises(
        ValueError,
        match=r"UNetConfig.normalization: expected one of 'none', 'batch'. Received 'layer'",
    ):
        UNetConfig(normalization="layer")
    with pytest.raises(
        ValueError, match=r"size_px: expected a multiple of 16, which 5 levels need. Received 100"
    ):
        build_unet(size_px=100)
    with pytest.raises(ValueError, match="precision: expected one of float32, bfloat16, auto"):
        build_unet(precision="float64")


def test_config_survives_json():
    config = UNetConfig(width=7, mean=(1.0, 2.0, 3.0))
    assert UNetConfig.from_dict(config.to_dict()) == config


def test_the_skip_connection_carries_the_image_where_nothing_comes_from_below():
    model = build_unet(UNetConfig(width=2, levels=2))
    below = model.get_layer("up0_conv0")
    below.set_weights([np.zeros_like(values) for values in below.get_weights()])
    dark, light = (np.full((1, 8, 8, 3), value, np.uint8) for value in (0, 255))
    assert not np.allclose(model(dark), model(light))
