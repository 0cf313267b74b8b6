"""What the NATS servers and JetStream are like, for Prometheus: a server has only JSON for its monitoring (ADR 36).

Served by a process of its own, or by that of `./run`; a registry of its own, for the kit's numbers are others'.
"""

import math
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, Final, NamedTuple

from prometheus_client import CollectorRegistry, Counter, Gauge, ProcessCollector

from confer_kit import metrics

NAMED_MAX: Final = 500  # durable consumers that are shown by name; there are some twenty
_NANOSECONDS: Final = 1_000_000_000

REGISTRY: Final = CollectorRegistry()
REGISTRY.register(metrics.BUILD)
REGISTRY.register(metrics.LOOP_SECONDS)
ProcessCollector(registry=REGISTRY)

SERVER_UP: Final = Gauge(
    "confer_nats_server_up", "1 while a NATS server answers at its monitoring port", ["server"], registry=REGISTRY
)
CONNECTIONS: Final = Gauge(
    "confer_nats_server_connections", "Clients of a NATS server", ["server"], registry=REGISTRY
)  # fmt: skip
MEMORY: Final = Gauge("confer_nats_server_memory_bytes", "That a NATS server has taken", ["server"], registry=REGISTRY)
CPU: Final = Gauge(
    "confer_nats_server_cpu_ratio", "Of one core, that a NATS server uses", ["server"], registry=REGISTRY
)
MESSAGES: Final = Counter(
    "confer_nats_server_messages", "That a NATS server took in and gave out", ["server", "direction"], registry=REGISTRY
)
BYTES: Final = Counter("confer_nats_server_bytes", "Of those messages", ["server", "direction"], registry=REGISTRY)
SLOW: Final = Counter(
    "confer_nats_server_slow_consumers", "Clients that a NATS server cut off because they did not read in time",
    ["server"], registry=REGISTRY,
)  # fmt: skip
REFUSED: Final = Counter(
    "confer_nats_server_refused", "Connections that a NATS server did not let in; reason: authentication or tls",
    ["server", "reason"], registry=REGISTRY,
)  # fmt: skip
CERTIFICATE_END: Final = Gauge(
    "confer_nats_server_certificate_end_timestamp_seconds",
    "When the certificate of a NATS server ends, Unix time; it has none: never", ["server"], registry=REGISTRY,
)  # fmt: skip
API_ERRORS: Final = Counter(
    "confer_jetstream_api_errors", "Requests that JetStream refused; also for want of what was asked for",
    ["server"], registry=REGISTRY,
)  # fmt: skip
STORAGE: Final = Gauge("confer_jetstream_storage_bytes", "On the disk of a server", ["server"], registry=REGISTRY)
STORAGE_MAX: Final = Gauge(
    "confer_jetstream_storage_limit_bytes", "That a server may have on its disk", ["server"], registry=REGISTRY
)
STREAM_MESSAGES: Final = Gauge("confer_jetstream_stream_messages", "In a stream", ["stream"], registry=REGISTRY)
STREAM_BYTES: Final = Gauge("confer_jetstream_stream_bytes", "Of a stream, in one copy", ["stream"], registry=REGISTRY)
STREAM_LAST: Final = Gauge("confer_jetstream_stream_last_sequence", "Of a stream", ["stream"], registry=REGISTRY)
STREAM_LIMIT: Final = Gauge(
    "confer_jetstream_stream_limit", "Of a stream that has one; what: messages, bytes, or age in seconds",
    ["stream", "what"], registry=REGISTRY,
)  # fmt: skip
STREAM_REPLICAS: Final = Gauge(
    "confer_jetstream_stream_replicas", "Copies of a stream that are current", ["stream"], registry=REGISTRY
)
STREAM_REPLICAS_WANTED: Final = Gauge(
    "confer_jetstream_stream_replicas_wanted", "Copies that a stream is to have", ["stream"], registry=REGISTRY
)
CONSUMERS: Final = Gauge(
    "confer_jetstream_consumers", "Of a stream, those of edges and replicas that have no name included", ["stream"],
    registry=REGISTRY,
)  # fmt: skip
PENDING: Final = Gauge(
    "confer_jetstream_consumer_pending", "Messages that a durable consumer has not been given yet",
    ["stream", "consumer"], registry=REGISTRY,
)  # fmt: skip
UNACKNOWLEDGED: Final = Gauge(
    "confer_jetstream_consumer_unacknowledged", "Messages that a durable consumer was given and has not done",
    ["stream", "consumer"], registry=REGISTRY,
)  # fmt: skip
REDELIVERED: Final = Gauge(
    "confer_jetstream_consumer_redelivered", "Of these, those that it was given more than once", ["stream", "consumer"],
    registry=REGISTRY,
)  # fmt: skip

_OF_STREAMS: Final = (
    STREAM_MESSAGES, STREAM_BYTES, STREAM_LAST, STREAM_LIMIT, STREAM_REPLICAS, STREAM_REPLICAS_WANTED, CONSUMERS,
    PENDING, UNACKNOWLEDGED, REDELIVERED,
)  # fmt: skip
_OF_A_SERVER: Final = (CONNECTIONS, MEMORY, CPU, STORAGE, STORAGE_MAX)

Told = Mapping[str, Any]

REFUSALS: Final = {  # as a server says why it closed a connection
    "Authentication Failure": "authentication",
    "Authentication Timeout": "authentication",
    "TLS Handshake Failure": "tls",
}


class Answer(NamedTuple):
    """Of a server: its /varz, its /jsz, and the connections that it closed last."""

    server: Told
    jetstream: Told
    closed: Told


class Shown:
    """What servers told, in the registry. A stream that is told of no longer is shown no longer."""

    def __init__(self) -> None:
        self._counts: dict[Counter, float] = {}
        self._refused: dict[str, set[tuple[int, str]]] = {}

    def show(self, answers: Mapping[str, Answer | None]) -> None:
        """By address of each server; None: it does not answer."""
        for server, answer in answers.items():
            SERVER_UP.labels(server).set(answer is not None)
            if answer is not None:
                self._server(server, answer.server, answer.jetstream)
                self._strangers(server, answer.closed)
            else:
                for gauge in _OF_A_SERVER:
                    gauge.remove(server)
        for gauge in _OF_STREAMS:
            gauge.clear()
        for answer in answers.values():
            if answer is not None:
                self._streams(answer.server, answer.jetstream)

    def _server(self, server: str, told: Told, jetstream: Told) -> None:
        CONNECTIONS.labels(server).set(told["connections"])
        MEMORY.labels(server).set(told["mem"])
        CPU.labels(server).set(told["cpu"] / 100)
        for direction in ("in", "out"):
            self._count(MESSAGES.labels(server, direction), told[f"{direction}_msgs"])
            self._count(BYTES.labels(server, direction), told[f"{direction}_bytes"])
        self._count(SLOW.labels(server), told["slow_consumers"])
        self._count(API_ERRORS.labels(server), jetstream["api"]["errors"])
        STORAGE.labels(server).set(jetstream["storage"])
        STORAGE_MAX.labels(server).set(jetstream["config"]["max_storage"])
        ends = told.get("tls_cert_not_after")
        CERTIFICATE_END.labels(server).set(datetime.fromisoformat(ends).timestamp() if ends else math.inf)

    def _strangers(self, server: str, told: Told) -> None:
        """Those that have come since it was asked last; what was before us is nobody's news."""
        refused = {(each["cid"], each["start"]): each["reason"] for each in told["connections"] or ()}
        refused = {which: REFUSALS[reason] for which, reason in refused.items() if reason in REFUSALS}
        known = self._refused.get(server, refused.keys())
        for reason in set(REFUSALS.values()):
            REFUSED.labels(server, reason).inc(sum(refused[which] == reason for which in refused.keys() - known))
        self._refused[server] = {*refused}

    def _count(self, counter: Counter, now: float) -> None:
        """A server counts from 0 when it starts again; ours goes on."""
        before = self._counts.get(counter, 0.0)
        counter.inc(now - before if now >= before else now)
        self._counts[counter] = now

    def _streams(self, server: Told, jetstream: Told) -> None:
        name = server["server_name"]
        for stream in streams(jetstream):
            if led_by(stream, name):
                _stream(stream)
            for consumer in list(durable(stream))[:NAMED_MAX]:
                if led_by(consumer, name):
                    of = (stream["name"], consumer["name"])
                    PENDING.labels(*of).set(consumer["num_pending"])
                    UNACKNOWLEDGED.labels(*of).set(consumer["num_ack_pending"])
                    REDELIVERED.labels(*of).set(consumer["num_redelivered"])


def streams(jetstream: Told) -> Iterator[Told]:
    """Those of every account, as /jsz tells."""
    for account in jetstream.get("account_details") or ():
        yield from account.get("stream_detail") or ()


def durable(stream: Told) -> Iterator[Told]:
    """Its consumers that have a name of ours; the others are edges' and replicas', and have random ones."""
    found = stream.get("consumer_detail") or ()
    return (each for each in found if each.get("config", {}).get("durable_name"))


def led_by(found: Told, server: str) -> bool:
    """In a cluster each server tells of its own copy: the leader's counts."""
    cluster = found.get("cluster")
    return cluster is None or cluster.get("leader") == server


def _stream(stream: Told) -> None:
    name, config, state = stream["name"], stream["config"], stream["state"]
    STREAM_MESSAGES.labels(name).set(state["messages"])
    STREAM_BYTES.labels(name).set(state["bytes"])
    STREAM_LAST.labels(name).set(state["last_seq"])
    CONSUMERS.labels(name).set(state["consumer_count"])
    for what, field, scale in (
        ("messages", "max_msgs", 1),
        ("bytes", "max_bytes", 1),
        ("age", "max_age", _NANOSECONDS),
    ):
        if config[field] > 0:
            STREAM_LIMIT.labels(name, what).set(config[field] / scale)
    others = stream.get("cluster", {}).get("replicas") or ()
    STREAM_REPLICAS.labels(name).set(1 + sum(bool(each["current"]) and not each.get("offline") for each in others))
    STREAM_REPLICAS_WANTED.labels(name).set(config["num_replicas"])
