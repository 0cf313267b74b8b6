"""Connections without number and without end: bounded per address and in all, and each wait has its end.

Each test comes from an address of its own within 127.0.0.0/8.
"""

import asyncio
import itertools
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import pytest

from .conftest import app

PATIENCE_S = 30.0
PER_ADDRESS, HTTP_PER_ADDRESS = 3, 9
QUERY = {"EIO": "4", "transport": "polling"}
_numbers = itertools.count(1)


@pytest.fixture
def address() -> str:
    return f"127.0.1.{next(_numbers)}"


@asynccontextmanager
async def http_from(address: str) -> AsyncIterator[aiohttp.ClientSession]:
    connector = aiohttp.TCPConnector(local_addr=(address, 0), force_close=True)
    async with aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(PATIENCE_S)) as session:
        yield session


async def ask(http: aiohttp.ClientSession, url: str, method: str = "GET", body: Any = None, **more: Any) -> Any:
    """(status, text)."""
    headers = {"X-Forwarded-For": more.pop("forwarded")} if "forwarded" in more else {}
    async with http.request(
        method, f"{url}/engine.io/", params={**QUERY, **more}, data=body, headers=headers
    ) as answer:
        return answer.status, await answer.text()


async def opened(http: aiohttp.ClientSession, url: str, **more: Any) -> str:
    status, text = await ask(http, url, **more)
    assert status == 200, text
    return str(json.loads(text[1:])["sid"])


async def let_in(http: aiohttp.ClientSession, url: str) -> None:
    """As soon as there is room."""
    async with asyncio.timeout(PATIENCE_S):
        while (await ask(http, url))[0] in (429, 503):
            await asyncio.sleep(0.02)


class Trickle:
    """A bare connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def end(self) -> bytes:
        """What came until the connection ended."""
        heard = b""
        async with asyncio.timeout(PATIENCE_S):
            try:
                while piece := await self.reader.read(1 << 16):
                    heard += piece
            except ConnectionError:
                pass
        return heard

    async def drip(self, piece: bytes) -> bytes:
        """The same piece again and again, until the connection ends; and what came."""
        ended = asyncio.ensure_future(self.end())
        while not ended.done():
            self.writer.write(piece)
            await asyncio.wait([ended], timeout=0.05)
        return ended.result()


@asynccontextmanager
async def connection(url: str, address: str) -> AsyncIterator[Trickle]:
    at = urlsplit(url)
    reader, writer = await asyncio.open_connection(at.hostname, at.port, local_addr=(address, 0))
    try:
        yield Trickle(reader, writer)
    finally:
        writer.transport.abort()


# --- what never ends ----------------------------------------------------------------------------------------


async def test_a_connection_that_says_nothing_is_ended(strict_app: str, address: str) -> None:
    async with connection(strict_app, address) as silent:
        assert (await silent.end()).startswith(b"HTTP/1.1 408 ")


@pytest.mark.parametrize(
    "begun",
    [
        pytest.param(b"GET /engine.io/?EIO=4", id="line"),
        pytest.param(b"GET / HTTP/1.1\r\nHost: a\r\nCookie: ", id="header"),
        pytest.param(b"GET / HTTP/1.1\r\nContent-Length: 9000\r\n\r\n", id="body that nobody reads"),
        pytest.param(
            b"GET /engine.io/?EIO=4&transport=websocket HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nx: ",
            id="half a WebSocket handshake",
        ),
    ],
)
async def test_a_request_that_trickles_is_ended(strict_app: str, address: str, begun: bytes) -> None:
    async with connection(strict_app, address) as slow:
        slow.writer.write(begun)
        assert b"HTTP/1.1 408 " in await slow.drip(b"x")


async def test_the_second_request_of_a_connection_has_the_same_end(strict_app: str, address: str) -> None:
    async with connection(strict_app, address) as slow:
        slow.writer.write(b"GET /engine.io/?EIO=4&transport=polling HTTP/1.1\r\nHost: a\r\n\r\n")
        assert b"upgrades" in await slow.reader.readuntil(b"}")
        assert b"HTTP/1.1 408 " in await slow.drip(b"\r\n")


async def test_a_post_that_breaks_off_is_not_taken_for_a_whole_one(strict_app: str, address: str) -> None:
    async with http_from(address) as http:
        sid = await opened(http, strict_app)
        async with connection(strict_app, address) as slow:
            head = f"POST /engine.io/?EIO=4&transport=polling&sid={sid} HTTP/1.1\r\nContent-Length: 9000\r\n\r\n"
            slow.writer.write(head.encode() + b"4echo this\x1e4")
            assert b"HTTP/1.1 408 " in await slow.drip(b"x")
        assert (await ask(http, strict_app, sid=sid))[0] == 400, "the session has ended, and nothing came back"


async def test_a_head_without_end_is_refused(strict_app: str, address: str) -> None:
    async with connection(strict_app, address) as long:
        long.writer.write(b"GET / HTTP/1.1\r\n")
        assert b"HTTP/1.1 431 " in await long.drip(b"Cookie: " + b"x" * 8000 + b"\r\n")


async def test_a_query_without_end_is_refused(strict_app: str, address: str) -> None:
    """A token of 100 kB, say."""
    async with http_from(address) as http:
        assert (await ask(http, strict_app, token="x" * 100_000))[0] == 400


async def test_an_answer_that_is_not_read_is_given_up(strict_app: str, address: str) -> None:
    packets, size = 16, 900_000
    async with http_from(address) as http:
        sid = await opened(http, strict_app)
        for _ in range(packets):
            assert (await ask(http, strict_app, "POST", b"4" + b"x" * size, sid=sid))[0] == 200
        async with connection(strict_app, address) as deaf:
            deaf.writer.transport.pause_reading()  # type: ignore[attr-defined] # a read transport as well
            deaf.writer.write(f"GET /engine.io/?EIO=4&transport=polling&sid={sid} HTTP/1.1\r\n\r\n".encode())
            await asyncio.sleep(5)
            deaf.writer.transport.resume_reading()  # type: ignore[attr-defined]
            assert len(await deaf.end()) < packets * size
        assert (await ask(http, strict_app, "POST", "4alive", sid=sid))[0] == 200


async def test_an_upgrade_that_is_not_finished_is_given_up_and_the_session_goes_on(
    strict_app: str, address: str
) -> None:
    async with http_from(address) as http:
        sid = await opened(http, strict_app)
        query = {"EIO": "4", "transport": "websocket", "sid": sid}
        for _ in range(2):
            async with http.ws_connect(f"{strict_app}/engine.io/", params=query) as socket:
                await socket.send_str("2probe")
                assert (await socket.receive(PATIENCE_S)).data == "3probe"
                assert (await socket.receive(PATIENCE_S)).type is aiohttp.WSMsgType.CLOSE
            while (await ask(http, strict_app, "POST", "4on", sid=sid)) == (200, "ok"):
                status, text = await ask(http, strict_app, sid=sid)
                assert status == 200
                if "4on" in text:
                    break


# --- how many -------------------------------------------------------------------------------------------------


async def test_an_address_has_so_many_clients(strict_app: str, address: str) -> None:
    """On both transports; an upgrade is no second one; who leaves makes room."""
    async with http_from(address) as http, http_from("127.0.8.1") as elsewhere, AsyncExitStack() as stack:
        websocket = {"EIO": "4", "transport": "websocket"}
        first = await stack.enter_async_context(http.ws_connect(f"{strict_app}/engine.io/", params=websocket))
        sids = [await opened(http, strict_app) for _ in range(PER_ADDRESS - 1)]
        upgrading = await stack.enter_async_context(
            http.ws_connect(f"{strict_app}/engine.io/", params={**websocket, "sid": sids[0]})
        )
        await upgrading.send_str("2probe")
        assert (await upgrading.receive(PATIENCE_S)).data == "3probe"
        await upgrading.send_str("5")

        status, text = await ask(http, strict_app)
        assert (status, json.loads(text)["code"]) == (429, 4)
        assert json.loads(text)["message"] == "connections: this address has as many as it may have"
        assert (await ask(http, strict_app, forwarded="192.0.2.1"))[0] == 429, "nobody may say to be somebody else"
        with pytest.raises(aiohttp.WSServerHandshakeError) as refusal:
            await http.ws_connect(f"{strict_app}/engine.io/", params=websocket)
        assert refusal.value.status == 429
        await opened(elsewhere, strict_app)

        for end in (first.close(), upgrading.close(), ask(http, strict_app, "POST", "1", sid=sids[1])):
            await end
            await let_in(http, strict_app)
        assert (await ask(http, strict_app))[0] == 429


async def test_behind_a_trusted_proxy_the_clients_count(strict_app: str) -> None:
    async with http_from("127.0.9.1") as proxy:
        for client in ("192.0.2.1", "192.0.2.2, 127.0.9.7", "1.1.1.1, 192.0.2.3"):
            for _ in range(PER_ADDRESS):
                await opened(proxy, strict_app, forwarded=client)
            assert (await ask(proxy, strict_app, forwarded=client))[0] == 429
        assert (await ask(proxy, strict_app, forwarded="9.9.9.9, 192.0.2.3"))[0] == 429, "only what the proxy added"
        async with AsyncExitStack() as stack:
            for _ in range(HTTP_PER_ADDRESS + 1):
                await stack.enter_async_context(connection(strict_app, "127.0.9.1"))
            await opened(proxy, strict_app, forwarded="192.0.2.9")


async def test_an_address_has_so_many_open_connections(strict_app: str, address: str) -> None:
    async with AsyncExitStack() as stack:
        for _ in range(HTTP_PER_ADDRESS):
            await stack.enter_async_context(connection(strict_app, address))
        async with connection(strict_app, address) as one_more:
            one_more.writer.write(b"GET / HTTP/1.1\r\n\r\n")
            assert (await one_more.end()).startswith(b"HTTP/1.1 429 ")
        async with http_from("127.0.8.2") as elsewhere:
            await opened(elsewhere, strict_app)
    async with http_from(address) as http:
        await let_in(http, strict_app)


async def test_an_edge_has_so_many_clients() -> None:
    with app(CONFER_CONNECTIONS_MAX="2") as url:
        async with http_from("127.0.0.1") as http:
            sids = [await opened(http, url) for _ in range(2)]
            status, text = await ask(http, url)
            assert (status, json.loads(text)) == (
                503, {"code": 4, "message": "connections: this edge has as many as it may have"},
            )  # fmt: skip
            await ask(http, url, "POST", "1", sid=sids[0])
            await let_in(http, url)


async def test_behind_a_trusted_proxy_the_websockets_of_a_client_count_however_it_is_told(strict_app: str) -> None:
    """A handshake that repeats a header takes the long way: both find the same client."""
    client = "192.0.2.77"
    once, twice = [("X-Forwarded-For", client)], [("X-Forwarded-For", "9.9.9.9"), ("X-Forwarded-For", client)]
    async with http_from("127.0.9.2") as proxy, AsyncExitStack() as stack:
        for headers in itertools.islice(itertools.cycle((once, twice)), PER_ADDRESS):
            socket = await stack.enter_async_context(handshake(proxy, strict_app, headers))
            assert (await socket.receive(PATIENCE_S)).data.startswith('0{"sid":')
        for headers in (once, twice):
            with pytest.raises(aiohttp.WSServerHandshakeError) as refusal:
                await handshake(proxy, strict_app, headers)
            assert refusal.value.status == 429


def handshake(http: aiohttp.ClientSession, url: str, headers: list[tuple[str, str]]) -> Any:
    return http.ws_connect(f"{url}/engine.io/", params={"EIO": "4", "transport": "websocket"}, headers=headers)


async def test_a_websocket_is_accepted_and_greeted(patient_app: str) -> None:
    async with connection(patient_app, "127.0.0.1") as bare:
        bare.writer.write(
            b"GET /engine.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\n"
            b"Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        )
        async with asyncio.timeout(PATIENCE_S):
            head = await bare.reader.readuntil(b"\r\n\r\n")
            length = (await bare.reader.readexactly(2))[1]
            assert b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" in head, "the sample of RFC 6455, 1.3"
            assert (await bare.reader.readexactly(length)).startswith(b'0{"sid":"')


# --- how often ------------------------------------------------------------------------------------------------


async def test_an_address_comes_so_often_even_if_nobody_stays(rare_app: str, address: str) -> None:
    """On both transports; nobody else notices, and who is there stays."""
    limit = "connects: more than 0.001 per second and 3 at once from this address"
    websocket = {"EIO": "4", "transport": "websocket"}
    async with http_from(address) as http, http_from("127.0.8.3") as elsewhere:
        first = await opened(http, rare_app)
        for _ in range(2):
            await (await http.ws_connect(f"{rare_app}/engine.io/", params=websocket)).close()
        async with http.get(f"{rare_app}/engine.io/", params=QUERY) as refused:
            assert (refused.status, await refused.json(content_type=None)) == (429, {"code": 4, "message": limit})
            assert 900 <= int(refused.headers["Retry-After"]) <= 1000
        with pytest.raises(aiohttp.WSServerHandshakeError) as refusal:
            await http.ws_connect(f"{rare_app}/engine.io/", params=websocket)
        assert refusal.value.status == 429
        assert refusal.value.headers is not None
        assert 900 <= int(refusal.value.headers["Retry-After"]) <= 1000
        assert (await ask(http, rare_app, forwarded="192.0.2.1"))[0] == 429, "nobody may say to be somebody else"
        assert await ask(http, rare_app, "POST", "4x", sid=first) == (200, "ok")
        await opened(elsewhere, rare_app)


async def test_behind_a_trusted_proxy_each_client_comes_so_often(rare_app: str) -> None:
    async with http_from("127.0.9.2") as proxy:
        for client in ("192.0.2.1", "2001:db8::1"):
            for _ in range(3):
                await opened(proxy, rare_app, forwarded=client)
            assert (await ask(proxy, rare_app, forwarded=client))[0] == 429
        assert (await ask(proxy, rare_app, forwarded="2001:db8::ffff"))[0] == 429, "the same subscriber"
