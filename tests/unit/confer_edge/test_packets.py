"""Packets are built from bytes, and nesting is known before and after parsing."""

import pytest

from confer_edge import packets
from confer_edge.transport import well_formed_event


def test_a_facts_json_is_spliced_in_as_it_is() -> None:
    packet = packets.event("field_updated", '{"value":"สมชาย"}'.encode())
    assert packet.encode() == '42["field_updated",{"value":"สมชาย"}]'


def test_an_ack_has_one_argument() -> None:
    assert packets.ack(7, b'{"status":"ok"}').encode() == '437[{"status":"ok"}]'


def test_an_event_without_data_has_its_name_alone() -> None:
    assert packets.bare_event("pong").encode() == '42["pong"]'


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
    ("text", "identifier"),
    [('25["e","\\ud800"]', 5), ("2" + '["e",' + "[" * 100_000 + "]" * 100_000 + "]", None), ('2["e",{"a":1}]', None)],
)
def test_json_that_only_our_parser_refuses_is_an_event(text: str, identifier: int | None) -> None:
    event = well_formed_event(text)
    assert event is not None
    assert event[2] == identifier


@pytest.mark.parametrize("text", ["2[", "2", '2{"a":1}', "2[1]", "9", '3["e"]', "2nonsense"])
def test_what_is_no_event_is_a_violation(text: str) -> None:
    assert well_formed_event(text) is None
