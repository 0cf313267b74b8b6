"""Packets are built from bytes, and nesting is known before and after parsing."""

import pytest

from confer_edge import packets
from confer_edge.unparsed import unparsed_event


def test_a_facts_json_is_spliced_in_as_it_is() -> None:
    packet = packets.event("field_updated", '{"value":"สมชาย"}'.encode())
    assert packet.plain.payload.decode() == '42["field_updated",{"value":"สมชาย"}]'
    assert packet.plain.packet.encode() == packet.plain.payload.decode()


@pytest.mark.parametrize(
    ("event", "marked"),
    [
        (packets.event("e", b'{"a":1}'), b'42["e",{"a":1}]'),
        (packets.event("e", b'{"a":1}', "5f.7"), b'42["e",{"a":1},"5f.7"]'),
        (packets.event("user_left", b'"u1"'), b'42["user_left","u1",null]'),
        (packets.event("user_left", b'"u1"', "5f.7"), b'42["user_left","u1","5f.7"]'),
        (packets.bare_event("pong"), b'42["pong",null]'),
    ],
)
def test_nothing_but_an_offset_ends_in_a_string_for_a_client_with_a_pid(event: packets.Event, marked: bytes) -> None:
    assert event.marked.payload == marked
    assert event.marked is event.marked, "made once for all"


def test_an_ack_has_one_argument() -> None:
    assert packets.ack(7, b'{"status":"ok"}').payload == b'437[{"status":"ok"}]'


def test_an_event_without_data_has_its_name_alone() -> None:
    assert packets.bare_event("pong").plain.payload == b'42["pong"]'


@pytest.mark.parametrize(
    ("text", "depth"), [("1", 0), ("[]", 1), ('{"a":[{}]}', 3), ('["[[[["]', 1), (r'["\"[[",{}]', 2)]
)
def test_brackets_inside_strings_do_not_nest(text: str, depth: int) -> None:
    assert packets.nesting(text) == depth


def test_the_depth_of_parsed_json_needs_no_recursion() -> None:
    value: object = 1
    for _ in range(50_000):
        value = [value]
    assert packets.depth_of(value) == 50_000


@pytest.mark.parametrize(
    ("text", "identifier", "field"),
    [
        ('25["e","\\ud800"]', 5, "payload"),
        ('25["e",{"user":{"name":["\\ud800"]}}]', 5, "user.name.0"),
        ('25["e",{"a\\ud800":1}]', 5, "a?"),
        ("2" + '["e",' + "[" * 100_000 + "]" * 100_000 + "]", None, "payload"),
        ('2["e",1e999]', None, "payload"),
        (f'2["e",{"9" * 5000}]', None, "payload"),
    ],
)
def test_json_that_only_our_parser_refuses_is_an_event(text: str, identifier: int | None, field: str) -> None:
    event = unparsed_event(text)
    assert event is not None
    assert (event.event, event.identifier, event.field) == ("e", identifier, field)


@pytest.mark.parametrize("text", ["2[", "2", '2{"a":1}', "2[1]", "9", '3["e"]', "2nonsense", '2["e",NaN]'])
def test_what_is_no_event_is_a_violation(text: str) -> None:
    assert unparsed_event(text) is None
