"""What is known of an image that was segmented in the panel."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.util import find_spec

from bloodseg_lib.classes import CELL_CLASSES
from bloodseg_lib.panel.corrected_files import corrected_files
from bloodseg_lib.panel.corrections import Correction, corrected
from bloodseg_lib.prediction.counts import Counts
from bloodseg_lib.prediction.interchange import EXPORTS, OutputConfig, exported_files, zipped
from bloodseg_lib.prediction.segmenter import Segmentation

NO_IMAGE = "Expected an image, none is picked. Pick one from the list or upload one."
NOT_YET = "Expected an image that was segmented, received none yet. Press Segment first."

FOR_PROGRAMS = {
    "geojson": "QuPath (GeoJSON)",
    "imagej": "ImageJ (ROI zip)",
    "coco": "COCO",
    "instances": "cell numbers (TIFF)",
}
"""Those of :data:`bloodseg_lib.prediction.interchange.EXPORTS` that the panel offers, and the words
of their buttons.
"""


@dataclass
class Result:
    """What is known of a segmented image.

    Attributes:
        name: the beginning of its files' names.
        segmentation: of the image.
        found: its cells and figures as the network found them, with their pixels.
        files: of ``found``, by name.
        corrections: made by hand, in order.
        saved: the files as they were last written.
        excluded: why a person left the field out of the pooled figures, ``reason``, ``time`` and
            ``by``; empty where nobody did.
    """

    name: str
    segmentation: Segmentation
    found: Counts
    files: Mapping[str, bytes]
    corrections: tuple[Correction, ...] = ()
    saved: dict[str, bytes] = field(default_factory=dict)
    excluded: dict[str, str] = field(default_factory=dict)

    def counts(self) -> Counts:
        """The cells and figures after the corrections."""
        return corrected(self.found, self.corrections)

    def current_files(self) -> dict[str, bytes]:
        """The files after the corrections, by name; the summary says if the field is left out."""
        files = corrected_files(self.found, self.files, self.name, self.corrections)
        if self.excluded:
            name = f"{self.name}_counts.json"
            summary = json.loads(files[name]) | {"excluded": self.excluded}
            files[name] = (json.dumps(summary, indent=1) + "\n").encode()
        return files

    def for_programs(self) -> dict[str, str]:
        """The names of the files for other programs, and which each is of :data:`FOR_PROGRAMS`."""
        return {f"{self.name}{EXPORTS[kind]}": kind for kind in FOR_PROGRAMS}

    def content(self, name: str, picture: str) -> bytes:
        """The bytes of a file after the corrections: of the result, for another program, which is
        told the name of the ``picture``, or all as a zip, whose bytes depend on theirs only. In the
        zip are the files whose packages are installed.

        Raises:
            ValueError: there is no such file.
            ImportError: a package that it needs is not installed.
        """
        files = self.current_files()
        others = self.for_programs()
        if name == f"{self.name}.zip":
            kinds = [k for k in FOR_PROGRAMS if k != "imagej" or find_spec("roifile")]
        elif name in files:
            return files[name]
        elif name in others:
            kinds = [others[name]]
        else:
            raise ValueError(f"{name}: no such file of the last result. Press Segment again.")
        names = OutputConfig(tuple(kinds)).export
        made = exported_files(names, self.segmentation, self.counts(), self.name, picture)
        return made[name] if name in made else zipped(files | made)

    def exclude(self, reason: str, by: str) -> None:
        """Leave the field out of the pooled figures, or not any more where there is no reason."""
        time = datetime.now(UTC).replace(microsecond=0).isoformat()
        self.excluded = {"reason": reason, "time": time, "by": by} if reason else {}
        self.saved.clear()  # somebody else may have written the files since


def found_words(counts: Counts | None) -> str:
    """The number of cells of each class."""
    if counts is None:
        return "not segmented yet"
    numbers = ((counts.watershed[c.key], c.name) for c in CELL_CLASSES)
    return ", ".join(f"{n} {name}" for n, name in numbers if n) or "no cells"
