from dataclasses import FrozenInstanceError, dataclass
from pathlib import Path
from typing import Literal

import pytest

from bloodseg_lib.config import Config


@dataclass(frozen=True)
class Sowing(Config):
    """How to sow.

    Attributes:
        count: of the seeds, an
            ``int``.
        rate, limit: of each row.
    """

    count: int = 3
    rate: float = 0.5
    quiet: bool = False
    kind: Literal["dense", "sparse"] = "dense"
    tint: tuple[float, float] = (0.0, 1.0)
    sizes: tuple[int, ...] = ()
    limit: int | None = None
    folder: Path = Path("runs")

    def check(self) -> None:
        self.expect(self.count > 0, "count", "at least 1")


def test_the_defaults_fit_their_types():
    assert Sowing().to_dict()["folder"] == "runs"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("count", 2.0),
        ("count", "3"),
        ("count", True),
        ("rate", "0.5"),
        ("rate", True),
        ("quiet", 1),
        ("kind", "Dense"),
        ("tint", (0.0,)),
        ("tint", (0.0, "1")),
        ("sizes", (1, 2.5)),
        ("limit", "none"),
        ("folder", 5),
    ],
)
def test_a_value_of_another_type_is_refused_by_the_name_of_its_field(name, value):
    with pytest.raises(ValueError, match=rf"Sowing\.{name}: expected .*Received"):
        Sowing(**{name: value})


def test_what_json_turns_into_something_else_is_taken():
    config = Sowing(rate=1, tint=[0.5, 0.5], sizes=[1, 2], folder="there", limit=4)
    assert (config.rate, config.tint, config.sizes, config.folder, config.limit) == (
        1.0,
        (0.5, 0.5),
        (1, 2),
        Path("there"),
        4,
    )
    assert type(config.rate) is float


def test_a_range_is_checked_with_field_and_expectation():
    with pytest.raises(ValueError, match=r"Sowing\.count: expected at least 1\. Received 0\."):
        Sowing(count=0)


def test_legal_choices_are_listed():
    with pytest.raises(ValueError, match="one of 'dense', 'sparse'"):
        Sowing(kind="other")


def test_an_unknown_parameter_is_refused_with_the_known_ones():
    with pytest.raises(ValueError, match=r"count, rate.*Received number"):
        Sowing.from_dict({"number": 3})


def test_dict_and_back_is_the_same_configuration():
    config = Sowing(count=7, sizes=(1, 2), folder=Path("a/b"))
    assert Sowing.from_dict(config.to_dict()) == config


def test_a_configuration_is_frozen():
    with pytest.raises(FrozenInstanceError):
        Sowing().count = 4


def test_texts_are_read_as_json_or_as_words():
    sowing = Sowing.from_texts({"count": "4", "quiet": "true", "kind": "sparse", "sizes": "[1, 2]"})
    assert sowing == Sowing(count=4, quiet=True, kind="sparse", sizes=(1, 2))


def test_what_the_docstring_says_of_each_field_is_at_hand():
    assert Sowing.attribute_texts() == {
        "count": "of the seeds, an int.",
        "rate": "of each row.",
        "limit": "of each row.",
    }
