"""Who a client is: proved by a token (jwt), or believed in the local demo (trusted-query). Decided once per session."""

import secrets
from collections.abc import Mapping
from typing import Any

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import OctKey
from pydantic import BaseModel, ValidationError

from confer_contracts.errors import ErrorCode, Rejection
from confer_contracts.message import Id, ShortText
from confer_edge.settings import EdgeSettings
from confer_kit.logs import logger
from confer_kit.serving import explain

log = logger(__name__)

ALGORITHMS = ["HS256"]
TOKEN_CHARS_MAX = 16 * 1024
DEFAULT_ROLE = "user"


class Claim(BaseModel):
    """Who a client is, or says it is."""

    user_id: Id
    name: ShortText
    role: Id = DEFAULT_ROLE

    @classmethod
    def of(cls, user_id: object, name: object, role: object) -> "Claim":
        """Rejection(invalid) naming the field; an absent name is the id, an absent role `user`."""
        try:
            return cls.model_validate({"user_id": user_id, "name": name or user_id, "role": role or DEFAULT_ROLE})
        except ValidationError as error:
            raise explain(error) from error


def guest() -> Claim:
    """Somebody who named nobody: only in trusted-query mode."""
    identifier = f"guest_{secrets.token_hex(4)}"
    return Claim(user_id=identifier, name=identifier, role="guest")


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

    def verify(self, token: str) -> Claim:
        raise Rejection(ErrorCode.INVALID, "token: this edge runs with identity=trusted-query and checks no tokens")


class JsonWebToken:
    """HS256 tokens with `sub`, `exp`, and optionally `name` and `role` (RFC 7519)."""

    trusting = False

    def __init__(self, secret: str) -> None:
        self._key = OctKey.import_key(secret)
        self._rules = jwt.JWTClaimsRegistry(exp={"essential": True}, sub={"essential": True})

    def on_connect(self, query: Mapping[str, str], auth: object) -> Claim | None:
        """Rejection(unauthenticated) without a valid `auth.token`. What the query says is not looked at."""
        token = auth.get("token") if isinstance(auth, dict) else None
        if not isinstance(token, str) or not token:
            raise Rejection(ErrorCode.UNAUTHENTICATED, "auth.token: a token is needed", field="auth.token")
        return self.verify(token)

    def verify(self, token: str) -> Claim:
        """The claim of a valid token; Rejection(unauthenticated) otherwise, which says why but not the token."""
        try:
            if len(token) > TOKEN_CHARS_MAX:
                raise ValueError("too long")
            claims: dict[str, Any] = jwt.decode(token, self._key, algorithms=ALGORITHMS).claims
            self._rules.validate(claims)
            return Claim.of(claims["sub"], claims.get("name"), claims.get("role"))
        except (JoseError, ValueError, Rejection) as error:
            why = getattr(error, "error", None) or type(error).__name__
            refusal = Rejection(ErrorCode.UNAUTHENTICATED, f"auth.token: not valid ({why})", field="auth.token")
            raise refusal from None


def provider(settings: EdgeSettings) -> TrustedQuery | JsonWebToken:
    """What the settings ask for; SystemExit with a sentence when that cannot be."""
    if settings.identity == "trusted-query":
        log.warning("INSECURE: identity=trusted-query believes whatever a client says about itself. Local demo only.")
        return TrustedQuery()
    secret = settings.jwt_secret.get_secret_value() if settings.jwt_secret else ""
    if len(secret.encode()) < 32:
        raise SystemExit(
            "confer-edge: identity=jwt needs CONFER_JWT_SECRET with 32 bytes or more "
            "(or CONFER_IDENTITY=trusted-query for a local demo)."
        )
    return JsonWebToken(secret)
