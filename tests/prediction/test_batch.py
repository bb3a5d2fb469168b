"""A batch of images: nothing is overwritten, none costs another its results, and it goes on."""

import csv
import errno
import io
import json
import os
import sys
import threading
from pathlib import Path

import cv2
import numpy as np
import pytest
import tifffile
from click.testing import CliRunner
from colour_network import write_colour_network
from drawn_fields import drawn_field
from pictures import write_image
from PIL import Image

from bloodseg_lib.cli import main
from bloodseg_lib.io import WriteError, png_bytes, replacing
from bloodseg_lib.prediction import batch
from bloodseg_lib.prediction.batch import predict_files, try_folder
from bloodseg_lib.prediction.inputs import Input
from bloodseg_lib.prediction.interchange import OutputConfig
from bloodseg_lib.prediction.segmenter import PredictionConfig, Segmenter


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    return write_colour_network(tmp_path_factory.mktemp("network") / "best.npz")


@pytest.fixture(scope="module")
def network(checkpoint):
    return Segmenter(checkpoint)


def field(path, shift=0):
    """A drawn field of cells, moved so that two are not alike."""
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(png_bytes(np.roll(drawn_field(), shift, axis=1)))
    return path


def files(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def run(*arguments):
    return CliRunner().invoke(main, ["predict", *map(str, arguments)])


def interrupted_after(number, paths, network, out, **options):
    """Predict until Ctrl-C after so many images."""

    def stop(result, seen=[]):  # noqa: B006 - counts its own calls
        seen.append(result)
        if len(seen) == number:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        predict_files(paths, network, out, on_result=stop, **options)


def test_one_image_is_taken_as_one_and_none_is_said(network, tmp_path):
    path = field(tmp_path / "a.png")
    for one in (path, str(path)):
        results, pooled = predict_files(one, network, tmp_path / "out")
        assert [result.path for result in results] == [path] and pooled is None
    with pytest.raises(ValueError, match=r"Expected an image or more\. Received none"):
        predict_files([], network, tmp_path / "none")
    assert not (tmp_path / "none").exists()


def test_an_image_is_never_replaced_by_its_result(network, tmp_path):
    path = field(tmp_path / "a.png")
    before = path.read_bytes()
    for overwrite in (False, True):
        with pytest.raises(ValueError, match=r"a\.png: expected to write a result there"):
            predict_files([path], network, tmp_path, label_maps_only=True, overwrite=overwrite)
    assert files(tmp_path) == {"a.png": before}


def test_an_image_that_is_called_like_a_result_of_another_stays(network, tmp_path):
    paths = [field(tmp_path / name) for name in ("a.png", "a_overlay.png")]
    before = files(tmp_path)
    with pytest.raises(ValueError, match=r"a_overlay\.png"):
        predict_files(paths, network, tmp_path)
    assert files(tmp_path) == before


@pytest.mark.skipif(sys.platform == "win32", reason="needs links")
def test_an_image_is_known_behind_a_link(network, tmp_path):
    path = field(tmp_path / "in" / "a.png")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "a.png").hardlink_to(path)
    with pytest.raises(ValueError, match="one of the images"):
        predict_files([path], network, tmp_path / "out", label_maps_only=True)


def test_images_of_one_name_have_results_of_their_own(network, tmp_path):
    paths = [field(tmp_path / n, 3) for n in ("a.png", "a.bmp", "x/b.png", "y/b.png", "pooled.png")]
    results, pooled = predict_files(paths, network, tmp_path / "out")
    assert len(pooled.cells) == sum(len(result.counts.cells) for result in results)
    made = {name.removesuffix("_counts.json") for name in files(tmp_path / "out")}
    assert made >= {"a_png", "a_bmp", "x_b_png", "y_b_png", "pooled_png", "pooled"}


def test_the_same_image_given_twice_counts_once(network, tmp_path):
    path = field(tmp_path / "a.png")
    results, pooled = predict_files([path, tmp_path / "." / "a.png"], network, tmp_path / "out")
    assert len(results) == 1 and pooled is None


def test_a_second_run_keeps_every_file_and_says_so(checkpoint, tmp_path):
    paths = [field(tmp_path / f"{i}.png", i) for i in range(3)]
    arguments = [*paths, "--checkpoint", checkpoint, "--out", tmp_path / "out"]
    first = run(*arguments)
    before = {p: (p.read_bytes(), p.stat().st_ino) for p in (tmp_path / "out").glob("?_*")}
    pooled = (tmp_path / "out" / "pooled_cells.csv").read_bytes()
    second = run(*arguments)
    assert first.exit_code == second.exit_code == 0, second.output
    assert second.output.count("Skipped: these results are there already.") == 3
    assert before == {p: (p.read_bytes(), p.stat().st_ino) for p in before}
    assert (tmp_path / "out" / "pooled_cells.csv").read_bytes() == pooled
    assert "All 3 together" in second.output


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"label_maps_only": True},
        {"outputs": OutputConfig(("geojson", "instances"), decimal_comma=True)},
    ],
)
def test_a_stopped_batch_goes_on_and_ends_as_one_that_was_not(options, network, tmp_path):
    paths = [Input(field(tmp_path / f"{i}.png", i), patient=f"P{i % 2}") for i in range(3)]
    predict_files(paths, network, tmp_path / "whole", **options)
    interrupted_after(2, paths, network, tmp_path / "out", **options)
    results, _ = predict_files(paths, network, tmp_path / "out", **options)
    assert [result.kept for result in results] == [True, True, False]
    whole, out = files(tmp_path / "whole"), files(tmp_path / "out")
    assert whole == out and ("report.html" in out) == ("label_maps_only" not in options)


def test_without_a_report_none_is_written_nor_left(checkpoint, tmp_path):
    paths = [field(tmp_path / f"{i}.png", i) for i in range(2)]
    arguments = [*paths, "--checkpoint", checkpoint, "--out", tmp_path / "out"]
    for option, there in (("--report", True), ("--no-report", False)):
        assert run(*arguments, option).exit_code == 0
        assert ("report.html" in files(tmp_path / "out")) == there


def test_exports_are_named_by_the_command_and_are_no_pictures_of_the_next(checkpoint, tmp_path):
    arguments = [field(tmp_path / "a.png"), "--checkpoint", checkpoint, "--out", tmp_path]
    done = run(*arguments, "--export", "instances,coco")
    assert done.exit_code == 0, done.output
    assert {"a_instances.tif", "a_coco.json"} <= set(files(tmp_path))
    again = run(tmp_path, *arguments[1:], "--export", "instances,coco")
    assert again.exit_code == 0 and again.output.count("Skipped: these results") == 1
    assert "these results are there" not in run(*arguments, "--export", "yolo").output


def test_micrometres_are_those_of_the_file_also_when_its_results_are_kept(network, tmp_path):
    per_cm = 1e4 / 0.18  # red cells of 42 pixels measure 7.6 micrometres
    tifffile.imwrite(
        tmp_path / "a.tif",
        drawn_field(),
        photometric="rgb",
        resolution=(per_cm, per_cm),
        resolutionunit="CENTIMETER",
    )
    (made,), _ = predict_files([tmp_path / "a.tif"], network, tmp_path / "out")
    (kept,), _ = predict_files([tmp_path / "a.tif"], network, tmp_path / "out")
    assert kept.kept and kept.counts.cells[0].pixel_um == made.counts.cells[0].pixel_um
    summary = json.loads((tmp_path / "out" / "a_counts.json").read_text())
    assert summary["pixel_size"] == {"um": 0.18, "from": "file"}


def test_label_maps_alone_and_exports_exclude_each_other(network, tmp_path):
    with pytest.raises(ValueError, match="label maps only, or exports"):
        predict_files([], network, tmp_path, outputs=OutputConfig(("coco",)), label_maps_only=True)


def test_a_result_of_which_a_file_is_missing_is_made_again(network, tmp_path):
    path = field(tmp_path / "a.png")
    predict_files([path], network, tmp_path / "out")
    before = files(tmp_path / "out")
    (tmp_path / "out" / "a_overlay.png").unlink()
    (result,), _ = predict_files([path], network, tmp_path / "out")
    after = files(tmp_path / "out")
    assert not result.kept
    del before["predicted.jsonl"], after["predicted.jsonl"]
    assert before == after


def test_a_journal_cut_short_in_a_line_is_gone_on_with(network, tmp_path):
    paths = [field(tmp_path / f"{i}.png", i) for i in range(2)]
    predict_files(paths[:1], network, tmp_path / "out")
    with (tmp_path / "out" / "predicted.jsonl").open("a") as journal:
        journal.write('{"made_of": {"ima')
    predict_files(paths, network, tmp_path / "out")
    results, _ = predict_files(paths, network, tmp_path / "out")
    assert all(result.kept for result in results)


@pytest.mark.parametrize("what", ["image", "network", "options", "scale", "edited", "unknown"])
def test_a_result_of_something_else_is_refused_and_replaced_only_when_asked(
    what, checkpoint, network, tmp_path
):
    path, out, scale = field(tmp_path / "a.png"), tmp_path / "out", None
    predict_files([path], network, out)
    if what == "image":
        field(path, 9)
    elif what == "network":
        network = Segmenter(checkpoint)
        network.identity = {**network.identity, "network": "another"}
    elif what == "options":
        network = Segmenter(checkpoint, PredictionConfig(overlap_px=32))
    elif what == "scale":
        scale = batch.Scale.of_factor(0.9)
    elif what == "edited":
        (out / "a_counts.json").write_text("{}")
    else:
        (out / "predicted.jsonl").unlink()
    before, named = files(out), "a_counts.json" if what == "edited" else "a_classes.png"
    with pytest.raises(ValueError, match=rf"{named}: expected no file.*--overwrite"):
        predict_files([path], network, out, scale)
    assert files(out) == before
    (result,), _ = predict_files([path], network, out, scale, overwrite=True)
    assert not result.kept and json.loads((out / "a_counts.json").read_text())["quality"]
    assert predict_files([path], network, out, scale)[0][0].kept


def test_pooled_counts_of_other_images_are_not_replaced(network, tmp_path):
    paths = [field(tmp_path / f"{i}.png", i) for i in range(4)]
    predict_files(paths[:2], network, tmp_path / "out")
    before = files(tmp_path / "out")
    with pytest.raises(ValueError, match=r"pooled_cells\.csv: expected no file"):
        predict_files(paths[2:], network, tmp_path / "out")
    assert files(tmp_path / "out") == before
    _, pooled = predict_files(paths, network, tmp_path / "out")  # the same images and more
    assert {cell.field for cell in pooled.cells} == {"0", "1", "2", "3"}


def bad_images(folder):
    """Images of every kind of badness that was met, by what is said of each."""
    folder.mkdir()
    (folder / "damaged.png").write_bytes(b"\x89PNG\r\n\x1a\n and no more")
    (folder / "array.npy").write_bytes(b"\x93NUMPY\x01\x00\x10\x00{'descr': '|u1', (((")
    tiff = b"II*\x00" + (8).to_bytes(4, "little") + b"\xff" * 400
    with (folder / "header.tif").open("wb") as file:
        file.write(tiff)
        file.truncate(70 * 2**20)  # large enough to be mapped
    names = ["damaged.png", "array.npy", "header.tif", "missing.png"]
    return [folder / name for name in names]


def test_bad_images_cost_the_others_nothing_and_are_listed(checkpoint, tmp_path):
    bad = bad_images(tmp_path / "bad")
    good = [field(tmp_path / f"{i}.png", i) for i in range(2)]
    done = run(good[0], *bad, good[1], "--checkpoint", checkpoint, "--out", tmp_path / "out")
    assert done.exit_code == 1 and not isinstance(done.exception, ValueError), done.output
    assert done.stderr.strip().endswith("2 of 6 images segmented.")
    rows = list(
        csv.DictReader(io.StringIO((tmp_path / "out" / "skipped.csv").read_text("utf-8-sig")))
    )
    assert [Path(row["image"]) for row in rows] == bad
    assert all(Path(row["image"]).name in row["reason"] in done.stderr for row in rows)
    written = set(files(tmp_path / "out"))
    assert {"0_counts.json", "1_counts.json", "pooled_counts.json"} <= written


@pytest.mark.parametrize("shape", [(1, 10000, 3), (10000, 1, 3)])
def test_an_image_of_odd_size_costs_the_others_nothing(shape, network, tmp_path):
    write_image(tmp_path / "odd.png", np.full(shape, 230, np.uint8))
    paths = [tmp_path / "odd.png", field(tmp_path / "a.png")]
    odd, good = predict_files(paths, network, tmp_path / "out")[0]
    assert good.counts.cells and not odd.counts.cells and not odd.error


@pytest.mark.parametrize("error", [MemoryError(), cv2.error("x"), OverflowError("x"), KeyError(1)])
def test_whatever_happens_at_one_image_the_others_are_done(error, network, tmp_path, monkeypatch):
    paths = [field(tmp_path / f"{i}.png", i) for i in range(3)]
    read = Input.read

    def reading(item):
        if item.path == paths[1]:
            raise error
        return read(item)

    monkeypatch.setattr(Input, "read", reading)
    results, _ = predict_files(paths, network, tmp_path / "out")
    assert [bool(result.error) for result in results] == [False, True, False]
    assert results[1].error.startswith(f"{paths[1]}: expected an image")


@pytest.mark.parametrize("error", [MemoryError(), cv2.error("Failed to allocate 9 bytes")])
def test_an_image_for_which_memory_runs_out_is_told_so(error, network, tmp_path, monkeypatch):
    def reading(item):
        raise error

    monkeypatch.setattr(Input, "read", reading)
    results, _ = predict_files([field(tmp_path / "a.png")], network, tmp_path / "out")
    assert "a.png: expected an image that fits into memory" in results[0].error


def test_what_a_kill_left_of_a_half_written_file_is_deleted_and_no_copy_of_a_person(
    network, tmp_path
):
    image, out = field(tmp_path / "a.png"), tmp_path / "out"
    predict_files([image], network, out)
    with replacing(out / "a_cells.csv") as left:
        left.write_bytes((out / "a_cells.csv").read_bytes())
    left.touch()
    own = out / ".a_cells-20250101.csv"
    own.touch()
    predict_files([image], network, out)
    assert list(out.glob(".a_cells*")) == [own]


@pytest.mark.parametrize("linked", [False, True])
def test_another_program_s_file_is_not_taken_for_the_journal(linked, network, tmp_path):
    image, out = field(tmp_path / "a.png"), tmp_path / "out"
    out.mkdir()
    theirs = (tmp_path if linked else out) / "predicted.jsonl"
    theirs.write_text('{"prediction": 1}\n')
    if linked:
        (out / "predicted.jsonl").symlink_to(theirs)
    for overwrite in (False, True):
        with pytest.raises(ValueError, match="which would be written into"):
            predict_files([image], network, out, overwrite=overwrite)
    assert theirs.read_text() == '{"prediction": 1}\n'
    assert [path.name for path in out.iterdir()] == ["predicted.jsonl"]


def test_a_page_of_one_s_own_is_not_deleted_where_none_is_written(network, tmp_path):
    images, out = [field(tmp_path / "a.png"), field(tmp_path / "b.png", 20)], tmp_path / "out"
    out.mkdir()
    (out / "report.html").write_text("mine")
    how = OutputConfig(report=False)
    predict_files(images, network, out, outputs=how, overwrite=True)
    assert (out / "report.html").read_text() == "mine"


@pytest.mark.parametrize("name", ["results.csv", "pooled.csv", "skipped.csv", "a_cells.csv"])
def test_a_list_of_images_is_never_replaced_by_a_result(name, checkpoint, tmp_path):
    for image, shift in (("a.png", 0), ("b.png", 20)):
        field(tmp_path / image, shift)
    (tmp_path / name).write_text("path\na.png\nb.png\n")
    done = run(tmp_path / name, "--checkpoint", checkpoint, "--out", tmp_path, "--overwrite")
    assert done.exit_code == 1
    assert f"{name}: expected to write a result there, but this is one of" in done.output
    assert (tmp_path / name).read_text() == "path\na.png\nb.png\n"


def test_what_is_said_of_all_images_is_of_this_call_or_gone(network, tmp_path):
    images, out = [field(tmp_path / "a.png"), field(tmp_path / "b.png", 20)], tmp_path / "out"
    predict_files(images, network, out)
    images[1].unlink()
    predict_files(images, network, out)
    assert not list(out.glob("pooled_*"))
    assert "there is none" in (out / "results.csv").read_text("utf-8-sig")
    images[0].unlink()
    predict_files(images, network, out)
    assert not list(out.glob("pooled*")) + list(out.glob("re*"))
    assert len(list(out.glob("[ab]_*"))) == 8  # what was made of them


def test_results_that_are_gone_at_the_end_are_told(network, tmp_path):
    images, out = [field(tmp_path / "a.png"), field(tmp_path / "b.png", 20)], tmp_path / "out"

    def delete(result):
        for path in out.glob("a_*"):
            path.unlink()

    results, pooled = predict_files(images, network, out, on_result=delete)
    assert "a.png: its results were written, and are gone" in results[0].error
    assert pooled is None and not results[1].error
    again, _ = predict_files(images, network, out)
    assert [result.kept for result in again] == [False, True]


def test_images_of_one_name_are_told_apart_in_words(network, tmp_path):
    images = [field(tmp_path / folder / "a.png", i) for i, folder in enumerate(("p1", "p2"))]
    results, _ = predict_files(images, network, tmp_path / "out")
    kept, _ = predict_files(images, network, tmp_path / "out")
    for each in (results, kept):
        assert [str(result).split(":")[0] for result in each] == ["p1/a.png", "p2/a.png"]
        assert "It looks the same as p1/a.png" in str(each[1])
    page = (tmp_path / "out" / "report.html").read_text()
    assert "<h2>p1/a.png" in page and "<h2>p2/a.png" in page


@pytest.mark.parametrize("part", ["scale", "counts"])
def test_a_result_of_another_version_is_refused_in_words_and_replaced_when_asked(
    part, network, tmp_path
):
    image, out = field(tmp_path / "a.png"), tmp_path / "out"
    predict_files([image], network, out)
    entry = json.loads((out / "predicted.jsonl").read_text())
    entry[part] = {"other": 1}
    (out / "predicted.jsonl").write_text(json.dumps(entry))
    (result,), _ = predict_files([image], network, out)
    assert "expected the result of this version of the package" in result.error
    (result,), _ = predict_files([image], network, out, overwrite=True)
    assert result.counts and not result.kept


@pytest.mark.skipif(sys.platform != "linux", reason="only here names may be any bytes")
def test_a_name_that_is_not_utf_8_is_segmented_under_one_that_is(checkpoint, tmp_path):
    path = field(tmp_path / "a.png").rename(tmp_path / os.fsdecode(b"a\xff.png"))
    other = field(tmp_path / "b.png")
    done = run(path, other, "--checkpoint", checkpoint, "--out", tmp_path / "out")
    assert done.exit_code == 0, done.output
    assert (tmp_path / "out" / "a%FF_cells.csv").is_file() and "a%FF.png: " in done.output


def test_reasons_are_written_when_nothing_was_usable_and_go_when_all_is(network, tmp_path):
    (tmp_path / "a.png").write_bytes(b"")
    results, pooled = predict_files([tmp_path / "a.png"], network, tmp_path / "out")
    assert pooled is None and "empty file" in results[0].error
    assert "a.png" in (tmp_path / "out" / "skipped.csv").read_text()
    field(tmp_path / "a.png")
    predict_files([tmp_path / "a.png"], network, tmp_path / "out")
    assert "skipped.csv" not in files(tmp_path / "out")


def test_a_table_of_one_s_own_called_skipped_stays(network, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "skipped.csv").write_text("mine")
    with pytest.raises(ValueError, match=r"skipped\.csv: expected no file"):
        predict_files([field(tmp_path / "a.png")], network, tmp_path / "out")
    assert files(tmp_path / "out") == {"skipped.csv": b"mine"}


def test_a_folder_is_tried_and_nothing_is_left_of_it(tmp_path):
    try_folder(tmp_path / "deep" / "er")
    assert not (tmp_path / "deep").exists()


def test_an_out_that_is_a_file_is_refused_before_the_network_is_loaded(tmp_path):
    (tmp_path / "out").write_text("mine")
    done = run(field(tmp_path / "a.png"), "--checkpoint", "none.npz", "--out", tmp_path / "out")
    assert done.exit_code == 1 and "none.npz" not in done.output
    assert f"{tmp_path / 'out'}: expected to write it. Received: File exists. Choose" in done.output


def test_a_full_disk_ends_the_batch_with_every_reason(network, tmp_path, monkeypatch):
    paths = [field(tmp_path / f"{i}.png", i) for i in range(3)]

    def full(path, data):
        if path.name.startswith("1_"):
            raise WriteError(errno.ENOSPC, "No space left on device", str(path))
        path.write_bytes(data)

    monkeypatch.setattr(batch, "write_bytes", full)
    results, _ = predict_files(paths, network, tmp_path / "out")
    assert not results[0].error and "not tried" in results[2].error
    assert "1_classes.png: expected to write it" in results[1].error
    assert "Make room on the disk" in results[1].error


@pytest.mark.parametrize(
    ("command", "words"), [("predict", "again to go on."), ("verify", "again to begin anew.")]
)
def test_what_is_said_after_an_interrupt_is_true(command, words, tmp_path, monkeypatch):
    def stop(*_args, **_options):
        raise KeyboardInterrupt

    monkeypatch.setattr(main.commands[command], "callback", stop)
    out = ["--out", str(tmp_path)] if command == "predict" else []
    done = CliRunner().invoke(main, [command, "x", *out])
    assert done.exit_code == 130 and words in done.output


def test_an_evaluation_on_a_dataset_does_not_go_on(monkeypatch):
    def stop(**_options):
        raise KeyboardInterrupt

    monkeypatch.setattr(main.commands["evaluate"].commands["dataset"], "callback", stop)
    done = CliRunner().invoke(main, ["evaluate", "dataset", "x"])
    assert done.exit_code == 130 and "again to begin anew." in done.output


def test_one_field_in_two_formats_is_said_also_when_it_was_there_already(network, tmp_path):
    png = field(tmp_path / "a.png")
    Image.open(png).save(tmp_path / "b.jpg", quality=95)
    other = field(tmp_path / "c.png", 35)
    for _ in range(2):
        results, _ = predict_files([png, tmp_path / "b.jpg", other], network, tmp_path / "out")
        assert ["the same as a.png" in str(result) for result in results] == [False, True, False]


def test_the_next_image_is_begun_before_the_results_of_one_are_made(network, tmp_path, monkeypatch):
    paths = [field(tmp_path / f"{n}.png", n) for n in range(2)]
    begun = [threading.Event(), threading.Event()]
    order = iter(begun)
    segment, result_files = Segmenter.segment, batch.result_files

    def segmented(*args, **options):
        next(order).set()
        return segment(*args, **options)

    def made(*args, **options):
        assert begun[1].wait(timeout=60), "the second image waits for the first one's results"
        return result_files(*args, **options)

    monkeypatch.setattr(Segmenter, "segment", segmented)
    monkeypatch.setattr(batch, "result_files", made)
    results, _ = predict_files(paths, network, tmp_path / "out")
    assert [result.path for result in results] == paths and not any(r.error for r in results)
