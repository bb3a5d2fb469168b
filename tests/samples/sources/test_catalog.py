from collections import Counter

import pytest
from databases import READERS

from bloodseg_lib.samples.sources import catalog


def test_its_readers_are_the_modules():
    assert {key: catalog.reader(key) for key in READERS} == {
        key: module.read for key, module in READERS.items()
    }


def test_phantom_is_in_it():
    assert catalog.reader("phantom").__module__ == "bloodseg_lib.samples.phantom.cells"


def test_an_unknown_key_is_answered_with_the_legal_ones():
    with pytest.raises(
        ValueError,
        match=r"one of lisc, iumc, .*, txl_pbc, chula, own, phantom. Received 'momic'",
    ):
        catalog.reader("momic")


def test_the_table_tells_of_every_database():
    table = catalog.table()
    assert all(text in table for entry in catalog.DATABASES for text in (entry.key, entry.title))
    assert max(map(len, table.splitlines())) <= 120


def test_expected_counts_add_up_to_those_of_the_original_project():
    total = Counter()
    for entry in catalog.DATABASES:
        total.update(entry.expected_counts)
    assert total["infected_rbc"] == 407 + 13779
    assert total["neutrophil"] == 47 + 38
