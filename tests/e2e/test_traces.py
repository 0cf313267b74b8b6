"""One action is one trace through every process, from the page on, and no trace tells whose it was."""

import asyncio
import secrets
import socket
import tomllib
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_args

import pytest
import pytest_asyncio
from pydantic import BaseModel, JsonValue

from confer_contracts import catalogue
from confer_contracts.notification import Addressee
from confer_contracts.route import Call
from confer_kit import clock
from confer_kit.testing import System, running_system
from confer_kit.testing.client import Client
from confer_kit.testing.log import log_reader
from confer_kit.testing.otlp import Sink, Span, otlp_sink

pytestmark = pytest.mark.asyncio(loop_scope="module")
PATIENT, FIELD, VALUE, USER = "patient-secret", "field-secret", "value-secret", "user-secret"
UPDATE: dict[str, Any] = {"patient_id": PATIENT, "field": FIELD, "value": VALUE}
OUTCOME = "confer.outcome"
PAGE = "00f067aa0ba902b7"  # the span of the page
_OF_PATIENT = ("activity_log", "presence_history", "field_history", "field_restore", "queue_position")
MORE: dict[str, dict[str, Any]] = {  # than must be in each: one of several
    "field_update": {"field": FIELD, "value": VALUE},
    "queue_move": {"position": 1},
    **{name: {"patient_id": PATIENT} for name in _OF_PATIENT},
    **{f"notification_{what}": {"all": True} for what in ("seen", "read", "archive")},
    **{f"topic_{what}": {"topic": VALUE} for what in ("follow", "unfollow")},
}
ACTIONS: dict[str, Any] = tomllib.loads((Path(__file__).parent / "hops.toml").read_text())


@dataclass(frozen=True, kw_only=True)
class Hop:
    """As in hops.toml."""

    service: str
    name: str
    kind: str
    under: str | list[str]
    linked: bool = False
    times: int = 1
    several: bool = False
    tells: Mapping[str, Any] = field(default_factory=dict)

    def found(self, spans: Sequence[Span]) -> list[Span]:
        own = (self.service, self.name, self.kind)
        return [span for span in spans if (span.service, span.name, span.kind) == own]

    def must_be_in(self, spans: Sequence[Span]) -> None:
        parents = {PAGE} if self.under == "page" else {span.id for span in spans if span.name in self.under}
        found = self.found(spans)
        assert len(found) == self.times or (self.several and len(found) > self.times), self
        for span in found:
            assert span.parent in parents, self
            links = {link for _, link in span.links}
            assert span.parent in links if self.linked else not links, self
            assert len(links) <= 1 or self.several, self
            assert span.kind == "SERVER" or span.end >= span.start
            on_nats = self.name.split(" ")[1].count(".") > 0
            assert span.attributes.get("messaging.system") == ("nats" if on_nats else None), self
            assert (span.status, span.events) == ("UNSET", 0), span
            told = {name: span.attributes.get(name) for name in self.tells}
            assert all(told.values()), span
            assert told == {name: told[name] if value == "*" else value for name, value in self.tells.items()}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def traced() -> AsyncIterator[tuple[System, Sink]]:
    with otlp_sink() as sink:
        async with running_system(OTEL_EXPORTER_OTLP_ENDPOINT=sink.endpoint) as system:
            await system.add_edge("edge2")
            await system.healthy("edge2")
            yield system, sink


async def test_an_action_is_one_trace_from_the_page_over_both_edges(traced: tuple[System, Sink]) -> None:
    system, sink = traced
    async with AsyncExitStack() as stack:
        ann, _ = await _members(stack, system, "edge", "edge2")
        assert (await ann.call("queue_open"))["status"] == "ok"
        traces = {}
        for action, expected in ACTIONS.items():
            hops = [Hop(**hop) for hop in expected["hops"]]
            traces[action] = trace = await _done(ann, action, expected["with"])
            await ann.until(lambda t=trace, h=hops: _all_there(h, sink.trace(t)))  # type: ignore[misc]
            spans = sink.trace(trace)
            for hop in hops:
                hop.must_be_in(spans)
            emits = [span for span in spans if span.name == hops[-1].name and hops[-1].times == 2]
            assert len({span.resource["service.instance.id"] for span in emits}) in (0, 2), "one edge emitted twice"
        # what came after it is whole: nothing of it is still on its way
        expected = sum(hop.get("times", 1) for hop in ACTIONS["field_update"]["hops"])
        assert len(sink.trace(traces["field_update"])) == expected, sink.trace(traces["field_update"])
    for secret in (PATIENT, FIELD, VALUE, USER):
        assert secret not in sink.text


async def test_each_event_of_the_catalogue_is_a_hop_at_the_edge_at_its_service_and_back(
    traced: tuple[System, Sink],
) -> None:
    """Whatever comes of it: refused ones too, which go no further than where they are refused."""
    system, sink = traced
    async with AsyncExitStack() as stack:
        (ann,) = await _members(stack, system, "edge")
        expected = {}
        for event, call in catalogue.PUBLIC_CALLS.items():
            trace, payload = secrets.token_hex(16), _least(call.request) | MORE.get(event, {})
            await ann.call(event, **payload, traceparent=f"00-{trace}-{PAGE}-01")
            expected[trace] = _hops(event, call)
        for trace, hops in expected.items():
            await ann.until(lambda t=trace, h=hops: h <= _parentage(sink.trace(t)))  # type: ignore[misc]
        wrong: list[dict[str, Any]] = [{"patient_id": []}, {"patient_id": PATIENT, "unknown": VALUE}]
        for payload in wrong:
            trace = secrets.token_hex(16)
            answer = await ann.call("field_update", **payload, traceparent=f"00-{trace}-{PAGE}-01")
            assert answer["code"] == "invalid"
            await ann.until(lambda t=trace: len(sink.trace(t)) == 2)  # type: ignore[misc]
            assert _parentage(sink.trace(trace)) == {
                ("receive field_update", ""),
                ("ack field_update", "receive field_update"),
            }
            assert {span.attributes.get(OUTCOME) for span in sink.trace(trace)} == {"invalid", None}
        trace = secrets.token_hex(16)
        assert (await ann.call(VALUE, traceparent=f"00-{trace}-{PAGE}-01"))["code"] == "invalid"
        await ann.until(
            lambda: _parentage(sink.trace(trace)) == {("receive other", ""), ("ack other", "receive other")}
        )
    for secret in (PATIENT, FIELD, VALUE, USER):
        assert secret not in sink.text


async def test_what_is_done_at_a_deadline_is_linked_to_who_set_it(traced: tuple[System, Sink]) -> None:
    system, sink = traced
    async with AsyncExitStack() as stack:
        ann, _ = await _members(stack, system, "edge", "edge2")
        trace = await _done(ann, "notification_send", {"to": {"user": f"{USER}-1"}, "title": VALUE, "in_s": 1})
        await ann.until(lambda: _spans(sink, "messaging.destination.template", "view.user.{id}.counts"))
        await ann.until(lambda: [span for span in sink.spans if span.name == "timer scheduled"])
        (timer,) = [span for span in sink.spans if span.name == "timer scheduled"]
        (setting,) = [span for span in sink.trace(trace) if span.name == "send log.notify.user.{id}.{key}"]
        assert (timer.service, timer.parent, timer.links) == ("notify-svc", "", ((trace, setting.id),))
        assert timer.attributes[OUTCOME] == "ok"
        await ann.until(lambda: "emit notification" in {span.name for span in sink.trace(timer.trace)})


async def test_a_connection_goes_on_in_the_trace_of_its_auth_and_what_it_does_is_linked_to_it() -> None:
    """And an operator may have the ids in the traces."""
    page = secrets.token_hex(16)
    with otlp_sink() as sink:
        async with running_system(OTEL_EXPORTER_OTLP_ENDPOINT=sink.endpoint, CONFER_TRACE_IDS="true") as system:
            ann = Client(USER)
            await ann.connect(system.url(), traceparent=f"00-{page}-{PAGE}-01")
            assert (await ann.call("join_patient_room", patient_id=PATIENT))["status"] == "ok"
            await ann.until(lambda: {s.name for s in sink.spans} >= {"connect", "receive join_patient_room"})
            (connect,) = [span for span in sink.spans if span.name == "connect"]
            (join,) = [span for span in sink.spans if span.name == "receive join_patient_room"]
            assert (connect.trace, connect.parent) == (page, PAGE)
            assert connect.attributes[OUTCOME] == "ok"
            assert join.trace != page
            assert join.links == ((page, PAGE),)
            assert join.attributes["enduser.id"] == USER
            assert join.attributes["confer.audience"] == f"room.{PATIENT}"
            await ann.close()


async def test_a_trace_that_is_not_sampled_travels_on_and_nothing_of_it_is_exported() -> None:
    settings = {"OTEL_TRACES_SAMPLER": "parentbased_traceidratio", "OTEL_TRACES_SAMPLER_ARG": "0.5"}
    low, high = "1" * 32, "f" * 32  # of the ids the sampler takes the lower half
    with otlp_sink() as sink:
        async with (
            running_system(OTEL_EXPORTER_OTLP_ENDPOINT=sink.endpoint, **settings) as system,
            AsyncExitStack() as s,
        ):
            (ann,) = await _members(s, system, "edge")
            ops = [clock.new_id(), clock.new_id()]
            for trace, op in zip((high, low), ops, strict=True):
                await ann.until_ok("field_update", **UPDATE, op=op, traceparent=f"00-{trace}-{PAGE}-01")
                assert await _trace_of(ann, op) == trace
            names = {"receive field_update", "send log.sync.room.{id}.{key}", "emit field_updated"}
            await ann.until(lambda: names <= {span.name for span in sink.trace(low)})
            assert not sink.trace(high)


async def test_failures_are_marked_and_nothing_tells_ids_or_values(traced: tuple[System, Sink]) -> None:
    """A conflict of two replicas, a refusal and an outage too: an exception's text would quote the subject. The last
    one that has this system: it stops it."""
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


async def test_a_collector_that_never_answers_costs_no_call_and_keeps_no_process_from_its_end() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:  # the kernel takes connections, and nobody reads
        endpoint = f"http://127.0.0.1:{silent.getsockname()[1]}"
        async with running_system(OTEL_EXPORTER_OTLP_ENDPOINT=endpoint) as system, AsyncExitStack() as stack:
            (ann,) = await _members(stack, system, "edge")
            silent.settimeout(30)
            for _ in range(2):  # two processes wait for it
                stack.enter_context((await asyncio.to_thread(silent.accept))[0])
            for _ in range(20):
                assert (await ann.call("field_update", **UPDATE))["status"] == "ok"
            assert {*await asyncio.gather(*(process.stop() for process in system.processes.values()))} == {0}


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


def _all_there(hops: Sequence[Hop], spans: Sequence[Span]) -> bool:
    """Each hop, and what each span is under: processes send theirs apart."""
    known = {PAGE, *(span.id for span in spans)}
    return all(len(hop.found(spans)) >= hop.times for hop in hops) and all(span.parent in known for span in spans)


def _least(model: type[BaseModel]) -> dict[str, Any]:
    """What an event must have, at least."""
    samples: dict[Any, Any] = {str: PATIENT, int: 1, JsonValue: VALUE, Addressee: {"user": USER}}
    required = {name: about.annotation for name, about in model.model_fields.items() if about.is_required()}
    return {name: samples[kind] if kind in samples else get_args(kind)[0] for name, kind in required.items()}


def _hops(event: str, call: Call[Any, Any]) -> set[tuple[str, str]]:
    """Of an event that gets to its service, each with what it is under."""
    receive, send = f"receive {event}", f"send {call.subject}"
    return {(receive, ""), (send, receive), (f"process {call.subject}", send), (f"ack {event}", receive)}


def _parentage(spans: Sequence[Span]) -> set[tuple[str, str]]:
    names = {span.id: span.name for span in spans}
    return {(span.name, names.get(span.parent, "")) for span in spans}


def _spans(sink: Sink, attribute: str, value: str) -> list[Span]:
    return [span for span in sink.spans if span.attributes.get(attribute) == value]


async def _members(stack: AsyncExitStack, system: System, *edges: str) -> list[Client]:
    clients = [Client(USER if n == 0 else f"{USER}-{n}") for n in range(len(edges))]
    for client, edge in zip(clients, edges, strict=True):
        stack.push_async_callback(client.close)
        await client.connect(system.url(edge))
        assert (await client.call("join_patient_room", patient_id=PATIENT))["status"] == "ok"
    return clients


async def _done(client: Client, action: str, payload: Mapping[str, Any]) -> str:
    """The trace, made by the page, of the action's first success."""
    while True:
        trace = secrets.token_hex(16)
        told = f"00-{trace}-{PAGE}-00"  # whether it is recorded is not the page's to say
        answer = await client.call(action, **payload, traceparent=told)
        if answer["status"] == "ok":
            return trace
        assert answer["retry"], answer


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
