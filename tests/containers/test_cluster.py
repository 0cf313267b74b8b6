"""The profile `cluster`, from nothing, with the stock JavaScript clients among the crowd: one container after the other
is restarted, a service is upgraded beside its old version, a NATS node dies. Nobody notices more than a reconnect."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from confer_kit.testing.chaos.crowd import Crowd
from confer_kit.testing.containers import Compose, composed, crowd_in
from confer_kit.testing.javascript import node

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.docker, pytest.mark.timeout(1800), pytest.mark.node]

ROOT = Path(__file__).parents[2]
JS = ROOT / "tests" / "e2e" / "js"
VERSION = "org.opencontainers.image.version"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def cluster() -> AsyncIterator[Compose]:
    ours = [ROOT / "deploy" / "compose" / name for name in ("front.yml", "cluster.yml")]
    published = Path(__file__).parent / "published.yml"
    async with composed(ROOT, "cluster", ROOT / "docker-compose.yml", *ours, published) as running:
        yield running


@pytest_asyncio.fixture(loop_scope="module")
async def people(cluster: Compose) -> AsyncIterator[Crowd]:
    async with (
        node(JS) as driver,
        crowd_in(cluster, people=4, node=driver) as made,
    ):
        yield made


async def test_there_are_two_of_each_and_three_that_keep_everything(cluster: Compose) -> None:
    for service in ("presence-svc", "sync-svc", "queue-svc", "notify-svc"):
        assert len(await cluster.containers(service)) == 2, service
    await cluster.container("edge")
    await cluster.container("edge-b")
    said = await cluster.command("run", "--rm", "--no-deps", "confer", "status")
    assert "all of it runs" in said


async def test_nothing_is_lost_when_one_after_the_other_is_restarted(cluster: Compose, people: Crowd) -> None:
    for service in ("presence-svc", "sync-svc", "queue-svc", "notify-svc", "edge", "edge-b", "nats-3"):
        for container in await cluster.containers(service):
            await cluster.restart(container)
        await people.settle()


async def test_an_edge_is_added_and_another_one_taken_away(cluster: Compose, people: Crowd) -> None:
    words = "--no-recreate", "--no-deps", "edge"
    await cluster.up("--scale", "edge=2", *words)
    first, added = await cluster.containers("edge")
    await cluster.remove(first)
    await people.settle()
    sessions = (await cluster.metrics(added)).value("confer_edge_sessions")
    assert sessions > 0, "HAProxy has found it, and each of those who poll stays with it"


async def test_a_service_is_upgraded_while_its_old_version_works_beside_it(cluster: Compose, people: Crowd) -> None:
    old, new = cluster.version, f"{cluster.version}-next"
    await cluster.command("build", "sync-svc", CONFER_VERSION=new)
    words = "--no-recreate", "--no-deps", "--scale", "sync-svc=4", "sync-svc"
    await cluster.up(*words, CONFER_VERSION=new)
    replicas = await cluster.containers("sync-svc")
    assert [replica.labels[VERSION] for replica in replicas] == [old, old, new, new]
    await people.settle()
    for replica in replicas[:2]:
        await cluster.remove(replica)
        await people.settle()
    assert [replica.labels[VERSION] for replica in await cluster.containers("sync-svc")] == [new, new]


async def test_a_node_of_nats_dies_and_comes_back(cluster: Compose, people: Crowd) -> None:
    for service in ("nats-2", "nats-3"):
        container = await cluster.container(service)
        await cluster.kill(container)
        await people.settle()
