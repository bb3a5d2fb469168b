"""How smears are composed:

the recipe's figures, and the recipes that have a name. Taught by
``notebooks/01_dataset_creation.ipynb``.
"""

from __future__ import annotations

from dataclasses import dataclass

from bloodseg_lib.classes import BACKGROUND_CROP_PX, SMEAR_SIZE_PX
from bloodseg_lib.config import Config

"""Side of a patch of a real field:

what a smear shows when its cells are a fifth smaller, and a little room to move.
"""


@dataclass(frozen=True)
class Recipe(Config):
    """How smears are composed. The defaults are the original project's: sharp cells on a plain
    white slide. See also :data:`RECIPES`.

    Attributes:
        background_size_px: side of an RBC background.
        rbc_count: least and greatest number of RBCs on a background of 1000 x 1000; other sizes
            hold as many for their area.
        rbc_overlap: the greatest share of an RBC that may lie on its neighbours; drawn for each
            background between ``rbc_overlap / 3`` and it.
        even_groups: each patient, slide or field that gave samples of a class is as likely as the
            next, however many it gave; else each sample is.
        stacks: greatest share of the healthy RBCs, drawn for each background, in whose place a
            stack of them is laid, cut out of a field as one
            (:func:`bloodseg_lib.samples.extraction.clusters.stack_samples`). Only in smears to
            train on: how many cells a stack has is not known.
        patches: share of the backgrounds of healthy RBCs that are a patch of a real field
            (:func:`bloodseg_lib.samples.extraction.background_crops.patch_samples`), where there
            are any, and not composed. Only in smears to train on.
        rouleaux: greatest share of the RBCs, drawn for each background, that lie half on the one
            before, like coins of a roll that has fallen over.
        affixed_overlap: the greatest share of an affixed cell that may lie on another affixed cell.
        edge_softness_px: standard deviation of the blur that softens the edge of a sample where it
            is pasted; labels stay sharp.
        translucent: RBCs and platelets let through what lies beneath, so that overlaps are darker,
            as in a microscope. Where a healthy RBC lies on an infected one, whose parasite is seen
            through it, the label stays infected. White cells cover.
        platelets: mean number of thrombocytes strewn over a background of 1000 x 1000.
        white_cells: mean number of white cells, each class as likely as the next, strewn over a
            background of 1000 x 1000; those affixed come on top.
        scale_jitter: a smear shows its cells up to this share larger or smaller.
        shape_jitter: each cell is stretched by up to this share, and mirrored as often as not.
        beyond_border: share of an affixed cell that may lie beyond the border of the smear.
        stain: variation of the stain from smear to smear, see
            :func:`bloodseg_lib.smears.appearance.restained`; each cell varies by a third of it.
        nuclear_dye: least and greatest optical density that a white cell's nucleus, or a platelet,
            is brought to, drawn anew for each; (0, 0): as it was sampled. Databases differ more in
            it than slides of one do: in LISC it is 0.9, in PBC 2.3, to green light.
        one_dye: how far the RBCs of a background are brought to one colour, that of an RBC of any
            source, for a slide has one stain: 0 not, 1 all the way. Then healthy and infected RBCs
            of a background may come from different sources, too, so that neither colour nor
            sharpness tells which is which.
        cell_blur_px: greatest standard deviation of a blur of each white cell and platelet alone;
            red cells, whose parasites it would wipe out, have none.
        light: colour and unevenness of the light, see :func:`bloodseg_lib.smears.appearance.lit`.
        debris: mean number of specks on a smear, see
            :func:`bloodseg_lib.smears.appearance.littered`.
        blur_px, noise, jpeg: of the camera, see
            :func:`bloodseg_lib.smears.appearance.photographed`.
    """

    background_size_px: int = 1000
    rbc_count: tuple[int, int] = (200, 300)
    rbc_overlap: float = 0.15
    even_groups: bool = False
    stacks: float = 0.0
    patches: float = 0.0
    rouleaux: float = 0.0
    affixed_overlap: float = 0.1
    edge_softness_px: float = 0.6
    translucent: bool = False
    platelets: float = 0.0
    white_cells: float = 0.0
    scale_jitter: float = 0.0
    shape_jitter: float = 0.0
    beyond_border: float = 0.0
    stain: float = 0.0
    nuclear_dye: tuple[float, float] = (0.0, 0.0)
    one_dye: float = 0.0
    cell_blur_px: float = 0.0
    light: float = 0.0
    debris: float = 0.0
    blur_px: float = 0.0
    noise: float = 0.0
    jpeg: float = 0.0

    def check(self) -> None:
        self.expect(
            self.background_size_px >= 1.5 * SMEAR_SIZE_PX,
            "background_size_px",
            f"at least {1.5 * SMEAR_SIZE_PX:.0f}",
        )
        self.expect(
            0 < self.rbc_count[0] <= self.rbc_count[1],
            "rbc_count",
            "two numbers, the least and the greatest, above 0",
        )
        self.expect(0 <= self.edge_softness_px <= 5, "edge_softness_px", "0 to 5 pixels")
        for field in (
            "rbc_overlap",
            "stacks",
            "patches",
            "rouleaux",
            "affixed_overlap",
            "beyond_border",
            "one_dye",
            "light",
            "jpeg",
        ):
            self.expect(0 <= getattr(self, field) <= 1, field, "0 to 1")
        for field in ("scale_jitter", "shape_jitter", "stain"):
            self.expect(0 <= getattr(self, field) <= 0.5, field, "0 to 0.5")
        self.expect(
            not self.patches or SMEAR_SIZE_PX / (1 - self.scale_jitter) <= BACKGROUND_CROP_PX,
            "scale_jitter",
            f"at most {1 - SMEAR_SIZE_PX / BACKGROUND_CROP_PX:.2f} with patches, which are {BACKGROUND_CROP_PX} pixels wide",
        )
        least, greatest = self.nuclear_dye
        self.expect(
            least == greatest == 0 or 0 < least <= greatest <= 5,
            "nuclear_dye",
            "two densities, the least and the greatest, above 0 and up to 5; or (0, 0)",
        )
        for field in ("platelets", "white_cells", "debris", "cell_blur_px", "blur_px", "noise"):
            self.expect(getattr(self, field) >= 0, field, "0 or more")


RECIPES = {
    "white": Recipe(),
    "realistic": Recipe(
        rbc_count=(80, 520),
        rbc_overlap=0.4,
        even_groups=True,
        stacks=0.3,
        patches=0.3,
        rouleaux=0.5,
        edge_softness_px=0.9,
        translucent=True,
        platelets=8.0,
        white_cells=16.0,
        scale_jitter=0.2,
        shape_jitter=0.08,
        beyond_border=0.4,
        stain=0.15,
        nuclear_dye=(0.65, 2.4),
        one_dye=0.8,
        cell_blur_px=1.5,
        light=1.0,
        debris=1.5,
        blur_px=0.9,
        noise=5.0,
        jpeg=0.5,
    ),
}
"""Recipes by name: the original project's, and one whose smears look like photographs of real ones.
"""


def recipe_named(name: str) -> Recipe:
    """The recipe of a name.

    Raises:
        ValueError: no recipe has that name; the message lists those there are.
    """
    if name not in RECIPES:
        raise ValueError(
            f"Expected the name of a recipe, one of {', '.join(RECIPES)}. Received {name!r}."
        )
    return RECIPES[name]
