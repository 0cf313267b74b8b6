"""TLS to NATS: the right authority, a wrong one, and a server that does not speak it. Certificates are made here."""

import datetime
import ipaddress
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from confer_kit.nats_link import Link, wait_for_nats
from confer_kit.settings import KitSettings
from confer_kit.testing import NatsServer, nats_server

DAY = datetime.timedelta(days=1)


class Authority:
    """Signs certificates for 127.0.0.1; `ca` is the file that trusts them."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir()
        self._directory = directory
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, directory.name)])
        self.ca = self._written("ca.pem", self._signed(self._name, self._key, ca=True))

    def issue(self, name: str) -> tuple[Path, Path]:
        """The files of a certificate and its key."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        plain = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        certificate = self._signed(subject, key, ca=False)
        return self._written(f"{name}.pem", certificate), self._written(f"{name}.key", plain)

    def _signed(self, subject: x509.Name, key: ec.EllipticCurvePrivateKey, *, ca: bool) -> bytes:
        now = datetime.datetime.now(datetime.UTC)
        here = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
        usage = x509.KeyUsage(
            digital_signature=True, key_cert_sign=ca, crl_sign=ca, content_commitment=False, key_encipherment=False,
            data_encipherment=False, key_agreement=False, encipher_only=False, decipher_only=False,
        )  # fmt: skip
        builder = x509.CertificateBuilder(
            self._name, subject, key.public_key(), x509.random_serial_number(), now - DAY, now + DAY
        )
        for extension, critical in ((here, False), (x509.BasicConstraints(ca, None), True), (usage, True)):
            builder = builder.add_extension(extension, critical)
        issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        builder = builder.add_extension(issuer, critical=False)
        subject_key = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
        builder = builder.add_extension(subject_key, critical=False)
        return builder.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)

    def _written(self, name: str, content: bytes) -> Path:
        path = self._directory / name
        path.write_bytes(content)
        return path


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path / "right")


def tls(authority: Authority, more: str = "") -> str:
    cert, key = authority.issue("server")
    return f'{{ cert_file: "{cert}", key_file: "{key}", ca_file: "{authority.ca}" {more} }}'


@pytest.fixture
async def server(authority: Authority) -> AsyncIterator[NatsServer]:
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


async def test_a_trusted_server_is_talked_to(server: NatsServer, authority: Authority) -> None:
    await connects(server.url, nats_tls_ca=authority.ca)
    await connects(server.url.replace("nats://", "tls://"), nats_tls_ca=authority.ca)


async def test_another_authority_is_refused_with_a_sentence(server: NatsServer, tmp_path: Path) -> None:
    wrong = Authority(tmp_path / "wrong")
    with pytest.raises(SystemExit, match=r"has a certificate that is not trusted .*: see CONFER_NATS_TLS_CA\."):
        await connects(server.url, nats_tls_ca=wrong.ca)


async def test_without_tls_nothing_is_said_to_the_server(authority: Authority) -> None:
    async with nats_server() as plain:
        with pytest.raises(SystemExit, match=r"does not speak TLS, which CONFER_NATS_TLS_CA or tls:// asks for\."):
            await connects(plain.url, nats_tls_ca=authority.ca)


async def test_a_server_may_ask_for_a_certificate(authority: Authority) -> None:
    cert, key = authority.issue("client")
    async with nats_server(f"tls {tls(authority, ', verify: true')}\n") as strict:
        await connects(strict.url, nats_tls_ca=authority.ca, nats_tls_cert=cert, nats_tls_key=key)
        with pytest.raises(SystemExit, match=r"no NATS server at|certificate"):
            await connects(strict.url, nats_tls_ca=authority.ca)


async def test_a_file_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    nothing = tmp_path / "nothing.pem"
    with pytest.raises(SystemExit, match=f"CONFER_NATS_TLS_CA: {nothing} cannot be used"):
        await connects("nats://127.0.0.1:1", nats_tls_ca=nothing)
