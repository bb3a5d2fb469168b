"""Splits samples into training, validation and testing by whole groups (patient, slide or field),
so that no group is in two of them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Hashable, Mapping

import numpy as np

SPLITS = ("train", "valid", "test")
SPLIT_FRACTIONS = {"train": 0.8, "valid": 0.1, "test": 0.1}


class _Placement:
    """The groups placed so far, and how many samples of each kind every split has of them."""

    def __init__(self, groups: Mapping[str, Counter[Hashable]]):
        self.groups = groups
        self.split_of: dict[str, str] = {}
        self.filled: dict[str, Counter[Hashable]] = {split: Counter() for split in SPLITS}

    def put(self, name: str, split: str) -> None:
        self.split_of[name] = split
        self.filled[split].update(self.groups[name])


def split_groups(
    groups: Mapping[str, Counter[Hashable]], seed: int, training_only: Collection[str] = ()
) -> dict[str, str]:
    """Assign groups to training, validation and testing, as near to 80/10/10 of every class as
    whole groups allow.

    A class of three groups or more reaches every split, a class of two groups training and testing,
    a class of one group training only.

    Args:
        groups: class id -> number of samples, for every group; a tuple ``(class id, source)`` is
            balanced too, after the classes.
        seed: of the order of groups of equal size.
        training_only: groups that must not be tested on.

    Returns:
        group -> split.

    Examples:
        >>> sorted(split_groups({name: Counter({3: 5}) for name in "abc"}, seed=0).values())
        ['test', 'train', 'valid']
    """
    ordered = sorted(groups)
    names = [ordered[i] for i in np.random.default_rng(seed).permutation(len(ordered))]
    placement = _Placement(groups)
    for name in names:
        if name in training_only:
            placement.put(name, "train")
    _thin_classes_first(names, placement)
    _even_out([name for name in names if name not in placement.split_of], placement)
    return placement.split_of


def _thin_classes_first(names: list[str], placement: _Placement) -> None:
    """Give every class its smallest groups for testing and validation, the class of the fewest
    groups first, before another class takes them. Then the sources of each class, where there is a
    choice.
    """
    groups, filled = placement.groups, placement.filled
    spread = Counter(kind for members in groups.values() for kind in members)
    for kind in sorted(spread, key=lambda kind: (isinstance(kind, tuple), spread[kind], str(kind))):
        if isinstance(kind, tuple) and spread[kind] < len(SPLITS):
            continue
        left = sorted(
            (name for name in names if name not in placement.split_of and kind in groups[name]),
            key=lambda name: groups[name].total(),
        )
        for split in ("test", "valid"):
            if left and not filled[split][kind] and (len(left) > 1 or filled["train"][kind]):
                placement.put(left.pop(0), split)
        if left and not filled["train"][kind]:
            placement.put(left[-1], "train")


def _even_out(names: list[str], placement: _Placement) -> None:
    """Put each group where its classes are furthest below their fraction; large groups first, so
    that small ones even out what is left.
    """
    groups, filled = placement.groups, placement.filled
    totals = sum(groups.values(), Counter())
    for name in sorted(names, key=lambda name: -groups[name].total()):
        members = groups[name]

        def need(split: str, members: Counter[Hashable] = members) -> float:
            missing = [SPLIT_FRACTIONS[split] - filled[split][c] / totals[c] for c in members]
            return sum(missing) / len(missing) / SPLIT_FRACTIONS[split]

        placement.put(name, max(SPLITS, key=need))
