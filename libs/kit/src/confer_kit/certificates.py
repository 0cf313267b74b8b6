"""Certificates for an installation's own servers, from an authority whose key is in memory alone: what it has not
signed when it is gone, nobody signs."""

import datetime
import ipaddress
from collections.abc import Sequence
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from confer_kit import clock

_DAY: Final = datetime.timedelta(days=1)  # clocks differ
_LIFE: Final = 3650 * _DAY


class Authority:
    """`pem` is what trusts the certificates that it issues."""

    def __init__(self, name: str) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _named(name)
        self.pem = self._signed(self._name, self._key.public_key(), x509.BasicConstraints(ca=True, path_length=0))

    def issue(self, hosts: Sequence[str]) -> tuple[bytes, bytes]:
        """A certificate for the names and addresses, by which a server shows itself to clients and to other servers,
        and its key; both PEM."""
        key = ec.generate_private_key(ec.SECP256R1())
        names = x509.SubjectAlternativeName([_host(host) for host in hosts])
        limits = x509.BasicConstraints(ca=False, path_length=None)
        plain = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        return self._signed(_named(hosts[0]), key.public_key(), limits, names), plain

    def _signed(
        self, subject: x509.Name, key: ec.EllipticCurvePublicKey, limits: x509.BasicConstraints,
        *more: x509.SubjectAlternativeName,
    ) -> bytes:  # fmt: skip
        now = datetime.datetime.fromtimestamp(clock.now(), datetime.UTC)
        usage = x509.KeyUsage(
            digital_signature=not limits.ca, key_cert_sign=limits.ca, crl_sign=limits.ca, content_commitment=False,
            key_encipherment=False, data_encipherment=False, key_agreement=False, encipher_only=False,
            decipher_only=False,
        )  # fmt: skip
        builder = x509.CertificateBuilder(
            self._name, subject, key, x509.random_serial_number(), now - _DAY, now + _LIFE
        )
        builder = builder.add_extension(limits, critical=True).add_extension(usage, critical=True)
        ours = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        for extension in (ours, x509.SubjectKeyIdentifier.from_public_key(key), *more):
            builder = builder.add_extension(extension, critical=False)
        return builder.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def hosts_of(pem: bytes) -> set[str]:
    """The names and addresses that a certificate is for. ValueError for what is none."""
    names = x509.load_pem_x509_certificate(pem).extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    addresses = names.get_values_for_type(x509.IPAddress)
    return {*names.get_values_for_type(x509.DNSName), *map(str, addresses)}


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _host(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)
