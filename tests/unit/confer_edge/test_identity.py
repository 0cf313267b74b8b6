"""Who somebody is: proved by a token, or believed where that is switched on by name."""

import time
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import OctKey

from confer_contracts.errors import ErrorCode, Rejection
from confer_edge.identity import JsonWebToken, TrustedQuery, provider
from confer_edge.settings import EdgeSettings

SECRET = "a secret of thirty-two bytes or more"


def token(secret: str = SECRET, **claims: Any) -> str:
    body = {"sub": "u1", "exp": int(time.time()) + 60, **claims}
    return jwt.encode({"alg": "HS256"}, {k: v for k, v in body.items() if v is not None}, OctKey.import_key(secret))


def test_a_valid_token_names_the_user_whatever_the_query_says() -> None:
    claim = JsonWebToken(SECRET).on_connect({"user_id": "somebody-else"}, {"token": token(name="Ana", role="doctor")})
    assert claim is not None
    assert (claim.user_id, claim.name, claim.role) == ("u1", "Ana", "doctor")


def test_without_name_and_role_there_are_plain_ones() -> None:
    claim = JsonWebToken(SECRET).verify(token())
    assert (claim.name, claim.role) == ("u1", "user")


@pytest.mark.parametrize(
    "bad",
    [
        "",
        "nonsense",
        "a.b.c",
        "x" * 100_000,
        token(exp=1),
        token(exp=None),
        token(sub=None),
        token(sub="a\x00b"),
        token(secret="another secret of thirty-two bytes."),
        "eyJhbGciOiJub25lIn0.eyJzdWIiOiJ1MSIsImV4cCI6OTk5OTk5OTk5OX0.",  # alg none
    ],
)
def test_a_bad_token_is_refused_and_never_repeated(bad: str) -> None:
    with pytest.raises(Rejection) as refusal:
        JsonWebToken(SECRET).on_connect({"user_id": "u1"}, {"token": bad})
    assert refusal.value.code is ErrorCode.UNAUTHENTICATED
    assert not bad or bad not in refusal.value.message


@pytest.mark.parametrize("auth", [None, {}, "token", {"token": 5}, {"token": None}, ["token"]])
def test_no_token_is_refused(auth: object) -> None:
    with pytest.raises(Rejection) as refusal:
        JsonWebToken(SECRET).on_connect({"user_id": "u1"}, auth)
    assert refusal.value.code is ErrorCode.UNAUTHENTICATED


def test_trusted_query_takes_the_query_before_auth_and_may_know_nobody() -> None:
    trusting = TrustedQuery()
    claim = trusting.on_connect({"user_id": "q", "user_name": "สมชาย ใจดี", "user_role": "nurse"}, {"user_id": "a"})
    assert claim is not None
    assert (claim.user_id, claim.name, claim.role) == ("q", "สมชาย ใจดี", "nurse")
    claim = trusting.on_connect({}, {"user_id": "a", "role": "doctor"})
    assert claim is not None
    assert (claim.user_id, claim.name, claim.role) == ("a", "a", "doctor")
    assert trusting.on_connect({}, None) is None


def test_a_hostile_id_in_the_query_is_refused() -> None:
    with pytest.raises(Rejection) as refusal:
        TrustedQuery().on_connect({"user_id": "a\nb"}, None)
    assert refusal.value.field == "user_id"


def test_jwt_is_the_default_and_needs_a_long_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CONFER_IDENTITY", raising=False)
    with pytest.raises(SystemExit, match="CONFER_JWT_SECRET"):
        provider(EdgeSettings(jwt_secret="short"))
