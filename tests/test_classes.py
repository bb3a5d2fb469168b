import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from bloodseg_lib.classes import (
    CELL_CLASSES,
    CLASSES,
    PALETTE,
    PLATELET_IDS,
    RBC_IDS,
    WBC_IDS,
    Box,
    check_labels,
    class_by_key,
    colours_to_labels,
    labels_to_colours,
)

COLOURS = {
    "Background": "000000",
    "Eosinophil": "00ffff",
    "Basophil": "008080",
    "Neutrophil": "fbbebe",
    "Lymphocyte": "808000",
    "Monocyte": "000080",
    "Thrombocyte": "ffff00",
    "Platelet clump": "ff00ff",
    "Infected RBC": "ff0000",
    "Healthy RBC": "00ff00",
}


def test_names_and_colours_are_those_of_the_field():
    assert {c.name: bytes(c.colour).hex() for c in CLASSES} == COLOURS


def test_ids_count_from_background_and_every_cell_class_has_one_group():
    assert [c.id for c in CLASSES] == list(range(10))
    assert (
        sorted(WBC_IDS + PLATELET_IDS + RBC_IDS)
        == [c.id for c in CELL_CLASSES]
        == list(range(1, 10))
    )


def test_keys_and_codes_are_unique():
    assert len({c.key for c in CLASSES}) == len({c.code for c in CLASSES}) == 10


def test_the_palette_cannot_be_changed():
    with pytest.raises(ValueError, match="read-only"):
        PALETTE[0] = 1


def test_a_class_is_found_by_its_key_and_an_unknown_key_lists_the_legal_ones():
    assert class_by_key("monocyte").id == 5
    with pytest.raises(ValueError, match=r"background, eosinophil.*Received 'Monocyte'"):
        class_by_key("Monocyte")


@given(
    labels=arrays(
        np.uint8, st.tuples(st.integers(1, 12), st.integers(1, 12)), elements=st.integers(0, 9)
    )
)
def test_labels_to_colours_and_back_is_nothing(labels):
    np.testing.assert_array_equal(colours_to_labels(labels_to_colours(labels)), labels)


@given(
    labels=arrays(np.uint8, (4, 5), elements=st.integers(0, 9)),
    noise=arrays(np.int16, (4, 5, 3), elements=st.integers(-40, 40)),
)
def test_colours_off_by_up_to_the_tolerance_are_read_as_their_class(labels, noise):
    near = np.clip(labels_to_colours(labels) + noise, 0, 255).astype(np.uint8)
    np.testing.assert_array_equal(colours_to_labels(near), labels)


def test_the_original_projects_thrombocyte_is_accepted():
    assert colours_to_labels(np.full((1, 1, 3), (0xFF, 0xE1, 0x00), np.uint8)) == 6


def test_a_far_colour_is_refused_with_its_place_and_the_nearest_class():
    image = labels_to_colours(np.full((3, 4), 9, np.uint8))
    image[2, 1] = (0, 130, 0)
    with pytest.raises(
        ValueError,
        match=r"map\.bmp: colour #008200 at row 2, column 1 is no class's.*nearest is Healthy RBC",
    ):
        colours_to_labels(image, where="map.bmp")


@pytest.mark.parametrize(
    "wrong",
    [np.zeros((2, 2, 3), np.uint8), np.zeros((2, 2), np.int32), np.full((2, 2), 10, np.uint8)],
)
def test_what_is_no_label_map_is_refused_by_name(wrong):
    with pytest.raises(ValueError, match=r"^here\.png"):
        check_labels(wrong, "here.png")


@pytest.mark.parametrize(
    "wrong",
    [np.zeros((2, 2), np.uint8), np.zeros((2, 2, 4), np.uint8), np.zeros((2, 2, 3), np.float32)],
)
def test_what_is_no_colour_map_is_refused(wrong):
    with pytest.raises(ValueError, match="expected a colour map"):
        colours_to_labels(wrong)


def test_a_box_is_the_smallest_around_a_mask_and_cuts_it_out():
    mask = np.zeros((6, 8), bool)
    mask[2, 3] = mask[4, 5] = True
    box = Box.of_mask(mask)
    assert box == (3, 2, 3, 3)
    assert mask[box.window].shape == (3, 3) and mask[box.window].sum() == 2


def test_a_point_on_the_edge_of_a_box_is_in_it():
    box = Box(x=2, y=1, width=3, height=2)
    assert box.holds(2, 1) and box.holds(5, 3) and not box.holds(5.1, 2)
