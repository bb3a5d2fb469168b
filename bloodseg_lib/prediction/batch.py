"""Many image files at once: none overwrites another or an input, one that is bad costs no other its
results, and a batch that was stopped goes on.
"""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from bloodseg_lib.io import (
    ENCODING,
    Picture,
    WriteError,
    csv_text,
    delete_leftovers,
    is_file,
    write_bytes,
)
from bloodseg_lib.prediction.ahead import Ahead
from bloodseg_lib.prediction.cells import CountingConfig
from bloodseg_lib.prediction.counts import Counts
from bloodseg_lib.prediction.file_result import FileResult, why_not
from bloodseg_lib.prediction.inputs import Input
from bloodseg_lib.prediction.interchange import OutputConfig, exported_files
from bloodseg_lib.prediction.journal import MEND, Journal, recalled, tallies
from bloodseg_lib.prediction.likeness import Alike, looks_of
from bloodseg_lib.prediction.out_folder import check_apart, try_folder
from bloodseg_lib.prediction.result_names import printable, result_names, shown_names
from bloodseg_lib.prediction.results import POOLED_FILES, RESULT_ENDINGS, pooled_files, result_files
from bloodseg_lib.prediction.scale import Scale
from bloodseg_lib.prediction.segmenter import Segmentation, Segmenter
from bloodseg_lib.prediction.summary import SUMMARY_FILES, summary_files
from bloodseg_lib.runs import owned

SKIPPED = "skipped.csv"
"""Table of the images that were not segmented, with the reasons."""

_Seen = tuple[dict[str, Any], Picture, Segmentation]
_Ahead = Ahead[Input, _Seen]

_AHEAD_PX = 2**24  # no larger image is in memory beside another
_HOPELESS = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)  # the next image could not be written either


def predict_files(
    paths: Sequence[Path | Input] | Path | str,
    segmenter: Segmenter,
    out: Path | str,
    scale: Scale | None = None,
    counting: CountingConfig | None = None,
    *,
    outputs: OutputConfig | None = None,
    label_maps_only: bool = False,
    overwrite: bool = False,
    on_result: Callable[[FileResult], None] | None = None,
) -> tuple[list[FileResult], Counts | None]:
    """Segment image files, and write the files of each and those of all together.

    An image that cannot be segmented does not stop the others; the reasons are also written, to
    ``skipped.csv``. The same call again goes on where it was stopped: images whose results are all
    there, made of the same content by the same network and options, are not segmented again.

    Args:
        paths: one image or several, or what :func:`bloodseg_lib.prediction.inputs.find_inputs`
            found; one that is given twice is segmented once.
        segmenter: the network.
        out: folder for the files of :func:`bloodseg_lib.prediction.results.result_files` and
            :func:`bloodseg_lib.prediction.results.pooled_files`, under the names of
            :func:`bloodseg_lib.prediction.result_names.result_names`.
        scale: of all images; None: measured in each.
        counting: how to count; the defaults if not given.
        outputs: which files are written besides, and how; the defaults if not given.
        label_maps_only: write only the label maps, ``<name>.png``.
        overwrite: replace existing files that are something else.
        on_result: called after each image.

    Returns:
        the result of each image, in order, and the pooled counts, if two or more were counted.

    Raises:
        ValueError: a result would be written onto an image, or onto an existing file that is
            something else.
        OSError: the folder cannot be written to.
        BlockingIOError: another command is writing to ``out``.
    """
    outputs = outputs or OutputConfig()
    if label_maps_only and outputs.export:
        raise ValueError("Expected label maps only, or exports of cells. Received both.")
    each = [paths] if isinstance(paths, str | Path | Input) else paths
    if not (inputs := [path if isinstance(path, Input) else Input(Path(path)) for path in each]):
        raise ValueError("Expected an image or more. Received none: does the folder have some?")
    try_folder(out, [item.path for item in inputs])
    counting = counting or CountingConfig()
    with owned(out):
        batch = _Batch(inputs, segmenter, Path(out), scale, counting, label_maps_only, outputs)
        batch.check(overwrite)
        files = [name for item in batch.names for name in batch.files(item)]
        delete_leftovers(batch.out / n for n in (*files, SKIPPED, *POOLED_FILES, *SUMMARY_FILES))
        items, results, pooled = list(batch.names), list[FileResult](), None
        with Ahead(batch.seen) as ahead:
            for item, following in zip(items, [*items[1:], None], strict=True):
                results.append(batch.result(item, ahead, following))
                if on_result:
                    on_result(results[-1])
        results = list(map(batch.there, items, results))
        batch.save_reasons([result for result in results if result.error])
        try:
            pooled = batch.save_pooled(results)
            batch.save_summary(results, pooled)
        except WriteError as error:  # the images are told of all the same
            results.append(FileResult(batch.out / POOLED_FILES[1], error=str(error)))
    return results, pooled


@dataclass
class _Batch:
    """The images of one call, what their results are called, and what they are made of."""

    inputs: Sequence[Input]
    segmenter: Segmenter
    out: Path
    scale: Scale | None
    counting: CountingConfig
    label_maps_only: bool
    outputs: OutputConfig
    overwrite: bool = False
    hopeless: str = ""

    def __post_init__(self) -> None:
        same: dict[str, list[Input]] = {}
        for item in self.inputs:
            same.setdefault(os.path.realpath(item.own_path), []).append(item)
        once = [min(spellings, key=lambda item: item.path) for spellings in same.values()]
        names = result_names([item.own_path for item in once])
        self.names = {item: names[item.own_path] for item in once}
        self.shown = shown_names([item.path for item in once])
        self.journal, self.alike = Journal(self.out), Alike()
        counting, outputs = self.counting.to_dict(), self.outputs
        self.made_by = {
            **self.segmenter.identity,
            "scale": None if self.scale is None else asdict(self.scale),
            "counting": None if self.label_maps_only else counting,
            "outputs": None if self.label_maps_only else [outputs.endings, outputs.decimal_comma],
        }

    def files(self, item: Input) -> list[str]:
        """The names of the files of an image's result."""
        endings = (".png",) if self.label_maps_only else RESULT_ENDINGS
        endings = (*endings, *self.outputs.endings)
        return [self.names[item] + ending for ending in endings]

    @property
    def of_all(self) -> tuple[str, ...]:
        """The names of the files of all images together, if there are several."""
        several = len(self.names) > 1 and not self.label_maps_only
        return (*POOLED_FILES, *SUMMARY_FILES) if several else ()

    def of(self, item: Input, **known: Any) -> FileResult:
        """What became of an image."""
        shown = self.shown[item.path]
        return FileResult(item.path, page=item.page, patient=item.patient, shown=shown, **known)

    def made_of(self, item: Input) -> dict[str, Any]:
        return {**item.made_of, **self.made_by}

    def check(self, overwrite: bool) -> None:
        """Refuse to write onto an image or a list of images, or onto something else."""
        self.journal.check()
        read = (path for item in self.names for path in (item.path, item.listed))
        written = [name for item in self.names for name in self.files(item)]
        check_apart(read, self.journal.existing([*written, SKIPPED, *self.of_all]))
        self.overwrite = overwrite
        if overwrite:
            return
        for item in self.names:
            if is_file(item.path) and self.journal.existing(self.files(item)):
                with contextlib.suppress(OSError):  # it cannot be read: told when its turn comes
                    self.journal.done(self.made_of(item), self.files(item))
        for present in self.journal.existing([SKIPPED, *self.of_all]):
            fields = self.journal.fields_of(present)
            if fields is None or not fields <= set(self.names.values()):
                raise ValueError(
                    f"{present}: expected no file, or one of the same images. Received a file of "
                    f"something else. {MEND}"
                )

    def result(self, item: Input, ahead: _Ahead, following: Input | None) -> FileResult:
        """Segment one image, unless its results are there; what follows is begun."""
        if self.hopeless:
            return self.of(item, error=f"{printable(str(item.path))}: not tried. {self.hopeless}")
        try:
            if not is_file(item.path):
                item.read()  # which says why
            return self._kept(item) or self._segmented(item, ahead, following)
        except Exception as error:
            if isinstance(error, WriteError) and error.errno in _HOPELESS:
                self.hopeless = f"Nothing can be written any more: {error}"
            return self.of(item, error=why_not(item.path, error))

    def there(self, item: Input, result: FileResult) -> FileResult:
        """The result, or an error: somebody deleted its files meanwhile, or a drive went away."""
        files = self.files(item)
        if result.error or len(self.journal.existing(files)) == len(files):
            return result
        gone = f"{printable(str(item.path))}: its results were written, and are gone. Run it again."
        return self.of(item, error=gone)

    def _kept(self, item: Input) -> FileResult | None:
        try:
            entry = self.journal.done(self.made_of(item), self.files(item))
            if entry is None:
                return None
            table = self.out / f"{self.names[item]}_cells.csv"
            scale, counts = recalled(entry, table, None if self.label_maps_only else self.counting)
        except ValueError:
            if not self.overwrite:
                raise
            return None
        kept = self.of(item, scale=scale, counts=counts, kept=True)
        alike = self.alike.note(kept.name, entry.get("looks", ""))
        return replace(kept, notes=(*entry.get("notes", ()), *alike))

    def seen(self, item: Input, go_on: Callable[[float], None]) -> _Seen:
        """Read and segment one image."""
        made_of, picture = self.made_of(item), item.read()
        found = self.segmenter.segment(picture.pixels, self.scale, on_progress=go_on)
        return made_of, picture, found.of_file(picture.pixel_size_um)

    def _segmented(self, item: Input, ahead: _Ahead, following: Input | None) -> FileResult:
        made_of, picture, found = ahead.take(item)
        image, name, comma = picture.pixels, self.names[item], self.outputs.decimal_comma
        room = found.labels.size <= _AHEAD_PX
        if following and room and not self.journal.existing(self.files(following)):
            ahead.begin(following)
        counts, files = result_files(found, image, name, self.counting, decimal_comma=comma)
        files |= exported_files(self.outputs.export, found, counts, name, item.path.name)
        counts = counts.without_pixels()
        if self.label_maps_only:
            files = {f"{name}.png": files[f"{name}_classes.png"]}
        known = None if self.label_maps_only else tallies(counts)
        scale, looks = asdict(found.scale), looks_of(image)
        self._save(files, made_of, scale=scale, counts=known, notes=picture.notes, looks=looks)
        kept = None if self.label_maps_only else counts
        made = self.of(item, scale=found.scale, counts=kept)
        return replace(made, notes=(*picture.notes, *self.alike.note(made.name, looks)))

    def _save(self, files: dict[str, bytes], made_of: dict[str, Any], **known: Any) -> None:
        self.journal.add(made_of, files, **known)
        for name, data in files.items():
            write_bytes(self.out / name, data)

    def save_reasons(self, failed: Sequence[FileResult]) -> None:
        """Write why images were not segmented; where all were, there is no such table."""
        with contextlib.suppress(WriteError):  # the caller has the reasons too
            if failed:
                rows = [[printable(str(result.path)), result.error] for result in failed]
                comma = self.outputs.decimal_comma
                table = csv_text(["image", "reason"], rows, comma).encode(ENCODING)
                self._save({SKIPPED: table}, {})
            else:
                self._forget({SKIPPED})

    def _forget(self, names: set[str]) -> None:
        """Delete what an earlier call wrote of all images, where this one has nothing to say."""
        for path in self.journal.existing(names):
            if self.journal.fields_of(path) is not None:
                path.unlink()

    def save_pooled(self, results: Sequence[FileResult]) -> Counts | None:
        """Write the counts of all images together, if there are several."""
        fields = {self.names[Input(r.path, r.page)]: r.counts for r in results if r.counts}
        if len(fields) < 2:
            self._forget({*self.of_all} & {*POOLED_FILES})
            return None
        counts, files = pooled_files(list(fields.values()), self.outputs.decimal_comma)
        self._save(files, self.made_by, fields=list(fields))
        return counts

    def save_summary(self, results: Sequence[FileResult], pooled: Counts | None) -> None:
        """Write the tables and the page of all images, if there are several."""
        if len(self.names) < 2 or not any(result.counts for result in results):
            self._forget({*self.of_all})
            return

        def overlay_of(result: FileResult) -> bytes | None:
            path = self.out / f"{self.names[Input(result.path, result.page)]}_overlay.png"
            return path.read_bytes() if path.is_file() else None

        network = self.made_by["network"]
        files = summary_files(results, overlay_of, pooled, network, self.outputs)
        self._forget(set(SUMMARY_FILES) - set(files))
        self._save(files, self.made_by, fields=list(self.names.values()))
