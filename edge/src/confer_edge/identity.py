"""Who a client is: proved by a token (jwt), or believed in the local demo (trusted-query), and the rooms that it may be
in. Decided at CONNECT; the same person's newer token may renew it."""

import secrets
from collections.abc import Awaitable, Mapping
from fnmatch import fnmatchcase
from typing import Annotated, Protocol

from pydantic import Field, ValidationError
from pydantic.dataclasses import dataclass

from confer_contracts.errors import ErrorCode, Rejection
from confer_contracts.message import Id, ShortText
from confer_contracts.portal import portal_name
from confer_kit.serving import explain

DEFAULT_ROLE = "user"
PATTERNS_MAX = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """Who a client is, or says it is. `rooms`: patterns of the portal's room names; None: all rooms.

    `expires_at` (Unix seconds): from then on it is not believed any more; None: it does not end. `issued_at` (Unix
    seconds): it counts against a revocation that is older; None: it does not tell.
    """

    user_id: Id
    name: ShortText
    role: Id = DEFAULT_ROLE
    rooms: Annotated[tuple[ShortText, ...], Field(max_length=PATTERNS_MAX)] | None = None
    expires_at: Annotated[float, Field(allow_inf_nan=False)] | None = None
    issued_at: Annotated[float, Field(allow_inf_nan=False)] | None = None

    @classmethod
    def of(
        cls, user_id: object, name: object, role: object, *,
        rooms: object = None, expires_at: object = None, issued_at: object = None,
    ) -> "Claim":  # fmt: skip
        """Rejection(invalid) naming the field; an absent name is the id, an absent role `user`."""
        told = {"user_id": user_id, "name": name or user_id, "role": role or DEFAULT_ROLE}
        more = {"rooms": rooms, "expires_at": expires_at, "issued_at": issued_at}
        try:
            return cls(**told, **more)  # type: ignore[arg-type]  # it is checked
        except ValidationError as error:
            raise explain(error) from error

    def allows(self, audience: str) -> bool:
        """Whether it may be in an audience and write to it. The patterns are about rooms alone."""
        if self.rooms is None or (name := portal_name(audience)) is None:
            return True
        return any(fnmatchcase(name, pattern) for pattern in self.rooms)

    def must_allow(self, audience: str) -> None:
        """Rejection(forbidden) where it does not."""
        if not self.allows(audience):
            raise Rejection(ErrorCode.FORBIDDEN, "room: your token does not allow this room", field="room")


def guest() -> Claim:
    """Somebody who named nobody: only in trusted-query mode."""
    identifier = f"guest_{secrets.token_hex(4)}"
    return Claim(user_id=identifier, name=identifier, role="guest")


class Identities(Protocol):
    """Says who clients are."""

    trusting: bool

    def on_connect(self, query: Mapping[str, str], auth: object) -> "Claim | Awaitable[Claim | None] | None":
        """None: nobody was named yet, and none need be. Rejection without the identity that the mode asks for. Where
        it is `trusting` nothing has to be awaited."""

    async def verify(self, token: str) -> Claim:
        """The claim of a valid token. Rejection otherwise."""


class TrustedQuery:
    """Believes the client. Only for the local demo, or behind a proxy that has authenticated."""

    trusting = True

    def on_connect(self, query: Mapping[str, str], auth: object) -> Claim | None:
        """The claim in the query, else in auth; None: not yet named."""
        if query.get("user_id"):
            return Claim.of(query["user_id"], query.get("user_name"), query.get("user_role"))
        if isinstance(auth, dict) and auth.get("user_id"):
            return Claim.of(auth["user_id"], auth.get("user_name") or auth.get("name"), auth.get("role"))
        return None

    async def verify(self, token: str) -> Claim:
        raise Rejection(ErrorCode.INVALID, "token: this edge runs with identity=trusted-query and checks no tokens")
