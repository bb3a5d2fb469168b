"""Training, validation and testing: who of the samples goes where. Whole groups (patient, slide or
field) only, so that nothing is tested on that was trained on. Taught by
``notebooks/01_dataset_creation.ipynb``.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from bloodseg_lib.samples.sample import AUTOMATIC

if TYPE_CHECKING:
    from bloodseg_lib.samples.bank import BankEntry

SPLITS = ("train", "valid", "test")
SPLIT_SHARES = {"train": 0.8, "valid": 0.1, "test": 0.1}


def split_groups(
    groups: Mapping[str, Counter], seed: int, training_only: Collection[str] = ()
) -> dict[str, str]:
    """Deal groups out to training, validation and testing, 80/10/10 of every class as nearly as
    whole groups allow.

    A class of three groups or more reaches every split, one of two groups training and testing, one
    of a single group only training.

    Args:
        groups: class id -> number of samples, for every group; a tuple ``(class id, source)`` is
            dealt out evenly too, after the classes.
        seed: of the order in which groups of equal size are dealt.
        training_only: groups that may not be tested on.

    Returns:
        group -> split.
    """
    totals = sum(groups.values(), Counter())
    filled = {split: Counter() for split in SPLITS}
    order = np.random.default_rng(seed).permutation(len(groups))
    names = [sorted(groups)[i] for i in order]
    placed: dict[str, str] = {}

    def place(name: str, split: str) -> None:
        placed[name] = split
        filled[split].update(groups[name])

    for name in names:
        if name in training_only:
            place(name, "train")
    # Thin classes first: what they need no other class may take. Then the sources of each class,
    # where there is a choice.
    spread = Counter(kind for members in groups.values() for kind in members)
    for kind in sorted(spread, key=lambda kind: (isinstance(kind, tuple), spread[kind], str(kind))):
        if isinstance(kind, tuple) and spread[kind] < len(SPLITS):
            continue
        for split in ("test", "valid"):
            left = sorted(
                (name for name in names if name not in placed and kind in groups[name]),
                key=lambda name: groups[name].total(),
            )
            if left and not filled[split][kind] and (len(left) > 1 or filled["train"][kind]):
                place(left.pop(0), split)
        if left and not filled["train"][kind]:
            place(left[-1], "train")

    # large ones first: small ones then even out
    for name in sorted(names, key=lambda name: -groups[name].total()):
        if name in placed:
            continue

        def need(split: str, members: Counter = groups[name]) -> float:
            """How far the split is short of its share of this group's classes, in shares."""
            missing = [SPLIT_SHARES[split] - filled[split][c] / totals[c] for c in members]
            return sum(missing) / len(missing) / SPLIT_SHARES[split]

        place(name, max(SPLITS, key=need))
    return placed


def split_entries(
    entries: list[BankEntry], seed: int, twins: Iterable[tuple[str, str]] = ()
) -> dict[str, str]:
    """Deal the samples of a bank out, see :func:`split_groups`.

    Args:
        entries: of the bank.
        seed: see :func:`split_groups`.
        twins: pairs of paths of samples that show one cell. Their groups, and groups that share a
            picture, are joined first.

    Returns:
        path -> split.
    """
    joined: dict[str, str] = {}

    def root(key: str) -> str:
        while joined.setdefault(key, key) != key:
            key = joined[key]
        return key

    owner: dict[str, str] = {}
    for e in entries:
        key = f"{e.source}/{e.group}"
        joined[root(owner.setdefault(e.sha256, key))] = root(key)
    group_of = {e.path: f"{e.source}/{e.group}" for e in entries}
    for one, other in twins:
        joined[root(group_of[one])] = root(group_of[other])
    groups: dict[str, Counter] = defaultdict(Counter)
    automatic = set()
    for e in entries:
        key = root(f"{e.source}/{e.group}")
        # where stacks and patches go does not count
        groups[key].update([e.class_id, (e.class_id, e.source)] if e.is_single else [])
        if Path(e.path).stem.endswith(AUTOMATIC):
            automatic.add(key)
    without_cells = {key for key, members in groups.items() if not members}
    result = split_groups(groups, seed, automatic | without_cells)
    return {e.path: result[root(f"{e.source}/{e.group}")] for e in entries}
