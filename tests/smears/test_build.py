import contextlib
import hashlib
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
from discs import disc
from locks import wait_until_owned
from small_smears import CONFIG, SMALL

import bloodseg_lib
from bloodseg_lib.classes import (
    BACKGROUND_CROP_PX,
    HEALTHY_RBC,
    NEUTROPHIL,
)
from bloodseg_lib.runs import LOCK
from bloodseg_lib.samples.bank import SPLITS, write_bank
from bloodseg_lib.samples.sample import BACKGROUND_CROP, CLUSTER, CellSample
from bloodseg_lib.smears.build import build_dataset
from bloodseg_lib.smears.dataset import Dataset
from bloodseg_lib.smears.manifest import DatasetConfig
from bloodseg_lib.smears.recipe import Recipe
from bloodseg_lib.smears.verify import verify


def content(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.suffix != ".npy"
    }


def test_one_and_two_workers_write_the_same_bytes(bank, dataset, tmp_path):
    other = build_dataset(CONFIG, bank, tmp_path / "dataset", workers=2, progress=False)
    assert content(other.folder) == content(dataset.folder)


def test_a_dataset_larger_than_the_disk_is_refused_before_it_is_composed(bank, tmp_path, full_disk):
    with pytest.raises(OSError, match=r"MiB of disk for \d+ smears. Received 0 MiB free"):
        build_dataset(CONFIG, bank, tmp_path / "dataset", progress=False)
    assert not list(tmp_path.rglob("*.png"))


def test_only_training_smears_contain_clusters_and_background_crops(tmp_path):
    cells = [disc(c, i) for c in (HEALTHY_RBC, NEUTROPHIL) for i in range(30)]
    clusters = [
        replace(disc(HEALTHY_RBC, 100 + i), group=str(i), name=f"{i}{CLUSTER}") for i in range(30)
    ]
    rgba = np.random.default_rng(0).integers(
        0, 256, (30, BACKGROUND_CROP_PX, BACKGROUND_CROP_PX, 4), dtype=np.uint8
    )
    crops = [
        CellSample(rgba[i], HEALTHY_RBC, "discs", str(i), f"{i}{BACKGROUND_CROP}")
        for i in range(30)
    ]
    bank = write_bank([*cells, *clusters, *crops], tmp_path / "bank")
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
config, bank = DatasetConfig.from_dict(config), SampleBank(bank)
build_dataset(config, bank, folder, workers=workers, progress=False)
print(time.monotonic() - start)
"""


def building(config, bank, folder, workers=1):
    """A process, leader of a group of its own, that is about to build a dataset."""
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


def test_a_killed_build_is_resumed_to_the_same_bytes(bank, dataset, tmp_path):
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


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_workers_end_with_the_process_that_started_them(bank, tmp_path, number):
    """They hold its standard output, so that a pipe ends only with the last of them."""
    config = replace(CONFIG, train=2000, backgrounds=600)
    process = building(config, bank, tmp_path / "dataset", workers=2)
    while len(list(tmp_path.glob("dataset/train/images/*.png"))) < 7:
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(number)
    process.communicate(timeout=180)
    assert process.returncode


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
            written = len(list(folder.rglob("*.png")))
            # seen where the test fails, or with -s
            print(f"killed after {moment:.3f} of {took:.3f} s, {written} PNGs written")
        else:
            assert content(folder) == expected
            shutil.rmtree(folder)
    build_dataset(config, bank, folder, workers=2, progress=False)
    assert content(folder) == expected


def test_a_second_build_is_refused_and_the_first_undisturbed(bank, dataset, tmp_path):
    folder = tmp_path / "dataset"
    process = building(CONFIG, bank, folder, workers=2)
    wait_until_owned(folder, process)
    os.kill(process.pid, signal.SIGSTOP)  # so that it does not end before the second begins
    try:
        with pytest.raises(BlockingIOError, match=r"dataset: .*another command is writing to now"):
            build_dataset(CONFIG, bank, folder, progress=False)
    finally:
        os.kill(process.pid, signal.SIGCONT)
    process.communicate()
    assert process.returncode == 0
    assert content(folder) == content(dataset.folder)


def test_a_leftover_lock_file_is_no_data(bank, dataset, tmp_path):
    folder = tmp_path / "dataset"
    folder.mkdir()
    (folder / LOCK).touch()
    build_dataset(CONFIG, bank, folder, progress=False)
    (folder / LOCK).touch()  # as a kill right after the manifest leaves it
    assert not verify(folder).problems
    build_dataset(CONFIG, bank, folder, progress=False)
    assert content(folder) == content(dataset.folder)


@pytest.mark.parametrize("left", [".parts/.digest-x1y2z3w4.part.json", ".parts"])
def test_a_build_killed_before_its_claim_starts_again(bank, dataset, tmp_path, left):
    path = tmp_path / "dataset" / left
    path.mkdir(parents=True) if path.suffix != ".json" else (
        path.parent.mkdir(parents=True),
        path.touch(),
    )
    assert content(
        build_dataset(CONFIG, bank, tmp_path / "dataset", progress=False).folder
    ) == content(dataset.folder)


def test_what_a_build_killed_at_its_very_end_left_is_cleared(bank, dataset, tmp_path):
    shutil.copytree(dataset.folder, tmp_path / "dataset")
    (tmp_path / "dataset/.parts").mkdir()
    (tmp_path / "dataset/.parts/train-0.tally.json").touch()
    (tmp_path / "dataset/.dataset-x1y2z3w4.part.json").touch()
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


def test_a_build_stopped_before_the_fields_of_the_recipe_were_renamed_is_resumed(bank, tmp_path):
    recipe = {"background_size_px": 336, "rbc_count": [200, 300], "rbc_overlap": 0.15}
    recipe |= {"even_groups": False, "stacks": 0.0, "patches": 0.0, "rouleaux": 0.0}
    recipe |= {"affixed_overlap": 0.1, "edge_softness_px": 0.6, "translucent": False}
    recipe |= {"platelets": 0.0, "white_cells": 0.0, "scale_jitter": 0.0, "shape_jitter": 0.0}
    recipe |= {"beyond_border": 0.0, "stain": 0.0, "nuclear_dye": [0.0, 0.0], "one_dye": 0.0}
    recipe |= {"cell_blur_px": 0.0, "light": 0.0, "debris": 0.0, "blur_px": 0.0, "noise": 0.0}
    sizes = {"train": 2, "valid": 1, "test": 1, "backgrounds": 3, "seed": 0}
    identity = {
        "config": {**sizes, "recipe": {**recipe, "jpeg": 0.0}},
        "bank": bank.digest,
        "version": bloodseg_lib.__version__,
    }
    digest = hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()
    (tmp_path / ".parts").mkdir()
    (tmp_path / ".parts/digest.json").write_text(json.dumps(digest))
    (tmp_path / "train").mkdir()
    config = DatasetConfig(**sizes, recipe=SMALL)
    assert build_dataset(config, bank, tmp_path, progress=False).manifest["digest"] == digest


def test_a_stopped_build_of_another_recipe_is_refused(bank, tmp_path):
    (tmp_path / ".parts").mkdir()
    (tmp_path / ".parts/digest.json").write_text('"of another"')
    with pytest.raises(ValueError, match="a stopped build of another recipe"):
        build_dataset(CONFIG, bank, tmp_path, progress=False)
