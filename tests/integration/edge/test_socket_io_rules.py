"""Socket.IO, protocol revision 5, rule by rule, against our transport: bare frames and requests."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest


@asynccontextmanager
async def opened(socket_io: Any) -> AsyncIterator[Any]:
    """An Engine.IO session by WebSocket, with nothing said yet."""
    async with socket_io.websocket() as frames:
        await frames.hear()
        yield frames


@asynccontextmanager
async def connected(socket_io: Any) -> AsyncIterator[Any]:
    async with opened(socket_io) as frames:
        await frames.say("40")
        await frames.hear()
        await frames.hear()
        yield frames


# --- connection to a namespace ------------------------------------------------------------------------------------


@pytest.mark.parametrize("namespace", ["", "/custom,"])
@pytest.mark.parametrize("payload", ["", '{"token":"123"}'])
async def test_connect_is_answered_with_a_sid_before_anything_else(
    socket_io: Any, namespace: str, payload: str
) -> None:
    async with opened(socket_io) as frames:
        await frames.say(f"40{namespace}{payload}")
        answer = await frames.hear()
        assert answer.startswith(f"40{namespace}{{")
        assert list(json.loads(answer[len(namespace) + 2 :])) == ["sid"]
        assert await frames.hear() == f'42{namespace}["auth",{payload or "{}"}]'


async def test_the_comma_after_a_namespace_without_payload_may_be_missing(socket_io: Any) -> None:
    async with opened(socket_io) as frames:
        await frames.say("40/custom")
        assert (await frames.hear()).startswith('40/custom,{"sid":')


async def test_an_unknown_namespace_is_refused_with_an_object_and_the_connection_stays(socket_io: Any) -> None:
    async with opened(socket_io) as frames:
        await frames.say("40/nowhere")
        assert await frames.hear() == '44/nowhere,{"message":"Invalid namespace"}'
        await frames.say("40")
        assert (await frames.hear()).startswith('40{"sid":')


async def test_the_sids_of_two_namespaces_differ_from_each_other_and_from_the_transport_s(socket_io: Any) -> None:
    async with socket_io.websocket() as frames:
        sids = [json.loads((await frames.hear())[1:])["sid"]]
        for namespace in ("", "/custom,"):
            await frames.say(f"40{namespace}")
            sids.append(json.loads((await frames.hear())[2 + len(namespace) :])["sid"])
            await frames.hear()
        assert len(set(sids)) == 3


@pytest.mark.parametrize(
    "packets",
    [
        pytest.param(['42["message"]'], id="an event"),
        pytest.param(['42/custom,["message"]'], id="an event of a namespace"),
        pytest.param(['4212["message-with-ack"]'], id="an event with an ack"),
        pytest.param(["431[]"], id="an ack"),
        pytest.param(['451-["message",{"_placeholder":true,"num":0}]', b"1"], id="a binary event"),
        pytest.param(["4abc"], id="no packet"),
        pytest.param(["4"], id="an empty message"),
        pytest.param([b"1"], id="an attachment of nothing"),
        pytest.param(['44{"message":"no"}'], id="a refusal"),
        pytest.param(["40{"], id="CONNECT with half an object"),
    ],
)
async def test_what_comes_before_connect_or_is_none_closes(socket_io: Any, packets: list[str | bytes]) -> None:
    async with opened(socket_io) as frames:
        await frames.say(*packets)
        assert await frames.ends()


# --- data and acks --------------------------------------------------------------------------------------------------


async def test_an_event_carries_any_number_of_arguments(socket_io: Any) -> None:
    async with connected(socket_io) as frames:
        for arguments in ("", ',1,"2",{"3":[true]}', ',null,"ไทย"'):
            await frames.say(f'42["message"{arguments}]')
            assert await frames.hear() == f'42["message-back"{arguments}]'


@pytest.mark.parametrize("identifier", [0, 7, 456])
async def test_an_ack_has_the_identifier_of_its_event_and_an_array(socket_io: Any, identifier: int) -> None:
    async with connected(socket_io) as frames:
        await frames.say(f'42{identifier}["message-with-ack"]', f'42{identifier}["message-with-ack",1,[2]]')
        assert await frames.hear() == f"43{identifier}[]"
        assert await frames.hear() == f"43{identifier}[1,[2]]"


BINARY = '{"_placeholder":true,"num":0},{"in":[{"_placeholder":true,"num":1}]}'


@pytest.mark.parametrize(
    ("asked", "answered"),
    [
        pytest.param(f'452-["message",{BINARY}]', f'452-["message-back",{BINARY}]', id="event"),
        pytest.param(f'452-7["message-with-ack",{BINARY}]', f"462-7[{BINARY}]", id="ack"),
    ],
)
async def test_binary_data_travels_beside_its_packet(socket_io: Any, asked: str, answered: str) -> None:
    async with connected(socket_io) as frames:
        await frames.say(asked, b"\x01\x02", b"\x03")
        assert [await frames.hear() for _ in range(3)] == [answered, b"\x01\x02", b"\x03"]


async def test_binary_data_travels_by_polling_too(socket_io: Any) -> None:
    sid = (await socket_io.open())["sid"]
    await socket_io.post(sid, "40")
    heard: list[str] = []
    while len(heard) < 2:
        heard += (await socket_io.poll(sid))[1]
    packets = ['451-["message",{"_placeholder":true,"num":0}]', "bAQIDBA=="]
    assert await socket_io.post(sid, *packets) == (200, "ok")
    while len(heard) < 4:
        heard += (await socket_io.poll(sid))[1]
    assert heard[2:] == ['451-["message-back",{"_placeholder":true,"num":0}]', "bAQIDBA=="]


async def test_events_keep_their_order_through_binary_ones(socket_io: Any) -> None:
    async with connected(socket_io) as frames:
        await frames.say('42["message",1]', '451-["message",{"_placeholder":true,"num":0}]', b"2", '42["message",3]')
        heard = [await frames.hear() for _ in range(4)]
        assert (heard[0], heard[2], heard[3]) == ('42["message-back",1]', b"2", '42["message-back",3]')


@pytest.mark.parametrize(
    "packets",
    [
        pytest.param(["4abc"], id="unknown type"),
        pytest.param(["47[]"], id="a type beyond the last"),
        pytest.param(["42"], id="an event without payload"),
        pytest.param(["42{}"], id="an event that is an object"),
        pytest.param(["42[]"], id="an event without a name"),
        pytest.param(["42[{}]"], id="an event whose name is an object"),
        pytest.param(['42["message"'], id="half an array"),
        pytest.param(['42abc["message"]'], id="an identifier of letters"),
        pytest.param(["431{}"], id="an ack that is an object"),
        pytest.param(["431"], id="an ack without payload"),
        pytest.param(["43[]"], id="an ack without identifier"),
        pytest.param([b"1"], id="an attachment of nothing"),
        pytest.param(['451-["message",{"_placeholder":true,"num":0}]', '42["message"]'], id="text for an attachment"),
        pytest.param(['451-["message",{"_placeholder":true,"num":9}]', b"1"], id="a placeholder of nothing"),
        pytest.param(['4511-["message"]'], id="more attachments than anybody needs"),
    ],
)
async def test_a_broken_packet_closes_the_connection(socket_io: Any, packets: list[str | bytes]) -> None:
    async with connected(socket_io) as frames:
        await frames.say(*packets)
        assert await frames.ends()


# --- disconnection from a namespace -----------------------------------------------------------------------------------


async def test_leaving_one_namespace_leaves_the_other_connected(socket_io: Any) -> None:
    async with connected(socket_io) as frames:
        await frames.say("40/custom")
        await frames.hear()
        await frames.hear()
        await frames.say("41/custom", '42["message","still here"]')
        assert await frames.hear() == '42["message-back","still here"]'


async def test_who_left_the_main_namespace_may_connect_again(socket_io: Any) -> None:
    async with connected(socket_io) as frames:
        await frames.say("41", "40")
        assert (await frames.hear()).startswith('40{"sid":')
