import hashlib
import itertools
import os
from pathlib import Path

import pytest

from bloodseg_lib.prediction.result_names import printable, result_names


def test_names_do_not_depend_on_the_order_of_the_images():
    paths = [Path(p) for p in ("x/a.png", "y/a.png", "a.png", "x/a.jpg", "x_a.png")]
    orders = [result_names(order) for order in itertools.permutations(paths)]
    assert all(names == orders[0] for names in orders)
    assert len(set(orders[0].values())) == len(paths)


def test_a_name_of_its_own_is_the_stem():
    assert result_names([Path("x/a.png"), Path("x/b.tar.png")]) == {
        Path("x/a.png"): "a",
        Path("x/b.tar.png"): "b.tar",
    }


def test_names_that_some_file_systems_take_for_one_are_told_apart():
    paths = [Path("A.png"), Path("a.jpg"), Path("\u00fc.png"), Path("u\u0308.jpg")]
    assert sorted(result_names(paths).values()) == ["A_png", "a_jpg", "u\u0308_jpg", "\u00fc_png"]


def test_folders_that_would_read_alike_are_told_apart():
    paths = [Path("/a_b/c.png"), Path("/a/b_c.png"), Path("/a/b/c.png"), Path("/c.png")]
    assert len(set(result_names(paths).values())) == 4


@pytest.mark.skipif(os.name != "posix", reason="paths from the root")
def test_folders_are_added_until_names_differ_and_a_digest_where_there_are_none():
    paths = ["/x/y/a.png", "/x/z/a.png", "/p/b", "/q/b", "/c.png", "/x/c.png"]
    digest = hashlib.sha256(b"/c.png").hexdigest()[:8]
    assert list(result_names(map(Path, paths)).values()) == [
        *("y_a_png", "z_a_png", "p_b", "q_b", f"c_{digest}", "x_c_png")
    ]


def test_the_name_of_all_images_together_is_reserved():
    assert result_names([Path("Pooled.png")]) == {Path("Pooled.png"): "Pooled_png"}


def test_a_printable_name_can_be_encoded():
    assert printable("a\udcff\udc80\u00fc").encode() == "a%FF%80\u00fc".encode()


@pytest.mark.parametrize("letter", ["a", "\u00e9", "\udcff"])
def test_results_of_a_long_name_have_room_for_their_endings(letter):
    """File systems take names of 255 bytes; two long ones that begin alike stay apart."""
    paths = [Path(letter * 120 + end) for end in (f"{letter * 5}.png", "b" * 80 + ".png")]
    paths.append(Path("c" * 246 + ".png"))
    names = result_names(paths)
    assert len(set(names.values())) == 3
    assert all(len(os.fsencode(name)) < 200 for name in names.values())
    assert names == result_names(reversed(paths))
