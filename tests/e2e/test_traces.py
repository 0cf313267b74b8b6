"""One field update is one trace through every process, and no trace tells whose it was."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

import pytest

from confer_kit import clock
from confer_kit.testing import System, running_system
from confer_kit.testing.client import Client
from confer_kit.testing.log import log_reader
from confer_kit.testing.otlp import Sink, Span, otlp_sink

PATIENT, FIELD, VALUE, USER = "patient-secret", "field-secret", "value-secret", "user-secret"
UPDATE: dict[str, Any] = {"patient_id": PATIENT, "field": FIELD, "value": VALUE}
OUTCOME = "confer.outcome"
RECEIVE = "receive field_update"
CALL = "send call.sync.field_update"
PROCESS = "process call.sync.field_update"
APPEND = "send log.sync.room.{id}.{key}"
REACT = "process log.sync.room.{id}.{key}"
EMIT = "emit field_updated"


@dataclass(frozen=True)
class Hop:
    """`linked`: it also links to its parent, which is the fact's span."""

    service: str
    name: str
    kind: str
    parent: str | None
    linked: bool = False
    times: int = 1


QUEUE = Hop("queue-svc", REACT, "CONSUMER", APPEND, linked=True)  # to steps alone: the rest it acknowledges unread
HOPS = (
    Hop("confer-edge", RECEIVE, "SERVER", None),
    Hop("confer-edge", CALL, "PRODUCER", RECEIVE),
    Hop("sync-svc", PROCESS, "CONSUMER", CALL),
    Hop("sync-svc", APPEND, "PRODUCER", PROCESS),
    Hop("confer-edge", EMIT, "CONSUMER", APPEND, linked=True, times=2),
    Hop("presence-svc", REACT, "CONSUMER", APPEND, linked=True),
)


@pytest.fixture
async def traced() -> AsyncIterator[tuple[System, Sink]]:
    with otlp_sink() as sink:
        async with running_system(OTEL_EXPORTER_OTLP_ENDPOINT=sink.endpoint) as system:
            await system.add_edge("edge2")
            await system.healthy("edge2")
            yield system, sink


async def test_one_update_is_one_trace_over_both_edges(traced: tuple[System, Sink]) -> None:
    system, sink = traced
    async with AsyncExitStack() as stack:
        ann, bob = await _members(stack, system, "edge", "edge2")
        expected = sum(hop.times for hop in HOPS)
        traces = []
        for _ in range(2):  # when all of the second one is there, nothing of the first is still on its way
            op = clock.new_id()
            await ann.until_ok("field_update", **UPDATE, op=op)
            traces.append(await _trace_of(ann, op))
            await bob.until(lambda: len(sink.trace(traces[-1])) >= expected)

        spans = sink.trace(traces[0])
        assert len(spans) == expected, spans
        for hop in HOPS:
            _check(hop, spans)
        emits = [span for span in spans if span.name == EMIT]
        assert len({span.resource["service.instance.id"] for span in emits}) == 2, "one edge emitted twice"


async def test_who_reacts_to_a_step_is_in_its_trace(traced: tuple[System, Sink]) -> None:
    system, sink = traced
    async with AsyncExitStack() as stack:
        (ann,) = await _members(stack, system, "edge")
        op = clock.new_id()
        await ann.until_ok("step_change", patient_id=PATIENT, step=2, step_name="Vision", op=op)
        trace = await _trace_of(ann, op)
        await ann.until(lambda: {"queue-svc", "presence-svc"} <= {s.service for s in sink.trace(trace)})
        await ann.until(lambda: any(span.name == APPEND for span in sink.trace(trace)))
        _check(QUEUE, sink.trace(trace))


def _check(hop: Hop, spans: Sequence[Span]) -> None:
    parents = {span.id for span in spans if span.name == hop.parent} or {""}
    found = [span for span in spans if (span.service, span.name, span.kind) == (hop.service, hop.name, hop.kind)]
    assert len(found) == hop.times, hop
    for span in found:
        assert span.parent in parents, hop
        assert [link for _, link in span.links] == ([span.parent] if hop.linked else []), hop
        assert span.attributes.get("messaging.system") == (None if hop.kind == "SERVER" else "nats"), hop
        assert (span.status, span.events) == ("UNSET", 0), span


async def test_failures_are_marked_and_nothing_tells_ids_or_values(traced: tuple[System, Sink]) -> None:
    """A conflict of two replicas, a refusal and an outage too: an exception's text would quote the subject."""
    system, sink = traced
    await system.add_service("sync-svc", "-b")
    async with AsyncExitStack() as stack:
        ann, bob = await _members(stack, system, "edge", "edge2")
        while not _spans(sink, "error.type", "Conflict"):  # until the replicas contended
            await asyncio.gather(*(client.until_ok("field_update", **UPDATE) for client in (ann, bob)))
        assert (await bob.call("field_update", **UPDATE, base_version=9999))["code"] == "invalid"
        assert (await ann.call("queue_enqueue", patient_id=PATIENT))["status"] == "ok"
        assert (await ann.call("notification_send", to={"user": USER}, title=VALUE))["status"] == "ok"
        assert await system.processes["queue-svc"].stop() == 0
        assert (await ann.call("queue_enqueue", patient_id=PATIENT))["code"] == "unavailable"
    for process in system.processes.values():  # each sends what it still has
        assert await process.stop() == 0
    assert {span.status for span in _spans(sink, OUTCOME, "unavailable")} == {"ERROR"}
    assert {span.status for span in _spans(sink, OUTCOME, "invalid")} == {"UNSET"}
    assert "send log.queue.queue.{id}.{key}" in {span.name for span in sink.spans}
    for secret in (PATIENT, FIELD, VALUE, USER):
        assert secret not in sink.text


async def test_without_an_endpoint_nothing_is_exported_and_the_activity_log_has_trace_ids() -> None:
    with otlp_sink() as sink:
        async with running_system() as system, AsyncExitStack() as stack:
            (ann,) = await _members(stack, system, "edge")
            ops = [clock.new_id(), clock.new_id()]
            for op in ops:
                await ann.until_ok("field_update", **UPDATE, op=op)
            traces = [await _trace_of(ann, op) for op in ops]
            assert len(set(traces)) == 2
            log = await stack.enter_async_context(log_reader(system.nats.url))
            flags = {fact.headers["traceparent"].split("-")[3] for fact in await log.facts("log.sync.>")}
            assert flags == {"00"}, "marked as recorded"
        assert not sink.spans


def _spans(sink: Sink, attribute: str, value: str) -> list[Span]:
    return [span for span in sink.spans if span.attributes.get(attribute) == value]


async def _members(stack: AsyncExitStack, system: System, *edges: str) -> list[Client]:
    clients = [Client(USER if n == 0 else f"{USER}-{n}") for n in range(len(edges))]
    for client, edge in zip(clients, edges, strict=True):
        stack.push_async_callback(client.close)
        await client.connect(system.url(edge))
        assert (await client.call("join_patient_room", patient_id=PATIENT))["status"] == "ok"
    return clients


async def _trace_of(client: Client, op: str) -> str:
    """The trace id that the activity log tells for an operation."""
    found: list[str] = []

    async def look() -> bool:
        answer = await client.until_ok("activity_log", patient_id=PATIENT)
        found.extend(row["trace_id"] for row in answer["rows"] if row["op"] == op)
        return bool(found)

    while not await look():
        pass
    assert len(found[0]) == 32
    return found[0]
