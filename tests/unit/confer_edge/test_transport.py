"""What the Socket.IO server keeps of a connection."""

from confer_edge.engine_socket import Socket
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
