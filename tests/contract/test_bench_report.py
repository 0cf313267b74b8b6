"""The bench's tables and charts say what its raw numbers say."""

import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from bench.suites import SUITES

FOLDER = Path(__file__).parents[2] / "docs" / "bench"


@pytest.mark.parametrize("name", SUITES)
def test_what_is_made_from_the_raw_results_is_current(name: str) -> None:
    for path, made in SUITES[name].report.files(FOLDER).items():
        assert path.read_text() == made, "run: python -m bench report"


@pytest.mark.parametrize("name", SUITES)
def test_the_chart_is_well_formed(name: str) -> None:
    chart = ElementTree.parse(FOLDER / f"{name}.svg").getroot()
    assert chart.tag.endswith("svg")
