"""Packets, built from bytes: a fact's JSON is spliced in, never parsed (Socket.IO v5, "Packet encoding")."""

from typing import Any

import orjson
from engineio.packet import MESSAGE, Packet


class OrJson:
    """orjson behind the interface that python-socketio and engineio ask for."""

    @staticmethod
    def loads(text: str | bytes) -> Any:
        return orjson.loads(text)

    @staticmethod
    def dumps(value: Any, **_: Any) -> str:
        return orjson.dumps(value).decode()


def event(name: str, body: bytes) -> Packet:
    """The EVENT packet `["name", <body>]`, for the namespace `/`."""
    return Packet(MESSAGE, f'2["{name}",{body.decode()}]')


def bare_event(name: str) -> Packet:
    """An EVENT without data."""
    return Packet(MESSAGE, f'2["{name}"]')


def ack(identifier: int, body: bytes) -> Packet:
    """The ACK packet with one argument."""
    return Packet(MESSAGE, f"3{identifier}[{body.decode()}]")


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
