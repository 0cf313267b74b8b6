"""Packets, built from bytes: a fact's JSON is spliced in, never parsed (Socket.IO v5, "Packet encoding")."""

from typing import Any

import orjson
from engineio.packet import MESSAGE, Packet

from confer_edge.frames import BINARY, TEXT, frame


class OrJson:
    """orjson behind the interface that python-socketio and engineio ask for."""

    @staticmethod
    def loads(text: str | bytes) -> Any:
        return orjson.loads(text)

    @staticmethod
    def dumps(value: Any, **_: Any) -> str:
        return orjson.dumps(value).decode()


class Outgoing:
    """An Engine.IO packet on its way to any number of clients: one frame for all WebSockets, made once."""

    __slots__ = ("_packet", "payload", "wire")

    def __init__(self, payload: bytes, packet: Packet | None = None, opcode: int = TEXT) -> None:
        self.payload = payload
        self.wire = frame(payload, opcode)
        self._packet = packet

    @classmethod
    def of(cls, packet: Packet) -> "Outgoing":
        encoded = packet.encode()
        if isinstance(encoded, bytes):
            return cls(encoded, packet, BINARY)
        return cls(encoded.encode(), packet)

    @property
    def packet(self) -> Packet:
        """The library's form of it, for clients that poll."""
        if self._packet is None:
            self._packet = Packet(MESSAGE, self.payload[1:].decode())
        return self._packet


def event(name: str, body: bytes) -> Outgoing:
    """The EVENT packet `["name", <body>]`, for the namespace `/`."""
    return Outgoing(b'42["%b",%b]' % (name.encode(), body))


def bare_event(name: str) -> Outgoing:
    """An EVENT without data."""
    return Outgoing(b'42["%b"]' % name.encode())


def ack(identifier: int, body: bytes) -> Outgoing:
    """The ACK packet with one argument."""
    return Outgoing(b"43%d[%b]" % (identifier, body))


def nesting(text: str) -> int:
    """The deepest nesting of brackets outside strings: known without parsing."""
    depth = deepest = 0
    in_string = escaped = False
    for c in text:
        if in_string:
            in_string = escaped or c != '"'
            escaped = c == "\\" and not escaped
        elif c == '"':
            in_string = True
        elif c in "[{":
            depth += 1
            deepest = max(deepest, depth)
        elif c in "]}":
            depth -= 1
    return deepest


def depth_of(value: Any) -> int:
    """Levels of nesting of parsed JSON, counted without recursion."""
    deepest, pending = 0, [(value, 1)]
    while pending:
        item, level = pending.pop()
        if isinstance(item, dict | list):
            deepest = max(deepest, level)
            children = item.values() if isinstance(item, dict) else item
            pending += [(child, level + 1) for child in children]
    return deepest
