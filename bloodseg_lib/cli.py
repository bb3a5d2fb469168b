"""The command line: ``python -m bloodseg_lib --help``."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click

import bloodseg_lib


class _Group(click.Group):
    """Turns the library's errors, which are sentences, into the command line's."""

    def invoke(self, ctx: click.Context):
        try:
            return super().invoke(ctx)
        except (ValueError, OSError) as error:
            raise click.ClickException(str(error)) from error
        except KeyboardInterrupt:
            click.echo("Interrupted. Run the same command again to go on.", err=True)
            sys.exit(130)


@click.group(
    cls=_Group, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}
)
@click.version_option(bloodseg_lib.__version__)
def main() -> None:
    """Semantic segmentation of blood smears. Not for diagnosis."""


def _network(_context: click.Context, _parameter: click.Parameter, value: str) -> Path:
    from bloodseg_lib.network.pretrained import checkpoint_path

    return checkpoint_path(value)


_checkpoint = click.option(
    "--checkpoint",
    default="released",
    show_default=True,
    callback=_network,
    help="A trained network, e.g. runs/tutorial/training/best.npz; released: the one that comes with the package.",
)


_test_time_augmentation = click.option(
    "--test-time-augmentation",
    "--tta",
    is_flag=True,
    help="Average over each tile mirrored and turned in all eight ways: takes eight times as long.",
)


@main.command()
def sources() -> None:
    """List the databases of single cells: layout, licence, where to get them."""
    from bloodseg_lib.samples.sources import catalog

    click.echo(catalog.table())


@main.command()
@click.argument("databases", nargs=-1, required=True, metavar="KEY=FOLDER...")
@click.option(
    "--out", type=click.Path(path_type=Path), required=True, help="Folder of the new bank."
)
@click.option(
    "--draw-missing",
    default=0,
    metavar="N",
    show_default=True,
    help="Draw up to N cells of each class that has none in a split.",
)
@click.option(
    "--automatic-masks",
    is_flag=True,
    help="Segment cells that no expert masked (LISC, PBC); they are trained on, never tested on.",
)
@click.option("--seed", default=0, show_default=True, help="Of the split and of drawn cells.")
def bank(
    databases: tuple[str, ...], out: Path, draw_missing: int, automatic_masks: bool, seed: int
) -> None:
    """Build a sample bank from database folders, e.g. `bank lisc=~/lisc kaggle=~/cell_images --out
    banks/real`.

    KEY is a database that `sources` lists; phantom=N draws N cells of every class.
    """
    from bloodseg_lib.samples.collect import collect

    made, collection = collect(
        _roots(databases), out, draw_missing, seed, automatic_masks=automatic_masks
    )
    click.echo(collection.report(made))
    click.echo(f"{len(made.entries)} samples in {out}.")


@main.command()
@click.option(
    "--bank",
    "bank_folder",
    type=click.Path(path_type=Path),
    required=True,
    help="Sample bank to compose of.",
)
@click.option(
    "--out", type=click.Path(path_type=Path), required=True, help="Folder of the dataset."
)
@click.option("--train", default=65350, show_default=True)
@click.option("--valid", default=6560, show_default=True)
@click.option("--test", default=6560, show_default=True)
@click.option("--backgrounds", default=1500, show_default=True)
@click.option("--seed", default=0, show_default=True)
@click.option(
    "--recipe",
    default="white",
    show_default=True,
    help="white, as the original project composed them, or realistic.",
)
@click.option("--workers", default=-1, show_default=True, help="Processes; -1: one for each core.")
def dataset(bank_folder: Path, out: Path, recipe: str, workers: int, **sizes: int) -> None:
    """Compose a dataset of smears; goes on with a build that was stopped."""
    from bloodseg_lib.samples.bank import SampleBank
    from bloodseg_lib.smears.dataset import DatasetConfig, build_dataset
    from bloodseg_lib.smears.recipe import recipe_named

    made = build_dataset(
        DatasetConfig(**sizes, recipe=recipe_named(recipe)),
        SampleBank(bank_folder),
        out,
        workers=workers,
    )
    click.echo(f"{made.manifest['images']} in {out}.")


@main.command()
@click.option(
    "--dataset",
    "dataset_folder",
    type=click.Path(path_type=Path),
    required=True,
    help="Dataset, as `dataset` makes it.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    required=True,
    help="Folder for checkpoints and log; one that holds a training goes on with it.",
)
@click.option(
    "--width",
    default=32,
    show_default=True,
    help="Channels of the first level; 32: 7,760,394 parameters.",
)
@click.option(
    "--normalization", default="none", show_default=True, help="none, as the paper, or batch."
)
@click.option(
    "--dropout",
    default=0.5,
    show_default=True,
    help="Share of the deepest features dropped while training.",
)
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="NAME=VALUE",
    help="A training parameter, e.g. batch_size=4 or flips=true; may be repeated.",
)
@click.option(
    "--require-gpu", is_flag=True, help="Refuse to train without a GPU: ends with exit code 3."
)
def train(
    dataset_folder: Path,
    out: Path,
    width: int,
    normalization: str,
    dropout: float,
    settings: tuple[str, ...],
    require_gpu: bool,
) -> None:
    """Train a network on a dataset;

    goes on with a training that was stopped. Without --set, as the full-size training.
    """
    from bloodseg_lib.network.unet import UNetConfig
    from bloodseg_lib.smears.dataset import Dataset
    from bloodseg_lib.training.config import TrainingConfig
    from bloodseg_lib.training.preflight import EXIT_NO_GPU, NoGPUError
    from bloodseg_lib.training.train import train as train_network

    config = TrainingConfig.from_dict(dict(map(_setting, settings)))
    unet = UNetConfig(width=width, normalization=normalization, dropout=dropout)
    try:
        result = train_network(Dataset(dataset_folder), unet, config, out, require_gpu=require_gpu)
    except NoGPUError as error:
        click.echo(f"Error: {error}", err=True)
        sys.exit(EXIT_NO_GPU)
    except (FloatingPointError, MemoryError, ImportError) as error:
        raise click.ClickException(str(error)) from error
    best = max(result.history, key=lambda record: record.valid_accuracy)
    click.echo(
        f"{result.best}: validation accuracy {best.valid_accuracy:.2%}, mean IoU {best.mean_iou:.3f}, after epoch {best.epoch}."
    )


def _setting(text: str) -> tuple[str, object]:
    """A parameter and its value, read as JSON - numbers, true, false - and else as the word it is."""
    name, equals, value = text.partition("=")
    if not equals:
        raise click.BadParameter(f"expected NAME=VALUE. Received {text!r}.", param_hint="--set")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value


@main.command()
@click.option("--profile", default="tutorial", show_default=True, help="quick, tutorial or paper.")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    required=True,
    help="Folder of the run, e.g. runs/tutorial.",
)
@click.option(
    "--bank", type=click.Path(path_type=Path), help="Sample bank; without one, cells are drawn."
)
@click.option(
    "--kernel", default="python3", show_default=True, help="Jupyter kernel to run the notebooks on."
)
@click.option(
    "-p",
    "--parameter",
    "parameters",
    type=(str, str),
    multiple=True,
    metavar="NAME VALUE",
    help="Override a notebook parameter.",
)
def run(
    profile: str, out: Path, bank: Path | None, kernel: str, parameters: tuple[tuple[str, str], ...]
) -> None:
    """Run the six notebooks headless; run it again to go on where it stopped."""
    from papermill import PapermillExecutionError

    from bloodseg_lib import notebooks as pipeline

    try:
        folder = pipeline.run(profile, out, bank, kernel, dict(parameters))
    except PapermillExecutionError as error:
        raise click.ClickException(
            f"Cell {error.exec_count} of a notebook raised {error.ename}: {error.evalue}\nSee {out / 'notebooks'}."
        ) from error
    click.echo(f"All notebooks ran. Notebooks, network, report and pictures are in {folder}.")


@main.command()
@click.option("--profile", default="quick", show_default=True, help="quick, tutorial or paper.")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    required=True,
    help="Folder of the run that the notebooks shall write to.",
)
@click.option(
    "--notebooks", type=click.Path(path_type=Path), required=True, help="Folder for the notebooks."
)
def parameterize(profile: str, out: Path, notebooks: Path) -> None:
    """Write the notebooks with a profile's parameters, not executed: what nbval tests."""
    from bloodseg_lib import notebooks as pipeline

    click.echo(
        f"{len(pipeline.write_parameterized(profile, out, notebooks))} notebooks in {notebooks}."
    )


@main.command()
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default=Path("runs/tutorial"),
    show_default=True,
    help="Folder of the run.",
)
def adopt(out: Path) -> None:
    """Put the outputs of a finished tutorial run into the committed notebooks and images/."""
    from bloodseg_lib import notebooks as pipeline

    pipeline.adopt_outputs(out)


@main.command()
@click.argument("images", nargs=-1, required=True, type=click.Path(path_type=Path))
@_checkpoint
@_test_time_augmentation
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    required=True,
    help="Folder for class maps, overlays and counts.",
)
@click.option(
    "--rbc-diameter",
    type=float,
    help="Diameter of a red cell in your images, in pixels; without it, it is measured in each image.",
)
@click.option(
    "--class-maps-only",
    is_flag=True,
    help="Write nothing but the class maps, under the names of the images, e.g. to score them.",
)
def predict(
    images: tuple[Path, ...],
    checkpoint: Path,
    out: Path,
    rbc_diameter: float | None,
    class_maps_only: bool,
    test_time_augmentation: bool,
) -> None:
    """Segment images;

    write a class map, an overlay and the counts of each, and of several the pooled counts.
    """
    from tqdm.auto import tqdm

    from bloodseg_lib.io import write_label_map
    from bloodseg_lib.prediction.results import save_pooled, save_segmentation
    from bloodseg_lib.prediction.segmenter import Segmenter, open_image, scale_to_40x

    stems = [path.stem for path in images]
    if len(set(stems)) < len(stems):
        raise ValueError(
            f"{', '.join(sorted({s for s in stems if stems.count(s) > 1}))}: several images of this name. Predict them into folders of their own."
        )
    scale = None if rbc_diameter is None else scale_to_40x(rbc_diameter)
    segmenter = Segmenter(checkpoint, test_time_augmentation=test_time_augmentation)
    fields, unreadable = [], []
    for path in tqdm(images, unit="image"):
        try:
            image = open_image(path)
            segmentation = segmenter.segment(image, scale)
        except (ValueError, OSError) as error:  # the other images are still worth their results
            unreadable.append(str(error) if path.name in str(error) else f"{path}: {error}")
            continue
        if class_maps_only:
            write_label_map(out / f"{path.stem}.png", segmentation.labels)
            continue
        fields.append(save_segmentation(segmentation, image, out, path.stem))
        tqdm.write(
            f"{path.name}: {len(fields[-1].cells)} cells, parasitaemia {fields[-1].parasitaemia()}; {segmentation.found}."
        )
        for words in fields[-1].disagreements().values():
            tqdm.write(f"{path.name}: the three counts disagree: {words}")
    if len(fields) > 1:
        tqdm.write(
            f"All {len(fields)} together: {len(save_pooled(fields, out).cells)} cells, in {out / 'pooled_counts.json'}."
        )
    if unreadable:
        raise click.ClickException("\n".join(unreadable))


@main.command()
@click.argument("databases", nargs=-1, required=True, metavar="KEY=FOLDER...")
@_checkpoint
@_test_time_augmentation
@click.option(
    "--rbc-diameter",
    type=float,
    help="Diameter of a red cell in all of these fields, in pixels; without it, it is measured in each.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="Folder for the table (Markdown, CSV) and its summary (JSON).",
)
def score(
    databases: tuple[str, ...],
    checkpoint: Path,
    rbc_diameter: float | None,
    out: Path | None,
    test_time_augmentation: bool,
) -> None:
    """Score a network on real annotated fields, e.g. `score lisc=~/lisc mamic=~/mamic`.

    KEY is lisc, zheng, pbc, mamic, or own for fields with a boxes.csv. Nothing here was composed.
    """
    from itertools import chain

    from bloodseg_lib.evaluation import annotated
    from bloodseg_lib.evaluation import fields as field_scores
    from bloodseg_lib.prediction.segmenter import Segmenter

    fields = [annotated.read(key, root) for key, root in _roots(databases).items()]
    found = field_scores.score_fields(
        Segmenter(checkpoint, test_time_augmentation=test_time_augmentation),
        chain.from_iterable(fields),
        rbc_diameter,
    )
    click.echo(field_scores.to_markdown(found))
    if out:
        field_scores.save(found, out)


def _roots(databases: tuple[str, ...]) -> dict[str, Path]:
    """Key -> folder, of arguments KEY=FOLDER."""
    roots: dict[str, Path] = {}
    for database in databases:
        key, equals, root = database.partition("=")
        if not equals or not root or key in roots:
            raise click.BadParameter(
                f"expected KEY=FOLDER, each key once. Received {database!r}.",
                param_hint="KEY=FOLDER",
            )
        roots[key] = Path(root).expanduser()
    return roots


@main.command()
@click.argument("folder", type=click.Path(path_type=Path), metavar="DATASET")
@_checkpoint
@_test_time_augmentation
@click.option("--split", default="test", show_default=True, help="train, valid or test.")
@click.option("--limit", type=int, help="Smears, the first of the split; without it, all.")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="Folder for the report (Markdown, JSON) and the scores per class (CSV).",
)
def evaluate(
    folder: Path,
    checkpoint: Path,
    test_time_augmentation: bool,
    split: str,
    limit: int | None,
    out: Path | None,
) -> None:
    """Score a network on the composed smears of a dataset, pixel by pixel and class by class."""
    from bloodseg_lib.evaluation import composed as evaluation
    from bloodseg_lib.prediction.segmenter import Segmenter
    from bloodseg_lib.smears.dataset import Dataset

    report = evaluation.evaluate(
        Segmenter(checkpoint, test_time_augmentation=test_time_augmentation),
        Dataset(folder),
        split,
        limit=limit,
    )
    if out:
        report.save(out)
    click.echo(report.to_markdown())


@main.command("count-error")
@click.argument("folder", type=click.Path(path_type=Path), metavar="DATASET")
@_checkpoint
@_test_time_augmentation
@click.option("--split", default="test", show_default=True, help="train, valid or test.")
@click.option("--limit", default=200, show_default=True, help="Smears, the first of the split.")
@click.option("--out", type=click.Path(path_type=Path), help="JSON file to write the figures to.")
def count_error(
    folder: Path,
    checkpoint: Path,
    split: str,
    limit: int,
    out: Path | None,
    test_time_augmentation: bool,
) -> None:
    """Count the cells of composed smears and print how far the counts are from the truth, class by
    class.
    """
    from bloodseg_lib.evaluation.counts import counting_error
    from bloodseg_lib.io import write_json
    from bloodseg_lib.prediction.segmenter import Segmenter
    from bloodseg_lib.smears.dataset import Dataset

    found = counting_error(
        Segmenter(checkpoint, test_time_augmentation=test_time_augmentation),
        Dataset(folder),
        split,
        limit,
    )
    if out:
        write_json(out, found.to_dict())
    click.echo(found.to_markdown())


@main.command()
@_checkpoint
@click.option(
    "--format",
    "format_",
    default="savedmodel",
    show_default=True,
    help="savedmodel, onnx or litert.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    required=True,
    help="File to write (.onnx, .tflite), or folder of a SavedModel.",
)
@click.option(
    "--image",
    "images",
    multiple=True,
    type=click.Path(path_type=Path),
    help="Image to compare on, 224 x 224 or more; may be repeated.",
)
def export(checkpoint: Path, format_: str, out: Path, images: tuple[Path, ...]) -> None:
    """Export a network to run without this package, load it back and compare."""
    from bloodseg_lib.io import read_image
    from bloodseg_lib.prediction.export import export_checkpoint

    try:
        made = export_checkpoint(checkpoint, out, format_, [read_image(path) for path in images])
    except ImportError as error:
        raise click.ClickException(str(error)) from error
    click.echo(
        f"{made.path}: the network as {made.format}. Loaded back, its probabilities on {made.images} images differ by {made.difference:.1e} at most."
    )


@main.command()
@click.argument("folder", type=click.Path(path_type=Path))
def verify(folder: Path) -> None:
    """Check a sample bank or a dataset:

    files, digests, boxes, counts, and what is known of leakage between splits.
    """
    from bloodseg_lib.smears.verify import verify as check

    found = check(folder)
    click.echo(found.report())
    if found.problems:
        sys.exit(1)


@main.command()
@click.argument("key")
@click.option(
    "--out", type=click.Path(path_type=Path), required=True, help="Folder to fetch it into."
)
@click.option("--url", default="", help="From where, if not from where `sources` says.")
@click.option("--sha256", default="", help="Of the file, where it is not known.")
@click.option("--unchecked", is_flag=True, help="Take a file whose sha256 nobody knows.")
def fetch(key: str, out: Path, url: str, sha256: str, unchecked: bool) -> None:
    """Fetch a database that `sources` lists; goes on with a download that was stopped."""
    from bloodseg_lib.samples.sources import download

    root = download.fetch(key, out, url, sha256, unchecked)
    click.echo(f"Fetched. Now: python -m bloodseg_lib bank {key}='{root}' --out FOLDER")


@main.command()
@click.argument("fields", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    required=True,
    help="Table of boxes to write, e.g. fields/boxes.csv.",
)
@click.option(
    "--rbc-diameter",
    type=float,
    help="Diameter of a red cell in these fields, in pixels; without it, it is measured.",
)
def propose(fields: tuple[Path, ...], out: Path, rbc_diameter: float | None) -> None:
    """Propose a box and a class for each cell of whole fields, to be corrected by a person
    (notebook 01).
    """
    from bloodseg_lib.samples.annotation.proposals import propose_fields

    boxes = propose_fields(fields, out, rbc_diameter)
    click.echo(
        f"{len(boxes)} boxes in {out}. Correct their classes before you use them: they are guesses."
    )
