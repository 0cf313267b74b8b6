"""Signed tokens, as an installation's login would make them."""

from typing import Any

from joserfc import jwt
from joserfc.jwk import OctKey

from confer_kit import clock

SECRET = "a secret of the tests, thirty-two bytes or more"  # noqa: S105 - known to everybody


def token(
    user: str = "anna", role: str = "nurse", *, issued_s: float = 0, expires_s: float = 600, **claims: Any
) -> str:
    """HS256 with SECRET. `issued_s`, `expires_s`: from now; a claim that is None is left out."""
    now = int(clock.now())
    body = {"sub": user, "name": user.title(), "role": role, "iat": now + issued_s, "exp": now + expires_s, **claims}
    present = {name: value for name, value in body.items() if value is not None}
    return jwt.encode({"alg": "HS256"}, present, OctKey.import_key(SECRET), algorithms=["HS256"])
