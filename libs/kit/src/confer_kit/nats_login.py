"""Who a process is to NATS, and whom it trusts: a key, a user with a password, certificates (docs/nats.md)."""

import re
import ssl
from typing import Any, NamedTuple

import nats.errors
from nats.aio.client import Client

from confer_contracts.subjects import inbox
from confer_kit.nkeys import UserKey
from confer_kit.settings import KitSettings

_VIOLATION = re.compile(r'permissions violation for (publish|subscription) to "([^"]*)"')
_NO_TLS = "the server does not speak TLS"
_API = "$js"  # the library tells errors in small letters


class BadCredentials(ValueError):  # noqa: N818 - a setting is wrong
    """A file that a setting names cannot be used; says which setting."""


class LoginClient(Client):
    """nats-py's client, which logs in as the settings say. Its own way with keys takes a library more."""

    def __init__(self) -> None:
        super().__init__()
        self._must_be_tls = False

    async def log_in(self, settings: KitSettings, name: str, **options: Any) -> None:
        """Connect as the user `name`, who may listen in that inbox alone. BadCredentials; else as `connect` does."""
        servers = [url.strip() for url in settings.nats_url.split(",")]
        self._must_be_tls = settings.nats_tls_ca is not None or any(url.startswith("tls:") for url in servers)
        if self._must_be_tls:
            options["tls"] = _context(settings)
        if (key := _key(settings)) is not None:
            self._public_nkey = key.public
            options["signature_cb"] = key.sign
        password = settings.nats_password.get_secret_value() if settings.nats_password else None
        await self.connect(
            servers=servers, name=name, user=settings.nats_user, password=password, inbox_prefix=inbox(name), **options
        )

    def _connect_command(self) -> bytes:
        """The library speaks TLS only if the server offers it, and logs in only if the server insists."""
        if self._must_be_tls and not self._server_info.get("tls_required"):
            raise nats.errors.Error(_NO_TLS)
        if self._public_nkey is not None:
            self._auth_configured = True
        return super()._connect_command()


class Violation(NamedTuple):
    """What the server did not permit. `subject` without the tokens that may be ids."""

    operation: str  # publish, subscription
    subject: str

    @classmethod
    def of(cls, error: Exception) -> "Violation | None":
        """None for any other error."""
        found = _VIOLATION.search(str(error))
        if found is None:
            return None
        tokens = found[2].split(".")
        known = 5 if tokens[0] == _API else 2
        return cls(found[1], ".".join(tokens[:known] + ["…"] * (len(tokens) > known)))


def refusal(where: str, error: str) -> str | None:
    """The sentence for a server that is there, and that a process cannot talk to; None for any other error."""
    if "authorization violation" in error.lower():
        return f"the NATS server at {where} does not know this user: see CONFER_NATS_NKEY_SEED_FILE, docs/nats.md."
    if "certificate" in error.lower():
        return f"the NATS server at {where} has a certificate that is not trusted ({error}): see CONFER_NATS_TLS_CA."
    if _NO_TLS in error:
        return f"the NATS server at {where} does not speak TLS, which CONFER_NATS_TLS_CA or tls:// asks for."
    return None


def _key(settings: KitSettings) -> UserKey | None:
    path = settings.nats_nkey_seed_file
    if path is None:
        return None
    try:
        return UserKey.read(path)
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise BadCredentials(f"CONFER_NATS_NKEY_SEED_FILE: {path} cannot be used: {why}") from None


def _context(settings: KitSettings) -> ssl.SSLContext:
    ca, cert, key = settings.nats_tls_ca, settings.nats_tls_cert, settings.nats_tls_key
    try:
        context = ssl.create_default_context(cafile=ca)
    except OSError as error:  # ssl.SSLError is one
        raise BadCredentials(f"CONFER_NATS_TLS_CA: {ca} cannot be used: {error}") from None
    try:
        if cert is not None:
            context.load_cert_chain(cert, key)
    except OSError as error:
        text = f"CONFER_NATS_TLS_CERT, CONFER_NATS_TLS_KEY: {cert}, {key} cannot be used: {error}"
        raise BadCredentials(text) from None
    return context
