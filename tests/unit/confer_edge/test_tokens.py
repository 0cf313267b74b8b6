"""Identity by token: which are believed, with a secret, a key file and a key URL, and what the rest are told."""

import base64
import hmac
import http.server
import json
import threading
import time
from collections.abc import Awaitable, Iterator
from pathlib import Path
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, Key, KeySet, OctKey, OKPKey, RSAKey

from confer_contracts.errors import ErrorCode, Rejection
from confer_edge import keys
from confer_edge.identity import Claim, Identities
from confer_edge.settings import EdgeSettings
from confer_edge.tokens import provider
from confer_kit.watched_file import BYTES_MAX

SECRET = "a secret of thirty-two bytes or more"
KEYS: dict[str, Key] = {
    "RS256": RSAKey.generate_key(2048, {"kid": "rsa"}),
    "ES256": ECKey.generate_key("P-256", {"kid": "ec"}),
    "EdDSA": OKPKey.generate_key("Ed25519", {"kid": "okp"}),
}
OTHER = ECKey.generate_key("P-256", {"kid": "another"})
ALGORITHMS = [*KEYS, "HS256", "HS512"]
pytestmark = pytest.mark.filterwarnings("ignore:EdDSA is deprecated")


def token(
    key: Key | str = SECRET, algorithm: str = "HS256", header: dict[str, Any] | None = None, **claims: Any
) -> str:
    body = {"sub": "u1", "exp": int(time.time()) + 60, **claims}
    signing = OctKey.import_key(key) if isinstance(key, str) else key
    told = {"alg": algorithm} | ({} if isinstance(key, str) else {"kid": key.kid}) | (header or {})
    return jwt.encode(told, {k: v for k, v in body.items() if v is not None}, signing, algorithms=ALGORITHMS)


def with_secret(**settings: Any) -> Identities:
    return provider(EdgeSettings(identity="jwt", jwt_secret=SECRET, **settings))


async def connected(identities: Identities, auth: object) -> Claim | None:
    who = identities.on_connect({"user_id": "somebody-else"}, auth)
    assert isinstance(who, Awaitable)
    return await who


def written(path: Path, *chosen: Key) -> Path:
    """In place of what was there, as an orchestrator does it."""
    new = path.with_suffix(".new")
    new.write_text(json.dumps(KeySet(list(chosen)).as_dict(private=False)))
    return new.rename(path)


async def refusal_of(identities: Identities, bad: str) -> Rejection:
    with pytest.raises(Rejection) as refusal:
        await connected(identities, {"token": bad})
    assert not bad or bad not in refusal.value.message
    return refusal.value


# --- a secret -----------------------------------------------------------------------------------------


async def test_a_valid_token_names_the_user_whatever_the_query_says() -> None:
    good = token(name="Ana", role="doctor", rooms=["screening_*"])
    claim = await connected(with_secret(), {"token": good})
    assert claim is not None
    assert (claim.user_id, claim.name, claim.role, claim.rooms) == ("u1", "Ana", "doctor", ("screening_*",))
    assert claim.expires_at is not None
    assert 50 < claim.expires_at - time.time() <= 60


async def test_without_name_role_and_rooms_there_are_plain_ones() -> None:
    claim = await with_secret().verify(token())
    assert (claim.name, claim.role, claim.rooms) == ("u1", "user", None)


async def test_claims_may_have_other_names() -> None:
    names = {f"jwt_{ours}_claim": f"their_{ours}" for ours in ("user", "name", "role", "rooms")}
    told: dict[str, Any] = {"their_user": "u2", "their_name": "Bo", "their_role": "nurse", "their_rooms": ["tea"]}
    identities = with_secret(**names)
    claim = await identities.verify(token(rooms=["*"], sub=None, **told))
    assert (claim.user_id, claim.name, claim.role, claim.rooms) == ("u2", "Bo", "nurse", ("tea",))
    assert (await refusal_of(identities, token())).code is ErrorCode.UNAUTHENTICATED


BAD = {
    "none": "",
    "nonsense": "nonsense",
    "dots": "a.b.c",
    "100 kB": "x" * 100_000,
    "expired": token(exp=1),
    "without exp": token(exp=None),
    "exp as text": token(exp="2999-01-01"),
    "exp without end": token(exp=float("inf")),
    "exp not a number": token(exp=float("nan")),
    "not yet": token(nbf=int(time.time()) + 600),
    "from the future": token(iat=int(time.time()) + 600),
    "without sub": token(sub=None),
    "NUL in sub": token(sub="a\x00b"),
    "role is a list": token(role=["doctor"]),
    "rooms is a text": token(rooms="screening_*"),
    "rooms holds a number": token(rooms=[1]),
    "a thousand rooms": token(rooms=["r"] * 1000),
    "wrong key": token("another secret of thirty-two bytes."),
    "HS512": token(algorithm="HS512"),
    "RS256": token(KEYS["RS256"], "RS256"),
    "alg none": "eyJhbGciOiJub25lIn0.eyJzdWIiOiJ1MSIsImV4cCI6OTk5OTk5OTk5OX0.",
}


@pytest.mark.parametrize("bad", BAD.values(), ids=list(BAD))
async def test_a_bad_token_is_refused_and_never_repeated(bad: str, capfd: pytest.CaptureFixture[str]) -> None:
    refused = await refusal_of(with_secret(), bad)
    assert refused.code is ErrorCode.UNAUTHENTICATED
    assert len(refused.message) < 300
    assert not bad or bad[-40:] not in "".join(capfd.readouterr())


@pytest.mark.parametrize("auth", [None, {}, "token", {"token": 5}, {"token": None}, ["token"]])
async def test_no_token_is_refused(auth: object) -> None:
    with pytest.raises(Rejection) as refusal:
        await connected(with_secret(), auth)
    assert refusal.value.code is ErrorCode.UNAUTHENTICATED


async def test_the_clocks_may_differ_by_the_leeway() -> None:
    identities = with_secret(jwt_leeway_s=30)
    now = int(time.time())
    near: list[dict[str, Any]] = [{"exp": now - 20}, {"nbf": now + 20}, {"iat": now + 20}]
    far: list[dict[str, Any]] = [{"exp": now - 40}, {"nbf": now + 40}, {"iat": now + 40}]
    for claims in near:
        await identities.verify(token(**claims))
    for claims in far:
        await refusal_of(identities, token(**claims))
    claim = await identities.verify(token(exp=now - 20))
    assert claim.expires_at == now + 10  # so that who is let in is not thrown out at once


async def test_issuer_and_audience_are_looked_at_where_they_are_set() -> None:
    await with_secret().verify(token(iss="anybody", aud="anything"))
    identities = with_secret(jwt_issuer="https://login.example", jwt_audience="confer, portal")
    right: dict[str, Any] = {"iss": "https://login.example", "aud": "confer"}
    for good in (right, {**right, "aud": "portal"}, {**right, "aud": ["other", "portal"]}):
        await identities.verify(token(**good))
    wrong: list[dict[str, Any]] = [
        {"aud": "other"}, {"aud": []}, {"aud": None}, {"iss": "x"}, {"iss": None}, {"iss": [right["iss"]]},
    ]  # fmt: skip
    for bad in wrong:
        assert (await refusal_of(identities, token(**{**right, **bad}))).code is ErrorCode.UNAUTHENTICATED


# --- a key file ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("algorithm", KEYS)
async def test_a_token_is_verified_by_the_key_that_it_names(tmp_path: Path, algorithm: str) -> None:
    identities = provider(EdgeSettings(identity="jwt", jwks_file=str(written(tmp_path / "keys", *KEYS.values()))))
    assert (await identities.verify(token(KEYS[algorithm], algorithm))).user_id == "u1"
    await refusal_of(identities, token(OTHER, "ES256"))
    await refusal_of(identities, token(OTHER, "ES256", header={"kid": "ec"}))


async def test_a_public_key_is_no_secret(tmp_path: Path) -> None:
    """HS256 with the published key as the secret, which a careless verifier accepts."""
    published = KEYS["RS256"]
    assert isinstance(published, RSAKey)
    public = published.as_pem(private=False)
    told = KeySet([published]).as_dict(private=False)
    shared = OctKey.import_key(SECRET, {"kid": "oct"})
    (tmp_path / "keys").write_text(json.dumps({"keys": [*told["keys"], shared.as_dict()]}))
    identities = provider(EdgeSettings(identity="jwt", jwks_file=str(tmp_path / "keys")))
    await identities.verify(token(KEYS["RS256"], "RS256"))
    head, body, _ = token(SECRET, header={"kid": "rsa"}).split(".")  # the library would not sign it
    signature = hmac.digest(public, f"{head}.{body}".encode(), "sha256")
    forged = f"{head}.{body}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"
    for bad in (forged, token(shared, "HS256")):
        assert (await refusal_of(identities, bad)).code is ErrorCode.UNAUTHENTICATED


async def test_a_file_that_changes_is_read_again_and_a_broken_one_changes_nothing(tmp_path: Path) -> None:
    file = written(tmp_path / "keys", KEYS["ES256"])
    identities = provider(EdgeSettings(identity="jwt", jwks_file=str(file)))
    old, new = token(KEYS["ES256"], "ES256"), token(OTHER, "ES256")
    await identities.verify(old)
    await refusal_of(identities, new)
    written(file, OTHER)
    await identities.verify(new)
    await refusal_of(identities, old)
    for broken in ("", "{", "[]", '{"keys": 5}', '{"keys": []}', '{"keys": [7, {"kty": "RSA"}, {"kty": "?"}]}'):
        file.write_text(broken)
        await identities.verify(new)
    file.unlink()
    await identities.verify(new)


@pytest.mark.parametrize("content", [None, "", "{", '{"keys": []}', '{"keys": [{"kty": "oct", "k": "AAAA"}]}'])
def test_an_edge_does_not_start_without_usable_keys(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "keys").write_text(content)
    with pytest.raises(SystemExit, match="CONFER_JWKS_FILE"):
        provider(EdgeSettings(identity="jwt", jwks_file=str(tmp_path / "keys")))


# --- a key URL ----------------------------------------------------------------------------------------


GARBAGE = b"no HTTP\r\n\r\n"


class KeyServer:
    """Serves `body`; counts how often it was asked."""

    def __init__(self) -> None:
        self.body: bytes | None = b""
        self.asked = 0
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.asked += 1
                if outer.body == GARBAGE:
                    self.wfile.write(outer.body)
                    return
                self.send_response(200 if outer.body is not None else 500)
                self.end_headers()
                self.wfile.write(outer.body or b"")

            def log_message(self, *_: Any) -> None: ...

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/jwks.json"

    def publish(self, *chosen: Key) -> None:
        self.body = json.dumps(KeySet(list(chosen)).as_dict(private=False)).encode()


@pytest.fixture
def key_server(monkeypatch: pytest.MonkeyPatch) -> Iterator[KeyServer]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    server = KeyServer()
    thread = threading.Thread(target=server.server.serve_forever, args=(0.01,))
    thread.start()
    yield server
    server.server.shutdown()
    thread.join()
    server.server.server_close()


async def test_a_rotated_key_is_fetched_but_not_for_each_unknown_one(
    key_server: KeyServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    identities = provider(EdgeSettings(identity="jwt", jwks_url=key_server.url))
    key_server.publish(KEYS["ES256"])
    for _ in range(3):
        await identities.verify(token(KEYS["ES256"], "ES256"))
    assert key_server.asked == 1
    key_server.publish(KEYS["ES256"], OTHER)
    for _ in range(3):
        await refusal_of(identities, token(OTHER, "ES256"))
    assert key_server.asked == 1  # it was fetched less than 30 s ago
    monkeypatch.setattr(keys, "UNKNOWN_AFTER_S", 0.0)
    await identities.verify(token(OTHER, "ES256"))
    assert key_server.asked == 2
    key_server.body = None  # it fails: what is known stays
    await refusal_of(identities, token(ECKey.generate_key("P-256", {"kid": "unknown"}), "ES256"))
    await identities.verify(token(OTHER, "ES256"))


async def test_withdrawn_keys_are_forgotten_with_time(key_server: KeyServer, monkeypatch: pytest.MonkeyPatch) -> None:
    identities = provider(EdgeSettings(identity="jwt", jwks_url=key_server.url))
    key_server.publish(KEYS["ES256"], OTHER)
    await identities.verify(token(OTHER, "ES256"))
    key_server.publish(KEYS["ES256"])
    monkeypatch.setattr(keys, "OLD_AFTER_S", 0.0)
    monkeypatch.setattr(keys, "UNKNOWN_AFTER_S", 0.0)
    await refusal_of(identities, token(OTHER, "ES256"))


async def test_while_there_are_no_keys_a_client_is_told_to_try_again(
    key_server: KeyServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    identities = provider(EdgeSettings(identity="jwt", jwks_url=key_server.url))
    for body in (None, b"{", b"x" * (BYTES_MAX + 1), GARBAGE):
        key_server.body = body
        refused = await refusal_of(identities, token(OTHER, "ES256"))
        assert (refused.code, refused.retry) == (ErrorCode.UNAVAILABLE, True)
        monkeypatch.setattr(keys, "EMPTY_AFTER_S", 0.0)
    assert key_server.asked == 4
    key_server.publish(OTHER)
    await identities.verify(token(OTHER, "ES256"))


# --- settings that cannot be --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({}, "CONFER_JWT_SECRET"),
        ({"jwt_secret": "short"}, "CONFER_JWT_SECRET"),
        ({"jwt_secret": SECRET, "jwks_url": "https://x"}, "choose one"),
        ({"jwks_url": "file:///etc/passwd"}, "CONFER_JWKS_URL"),
        ({"jwt_secret": SECRET, "jwt_algorithms": "none"}, "CONFER_JWT_ALGORITHMS"),
        ({"jwt_secret": SECRET, "jwt_algorithms": "HS256,RS256"}, "CONFER_JWT_ALGORITHMS"),
        ({"jwks_url": "https://x", "jwt_algorithms": "RS256, HS256"}, "CONFER_JWT_ALGORITHMS"),
        ({"identity": "trusted-query", "jwt_secret": SECRET}, "CONFER_IDENTITY=jwt"),
        ({"identity": "trusted-query", "jwks_url": "https://x"}, "CONFER_IDENTITY=jwt"),
    ],
)
def test_jwt_is_the_default_and_what_cannot_be_is_said(
    settings: dict[str, Any], why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CONFER_IDENTITY", raising=False)
    with pytest.raises(SystemExit, match=why):
        provider(EdgeSettings(**settings))
