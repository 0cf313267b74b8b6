"""nats-py's client, and subscriptions whose messages are handed on as soon as they are read.

An ordinary subscription puts each message into a queue and wakes a task: at low rates that costs more than the rest
of its way (docs/adr/0016). The connection, its reconnects and all that is sent stay the library's.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from nats.aio.client import Client
from nats.aio.subscription import Subscription

from confer_kit.logs import logger

log = logger(__name__)

# Called with subject, reply ("" if none), body and headers. Where something has to be sent before the next message is
# read, it answers with what to await.
Receive = Callable[[str, str, bytes, Mapping[str, str]], Awaitable[None] | None]

_VERSION: Final = b"NATS/1.0"
_NONE: Final[Mapping[str, str]] = {}


class DirectClient(Client):
    """`subscribe_direct` beside what the library has."""

    def __init__(self) -> None:
        super().__init__()
        self._direct: dict[int, Receive] = {}

    async def subscribe_direct(self, subject: str, receive: Receive) -> Subscription:
        """As `subscribe` with a callback; nothing is queued, so no pending limit applies."""
        number = self._sid + 1  # that the library gives next: messages may come before `subscribe` has ended
        self._direct[number] = receive
        try:
            subscription = await self.subscribe(subject)
        except BaseException:
            del self._direct[number]
            raise
        assert subscription._id == number, "the library numbers subscriptions in another way"
        return subscription

    def _remove_sub(self, sid: int, max_msgs: int = 0) -> None:
        self._direct.pop(sid, None)
        super()._remove_sub(sid, max_msgs)

    async def _process_msg(self, sid: int, subject: bytes, reply: bytes, data: bytes, headers: bytes) -> None:
        """Called by the library's parser for each message."""
        receive = self._direct.get(sid)
        if receive is None:
            await super()._process_msg(sid, subject, reply, data, headers)
            return
        self.stats["in_msgs"] += 1
        self.stats["in_bytes"] += len(data)
        try:
            later = receive(subject.decode(), reply.decode(), data, parsed(headers) if headers else _NONE)
            if later is not None:
                await later
        except Exception:  # it would end the library's reading for good
            log.exception("a message could not be handled", subject=subject.decode(errors="replace"))


def parsed(block: bytes) -> dict[str, str]:
    """The headers of a message (nats-server ADR-4): `NATS/1.0`, perhaps a status and its description, then a line
    each. The status is under `Status`, as the library has it."""
    first, *lines = block.decode(errors="replace").split("\r\n")
    found = {}
    for line in lines:
        name, separator, value = line.partition(":")
        if separator:
            found[name] = value.strip(" \t")
    if len(first) > len(_VERSION):
        found["Status"] = first[len(_VERSION) :].split(maxsplit=1)[0]
    return found
