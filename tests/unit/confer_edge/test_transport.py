"""What the Socket.IO server keeps of a connection."""

from confer_edge.settings import EdgeSettings
from confer_edge.transport import Server


async def test_of_a_connections_request_headers_and_cookies_are_not_kept() -> None:
    server = Server(EdgeSettings(), [])
    request = {"QUERY_STRING": "EIO=4", "PATH_INFO": "/socket.io/", "HTTP_COOKIE": "secret", "asgi.scope": {}}
    assert await server._handle_eio_connect("e1", request) is None
    assert server.environ["e1"] == {"QUERY_STRING": "EIO=4", "PATH_INFO": "/socket.io/"}
    assert "HTTP_COOKIE" in request, "the request itself is still being answered"
