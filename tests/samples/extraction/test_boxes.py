import pytest
from databases import write_csv

from bloodseg_lib.classes import HEALTHY_RBC, INFECTED_RBC, PLATELET_CLUMP, THROMBOCYTE, Box
from bloodseg_lib.samples.extraction.boxes import CellBox, by_field, read_boxes, write_boxes

BOXES = [
    CellBox("b.png", Box(1, 2, 30, 40), THROMBOCYTE, 37.5),
    CellBox("a.png", Box(5, 6, 7, 8), PLATELET_CLUMP, 41.0),
    CellBox("b.png", Box(-3, 0, 9, 9), HEALTHY_RBC, 37.5),
]


def test_a_table_is_read_as_it_was_written(tmp_path):
    write_boxes(tmp_path / "boxes.csv", BOXES)
    assert read_boxes(tmp_path / "boxes.csv", with_rbc=True) == BOXES


def test_the_column_of_the_scale_may_stay_empty(tmp_path):
    write_boxes(tmp_path / "boxes.csv", [CellBox("a.png", Box(1, 2, 3, 4), THROMBOCYTE)])
    assert (tmp_path / "boxes.csv").read_text().splitlines()[1] == "a.png,1,2,3,4,thrombocyte,"
    with pytest.raises(ValueError, match="line 2"):
        read_boxes(tmp_path / "boxes.csv", with_rbc=True)


def test_short_names_of_red_cells_are_read(tmp_path):
    rows = [("a.png", 1, 2, 3, 4, name) for name in ("infected", "healthy")]
    columns = ("field", "x", "y", "width", "height", "class")
    write_csv(tmp_path / "boxes.csv", columns, *rows)
    classes = [box.class_id for box in read_boxes(tmp_path / "boxes.csv")]
    assert classes == [INFECTED_RBC, HEALTHY_RBC]


def test_one_class_of_all_boxes_needs_no_column(tmp_path):
    write_csv(
        tmp_path / "boxes.csv", ("field", "x", "y", "width", "height"), ("Neut/11", 1, 2, 3, 4)
    )
    (box,) = read_boxes(tmp_path / "boxes.csv", THROMBOCYTE)
    assert box == CellBox("Neut/11", Box(1, 2, 3, 4), THROMBOCYTE)


def test_fields_keep_the_order_of_the_table():
    found = by_field(BOXES)
    assert list(found) == ["b.png", "a.png"]
    assert found["b.png"] == [BOXES[0], BOXES[2]]


def test_a_missing_column_is_named(tmp_path):
    write_csv(tmp_path / "boxes.csv", ("field", "x", "y"), ("f.png", 1, 2))
    with pytest.raises(ValueError, match=r"Missing: width, height, class"):
        read_boxes(tmp_path / "boxes.csv")


@pytest.mark.parametrize(
    ("line", "box", "class_id"),
    [
        ("a.png,1.0,2.0,3.0,4.0,Healthy_RBC", Box(1, 2, 3, 4), HEALTHY_RBC),
        ('a.png,"1,0",2,3,4,Parasitized', Box(1, 2, 3, 4), INFECTED_RBC),
        ("./a.png,1,2,3,4,Platelets", Box(1, 2, 3, 4), THROMBOCYTE),
    ],
)
def test_whole_numbers_names_and_paths_may_be_spelled_otherwise(tmp_path, line, box, class_id):
    (tmp_path / "boxes.csv").write_text(f"field,x,y,width,height,class\n{line}\n")
    assert read_boxes(tmp_path / "boxes.csv") == [CellBox("a.png", box, class_id)]


@pytest.mark.parametrize("line", ["1.5,2,3,4", "1,2,1e20,4", "1,2,inf,4", "1,nan,3,4", "1,2,-3,4"])
def test_what_is_no_box_in_whole_pixels_is_refused(tmp_path, line):
    (tmp_path / "boxes.csv").write_text(f"field,x,y,width,height,class\na.png,{line},healthy\n")
    with pytest.raises(ValueError, match="whole pixels, sizes above 0"):
        read_boxes(tmp_path / "boxes.csv")


@pytest.mark.parametrize("second", ["30", "inf"])
def test_a_field_has_one_diameter_of_a_red_cell(tmp_path, second):
    rows = f"a.png,1,2,3,4,healthy,75\n./a.png,9,2,3,4,healthy,{second}\n"
    (tmp_path / "boxes.csv").write_text(f"field,x,y,width,height,class,rbc_diameter_px\n{rows}")
    with pytest.raises(ValueError, match="line 3: expected"):
        read_boxes(tmp_path / "boxes.csv", with_rbc=True)
