"""What became of the images of a batch, in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bloodseg_lib.io import WriteError
from bloodseg_lib.prediction.counts import Counts
from bloodseg_lib.prediction.finding import COUNTS
from bloodseg_lib.prediction.result_names import printable
from bloodseg_lib.prediction.results import POOLED_FILES
from bloodseg_lib.prediction.scale import Scale


@dataclass(frozen=True)
class FileResult:
    """What became of one image file.

    Attributes:
        path: the image; or, if it could not be written, the file of all images together.
        scale: that it was segmented with; None if it was not.
        counts: its cells; None if it was not segmented, or if they were not counted.
        error: why it was not segmented, in words; empty if it was.
        kept: its results were there already. The cells have no probabilities then.
        page: of the file; None: the only one.
        patient: whose picture it is, where a list of pictures told it.
        shown: its name for people, where other images have its name; see
            :func:`bloodseg_lib.prediction.result_names.shown_names`.
        notes: what was done to the picture or ignored, see :class:`bloodseg_lib.io.Picture`.
    """

    path: Path
    scale: Scale | None = None
    counts: Counts | None = None
    error: str = ""
    kept: bool = False
    page: int | None = None
    patient: str = ""
    notes: tuple[str, ...] = ()
    shown: str = ""

    @property
    def name(self) -> str:
        """The picture, for people."""
        page = f", page {self.page}" if self.page else ""
        return printable(self.shown or self.path.name) + page

    def __str__(self) -> str:
        name = self.name
        kept = " Skipped: these results are there already." if self.kept else ""
        if self.counts is None:
            first = f"{self.error or self.scale}{kept and '.' + kept}"
            return "\n".join(f"{name}: {words}" for words in (first, *self.notes))
        quality = self.counts.quality
        unsure = sum(self.counts.uncertain().values())
        cells = f"{len(self.counts.cells)} cells, "
        cells += f"{unsure} of them white and of uncertain class, " if unsure else ""
        cells += f"parasitaemia {self.counts.parasitaemia()}"
        if quality.reason(COUNTS):
            cells = "no figures"
        lines = [f"{cells}; {self.scale}.{kept}", *self.notes]
        lines += [f"{finding.level}: {finding.sentence}" for finding in quality.findings]
        if not quality.reason(COUNTS):
            disagreements = self.counts.disagreements().values()
            lines += [f"the three counts disagree: {words}" for words in disagreements]
        return "\n".join(f"{name}: {line}" for line in lines)


def why_not(path: Path, error: Exception) -> str:
    """Why an image was not segmented, in words, whatever was raised: of any decoder too, for the
    other images are worth their results.
    """
    if isinstance(error, WriteError):
        words = f"{path}: its results cannot be written. {error}"
    elif isinstance(error, (ValueError, OSError)):
        words = str(error) if path.name in str(error) else f"{path}: {error}"
    # MemoryError, and what OpenCV and OpenVINO raise in its place
    elif isinstance(error, MemoryError) or "alloc" in str(error):
        words = (
            f"{path}: expected an image that fits into memory. Received {path.stat().st_size} "
            "bytes, too many for it. Cut it in parts, or close other programs."
        )
    else:
        words = (
            f"{path}: expected an image that can be segmented. Received one of unusual "
            f"size or damaged ({type(error).__name__}: {str(error).strip()}). Save it again as "
            "PNG."
        )
    return printable(words)


def pooled_words(results: Sequence[FileResult], pooled: Counts | None, out: Path) -> str:
    """How many images were pooled, and where their counts are; empty if none were."""
    if pooled is None:
        return ""
    number = sum(result.counts is not None for result in results)
    where = printable(str(out / "pooled_counts.json"))
    left_out = "".join(f" {finding.sentence}" for finding in pooled.quality.findings)
    cells = "no figures" if pooled.quality.reason(COUNTS) else f"{len(pooled.cells)} cells"
    return f"All {number} together: {cells}, in {where}.{left_out}\n"


def failures(results: Sequence[FileResult]) -> str:
    """The reasons why images were not segmented, and how many were; empty if all were.

    Examples:
        >>> failures([FileResult(Path("a.png"), error="a.png: there is none.")]).splitlines()
        ['a.png: there is none.', '0 of 1 images segmented.']
    """
    errors = [result.error for result in results if result.error]
    images = [result for result in results if result.path.name not in POOLED_FILES]
    number = sum(not result.error for result in images)
    end = f"{number} of {len(images)} images segmented."
    return "\n".join([*errors, end]) if errors else ""
