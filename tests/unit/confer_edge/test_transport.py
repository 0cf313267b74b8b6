"""What the Socket.IO server keeps of a connection."""

import asyncio

import pytest
import socketio

from confer_edge.engine_socket import Socket
from confer_edge.frames import TEXT
from confer_edge.settings import EdgeSettings
from confer_edge.transport import Server


async def test_of_a_connections_request_headers_and_cookies_are_not_kept() -> None:
    server = Server(EdgeSettings(), [])
    request = {"QUERY_STRING": "EIO=4", "HTTP_COOKIE": "secret", "asgi.scope": {"client": ("127.0.0.1", 1)}}
    await server.eio._handle_connect(request, "polling")
    (socket,) = server.eio.sockets.values()
    assert isinstance(socket, Socket)
    assert socket.query == "EIO=4"
    assert not server.environ
    assert "secret" not in repr(vars(socket))


async def test_who_polls_is_told_the_route_that_its_id_begins_with() -> None:
    routes = set()
    for _ in range(2):
        server = Server(EdgeSettings(route="auto"), [])
        answer = await server.eio._handle_connect({"asgi.scope": {"client": ("127.0.0.1", 1)}}, "polling")
        ((sid, _),) = server.eio.sockets.items()
        route = dict(answer["headers"])["X-Confer-Route"]
        assert sid.startswith(f"{route}.")
        routes.add(route)
    assert len(routes) == 2, "each start has its own"


async def test_one_client_is_found_by_its_sid_alone() -> None:
    manager = Server(EdgeSettings(), []).manager
    manager.admit("s1", "e1")
    manager.admit("s2", "e2")
    assert list(manager.get_participants("/", "s1")) == [("s1", "e1")]
    assert sorted(manager.get_participants("/", None)) == [("s1", "e1"), ("s2", "e2")]
    manager.admit("s1", "e3")
    assert manager.sid_from_eio_sid("e1", "/") is None, "another connection has it now"
    manager.basic_disconnect("s1", "/")
    assert list(manager.get_participants("/", "s1")) == []


async def heard(socket: Socket) -> str:
    (packet,) = await socket.poll()
    return str(packet.encode())


async def test_the_server_asks_a_client_and_waits_for_its_answer_but_not_for_ever() -> None:
    """Acknowledgements work in this direction too (Socket.IO v5, "Acknowledgement")."""
    server = Server(EdgeSettings(), [])
    server.on_connect = lambda eio_sid, auth: ("s1", None, lambda: None)
    request = {"QUERY_STRING": "EIO=4", "asgi.scope": {"client": ("127.0.0.1", 1)}}
    await server.eio._handle_connect(request, "polling")
    (socket,) = server.eio.sockets.values()
    socket.receive_frame(TEXT, b"40")
    assert await heard(socket) == '40{"sid":"s1"}'

    asking = asyncio.ensure_future(server.call("how many?", {"of": "tabs"}, to="s1", timeout=60))
    assert await heard(socket) == '421["how many?",{"of":"tabs"}]'
    socket.receive_frame(TEXT, b'431["two",2]')
    assert await asking == ("two", 2)

    asking = asyncio.ensure_future(server.call("and now?", to="s1", timeout=0.01))
    assert await heard(socket) == '422["and now?"]'
    with pytest.raises(socketio.exceptions.TimeoutError):
        await asking
    socket.receive_frame(TEXT, b'432["late"]')
    socket.receive_frame(TEXT, b'439["an answer to nothing"]')
    assert not socket.closed
