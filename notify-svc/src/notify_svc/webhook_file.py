"""The webhooks of an installation, as its operator writes them down. Nobody else can name an address."""

import base64
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Final
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, model_validator

from confer_contracts.notify import NotificationType, NotifyPriority
from confer_contracts.written import Written, parse_toml
from confer_kit.settings import variable
from notify_svc.domain.audience import DIRECT_MESSAGE

WEBHOOKS_MAX: Final = 50
SECRET_PREFIX: Final = "whsec_"  # noqa: S105 - the specification's
SECRET_BYTES = range(24, 65)  # as the specification wants it


def _address(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("must be an http or https address")
    if parts.username or parts.password or parts.fragment:
        raise ValueError("must have neither a user, nor a password, nor a fragment")
    return url


def key_of(secret: str) -> bytes:
    """The key in a secret of Standard Webhooks, `whsec_` and base64. ValueError; it never tells the secret."""
    rule = f"the secret must be {SECRET_PREFIX} and {SECRET_BYTES[0]} to {SECRET_BYTES[-1]} bytes of base64"
    try:
        key = base64.b64decode(secret.strip().removeprefix(SECRET_PREFIX), validate=True)
    except ValueError:
        raise ValueError(rule) from None
    if not secret.startswith(SECRET_PREFIX) or len(key) not in SECRET_BYTES:
        raise ValueError(rule)
    return key


class Webhook(Written):
    """A note goes there when each list has a pattern, or a value, that fits it; a list left out fits all.

    types       without them all but direct messages, which are between two people
    audiences   patterns (* ? [abc]) of `<kind>.<id>` as people know it, as in a policy: `role.doctor`, `user.*`
    timeout_s   of an attempt: to connect, and then to hear each part of the answer
    """

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,39}$")]
    about: str = ""
    url: Annotated[str, Field(max_length=2000), AfterValidator(_address)]
    secret_file: Path | None = None
    secret_env: str | None = None
    audiences: Annotated[tuple[str, ...], Field(min_length=1, max_length=200)] = ("*",)
    types: Annotated[tuple[NotificationType, ...], Field(min_length=1)] | None = None
    priorities: Annotated[tuple[NotifyPriority, ...], Field(min_length=1)] | None = None
    timeout_s: Annotated[float, Field(gt=0, le=30)] = 10

    @model_validator(mode="after")
    def _one_secret(self) -> "Webhook":
        if (self.secret_file is None) == (self.secret_env is None):
            raise ValueError("exactly one of secret_file, secret_env must be given")
        self.key()
        return self

    def key(self) -> bytes:
        """ValueError where the secret is missing, or none."""
        if self.secret_file is not None:
            try:
                return key_of(self.secret_file.read_text())
            except OSError as error:
                raise ValueError(f"secret_file: {error.strerror}: {self.secret_file}") from None
        secret = variable(self.secret_env or "")
        if secret is None:
            raise ValueError(f"secret_env: {self.secret_env} is not set")
        return key_of(secret)

    def takes(self, audience: str, note_type: str, priority: str) -> bool:
        """`audience` as people know it."""
        return (
            (note_type != DIRECT_MESSAGE if self.types is None else note_type in self.types)
            and (self.priorities is None or priority in self.priorities)
            and any(fnmatchcase(audience, pattern) for pattern in self.audiences)
        )


class Webhooks(Written):
    webhooks: Annotated[tuple[Webhook, ...], Field(max_length=WEBHOOKS_MAX)] = ()

    @model_validator(mode="after")
    def _names_differ(self) -> "Webhooks":
        names = [webhook.name for webhook in self.webhooks]
        if len(set(names)) < len(names):
            raise ValueError("two webhooks have the same name")
        return self


def webhooks_of(raw: bytes) -> tuple[Webhook, ...]:
    """The webhooks in a TOML file, whose secrets are there. ValueError that names webhook, field and what is wrong."""
    return parse_toml(Webhooks, raw).webhooks
