"""A session without a connection, for tests of what stands on it."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from confer_edge.identity import Claim
from confer_edge.lane import Lane
from confer_edge.losses import Loss
from confer_edge.packets import Outgoing
from confer_edge.session import Out, Session, Shared
from confer_kit.tasks import Tasks

BYTES_MAX = 100


class Sent(list[Outgoing]):
    """Where a session's packets go."""

    link = None
    write = list.append

    def crowded(self) -> bool:
        return False

    def look(self) -> None: ...


class Client:
    """Reads everything at once."""

    def __init__(self, sid: str, out: Out | None) -> None:
        self.sid = sid
        self.sent = Sent()
        self.out = out or self.sent

    async def taken(self) -> bool:
        return True

    def cut(self, why: str) -> None: ...


def session(
    sid: str = "s1",
    claim: Claim | None = None,
    *,
    buffer_max: int = 10,
    lost: Callable[[Session, Loss], None] = lambda session, why: None,
    delivered: Mapping[str, int] = MappingProxyType({}),
    epoch: str = "epoch",
    since: int = 0,
    bytes_max: int = BYTES_MAX,
    out: Out | None = None,
    tasks: Tasks | None = None,
    **more: Any,
) -> tuple[Session, Sent]:
    """And what it was sent, unless it has a way `out`."""
    client = Client(f"e-{sid}", out)
    shared = Shared(lambda stream: delivered.get(stream, 0), buffer_max, bytes_max, lost)
    who = claim or Claim(user_id="u1", name="Ana")
    lane = Lane(Tasks() if tasks is None else tasks, 10)
    return Session(sid, client, who, shared, bound=True, lane=lane, epoch=epoch, since=since, **more), client.sent
