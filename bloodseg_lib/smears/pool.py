"""The samples that smears are composed of, and which of them are combined."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np

from bloodseg_lib.classes import HEALTHY_RBC, INFECTED_RBC, PLATELET_IDS, RBC_IDS, WBC_IDS
from bloodseg_lib.optics import scale_density
from bloodseg_lib.samples.extraction.stain import Stain
from bloodseg_lib.samples.labelled_field import LabelledField
from bloodseg_lib.samples.sample import CellSample
from bloodseg_lib.smears.recipe import Recipe

KINDS = ("ii", "nn", "ni")
"""Kinds of background: infected RBCs only, healthy only, both."""

RBC_OF_KIND = {"ii": (INFECTED_RBC,), "nn": (HEALTHY_RBC,), "ni": (HEALTHY_RBC, INFECTED_RBC)}
AFFIXED_IDS = (*WBC_IDS, *PLATELET_IDS)
_ANY = ""  # in place of a source
_LEAST_RED_CELLS = 3  # whose median stands for the stain of a patient or slide

Choice = tuple[str, CellSample]
"""Path of a sample in the bank, and the sample."""

T = TypeVar("T")


@dataclass(frozen=True)
class FieldChoice:
    """A whole field that smears may be cut from; read when it is asked for.

    Attributes:
        path: in the bank.
        source: of the field.
        rarest: key of its rarest class.
        load: reads it.
    """

    path: str
    source: str
    rarest: str
    load: Callable[[], LabelledField]


class Pool:
    """The samples that one split may be composed of, by class and source.

    Args:
        samples: ``(path in the bank, sample)`` pairs, all of one split.
        fields: whole fields with label maps, of the same split.

    Attributes:
        background_crops: crops of real fields.
        fields: for each source and rarest class, its fields.

    Examples:
        >>> rgba = np.full((40, 40, 4), 255, np.uint8)
        >>> names = {3: "neutrophil", 9: "healthy_rbc"}
        >>> pool = Pool([(n, CellSample(rgba, c, "lisc", "1", n)) for c, n in names.items()])
        >>> pool.class_ids, pool.sources([3, 9])
        ((3, 9), ['lisc'])
        >>> combinations(pool)
        [((3,), 'nn'), ((3, 3), 'nn')]
    """

    def __init__(self, samples: Iterable[Choice], fields: Iterable[FieldChoice] = ()):
        kinds: dict[tuple[str, str], list[FieldChoice]] = {}
        for field in fields:
            kinds.setdefault((field.source, field.rarest), []).append(field)
        self.fields = [kinds[key] for key in sorted(kinds)]
        self.background_crops: list[Choice] = []
        self._clusters: dict[str, list[Choice]] = {}
        self._choices: dict[tuple[int, str], list[Choice]] = {}
        for path, sample in samples:
            if sample.is_background_crop:
                self.background_crops.append((path, sample))
            elif sample.is_cluster:
                self._clusters.setdefault(sample.source, []).append((path, sample))
            else:
                key = sample.class_id, sample.source
                self._choices.setdefault(key, []).append((path, sample))
        for class_id, source in sorted(self._choices):
            of_any = self._choices.setdefault((class_id, _ANY), [])
            of_any += self._choices[class_id, source]
        self._groups = {k: list(_by_group(found).values()) for k, found in self._choices.items()}

    @property
    def class_ids(self) -> tuple[int, ...]:
        """Classes that have samples, ascending."""
        return tuple(sorted({class_id for class_id, _ in self._choices}))

    def sources(self, class_ids: Sequence[int]) -> list[str]:
        """Sources that have samples of all the classes given, sorted."""
        of_each = ({s for c, s in self._choices if c == wanted} - {_ANY} for wanted in class_ids)
        return sorted(set.intersection(*of_each))

    def draw(
        self, class_id: int, recipe: Recipe, rng: np.random.Generator, source: str | None = None
    ) -> Choice:
        """A random sample of a class, of one source or of any; ``recipe.even_groups`` says with
        which probabilities.
        """
        key = class_id, source or _ANY
        choices = one_of(self._groups[key], rng) if recipe.even_groups else self._choices[key]
        return one_of(choices, rng)

    def clusters(self, source: str) -> list[Choice]:
        """Clusters of healthy red cells of a source; of all sources where it has none."""
        return self._clusters.get(source) or list(
            itertools.chain.from_iterable(self._clusters[s] for s in sorted(self._clusters))
        )


def _by_group(choices: Iterable[Choice]) -> dict[tuple[str, str], list[Choice]]:
    """Those of each patient, slide or field, in the order of their first samples."""
    groups: dict[tuple[str, str], list[Choice]] = {}
    for path, sample in choices:
        groups.setdefault((sample.source, sample.group), []).append((path, sample))
    return groups


def combinations(pool: Pool) -> list[tuple[tuple[int, ...], str]]:
    """All smears that a dataset holds: one or two of WBC, thrombocyte and clump on each kind of
    background that the pool has RBCs for.

    Returns:
        ``(class ids to affix, kind of background)``; 105 of them when the pool has every class.
    """
    affixed = [c for c in AFFIXED_IDS if c in pool.class_ids]
    kinds = [kind for kind in KINDS if pool.sources(RBC_OF_KIND[kind])]
    pairs = itertools.combinations_with_replacement(affixed, 2)
    return [(objects, kind) for objects in [*((c,) for c in affixed), *pairs] for kind in kinds]


def at_reference_stain(choices: Sequence[Choice]) -> Iterator[Choice]:
    """Samples with the stain of their field, patient or slide brought to the reference, see
    :mod:`bloodseg_lib.samples.extraction.stain`.

    Where a database shows no fields but single red cells, the median of those of a patient or slide
    stands for its stain, if there are three.
    """
    red_cells = _by_group(c for c in choices if c[1].class_id in RBC_IDS and c[1].is_single)
    of_group = {
        key: Stain(tuple(np.median([cell.median_od for _, cell in cells], axis=0).tolist()))
        for key, cells in red_cells.items()
        if len(cells) >= _LEAST_RED_CELLS
    }
    for path, sample in choices:
        stain = sample.stain
        if stain.density is None:
            stain = of_group.get((sample.source, sample.group), stain)
        yield path, replace(sample, rgba=scale_density(sample.rgba, stain.factors))


def one_of(choices: Sequence[T], rng: np.random.Generator) -> T:
    """One of the choices, all equally likely."""
    return choices[int(rng.integers(len(choices)))]
