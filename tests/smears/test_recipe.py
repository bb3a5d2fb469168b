import pytest

from bloodseg_lib.smears.recipe import Recipe, recipe_named


@pytest.mark.parametrize(
    "wrong",
    [
        {"rbc_count": (0, 10)},
        {"rbc_overlap": 1.5},
        {"background_size_px": 300},
        {"edge_softness_px": "soft"},
        {"nuclear_od": (0.0, 2.0)},
    ],
)
def test_a_recipe_out_of_range_is_refused_by_name(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Recipe(**wrong)


OLD_NAMES = {
    "stacks": 0.3,
    "patches": 0.2,
    "stain": 0.15,
    "nuclear_dye": [0.65, 2.4],
    "one_dye": 0.8,
    "light": 1.0,
}


def test_a_recipe_is_stored_under_the_names_of_the_first_datasets():
    recipe = Recipe(
        clusters=0.3,
        background_crops=0.2,
        stain_jitter=0.15,
        nuclear_od=(0.65, 2.4),
        stain_match=0.8,
        illumination=1.0,
    )
    stored = recipe.to_dict()
    assert {name: stored[name] for name in OLD_NAMES} == OLD_NAMES
    assert not set(stored) & {"clusters", "background_crops", "nuclear_od", "stain_match"}
    assert Recipe.from_dict(stored) == Recipe.from_dict(OLD_NAMES) == recipe


def test_a_recipe_is_read_under_the_names_of_its_fields():
    assert Recipe.from_dict({"stain_match": 0.5}) == Recipe(stain_match=0.5)


def test_an_unknown_parameter_is_refused_by_name():
    with pytest.raises(ValueError, match="Received dyes"):
        Recipe.from_dict({"dyes": 1})


def test_an_unknown_recipe_is_refused_with_those_that_exist():
    with pytest.raises(ValueError, match=r"one of white, realistic, robust. Received 'grey'"):
        recipe_named("grey")
