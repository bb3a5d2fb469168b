from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest

from bloodseg_lib.evaluation.report import Report, predicted_batches
from bloodseg_lib.io import read_json


@dataclass
class Tally(Report):
    stem: ClassVar[str] = "tally"
    cells: int

    def to_markdown(self):
        return f"{self.cells} cells\n"

    def to_dict(self):
        return {"cells": self.cells}

    def tables(self):
        return {"cells.csv": f"cells\n{self.cells}\n"}


class FiveSmears:
    """As a dataset; the only pixel of smear i is i, and so is its label."""

    def names(self, split):
        return ["a", "b", "c", "d", "e"] if split == "test" else []

    def batches(self, split, batch_size, shuffle):
        numbers = np.arange(5, dtype=np.uint8).reshape(5, 1, 1)
        for i in range(0, 5, 2):
            yield numbers[i : i + 2, :, :, None].repeat(3, axis=3), numbers[i : i + 2]


def predict(images):
    return np.eye(10)[images[..., 0]]


def test_a_report_is_saved_as_json_markdown_and_tables(tmp_path):
    Tally(7).save(tmp_path / "new")
    assert read_json(tmp_path / "new" / "tally.json") == {"cells": 7}
    assert (tmp_path / "new" / "tally.md").read_text() == "7 cells\n"
    assert (tmp_path / "new" / "cells.csv").read_text("utf-8-sig") == "cells\n7\n"


@pytest.mark.parametrize(
    ("limit", "sizes"), [(None, [2, 2, 1]), (3, [2, 1]), (2, [2]), (9, [2, 2, 1])]
)
def test_a_limit_cuts_the_last_batch(limit, sizes):
    made = list(predicted_batches(predict, FiveSmears(), "test", limit, title="", progress=False))
    assert [len(labels) for labels, _ in made] == sizes
    assert all((p.argmax(axis=-1) == labels).all() for labels, p in made)


@pytest.mark.parametrize(("split", "limit"), [("valid", None), ("test", 0)])
def test_nothing_to_predict_is_refused(split, limit):
    with pytest.raises(ValueError, match=r"expected .*at least .*smear"):
        next(predicted_batches(predict, FiveSmears(), split, limit, title="", progress=False))
