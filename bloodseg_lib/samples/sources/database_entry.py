"""What is known of one database: the address, licence, layout and reader of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Download:
    """A file that can be fetched automatically.

    Attributes:
        url: its address; ``kaggle:OWNER/NAME`` through the package ``kagglehub``.
        sha256: of the file, or empty where nobody published it: then the user gives it, or takes
            the file unchecked.
        note: why nobody published it.
    """

    url: str
    sha256: str = ""
    note: str = ""


@dataclass(frozen=True)
class DatabaseEntry:
    """One database.

    Attributes:
        key: its name in options, samples and reports.
        title: its name for people.
        url: its page; empty where there is nothing to get.
        licence: its terms of use.
        citation: the publication to cite.
        layout: the folders that its reader expects.
        expected_counts: class key -> number of cells that the original project took from it, or
            that its authors state.
        grouping: patient, slide, field or image: what a group of its samples is, and which of these
            the database does not name.
        download: a file that can be fetched automatically, see
            :mod:`bloodseg_lib.samples.sources.download`; None: by hand.
        reader_name: the module of :mod:`bloodseg_lib.samples` whose ``read`` reads it; empty: that
            of ``sources`` with the key for its name.
    """

    key: str
    title: str
    url: str
    licence: str
    citation: str
    layout: str
    expected_counts: Mapping[str, int] = field(default_factory=dict, hash=False)
    grouping: str = ""
    download: Download | None = None
    reader_name: str = ""
