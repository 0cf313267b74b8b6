"""The short form of `./run chaos`: every fault once, a few seconds each, and then what every client got is compared
with the log, byte for byte. The seed is printed when it fails."""

import random
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from confer_kit.testing.chaos.storm import FAULTS, storm
from confer_kit.testing.javascript import node

JS = Path(__file__).parent / "js"


@pytest.mark.parametrize(
    ("clustered", "pages"),
    [
        pytest.param(False, False, id="one server"),
        pytest.param(True, True, id="three servers, and JavaScript", marks=pytest.mark.node),
    ],
)
async def test_every_client_gets_what_the_log_says_whatever_breaks(clustered: bool, pages: bool) -> None:
    seed = random.randrange(1_000_000)
    async with AsyncExitStack() as stack:
        driver = await stack.enter_async_context(node(JS)) if pages else None
        blowing = await stack.enter_async_context(storm(seed=seed, people=6, node=driver, clustered=clustered))
        await blowing.blow(FAULTS[clustered])
        verdict = await blowing.verdict()
        assert not verdict.problems, "\n".join(verdict.problems)
        assert verdict.counts["recovered"] >= len(blowing.members) / 2
        assert verdict.counts["resyncs"] > 0
        assert verdict.counts["kills amid calls"] >= 2
        assert verdict.counts["calls without an answer"] > 0
