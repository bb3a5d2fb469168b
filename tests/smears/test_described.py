"""A manifest or label that is damaged, or a stranger's, is refused in a sentence with its name."""

import json

import pytest

from bloodseg_lib.smears.dataset import Dataset
from bloodseg_lib.smears.described import read_cells

CELL = {"id": 9, "box": {"x": 1, "y": 2, "width": 3, "height": 4}, "area_px": 7}


@pytest.mark.parametrize(
    "data", [b"[]", b"null", b"3", b"{}", b'{"digest": "x"}', b"[" * 100_000, b'"', b"\xff\xfe"]
)
def test_json_that_is_no_manifest_is_refused(tmp_path, data):
    (tmp_path / "dataset.json").write_bytes(data)
    with pytest.raises(ValueError, match=r"dataset\.json: .*[Rr]eceived"):
        Dataset(tmp_path)


@pytest.mark.parametrize(
    ("keys", "value"),
    [
        (["digest"], "../../outside"),
        (["images"], {"train": 1}),
        (["images", "train"], "many"),
        (["images", "train"], -1),
        (["images", "train"], True),
        (["pixels", "train"], []),
        (["pixels", "train", "basophil"], 1.5),
        (["objects", "valid"], {}),
        (["mean"], [float("nan"), 1, 2]),
        (["mean"], [10**400, 1, 2]),
        (["std"], "wide"),
        (["files", "train"], [3]),
        (["config"], {"train": "x"}),
        (["config"], 3),
    ],
)
def test_a_wrong_value_in_the_manifest_is_refused(dataset, tmp_path, keys, value):
    values = json.loads((dataset.folder / "dataset.json").read_text())
    inner = values
    for key in keys[:-1]:
        inner = inner[key]
    inner[keys[-1]] = value
    (tmp_path / "dataset.json").write_text(json.dumps(values))
    with pytest.raises(ValueError, match=r"dataset\.json: .*[Rr]eceived"):
        Dataset(tmp_path)


def test_the_cells_of_a_label_are_read(tmp_path):
    (tmp_path / "1.json").write_text(json.dumps({"objects": [CELL]}))
    assert read_cells(tmp_path / "1.json") == [CELL]


@pytest.mark.parametrize(
    "label",
    [
        [],
        {},
        {"objects": {}},
        {"objects": [3]},
        {"objects": [CELL | {"id": 0}]},
        {"objects": [CELL | {"id": [1]}]},
        {"objects": [CELL | {"area_px": -1}]},
        {"objects": [CELL | {"box": {"x": 1}}]},
        {"objects": [CELL | {"box": CELL["box"] | {"extra": 1}}]},
        {"objects": [CELL | {"box": CELL["box"] | {"x": 10**9}}]},
    ],
)
def test_json_that_is_no_label_is_refused(tmp_path, label):
    (tmp_path / "1.json").write_text(json.dumps(label))
    with pytest.raises(ValueError, match=r"1\.json: expected the label of a smear"):
        read_cells(tmp_path / "1.json")
