"""Two people in two Chromium windows on the demo portal: what one does, the other sees; cuts and failures too.

Every window must end without a console error, an exception, a failed or a refused request; what a deliberate cut
causes is excused where the cut is made.
"""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from confer_kit.testing import running_system
from confer_kit.testing.browser import chromium
from confer_kit.testing.demo_portal import Office
from confer_ops.checkout import root
from confer_ops.demo import Demo

AWAY_AFTER_S = 8
PAGE = 5  # of people: a room of more is large


@pytest.fixture(scope="module")
def pages() -> Path:
    """The built demo portal."""
    demo = Demo(root())
    if not demo.current:
        demo.build()
    return demo.dist


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def office(pages: Path) -> AsyncIterator[Office]:
    settings = {
        "CONFER_DEMO_DIR": str(pages), "CONFER_SYNC_SCHEMAS": str(Demo(root()).forms),
        "CONFER_PRESENCE_AWAY_AFTER_S": str(AWAY_AFTER_S), "CONFER_DROP_GRACE_S": "2",
        "CONFER_PRESENCE_PAGE": str(PAGE),
    }  # fmt: skip
    async with running_system(**settings) as system, chromium() as browser:
        yield Office(system, browser)
