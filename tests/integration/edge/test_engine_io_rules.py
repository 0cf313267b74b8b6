"""Engine.IO, protocol revision 4, rule by rule, against our transport: bare requests and frames."""

import asyncio
import json
import time
from typing import Any

import aiohttp
import pytest

# --- handshake ------------------------------------------------------------------------------------------------


async def test_the_handshake_by_polling_tells_everything_in_milliseconds(engine_io: Any) -> None:
    told = await engine_io.open()
    assert isinstance(told.pop("sid"), str)
    assert told == {"upgrades": ["websocket"], "pingInterval": 25000, "pingTimeout": 20000, "maxPayload": 1000000}


async def test_an_interval_below_a_second_is_not_rounded(quick_engine_io: Any) -> None:
    told = await quick_engine_io.open()
    assert (told["pingInterval"], told["pingTimeout"]) == (300, 3000)


async def test_the_handshake_by_websocket_offers_no_upgrade(engine_io: Any) -> None:
    async with engine_io.websocket() as frames:
        first = await frames.hear()
        assert first[0] == "0"
        assert json.loads(first[1:])["upgrades"] == []


UNACCEPTABLE = [
    pytest.param({"EIO": ""}, 5, id="no revision"),
    pytest.param({"EIO": "abc"}, 5, id="no number"),
    pytest.param({"EIO": "3"}, 5, id="another revision"),
    pytest.param({"transport": ""}, 0, id="no transport"),
    pytest.param({"transport": "carrier-pigeon"}, 0, id="unknown transport"),
    pytest.param({"sid": "nobody"}, 1, id="unknown sid"),
]


@pytest.mark.parametrize(("query", "code"), UNACCEPTABLE)
async def test_a_request_that_lacks_something_is_refused_with_400_and_told_why(
    engine_io: Any, query: dict[str, str], code: int
) -> None:
    status, text = await engine_io.ask(**query)
    assert (status, json.loads(text)["code"]) == (400, code)


@pytest.mark.parametrize(("query", "_code"), UNACCEPTABLE)
async def test_a_websocket_that_lacks_something_is_refused(engine_io: Any, query: dict[str, str], _code: int) -> None:
    with pytest.raises(aiohttp.WSServerHandshakeError) as refusal:
        async with engine_io.websocket(**query):
            pass
    assert refusal.value.status == 400


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
async def test_a_session_begins_with_a_get(engine_io: Any, method: str) -> None:
    status, text = await engine_io.ask(method)
    assert (status, json.loads(text)) == (400, {"code": 2, "message": "Bad handshake method"})


# --- messages by polling ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "packets",
    [
        pytest.param(["4hello"], id="one"),
        pytest.param(["4a", "4b", "4c"], id="several"),
        pytest.param(["4text", "bAQIDBA==", "b/+8="], id="text and binary"),
        pytest.param(["4สวัสดี 👋"], id="UTF-8"),
        pytest.param(['4{"a":1}', "4[1, 2]", "4null", "4true", "4"], id="what looks like JSON stays as it came"),
    ],
)
async def test_a_payload_comes_back_packet_by_packet(engine_io: Any, packets: list[str]) -> None:
    sid = (await engine_io.open())["sid"]
    assert await engine_io.post(sid, *packets) == (200, "ok")
    assert await engine_io.poll(sid) == (200, packets)


async def test_a_burst_of_hundreds_in_one_post_is_taken_in_order(engine_io: Any) -> None:
    sid = (await engine_io.open())["sid"]
    burst = [f"4{n}" for n in range(300)]
    assert await engine_io.post(sid, *burst) == (200, "ok")
    heard: list[str] = []
    while len(heard) < len(burst):
        heard += (await engine_io.poll(sid))[1]
    assert heard == burst


async def test_a_get_waits_until_there_is_something(engine_io: Any) -> None:
    sid = (await engine_io.open())["sid"]
    polling = asyncio.ensure_future(engine_io.poll(sid))
    await asyncio.sleep(0.1)
    assert not polling.done()
    await engine_io.post(sid, "4late")
    assert await polling == (200, ["4late"])


async def test_a_body_without_content_length_is_read(engine_io: Any) -> None:
    async def body() -> Any:
        yield b"4in "
        yield b"pieces"

    sid = (await engine_io.open())["sid"]
    assert await engine_io.ask("POST", body(), sid=sid) == (200, "ok")
    assert await engine_io.poll(sid) == (200, ["4in pieces"])


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"abc", id="unknown type"),
        pytest.param(b"7", id="a type beyond the last"),
        pytest.param(b"2", id="a ping of the client"),
        pytest.param(b"4ok\x1e\x1e4ok", id="an empty packet"),
        pytest.param(b"b*not base64*", id="broken base64"),
        pytest.param(b"4\xff\xfe", id="not UTF-8"),
    ],
)
async def test_a_broken_payload_ends_the_session(engine_io: Any, body: bytes) -> None:
    sid = (await engine_io.open())["sid"]
    assert (await engine_io.ask("POST", body, sid=sid))[0] == 400
    assert (await engine_io.poll(sid))[0] == 400


async def test_more_than_max_payload_ends_the_session(engine_io: Any) -> None:
    sid = (await engine_io.open())["sid"]
    assert (await engine_io.ask("POST", b"4" + b"x" * 1_000_000, sid=sid))[0] == 413
    assert (await engine_io.poll(sid))[0] == 400


async def test_too_much_without_content_length_ends_the_session(engine_io: Any) -> None:
    async def body() -> Any:
        for _ in range(40):
            yield b"4" * 50_000

    sid = (await engine_io.open())["sid"]
    assert (await engine_io.ask("POST", body(), sid=sid))[0] == 413
    assert (await engine_io.poll(sid))[0] == 400


async def test_two_gets_at_once_end_the_session(engine_io: Any) -> None:
    sid = (await engine_io.open())["sid"]
    told, refused = sorted(await asyncio.gather(engine_io.poll(sid), engine_io.poll(sid)))
    assert told == (200, ["1"]), "whichever came first"
    assert refused[0] == 400
    assert (await engine_io.poll(sid))[0] == 400


async def test_two_posts_at_once_end_the_session(engine_io: Any) -> None:
    """The first has begun, and is whole when the second has been refused."""
    begun, refused = asyncio.Event(), asyncio.Event()

    async def body() -> Any:
        yield b"4fir"
        begun.set()
        await refused.wait()
        yield b"st"

    async def second() -> int:
        status = 0
        await begun.wait()
        for _ in range(100):  # the first may not have arrived yet; so many are no flood
            status = (await engine_io.post(sid, "4second"))[0]
            if status != 200:
                break
        refused.set()
        return status

    sid = (await engine_io.open())["sid"]
    first, status = await asyncio.gather(engine_io.ask("POST", body(), sid=sid), second())
    assert (first[0], status) == (400, 400)
    assert (await engine_io.poll(sid))[0] == 400


# --- messages by WebSocket --------------------------------------------------------------------------------------


@pytest.mark.parametrize("packet", ["4hello", "4สวัสดี", '4{"a":1}', "4", b"\x01\x02\x03\x04", b"4 is no type here"])
async def test_a_frame_is_a_packet_and_comes_back(engine_io: Any, packet: str | bytes) -> None:
    async with engine_io.websocket() as frames:
        await frames.hear()
        await frames.say(packet)
        assert await frames.hear() == packet


@pytest.mark.parametrize("packet", ["abc", "", "2", "7", "0{}"])
async def test_a_broken_frame_ends_the_session(engine_io: Any, packet: str) -> None:
    async with engine_io.websocket() as frames:
        await frames.hear()
        await frames.say(packet)
        assert await frames.ends()


# --- heartbeat --------------------------------------------------------------------------------------------------


async def test_who_answers_pings_by_polling_stays(quick_engine_io: Any) -> None:
    sid = (await quick_engine_io.open())["sid"]
    for _ in range(4):
        assert await quick_engine_io.poll(sid) == (200, ["2"])
        assert await quick_engine_io.post(sid, "3") == (200, "ok")


async def test_who_answers_pings_by_websocket_stays(quick_engine_io: Any) -> None:
    async with quick_engine_io.websocket() as frames:
        await frames.hear()
        for _ in range(4):
            assert await frames.hear() == "2"
            await frames.say("3")


async def test_who_is_silent_by_polling_is_gone_after_interval_and_timeout(quick_engine_io: Any) -> None:
    sid = (await quick_engine_io.open())["sid"]
    async with asyncio.timeout(60):
        while (status := (await quick_engine_io.poll(sid))[0]) == 200:
            pass
    assert status == 400


async def test_who_is_silent_by_websocket_is_closed_after_interval_and_timeout(quick_engine_io: Any) -> None:
    began = time.monotonic()
    async with quick_engine_io.websocket() as frames:
        await frames.hear()
        assert await frames.hear() == "2"
        assert await frames.ends()
        assert time.monotonic() - began > 3


# --- the end ----------------------------------------------------------------------------------------------------


async def test_a_close_packet_by_polling_releases_the_get(engine_io: Any) -> None:
    sid = (await engine_io.open())["sid"]
    polling = asyncio.ensure_future(engine_io.poll(sid))
    await asyncio.sleep(0.1)
    assert await engine_io.post(sid, "1") == (200, "ok")
    assert await polling == (200, ["6"])
    assert (await engine_io.poll(sid))[0] == 400


async def test_a_post_after_the_end_is_refused(engine_io: Any) -> None:
    sid = (await engine_io.open())["sid"]
    assert await engine_io.post(sid, "1") == (200, "ok")
    assert (await engine_io.post(sid, "4late"))[0] == 400


async def test_a_close_packet_by_websocket_closes_it(engine_io: Any) -> None:
    async with engine_io.websocket() as frames:
        await frames.hear()
        await frames.say("1")
        assert await frames.ends()


# --- upgrade ----------------------------------------------------------------------------------------------------


async def test_the_probe_releases_the_get_and_nothing_is_lost_over_the_upgrade(engine_io: Any) -> None:
    sid = (await engine_io.open())["sid"]
    polling = asyncio.ensure_future(engine_io.poll(sid))
    await asyncio.sleep(0.1)
    async with engine_io.websocket(sid=sid) as frames:
        await frames.say("2probe")
        assert await frames.hear() == "3probe"
        assert await polling == (200, ["6"])
        await engine_io.post(sid, "4before", "bAQI=")
        await frames.say("5", "4after")
        assert [await frames.hear() for _ in range(3)] == ["4before", b"\x01\x02", "4after"]


async def test_a_probe_that_fails_leaves_the_session_polling(engine_io: Any) -> None:
    sid = (await engine_io.open())["sid"]
    async with engine_io.websocket(sid=sid) as frames:
        await frames.say("4no probe")
        assert await frames.ends()
    assert await engine_io.post(sid, "4still here") == (200, "ok")
    assert await engine_io.poll(sid) == (200, ["4still here"])


async def test_after_the_upgrade_requests_are_refused_and_the_session_lives_on(engine_io: Any) -> None:
    sid = (await engine_io.open())["sid"]
    async with engine_io.websocket(sid=sid) as frames:
        await frames.say("2probe", "5", "4up")
        assert [await frames.hear(), await frames.hear()] == ["3probe", "4up"]
        assert (await engine_io.poll(sid))[0] == 400
        assert (await engine_io.post(sid, "4wrong way"))[0] == 400
        await frames.say("4alive")
        assert await frames.hear() == "4alive"


async def test_a_second_websocket_is_closed_and_the_first_lives_on(engine_io: Any) -> None:
    sid = (await engine_io.open())["sid"]
    async with engine_io.websocket(sid=sid) as frames:
        await frames.say("2probe")
        assert await frames.hear() == "3probe"
        async with engine_io.websocket(sid=sid) as during:
            assert await during.ends()
        await frames.say("5", "4up")
        assert await frames.hear() == "4up"
        async with engine_io.websocket(sid=sid) as after:
            assert await after.ends()
        await frames.say("4alive")
        assert await frames.hear() == "4alive"
