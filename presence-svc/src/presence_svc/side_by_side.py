"""Many changes at once, each of another aggregate."""

import asyncio
from collections.abc import Awaitable, Iterator
from itertools import islice

from confer_contracts.errors import Rejection
from confer_kit.logs import logger

log = logger(__name__)

AT_ONCE = 32  # appends


async def side_by_side(work: Iterator[Awaitable[object]]) -> None:
    """A few at a time. What is refused is left to the next list or sweep."""
    while batch := list(islice(work, AT_ONCE)):
        for outcome in await asyncio.gather(*batch, return_exceptions=True):
            if isinstance(outcome, Rejection):
                log.info("a person was not changed", reason=outcome.code)
            elif isinstance(outcome, BaseException):
                raise outcome
