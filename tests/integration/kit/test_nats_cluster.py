"""Three servers with the configuration that is deployed: clients and routes speak TLS, or nobody listens to them."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from confer_contracts.permissions import EDGES, OPERATOR, PROVISION
from confer_kit import nats_certificates, nats_users
from confer_kit.nats_link import Link, wait_for_nats
from confer_kit.settings import KitSettings
from confer_kit.testing import NatsServer
from confer_kit.testing.ports import free_port
from confer_kit.testing.system import get
from confer_ops.provision import provision_patiently

DEPLOY = Path(__file__).parents[3] / "deploy"
NAMES = ("nats", "nats-2", "nats-3")
JOINED_WITHIN_S = 120
TLS_OF_ROUTES = re.compile(r"\n  tls {.*?\n  }", re.DOTALL)


class Deployed(NatsServer):
    """One of them, but for places and ports those of this machine. `routes`: the ports of all."""

    def __init__(self, name: str, directory: Path, keys: Path, route: int, routes: list[int]) -> None:
        directory.mkdir()
        port, self.log = free_port(), directory / "server.log"
        super().__init__(directory, port)
        monitoring = self.monitoring.removeprefix("http://")
        (directory / "accounts.conf").write_text((DEPLOY / "nats/accounts.conf").read_text())
        (directory / "keys").symlink_to(keys / "server")
        places = {
            "0.0.0.0:4222": f"127.0.0.1:{port}", "0.0.0.0:8222": monitoring, "0.0.0.0:6222": f"127.0.0.1:{route}",
            "/etc/nats": str(directory), "/data": str(directory / "data"), "$NATS_NAME": name,
        }  # fmt: skip
        for node, other in zip(NAMES, routes, strict=True):
            places[f'"nats://{node}:6222"'] = f'"nats://127.0.0.1:{other}"'
        for file in ("nats.conf", "nats-cluster.conf"):
            text = (DEPLOY / file).read_text()
            for there, here in places.items():
                text = text.replace(there, here)
            (directory / file).write_text(text)
        self._config = directory / "nats-cluster.conf"
        self.change("", f'log_file: "{self.log}"\n')

    def change(self, pattern: str | re.Pattern[str], into: str) -> None:
        self._config.write_text(re.sub(pattern, into, self._config.read_text(), count=1))

    async def others(self) -> set[str]:
        """The servers that it has a route to, by name."""
        _, told = await asyncio.to_thread(get, f"{self.monitoring}/routez")
        return {route["remote_name"] for route in json.loads(told)["routes"] or ()}


class Cluster:
    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self.keys = directory / "keys"
        nats_users.make(self.keys)
        nats_certificates.make(self.keys, ["127.0.0.1"])
        self._routes = [free_port() for _ in NAMES]
        self.nodes = [
            Deployed(name, directory / name, self.keys, route, self._routes)
            for name, route in zip(NAMES, self._routes, strict=True)
        ]

    def stranger(self, keys: Path) -> Deployed:
        """A fourth server, which wants to be one of them."""
        return Deployed("stranger", self._directory / "stranger", keys, free_port(), self._routes)

    async def start(self) -> None:
        for node in self.nodes:
            await node.start()
        async with asyncio.timeout(JOINED_WITHIN_S):
            for node in self.nodes:
                while len(await node.others()) < len(NAMES) - 1:
                    await asyncio.sleep(0.05)

    def settings(self, user: str, node: int = 0, **more: Any) -> KitSettings:
        seed, ca = nats_users.seed_file(self.keys, user), self.keys / user / nats_certificates.CA
        own: dict[str, Any] = {"nats_nkey_seed_file": seed, "nats_tls_ca": ca, "nats_connect_s": JOINED_WITHIN_S}
        return KitSettings(nats_url=self.nodes[node].url, **{**own, **more})


@pytest.fixture
async def cluster(tmp_path: Path) -> AsyncIterator[Cluster]:
    made = Cluster(tmp_path)
    try:
        await made.start()
        yield made
    finally:
        for node in made.nodes:
            await node.kill()


async def test_everybody_is_served_by_every_server(cluster: Cluster) -> None:
    async with AsyncExitStack() as stack:
        links = {}
        for node, user in enumerate((PROVISION, "sync-svc", OPERATOR, EDGES)):
            links[user] = link = Link()
            await wait_for_nats(link, cluster.settings(user, node % len(NAMES)), user)
            stack.push_async_callback(link.close, 5)
        async with asyncio.timeout(JOINED_WITHIN_S):
            await provision_patiently(links[PROVISION].nc, replicas=len(NAMES))
        stored = await links["sync-svc"].nc.request("log.sync.room.r1.record", b"{}", timeout=JOINED_WITHIN_S)
        assert json.loads(stored.data)["seq"] == 1
        calls = await links["sync-svc"].nc.subscribe("call.sync.*", queue="sync")
        await links["sync-svc"].settled()
        for asking in (OPERATOR, EDGES):
            answer = await links[asking].nc.ask("call.sync.field_update", b"{}", JOINED_WITHIN_S)
            call = await calls.next_msg(timeout=JOINED_WITHIN_S)
            await links["sync-svc"].nc.publish(call.reply, b"yes")
            assert (await answer).data == b"yes", asking


async def test_a_client_without_tls_is_not_listened_to(cluster: Cluster) -> None:
    with pytest.raises(SystemExit, match="has a certificate that is not trusted"):
        await wait_for_nats(Link(), cluster.settings("sync-svc", nats_tls_ca=None, nats_connect_s=6), "sync-svc")
    reader, writer = await asyncio.open_connection("127.0.0.1", cluster.nodes[0].port)
    assert b'"tls_required":true' in await reader.readline()
    writer.write(b"CONNECT {}\r\nPING\r\n")
    try:
        said = await asyncio.wait_for(reader.read(), JOINED_WITHIN_S)
    except ConnectionResetError:
        said = b""
    writer.close()
    assert b"PONG" not in said


@pytest.mark.parametrize("its", ["another authority's", "no"])
async def test_a_server_with_another_certificate_or_none_is_none_of_them(
    cluster: Cluster, tmp_path: Path, its: str
) -> None:
    nats_users.make(tmp_path / "other")
    nats_certificates.make(tmp_path / "other", ["127.0.0.1"])
    trusted, trusting = (keys / nats_users.SERVER / nats_certificates.CA for keys in (cluster.keys, tmp_path / "other"))
    trusting.write_bytes(trusted.read_bytes())  # it would have us
    stranger = cluster.stranger(tmp_path / "other")
    if its == "no":
        stranger.change(TLS_OF_ROUTES, "")
    try:
        await stranger.start()
        refused = "TLS route handshake error" if its != "no" else "TLS required"
        async with asyncio.timeout(JOINED_WITHIN_S):
            while refused not in stranger.log.read_text() + cluster.nodes[0].log.read_text():
                await asyncio.sleep(0.05)
        assert await stranger.others() == set()
        assert await cluster.nodes[0].others() == set(NAMES[1:])
    finally:
        await stranger.kill()
