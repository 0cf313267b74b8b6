"""What `confer nats-metrics` tells of three real servers: whose word counts, and what is missed when one is gone."""

import asyncio
import math
import tempfile
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import nats
import pytest
from nats.js.api import ConsumerConfig, StreamConfig

from confer_kit import clock, nats_certificates, nats_users
from confer_kit.nats_link import Link, wait_for_nats
from confer_kit.settings import KitSettings
from confer_kit.testing import nats_server
from confer_kit.testing.nats import NatsCluster, with_users
from confer_ops.nats_metrics import REGISTRY, Shown
from confer_ops.nats_monitoring import Monitoring

COPIES = 3
PATIENCE_S = 60


@pytest.fixture
async def cluster() -> AsyncIterator[NatsCluster]:
    with tempfile.TemporaryDirectory(prefix="confer-nats-", ignore_cleanup_errors=True) as store:
        running = NatsCluster(Path(store))
        await running.start()
        try:
            yield running
        finally:
            await running.kill()


def value(name: str, **labels: str) -> float | None:
    return REGISTRY.get_sample_value(name, labels)


async def until(monitoring: Monitoring, condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while True:
            await monitoring.ask()
            if condition():
                return
            await asyncio.sleep(0.2)


async def made(url: str) -> None:
    """A stream on all servers with two messages and a consumer that has read neither."""
    nc = await nats.connect(url.split(","))
    js = nc.jetstream()
    async with asyncio.timeout(PATIENCE_S):
        while True:
            try:
                await js.add_stream(StreamConfig(name="S", subjects=["s.>"], num_replicas=COPIES, max_msgs=10))
                break
            except (nats.errors.Error, nats.js.errors.Error):  # they have no leader yet
                await asyncio.sleep(0.2)
    await js.add_consumer("S", ConsumerConfig(durable_name="reader"))
    for number in range(2):
        await js.publish("s.one", str(number).encode())
    await nc.close()


async def test_servers_streams_and_consumers(cluster: NatsCluster) -> None:
    await made(cluster.url)
    monitoring = Monitoring(cluster.monitoring)
    servers = [url.removeprefix("http://") for url in cluster.monitoring.split(",")]
    await until(monitoring, lambda: value("confer_jetstream_stream_replicas", stream="S") == COPIES)
    await until(monitoring, lambda: value("confer_jetstream_consumer_pending", stream="S", consumer="reader") == 2)
    assert value("confer_jetstream_stream_messages", stream="S") == 2
    assert value("confer_jetstream_stream_limit", stream="S", what="messages") == 10
    assert value("confer_jetstream_stream_limit", stream="S", what="bytes") is None
    assert value("confer_jetstream_stream_replicas_wanted", stream="S") == COPIES
    assert value("confer_nats_server_certificate_end_timestamp_seconds", server=servers[0]) == math.inf
    assert all(value("confer_nats_server_up", server=server) == 1 for server in servers)
    counted = value("confer_nats_server_messages_total", server=servers[2], direction="in")

    await cluster.nodes[2].kill()
    await until(monitoring, lambda: value("confer_jetstream_stream_replicas", stream="S") == COPIES - 1)
    assert value("confer_nats_server_up", server=servers[2]) == 0
    assert value("confer_nats_server_memory_bytes", server=servers[2]) is None

    await cluster.nodes[2].start()
    await until(monitoring, lambda: value("confer_jetstream_stream_replicas", stream="S") == COPIES)
    again = value("confer_nats_server_messages_total", server=servers[2], direction="in")
    assert counted is not None
    assert again is not None
    assert again > counted, "a server that began anew counts from 0, this goes on"


async def test_a_stream_that_is_gone_is_shown_no_longer(cluster: NatsCluster) -> None:
    await made(cluster.url)
    monitoring = Monitoring(cluster.monitoring)
    await until(monitoring, lambda: value("confer_jetstream_stream_messages", stream="S") == 2)
    nc = await nats.connect(cluster.url.split(","))
    await nc.jetstream().delete_stream("S")
    await nc.close()
    await until(monitoring, lambda: value("confer_jetstream_stream_messages", stream="S") is None)
    assert value("confer_jetstream_consumer_pending", stream="S", consumer="reader") is None


async def test_strangers_are_counted_and_the_certificates_end_is_told(tmp_path: Path) -> None:
    nats_users.make(tmp_path)
    nats_certificates.make(tmp_path, ["127.0.0.1"])
    server = tmp_path / nats_users.SERVER
    tls = f'tls {{ cert_file: "{server / "server.pem"}", key_file: "{server / "server.key"}" }}\n'
    async with nats_server(tls + with_users(tmp_path, strict=True)) as running:
        monitoring, name = Monitoring(running.monitoring), running.monitoring.removeprefix("http://")
        await until(monitoring, lambda: refused(name, "tls") == refused(name, "authentication") == 0)
        ends = value("confer_nats_server_certificate_end_timestamp_seconds", server=name)
        assert ends is not None
        assert ends > clock.now() + 3000 * 86400
        trusting = KitSettings(nats_url=running.url, nats_connect_s=6, nats_tls_ca=server / nats_certificates.CA)
        with pytest.raises(SystemExit, match="does not know this user"):
            await wait_for_nats(Link(), trusting, "stranger")
        await until(monitoring, lambda: bool(refused(name, "authentication")))
        assert refused(name, "tls") == 0
        with pytest.raises(SystemExit, match="not trusted"):
            await wait_for_nats(Link(), trusting.model_copy(update={"nats_tls_ca": None}), "stranger")
        await until(monitoring, lambda: bool(refused(name, "tls")))


def test_a_stranger_is_counted_once() -> None:
    def told(*closed: tuple[int, str, str]) -> dict[str, object]:
        return {"connections": [{"cid": cid, "start": start, "reason": reason} for cid, start, reason in closed]}

    shown, failed = Shown(), "Authentication Failure"
    before, came, after_restart = (1, "10:00", failed), (2, "10:01", failed), (1, "10:02", failed)
    for closed, count in [
        ((before,), 0),  # it was there before us
        ((before, came, (3, "10:01", "Client Closed")), 1),
        ((came,), 1),
        ((after_restart,), 2),
        ((), 2),
    ]:
        shown._strangers("once:8222", told(*closed))
        assert refused("once:8222", "authentication") == count


def refused(server: str, reason: str) -> float | None:
    return value("confer_nats_server_refused_total", server=server, reason=reason)
