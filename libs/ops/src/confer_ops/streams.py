"""The streams of an installation, as configurations. What they must be and why is in docs/adr and nats-facts."""

from datetime import datetime
from typing import Final

from nats.js.api import DiscardPolicy, RetentionPolicy, StorageType, StreamConfig, StreamSource, SubjectTransform

from confer_contracts.catalogue import SERVICES
from confer_contracts.subjects import ACTIVITY, LIVE, Kind, stream_of

EDGE: Final = "edge"
EPOCH: Final = "confer-epoch"  # metadata of LIVE: offsets of another epoch mean nothing
MINUTE, DAY = 60.0, 86400.0
RECOVERY_WINDOW_S = 2 * MINUTE
LIVE_AGE_S = 5 * RECOVERY_WINDOW_S
ACTIVITY_AGE_S = 90 * DAY
TICK_AGE_S = MINUTE
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
    """The truth: one stream per service, kept for ever. Not protected from deletes: erasure needs them."""
    return tuple(
        _stream(stream_of(service), f"facts of {service}-svc", subjects=[f"log.{service}.>"]) for service in SERVICES
    )


def ticks() -> StreamConfig:
    """Where each edge proves that facts reach it: its latest tick only."""
    return _stream(
        stream_of(EDGE),
        "the edges' own ticks",
        subjects=[f"log.{EDGE}.{Kind.PROBE}.*.tick"],
        max_msgs_per_subject=1,
        max_age=TICK_AGE_S,
    )


def live(epoch: str, start: datetime) -> StreamConfig:
    """All facts in one sequence, by audience, for a short time. Holes would look like loss: nothing may be deleted.

    The start is a time: after a crash a start sequence would fill it again with what has aged out (measured).
    """
    services = (*SERVICES, EDGE)
    return _stream(
        LIVE,
        "every fact, by audience, in one sequence",
        sources=[
            *(_sourced(s, f"log.{s}.*.*.*", "{{wildcard(1)}}.{{wildcard(2)}}", start) for s in services),
            # a ticket's facts also go to the patient's room, which their key token names
            _sourced("queue", "log.queue.queue.*.*", f"{Kind.ROOM}.{{{{wildcard(2)}}}}", start),
        ],
        max_age=LIVE_AGE_S,
        deny_delete=True,
        deny_purge=True,
        metadata={EPOCH: epoch},
    )


def _sourced(service: str, subjects: str, audience: str, start: datetime) -> StreamSource:
    return StreamSource(
        name=stream_of(service),
        opt_start_time=start,
        subject_transforms=[SubjectTransform(src=subjects, dest=audience)],
    )


def activity() -> StreamConfig:
    """Who did what when: every service's facts under their own subjects, from the beginning."""
    return _stream(
        ACTIVITY,
        "who did what when",
        sources=[StreamSource(name=stream_of(service)) for service in SERVICES],
        max_age=ACTIVITY_AGE_S,
    )
