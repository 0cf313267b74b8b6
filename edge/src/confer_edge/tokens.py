"""identity=jwt: JSON Web Tokens (RFC 7519) that prove who a client is. Nothing of a token is ever logged."""

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from joserfc import jwt
from joserfc.errors import InvalidKeyIdError, SecurityWarning
from joserfc.jwk import KeySet, OctKey

from confer_contracts.errors import ErrorCode, Rejection
from confer_edge import metrics
from confer_edge.identity import Claim, Identities, TrustedQuery
from confer_edge.keys import KeyFile, Keys, KeyUrl, Secret
from confer_edge.settings import EdgeSettings
from confer_kit import clock
from confer_kit.logs import logger

log = logger(__name__)

TOKEN_CHARS_MAX: Final = 16 * 1024
SECRET_BYTES_MIN: Final = 32
WITH_SECRET: Final = ("HS256", "HS384", "HS512")
WITH_KEYS: Final = (
    "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519",
)  # fmt: skip


class JsonWebToken:
    """Tokens signed with one of `keys`, by one of the algorithms that the settings name."""

    trusting = False

    def __init__(self, keys: Keys, settings: EdgeSettings) -> None:
        self._keys = keys
        self._algorithms = algorithms(settings)
        self._settings = settings
        options: dict[str, Any] = {"exp": {"essential": True}, settings.jwt_user_claim: {"essential": True}}
        if settings.jwt_issuer:
            options["iss"] = {"essential": True, "value": settings.jwt_issuer}
        if settings.jwt_audience:
            options["aud"] = {"essential": True, "values": _parts(settings.jwt_audience)}
        self._rules = jwt.JWTClaimsRegistry(now=lambda: int(clock.now()), leeway=settings.jwt_leeway_s, **options)

    async def on_connect(self, query: Mapping[str, str], auth: object) -> Claim | None:
        """Rejection(unauthenticated) without a valid `auth.token`. What the query says is not looked at."""
        token = auth.get("token") if isinstance(auth, dict) else None
        if not isinstance(token, str) or not token:
            raise Rejection(ErrorCode.UNAUTHENTICATED, "auth.token: a token is needed", field="auth.token")
        return await self.verify(token)

    async def verify(self, token: str) -> Claim:
        """The claim of a valid token. Rejection(unauthenticated) otherwise, which says why but not the token;
        Rejection(unavailable) while there are no keys."""
        if len(token) > TOKEN_CHARS_MAX:
            raise _invalid("too long")
        keys = await self._keys.known()
        try:
            try:
                return self._claim(token, keys)
            except InvalidKeyIdError:
                if not await self._keys.renewed():
                    raise
                return self._claim(token, await self._keys.known())
        except Rejection as refusal:
            raise _invalid(refusal.message) from None
        except Exception as error:  # whatever a hostile token does to the library: it is refused
            raise _invalid(getattr(error, "error", None) or type(error).__name__) from None

    def _claim(self, token: str, keys: OctKey | KeySet) -> Claim:
        with warnings.catch_warnings():  # EdDSA is what everybody calls Ed25519, new name or not (RFC 9864)
            warnings.simplefilter("ignore", SecurityWarning)
            claims = jwt.decode(token, keys, algorithms=self._algorithms).claims
        self._rules.validate(claims)
        names = self._settings
        return Claim.of(
            claims[names.jwt_user_claim],
            claims.get(names.jwt_name_claim),
            claims.get(names.jwt_role_claim),
            rooms=claims.get(names.jwt_rooms_claim),
            expires_at=claims["exp"] + names.jwt_leeway_s,
            issued_at=claims.get("iat"),
        )


def _invalid(why: str) -> Rejection:
    metrics.refused_token(why)
    return Rejection(ErrorCode.UNAUTHENTICATED, f"auth.token: not valid ({why})", field="auth.token")


def _parts(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def algorithms(settings: EdgeSettings) -> list[str]:
    """Those that the settings name, or the usual ones. SystemExit for one that does not go with the kind of key: with
    HS256 a public key would be the secret."""
    has_jwks = bool(settings.jwks_file or settings.jwks_url)
    possible = WITH_KEYS if has_jwks else WITH_SECRET
    named = _parts(settings.jwt_algorithms or ("RS256,ES256,EdDSA" if has_jwks else "HS256"))
    for name in named:
        if name not in possible:
            kind = "a JWKS" if has_jwks else "CONFER_JWT_SECRET"
            raise SystemExit(
                f"confer-edge: CONFER_JWT_ALGORITHMS names {name!r}; with {kind} these are possible: "
                f"{', '.join(possible)}."
            )
    return named


def provider(settings: EdgeSettings) -> Identities:
    """What the settings ask for; SystemExit with a sentence when that cannot be."""
    if settings.identity == "trusted-query":
        if settings.jwt_secret or settings.jwks_file or settings.jwks_url:
            raise SystemExit(
                "confer-edge: CONFER_IDENTITY=trusted-query believes what clients say, yet there are keys to check "
                "it: set CONFER_IDENTITY=jwt, or unset CONFER_JWT_SECRET, CONFER_JWKS_FILE and CONFER_JWKS_URL."
            )
        log.warning("INSECURE: identity=trusted-query believes whatever a client says about itself. Local demo only.")
        return TrustedQuery()
    return JsonWebToken(_keys(settings), settings)


def _keys(settings: EdgeSettings) -> Keys:
    secret = settings.jwt_secret.get_secret_value() if settings.jwt_secret else ""
    if sum(map(bool, (secret, settings.jwks_file, settings.jwks_url))) > 1:
        raise SystemExit("confer-edge: choose one of CONFER_JWT_SECRET, CONFER_JWKS_FILE and CONFER_JWKS_URL.")
    if settings.jwks_file:
        try:
            return KeyFile(Path(settings.jwks_file))
        except (OSError, ValueError) as error:
            raise SystemExit(f"confer-edge: CONFER_JWKS_FILE={settings.jwks_file} cannot be used: {error}.") from error
    if settings.jwks_url:
        address = urlsplit(settings.jwks_url)
        if address.scheme not in ("https", "http") or not address.hostname:
            raise SystemExit(f"confer-edge: CONFER_JWKS_URL={settings.jwks_url} is not an http(s) address.")
        return KeyUrl(settings.jwks_url)
    if len(secret.encode()) < SECRET_BYTES_MIN:
        raise SystemExit(
            f"confer-edge: identity=jwt needs CONFER_JWT_SECRET with {SECRET_BYTES_MIN} bytes or more, "
            "CONFER_JWKS_FILE or CONFER_JWKS_URL (or CONFER_IDENTITY=trusted-query for a local demo)."
        )
    return Secret(secret)
