"""The profile `full`, from nothing, but for the four public images that show traces and numbers: they need a registry.
What belongs to them here is their configuration, and that nobody misses a collector that is away."""

import json
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from confer_kit.testing.containers import Compose, composed, crowd_in
from confer_kit.testing.system import get

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.docker, pytest.mark.timeout(1800)]

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / ".env.example"
PROFILES = re.findall(r"^#? ?COMPOSE_FILE=(.+)$", EXAMPLE.read_text(), re.MULTILINE)
FROM_A_REGISTRY = {"otel-collector", "jaeger", "prometheus", "grafana"}
OURS = ("haproxy", "edge", "presence-svc", "sync-svc", "queue-svc", "notify-svc", "nats-metrics")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def full() -> AsyncIterator[Compose]:
    files = [ROOT / name for name in PROFILES[1].split(":")]
    published = Path(__file__).parent / "published.yml"
    async with composed(ROOT, "full", *files, published, services=OURS) as running:
        yield running


@pytest.mark.parametrize("profile", PROFILES)
async def test_a_profile_is_well_formed_and_each_container_has_its_limits(profile: str) -> None:
    made = Compose(ROOT, "config", [ROOT / name for name in profile.split(":")], {})
    services = json.loads(await made.command("config", "--format", "json"))["services"]
    made.close()
    for name, service in services.items():
        assert service["read_only"], name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert {"mem_limit", "pids_limit"} <= service.keys(), name
        assert service["logging"]["options"]["max-size"], name
        assert {port["host_ip"] for port in service.get("ports", [])} <= {"127.0.0.1"}, name
    published = [port["target"] for service in services.values() for port in service.get("ports", [])]
    assert {80, 8000} & set(published) == ({80} if "front.yml" in profile else {8000})  # one way in


async def test_the_demo_is_served_through_the_proxy(full: Compose) -> None:
    for path, found in (("/demo/", b"<title>"), ("/demo/board/", b"<title>"), ("/health", b'"healthy"')):
        status, body = get(f"{full.url}{path}")
        assert (status, found in body) == (200, True), path
    assert (await full.container("demo")).attrs["State"]["ExitCode"] == 0


async def test_a_crowd_misses_no_collector(full: Compose) -> None:
    running = {container.labels["com.docker.compose.service"] for container in await full.containers()}
    assert running.isdisjoint(FROM_A_REGISTRY)
    async with crowd_in(full, people=3) as people:
        await full.restart(await full.container("edge"))
        await people.settle()


async def test_the_numbers_of_nats_are_shown_inside(full: Compose) -> None:
    code = "import urllib.request as u; print(u.urlopen('http://nats-metrics:9106/metrics').read().decode())"
    shown = await full.command("exec", "-T", "sync-svc", "python", "-c", code)
    assert 'confer_jetstream_stream_messages{stream="LIVE"' in shown
