"""Packets, built from bytes: a fact's JSON is spliced in, never parsed (Socket.IO v5, "Packet encoding")."""

from enum import Enum
from functools import cached_property
from typing import Any, Final

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


class Nature(Enum):
    """What may become of a packet that waits for a slow client."""

    ANSWER = "only this tells it: never dropped"
    FACT = "dropped with all others at once; a resync makes up for them"
    VIEW = "a newer one of the same key replaces it"
    EPHEMERAL = "worth something at once or never"


class Outgoing:
    """An Engine.IO packet on its way to any number of clients: one frame for all WebSockets, made once.

    `key` of a view: what it is the latest state of.
    """

    __slots__ = ("_packet", "key", "nature", "payload", "wire")

    def __init__(
        self, payload: bytes, packet: Packet | None = None, opcode: int = TEXT, nature: Nature = Nature.ANSWER,
        key: str = "",
    ) -> None:  # fmt: skip
        self.payload = payload
        self.wire = frame(payload, opcode)
        self.nature = nature
        self.key = key
        self._packet = packet

    @classmethod
    def of(cls, packet: Packet) -> "Outgoing":
        encoded = packet.encode()
        if isinstance(encoded, bytes):
            packet.encode_cache = (
                None  # by polling it goes as base64 (Engine.IO v4, "HTTP long-polling"), not from here
            )
            return cls(encoded, packet, BINARY)
        return cls(encoded.encode(), packet)

    @property
    def packet(self) -> Packet:
        """The library's form of it, for clients that poll."""
        if self._packet is None:
            self._packet = Packet(MESSAGE, self.payload[1:].decode())
        return self._packet


class Event:
    """An EVENT of the namespace `/` on its way to any number of clients, in at most two encodings.

    A client that was given a pid takes any string at the end of an event, even the event's own name, for the offset
    of connection state recovery. So to those a fact ends with its `offset`, and whatever else would end in a string,
    or has no data, with null: decided here and nowhere else (ADR 0010).
    """

    def __init__(
        self, name: str, body: bytes, offset: str | None = None, nature: Nature = Nature.ANSWER, key: str = ""
    ) -> None:
        self._name = name.encode()
        self._body = body
        self._offset = offset
        self._nature = nature
        self._key = key

    @property
    def size(self) -> int:
        """Bytes of its body."""
        return len(self._body)

    @cached_property
    def plain(self) -> Outgoing:
        """For clients that know nothing of offsets."""
        return self._packed(b",%b" % self._body if self._body else b"")

    @cached_property
    def marked(self) -> Outgoing:
        """For clients with a pid."""
        if self._offset is None and self._body and not self._body.startswith(b'"'):
            return self.plain
        mark = b"null" if self._offset is None else b'"%b"' % self._offset.encode()
        return self._packed((b",%b" % self._body if self._body else b"") + b"," + mark)

    def _packed(self, arguments: bytes) -> Outgoing:
        return Outgoing(b'42["%b"%b]' % (self._name, arguments), nature=self._nature, key=self._key)


GOODBYE: Final = Outgoing(b"41")  # DISCONNECT: the client does not connect again by itself


def event(name: str, body: bytes, offset: str | None = None) -> Event:
    """`["name", <body>]` as an answer; `body` is JSON without leading space."""
    return Event(name, body, offset)


def fact(name: str, body: bytes, offset: str | None = None) -> Event:
    """`offset`: `<epoch>.<sequence>`; whoever has this event has everything up to it."""
    return Event(name, body, offset, Nature.FACT)


def view(name: str, body: bytes, key: str) -> Event:
    """The latest state of `key`, or with an empty one something ephemeral."""
    return Event(name, body, nature=Nature.VIEW if key else Nature.EPHEMERAL, key=key)


def bare_event(name: str) -> Event:
    """An EVENT without data."""
    return Event(name, b"")


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
