import numpy as np
import pytest
from matplotlib.figure import Figure

from bloodseg_lib import figures

CELLS = np.zeros((3, 16, 16, 3), np.uint8)


def empty(width=2.0, height=1):
    return Figure((width, height))


def test_a_slider_draws_the_figure_anew_and_begins_with_the_default():
    playground = figures.Playground(empty, "empty", width=(1.0, 4.0, 0.5), height=(1, 2, 1))
    sliders = playground.widget.children[0].children
    assert [slider.value for slider in sliders[:2]] == [2.0, 1]
    before = playground.widget.children[1].value
    sliders[1].value = 2
    assert playground.widget.children[1].value != before


def test_pages_without_a_kernel_get_the_first_picture_and_its_text():
    playground = figures.Playground(empty, "empty", width=(1.0, 4.0, 0.5), height=(1, 2, 1))
    playground.widget.children[0].children[1].value = 2
    bundle, about = playground._repr_mimebundle_()
    assert "application/vnd.jupyter.widget-view+json" in bundle
    assert bundle["image/png"] == figures.figure_png(empty())
    assert bundle["text/plain"] == "empty"
    assert about == {"image/png": {"alt": "empty"}}


def test_a_game_counts_who_named_how_many_cells_and_then_stops():
    game = figures.NamingGame(CELLS, [1, 8, 9], {"network": [1, 9, 9]})
    assert game.progress.value == "Cell 1 of 3. Which class is it?"
    buttons = game.widget.children[2].children
    for button in buttons[0], buttons[0], buttons[8], buttons[0]:
        button.click()
    assert game.named == [1, 1, 9]
    assert game.progress.value == "You: 2 of 3 right. network: 2 of 3 right."


def test_a_game_says_nothing_of_the_answers_before_its_end():
    game = figures.NamingGame(CELLS, [1, 8, 9], {"network": [1, 9, 9]})
    game.name(1)
    assert "right" not in game.progress.value


def test_a_game_without_a_class_for_each_cell_is_refused():
    with pytest.raises(ValueError, match="Received 3 pictures"):
        figures.NamingGame(CELLS, [1, 8], {"network": [1, 9, 9]})
    with pytest.raises(ValueError, match="one or more cells"):
        figures.NamingGame([], [], {})
