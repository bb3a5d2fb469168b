import contextlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace

import joblib
import numpy as np
import pytest
from discs import disc, disc_bank

from bloodseg_lib.classes import BACKGROUND_CROP_PX, HEALTHY_RBC, NEUTROPHIL
from bloodseg_lib.samples.bank import SPLITS, write_bank
from bloodseg_lib.samples.sample import BACKGROUND_CROP, CLUSTER, CellSample
from bloodseg_lib.smears.build import build_dataset
from bloodseg_lib.smears.dataset import Dataset, epoch_order
from bloodseg_lib.smears.manifest import DatasetConfig
from bloodseg_lib.smears.recipe import Recipe

CONFIG = DatasetConfig(
    train=24, valid=6, test=6, backgrounds=18, recipe=Recipe(background_size_px=336)
)


@pytest.fixture(scope="module")
def bank(tmp_path_factory):
    return disc_bank(tmp_path_factory.mktemp("bank") / "bank")


@pytest.fixture(scope="module")
def dataset(bank, tmp_path_factory):
    return build_dataset(CONFIG, bank, tmp_path_factory.mktemp("data") / "dataset", progress=False)


def content(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.suffix != ".npy"
    }


def test_one_and_two_workers_write_the_same_bytes(bank, dataset, tmp_path):
    other = build_dataset(CONFIG, bank, tmp_path / "dataset", workers=2, progress=False)
    assert content(other.folder) == content(dataset.folder)


def test_stacks_and_patches_are_only_composed_into_smears_to_train_on(tmp_path):
    cells = [disc(c, i) for c in (HEALTHY_RBC, NEUTROPHIL) for i in range(30)]
    stacks = [
        replace(disc(HEALTHY_RBC, 100 + i), group=str(i), name=f"{i}{CLUSTER}") for i in range(30)
    ]
    rgba = np.random.default_rng(0).integers(
        0, 256, (30, BACKGROUND_CROP_PX, BACKGROUND_CROP_PX, 4), dtype=np.uint8
    )
    patches = [
        CellSample(rgba[i], HEALTHY_RBC, "discs", str(i), f"{i}{BACKGROUND_CROP}")
        for i in range(30)
    ]
    bank = write_bank([*cells, *stacks, *patches], tmp_path / "bank")
    config = replace(
        CONFIG,
        train=24,
        backgrounds=12,
        recipe=replace(CONFIG.recipe, clusters=1.0, background_crops=0.5),
    )
    dataset = build_dataset(config, bank, tmp_path / "dataset", progress=False)
    used = {
        split: [
            thing["sample"]
            for i in range(len(dataset.names(split)))
            for thing in dataset.objects(split, i)
        ]
        for split in SPLITS
    }
    for ending in (CLUSTER, BACKGROUND_CROP):
        assert {e.split for e in bank.entries if ending in e.path} == set(SPLITS)
        assert any(ending in sample for sample in used["train"])
        assert not any(ending in sample for split in ("valid", "test") for sample in used[split])


PROGRAM = """
import json, sys, time
from bloodseg_lib.smears.build import build_dataset
from bloodseg_lib.smears.manifest import DatasetConfig
from bloodseg_lib.samples.bank import SampleBank
config, bank, folder, workers = json.loads(sys.argv[1])
print("composing", flush=True)
start = time.monotonic()
build_dataset(DatasetConfig.from_dict(config), SampleBank(bank), folder, workers=workers, progress=False)
print(time.monotonic() - start)
"""


def building(config, bank, folder, workers=1):
    """A process, leader of a group of its own, that builds a dataset;

    it has come to where the build begins.
    """
    arguments = json.dumps([config.to_dict(), str(bank.folder), str(folder), workers])
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, arguments],
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdout.readline() == "composing\n"
    return process


def killed(process):
    """Kill a process and its workers; whether it was running still."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.stdout.close()
    return process.wait() == -signal.SIGKILL


def test_a_killed_build_goes_on_to_the_same_bytes(bank, dataset, tmp_path):
    folder = tmp_path / "dataset"
    process = building(CONFIG, bank, folder)
    while len(list(folder.glob("train/images/*.png"))) < 7 and process.poll() is None:
        time.sleep(0.002)
    assert killed(process)
    with pytest.raises(FileNotFoundError, match="stopped"):
        Dataset(folder)
    assert content(build_dataset(CONFIG, bank, folder, progress=False).folder) == content(
        dataset.folder
    )


def test_a_build_killed_at_random_moments_ends_with_the_same_bytes(bank, tmp_path):
    """Process and workers are killed at once.

    Three times; BLOODSEG_KILLS=20 in the environment asks for more.
    """
    config = DatasetConfig(
        train=160, valid=8, test=8, backgrounds=60, recipe=Recipe(background_size_px=336)
    )
    first = building(config, bank, tmp_path / "undisturbed", workers=2)
    took = float(first.stdout.readline())
    first.stdout.close()
    assert first.wait() == 0
    expected = content(tmp_path / "undisturbed")
    moments, kills, folder = random.Random(), 0, tmp_path / "killed"
    while kills < int(os.environ.get("BLOODSEG_KILLS", "3")):
        process = building(config, bank, folder, workers=2)
        moment = moments.uniform(0, took)
        time.sleep(moment)
        if killed(process):
            kills += 1
            print(
                f"killed after {moment:.3f} of {took:.3f} s, {len(list(folder.rglob('*.png')))} PNGs written"
            )  # seen where the test fails, or with -s
        else:
            assert content(folder) == expected
            shutil.rmtree(folder)
    build_dataset(config, bank, folder, workers=2, progress=False)
    assert content(folder) == expected


@pytest.mark.parametrize("left", [".parts/.digest-x1.json", ".parts"])
def test_a_build_killed_before_it_made_its_claim_is_begun_again(bank, dataset, tmp_path, left):
    path = tmp_path / "dataset" / left
    path.mkdir(parents=True) if path.suffix != ".json" else (
        path.parent.mkdir(parents=True),
        path.touch(),
    )
    assert content(
        build_dataset(CONFIG, bank, tmp_path / "dataset", progress=False).folder
    ) == content(dataset.folder)


def test_what_a_build_left_that_was_killed_at_its_very_end_is_cleared(bank, dataset, tmp_path):
    shutil.copytree(dataset.folder, tmp_path / "dataset")
    (tmp_path / "dataset/.parts").mkdir()
    (tmp_path / "dataset/.parts/train-0.tally.json").touch()
    (tmp_path / "dataset/.dataset-x1.json").touch()
    assert content(
        build_dataset(CONFIG, bank, tmp_path / "dataset", progress=False).folder
    ) == content(dataset.folder)


@pytest.mark.slow
def test_the_workers_of_a_dask_cluster_write_the_same_bytes(bank, dataset, tmp_path):
    distributed = pytest.importorskip(
        "distributed", reason="needs Dask: pip install 'bloodseg-lib[cluster]'"
    )
    cluster = distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None
    )
    with cluster, distributed.Client(cluster) as client, joblib.parallel_config(backend="dask"):
        assert len(set(client.run(os.getpid).values()) - {os.getpid()}) == 2
        built = build_dataset(CONFIG, bank, tmp_path / "dataset", progress=False)
        ran = client.run(lambda: "bloodseg_lib.smears.build" in __import__("sys").modules)
    assert all(ran.values())
    assert content(built.folder) == content(dataset.folder)


def test_no_sample_of_one_split_occurs_in_another(bank, dataset):
    used = {
        split: {
            cell["sample"]
            for i in range(len(dataset.names(split)))
            for cell in dataset.objects(split, i)
        }
        for split in SPLITS
    }
    allowed = {split: {entry.path for entry in bank.select(split)} for split in SPLITS}
    assert all(used[split] and used[split] <= allowed[split] for split in SPLITS)
    assert (
        not allowed["train"] & allowed["valid"]
        | allowed["train"] & allowed["test"]
        | allowed["valid"] & allowed["test"]
    )
    digests = dataset.manifest["bank"]["sample_digests"]
    assert len(set(digests.values())) == 3


def test_labels_segments_and_manifest_agree(dataset):
    for split in SPLITS:
        pixels, objects = np.zeros(10, int), 0
        for i in range(len(dataset.names(split))):
            labels, cells = dataset.label_map(split, i), dataset.objects(split, i)
            counts = np.bincount(labels.ravel(), minlength=10)
            pixels += counts
            objects += len(cells)
            for class_id in range(1, 10):
                assert counts[class_id] == sum(
                    cell["area_px"] for cell in cells if cell["id"] == class_id
                )
        assert pixels.tolist() == dataset.pixel_counts(split).tolist()
        assert objects == sum(dataset.manifest["objects"][split].values())


def test_mean_and_std_are_those_of_the_training_pixels(dataset):
    images, _ = dataset.arrays("train")
    assert dataset.manifest["mean"] == pytest.approx(images.reshape(-1, 3).mean(axis=0))
    assert dataset.manifest["std"] == pytest.approx(images.reshape(-1, 3).std(axis=0))


def test_a_whole_round_holds_every_combination_once(bank, tmp_path):
    config = DatasetConfig(
        train=105, valid=0, test=0, backgrounds=3, recipe=Recipe(background_size_px=336)
    )
    counts = build_dataset(config, bank, tmp_path / "dataset", progress=False).manifest[
        "combinations"
    ]["train"]
    assert len(counts) == 105
    assert set(counts.values()) == {1}


def test_the_name_says_what_is_in_it(dataset):
    for i, name in enumerate(dataset.names("test")):
        *codes, source, kind, split, number = name.split("_")
        cells = {cell["class"][:4].lower() for cell in dataset.objects("test", i)}
        assert (source, split, int(number)) == ("discs", "test", i)
        assert {code.lower() if code != "Clum" else "plat" for code in codes} <= cells
        assert (
            cells & {"infe", "heal"}
            <= {"ii": {"infe"}, "nn": {"heal"}, "ni": {"infe", "heal"}}[kind]
        )


def test_packed_arrays_hold_the_images_and_label_maps(dataset):
    images, labels = dataset.arrays("valid")
    assert np.array_equal(images[3], dataset.image("valid", 3))
    assert np.array_equal(labels[3], dataset.label_map("valid", 3))


def test_batches_hold_every_image_once_in_an_order_of_seed_and_epoch(dataset):
    def order(seed, epoch):
        batches = list(dataset.batches("train", 5, seed=seed, epoch=epoch))
        assert [len(images) for images, _ in batches] == [5, 5, 5, 5, 4]
        return [image.tobytes() for images, _ in batches for image in images]

    assert order(1, 2) == order(1, 2)
    assert order(1, 2) != order(1, 3)
    assert sorted(order(1, 2)) == sorted(image.tobytes() for image in dataset.arrays("train")[0])


def test_a_pass_is_cut_into_epochs():
    def order(epoch):
        return epoch_order(11, seed=3, epoch=epoch, images_per_epoch=5).tolist()

    whole = [epoch_order(11, seed=3, epoch=number).tolist() for number in (1, 2)]
    assert [order(1) + order(2), order(3) + order(4)] == [pass_[:10] for pass_ in whole]
    assert whole[0] != whole[1] and sorted(whole[0]) == sorted(whole[1]) == list(range(11))


def test_batches_of_a_part_of_a_pass_hold_what_its_order_says(dataset):
    images, _ = dataset.arrays("train")
    shown = np.concatenate(
        [some for some, _ in dataset.batches("train", 4, seed=3, epoch=2, images_per_epoch=9)]
    )
    np.testing.assert_array_equal(
        shown, images[epoch_order(len(images), seed=3, epoch=2, images_per_epoch=9)]
    )


def test_an_image_comes_with_its_own_label_map(dataset):
    images, labels = dataset.arrays("train")
    label_of = {
        image.tobytes(): label.tobytes() for image, label in zip(images, labels, strict=True)
    }
    for some_images, some_labels in dataset.batches("train", 7, seed=3):
        assert [label_of[image.tobytes()] for image in some_images] == [
            label.tobytes() for label in some_labels
        ]


def test_packed_pixels_that_were_cut_short_are_noticed(bank, tmp_path):
    made = build_dataset(CONFIG, bank, tmp_path / "dataset", progress=False)
    images, _ = made.arrays("valid")
    with open(images.filename, "r+b") as file:
        file.truncate(images.offset + 5 * images[0].nbytes + 100)
    with pytest.raises(ValueError, match=r"images.*\.npy: expected 6 rows of 150528 bytes"):
        list(made.batches("valid", 4))


def test_a_finished_build_is_opened_as_it_is(bank, dataset):
    before = (dataset.folder / "dataset.json").stat().st_mtime_ns
    build_dataset(CONFIG, bank, dataset.folder, progress=False)
    assert (dataset.folder / "dataset.json").stat().st_mtime_ns == before


def test_a_dataset_of_another_recipe_is_not_overwritten(bank, dataset):
    with pytest.raises(ValueError, match="another recipe"):
        build_dataset(DatasetConfig(train=1, valid=1, test=1), bank, dataset.folder, progress=False)


def test_a_folder_of_other_things_is_not_written_to(bank, tmp_path):
    (tmp_path / "thesis.txt").write_text("precious")
    with pytest.raises(ValueError, match="empty folder"):
        build_dataset(CONFIG, bank, tmp_path, progress=False)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_bank_without_rbcs_is_refused(tmp_path):
    bank = write_bank((disc(NEUTROPHIL, i) for i in range(10)), tmp_path / "bank")
    with pytest.raises(ValueError, match="expected RBCs"):
        build_dataset(CONFIG, bank, tmp_path / "dataset", progress=False)


def test_missing_classes_are_named_in_the_manifest(tmp_path):
    bank = write_bank(
        (disc(c, i) for c in (NEUTROPHIL, HEALTHY_RBC) for i in range(10)), tmp_path / "bank"
    )
    config = DatasetConfig(
        train=2, valid=1, test=1, backgrounds=3, recipe=Recipe(background_size_px=336)
    )
    missing = build_dataset(config, bank, tmp_path / "dataset", progress=False).manifest["bank"][
        "missing_classes"
    ]
    assert missing == [
        "eosinophil",
        "basophil",
        "lymphocyte",
        "monocyte",
        "thrombocyte",
        "platelet_clump",
        "infected_rbc",
    ]


def test_a_truncated_manifest_is_named(dataset, tmp_path):
    (tmp_path / "dataset.json").write_text('{"images": {"tr')
    with pytest.raises(ValueError, match=r"dataset\.json: expected JSON.*cut short"):
        Dataset(tmp_path)


def test_a_lost_image_is_noticed(bank, tmp_path):
    made = build_dataset(CONFIG, bank, tmp_path / "dataset", progress=False)
    (made.folder / "test" / "images" / f"{made.names('test')[0]}.png").unlink()
    with pytest.raises(ValueError, match="expected 6 images, found 5"):
        Dataset(made.folder).names("test")


@pytest.mark.parametrize(
    "wrong", [{"train": -1}, {"backgrounds": 0}, {"seed": 1.5}, {"train": True}]
)
def test_a_size_out_of_range_is_refused_by_name(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        DatasetConfig(**wrong)
