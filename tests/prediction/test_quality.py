"""A judgement before the count: each finding on a picture that shows it, none on a sharp field."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
from drawn_fields import drawn_field, photographed

from bloodseg_lib.classes import HEALTHY_RBC, RBC_DIAMETER_PX, Box
from bloodseg_lib.prediction.appearance import Appearance
from bloodseg_lib.prediction.cells import Cell
from bloodseg_lib.prediction.counts import CountingConfig, count_cells, pool
from bloodseg_lib.prediction.finding import Finding, Quality
from bloodseg_lib.prediction.preprocessing import Preprocessing
from bloodseg_lib.prediction.quality import judge
from bloodseg_lib.prediction.results import count_field
from bloodseg_lib.prediction.scale import AT_40X, Scale
from bloodseg_lib.prediction.segmenter import Segmentation
from bloodseg_lib.prediction.writing import burnt_in, of_writing, without_writing

MEASURED = Scale(1.0, "measured", RBC_DIAMETER_PX, 60)
BACKGROUND, CELL = (246, 240, 248), (190, 150, 195)


def field(background=BACKGROUND, cell=CELL, blur_px=0.0):
    """Discs of the size of red cells, and their label map."""
    image = np.full((420, 520, 3), background, np.uint8)
    labels = np.zeros(image.shape[:2], np.uint8)
    rng = np.random.default_rng(0)  # a lattice would be a copy of itself
    for y in range(35, 400, 50):
        aside = int(rng.integers(-9, 10))
        for column in range(35, 500, 50):
            centre = column + aside + int(rng.integers(-5, 6)), y
            radius = int(rng.integers(15, 19))
            cv2.circle(image, centre, radius, cell, -1, cv2.LINE_AA)
            cv2.circle(labels, centre, radius, HEALTHY_RBC, -1)
    return photographed(cv2.GaussianBlur(image, (0, 0), max(0.6, blur_px))), labels


def segmented(image, labels, scale=MEASURED, sure=0.95):
    probabilities = np.full((*labels.shape, 10), (1 - sure) / 9, np.float16)
    np.put_along_axis(probabilities, labels[:, :, None].astype(int), np.float16(sure), axis=2)
    preparation = Preprocessing.of(image, scale.factor)
    written = burnt_in(image, preparation.outside)
    return Segmentation(labels, probabilities, scale, preparation, written)


def judged(image, labels, scale=MEASURED, sure=0.95):
    return count_field(segmented(image, labels, scale, sure), image).quality


def names(quality, level=None):
    return [f.name for f in quality.findings if level in (None, f.level)]


def test_nothing_is_said_of_a_sharp_field():
    assert judged(*field()) == Quality()


def test_a_printed_page_and_cells_of_two_colours_are_warned_of():
    image, labels = field()
    rows, columns = np.indices(labels.shape)
    dots = 12 * np.cos(2 * np.pi * (0.2 * rows + 0.15 * columns))[:, :, None]
    printed = np.clip(image + dots, 0, 255).astype(np.uint8)
    assert "pattern" in names(judged(printed, labels), "warning")
    coloured = image.copy()
    left = (labels > 0) & (columns < 260)
    coloured[left] = photographed(np.full(image.shape, (190, 150, 120), np.uint8))[left]
    assert "hues" in names(judged(coloured, labels), "warning")


@pytest.mark.parametrize(("blur_px", "level"), [(2.0, "warning"), (4.0, "withheld")])
def test_a_field_out_of_focus_is_warned_of_and_then_withheld(blur_px, level):
    quality = judged(*field(blur_px=blur_px))
    assert "focus" in names(quality, level)
    assert bool(quality.reason("parasitaemia")) == (level == "withheld")


def test_the_focus_does_not_depend_on_how_strongly_the_cells_are_stained():
    pale = judged(*field(cell=(228, 214, 232)))
    assert names(pale) == []


def test_a_negative_and_a_dark_picture_give_no_figures():
    image, labels = field()
    for dark in (255 - image, image // 8):
        quality = judged(dark, labels)
        assert "light" in names(quality, "withheld")
        assert quality.reason("counts") and quality.reason("differential")


def test_a_picture_without_cells_is_warned_of():
    image, labels = field()
    assert names(judged(image, 0 * labels)) == ["cells"]


def test_an_empty_slide_gives_no_figures():
    empty = np.full((300, 300, 3), BACKGROUND, np.uint8)
    assert "contrast" in names(judged(empty, np.zeros((300, 300), np.uint8)), "withheld")


def test_a_scale_that_is_a_guess_withholds_percentages():
    quality = judged(*field(), scale=Scale(1.0, "assumed", None, 1))
    assert quality.reason("parasitaemia") and not quality.reason("counts")


@pytest.mark.parametrize(
    ("given", "level"), [(37, None), (45, None), (52, "warning"), (80, "withheld")]
)
def test_a_given_diameter_is_held_against_the_measured_one(given, level):
    image, labels = field()
    found = segmented(image, labels)
    quality = judge(image, replace(found, scale=Scale.given(given)), ())
    assert [f.level for f in quality.findings if f.name == "scale"] == ([level] if level else [])


@pytest.mark.parametrize(("um", "said"), [(None, False), (0.2, False), (0.05, True)])
def test_a_pixel_size_that_red_cells_contradict_is_said(um, said):
    quality = judged(*field(), scale=replace(MEASURED, file_um=um))  # 37 pixels are 7.5 um at 0.2
    assert names(quality, "warning") == (["pixel size"] if said else [])


@pytest.mark.parametrize(("sure", "level"), [(0.95, None), (0.79, "warning"), (0.6, "withheld")])
def test_a_network_that_is_lost_gives_no_figures(sure, level):
    quality = judged(*field(), sure=sure)
    assert [f.level for f in quality.findings if f.name == "likeness"] == ([level] if level else [])


def test_red_cells_that_the_network_is_not_sure_of_withhold_the_parasitaemia():
    def cell(confidence):
        return Cell(HEALTHY_RBC, 1000, Box(0, 0, 9, 9), (4.0, 4.0), 1.0, confidence)

    image, labels = field()
    found = segmented(image, labels)
    sure, unsure = [cell(0.99)] * 70, [cell(0.7)] * 30
    assert names(judge(image, found, sure + unsure), "warning") == ["red cells"]
    quality = judge(image, found, sure + unsure * 3)
    assert quality.reason("parasitaemia") and not quality.reason("differential")


def test_a_grey_picture_withholds_the_differential():
    image, labels = field()
    grey = np.repeat(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)[:, :, None], 3, axis=2)
    assert judged(grey, labels).reason("differential")
    assert not judged(grey, labels).reason("parasitaemia")


@pytest.mark.parametrize(("coloured", "level"), [(True, "warning"), (False, "withheld")])
def test_with_hardly_any_slide_a_picture_needs_its_colour(coloured, level):
    """Bricks, in a word."""
    image, labels = field()
    seen = segmented(image, labels)
    found = replace(Appearance.of(image, seen), empty=0.05, colourful=60.0 if coloured else 0.0)
    quality = judge(image, seen, [], seen=found)
    assert "crowding" in names(quality, level)
    assert bool(quality.reason("counts")) is not coloured


@pytest.mark.parametrize("colour", [(20, 20, 20), (255, 255, 0), (0, 0, 255)])
def test_cells_under_writing_are_left_out_and_the_others_stay(colour):
    image, labels = field()
    whole = count_field(segmented(image, labels), image)
    written = cv2.rectangle(image.copy(), (60, 150), (360, 156), colour, -1)  # over 6 or 7 cells
    counts = count_field(segmented(written, labels), written)
    left_out = len(whole.cells) - len(counts.cells)
    assert counts.under_writing == left_out and 5 <= left_out <= 8
    assert "writing" in names(counts.quality, "note")


def test_dirt_is_no_writing():
    image, labels = field()
    cv2.circle(image, (62, 62), 3, (10, 10, 10), -1)
    assert count_field(segmented(image, labels), image).under_writing == 0


def test_one_cell_cut_out_on_black_is_brought_to_the_reference_on_white():
    image = np.zeros((140, 150, 3), np.uint8)
    cv2.circle(image, (75, 70), 66, (215, 150, 145), -1)
    prepared = Preprocessing.of(image, Scale.given(130).factor)
    assert prepared.one_cell and prepared.outside.mean() > 0.3
    assert cv2.LUT(image, prepared.levels[None])[70, 75] == pytest.approx(
        250 * np.exp([-0.25, -0.37, -0.22]), abs=1
    )
    assert cv2.LUT(image, prepared.levels[None])[0, 0].tolist() == [250, 250, 250]


def test_a_cell_cut_out_is_counted_though_it_touches_every_border():
    image = np.zeros((133, 133, 3), np.uint8)
    cv2.circle(image, (66, 66), 66, (215, 150, 145), -1)
    labels = cv2.circle(np.zeros((133, 133), np.uint8), (66, 66), 66, HEALTHY_RBC, -1)
    counts = count_field(segmented(image, labels, Scale.given(130)), image)
    assert counts.watershed["healthy_rbc"] == 1 and counts.config.border_rule


def test_withheld_figures_are_nowhere_in_the_summary():
    image, labels = field()
    counts = count_field(segmented(255 - image, labels), 255 - image)
    summary = counts.to_dict()
    assert summary["counts"] is None and summary["parasitaemia"]["numerator"] is None
    assert all(part["percent"] is None for part in summary["differential"].values())
    assert summary["quality"]["level"] == "withheld"


def test_the_worst_is_said_first_and_survives_json():
    findings = (Finding("a", "withheld", 1, "A.", ("counts",)), Finding("b", "note", 2, "B."))
    quality = Quality(findings)
    assert Quality.from_dict(quality.to_dict()) == quality and quality.level == "withheld"


def test_withheld_pictures_are_left_out_of_what_is_pooled():
    labels = field()[1]
    config = CountingConfig(minimum_rbc=1)
    good = count_cells(labels, None, AT_40X, config)
    bad = replace(
        good, quality=Quality((Finding("focus", "withheld", 0, "Blurred.", ("parasitaemia",)),))
    )
    both = pool([good, bad])
    assert len(both.cells) == len(good.cells) and both.parasitaemia().value == 0
    assert "1 of 2 pictures are left out" in both.quality.findings[0].sentence
    assert pool([bad, bad]).parasitaemia().value is None


def test_what_the_network_sees_under_writing_is_what_is_around_it():
    image, _ = field()
    written = cv2.line(image.copy(), (60, 110), (360, 110), (20, 20, 20), 2)  # between cells
    filled = without_writing(written, burnt_in(written))
    assert np.abs(filled.astype(int) - image).max() <= 18


def made_smaller(*, bar: bool, upright: bool) -> np.ndarray:
    """A field, with or without a scale bar of 120 pixels and its length, made smaller: black is
    grey then.
    """
    large = cv2.resize(drawn_field(), None, fx=2.5, fy=2.5, interpolation=cv2.INTER_CUBIC)
    large = np.ascontiguousarray(np.rot90(large) if upright else large)
    if bar:
        cv2.line(large, (500, 700), (620, 700), (20, 20, 20), 2)
        cv2.putText(large, "8 um", (530, 690), cv2.FONT_HERSHEY_SIMPLEX, 0.7, (20, 20, 20), 1)
    large = np.ascontiguousarray(np.rot90(large, -1) if upright else large)
    return cv2.resize(large, None, fx=0.4, fy=0.4, interpolation=cv2.INTER_AREA)


@pytest.mark.parametrize("upright", [False, True])
def test_a_scale_bar_of_a_picture_that_was_made_smaller_is_found_with_its_letters(upright):
    image, without = (made_smaller(bar=bar, upright=upright) for bar in (True, False))
    assert image.max(axis=2).min() > 40  # nowhere black any more
    assert burnt_in(without) is None
    written = burnt_in(image)
    assert written[np.abs(image.astype(int) - without).max(axis=2) > 50].all()
    assert written.mean() < 0.03


def test_the_thin_dark_rim_of_a_round_cell_is_no_scale_bar():
    image = np.full((300, 400, 3), 240, np.uint8)
    for radius in (20, 45, 80):
        cv2.circle(image, (200, 150), radius, (60, 60, 60), 2)
    assert burnt_in(image) is None


@pytest.mark.parametrize(
    ("left_out", "words"), [(1, "1 cell it touches is"), (4, "4 cells it touches are")]
)
def test_one_cell_that_writing_touches_is_spoken_of_as_one(left_out, words):
    (finding,) = of_writing(np.zeros((2, 2), np.uint8), None, left_out, 99)
    assert f"; {words} left out." in finding.sentence
