"""What a replica does in a person's name when nobody asks: at a deadline, or after somebody else's fact."""

from typing import Final, Protocol

from confer_contracts.message import Identity
from confer_kit import clock
from confer_kit.calls import Context
from notify_svc.domain.audience import Content, Receipt

ACT_S: Final = 10.0


class Send(Protocol):
    """Tell an audience (its key) something, once per operation. `note`: the id that the note is to have."""

    async def __call__(self, key: str, content: Content, context: Context, *, note: str | None = None) -> Receipt: ...


def acting(user: str, op: str) -> Context:
    """The circumstances of an action of `user`'s that happens now."""
    now = clock.now()
    identity = Identity(user_id=user, name=user, role="system", session="notify")
    return Context(identity=identity, op=op, now=now, deadline=now + ACT_S)
