from pathlib import Path

import numpy as np
import pytest
from disc_fields import PURPLE, RED_CELL, YELLOW, field, grid, of_image

from bloodseg_lib.classes import HEALTHY_RBC, NEUTROPHIL, THROMBOCYTE, Box
from bloodseg_lib.samples.extraction import field as field_module
from bloodseg_lib.samples.extraction.boxes import OUTSIDE, CellBox
from bloodseg_lib.samples.extraction.masks import DEBRIS
from bloodseg_lib.samples.sample import CellSample, Skipped


class TestHealthy:
    def test_at_most_so_many_of_a_field(self):
        samples = list(of_image(field(*grid())).healthy(most=7))
        assert len(samples) == 7
        assert {(s.class_id, s.source, s.group) for s in samples} == {(HEALTHY_RBC, "s", "f")}

    def test_spotted_ones_are_skipped(self):
        found = list(of_image(field(*grid(), (100, 100, 4, PURPLE))).healthy(most=99))
        (skipped,) = [one for one in found if isinstance(one, Skipped)]
        assert len(found) == 24
        assert (skipped.reason, skipped.path) == (DEBRIS, Path("f.png"))
        assert "red cell at 81,81" in skipped.detail  # 100 - 20, less the smoothed edge

    def test_cells_whose_middle_is_in_a_box_are_left_alone(self):
        boxed = (Box(70, 70, 60, 60), Box(0, 0, 30, 30))  # around (100, 100); beside (40, 40)
        samples = list(of_image(field(*grid()), boxed=boxed).healthy(most=99))
        assert len(samples) == 23
        assert "f_rbc_81_81" not in {sample.name for sample in samples}


class TestScale:
    def test_is_measured_where_there_are_enough_isolated_cells(self):
        assert of_image(field(*grid(22)), 40).rbc_diameter_px == pytest.approx(45, abs=1.5)

    def test_is_as_given_otherwise(self):
        few = field((100, 100, 22, RED_CELL))
        assert of_image(few, 40).rbc_diameter_px == 40
        assert of_image(field(*grid(22)), 40, measure=False).rbc_diameter_px == 40


def test_what_is_derived_from_a_field_is_computed_once(monkeypatch):
    calls = []
    for name in ("field_transmittance", "red_cells", "non_rbc", "clean_cells"):
        compute = getattr(field_module, name)
        monkeypatch.setattr(
            field_module,
            name,
            lambda *args, name=name, compute=compute: (calls.append(name), compute(*args))[1],
        )
    list(of_image(field(*grid(), size=(400, 400))).red_cell_samples())
    assert sorted(calls) == ["clean_cells", "field_transmittance", "non_rbc", "red_cells"]


def test_a_healthy_field_gives_single_cells_clusters_and_background_crops():
    pair = [(400, 100, 20, RED_CELL), (430, 100, 20, RED_CELL)]
    samples = list(of_image(field(*grid(), *pair, size=(400, 480))).red_cell_samples())
    kinds = {(sample.is_cluster, sample.is_background_crop) for sample in samples}
    assert kinds == {(False, False), (True, False), (False, True)}


class TestBox:
    def test_its_cell_is_a_sample(self):
        box = CellBox("f.png", Box(88, 90, 24, 24), THROMBOCYTE)
        sample = of_image(field((100, 100, 6, PURPLE)), measure=False).box(box)
        assert isinstance(sample, CellSample)
        assert (sample.class_id, sample.name) == (THROMBOCYTE, "f_88_90")

    def test_one_outside_of_the_field_is_skipped(self):
        skipped = of_image(field()).box(CellBox("f.png", Box(500, 10, 20, 20), THROMBOCYTE))
        assert isinstance(skipped, Skipped)
        assert (skipped.reason, skipped.class_id) == (OUTSIDE, THROMBOCYTE)
        assert "f.png, box 500,10,20,20" in skipped.detail


class TestSample:
    mask = np.zeros((300, 400), bool)
    mask[90:110, 90:130] = True

    def test_is_at_40x_with_a_white_background(self):
        sample = of_image(field(), 74, measure=False).sample(self.mask, NEUTROPHIL, "n")
        assert sample.rgba.shape == (10, 20, 4)
        assert sample.rgba[:, :, :3].min() >= 250

    def test_its_mask_may_be_that_of_a_box(self):
        box, colour = Box(80, 80, 60, 40), np.array(YELLOW)
        whole = of_image(field(), 74).sample(self.mask, NEUTROPHIL, "n", background=colour)
        part = of_image(field(), 74).sample(
            self.mask[box.window], NEUTROPHIL, "n", box, background=colour
        )
        np.testing.assert_array_equal(part.rgba, whole.rgba)
