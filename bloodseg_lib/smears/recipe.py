"""How smears are composed: the recipe's parameters, and the recipes that have a name."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Self

from bloodseg_lib.classes import BACKGROUND_CROP_PX, SMEAR_SIZE_PX
from bloodseg_lib.config import Config

STORED_NAMES = {
    "clusters": "stacks",
    "background_crops": "patches",
    "stain_jitter": "stain",
    "nuclear_od": "nuclear_dye",
    "stain_match": "one_dye",
    "illumination": "light",
}
"""Field -> its name in ``dataset.json``. They differ because a dataset's digest is computed of the
stored names: with others, no dataset or stopped build from before the renaming would be recognized.
"""
_LATER = ("reference_stain", "real_fraction", "defocus", "cut_outs", "drawn_parasites", "rims")
"""Fields that the first datasets had not: stored only where they are set, for the same reason."""


@dataclass(frozen=True)
class Recipe(Config):
    """How smears are composed. The defaults are the original project's: sharp cells on a plain
    white background. See also :data:`RECIPES`.

    Attributes:
        background_size_px: side of an RBC background.
        rbc_count: least and greatest number of RBCs on a background of 1000 x 1000; other sizes
            hold as many for their area.
        rbc_overlap: greatest fraction of an RBC that may overlap its neighbours; drawn for each
            background between ``rbc_overlap / 3`` and it.
        even_groups: each patient, slide or field that gave samples of a class is equally likely,
            however many it gave; else each sample is.
        clusters: greatest fraction of the healthy RBCs, drawn for each background, that are
            replaced by a cluster of them, cut out of a field as one
            (:mod:`bloodseg_lib.samples.extraction.clusters`). Only in training smears: the number
            of cells in a cluster is not known.
        background_crops: fraction of the backgrounds of healthy RBCs that are a crop of a real
            field (:mod:`bloodseg_lib.samples.extraction.background_crops`) where the bank has any,
            instead of composed. Only in training smears.
        real_fraction: fraction of the training smears that are crops of real fields with their
            label maps (:mod:`bloodseg_lib.smears.field_crops`) where the bank has any.
        rouleaux: greatest fraction of the RBCs, drawn for each background, that cover half of the
            one before, like the coins of a roll that has fallen over.
        affixed_overlap: greatest fraction of an affixed cell that may overlap another affixed cell.
        edge_softness_px: standard deviation of the blur that softens the edge of a pasted sample;
            labels stay sharp.
        translucent: RBCs and platelets let through what is beneath them, so that overlaps are
            darker, as in a microscope. Where a healthy RBC covers an infected one, whose parasite
            is seen through it, the label stays infected. White cells are opaque.
        platelets: mean number of thrombocytes on a background of 1000 x 1000.
        white_cells: mean number of white cells, each class equally likely, on a background of
            1000 x 1000, in addition to those affixed.
        scale_jitter: cells of a smear are larger or smaller by up to this fraction.
        shape_jitter: each cell is stretched by up to this fraction, and mirrored with probability
            one half.
        beyond_border: fraction of an affixed cell that may be outside the smear.
        stain_jitter: variation of the stain from smear to smear, see
            :func:`bloodseg_lib.smears.appearance.jitter_stain`; each cell varies by a third of it.
        nuclear_od: least and greatest optical density of a white cell's nucleus, or of a platelet,
            drawn for each; (0, 0): as sampled. Databases differ more in it than slides of one do:
            in LISC it is 0.9, in PBC 2.3, in green light.
        stain_match: 0 to 1, how strongly the RBCs of a background are matched to the stain of one
            of them, for a slide has one stain. Then healthy and infected RBCs of a background may
            come from different sources, so that neither colour nor sharpness tells them apart.
        reference_stain: the samples of each field, patient or slide are brought to the reference
            stain of its red cells (:mod:`bloodseg_lib.samples.extraction.stain`), as images to
            predict are. So what ``stain_jitter`` varies is what remains after that.
        cell_blur_px: greatest standard deviation of a blur of each white cell and platelet alone;
            red cells have none, since it would hide their parasites.
        illumination: background colour and uneven light, see
            :func:`bloodseg_lib.smears.appearance.illuminate`.
        debris: mean number of specks on a smear, see
            :func:`bloodseg_lib.smears.appearance.add_debris`.
        blur_px, noise, jpeg: of the camera, see :func:`bloodseg_lib.smears.appearance.acquire`.
        defocus: fraction of the smears that are out of focus, so far that parasites cannot be seen:
            an infected cell then is of no known class. Only in training smears.
        cut_outs: fraction of the sets of backgrounds that are composed as the original project's
            were, see :meth:`cut_out`. Only in training smears.
        drawn_parasites: fraction of the infected red cells that are healthy ones with drawn
            parasites, because infected ones come from few laboratories. Only in training smears.
        rims: fraction of the backgrounds whose red cells have a dark, broken rim, as cut-outs have
            that kept some of the black around them.

    Examples:
        >>> Recipe(rbc_overlap=0.3).rbc_count
        (200, 300)
        >>> Recipe(rbc_overlap=1.5)
        Traceback (most recent call last):
        ValueError: Recipe.rbc_overlap: expected 0 to 1. Received 1.5.
    """

    background_size_px: int = 1000
    rbc_count: tuple[int, int] = (200, 300)
    rbc_overlap: float = 0.15
    even_groups: bool = False
    clusters: float = 0.0
    background_crops: float = 0.0
    rouleaux: float = 0.0
    affixed_overlap: float = 0.1
    edge_softness_px: float = 0.6
    translucent: bool = False
    platelets: float = 0.0
    white_cells: float = 0.0
    scale_jitter: float = 0.0
    shape_jitter: float = 0.0
    beyond_border: float = 0.0
    stain_jitter: float = 0.0
    nuclear_od: tuple[float, float] = (0.0, 0.0)
    stain_match: float = 0.0
    reference_stain: bool = False
    cell_blur_px: float = 0.0
    illumination: float = 0.0
    debris: float = 0.0
    blur_px: float = 0.0
    noise: float = 0.0
    jpeg: float = 0.0
    real_fraction: float = 0.0
    defocus: float = 0.0
    cut_outs: float = 0.0
    drawn_parasites: float = 0.0
    rims: float = 0.0

    def check(self) -> None:
        smallest_px = round(1.5 * SMEAR_SIZE_PX)
        self.expect(
            self.background_size_px >= smallest_px, "background_size_px", f"at least {smallest_px}"
        )
        self.expect(
            0 < self.rbc_count[0] <= self.rbc_count[1],
            "rbc_count",
            "two numbers, the least and the greatest, above 0",
        )
        self.expect(0 <= self.edge_softness_px <= 5, "edge_softness_px", "0 to 5 pixels")
        fractions = (
            "rbc_overlap clusters background_crops rouleaux affixed_overlap beyond_border "
            "stain_match illumination jpeg real_fraction defocus cut_outs drawn_parasites rims"
        )
        for name in fractions.split():
            self.expect(0 <= getattr(self, name) <= 1, name, "0 to 1")
        for name in ("scale_jitter", "shape_jitter", "stain_jitter"):
            self.expect(0 <= getattr(self, name) <= 0.5, name, "0 to 0.5")
        self.expect(
            not self.background_crops
            or SMEAR_SIZE_PX / (1 - self.scale_jitter) <= BACKGROUND_CROP_PX,
            "scale_jitter",
            f"at most {1 - SMEAR_SIZE_PX / BACKGROUND_CROP_PX:.2f} with background crops, which "
            f"are {BACKGROUND_CROP_PX} pixels wide",
        )
        least, greatest = self.nuclear_od
        self.expect(
            least == greatest == 0 or 0 < least <= greatest <= 5,
            "nuclear_od",
            "two densities, the least and the greatest, above 0 and up to 5; or (0, 0)",
        )
        for name in ("platelets", "white_cells", "debris", "cell_blur_px", "blur_px", "noise"):
            self.expect(getattr(self, name) >= 0, name, "0 or more")

    def cut_out(self) -> Recipe:
        """The original project's recipe, with this one's stain, and rims on half of the
        backgrounds: sharp cut-outs on plain white.
        """
        return Recipe(
            background_size_px=self.background_size_px,
            stain_jitter=self.stain_jitter,
            reference_stain=self.reference_stain,
            drawn_parasites=self.drawn_parasites,
            rims=0.5,
        )

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """The recipe of ``values``, whose names are those of the fields or of ``dataset.json``."""
        fields = {stored: name for name, stored in STORED_NAMES.items()}
        return super().from_dict({fields.get(name, name): value for name, value in values.items()})

    def to_dict(self) -> dict[str, Any]:
        """The recipe as ``dataset.json`` holds it, under :data:`STORED_NAMES`."""
        values = super().to_dict()
        for name in _LATER:
            if not values[name]:
                del values[name]
        return {STORED_NAMES.get(name, name): value for name, value in values.items()}


_REALISTIC = Recipe(
    rbc_count=(80, 520),
    rbc_overlap=0.4,
    even_groups=True,
    clusters=0.3,
    background_crops=0.3,
    rouleaux=0.5,
    edge_softness_px=0.9,
    translucent=True,
    platelets=8.0,
    white_cells=16.0,
    scale_jitter=0.2,
    shape_jitter=0.08,
    beyond_border=0.4,
    stain_jitter=0.15,
    nuclear_od=(0.65, 2.4),
    stain_match=0.8,
    reference_stain=True,
    real_fraction=0.25,
    cell_blur_px=1.5,
    illumination=1.0,
    debris=1.5,
    blur_px=0.9,
    noise=5.0,
    jpeg=0.5,
)
RECIPES = {
    "white": Recipe(),
    "realistic": _REALISTIC,
    "robust": replace(_REALISTIC, debris=3.0, defocus=0.2, cut_outs=0.15, drawn_parasites=0.3),
}
"""Recipes by name: the original project's; one whose smears look like photographs; and that of the
released network, in which some are out of focus, some are cut-outs on white, and some parasites are
drawn."""


def recipe_named(name: str) -> Recipe:
    """The recipe of a name.

    Raises:
        ValueError: no recipe has that name; the message lists those that exist.
    """
    if name not in RECIPES:
        raise ValueError(
            f"Expected the name of a recipe, one of {', '.join(RECIPES)}. Received {name!r}."
        )
    return RECIPES[name]
