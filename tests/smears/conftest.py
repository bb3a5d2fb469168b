import pytest
from discs import disc, disc_bank
from small_smears import CONFIG

from bloodseg_lib.classes import CELL_CLASSES
from bloodseg_lib.smears.build import build_dataset
from bloodseg_lib.smears.pool import Pool


@pytest.fixture(scope="session")
def pool():
    """Three discs of each class."""
    return Pool([(f"{c.key}/{i}", disc(c.id, i)) for c in CELL_CLASSES for i in range(3)])


@pytest.fixture(scope="session")
def bank(tmp_path_factory):
    return disc_bank(tmp_path_factory.mktemp("bank") / "bank")


@pytest.fixture(scope="session")
def dataset(bank, tmp_path_factory):
    return build_dataset(CONFIG, bank, tmp_path_factory.mktemp("data") / "dataset", progress=False)
