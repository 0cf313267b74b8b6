"""TLS to NATS: the right authority, a wrong one, and a server that does not speak it. Certificates are made here."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from confer_kit.certificates import Authority
from confer_kit.nats_link import Link, wait_for_nats
from confer_kit.settings import KitSettings
from confer_kit.testing import NatsServer, nats_server

HERE = ["127.0.0.1"]


class Issued:
    """An authority, and the files of what it issues for this machine; `ca` is the file that trusts them."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir()
        self._directory = directory
        self._authority = Authority(directory.name)
        self.ca = self._written("ca.pem", self._authority.pem)

    def issue(self, name: str) -> tuple[Path, Path]:
        certificate, key = self._authority.issue(HERE)
        return self._written(f"{name}.pem", certificate), self._written(f"{name}.key", key)

    def _written(self, name: str, content: bytes) -> Path:
        path = self._directory / name
        path.write_bytes(content)
        return path


@pytest.fixture
def authority(tmp_path: Path) -> Issued:
    return Issued(tmp_path / "right")


def tls(authority: Issued, more: str = "") -> str:
    cert, key = authority.issue("server")
    return f'{{ cert_file: "{cert}", key_file: "{key}", ca_file: "{authority.ca}" {more} }}'


@pytest.fixture
async def server(authority: Issued) -> AsyncIterator[NatsServer]:
    async with nats_server(f"tls {tls(authority)}\n") as running:
        yield running


async def connects(url: str, **settings: Any) -> None:
    link = Link()
    await wait_for_nats(link, KitSettings(nats_url=url, nats_connect_s=5, **settings), "sync-svc")
    assert link.nc._transport is not None
    assert link.nc._transport._io_writer.get_extra_info("ssl_object")  # type: ignore[attr-defined]
    inbox = link.nc.new_inbox()
    answers = await link.nc.subscribe(inbox)
    await link.nc.publish(inbox, b"x" * 500_000)
    assert len((await answers.next_msg(timeout=30)).data) == 500_000
    await link.close(5)


async def test_a_trusted_server_is_talked_to(server: NatsServer, authority: Issued) -> None:
    await connects(server.url, nats_tls_ca=authority.ca)
    await connects(server.url.replace("nats://", "tls://"), nats_tls_ca=authority.ca)


async def test_another_authority_is_refused_with_a_sentence(server: NatsServer, tmp_path: Path) -> None:
    wrong = Issued(tmp_path / "wrong")
    with pytest.raises(SystemExit, match=r"has a certificate that is not trusted .*: see CONFER_NATS_TLS_CA\."):
        await connects(server.url, nats_tls_ca=wrong.ca)


async def test_without_tls_nothing_is_said_to_the_server(authority: Issued) -> None:
    async with nats_server() as plain:
        with pytest.raises(SystemExit, match=r"does not speak TLS, which CONFER_NATS_TLS_CA or tls:// asks for\."):
            await connects(plain.url, nats_tls_ca=authority.ca)


async def test_a_server_may_ask_for_a_certificate(authority: Issued) -> None:
    cert, key = authority.issue("client")
    async with nats_server(f"tls {tls(authority, ', verify: true')}\n") as strict:
        await connects(strict.url, nats_tls_ca=authority.ca, nats_tls_cert=cert, nats_tls_key=key)
        with pytest.raises(SystemExit, match=r"no NATS server at|certificate"):
            await connects(strict.url, nats_tls_ca=authority.ca)


async def test_a_file_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    nothing = tmp_path / "nothing.pem"
    with pytest.raises(SystemExit, match=f"CONFER_NATS_TLS_CA: {nothing} cannot be used"):
        await connects("nats://127.0.0.1:1", nats_tls_ca=nothing)
