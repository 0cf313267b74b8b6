"""Headers as nats-server sends them; and the same as the library reads them, whatever is in them."""

import string

from hypothesis import given
from hypothesis import strategies as st
from nats.aio.client import Client

from confer_kit.nats_client import parsed

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
