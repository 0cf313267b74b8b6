"""Our reader of WebSocket frames agrees with the `websockets` library, on each rule and on a fuzzed corpus."""

import logging
import random

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from websockets.frames import Frame, Opcode
from websockets.protocol import State
from websockets.server import ServerProtocol

from confer_edge.frames import BINARY, CLOSE, FRAGMENTS_MAX, PING, PONG, TEXT, Reader, Violation, close_frame, frame

SIZE_MAX = 300
Outcome = tuple[list[tuple[int, bytes]], int | None]
logging.getLogger("oracle").setLevel(logging.CRITICAL)


def ours(chunks: list[bytes]) -> Outcome:
    """What came out until the end, or until a close frame; and the code of a violation."""
    reader, out = Reader(SIZE_MAX), []
    try:
        for chunk in chunks:
            for opcode, payload in reader.feed(chunk):
                out.append((opcode, payload))
                if opcode == CLOSE:
                    return out, None
    except Violation as violation:
        return out, violation.code
    return out, None


def theirs(chunks: list[bytes]) -> Outcome:
    oracle = ServerProtocol(max_size=SIZE_MAX, logger=logging.getLogger("oracle"))
    oracle.state = State.OPEN
    oracle.parser = oracle.parse()
    next(oracle.parser)
    out: list[tuple[int, bytes]] = []
    message: list[bytes] = []
    opcode = 0
    for chunk in chunks:
        if oracle.parser_exc is not None or any(o == CLOSE for o, _ in out):
            break
        oracle.receive_data(chunk)
        for event in oracle.events_received():
            assert isinstance(event, Frame)
            if event.opcode in (Opcode.TEXT, Opcode.BINARY, Opcode.CONT):
                if event.opcode is not Opcode.CONT:
                    opcode, message = int(event.opcode), []
                message.append(bytes(event.data))
                if event.fin:
                    whole = b"".join(message)
                    if opcode == TEXT:
                        try:
                            whole.decode()
                        except UnicodeDecodeError:  # the library leaves this to whoever decodes
                            return out, 1007
                    out.append((opcode, whole))
            else:
                out.append((int(event.opcode), bytes(event.data)))
    failure = oracle.parser_exc
    if failure is None or any(o == CLOSE for o, _ in out):
        return out, None
    assert oracle.close_sent is not None
    return out, oracle.close_sent.code


def masked(first: int, payload: bytes, *, mask_bit: int = 0x80, length: int | None = None) -> bytes:
    size = len(payload) if length is None else length
    mask = random.Random(size).randbytes(4)
    head = bytes([first])
    if size < 126:
        head += bytes([mask_bit | size])
    elif size < 65536:
        head += bytes([mask_bit | 126]) + size.to_bytes(2)
    else:
        head += bytes([mask_bit | 127]) + size.to_bytes(8)
    return head + (mask if mask_bit else b"") + bytes(b ^ mask[i % 4] for i, b in enumerate(payload))


RULES: dict[str, list[bytes]] = {
    "text": [masked(0x81, b"2probe")],
    "empty": [masked(0x81, b"")],
    "thai": [masked(0x81, "สวัสดี".encode())],
    "not utf-8": [masked(0x81, b"\xff\xfe")],
    "half a character": [masked(0x81, "ส".encode()[:2])],
    "a character over two fragments": [masked(0x01, "ส".encode()[:2]), masked(0x80, "ส".encode()[2:])],
    "surrogate": [masked(0x81, b"\xed\xa0\x80")],
    "binary": [masked(0x82, b"\x00\xff")],
    "fragments": [masked(0x01, b"a"), masked(0x00, b"b"), masked(0x80, b"c")],
    "ping between fragments": [masked(0x01, b"a"), masked(0x89, b"p"), masked(0x80, b"c")],
    "continuation of nothing": [masked(0x80, b"a")],
    "text inside a fragmented message": [masked(0x01, b"a"), masked(0x81, b"b")],
    "reserved bit": [masked(0xC1, b"a")],
    "unmasked": [masked(0x81, b"a", mask_bit=0)],
    "unknown data opcode": [masked(0x83, b"a")],
    "unknown control opcode": [masked(0x8B, b"a")],
    "fragmented ping": [masked(0x09, b"a")],
    "long ping": [masked(0x89, b"a" * 126)],
    "largest": [masked(0x81, b"a" * SIZE_MAX)],
    "too big": [masked(0x81, b"a" * (SIZE_MAX + 1))],
    "too big by its head alone": [masked(0x81, b"", length=2**40)],
    "too big in fragments": [masked(0x01, b"a" * 200), masked(0x80, b"a" * 200)],
    "close": [masked(0x88, b"")],
    "close with code": [masked(0x88, (1001).to_bytes(2) + b"bye")],
    "close with half a code": [masked(0x88, b"\x03")],
    "close with an illegal code": [masked(0x88, (1005).to_bytes(2))],
    "close with a reason that is not utf-8": [masked(0x88, (1000).to_bytes(2) + b"\xff")],
    "close inside a fragmented message": [masked(0x01, b"a"), masked(0x88, b"")],
    "pong": [masked(0x8A, b"x")],
}


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("size", [1, 2, 3, 7, 10_000])
def test_each_rule_however_it_is_cut(rule: str, size: int) -> None:
    stream = b"".join(RULES[rule])
    chunks = [stream[i : i + size] for i in range(0, len(stream), size)]
    assert ours(chunks) == theirs(chunks)


def test_the_rest_of_a_frame_may_look_like_a_whole_one() -> None:
    inner = masked(0x81, b"3")
    mask = random.Random(len(inner)).randbytes(4)
    stream = masked(0x82, bytes(b ^ mask[i % 4] for i, b in enumerate(inner)))
    assert stream.endswith(inner)
    chunks = [stream[: -len(inner)], inner]
    assert ours(chunks) == theirs(chunks)


def test_a_short_message_may_be_too_big() -> None:
    with pytest.raises(Violation, match="too big"):
        list(Reader(10).feed(masked(0x81, b"a" * 11)))


FRAMES = st.builds(
    masked,
    st.one_of(st.sampled_from([0x81, 0x82, 0x01, 0x00, 0x80, 0x88, 0x89, 0x8A]), st.integers(0, 255)),
    st.one_of(st.binary(max_size=140), st.text(max_size=40).map(str.encode)),
    mask_bit=st.sampled_from([0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0]),
)


TAIL = bytes(SIZE_MAX + 20)  # completes whatever was begun: the library judges some heads only with their payload


def agree(stream: bytes, size: int) -> None:
    """The same messages, and a violation in both or none; a frame with two faults may be blamed for either."""
    chunks = [stream[i : i + size] for i in range(0, len(stream), size)]
    (our_messages, our_code), (their_messages, their_code) = ours(chunks), theirs(chunks)
    assert our_messages == their_messages
    assert (our_code is None) == (their_code is None)


@settings(max_examples=400, deadline=None)
@given(st.lists(FRAMES, min_size=1, max_size=8), st.integers(1, 64))
def test_any_frames_however_they_are_cut(frames: list[bytes], size: int) -> None:
    agree(b"".join(frames) + TAIL, size)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200))
@example(b"\x88\xfe")  # a control frame whose length is short, and written as if it were long
def test_any_bytes(noise: bytes) -> None:
    agree(noise + TAIL, len(noise) + len(TAIL))


@pytest.mark.parametrize("size", [0, 1, 125, 126, 127, 65535, 65536])
@pytest.mark.parametrize("opcode", [TEXT, BINARY])
def test_what_we_write_is_what_the_library_writes(size: int, opcode: int) -> None:
    assert frame(b"a" * size, opcode) == Frame(Opcode(opcode), b"a" * size).serialize(mask=False)


def test_control_frames() -> None:
    assert close_frame(1012, "restart") == frame((1012).to_bytes(2) + b"restart", CLOSE)
    assert close_frame(1013, "ก" * 50) == frame((1013).to_bytes(2) + "ก".encode() * 41, CLOSE), "whole characters"
    assert frame(b"x", PONG)[0] == 0x8A
    assert frame(b"", PING)[:2] == b"\x89\x00"


def test_a_message_has_an_end() -> None:
    """Empty fragments cost nothing to send, and would go on for ever."""
    fragments = [masked(0x01, b"")] + [masked(0x00, b"")] * (FRAGMENTS_MAX - 2)
    assert ours([*fragments, masked(0x80, b"a")]) == ([(TEXT, b"a")], None)
    assert ours([*fragments, masked(0x00, b""), masked(0x80, b"a")]) == ([], 1009)


def test_a_large_frame_that_comes_byte_by_byte_is_looked_at_a_few_times(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each look copies what is there: with one for each byte, the work would grow with the square of the size."""
    looks, look = 0, Reader._head

    def counted(reader: Reader, data: bytes, at: int, end: int) -> tuple[int, int] | None:
        nonlocal looks
        looks += 1
        return look(reader, data, at, end)

    monkeypatch.setattr(Reader, "_head", counted)
    reader, stream = Reader(1 << 20), masked(0x82, bytes(200_000))
    for at in range(len(stream) - 1):
        assert not list(reader.feed(stream[at : at + 1]))
    assert list(reader.feed(stream[-1:])) == [(BINARY, bytes(200_000))]
    assert looks < 20
