"""WebSocket frames (RFC 6455, section 5): made once for all receivers, and read with every check the RFC asks for.

The reader is checked against the `websockets` library on a fuzzed corpus (tests/unit/confer_edge/test_frames.py).
"""

import struct
from collections.abc import Iterable, Iterator
from typing import Final

from websockets.speedups import apply_mask

TEXT, BINARY, CLOSE, PING, PONG = 0x1, 0x2, 0x8, 0x9, 0xA
_CONTINUATION: Final = 0x0
_CONTROL_BYTES_MAX: Final = 125
_SHORT_MAX, _SHORT_HEAD, _WHOLE_TEXT, _MASKED = 125, 6, 0x80 | TEXT, 0x80
FRAGMENTS_MAX: Final = 10_000  # of one message: empty ones would make it endless
PROTOCOL_ERROR, INVALID_DATA, TOO_BIG = 1002, 1007, 1009
_REASON_BYTES_MAX: Final = _CONTROL_BYTES_MAX - 2
_LEGAL_CLOSE_CODES: Final = frozenset({1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014})


class Violation(Exception):  # noqa: N818 - what the peer did
    """The peer broke the protocol: close with this code."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


def frame(payload: bytes, opcode: int = TEXT) -> bytes:
    """One unmasked, final frame, as servers send them."""
    size = len(payload)
    first = 0x80 | opcode
    if size < 126:
        return bytes((first, size)) + payload
    if size < 65536:
        return struct.pack("!BBH", first, 126, size) + payload
    return struct.pack("!BBQ", first, 127, size) + payload


def close_frame(code: int, reason: str = "") -> bytes:
    fits = reason.encode()[:_REASON_BYTES_MAX].decode(errors="ignore").encode()
    return frame(struct.pack("!H", code) + fits, CLOSE)


class Reader:
    """Masked frames in, whole messages out. Holds at most one message and one frame's head."""

    __slots__ = ("_awaited", "_buffer", "_fragments", "_message", "_message_opcode", "_size_max")

    def __init__(self, size_max: int) -> None:
        self._size_max = size_max
        self._buffer: bytearray | None = None  # the beginning of a frame
        self._awaited = 0  # bytes of the whole frame, as soon as they are known: until then nothing is looked at again
        self._message: bytearray | None = None  # of a fragmented message
        self._message_opcode = 0
        self._fragments = 0

    def feed(self, data: bytes) -> Iterable[tuple[int, bytes]]:
        """(opcode, payload) of each message and control frame that is complete. Text is valid UTF-8.

        Raises Violation, perhaps not before what comes earlier was taken; nothing may be fed after it.
        """
        text = self._short(data)
        return self._all(data) if text is None else ((TEXT, text),)

    def _short(self, data: bytes) -> bytes | None:
        """The payload where `data` is one short text frame and nothing else: pongs are, and most events. None: all has
        to be looked at."""
        size = len(data) - _SHORT_HEAD
        if (
            0 <= size <= _SHORT_MAX
            and data[0] == _WHOLE_TEXT
            and data[1] == _MASKED | size
            and not self._buffer
            and self._message is None
            and size <= self._size_max
        ):
            payload = apply_mask(data[_SHORT_HEAD:], data[_SHORT_HEAD - 4 : _SHORT_HEAD])
            return payload if payload.isascii() else None
        return None

    def _all(self, data: bytes) -> Iterator[tuple[int, bytes]]:
        if self._buffer:
            self._buffer += data
            if len(self._buffer) < self._awaited:
                return
            data, self._buffer, self._awaited = bytes(self._buffer), None, 0
        at, end = 0, len(data)
        while end - at >= 2:
            head = self._head(data, at, end)
            if head is None:
                break
            start, size = head
            stop = start + 4 + size
            if stop > end:
                self._awaited = stop - at
                break
            payload = apply_mask(data[start + 4 : stop], data[start : start + 4])
            found = self._message_of(data[at], payload)
            at = stop
            if found is not None:
                yield found
        if at < end:
            self._buffer = bytearray(data[at:])

    def _head(self, data: bytes, at: int, end: int) -> tuple[int, int] | None:
        """Where the mask begins, and the payload's size; None: more bytes are needed."""
        first, second = data[at], data[at + 1]
        opcode = first & 0x0F
        if first & 0x70:
            raise Violation(PROTOCOL_ERROR, "reserved bits must be 0")
        if not second & 0x80:
            raise Violation(PROTOCOL_ERROR, "a client's frame must be masked")
        size = second & 0x7F
        if BINARY < opcode < CLOSE or opcode > PONG:
            raise Violation(PROTOCOL_ERROR, "unknown opcode")
        if opcode >= CLOSE and not first & 0x80:
            raise Violation(PROTOCOL_ERROR, "a control frame must be whole")
        start = at + 2
        if size == 126:
            if end - start < 2:
                return None
            size, start = int.from_bytes(data[start : start + 2]), start + 2
        elif size == 127:
            if end - start < 8:
                return None
            size, start = int.from_bytes(data[start : start + 8]), start + 8
        if opcode >= CLOSE and size > _CONTROL_BYTES_MAX:
            raise Violation(PROTOCOL_ERROR, "a control frame must be short")
        self._check_size(opcode, size)
        return start, size

    def _check_size(self, opcode: int, size: int) -> None:
        held = len(self._message) if self._message is not None and opcode == _CONTINUATION else 0
        if size + held > self._size_max:
            raise Violation(TOO_BIG, "the message is too big")

    def _message_of(self, first: int, payload: bytes) -> tuple[int, bytes] | None:
        opcode, final = first & 0x0F, first & 0x80
        if opcode >= CLOSE:
            if opcode == CLOSE:
                if self._message is not None:  # legal by the letter; the library that we agree with refuses it
                    raise Violation(PROTOCOL_ERROR, "the fragmented message must end first")
                _check_close(payload)
            return opcode, payload
        if opcode == _CONTINUATION:
            message = self._continued(payload)
            if not final:
                return None
            opcode, payload, self._message = self._message_opcode, bytes(message), None
        elif self._message is not None:
            raise Violation(PROTOCOL_ERROR, "the fragmented message must end first")
        elif not final:
            self._message, self._message_opcode, self._fragments = bytearray(payload), opcode, 1
            return None
        if opcode == TEXT:
            _check_text(payload)
        return opcode, payload

    def _continued(self, payload: bytes) -> bytearray:
        if self._message is None:
            raise Violation(PROTOCOL_ERROR, "nothing to continue")
        self._message += payload
        self._fragments += 1
        if self._fragments > FRAGMENTS_MAX:
            raise Violation(TOO_BIG, "the message has too many fragments")
        return self._message


def _check_text(payload: bytes) -> None:
    if not payload.isascii():
        try:
            payload.decode()
        except UnicodeDecodeError:
            raise Violation(INVALID_DATA, "text must be UTF-8") from None


def _check_close(payload: bytes) -> None:
    """RFC 6455, 5.5.1 and 7.4."""
    if not payload:
        return
    if len(payload) == 1:
        raise Violation(PROTOCOL_ERROR, "a close code has two bytes")
    _check_text(payload[2:])
    code = int.from_bytes(payload[:2])
    if code not in _LEGAL_CLOSE_CODES and not 3000 <= code < 5000:
        raise Violation(PROTOCOL_ERROR, "not a close code")
