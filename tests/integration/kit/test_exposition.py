"""The port for operators: what Prometheus gets, and what anybody else gets."""

import asyncio
import socket

import aiohttp
import prometheus_client.openmetrics.parser as openmetrics
import prometheus_client.parser as plain
import pytest
from prometheus_client import REGISTRY

from confer_kit import health
from confer_kit.exposition import REQUEST_BYTES_MAX, exposed
from confer_kit.loop_delay import EVERY_S
from confer_kit.settings import KitSettings
from confer_kit.testing.ports import free_port


def ready() -> None:
    """No complaint."""


OPEN_METRICS = "application/openmetrics-text; version=1.0.0"


@pytest.mark.parametrize(("accept", "content_type"), [("text/plain", "text/plain"), (OPEN_METRICS, OPEN_METRICS)])
async def test_a_scrape_is_what_was_asked_for(accept: str, content_type: str) -> None:
    settings = KitSettings(metrics_port=free_port())
    url, headers = f"http://127.0.0.1:{settings.metrics_port}/metrics", {"Accept": accept}
    async with (
        exposed(settings, "test", ready),
        aiohttp.ClientSession() as http,
        http.get(url, headers=headers) as answer,
    ):
        assert answer.status == 200
        assert answer.headers["Content-Type"].startswith(content_type)
        text = await answer.text()
    parse = openmetrics if accept == OPEN_METRICS else plain
    samples = {
        sample.name: sample for family in parse.text_string_to_metric_families(text) for sample in family.samples
    }
    assert samples["confer_build_info"].labels["process"] == "test"
    assert samples["process_resident_memory_bytes"].value > 1e6


async def test_whether_it_is_ready_is_asked_by_the_healthcheck_of_an_image(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settings = KitSettings(metrics_port=free_port())
    monkeypatch.setenv("CONFER_METRICS_PORT", str(settings.metrics_port))
    complaints: list[str] = []
    async with exposed(settings, "test", lambda: complaints[0] if complaints else None):
        await asyncio.to_thread(health.main)
        complaints.append("NATS is away: n1:4222")
        with pytest.raises(SystemExit, match="NATS is away: n1:4222"):
            await asyncio.to_thread(health.main)
    with pytest.raises(SystemExit, match="does not answer"):
        await asyncio.to_thread(health.main)
    for wrong in ("", "0", "x"):
        monkeypatch.setenv("CONFER_METRICS_PORT", wrong)
        with pytest.raises(SystemExit, match="CONFER_METRICS_PORT must"):
            health.main()


async def test_other_requests_are_told_what_there_is() -> None:
    settings = KitSettings(metrics_port=free_port())
    url = f"http://127.0.0.1:{settings.metrics_port}"
    async with exposed(settings, "test", ready), aiohttp.ClientSession() as http:
        async with http.get(f"{url}/livez") as answer:
            assert (answer.status, await answer.text()) == (200, "alive")
        async with http.get(f"{url}/") as answer:
            assert answer.status == 404
            assert "/metrics" in await answer.text()
        async with http.post(f"{url}/metrics") as answer:
            assert answer.status == 405


@pytest.mark.parametrize(
    "request_bytes", [b"GET /metrics HTTP/1.1\r\nX: " + b"x" * 2 * REQUEST_BYTES_MAX, b"\0\r\n\r\n"]
)
async def test_garbage_ends_its_own_connection_alone(request_bytes: bytes) -> None:
    settings = KitSettings(metrics_port=free_port())
    async with exposed(settings, "test", ready), aiohttp.ClientSession() as http:
        reader, writer = await asyncio.open_connection("127.0.0.1", settings.metrics_port)
        writer.write(request_bytes)
        async with asyncio.timeout(30):
            assert b" 200 " not in await reader.read()
        writer.close()
        async with http.get(f"http://127.0.0.1:{settings.metrics_port}/livez") as answer:
            assert answer.status == 200


async def test_a_busy_port_ends_the_process_with_a_sentence() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        settings = KitSettings(metrics_port=other.getsockname()[1])
        with pytest.raises(SystemExit, match=rf"test: .*:{settings.metrics_port}: .*CONFER_METRICS_PORT"):
            async with exposed(settings, "test", ready):
                pass


async def test_a_loop_that_stands_still_is_seen() -> None:
    def delays() -> float:
        return REGISTRY.get_sample_value("confer_event_loop_delay_seconds_sum") or 0.0

    loop = asyncio.get_running_loop()
    async with exposed(KitSettings(metrics_port=free_port()), "test", ready):
        await asyncio.sleep(0)  # the watch has begun
        before, until = delays(), loop.time() + 2 * EVERY_S
        while loop.time() < until:
            pass
        async with asyncio.timeout(30):
            while delays() < before + 0.9 * EVERY_S:
                await asyncio.sleep(0.01)
