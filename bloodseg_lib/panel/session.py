"""The session of a panel, without widgets: image, segmentation, counts, corrections, files.

``prediction`` counts, ``steps`` correct. Taught by ``notebooks/06_interactive_prediction.ipynb``.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from bloodseg_lib.io import Picture
from bloodseg_lib.panel import steps
from bloodseg_lib.panel.corrections import Correction, ListedCell, class_of_key, present_cells
from bloodseg_lib.panel.drawn import Outline
from bloodseg_lib.panel.images import decoded_image, offered_images, opened
from bloodseg_lib.panel.keeping import Keeper, image_key
from bloodseg_lib.panel.result import NO_IMAGE, NOT_YET, Result, found_words
from bloodseg_lib.panel.trail import found_again, read_record
from bloodseg_lib.prediction.counts import CountingConfig, Counts
from bloodseg_lib.prediction.results import result_files
from bloodseg_lib.prediction.scale import Scale
from bloodseg_lib.prediction.segmenter import Segmentation, Segmenter
from bloodseg_lib.runs import give_back_memory


class PanelSession:
    """An image, its result and the corrections of it.

    Args:
        segmenter, images, config, folder: see :class:`bloodseg_lib.panel.panel.SegmentationPanel`.

    Attributes:
        images: the images to pick from by name; those of a folder are paths until they are picked.
        image: ``(H, W, 3) uint8`` RGB, or ``None``.
        name: of the image; its files' names begin with it.
        segmentation, found: of it, and its cells as the network found them, or ``None``.
        counts: the same after the corrections.
        files: its files by name, as the command line writes them until a correction is made.
        corrections: made by hand, in order.
        result: all that is known of the image, or ``None``.
        person: who makes the corrections, for the record; empty where nobody said.

    Raises:
        FileNotFoundError: ``images`` is a folder that is not there.

    Examples:
        >>> session = PanelSession(segmenter=None, images={"a": np.zeros((4, 6, 3), np.uint8)})
        >>> session.pick("a")
        >>> session.name, session.image.shape, session.found_words()
        ('a', (4, 6, 3), 'not segmented yet')
    """

    def __init__(
        self,
        segmenter: Segmenter,
        images: Mapping[str, np.ndarray] | Path | str | None = None,
        config: CountingConfig | None = None,
        folder: Path | str | None = None,
    ):
        self.segmenter = segmenter
        self.config = config or CountingConfig()
        self.images = offered_images(images)
        self._opened: Picture | None = None
        self.keeper, self.person = Keeper(folder), ""
        self._begin(None, "")

    def _begin(self, image: np.ndarray | None, name: str) -> None:
        self.image, self.name = image, name
        self.segmentation: Segmentation | None = None
        self.found: Counts | None = None
        self.counts: Counts | None = None
        self.files: dict[str, bytes] = {}
        self.corrections: tuple[Correction, ...] = ()
        self.result: Result | None = None

    def add(self, name: str, data: bytes) -> str:
        """Add the bytes of an image file to the images, and return the name that it has there.

        Raises:
            ValueError: it is no image.
        """
        name = Path(name).name
        self.images[name] = decoded_image(name, data)
        return name

    def opened(self, name: str | None) -> np.ndarray:
        """One of the images, ``(H, W, 3) uint8`` RGB.

        Raises:
            FileNotFoundError, ValueError: no name, or a file that cannot be read.
        """
        if name is None:
            raise ValueError(NO_IMAGE)
        self._opened = opened(self.images[name])
        return self._opened.pixels

    def pick(self, name: str | None) -> None:
        """Look at one of the images, or at none, with what was found and corrected of it before.

        Raises:
            FileNotFoundError, ValueError: its file cannot be read; then the session has no image.
        """
        self._begin(None, "")
        if name is None:
            return
        self._begin(image := self.opened(name), name)
        self.keeper.leave(key := image_key(image))
        self.keeper.picked[key] = name
        if result := self.keeper.results.get(key):
            self._use(result)

    def was_corrected(self) -> bool:
        """Whether corrections of the picked image are known that need it segmented to hold."""
        image = None if self.found else self.image
        return image is not None and bool(self.keeper.steps(image, Path(self.name).stem))

    def segment(
        self,
        image: np.ndarray,
        name: str = "image",
        rbc_diameter_px: float | None = None,
        *,
        on_step: Callable[[str], None] = lambda words: None,
        on_progress: Callable[[float], None] = lambda fraction: None,
    ) -> Segmentation:
        """Segment an image and count its cells. Corrections that were made of it before hold again.
        After an error the former result is still there.

        Args:
            image: ``(H, W, 3) uint8`` RGB.
            name: the beginning of its files' names.
            rbc_diameter_px: of a red cell in it; ``None``: the scale is measured.
            on_step: receives each step in words.
            on_progress: receives the fraction of the step, 0..1; what it raises ends all.

        Raises:
            ValueError: no such image, or a diameter out of range.
        """
        on_step(f"{name}: segmenting ...")
        scale = None if rbc_diameter_px is None else Scale.given(rbc_diameter_px)
        segmentation = self.segmenter.segment(image, scale=scale, on_progress=on_progress)
        if self._opened and self._opened.pixels is image:
            segmentation = segmentation.of_file(self._opened.pixel_size_um)
        on_step(f"{name}: counting ...")
        found, files = result_files(segmentation, image, name, self.config, on_progress)
        give_back_memory()
        words = self._show(image, Result(name, segmentation, found, files))
        cells = f"{image.shape[1]} x {image.shape[0]} pixels, {len(found.cells)} cells"
        on_step(f"{name}: {cells} counted; {segmentation.scale}. {words}".rstrip())
        return segmentation

    def _show(self, image: np.ndarray, result: Result) -> str:
        """Show a new result with the corrections of before, and say how many they are."""
        steps = self.keeper.steps(image, result.name)
        result.excluded = self.keeper.excluded(image, result.name)
        result.corrections, lost = found_again(result.found, steps)
        former = self.keeper.set_aside(image, result.name) if lost else ""
        self.keeper.leave(key := image_key(image))
        self.keeper.results[key] = result
        self._begin(image, result.name)
        self._use(result)
        words = f"{self.corrected_cells()} corrections made before hold again." if steps else ""
        return f"{words} {lost} corrected cells are not there any more.{former}" if lost else words

    def _use(self, result: Result) -> None:
        self.name, self.result = result.name, result
        self.segmentation, self.found = result.segmentation, result.found
        self._hold(result.corrections)

    def _hold(self, corrections: tuple[Correction, ...]) -> None:
        """Make corrections hold: figures and files follow, also those in the folder."""
        if self.found is None or self.result is None or self.image is None:
            raise ValueError(NOT_YET)
        self.corrections = self.result.corrections = corrections
        self.counts = self.result.counts()
        self.files = self.result.current_files()
        self.keeper.save(self.image, self.result, self.files)

    def correct(self, cells: int | Iterable[int], class_id: int | str | None) -> str:
        """Give cells another class, or delete them, put that on record, and say it in words.

        The cells are numbers from 1; the class is an id or key, ``UNIDENTIFIED``, or ``None``: no
        cells.

        Raises:
            ValueError: nothing was segmented, or there is no such cell or class.
        """
        numbers = [cells] if isinstance(cells, int) else list(cells)
        new = class_of_key(class_id) if isinstance(class_id, str) else class_id
        return self._put(lambda found, made: steps.changing(found, made, numbers, new))

    def restore(self, cells: Iterable[int]) -> str:
        """Give cells the classes that the network found; see :meth:`correct`."""
        return self._put(lambda *_: steps.restoring(map(self.cell, cells)))

    def draw(self, outline: Outline, class_id: int) -> str:
        """Add a cell within an outline, x and y of three points or more; see :meth:`correct`."""
        return self._put(lambda found, made: steps.drawing(found, made, outline, class_id))

    def split(self, cell: int, line: Outline) -> str:
        """Cut a cell in two by a line, x and y of its points; see :meth:`correct`."""
        return self._put(lambda found, made: steps.splitting(found, made, self.cell(cell), line))

    def merge(self, cells: Iterable[int]) -> str:
        """Make one cell of several; see :meth:`correct`."""
        return self._put(lambda found, made: steps.merging(found, made, map(self.cell, cells)))

    def undo(self) -> str:
        """Take back the last step that holds, and say so."""
        return self._put(steps.undone)

    def redo(self) -> str:
        """Do again what was undone last, and say so."""
        return self._put(lambda _, made: steps.redone(made))

    def _put(self, step: Callable[[Counts, tuple[Correction, ...]], steps.Step]) -> str:
        """Put a step on record, after those that somebody else wrote since, and say what it did."""
        with self._alone() as (result, others):
            changes, words = step(result.found, self.corrections)
            if not changes:
                return words + others
            number = max((c.step for c in self.corrections), default=0) + 1
            made = (replace(c, step=number, by=self.person) for c in changes)
            self._hold((*self.corrections, *made))
        cells = f"Cell {changes[0].cell}" if len(changes) == 1 else f"{len(changes)} cells"
        return f"{cells}: {words}. The figures and the files say so.{others}"

    @contextlib.contextmanager
    def _alone(self) -> Iterator[tuple[Result, str]]:
        """Nobody else writes the record meanwhile; gives the result, and words of what is newer."""
        if self.image is None or self.found is None or self.result is None:
            raise ValueError(NOT_YET)
        with self.keeper.alone(self.image, self.name):
            newer = " What somebody else corrected since holds too." if self.catch_up() else ""
            yield self.result, newer

    def exclude(self, reason: str) -> str:
        """Leave the field out of the pooled figures, or not any more where ``reason`` is empty."""
        with self._alone() as (result, _):
            result.exclude(reason, self.person)
            self._hold(self.corrections)
        return f"{self.name}: left out, {reason}." if reason else f"{self.name}: counted."

    def load(self, name: str, data: bytes) -> str:
        """Make the corrections of a zip or JSON, which the panel offered, hold in place of those of
        this image, and say how many there are.

        Raises:
            ValueError: it is neither, is of another image, or nothing was segmented.
        """
        of, steps = read_record(name, data)
        if self.found is None or self.image is None or of != self.name:
            shown = f"of the image that is shown and segmented, {self.name or 'none'}"
            mend = f"Received those of {of}. Segment {of}, then load again."
            raise ValueError(f"{name}: expected corrections {shown}. {mend}")
        with self._alone():
            corrections, lost = found_again(self.found, steps)
            former = self.keeper.set_aside(self.image, self.name) if self.corrections else ""
            self._hold(corrections)
        gone = f" {lost} corrected cells are not there." if lost else ""
        return f"{name}: {self.corrected_cells()} corrections are loaded.{former}{gone}"

    def catch_up(self) -> bool:
        """Make corrections hold that another kernel wrote meanwhile; whether there were any."""
        if self.found is None or self.image is None or self.result is None:
            return False
        if summary := self.keeper.summary(self.image, self.name):
            self.result.excluded = summary.get("excluded", {})
        steps = summary.get("corrections", [])
        if newer := len(steps) > len(self.corrections):
            self._hold(found_again(self.found, steps)[0])
        return newer

    def corrected_cells(self) -> int:
        """How many cells have another class than the network found."""
        return sum(bool(cell.mark) for cell in self.cells())

    def cells(self, least_certain_first: bool = False) -> list[ListedCell]:
        """The cells that were found and drawn, with the classes that they have now."""
        cells = present_cells(self.found, self.corrections) if self.found else []
        return sorted(cells, key=lambda cell: cell.certainty) if least_certain_first else cells

    def cell(self, number: int) -> ListedCell | None:
        """The cell of a number, or ``None`` if there is none."""
        return next((cell for cell in self.cells() if cell.number == number), None)

    def found_words(self) -> str:
        """The number of cells of each class."""
        return found_words(self.counts)

    def content(self, name: str) -> bytes:
        """The bytes of one of the files, see :meth:`Result.content`."""
        if self.result is None or self.image is None:
            raise ValueError(NOT_YET)
        return self.result.content(name, self.keeper.picked.get(image_key(self.image)) or self.name)
