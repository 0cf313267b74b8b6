"""Which service reacts to another's facts: the name of its durable consumer, and what that may read.

Kept here, beside the catalogue, because the permissions on NATS follow from it (`permissions`).
"""

from typing import Final, NamedTuple

from confer_contracts import catalogue, notify, presence, queue, sync
from confer_contracts.subjects import stream_of


class Reaction(NamedTuple):
    """`service` follows the log of the service `on`. `subjects`: what it reads of it."""

    service: str
    on: str
    subjects: tuple[str, ...]
    purpose: str = ""

    @property
    def stream(self) -> str:
        return stream_of(self.on)

    @property
    def consumer(self) -> str:
        return consumer(self.service, self.stream, self.purpose)


def consumer(service: str, stream: str, purpose: str = "") -> str:
    """The durable consumer's name."""
    return "-".join(filter(None, (service, purpose, "on", stream.lower())))


def _kinds(service: str) -> tuple[str, ...]:
    """What rules may be about: the public facts of a service, by kind; those of queues are in segments."""
    if service == queue.SERVICE:
        return (f"log.{service}.*.*.*",)
    return tuple(sorted({f"log.{service}.{fact.kind}.*.*" for fact in catalogue.FACTS if fact.service == service}))


RULES: Final = "rules"  # the purpose of the notifications' rules, which may be about every service's facts
PRESENCE_ON_SYNC: Final = Reaction(presence.SERVICE, sync.SERVICE, ("log.sync.room.*.record",))
QUEUE_ON_PRESENCE: Final = Reaction(queue.SERVICE, presence.SERVICE, ("log.presence.room.*.*",))
QUEUE_ON_SYNC: Final = Reaction(queue.SERVICE, sync.SERVICE, ("log.sync.room.*.record",))

ALL: Final[tuple[Reaction, ...]] = (
    PRESENCE_ON_SYNC,
    QUEUE_ON_PRESENCE,
    QUEUE_ON_SYNC,
    *(Reaction(notify.SERVICE, service, _kinds(service), RULES) for service in catalogue.SERVICES),
)
