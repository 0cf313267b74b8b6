"""What is asked of nats-server for a follower, and how it numbers what it delivers (docs/adr/0001)."""

from collections.abc import Sequence
from typing import NamedTuple

from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy


class Numbers(NamedTuple):
    """Of one delivery. `at`: Unix seconds, when it was stored; `pending`: how many are still to come."""

    stream_seq: int
    consumer_seq: int
    at: float
    pending: int


def config(
    inbox: str, *, after: int, latest: bool, filters: Sequence[str], headers_only: bool, heartbeat_s: float
) -> ConsumerConfig:
    """A consumer that pushes into `inbox` everything after a sequence. After 0: all there is, or (`latest`) the last
    message of each subject."""
    policy, start = DeliverPolicy.BY_START_SEQUENCE, after + 1
    if after == 0:
        policy, start = (DeliverPolicy.LAST_PER_SUBJECT if latest else DeliverPolicy.ALL), None  # type: ignore[assignment]
    wanted = filters or ([">"] if policy is DeliverPolicy.LAST_PER_SUBJECT else [])
    return ConsumerConfig(
        deliver_subject=inbox,
        deliver_policy=policy,
        opt_start_seq=start,
        ack_policy=AckPolicy.NONE,
        max_deliver=1,
        flow_control=True,
        idle_heartbeat=heartbeat_s,
        inactive_threshold=30,
        mem_storage=True,
        num_replicas=1,
        headers_only=headers_only or None,
        filter_subject=wanted[0] if len(wanted) == 1 else None,
        filter_subjects=list(wanted) if len(wanted) > 1 else None,
    )


def numbers(reply: str) -> Numbers:
    """As in `$JS.ACK...` (9 tokens; with a domain 12)."""
    tokens = reply.split(".")
    first = 5 if len(tokens) == 9 else 7
    stream_seq, consumer_seq, nanoseconds, pending = tokens[first : first + 4]
    return Numbers(int(stream_seq), int(consumer_seq), int(nanoseconds) / 1e9, int(pending))
