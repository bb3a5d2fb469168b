"""The command line: ``python -m bloodseg_lib --help``."""

from __future__ import annotations

import functools
import importlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
from tqdm.auto import tqdm

import bloodseg_lib
from bloodseg_lib.options import CHECKPOINT, DIAMETER, PATH, TTA, Configured, Group, Number, pairs

_option, _flag = click.option, functools.partial(click.option, is_flag=True)
_many = functools.partial(click.option, multiple=True)
_path = functools.partial(click.option, type=PATH)
_need = functools.partial(_path, required=True)
_folder = functools.partial(click.argument, "folder", type=PATH)
_files = functools.partial(click.argument, nargs=-1, required=True, type=PATH)
_count = functools.partial(click.option, default=0, type=Number(0))
_roots = functools.partial(click.argument, "roots", nargs=-1, required=True, callback=pairs)
_help = {"help_option_names": ["-h", "--help"], "max_content_width": 100, "show_default": True}


def _segmenter(checkpoint: str, tta: bool) -> bloodseg_lib.Segmenter:
    config = bloodseg_lib.PredictionConfig(test_time_augmentation=tta)
    return bloodseg_lib.Segmenter(checkpoint, config)


@click.group(cls=Group, context_settings=_help)
@click.version_option(bloodseg_lib.__version__)
def main() -> None:
    """Semantic segmentation of blood smears. Not for diagnosis."""


@main.command()
@_option("--port", default=8866, type=Number(1, 65535), help="Of the page, on this machine.")
def app(port: int) -> None:
    """Serve the panel as a page of its own (Voila), for one person or several on this machine."""
    importlib.import_module("bloodseg_lib.panel.app").serve(port)


@main.command()
def sources() -> None:
    """List the databases of single cells: layout, licence, where to get them."""
    click.echo(importlib.import_module("bloodseg_lib.samples.sources.catalog").table())


@main.command()
@_roots(metavar="KEY=FOLDER...")
@_need("--out", help="Folder of the new bank.")
@_count("--draw-missing", help="Draw up to N cells of each class that a split lacks.")
@_flag("--automatic-masks", help="Segment cells without an expert's mask, only for training.")
@_flag("--fields", help="Add whole fields with label maps too; goes on with a finished bank.")
@_count("--seed", help="Of the split and of drawn cells.")
def bank(roots: dict[str, str], out: Path, **options: Any) -> None:
    """Build a sample bank, e.g. `bank lisc=~/lisc kaggle=~/cell_images --out banks/real`.

    KEY is a database that `sources` lists; phantom=N draws N cells of every class.
    """
    click.echo(bloodseg_lib.samples.build_bank(roots, out, **options))


@main.command(cls=Configured, config="DatasetConfig", fields="train valid test backgrounds seed")
@_need("--bank", help="Sample bank to compose of.")
@_need("--out", help="Folder of the dataset.")
@_option("--recipe", default="white", help="white, the original project's; realistic; or robust.")
@_option("--workers", default=-1, type=Number(-1), help="Processes; -1: one for each core.")
def dataset(bank: Path, out: Path, recipe: str, workers: int, **sizes: int) -> None:
    """Compose a dataset of smears; goes on with a build that was stopped."""
    config = bloodseg_lib.DatasetConfig(**sizes, recipe=bloodseg_lib.recipe_named(recipe))
    made = bloodseg_lib.build_dataset(config, bloodseg_lib.SampleBank(bank), out, workers=workers)
    click.echo(f"{made.manifest['images']} in {out}.")


@main.command(cls=Configured, config="UNetConfig", fields="width normalization dropout")
@_need("--dataset", "folder", help="Dataset, as `dataset` makes it.")
@_need("--out", help="Folder for checkpoints and log; one that holds a training goes on with it.")
@_many("--set", "settings", metavar="NAME=VALUE", callback=pairs, help="Of TrainingConfig.")
@_flag("--require-gpu", help="Refuse to train without a GPU: ends with exit code 3.")
def train(folder: Path, out: Path, settings: Any, require_gpu: bool, **shape: Any) -> None:
    """Train a network on a dataset, or go on; without --set as the full-size training."""
    config = bloodseg_lib.TrainingConfig.from_texts(settings)
    dataset, unet = bloodseg_lib.Dataset(folder), bloodseg_lib.UNetConfig(**shape)
    result = bloodseg_lib.train(dataset, unet, config, out, require_gpu=require_gpu)
    best = max(result.history, key=lambda record: record.valid_accuracy)
    scores = f"validation accuracy {best.valid_accuracy:.2%}, mean IoU {best.mean_iou:.3f}"
    click.echo(f"{result.best}: {scores}, after epoch {best.epoch}.")


@main.command(name="fine-tune")
@click.argument("results", type=PATH)
@_need("--out", help="Folder of the fine-tuning, for `predict --network`; it goes on if stopped.")
@CHECKPOINT
def fine_tune(results: Path, out: Path, checkpoint: str) -> None:
    """Teach a network by corrections made in the panel; says what it was before, and is after.

    RESULTS is the folder where the panel keeps its results, e.g. runs/panel.
    """
    report = bloodseg_lib.evaluation.fine_tune(results, out, checkpoint)
    click.echo(report.to_markdown())
    click.echo(f"Use it: python -m bloodseg_lib predict --network {out} ...")


@main.command()
@_option("--profile", default="tutorial", help="quick, tutorial or paper.")
@_need("--out", help="Folder of the run, e.g. runs/tutorial.")
@_path("--bank", help="Sample bank; without one, cells are drawn.")
@_option("--kernel", default="python3", help="Jupyter kernel to run the notebooks on.")
@_many("-p", "--parameter", type=(str, str), help="Name and value, to override.")
def run(profile: str, out: Path, bank: Path | None, kernel: str, parameter: Any) -> None:
    """Run the seven notebooks headless; run it again to go on where it stopped."""
    bloodseg_lib.notebooks.run(profile, out, bank, kernel, dict(parameter))
    click.echo(f"All notebooks ran. Notebooks, network, report and pictures are in {out}.")


@main.command()
@_option("--profile", default="quick", help="quick, tutorial or paper.")
@_need("--out", help="Folder of the run, for the notebooks to write to.")
@_need("--notebooks", "folder", help="Folder for the notebooks.")
def parameterize(profile: str, out: Path, folder: Path) -> None:
    """Write the notebooks with a profile's parameters, not executed: what nbval tests."""
    made = bloodseg_lib.notebooks.write_parameterized(profile, out, folder)
    click.echo(f"{len(made)} notebooks in {folder}.")


_EXPORT = "For other programs: instances, geojson (QuPath), imagej, coco, probabilities."
_INPUTS = "recursive patient_folders page level max_megapixels"
_COUNTING = "infected_share border_rule minimum_rbc minimum_wbc"


@main.command(cls=Configured, config="CountingConfig", fields=_COUNTING)
@_files("images")
@CHECKPOINT
@TTA
@_need("--out", help="Folder for label maps, overlays and counts.")
@DIAMETER
@_flag("--label-maps-only", "--class-maps-only", help="Write only the label maps.")
@_flag("--overwrite", help="Replace existing results of something else.")
@_option("--export", default="", metavar="NAME,...", help=_EXPORT)
@_flag("--decimal-comma", help="Tables with decimal commas and semicolons.")
@_option("--report/--no-report", default=True, help="A page of several images.")
@_flag("-r", "--recursive", help="Take the images of subfolders too.")
@_flag("--patient-folders", help="Folders are patients: figures are pooled by them.")
@_option("--page", default="", help="Of a file with several: its number, or all.")
@_count("--level", help="Of a pyramid; 0: the largest.")
@_option("--max-megapixels", default=500.0, type=Number(0.0, above=True), help="Refuse larger.")
def predict(images: Any, out: Path, rbc_diameter: Any, **how: Any) -> None:
    """Segment images: label map, overlay and counts of each, and pooled; goes on if stopped.

    IMAGES are files, folders, or lists: CSV with the columns path and, if you like, patient.
    """
    scale = None if rbc_diameter is None else bloodseg_lib.Scale.given(rbc_diameter)
    export = tuple(filter(None, how.pop("export").split(",")))
    comma, report = how.pop("decimal_comma"), how.pop("report")
    outputs = bloodseg_lib.prediction.OutputConfig(export, comma, report)
    of_inputs = {name: how.pop(name) for name in _INPUTS.split()}
    inputs, notes = bloodseg_lib.prediction.find_inputs(images, **of_inputs)
    click.echo("".join(f"{note}\n" for note in notes), nl=False, err=True)
    bloodseg_lib.prediction.try_folder(out, [item.path for item in inputs])
    network = _segmenter(how.pop("checkpoint"), how.pop("tta"))
    counting = bloodseg_lib.CountingConfig(**{name: how.pop(name) for name in _COUNTING.split()})

    def show(result: bloodseg_lib.prediction.FileResult) -> None:
        if result.counts or result.kept:
            bar.write(str(result))
        bar.update()

    with tqdm(total=len(inputs), unit="image") as bar:
        done = bloodseg_lib.predict_files(
            inputs, network, out, scale, counting, outputs=outputs, on_result=show, **how
        )
    click.echo(bloodseg_lib.prediction.pooled_words(*done, out), nl=False)
    if failed := bloodseg_lib.prediction.failures(done[0]):
        raise click.ClickException(failed)


@main.group(cls=Group)
def evaluate() -> None:
    """Evaluate a network: on composed smears, on annotated real fields, in its counts."""


def _evaluation(command: Callable[..., bloodseg_lib.evaluation.Report]) -> None:
    """Make a command of ``evaluate`` that saves and prints the report of a function."""
    name = command.__name__.removeprefix("_evaluate_")

    @_path("--out", help="Folder for the report: Markdown, JSON and tables.")
    @TTA
    @CHECKPOINT
    @functools.wraps(command)
    def evaluated(*, checkpoint: str, tta: bool, out: Path | None, **options: Any) -> None:
        if out:
            bloodseg_lib.evaluation.try_reports(out, name)
        report = command(_segmenter(checkpoint, tta), **options)
        click.echo(report.to_markdown())
        if out:
            report.save(out)
        sys.exit(0 if report.to_dict() else 1)  # nothing could be scored

    evaluate.command(name)(evaluated)


@_evaluation
@_folder(metavar="DATASET")
@_option("--split", default="test", help="train, valid or test.")
@_option("--limit", type=Number(1), help="Smears, the first of the split; without it, all.")
def _evaluate_dataset(network: Any, folder: Path, **options: Any) -> bloodseg_lib.evaluation.Report:
    """Score a network on the composed smears of a dataset, pixel by pixel and class by class."""
    return bloodseg_lib.evaluate_dataset(network, bloodseg_lib.Dataset(folder), **options)


@_evaluation
@_roots(metavar="KEY=FOLDER...")
@DIAMETER
def _evaluate_fields(
    network: Any, roots: dict[str, str], rbc_diameter: float | None
) -> bloodseg_lib.evaluation.Report:
    """Score a network on real annotated fields, e.g. `evaluate fields lisc=~/lisc mamic=~/mamic`.

    KEY is lisc, zheng, pbc, mamic, txl_pbc, chula, or own for fields with a boxes.csv. Nothing here
    was composed.
    """
    fields = (field for root in roots.items() for field in bloodseg_lib.annotated_fields(*root))
    return bloodseg_lib.evaluate_fields(network, fields, rbc_diameter)


@_evaluation
@_folder(metavar="DATASET")
@_option("--split", default="test", help="train, valid or test.")
@_option("--limit", default=200, type=Number(1), help="Smears, the first of the split.")
def _evaluate_counts(network: Any, folder: Path, **options: Any) -> bloodseg_lib.evaluation.Report:
    """Compare the counts of cells on composed smears with the truth, class by class."""
    return bloodseg_lib.evaluate_counts(network, bloodseg_lib.Dataset(folder), **options)


@main.command()
@CHECKPOINT
@_option("--format", "format_", default="savedmodel", help="savedmodel or onnx.")
@_need("--out", help="File to write (.onnx), or folder of a SavedModel.")
@_path("--image", "images", multiple=True, help="Image to compare on; may be repeated.")
def export(checkpoint: str, format_: str, out: Path, images: tuple[Path, ...]) -> None:
    """Export a network to run without this package, load it back and compare."""
    pictures = [bloodseg_lib.io.read_image(path) for path in images]
    made = bloodseg_lib.export_checkpoint(checkpoint, out, format_, pictures)
    click.echo(
        f"{made.path}: the network as {made.format}. Loaded back, its probabilities on "
        f"{made.images} images differ by {made.difference:.1e} at most."
    )


@main.command()
@_folder()
def verify(folder: Path) -> None:
    """Check files, digests, boxes and counts of a bank or dataset, and leakage between splits."""
    click.echo((found := bloodseg_lib.verify(folder)).report())
    sys.exit(1 if found.problems else 0)


@main.command()
@click.argument("key")
@_need("--out", help="Folder to fetch it into.")
@_option("--url", default="", show_default=False, help="From where, if not as `sources` says.")
@_option("--sha256", default="", show_default=False, help="Of the file, where it is not known.")
@_flag("--unchecked", help="Accept a file of unknown sha256.")
def fetch(key: str, out: Path, url: str, sha256: str, unchecked: bool) -> None:
    """Fetch a database that `sources` lists; a download that broke off starts again."""
    from bloodseg_lib.samples.sources import download

    root = download.fetch(key, out, url, sha256, unchecked)
    click.echo(f"Fetched. Now: python -m bloodseg_lib bank {key}='{root}' --out FOLDER")


@main.command()
@_files("fields")
@_need("--out", help="Table of boxes to write, e.g. fields/boxes.csv.")
@DIAMETER
def propose(fields: tuple[Path, ...], out: Path, rbc_diameter: float | None) -> None:
    """Propose boxes and classes for the cells of whole fields, for a person to correct."""
    from bloodseg_lib.samples.annotation.proposals import propose_fields

    boxes = propose_fields(fields, out, rbc_diameter)
    click.echo(f"{len(boxes)} boxes in {out}. Correct their classes before use: they are guesses.")


@main.command()
@_files("files")
@_need("--out", help="Table to write, in the folder of the pictures: FOLDER/boxes.csv.")
@_path("--classes", help="Names of YOLO's numbers: a text with a name a line, or data.yaml.")
@_many("--as", "named", metavar="NAME=KEY", callback=pairs, help="Further, as WBC=lymphocyte.")
@DIAMETER
def boxes(files: tuple[Path, ...], out: Path, rbc_diameter: float | None, **names: Any) -> None:
    """Take boxes drawn in other tools, for own=FOLDER: COCO, YOLO, Pascal VOC, labelme, GeoJSON."""
    from bloodseg_lib.samples.annotation.imported_boxes import import_boxes

    click.echo(import_boxes(files, out, rbc_diameter_px=rbc_diameter, **names))
