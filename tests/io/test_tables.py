"""Tables as spreadsheet programs write them."""

import pytest

from bloodseg_lib.io import ENCODING, csv_rows, csv_text, read_table, write_csv

TEXT = "Field;X;note\nMüller 1.png;3;a\n\n;;\nb.png;4\n"
ROWS = [(2, {"field": "Müller 1.png", "x": "3"}), (5, {"field": "b.png", "x": "4"})]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-be", "cp1252"])
@pytest.mark.parametrize("separator", [";", ",", "\t", "|"])
def test_encoding_and_separator_are_found(tmp_path, encoding, separator):
    data = TEXT.replace(";", separator).encode(encoding)
    mark = b"\xfe\xff" if encoding == "utf-16-be" else b""
    (tmp_path / "a.csv").write_bytes(mark + data)
    assert read_table(tmp_path / "a.csv", ["field", "x"]) == ROWS


def test_a_column_that_is_optional_is_empty_where_it_is_not(tmp_path):
    (tmp_path / "a.csv").write_text("path\na.png\n")
    rows = read_table(tmp_path / "a.csv", ["path"], ["patient"])
    assert rows == [(2, {"path": "a.png", "patient": ""})]


@pytest.mark.parametrize("text", ["", "field\na.png\n"])
def test_a_missing_column_is_named(tmp_path, text):
    (tmp_path / "a.csv").write_text(text)
    received = r"Missing: .*x\. Received (none|field)\. Write"
    with pytest.raises(ValueError, match=rf"a\.csv: expected the columns field, x\. {received}"):
        read_table(tmp_path / "a.csv", ["field", "x"])


def test_a_missing_table_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"a\.csv: expected a table"):
        read_table(tmp_path / "a.csv", ["x"])


@pytest.mark.parametrize("comma", [False, True])
def test_a_table_that_was_written_is_read_back_whatever_the_comma(tmp_path, comma):
    text = csv_text(["field", "x"], [["Müller, 1.5;", 0.5], ["b", 2]], comma)
    (tmp_path / "a.csv").write_bytes(text.encode(ENCODING))
    x = "0,5" if comma else "0.5"
    expected = [{"field": "Müller, 1.5;", "x": x}, {"field": "b", "x": "2"}]
    assert [row for _, row in read_table(tmp_path / "a.csv", ["field", "x"])] == expected
    for read in (text, (tmp_path / "a.csv").read_text("utf-8")):  # with the mark and without
        assert list(csv_rows(read)) == expected


def test_tables_of_a_program_have_no_mark_and_those_of_people_have(tmp_path):
    write_csv(tmp_path / "index.csv", ["a"], [])
    write_csv(tmp_path / "boxes.csv", ["a"], [], ENCODING)
    assert (tmp_path / "index.csv").read_bytes() == b"a\n"
    assert (tmp_path / "boxes.csv").read_bytes() == b"\xef\xbb\xbfa\n"


def test_a_table_with_zeros_in_it_is_refused(tmp_path):
    (tmp_path / "t.csv").write_bytes(b"path,patient\na.png,\0\0\n")
    with pytest.raises(ValueError, match=r"t\.csv: .*characters that no text has"):
        read_table(tmp_path / "t.csv", ["path"])


@pytest.mark.parametrize(
    "text", ["=cmd", "-0.02 0.7", "@a", "'=cmd", "''-x", "'quoted'", "-5", "'"]
)
def test_a_text_that_a_spreadsheet_would_run_is_read_as_it_was(tmp_path, text):
    table = csv_text(["a", "b"], [["x", text]])
    assert not table.splitlines()[1].split(",")[1].startswith(("=", "@"))
    (tmp_path / "a.csv").write_text(table)
    assert list(csv_rows(table)) == [{"a": "x", "b": text}]
    assert read_table(tmp_path / "a.csv", ["b"]) == [(2, {"b": text})]


def test_the_line_by_which_excel_knows_the_separator_is_no_row(tmp_path):
    (tmp_path / "a.csv").write_text("sep=;\r\na;b\r\n1,5;x\r\n")
    assert read_table(tmp_path / "a.csv", ["a", "b"]) == [(3, {"a": "1,5", "b": "x"})]


def test_a_column_that_is_there_twice_is_refused(tmp_path):
    (tmp_path / "a.csv").write_text("x,y,X\n1,2,3\n")
    with pytest.raises(ValueError, match=r"expected each column once\. Received x twice"):
        read_table(tmp_path / "a.csv", ["x", "y"])
