"""What the page of `./run` keeps and shows: bounded, in order, to nobody else."""

import asyncio
import gzip
from collections.abc import AsyncIterator

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from confer_kit.spans import Span
from confer_kit.testing.ports import free_port
from confer_ops.watch import http, traces
from confer_ops.watch.numbers import Numbers, quantile, read
from confer_ops.watch.site import Site
from confer_ops.watch.traces import BACKGROUND_MAX, SPANS_MAX, TRACES_MAX, Trace, Traces
from confer_ops.watch.waterfall import waterfall

MS = 1_000_000


def span(name: str, parent: str = "", *, trace: str = "t", kind: str = "SERVER", start: int = 0, ms: int = 1) -> Span:
    """Its id is its name."""
    return Span(
        resource={"service.name": "svc"}, name=name, kind=kind, trace=trace, id=name, parent=parent, links=(),
        attributes={}, status="UNSET", events=0, start=start * MS, end=(start + ms) * MS, size=100,
    )  # fmt: skip


def test_hops_stand_below_what_caused_them_in_the_order_of_time() -> None:
    kept = Traces()
    kept.add([span("c", "a", start=4), span("b2", "b", start=3), span("b", "a", start=1), span("a", ms=6)])
    trace = kept.get("t")
    assert trace
    shown = waterfall(trace)
    assert [(row["name"], row["depth"], row["start"]) for row in shown["rows"]] == [
        ("a", 0, 0), ("b", 1, 1), ("b2", 2, 3), ("c", 1, 4),
    ]  # fmt: skip
    assert (shown["name"], shown["ms"], shown["answered_ms"], shown["left_out"]) == ("a", 6, 6, 0)


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(-1, 9)), max_size=30))
def test_whatever_the_parents_are_each_hop_is_shown_once_or_counted(pairs: list[tuple[int, int]]) -> None:
    trace = Trace("t")
    trace.spans = {str(own): span(str(own), str(parent)) for own, parent in pairs}
    if trace.spans:
        shown = waterfall(trace)
        assert len({row["id"] for row in shown["rows"]}) == len(shown["rows"])
        assert len(shown["rows"]) + shown["left_out"] == len(trace.spans)


def test_what_nobody_did_does_not_drive_out_what_somebody_did() -> None:
    kept = Traces()
    for number in range(TRACES_MAX):
        kept.add([span("action", trace=f"action{number}", start=number)])
    for number in range(TRACES_MAX):
        kept.add([span("beat", trace=f"beat{number}", kind="PRODUCER")])
    assert len(kept) == TRACES_MAX
    actions = kept.newest(background=False)
    assert len(actions) == TRACES_MAX - BACKGROUND_MAX
    assert actions[0].id == f"action{TRACES_MAX - 1}"
    assert len(kept.newest(background=True)) == TRACES_MAX


def test_what_began_last_comes_first_whichever_process_told_its_part_first() -> None:
    kept = Traces()
    kept.add([span("a", trace="second", start=2), span("b", trace="third", start=3)])
    kept.add([span("c", trace="first", start=1)])
    assert [trace.id for trace in kept.newest(background=False)] == ["third", "second", "first"]


def test_a_trace_without_end_and_many_bytes_have_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    kept = Traces()
    kept.add(span(f"emit{number}") for number in range(SPANS_MAX + 5))
    trace = kept.get("t")
    assert trace
    assert waterfall(trace)["left_out"] == 5
    monkeypatch.setattr(traces, "BYTES_MAX", 100 * SPANS_MAX)
    kept.add([span("next", trace="u")])
    assert kept.get("t") is None
    assert kept.get("u")


def test_a_quantile_is_of_what_came_between_two_scrapes() -> None:
    inf = float("inf")
    assert quantile(0.5, {}, {}) is None
    assert quantile(0.5, {1.0: 4, inf: 4}, {1.0: 4, inf: 4}) is None
    assert quantile(0.5, {1.0: 4, 2.0: 4, inf: 4}, {1.0: 4, 2.0: 14, inf: 14}) == 1.5
    assert quantile(0.99, {}, {1.0: 0, 2.0: 1, inf: 100}) == 2.0, "no more is known than the last bound"


def test_the_numbers_are_sums_over_routes() -> None:
    registry = CollectorRegistry()
    calls = Counter("confer_edge_calls", "", ["route", "outcome"], registry=registry)
    seconds = Histogram("confer_edge_call_duration_seconds", "", ["route"], buckets=(1, 2), registry=registry)
    Gauge("confer_edge_clients", "", ["transport"], registry=registry).labels("polling").set(3)
    Gauge("confer_follower_pending", "", ["stream"], registry=registry).labels("LIVE").set(7)
    for route in "ab":
        calls.labels(route, "ok").inc(2)
        calls.labels(route, "invalid").inc()
        calls.labels(route, "unavailable").inc()
        seconds.labels(route).observe(1.5)
    told = read(generate_latest(registry).decode(), at=5.0)
    assert (told.at, told.calls, told.failures, told.clients, told.lag) == (5.0, 8, 2, 3, 7)
    assert told.seconds == {1.0: 0, 2.0: 2, float("inf"): 2}


async def test_a_process_that_does_not_answer_is_shown_as_such() -> None:
    assert await Numbers({"gone": free_port(), "none": 0}).now() == [{"process": "gone", "up": False}]


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    served = Site()
    await served.server.start(free_port(), set())
    try:
        yield served
    finally:
        served.server.close()


async def ask(site: Site, line: str, body: bytes = b"", **headers: str) -> tuple[int, bytes]:
    """Status and body; a header's name has _ for -."""
    told = {"Host": f"127.0.0.1:{site.server.port}", "Content-Length": str(len(body))}
    told |= {name.replace("_", "-"): value for name, value in headers.items()}
    reader, writer = await asyncio.open_connection("127.0.0.1", site.server.port)
    head = "".join(f"{name}: {value}\r\n" for name, value in told.items())
    writer.write(f"{line} HTTP/1.1\r\n{head}\r\n".encode() + body)
    answer = await reader.read()
    writer.close()
    head, _, rest = answer.decode().partition("\r\n\r\n")
    assert "Content-Security-Policy: default-src 'none'" in head
    return int(head.split(" ")[1]), rest.encode()


def export() -> bytes:
    request = ExportTraceServiceRequest()
    one = request.resource_spans.add().scope_spans.add().spans.add()
    one.trace_id, one.span_id, one.name, one.kind = b"t" * 16, b"s" * 8, "<b>receive</b>", 2
    return bytes(request.SerializeToString())


PROTOBUF = "application/x-protobuf"


async def test_spans_come_in_as_they_are_or_packed_and_are_shown(site: Site) -> None:
    assert await ask(site, "GET /traces.json") == (200, b"[]")
    assert (await ask(site, "POST /v1/traces", export(), Content_Type=PROTOBUF))[0] == 200
    packed = gzip.compress(export())
    assert (await ask(site, "POST /v1/traces", packed, Content_Type=PROTOBUF, Content_Encoding="gzip"))[0] == 200
    (trace,) = orjson.loads((await ask(site, "GET /traces.json"))[1])
    assert (trace["name"], trace["hops"]) == ("<b>receive</b>", 1)
    status, body = await ask(site, f"GET /trace.json?{trace['id']}")
    assert (status, len(orjson.loads(body)["rows"])) == (200, 1)
    assert (await ask(site, "GET /trace.json?other"))[0] == 404


async def test_whoever_asks_badly_is_refused(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    assert (await ask(site, "GET /", Host="evil.test"))[0] == 421
    assert (await ask(site, "GET /../site.py"))[0] == 404
    assert (await ask(site, "POST /"))[0] == 405
    assert (await ask(site, "GET /v1/traces"))[0] == 405
    assert (await ask(site, "POST /v1/traces", export(), Content_Type="text/plain"))[0] == 415
    assert (await ask(site, "POST /v1/traces", b"nonsense", Content_Type=PROTOBUF))[0] == 400
    assert (await ask(site, "POST /v1/traces", b"x", Content_Type=PROTOBUF, Content_Encoding="gzip"))[0] == 400
    monkeypatch.setattr(http, "BODY_BYTES_MAX", 100)
    bomb = gzip.compress(bytes(10_000))
    assert (await ask(site, "POST /v1/traces", bomb, Content_Type=PROTOBUF, Content_Encoding="gzip"))[0] == 400
    assert (await ask(site, "POST /v1/traces", bytes(101), Content_Type=PROTOBUF))[0] == 413


async def test_the_port_is_the_next_one_that_is_free(site: Site) -> None:
    other = Site()
    await other.server.start(site.server.port, {site.server.port + 1})
    assert other.server.port > site.server.port + 1
    other.server.close()
