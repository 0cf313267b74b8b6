"""identity=jwt: who has no valid token is refused at CONNECT, and what the query claims counts for nothing."""

import asyncio
import base64
import itertools
import json
import re
import secrets
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from joserfc import jwt
from joserfc.jwk import OctKey

from confer_kit import clock
from confer_kit.testing import System, running_system
from confer_kit.testing.javascript import WAYS, JavaScriptClient, Node, Way, node
from confer_kit.testing.raw import raw_client

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.node]

SECRET = "a secret of the tests, thirty-two bytes or more"
SHORT_S = 6  # a slow machine connects in it
_numbers = itertools.count(1)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def system() -> AsyncIterator[System]:
    async with running_system(CONFER_IDENTITY="jwt", CONFER_JWT_SECRET=SECRET) as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def process() -> AsyncIterator[Node]:
    async with node(Path(__file__).parent / "js") as running:
        yield running


def token(secret: str = SECRET, expires_s: float = 60, algorithm: str = "HS256", **claims: Any) -> str:
    body = {"sub": "anna", "name": "Anna Berg", "role": "nurse", "exp": int(clock.now() + expires_s), **claims}
    present = {name: value for name, value in body.items() if value is not None}
    return jwt.encode({"alg": algorithm}, present, OctKey.import_key(secret), algorithms=[algorithm])


def unsigned(algorithm: str = "none", signature: str = "") -> str:
    parts = ({"alg": algorithm, "typ": "JWT"}, {"sub": "anna", "exp": int(clock.now() + 60)})
    encoded = [base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in parts]
    return ".".join([*encoded, signature])


REFUSED: dict[str, Any] = {
    "no auth at all": None,
    "no token": {},
    "an empty token": {"token": ""},
    "null": {"token": None},
    "a number": {"token": 7},
    "a list": {"token": ["x"]},
    "no object but a list": [token()],
    "no object but text": token(),
    "no object but a number": 7,
    "an identity without proof": {"user_id": "anna", "role": "doctor"},
    "no token but text": {"token": "anna"},
    "three dots": {"token": "..."},
    "expired": {"token": token(expires_s=-5)},
    "without exp": {"token": token(exp=None)},
    "without sub": {"token": token(sub=None)},
    "an empty sub": {"token": token(sub="")},
    "a number for sub": {"token": token(sub=7)},
    "NUL in sub": {"token": token(sub="a\x00b")},
    "a wrong key": {"token": token(secret="another secret that has also more than 32 bytes")},
    "alg none": {"token": unsigned()},
    "alg None": {"token": unsigned("None", "AAAA")},
    "another algorithm": {"token": token(algorithm="HS512")},
    "a cut signature": {"token": token()[:-2]},
    "100 kB": {"token": "x" * 100_000},
    "100 kB, signed": {"token": token(name="x" * 75_000)},
    "Thai": {"token": "โทเคน"},
}
FORM_QUERY = {"patient_id": "P-1", "user_id": "mallory", "user_name": "Mallory", "user_role": "doctor", "step": "3"}


@pytest.mark.parametrize("auth", REFUSED.values(), ids=list(REFUSED))
async def test_refused_at_connect(system: System, auth: Any) -> None:
    """The query's identity does not help."""
    async with raw_client(system.url(), FORM_QUERY, auth) as client:
        assert client.sid is None
        assert client.refused["message"]
        data = client.refused["data"]
        assert (data["status"], data["code"], data["retry"]) == ("error", "unauthenticated", False)
        assert len(data["message"]) < 300
        await client.emit("join_screening", {"patient_id": "P-1", "user": {"user_id": "anna", "name": "Anna"}})
        await client.emit("field_update", {"patient_id": "P-1", "field": "f", "value": 1})
        await asyncio.sleep(0.1)
        assert not client.events
        assert not client.acks


async def test_who_comes_in_and_who_does_not_is_a_line_with_the_pages_trace(system: System) -> None:
    for told, outcome in ((token(expires_s=-5), "unauthenticated"), (token(), "ok")):
        trace = secrets.token_hex(16)
        auth = {"token": told, "traceparent": f"00-{trace}-{'1' * 16}-01"}
        async with raw_client(system.url(), FORM_QUERY, auth), asyncio.timeout(30):
            while f"trace={trace}" not in system.processes["edge"].log:
                await asyncio.sleep(0.02)
        (line,) = [each for each in system.processes["edge"].log.splitlines() if trace in each]
        assert line.startswith(f"connect outcome={outcome} ms="), line
        assert not {"anna", "mallory", "P-1"} & set(re.findall(r"[\w-]+", line))


@pytest.mark.parametrize("way", WAYS, ids=str)
async def test_the_official_client_is_told_why(system: System, process: Node, way: Way) -> None:
    options = {"transports": way.transports, "query": FORM_QUERY, "reconnection": False}
    refused: JavaScriptClient = await process.open(way.version, system.url(), options)
    await refused.until(lambda: bool(refused.connect_errors), "connect_error")
    message, data = refused.connect_errors[0]
    assert "token" in message
    assert data["code"] == "unauthenticated"
    assert not refused.events

    admitted = await process.open(way.version, system.url(), {**options, "auth": {"token": token()}})
    info = (await admitted.got("system_status"))["user_info"]
    assert (info["user_id"], info["role"], info["name"]) == ("anna", "nurse", "Anna Berg")
    await process.close_all()


async def test_only_the_token_says_who_it_is(system: System) -> None:
    patient = f"P-{next(_numbers)}"
    query = {**FORM_QUERY, "patient_id": patient}
    async with raw_client(system.url(), query, {"token": token(), "user_id": "mallory", "role": "doctor"}) as client:
        users = await client.got("active_users_updated")
        assert [(user["user_id"], user["name"], user["role"]) for user in users] == [("anna", "Anna Berg", "nurse")]
        claim = {"user_id": "mallory", "name": "Mallory", "role": "doctor", "step": 3}
        assert (await client.call("join_screening", {"patient_id": patient, "user": claim}))["status"] == "ok"
        written = await client.call("field_update", {"patient_id": patient, "field": "f", "value": 1, "user_id": "m"})
        assert written["status"] == "ok"
        assert (await client.got("field_updated"))["user_id"] == "anna"
        refused = await client.call("join_room", {"room": "role_doctor"})
        assert refused["code"] == "forbidden"


async def test_authenticate_proves_the_same_user_or_nobody(system: System) -> None:
    async with raw_client(system.url(), auth={"token": token()}) as client:
        again = await client.call("authenticate", {"token": token(), "user_id": "mallory", "role": "doctor"})
        assert (again["status"], again["user_id"], again["role"]) == ("ok", "anna", "nurse")
        for payload, code in (
            ({"user_id": "mallory", "role": "doctor"}, "unauthenticated"),
            ({"token": "nonsense"}, "unauthenticated"),
            ({"token": token(sub="mallory")}, "forbidden"),
        ):
            answer = await client.call("authenticate", payload)
            assert (answer["status"], answer["code"]) == ("error", code)
        assert (await client.call("ping"))["status"] == "ok"


async def test_a_session_ends_with_its_token(system: System) -> None:
    patient = f"P-{next(_numbers)}"
    async with raw_client(system.url(), auth={"token": token(expires_s=SHORT_S)}) as client:
        assert (await client.call("join_patient_room", {"patient_id": patient}))["status"] == "ok"
        warned = await client.got("session_expiring")
        assert not client.ended
        assert (await client.call("ping"))["status"] == "ok"
        assert await client.got("session_expired") == warned
        await client.emit("ping")
        await client.until(lambda: client.ended, "the end")
        assert "pong" not in client.names()[client.names().index("session_expired") :]


async def test_a_newer_token_lets_the_session_go_on(system: System) -> None:
    async with raw_client(system.url(), auth={"token": token(expires_s=SHORT_S)}) as client:
        await client.got("session_expiring")
        answer = await client.call("authenticate", {"token": token(expires_s=60, role="doctor")})
        assert (answer["status"], answer["role"]) == ("ok", "doctor")
        assert (await client.call("join_room", {"room": "role_doctor"}))["status"] == "ok"
        assert (await client.call("join_room", {"room": "role_nurse"}))["code"] == "forbidden"
        await asyncio.sleep(SHORT_S + 0.2)
        assert (await client.call("ping"))["status"] == "ok"
        assert "session_expired" not in client.names()
        shorter = await client.call("authenticate", {"token": token(expires_s=SHORT_S)})
        assert shorter["status"] == "ok"  # the newest token counts
        await client.got("session_expired")
        await client.until(lambda: client.ended, "the end")


@pytest.mark.parametrize("way", WAYS, ids=str)
async def test_the_official_client_is_told_the_end_and_stays_away(system: System, process: Node, way: Way) -> None:
    options = {"transports": way.transports, "reconnectionDelay": 50, "auth": {"token": token(expires_s=SHORT_S)}}
    client: JavaScriptClient = await process.open(way.version, system.url(), options)
    await client.got("session_expiring")
    await client.got("session_expired")
    await client.until(lambda: bool(client.disconnects), "disconnect")
    assert client.disconnects == ["io server disconnect"]
    await asyncio.sleep(0.5)
    assert not client.connect_errors
    await process.close_all()


async def test_the_rooms_of_a_token_are_all_there_are(system: System) -> None:
    number = next(_numbers)
    mine, other = f"P-{number}", f"Q-{number}"
    rooms = [f"screening_{mine}", "hospital_mobile_session_S-*", "tea"]
    query = {**FORM_QUERY, "patient_id": other}
    async with raw_client(system.url(), query, {"token": token(rooms=rooms)}) as client:
        assert (await client.got("error"))["code"] == "forbidden"  # the room that the query names
        for event, allowed, forbidden in (
            ("join_patient_room", {"patient_id": mine}, {"patient_id": other}),
            ("join_screening", {"patient_id": mine}, {"patient_id": other}),
            ("join_room", {"room": f"screening_{mine}"}, {"room": f"screening_{other}"}),
            ("join_room", {"room": "hospital_mobile_session_S-7"}, {"room": "hospital_mobile_session_T-7"}),
            ("join_room", {"room": "tea"}, {"room": "coffee"}),
            ("join_room", {"room": "role_nurse"}, {"room": "role_doctor"}),
            (
                "field_update",
                {"patient_id": mine, "field": "f", "value": 1},
                {"patient_id": other, "field": "f", "value": 1},
            ),
        ):
            assert (await client.call(event, allowed))["status"] == "ok", (event, allowed)
            refused = await client.call(event, forbidden)
            assert (refused["status"], refused["code"], refused["retry"]) == ("error", "forbidden", False)
        async with raw_client(system.url(), auth={"token": token(sub="bob")}) as bob:
            for patient in (other, mine):
                written = await bob.call("field_update", {"patient_id": patient, "field": "g", "value": patient})
                assert written["status"] == "ok"
        await client.until(lambda: any(body["value"] == mine for body in client.bodies("field_updated")), "mine")
        assert all(body["patient_id"] == mine for body in client.bodies("field_updated"))


async def test_a_newer_token_with_fewer_rooms_takes_its_session_out_of_the_others(system: System) -> None:
    patient = f"P-{next(_numbers)}"
    async with (
        raw_client(system.url(), auth={"token": token()}) as client,
        raw_client(system.url(), auth={"token": token(sub="bob")}) as bob,
    ):
        assert (await client.call("join_patient_room", {"patient_id": patient}))["status"] == "ok"
        assert (await client.call("join_room", {"room": "tea"}))["status"] == "ok"
        assert (await client.call("authenticate", {"token": token(rooms=["tea"])}))["status"] == "ok"
        assert (await client.got("room_left"))["room"] == f"screening_{patient}"
        written = await bob.call("field_update", {"patient_id": patient, "field": "g", "value": 1})
        assert written["status"] == "ok"
        await asyncio.sleep(0.3)
        assert "field_updated" not in client.names()
