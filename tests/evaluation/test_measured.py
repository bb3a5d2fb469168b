import re
from pathlib import Path

import pytest

from bloodseg_lib.evaluation import measured

PAGE = Path(__file__).parents[2] / "docs" / "carries_over.md"


def of_the_page():
    """(database, variant) -> white cells, infected, healthy: right and of how many."""
    found = {}
    # other tables come after it
    page, _, _ = PAGE.read_text("utf-8").partition("## Trained longer")
    for line in page.splitlines():
        cells = [cell.strip() for cell in line.split("|")]
        if len(cells) == 8 and re.search(r"\d of \d", line):
            pairs = [re.match(r"(\d+) of (\d+)", cell) for cell in cells[3:7]]
            white, _, infected, healthy = (
                [int(n) for n in p.groups()] if p else None for p in pairs
            )
            found[cells[1], cells[2]] = [white, infected, healthy]
    return found


def test_the_notebook_plots_what_the_page_says():
    rows = {
        (row["left_out"], row["variant"]): [
            row["white_cells_right"],
            row["infected_found"],
            row["healthy_called_infected"],
        ]
        for row in measured("leave_one_out")["rows"]
    }
    assert rows == of_the_page()


def test_an_unknown_experiment_is_refused_by_name():
    with pytest.raises(ValueError, match=r"one of .*leave_one_out.*Received 'nothing'"):
        measured("nothing")
