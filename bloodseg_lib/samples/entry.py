"""The lines of a sample bank's index, and how they are split."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from pathlib import Path

from bloodseg_lib.samples.extraction.stain import UNKNOWN_STAIN, Stain
from bloodseg_lib.samples.sample import AUTOMATIC, BACKGROUND_CROP, CLUSTER
from bloodseg_lib.samples.splits import split_groups


@dataclass(frozen=True)
class BankEntry:
    """One line of a bank's index.

    Attributes:
        path: of the picture, relative to the bank.
        class_id, source, group: see :class:`~bloodseg_lib.samples.sample.CellSample`.
        split: ``"train"``, ``"valid"`` or ``"test"``.
        area_px: pixels of the cell.
        sha256: of the picture's file.
        stain: see :class:`~bloodseg_lib.samples.sample.CellSample`.
    """

    path: str
    class_id: int
    source: str
    group: str
    split: str
    area_px: int
    sha256: str
    stain: Stain = UNKNOWN_STAIN

    @property
    def is_single(self) -> bool:
        """Whether it shows one cell, neither a cluster of cells nor a background crop."""
        return not Path(self.path).stem.endswith((CLUSTER, BACKGROUND_CROP))

    @property
    def group_key(self) -> str:
        """Its group, unique among all sources."""
        return f"{self.source}/{self.group}"


def split_entries(
    entries: list[BankEntry], seed: int, duplicates: Iterable[tuple[str, str]] = ()
) -> dict[str, str]:
    """Split the samples of a bank, see :func:`~bloodseg_lib.samples.splits.split_groups`.

    Clusters and background crops follow their group and do not count as cells. Groups with an
    automatically segmented mask, and groups without a single cell, are for training only.

    Args:
        entries: of the bank.
        seed: see :func:`~bloodseg_lib.samples.splits.split_groups`.
        duplicates: pairs of paths of samples that show one cell. Their groups, and groups that
            share an identical picture, are joined first.

    Returns:
        path -> split.
    """
    group_of = {e.path: e.group_key for e in entries}
    owner: dict[str, str] = {}
    pairs = [(owner.setdefault(e.sha256, e.group_key), e.group_key) for e in entries]
    pairs += [(group_of[one], group_of[other]) for one, other in duplicates]
    joined = _joined(group_of.values(), pairs)
    members: dict[str, Counter[Hashable]] = defaultdict(Counter)
    training_only = set()
    for e in entries:
        group = joined[e.group_key]
        members[group].update([e.class_id, (e.class_id, e.source)] if e.is_single else [])
        if Path(e.path).stem.endswith(AUTOMATIC):
            training_only.add(group)
    training_only |= {group for group, cells in members.items() if not cells}
    split_of = split_groups(members, seed, training_only)
    return {e.path: split_of[joined[e.group_key]] for e in entries}


def _joined(keys: Iterable[str], pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """key -> the key that stands for all that pairs connect it with (union-find).

    The second key of a pair stands for both: the split depends on these names, so that another
    choice would split every bank anew. SciPy's ``connected_components`` makes another choice.
    """
    parent = {key: key for key in keys}

    def root(key: str) -> str:
        while parent[key] != key:
            key = parent[key]
        return key

    for one, other in pairs:
        parent[root(one)] = root(other)
    return {key: root(key) for key in parent}
