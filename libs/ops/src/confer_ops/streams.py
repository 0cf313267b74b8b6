"""The streams of an installation, as configurations."""

from dataclasses import dataclass
from typing import Final

from nats.js.api import (
    AckPolicy,
    ConsumerConfig,
    DeliverPolicy,
    DiscardPolicy,
    RetentionPolicy,
    StorageType,
    StreamConfig,
    StreamConsumerSource,
    StreamSource,
    SubjectTransform,
)

from confer_contracts import presence, queue
from confer_contracts.access import STREAM as ACCESS
from confer_contracts.access import SUBJECTS as ACCESS_SUBJECTS
from confer_contracts.audit import STREAM as AUDIT
from confer_contracts.audit import SUBJECTS as AUDIT_SUBJECTS
from confer_contracts.catalogue import SERVICES
from confer_contracts.permissions import EDGE
from confer_contracts.subjects import ACTIVITY, LIVE, SESSIONS, Kind, snapshots_of, stream_of
from confer_kit.follower import EPOCH

MINUTE, DAY = 60.0, 86400.0
RECOVERY_WINDOW_S = 2 * MINUTE
LIVE_AGE_S = 5 * RECOVERY_WINDOW_S
ACTIVITY_AGE_S = AUDIT_AGE_S = 90 * DAY  # of new streams, unless somebody says otherwise
PRESENCE_AGE_S = 30 * DAY
TICK_AGE_S = MINUTE
SNAPSHOTS_OF_ALL: Final = "SNAPSHOTS"  # what all services once had together
SNAPSHOT_AGE_S = 30 * DAY  # services make theirs anew every day
SESSION_AGE_S = DAY  # a session that has joined nothing for so long starts anew
ACCESS_FACTS_MAX = 200_000  # each edge keeps them in memory
SOURCED_IN_FLIGHT = 1000  # messages between two streams, unacknowledged
_SMALLEST_WINDOW_S = 0.1  # nobody sends Nats-Msg-Id; the server insists on a window for it


def _stream(name: str, description: str, **more: object) -> StreamConfig:
    return StreamConfig(
        name=name,
        description=description,
        retention=RetentionPolicy.LIMITS,
        storage=StorageType.FILE,
        discard=DiscardPolicy.OLD,
        allow_direct=True,
        duplicate_window=_SMALLEST_WINDOW_S,
    ).evolve(**more)


def logs() -> tuple[StreamConfig, ...]:
    """The truth: one stream per service, kept for ever, but presence: who was where a month ago matters to no rule,
    and the activity log tells it. Not protected from deletes: erasure needs them. Tickets go from one queue to another
    in atomic batches (docs/adr/0026)."""
    special: dict[str, dict[str, object]]
    special = {presence.SERVICE: {"max_age": PRESENCE_AGE_S}, queue.SERVICE: {"allow_atomic": True}}
    return tuple(
        _stream(stream_of(name), f"facts of {name}-svc", subjects=[f"log.{name}.>"], **special.get(name, {}))
        for name in SERVICES
    )


def access() -> StreamConfig:
    """What was said about users and sessions: the latest of each, for ever; what is passing (kicks) says so itself.
    When it is full nothing new is taken: a revocation must not push out another."""
    return _stream(
        ACCESS,
        "who was revoked, kicked, or has other rights",
        subjects=[ACCESS_SUBJECTS],
        max_msgs_per_subject=1,
        max_msgs=ACCESS_FACTS_MAX,
        discard=DiscardPolicy.NEW,
        allow_msg_ttl=True,
    )


def audit() -> StreamConfig:
    """Who read what, and what was refused: told by the services, sourced by ACTIVITY and not by LIVE."""
    return _stream(AUDIT, "who read records, and what was refused", subjects=[AUDIT_SUBJECTS], max_age=AUDIT_AGE_S)


def ticks() -> StreamConfig:
    """Where each edge proves that facts reach it: its latest tick only."""
    return _stream(
        stream_of(EDGE),
        "the edges' own ticks",
        subjects=[f"log.{EDGE}.{Kind.PROBE}.*.tick"],
        max_msgs_per_subject=1,
        max_age=TICK_AGE_S,
    )


def sessions() -> StreamConfig:
    """What edges need to take a client's session up again: the latest record of each."""
    return _stream(
        SESSIONS, "sessions of clients", subjects=["session.*"], max_msgs_per_subject=1, max_age=SESSION_AGE_S
    )


def snapshots() -> tuple[StreamConfig, ...]:
    """What services start from, a stream for each: it purges its own parts, and reads nobody else's (docs/adr/0027)."""
    return tuple(
        _stream(
            snapshots_of(name), f"folds of {name}-svc", subjects=[f"snapshot.{name}.>"], max_msgs_per_subject=1,
            max_age=SNAPSHOT_AGE_S,
        )
        for name in SERVICES
    )  # fmt: skip


@dataclass(frozen=True)
class Sourced:
    """What a stream takes from another one, through a durable consumer of that stream.

    Durable, because the server's own consumers remember only what the target still holds: after a crash, facts of a
    service that had been quiet for longer than LIVE's age were passed over for ever (measured, ADR 0008).
    """

    target: str
    stream: str
    name: str
    subjects: str
    audience: str | None = None  # the subject in the target; None: as it is
    start: DeliverPolicy = DeliverPolicy.NEW

    @property
    def _deliver(self) -> str:
        return f"_sourced.{self.target}.{self.stream}.{self.name}"

    def consumer(self) -> ConsumerConfig:
        return ConsumerConfig(
            durable_name=self.name,
            deliver_subject=self._deliver,
            deliver_policy=self.start,
            filter_subject=self.subjects,
            ack_policy=AckPolicy.FLOW_CONTROL,
            flow_control=True,
            idle_heartbeat=1,  # seconds; the server accepts no other for this ack policy
            max_ack_pending=SOURCED_IN_FLIGHT,
        )

    def source(self) -> StreamSource:
        transforms = [SubjectTransform(src=self.subjects, dest=self.audience)] if self.audience else None
        via = StreamConsumerSource(name=self.name, deliver_subject=self._deliver)
        return StreamSource(name=self.stream, subject_transforms=transforms, consumer=via)


def live_sources() -> tuple[Sourced, ...]:
    audience = dict.fromkeys((*SERVICES, EDGE), "{{wildcard(1)}}.{{wildcard(2)}}")
    audience[queue.SERVICE] = f"{Kind.QUEUE}.{{{{wildcard(2)}}}}"  # in whichever segment (docs/adr/0043)
    every = [Sourced(LIVE, stream_of(s), "live", f"log.{s}.*.*.*", told) for s, told in audience.items()]
    # a ticket's facts also go to the patient's room, which their key token names
    tickets = stream_of(queue.SERVICE), "live-room", f"log.{queue.SERVICE}.*.*.*"
    patients = Sourced(LIVE, *tickets, f"{Kind.ROOM}.{{{{wildcard(3)}}}}")
    return (*every, patients)


def live(epoch: str) -> StreamConfig:
    """All facts in one sequence, by audience, for a short time. Holes would look like loss: nothing may be deleted."""
    return _stream(
        LIVE,
        "every fact, by audience, in one sequence",
        sources=[sourced.source() for sourced in live_sources()],
        max_age=LIVE_AGE_S,
        deny_delete=True,
        deny_purge=True,
        metadata={EPOCH: epoch},
    )


def activity_sources() -> tuple[Sourced, ...]:
    """What happened to rooms, people and queues; not the leases of edges. And what AUDIT tells."""
    every = DeliverPolicy.ALL
    subjects = {service: f"log.{service}.>" for service in SERVICES} | {presence.SERVICE: "log.presence.room.*.*"}
    facts = [Sourced(ACTIVITY, stream_of(s), "activity", subjects[s], start=every) for s in SERVICES]
    return (*facts, Sourced(ACTIVITY, AUDIT, "activity", AUDIT_SUBJECTS, start=every))


def activity() -> StreamConfig:
    """Who did what when: every service's facts under their own subjects, from the beginning."""
    return _stream(
        ACTIVITY,
        "who did what when",
        sources=[sourced.source() for sourced in activity_sources()],
        max_age=ACTIVITY_AGE_S,
    )
