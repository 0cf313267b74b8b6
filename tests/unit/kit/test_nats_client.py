"""Messages and headers as nats-server sends them; and the same as the library reads them, whatever is in them and
wherever it is cut into pieces."""

import itertools
import string
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from nats.aio.client import Client

from confer_kit.nats_client import DirectClient, parsed, written

NAMES = st.text(string.ascii_letters + string.digits + "-", min_size=1, max_size=20)
VALUES = st.text(st.characters(min_codepoint=32, max_codepoint=0x2FFF), max_size=40)


def test_a_message_has_its_headers() -> None:
    block = b"NATS/1.0\r\nConfer-Event: field_updated\r\nNats-Stream-Source: SYNC:live 12 log.> room.p1\r\n\r\n"
    assert parsed(block) == {
        "Confer-Event": "field_updated",
        "Nats-Stream-Source": "SYNC:live 12 log.> room.p1",
    }


def test_a_status_is_a_header_with_or_without_description() -> None:
    assert parsed(b"NATS/1.0 503\r\n\r\n") == {"Status": "503"}
    heartbeat = b"NATS/1.0 100 Idle Heartbeat\r\nNats-Last-Consumer: 10\r\nNats-Last-Stream: 20\r\n\r\n"
    assert parsed(heartbeat) == {"Status": "100", "Nats-Last-Consumer": "10", "Nats-Last-Stream": "20"}


def test_a_line_that_is_no_header_is_passed_over() -> None:
    assert parsed(b"NATS/1.0\r\nnothing\r\nA:b\r\n\r\n") == {"A": "b"}


@given(st.dictionaries(NAMES, VALUES, min_size=1))
def test_it_reads_what_the_library_reads(headers: dict[str, str]) -> None:
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items()).encode()
    assert parsed(b"NATS/1.0\r\n" + lines + b"\r\n") == Client._parse_header_lines(lines)


class Reading(DirectClient):
    """What is read, by whatever way. Subscription 7 is direct."""

    def __init__(self) -> None:
        super().__init__()
        self.read: list[tuple[Any, ...]] = []
        self._direct[7] = self._hear

    def _hear(self, subject: str, reply: str, data: bytes, headers: Mapping[str, str]) -> None:
        self.read.append((7, subject, reply, data, dict(headers)))

    async def _process_msg(self, sid: int, subject: bytes, reply: bytes, data: bytes, headers: bytes) -> None:
        if sid == 7:
            await super()._process_msg(sid, subject, reply, data, headers)
        else:
            self.read.append((sid, subject.decode(), reply.decode(), data, parsed(headers) if headers else {}))

    async def _process_ping(self) -> None:
        self.read.append(("PING",))


def wired(sid: int, reply: str, data: bytes, name: str) -> bytes:
    head = f"NATS/1.0\r\nName: {name}\r\n\r\n".encode() if name else b""
    sizes = f"{len(head)} {len(head) + len(data)}" if head else str(len(data))
    line = f"{'H' if head else ''}MSG room.p1 {sid} {reply and reply + ' '}{sizes}\r\n"
    return line.encode() + head + data + b"\r\n"


MESSAGES = st.tuples(
    st.sampled_from([7, 7, 8]), st.sampled_from(["", "$JS.ACK.x"]),
    st.binary(max_size=30) | st.just(b"HMSG x 7 0 2\r\n12\r\n"), st.sampled_from(["", "field_updated"]),
)  # fmt: skip
ONE = (7, "$JS.ACK.x", b"{}", "field_updated")


@given(st.lists(MESSAGES | st.none(), max_size=6), st.lists(st.integers(1, 400), max_size=8))
@example([ONE, None, ONE], [30, 90])
@example([(8, "", b"HMSG x 7 0 2\r\n12\r\n", "")], [len("MSG room.p1 8 20\r\n")])
async def test_it_reads_what_was_sent_wherever_that_is_cut(
    sent: list[tuple[int, str, bytes, str] | None], cuts: list[int]
) -> None:
    wire = b"".join(b"PING\r\n" if one is None else wired(*one) for one in sent)
    bounds = [0, *sorted({cut for cut in cuts if cut < len(wire)}), len(wire)]
    client = Reading()
    for begin, end in itertools.pairwise(bounds):
        await client._ps.parse(wire[begin:end])
    expected = [
        ("PING",) if one is None else (one[0], "room.p1", one[1], one[2], {"Name": one[3]} if one[3] else {})
        for one in sent
    ]
    assert client.read == expected


@pytest.mark.parametrize("later", [False, True])
async def test_who_fails_does_not_end_the_reading(later: bool) -> None:
    client = Reading()

    async def fail() -> None:
        raise ValueError

    def receive(*_: Any) -> Any:
        if later:
            return fail()
        raise ValueError

    client._direct[9] = receive
    await client._ps.parse(wired(9, "", b"1", "a") + wired(7, "", b"2", "a"))
    assert [one[3] for one in client.read] == [b"2"]


@given(st.dictionaries(NAMES, st.text(max_size=20), max_size=5))
def test_what_is_sent_with_headers_is_what_the_library_would_send(headers: dict[str, str]) -> None:
    """Or it is left to the library, as with a line break in a value."""
    block = written(headers)
    assert block is None or parsed(block) == {name: value.strip(" \t") for name, value in headers.items()}
    if any("\r" in value or "\n" in value for value in headers.values()):
        assert block is None


def test_headers_of_ours_need_no_help() -> None:
    assert written({"Confer-Op": "0198", "traceparent": "00-ab-cd-00"}) == (
        b"NATS/1.0\r\nConfer-Op: 0198\r\ntraceparent: 00-ab-cd-00\r\n\r\n"
    )
