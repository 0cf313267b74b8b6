"""`confer token`: a token to try an installation with, signed as its login would (RFC 7519, HS256)."""

import base64
import hashlib
import hmac
import json
from pathlib import Path
from typing import Annotated, Any

import typer

from confer_contracts.errors import Rejection
from confer_contracts.ids import check_id
from confer_kit import clock
from confer_kit.settings import variable
from confer_ops.trouble import Trouble
from confer_ops.up import SECRET_BYTES_MIN

SECRET = "CONFER_JWT_SECRET"  # noqa: S105 - its name
DAY_S = 86_400


def token(
    *,
    user: Annotated[str, typer.Option(help="the user's id")],
    name: Annotated[str | None, typer.Option(help="the name to show; the id if not given")] = None,
    role: Annotated[str | None, typer.Option(help="the role")] = None,
    rooms: Annotated[
        list[str] | None, typer.Option(help="pattern of rooms it may be in, such as screening_*; again for more")
    ] = None,
    ttl: Annotated[int, typer.Option(help="seconds until it ends", min=1, max=DAY_S)] = 3600,
    issuer: Annotated[str | None, typer.Option(help="its `iss`", envvar="CONFER_JWT_ISSUER")] = None,
    audience: Annotated[str | None, typer.Option(help="its `aud`", envvar="CONFER_JWT_AUDIENCE")] = None,
    secret_file: Annotated[
        Path | None, typer.Option(help="a file with the secret, in place of CONFER_JWT_SECRET in the environment")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="answer in JSON")] = False,
) -> None:
    """Make a token for tests, with the edges' secret. Whoever has it is that user until it ends, or is revoked."""
    now = int(clock.now())
    claims = {
        "sub": _id(user, "--user"), "name": name, "role": role and _id(role, "--role"), "rooms": rooms,
        "iss": issuer, "aud": audience and audience.split(",")[0].strip(), "iat": now, "exp": now + ttl,
    }  # fmt: skip
    made = signed({claim: value for claim, value in claims.items() if value is not None}, _secret(secret_file))
    print(json.dumps({"token": made, "user": user, "expires_at": clock.iso(now + ttl)}) if as_json else made)


def signed(claims: dict[str, Any], secret: bytes) -> str:
    head = f"{_part(json.dumps({'alg': 'HS256', 'typ': 'JWT'}))}.{_part(json.dumps(claims))}"
    return f"{head}.{_part(hmac.digest(secret, head.encode(), hashlib.sha256))}"


def _part(content: str | bytes) -> str:
    raw = content.encode() if isinstance(content, str) else content
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _secret(file: Path | None) -> bytes:
    """Trouble where there is none, or one that the edges would refuse."""
    try:
        secret = file.read_bytes().strip() if file else (variable(SECRET) or "").encode()
    except OSError as error:
        raise Trouble(f"--secret-file: {file} cannot be read ({error.strerror}).") from None
    where = str(file) if file else SECRET
    if not secret:
        raise Trouble(f"{where} is empty: a token is signed with the secret of the edges. With CONFER_JWKS_URL or "
                      "CONFER_JWKS_FILE your login signs, and this command cannot.")  # fmt: skip
    if len(secret) < SECRET_BYTES_MIN:
        raise Trouble(
            f"{where} has {len(secret)} bytes; edges need {SECRET_BYTES_MIN} or more: `openssl rand -hex 32`."
        )
    return secret


def _id(value: str, option: str) -> str:
    try:
        return check_id(value, option)
    except Rejection as refusal:
        raise Trouble(f"{refusal.message}.") from None
