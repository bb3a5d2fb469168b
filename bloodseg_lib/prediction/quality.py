"""A judgement of a picture before its figures are believed: is it a smear, is it in focus, is it
lit, and is the network sure of what it sees?

Each finding is a sentence with a figure and a level. Where the figures would be confident and
wrong, they are *withheld*, as they are for too few cells. The thresholds are measured by
``python experiments/quality.py`` on sharp fields of public databases, on the same fields blurred,
and on pictures that are no smears. Taught by ``notebooks/06_interactive_prediction.ipynb``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import get_args

import numpy as np

from bloodseg_lib.classes import INFECTED_RBC, RBC_DIAMETER_PX, RBC_IDS
from bloodseg_lib.prediction.appearance import Appearance
from bloodseg_lib.prediction.blank import of_blank
from bloodseg_lib.prediction.cells import Cell
from bloodseg_lib.prediction.chance import of_chance
from bloodseg_lib.prediction.copies import of_copies
from bloodseg_lib.prediction.few_colours import of_few_colours, of_heaps
from bloodseg_lib.prediction.finding import (
    DIFFERENTIAL,
    EVERYTHING,
    FRACTIONS,
    PARASITAEMIA,
    Finding,
    Level,
    Quality,
    doubt,
)
from bloodseg_lib.prediction.fringes import of_fringes
from bloodseg_lib.prediction.pattern import of_pattern
from bloodseg_lib.prediction.pixel_size import PixelSize
from bloodseg_lib.prediction.scale import Scale, measure_rbc_diameter
from bloodseg_lib.prediction.segmenter import Segmentation
from bloodseg_lib.prediction.smoothing import of_smoothing
from bloodseg_lib.prediction.surround import of_panels
from bloodseg_lib.prediction.uniformity import Uniformity
from bloodseg_lib.prediction.writing import of_writing

DARKEST = 90
"""Grey level of the brightest channel: transmitted light never leaves a background darker."""
LEAST_CONTRAST = 0.04
"""Optical density that separates cells and background; less is noise."""
BLURRED, BLIND = 0.21, 0.125
"""Steepness of a red cell's rim, per pixel at 40x, as a fraction of the cell's density. Below the
first the parasitaemia of blurred fields leaves its interval in a laboratory never seen (in one that
was seen below 0.19), below the second no parasite is found.
"""
UNEVEN = 0.58
"""Steepness of the rims in the least sharp part but one, as a fraction of that in the sharp parts:
0.62 to 1 in 75 sharp fields of four databases, up to 0.55 where a quarter of them is blurred by 2.5
pixels.
"""
STRETCHED = 1.12
"""Median of the red cells' widths by their heights, or the other way round: 1.09 at most in 72
fields of four databases, 1.13 at least where they are stretched by 1.3.
"""
UNLIKE_HALVES = 1.2
"""Factor between the red cells' diameters in one half of a picture and in the other: 1.17 at most
in the same fields.
"""
DENSEST, BLUEST, REDDEST = 1.2, 1.0, 1.4
"""Optical density of the red cells in green, and in blue and red as a fraction of it: up to 0.9,
0.8 and 1.2 in 129 pictures of six laboratories.
"""
NEVER_RED = 1.5
"""Factor beyond these at which nothing is a red cell."""
OF_MANY_HUES = 21.0
"""Degrees by which the colours of the red cells differ: 17.5 at most in 525 of 527 fields of seven
databases, 20.1 in all; more where a program coloured the cells, or the light's colour is uneven.
"""
BLOCKY = 2.45
"""How many times as large steps are at the borders of a JPEG's blocks as within them: up to 2.37 in
165 pictures of seven databases, more in nearly all of them at a JPEG quality of 10.
"""
HESITANT, LOST = 0.82, 0.73
"""Mean probability of the cells' classes, below which the network hesitates, and is lost."""
MANY_UNSURE, MOST_UNSURE = 0.25, 0.5
"""Fraction of the red cells whose class has a probability below :data:`UNSURE`."""
UNSURE = 0.75
DIAMETERS_DIFFER = 1.3
"""Factor between the diameter that was given and the one that was measured."""
LEAST_BACKGROUND = 0.1
"""Fraction of the picture that is empty; with less of it, cells cannot be told apart."""
MANY_DOUBTS = 4
"""So many warnings are more than a warning: sharp fields of seven databases have one at most."""
GREY = 6
"""Greatest difference of a pixel's channels, in grey levels, of a picture without colour."""

_LEAST_CELLS = 10  # for a fraction of them to say something


def judge(
    image: np.ndarray,
    segmentation: Segmentation,
    cells: Sequence[Cell],
    written: int = 0,
    seen: Appearance | None = None,
    original: np.ndarray | None = None,
) -> Quality:
    """Judge a picture by its segmentation and the cells found in it.

    It is ``(H, W, 3) uint8`` RGB, corrected, and ``original`` as it came, where that changed it; of
    a large one nine windows are read. ``written`` cells were left out because writing or a bar lies
    on them. ``seen`` are its measures, where they were taken already.
    """
    original, red = image if original is None else original, Uniformity.of(cells, *image.shape[:2])
    field = segmentation.preprocessing.within_border(original)
    cell_px = RBC_DIAMETER_PX / segmentation.scale.factor
    findings = [
        *_of_the_picture(seen or Appearance.of(image, segmentation)),
        *_of_the_scale(image, segmentation.scale),
        *_of_the_cells(cells),
        *of_chance(image, segmentation, cells),
        *_of_the_shapes(red),
        *of_blank(original, cells),
        # of several red cells only: single ones have few colours and are much alike
        *(of_few_colours(original) if red.stretch else ()),
        # within the dark border: a line is everywhere like itself
        *(of_copies(field, cell_px) if red.stretch else ()),
        *of_pattern(original),
        *of_fringes(field, segmentation.scale.factor),
        *of_panels(segmentation.preprocessing.correction.surround),
        *of_writing(segmentation.labels, segmentation.written, written, len(cells)),
    ]
    names = {f.name for f in findings}
    if "focus" not in names:  # which takes noise away, too
        findings += of_smoothing(original, segmentation)
    if red.stretch and not names & {"colours", "compression"}:
        findings += of_heaps(original, segmentation, len(cells))
    if not cells and not any(f.withholds == EVERYTHING for f in findings):
        words = (
            "No cell is counted: the slide is empty, or the picture shows nothing but the inside "
            "of cells, whose colour is taken for that of the slide."
        )
        findings.append(Finding("cells", "warning", 0, words))
    doubts = sum(f.level == "warning" for f in findings)
    if doubts >= MANY_DOUBTS:
        words = f"So much of the picture is unusual, {doubts} things, that no figure is given."
        findings.append(Finding("doubts", "withheld", doubts, words, EVERYTHING))
    return Quality(tuple(sorted(findings, key=lambda f: -get_args(Level).index(f.level))))


def _of_the_picture(seen: Appearance) -> Iterator[Finding]:
    """Light, colour, contrast, background and focus."""
    if seen.brightest < DARKEST or seen.in_pieces:
        words = (
            "The background is dark: this is no smear in transmitted light, or it is under-exposed "
            "or a negative."
        )
        yield Finding("light", "withheld", seen.brightest, words, EVERYTHING)
        return
    if seen.one_cell:
        words = (
            "One cell cut out on black: its background is not known, so its stain is taken to be "
            "usual."
        )
        yield Finding("background", "note", 1, words)
        return
    if seen.contrast < LEAST_CONTRAST:
        words = "Nothing stands out from the background: the slide is empty, or none of it shows."
        yield Finding("contrast", "withheld", seen.contrast, words, EVERYTHING)
    elif seen.empty < LEAST_BACKGROUND:
        words = f"Only {seen.empty:.0%} of the picture is empty: cells that touch or overlap are "
        if seen.colourful <= GREY:  # neither colour nor slide tells what is a cell
            words += "not to be told apart in a picture without colour."
            yield Finding("crowding", "withheld", seen.empty, words, EVERYTHING)
        else:
            words += "hard to separate."
            yield Finding("crowding", "warning", seen.empty, words)
    yield from _of_the_colour(seen)
    if seen.blockiness > BLOCKY:
        words = (
            "The picture is a JPEG of low quality: blocks show where parasites would. Take it from "
            "the camera again, at a quality of 90."
        )
        yield Finding("compression", "warning", seen.blockiness, words)
    if seen.steepness is not None and seen.steepness < BLIND:
        words = "The picture is out of focus: parasites cannot be seen in it."
        yield Finding("focus", "withheld", seen.steepness, words, FRACTIONS)
    elif seen.steepness is not None and seen.steepness < BLURRED:
        words = "The picture is not sharp: some parasites may not be seen in it."
        yield Finding("focus", "warning", seen.steepness, words)
    elif seen.evenness is not None and seen.evenness < UNEVEN:
        words = "Part of the picture is not sharp: some parasites may not be seen there."
        yield Finding("focus", "warning", seen.evenness, words)


def _of_the_colour(seen: Appearance) -> Iterator[Finding]:
    """Whether there is any, and whether the red cells have that of haemoglobin and eosin, which
    absorb green most.
    """
    if seen.colourful <= GREY:
        words = "The picture is grey: the kinds of white cells differ in colour above all."
        yield Finding("colour", "warning", seen.colourful, words, (DIFFERENTIAL,))
        return
    if seen.hues is not None and seen.hues > OF_MANY_HUES:
        words = (
            "The red cells have many colours, as no stain gives them: something lies over the "
            "picture, as the result of another program, or its colours are uneven."
        )
        yield Finding("hues", "warning", seen.hues, words)
    if seen.red_density:
        red, green, blue = (max(value, LEAST_CONTRAST) for value in seen.red_density)
        beyond = max(green / DENSEST, blue / green / BLUEST, red / green / REDDEST)
        if beyond > 1:
            never = beyond > NEVER_RED
            words = (
                f"What is taken for red cells {'is' if never else 'may be'} something else: no "
                "stain gives them this colour. Or the colours of the picture were changed."
            )
            yield doubt("colour", beyond, words, never, EVERYTHING)


def _of_the_scale(image: np.ndarray, scale: Scale) -> Iterator[Finding]:
    """Whether the size of the red cells is known, and whether a given one agrees with them."""
    if scale.how == "assumed":
        words = (
            "The size of the red cells could not be measured, so the scale is a guess. "
            "Give their diameter in pixels."
        )
        yield Finding("scale", "withheld", scale.cells, words, FRACTIONS)
    pixel = PixelSize.of(scale)
    if scale.file_um and scale.rbc_diameter_px and pixel.source != "file":
        size = scale.file_um * scale.rbc_diameter_px
        words = (
            f"By its file a pixel measures {scale.file_um:.3g} micrometres, and its red cells "
            f"{size:.1f}, which they never do: micrometres are those of usual red cells."
        )
        yield Finding("pixel size", "warning", size, words)
    if scale.how != "given" or scale.rbc_diameter_px is None:
        return
    measured, cells = measure_rbc_diameter(image)
    if measured is None or cells < _LEAST_CELLS:
        return
    factor = max(measured / scale.rbc_diameter_px, scale.rbc_diameter_px / measured)
    if factor > DIAMETERS_DIFFER:
        words = (
            f"Red cells of {scale.rbc_diameter_px:.0f} pixels were given, but {cells} in the "
            f"picture measure {measured:.0f}."
        )
        yield doubt("scale", factor, words, factor > DIAMETERS_DIFFER**2, FRACTIONS)


def _of_the_shapes(red: Uniformity) -> Iterator[Finding]:
    """Whether the picture was stretched, or put together from several."""
    if red.stretch and max(red.stretch, 1 / red.stretch) > STRETCHED:
        words = (
            f"Its red cells are {red.stretch:.2f} times as wide as high: the picture was "
            "stretched, or its cells were in smearing."
        )
        yield Finding("shape", "warning", red.stretch, words)
    if red.halves and red.halves > UNLIKE_HALVES:
        words = (
            f"The red cells of one half of the picture are {red.halves:.1f} times as large as "
            "those of the other: it may be put together from several."
        )
        yield Finding("sizes", "warning", red.halves, words)


def _of_the_cells(cells: Sequence[Cell]) -> Iterator[Finding]:
    """How sure the network is of them."""
    sure = [cell.confidence * cell.of_kind for cell in cells if cell.confidence is not None]
    if sure and (mean := float(np.mean(sure))) < HESITANT:
        lost = mean < LOST
        words = (
            f"The network is {'lost' if lost else 'not sure'}: its classes have a probability of "
            f"{mean:.0%} on average. The picture is {'' if lost else 'perhaps '}unlike those it "
            "was trained on, or no blood smear."
        )
        yield doubt("likeness", mean, words, lost, EVERYTHING)
    red = [cell for cell in cells if cell.class_id in RBC_IDS and cell.confidence is not None]
    if len(red) < _LEAST_CELLS:
        return
    unsure = float(np.mean([(cell.confidence or 0) < UNSURE for cell in red]))
    if unsure > MANY_UNSURE:
        infected = sum(cell.class_id == INFECTED_RBC for cell in red)
        words = (
            f"The network is not sure of {unsure:.0%} of the red cells; of the {infected} it calls "
            "infected, look at each."
        )
        yield doubt("red cells", unsure, words, unsure > MOST_UNSURE, (PARASITAEMIA,))
