"""A real Prometheus scrapes a running system by deploy/prometheus/, and its alerts fire when something is broken."""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import nats
import pytest
import pytest_asyncio

from confer_kit.tasks import Tasks, again
from confer_kit.testing import System, running_system
from confer_kit.testing.otlp import Sink, otlp_sink
from confer_kit.testing.prometheus import PATIENCE_S, WINDOW, Prometheus, prometheus
from confer_kit.testing.raw import raw_client
from confer_kit.testing.system import SERVICES
from confer_ops.dashboards.all import DASHBOARDS
from confer_ops.dashboards.model import Query

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.prometheus]

CONFIG = Path(__file__).parents[2] / "deploy" / "prometheus" / "local.yml"
PARTS = ("edge", *SERVICES, "nats-metrics")
EXEMPLARS = (
    "confer_edge_call_duration_seconds", "confer_request_duration_seconds", "confer_append_duration_seconds",
)  # fmt: skip
LOWER = {"consumer_pending > 1000": "consumer_pending > 5"}
CHOSEN = {"$__rate_interval": WINDOW[1:-1], "$instance": ".+", "$part": "sync-svc", "$route": "field_update"}
AGAIN_S = 0.05
FLOOD = 400  # events at once


@pytest.fixture(scope="module")
def sink() -> Iterator[Sink]:
    with otlp_sink() as traces:
        yield traces


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def system(sink: Sink) -> AsyncIterator[System]:
    async with running_system(OTEL_EXPORTER_OTLP_ENDPOINT=sink.endpoint) as running:
        await running.add_nats_metrics()
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def watched(system: System) -> AsyncIterator[Prometheus]:
    async with prometheus(system, CONFIG, LOWER) as running:
        yield running


@asynccontextmanager
async def meanwhile(work: Callable[[], Awaitable[object]]) -> AsyncIterator[None]:
    """Again and again, inside the block."""

    async def once() -> None:
        await work()

    tasks = Tasks()
    tasks.start(again(AGAIN_S, once))
    try:
        yield
    finally:
        await tasks.cancel()


def chosen(expression: str) -> str:
    """With a choice for each variable of the dashboards."""
    for variable, value in CHOSEN.items():
        expression = expression.replace(variable, value)
    return expression


async def test_every_process_is_scraped(watched: Prometheus) -> None:
    for part in PARTS:
        await watched.until(f'up{{job="confer", part="{part}"}} == 1')
    await watched.until("confer:feed_delay_seconds:p99_5m >= 0")
    await watched.until('confer_jetstream_stream_messages{stream="LIVE"} > 0')


async def test_nothing_fires_while_all_is_well(watched: Prometheus) -> None:
    """But what tells that this machine has too much to do."""
    await watched.until('absent(ALERTS{alertstate="firing", alertname!~".*(Busy|Slow)"})')


async def test_every_number_of_rules_and_dashboards_is_there(system: System, watched: Prometheus) -> None:
    told = "".join(json.dumps(board.json()) for board in DASHBOARDS) + CONFIG.with_name("confer.rules.yml").read_text()
    wanted = set(re.findall(r"\bconfer_[a-z_]+", told))
    async with raw_client(system.url(), {"user_id": "ann"}) as ann:
        await ann.call("join_patient_room", {"patient_id": "p"})
        await ann.call("field_update", {"patient_id": "p", "field": "f", "value": 1})
        async with asyncio.timeout(PATIENCE_S):
            while missing := wanted - set(await watched.api("label/__name__/values")):
                await asyncio.sleep(0.2)
    assert not missing


async def test_every_query_of_the_dashboards_has_an_answer(watched: Prometheus) -> None:
    """After the calls of the test before; what asks for trouble alone has none."""
    queries = [query for board in DASHBOARDS for panel in board.panels for query in panel.queries]
    expressions = [query.expression for query in queries if isinstance(query, Query)]
    assert len(expressions) > 80
    for expression in map(chosen, expressions):
        assert "$" not in expression
        await (watched.query if expression.endswith("> 0") or "ALERTS" in expression else watched.until)(expression)


@pytest.mark.parametrize("number", EXEMPLARS)
async def test_a_number_leads_to_a_trace(system: System, watched: Prometheus, sink: Sink, number: str) -> None:
    async with raw_client(system.url(), {"user_id": "ann"}) as ann:
        await ann.call("field_update", {"patient_id": "p", "field": "f", "value": 1})

    def traced(found: list[dict[str, Any]]) -> set[str]:
        told = {one["labels"]["trace_id"] for each in found for one in each["exemplars"]}
        return told & {span.trace for span in sink.spans}

    async with asyncio.timeout(PATIENCE_S):
        while not traced(await watched.exemplars(f"{number}_bucket")):
            await asyncio.sleep(0.2)


async def test_a_service_that_is_killed(system: System, watched: Prometheus) -> None:
    await system.processes["sync-svc"].kill()
    async with (
        raw_client(system.url(), {"user_id": "ann"}) as ann,
        meanwhile(lambda: ann.call("field_update", {"patient_id": "p", "field": "f", "value": 1})),
    ):
        await watched.fires("ConferCallsFail")
    await watched.fires("ConferProcessAway", part="sync-svc")
    await watched.fires("ConferPartAway", part="sync-svc")
    await system.restart("sync-svc")
    await watched.rests("ConferPartAway")
    await watched.rests("ConferProcessAway")


async def test_a_consumer_that_lags(system: System, watched: Prometheus) -> None:
    queue, numbers = system.processes["queue-svc"], iter(range(10**6))
    async with raw_client(system.url(), {"user_id": "ann"}) as ann:
        await ann.call("join_patient_room", {"patient_id": "p"})
        queue.freeze()
        try:
            async with meanwhile(
                lambda: ann.call("field_update", {"patient_id": "p", "field": "f", "value": next(numbers)})
            ):
                await watched.fires("ConferConsumerBehind", stream="SYNC", consumer="queue-on-sync")
        finally:
            queue.thaw()
    await watched.rests("ConferConsumerBehind")


async def test_a_client_that_floods(system: System, watched: Prometheus) -> None:
    async def flood() -> None:
        async with raw_client(system.url(), {"user_id": "eve"}) as eve:
            for _ in range(FLOOD):
                await eve.emit("user_heartbeat", {})
            await eve.until(lambda: eve.ended or bool(eve.bodies("error")), "a refusal")

    async with meanwhile(flood):
        await watched.fires("ConferClientsRefused", limit="events")


async def test_a_fact_that_no_service_wrote(system: System, watched: Prometheus) -> None:
    nc = await nats.connect(system.nats.url)
    await nc.jetstream(timeout=10).publish("log.queue.queue.forged.t1", b"{}")
    await nc.close()
    await watched.fires("ConferFactForged", stream="QUEUE", part="queue-svc")


async def test_nats_is_killed(system: System, watched: Prometheus) -> None:
    await system.nats.kill()
    await watched.fires("ConferNatsServerAway")
    for part in ("edge", *SERVICES):
        await watched.fires("ConferNatsAway", part=part)
    await watched.fires("ConferFeedSilent", part="edge")
    await system.nats.start()
    for alert in ("ConferNatsServerAway", "ConferNatsAway", "ConferFeedSilent"):
        await watched.rests(alert)
