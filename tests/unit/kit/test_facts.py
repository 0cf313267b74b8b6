"""A fact and its headers: whatever an id holds, it comes back, and a header is ASCII without line ends."""

import json
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from confer_contracts.subjects import FactSubject, Header
from confer_kit.facts import NewFact

SUBJECT = FactSubject("sync", "room", "r1", "record")
IDS = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=40)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(IDS, inner, max_size=4),
    max_leaves=10,
)


@given(op=IDS, actor=IDS, fold=JSON, body=JSON)
def test_everything_comes_back_as_it_went(op: str, actor: str, fold: Any, body: Any) -> None:
    fact = NewFact(
        subject=SUBJECT, body=orjson.dumps(body), event="field_updated", fold=orjson.dumps(fold), op=op, actor=actor,
        origin="session-1",
    )  # fmt: skip
    stored = fact.stored(7, at=12.5)
    assert (stored.subject, stored.seq, stored.at, stored.event) == (SUBJECT, 7, 12.5, "field_updated")
    assert (stored.op, stored.actor, stored.origin) == (op, actor, "session-1")
    assert (stored.fold, stored.json()) == (fold, body)
    for value in stored.headers.values():
        assert value.isascii()
        assert value.isprintable()


@pytest.mark.parametrize("hostile", ["ผู้ป่วย", "a.>", "*", "a b", "=2E", "🙂", "x: y", "%0d%0a"])
def test_hostile_ids_travel_as_tokens(hostile: str) -> None:
    headers = NewFact(subject=SUBJECT, body=b"{}", op=hostile, actor=hostile).headers()
    assert set(headers) == {Header.OP, Header.ACTOR}
    assert not set(headers[Header.OP]) & set(" .*>:%")


def test_what_is_not_given_has_no_header() -> None:
    stored = NewFact(subject=SUBJECT, body=b"[]").stored(1, at=0)
    assert stored.headers == {}
    assert (stored.event, stored.op, stored.actor, stored.origin, stored.fold) == (None,) * 5


def test_a_second_name_and_a_second_audiences_name_are_headers_of_their_own() -> None:
    fact = NewFact(
        subject=SUBJECT, body=b"{}", event="ticket_called", alias="also", copies={"room": "patient_ticket_called"}
    )
    assert fact.headers() == {
        "Confer-Event": "ticket_called", "Confer-Alias": "also", "Confer-Event-room": "patient_ticket_called",
    }  # fmt: skip


def test_a_fold_with_thai_and_line_ends_stays_on_one_ascii_line() -> None:
    fold = {"ชื่อ": "บรรทัด\nใหม่"}
    header = NewFact(subject=SUBJECT, body=b"{}", fold=orjson.dumps(fold)).headers()[Header.FOLD]
    assert header.isascii()
    assert "\n" not in header
    assert json.loads(header) == fold
