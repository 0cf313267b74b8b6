"""Messages: what a request model takes and refuses, how a refusal travels, and examples that are true."""

import json
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, TypeAdapter, ValidationError

from confer_contracts.answers import ACKS
from confer_contracts.asyncapi import client_events, server_events
from confer_contracts.catalogue import PUBLIC_CALLS
from confer_contracts.errors import RETRYABLE, ErrorCode, Rejection
from confer_contracts.examples import EXAMPLES
from confer_contracts.message import VALUE_DEPTH_MAX, Failed, Payload, PortalPayload, failed, json_depth, refusal_of
from confer_contracts.sync import FieldUpdate

REQUESTS = {event: request for event, request, *_ in client_events() if request is not None}
ACKNOWLEDGED = {event: reply for event, _, reply, _ in client_events()}
BAD_IDS = ["", "a\x00b", "x" * 129, 7, None, ["a"], {"a": "b"}, True, 1.5]


def ids_of(model: type[BaseModel]) -> list[str]:
    """The required members that must be an id."""
    properties = model.model_json_schema()["properties"]
    required = (name for name, field in model.model_fields.items() if field.is_required())
    return [name for name in required if name.endswith("_id") and name in properties]


@pytest.mark.parametrize("event", REQUESTS)
def test_a_request_is_frozen_and_says_what_becomes_of_unknown_members(event: str) -> None:
    model = REQUESTS[event]
    assert issubclass(model, Payload)
    assert model.model_config["frozen"]
    assert model.model_config["extra"] == ("ignore" if issubclass(model, PortalPayload) else "forbid")


@pytest.mark.parametrize(("event", "name"), [(e, n) for e, m in REQUESTS.items() for n in ids_of(m)])
def test_an_id_that_is_none_is_refused_by_its_name(event: str, name: str) -> None:
    for bad in BAD_IDS:
        with pytest.raises(ValidationError) as refused:
            REQUESTS[event].model_validate({name: bad})
        assert any(error["loc"] == (name,) for error in refused.value.errors())
    with pytest.raises(ValidationError):
        REQUESTS[event].model_validate({})


def test_every_call_that_writes_takes_an_operation_id() -> None:
    reading = {
        "activity_log", "field_history", "notification_inbox", "notification_scheduled", "presence_history",
    }  # fmt: skip
    for call in PUBLIC_CALLS.values():
        assert ("op" in call.request.model_fields) == (call.ordered and call.event not in reading), call.event


def test_a_field_update_has_one_of_two_forms() -> None:
    taken: list[dict[str, Any]] = [
        {"field": "a", "value": 1}, {"field_name": "a", "new_value": None}, {"changes": [{"field": "a", "value": 1}]},
    ]  # fmt: skip
    wrong: list[dict[str, Any]] = [
        {}, {"field": "a"}, {"value": 1}, {"field": "a", "value": 1, "changes": [{"field": "b", "value": 1}]},
        {"changes": []}, {"changes": [{"field": "a", "value": 1}] * 2}, {"field": "a", "value": 1, "base_version": "1"},
        {"field": "a", "value": 1, "base_version": -1}, {"field": "a", "value": "x" * 70_000},
        {"field": "a", "value": float("inf")}, {"field": "a", "value": [float("nan")]},
        {"field": "a", "value": 2**63}, {"field": "a", "value": [{"b": -(2**63) - 1}]}, {"field": "a", "value": 1e19},
    ]  # fmt: skip
    for members in taken:
        FieldUpdate.model_validate({"patient_id": "p", **members})
    for members in wrong:
        with pytest.raises(ValidationError):
            FieldUpdate.model_validate({"patient_id": "p", **members})


@given(st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3), max_leaves=5,
))  # fmt: skip
def test_a_value_that_is_taken_is_the_same_after_each_parser_on_its_way(value: Any) -> None:
    """The edge and the folds read with orjson, the services with pydantic: large integers would become floats."""
    try:
        taken = FieldUpdate.model_validate({"patient_id": "p", "field": "a", "value": value})
    except ValidationError:
        return
    sent = taken.model_dump_json()
    for read in (orjson.loads(sent)["value"], FieldUpdate.model_validate_json(sent).value):
        assert json.dumps(read) == json.dumps(value)


def nested(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels - 1):
        value = [value]
    return value


def test_depth_is_counted_without_recursion_and_limited() -> None:
    assert [json_depth(value) for value in (1, [], {}, [[1]], {"a": {"b": [1]}})] == [1, 1, 1, 3, 4]
    assert json_depth(nested(100_000)) == 100_000
    deepest = {"patient_id": "p", "field": "a", "value": nested(VALUE_DEPTH_MAX)}
    FieldUpdate.model_validate(deepest)
    with pytest.raises(ValidationError, match="nested"):
        FieldUpdate.model_validate({**deepest, "value": nested(VALUE_DEPTH_MAX + 1)})


@given(
    code=st.sampled_from(ErrorCode),
    message=st.text(max_size=50),
    field=st.none() | st.text(min_size=1, max_size=10),
    details=st.dictionaries(st.sampled_from(["version", "value", "allowed"]), st.integers() | st.text(max_size=5)),
    retry=st.none() | st.booleans(),
    op=st.none() | st.text(min_size=1, max_size=10),
)
def test_a_refusal_survives_its_way_as_json(
    code: ErrorCode, message: str, field: str | None, details: dict[str, object], retry: bool | None, op: str | None
) -> None:
    body = failed(Rejection(code, message, field=field, details=details, retry=retry), op)
    parsed = Failed.model_validate(body)
    again = code in RETRYABLE if retry is None else retry
    assert (parsed.status, parsed.op, parsed.retry) == ("error", op, again)
    back = refusal_of(body)
    assert (back.code, back.message, back.field, back.details, back.retry) == (code, message, field, details, again)


def test_details_cannot_stand_in_for_the_members_of_a_refusal() -> None:
    body = failed(Rejection(ErrorCode.INTERNAL, "ours", details={"status": "ok", "code": "none", "retry": True}))
    assert (body["status"], body["code"], body["retry"]) == ("error", "internal", False)


@pytest.mark.parametrize("event", EXAMPLES)
def test_the_examples_are_what_the_models_say(event: str) -> None:
    example = EXAMPLES[event]
    assert_shape(REQUESTS[event], example.request)
    assert_shape(ACKNOWLEDGED[event], example.ack)
    for name, body in example.broadcast.items():
        assert_shape(server_events()[name].body, body)


def test_the_examples_are_the_seeds_four_events() -> None:
    assert EXAMPLES.keys() == {"join_patient_room", "leave_patient_room", "field_update", "step_update"}
    assert ACKS.keys() < ACKNOWLEDGED.keys()


def assert_shape(body: Any, value: Any) -> None:
    """`value` is valid, and has no member that its model does not know."""
    adapter = TypeAdapter(body)
    assert adapter.dump_python(adapter.validate_python(value), mode="json", exclude_unset=True) == value
