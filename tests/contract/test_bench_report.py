"""The bench's table and chart say what its raw numbers say."""

import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from bench import report

FOLDER = Path(__file__).parents[2] / "docs" / "bench"


@pytest.mark.parametrize("name", ["edge.md", "edge.svg"])
def test_what_is_made_from_the_raw_results_is_current(name: str) -> None:
    assert (FOLDER / name).read_text() == report.files(FOLDER)[FOLDER / name], "run: python -m bench report"


def test_the_chart_is_well_formed() -> None:
    chart = ElementTree.parse(FOLDER / "edge.svg").getroot()
    assert chart.tag.endswith("svg")
