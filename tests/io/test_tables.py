"""Tables as spreadsheet programs write them."""

import pytest

from bloodseg_lib.io import read_table

TEXT = "Field;X;note\nMüller 1.png;3;a\n\n;;\nb.png;4\n"
ROWS = [(2, {"field": "Müller 1.png", "x": "3"}), (5, {"field": "b.png", "x": "4"})]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-be", "cp1252"])
@pytest.mark.parametrize("separator", [";", ",", "\t"])
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
    with pytest.raises(ValueError, match=r"a\.csv: expected the columns field, x\. Missing: .*x"):
        read_table(tmp_path / "a.csv", ["field", "x"])


def test_a_missing_table_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"a\.csv: expected a table"):
        read_table(tmp_path / "a.csv", ["x"])


def test_a_table_with_zeros_in_it_is_refused(tmp_path):
    (tmp_path / "t.csv").write_bytes(b"path,patient\na.png,\0\0\n")
    with pytest.raises(ValueError, match=r"t\.csv: .*characters that no text has"):
        read_table(tmp_path / "t.csv", ["path"])
