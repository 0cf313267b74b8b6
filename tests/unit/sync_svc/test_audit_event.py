"""AuditEvents have the structure that FHIR R4 publishes: https://hl7.org/fhir/R4/auditevent.html, table "Structure"."""

import json
import re
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from confer_contracts.activity import ActivityChange, ActivityRow
from sync_svc.audit_event import audit_event

AT = "2025-01-01T00:00:00.000Z"

# type -> element -> (type, at least, at most); of the elements of R4 those that this project writes, and all that are
# required
CODING = {"system": ("uri", 0, 1), "code": ("code", 0, 1), "display": ("string", 0, 1)}
STRUCTURE: dict[str, dict[str, tuple[str, int, int | None]]] = {
    "AuditEvent": {
        "resourceType": ("code", 1, 1),
        "type": ("Coding", 1, 1),
        "subtype": ("Coding", 0, None),
        "action": ("action", 0, 1),
        "recorded": ("instant", 1, 1),
        "outcome": ("outcome", 0, 1),
        "outcomeDesc": ("string", 0, 1),
        "agent": ("Agent", 1, None),
        "source": ("Source", 1, 1),
        "entity": ("Entity", 0, None),
    },
    "Agent": {"who": ("Reference", 0, 1), "requestor": ("boolean", 1, 1)},
    "Source": {"observer": ("Reference", 1, 1)},
    "Entity": {
        "what": ("Reference", 0, 1),
        "type": ("Coding", 0, 1),
        "role": ("Coding", 0, 1),
        "name": ("string", 0, 1),
        "detail": ("Detail", 0, None),
    },
    "Detail": {"type": ("string", 1, 1), "valueString": ("string", 1, 1)},  # or valueBase64Binary
    "Coding": {name: (kind, low, high) for name, (kind, low, high) in CODING.items()},
    "Reference": {"type": ("uri", 0, 1), "identifier": ("Identifier", 0, 1), "display": ("string", 0, 1)},
    "Identifier": {"system": ("uri", 0, 1), "value": ("string", 0, 1)},
}
PRIMITIVES = {
    "uri": r"\S+",
    "code": r"[^\s]+(\s[^\s]+)*",
    "string": r"[ \r\n\t\S]+",
    "action": "[CRUDE]",  # required binding
    "outcome": "0|4|8|12",  # required binding
    "instant": r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)",
}


def problems(value: Any, kind: str = "AuditEvent", place: str = "AuditEvent") -> list[str]:
    """Where a value leaves the structure."""
    if kind == "boolean":
        return [] if isinstance(value, bool) else [place]
    if kind in PRIMITIVES:
        return [] if isinstance(value, str) and re.fullmatch(PRIMITIVES[kind], value) else [place]
    elements = STRUCTURE[kind]
    found = [f"{place}.{name}: unknown" for name in value.keys() - elements.keys()]
    for name, (of, least, most) in elements.items():
        inside = f"{place}.{name}"
        if name not in value:
            found += [f"{inside}: missing"] if least else []
        elif most is None:
            found += [] if value[name] else [f"{inside}: empty"]
            found += [problem for item in value[name] for problem in problems(item, of, inside)]
        else:
            found += problems(value[name], of, inside)
    return found


def a_row(**told: Any) -> ActivityRow:
    whole = {
        "sequence": 7, "timestamp": AT, "service": "sync", "event": "field_updated", "user_id": "ann", "kind": "field",
        "audience": "room.screening_p 1", "patient_id": "p 1", "trace_id": "0af7651916cd43dd8448eb211c80319c",
    } | told  # fmt: skip
    return ActivityRow.model_validate(whole)


texts = st.text(st.characters(blacklist_categories=("Cc", "Cs", "Z")), min_size=1, max_size=20)
values = st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=9) | st.lists(st.integers(0, 9), max_size=2)
changes = st.builds(
    ActivityChange, name=texts, old=values, new=values, version=st.none() | st.integers(1, 9),
    unknown=st.booleans(), omitted=st.booleans(),
)  # fmt: skip
rows = st.builds(
    a_row, user_id=texts | st.just(""), patient_id=st.none() | texts, session_id=st.none() | texts,
    trace_id=st.none() | st.just("0af7651916cd43dd8448eb211c80319c"), changes=st.lists(changes, max_size=3),
    kind=st.sampled_from(["field", "step", "presence", "queue", "notification", "read", "refusal"]),
    outcome=st.sampled_from(["ok", "merged", "conflict", "forbidden"]),
    detail=st.none() | texts | st.just({"call": "field_update"}),
)  # fmt: skip


@given(rows)
@example(a_row(changes=[ActivityChange(name="a", old="1\u00a0%", new="\u2028\u3000")]))
def test_every_row_has_the_published_structure(row: ActivityRow) -> None:
    assert problems(audit_event(row)) == []


def test_the_structure_is_seen_to_be_checked() -> None:
    event = audit_event(a_row())
    for broken in (
        {name: value for name, value in event.items() if name != "recorded"},
        {**event, "agent": []},
        {**event, "outcome": "1"},
        {**event, "source": {}},
        {**event, "more": 1},
        {**event, "entity": [{"detail": [{"type": "old"}]}]},
    ):
        assert problems(broken)


def test_an_update_tells_who_changed_what_of_whom() -> None:
    event = audit_event(a_row(changes=[ActivityChange(name="iop", old=14, new=None, version=2)]))
    assert (event["action"], event["outcome"], event["recorded"]) == ("U", "0", AT)
    assert event["type"]["code"] == "110110"
    assert event["agent"] == [{"who": {"identifier": {"system": "urn:confer:user", "value": "ann"}}, "requestor": True}]
    patient, field, request = event["entity"]
    assert patient["what"] == {"type": "Patient", "identifier": {"system": "urn:confer:patient", "value": "p 1"}}
    assert field == {
        "name": "iop",
        "detail": [{"type": "old", "valueString": "14"}, {"type": "new", "valueString": "null"}],
    }
    assert request["what"]["identifier"]["value"] == "0af7651916cd43dd8448eb211c80319c"


@pytest.mark.parametrize(
    ("told", "action", "outcome"),
    [
        ({"changes": [ActivityChange(name="a", new=1, version=1)]}, "C", "0"),
        ({"kind": "read", "event": "read", "detail": {"call": "snapshot"}}, "R", "0"),
        ({"kind": "refusal", "event": "refused", "outcome": "conflict"}, "E", "4"),
        ({"kind": "presence", "event": "user_joined"}, "E", "0"),
    ],
)
def test_action_and_outcome(told: dict[str, Any], action: str, outcome: str) -> None:
    event = audit_event(a_row(**told))
    assert (event["action"], event["outcome"]) == (action, outcome)


@given(values | st.text(st.characters(categories=["Z", "L", "Cc"]), max_size=5))
def test_a_value_is_told_as_it_was(value: Any) -> None:
    (_, field, _) = audit_event(a_row(changes=[ActivityChange(name="a", old=value, new=1)]))["entity"]
    assert json.loads(field["detail"][0]["valueString"]) == value


def test_a_value_that_is_not_known_is_not_told() -> None:
    unknown, omitted = (ActivityChange(name="a", new=1, version=2, **{flag: True}) for flag in ("unknown", "omitted"))
    _, first, second, _ = audit_event(a_row(changes=[unknown, omitted]))["entity"]
    assert first["detail"] == [{"type": "new", "valueString": "1"}]
    assert "detail" not in second
