"""How late the event loop runs what is due: the first sign of a process with too much to do."""

import asyncio

from confer_kit import metrics

EVERY_S = 0.25


async def watch() -> None:
    """Until cancelled."""
    loop = asyncio.get_running_loop()
    while True:
        due = loop.time() + EVERY_S
        await asyncio.sleep(EVERY_S)
        metrics.LOOP_SECONDS.observe(max(0.0, loop.time() - due))
