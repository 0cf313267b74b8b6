"""Forms: which schemas are taken, what follows what, and what a form says of a value."""

import json
from pathlib import Path
from typing import Any

import pytest

from confer_contracts.errors import ErrorCode, Rejection
from confer_kit.testing import specification
from sync_svc.codec import FormCodec, encode_form
from sync_svc.domain.registry import FormRegistered, Registered, RegisterForm, decide, evolve
from sync_svc.domain.schema import NODES_MAX, parse
from sync_svc.forms import SchemaForm, kind_of, read_files

given = specification(Registered, evolve, decide)
T0 = 1_750_000_000.0


def form(version: Any = 1, **root: Any) -> dict[str, Any]:
    return {"x-confer-version": version, **root}


def fields(version: Any = 1, **properties: Any) -> dict[str, Any]:
    return form(version, properties=properties, additionalProperties=False)


def register(document: dict[str, Any]) -> RegisterForm:
    return RegisterForm("ann", "1", T0, document)


def registered(document: dict[str, Any]) -> FormRegistered:
    return FormRegistered("ann", "1", T0, document)


EYE = fields(
    iop={"type": "number", "minimum": 0, "maximum": 80, "x-confer-policy": "refuse"},
    notes={"type": ["string", "null"], "maxLength": 20, "x-confer-policy": "merge", "x-confer-merge": "lines"},
    acuity={"enum": ["6/6", "6/9"]},
    code={"type": "string", "pattern": "^[A-Z]{2}$"},
    box={"type": "object", "properties": {"x": {"type": "integer"}}, "required": ["x"]},
)


# --- what a form says ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("iop", 14),
        ("iop", 14.5),
        ("notes", None),
        ("notes", "ก" * 20),
        ("acuity", "6/6"),
        ("code", "AB"),
        ("box", {"x": 1}),
    ],
)
def test_a_value_that_keeps_the_rules_is_no_problem(field: str, value: Any) -> None:
    assert SchemaForm(EYE).problem(field, value) is None


@pytest.mark.parametrize(
    ("field", "value", "rule"),
    [
        ("iop", "14", "type"), ("iop", True, "type"), ("iop", 81, "maximum"), ("notes", "x" * 21, "20"),
        ("acuity", "6/12", "6/9"), ("code", "ABC", "does not match"), ("box", {}, "required"),
        ("box", {"x": "one"}, "['x'] "), ("secret", 1, "no field of this form"),
    ],
)  # fmt: skip
def test_a_value_that_breaks_a_rule_is_told_which_but_not_repeated(field: str, value: Any, rule: str) -> None:
    problem = SchemaForm(EYE).problem(field, value)
    assert problem is not None
    assert rule in problem
    assert len(problem) < 400
    assert not isinstance(value, str) or value not in problem


def test_policies_are_the_fields_else_the_forms_else_last_write() -> None:
    eye = SchemaForm(EYE)
    assert [eye.policy(name) for name in ("iop", "notes", "acuity")] == ["refuse", "merge", "last_write"]
    assert [eye.merge_by(name) for name in ("notes", "acuity")] == ["lines", "words"]
    strict = SchemaForm(form(**{"x-confer-policy": "refuse", "additionalProperties": {"x-confer-policy": "merge"}}))
    assert strict.policy("any") == "merge"
    assert SchemaForm(form(**{"x-confer-policy": "refuse"})).policy("any") == "refuse"


def test_other_fields_are_free_unless_the_form_says_otherwise() -> None:
    assert SchemaForm(form(properties={"a": {"type": "null"}})).problem("b", [1]) is None
    assert SchemaForm(form(additionalProperties={"type": "string"})).problem("b", 1)


def test_references_are_put_in_and_what_stands_beside_them_counts_too() -> None:
    document = fields(
        a={"$ref": "#/$defs/text", "x-confer-policy": "merge"}, b={"$ref": "#/$defs/text", "minLength": 2},
        c={"type": "array", "items": {"$ref": "#/$defs/text"}},
    )  # fmt: skip
    document["$defs"] = {"text": {"$ref": "#/$defs/short"}, "short": {"type": "string", "maxLength": 3}}
    said = SchemaForm(document)
    assert said.policy("a") == "merge"
    found = [bool(said.problem(f, v)) for f, v in (("a", "xxxx"), ("a", "x"), ("b", "x"), ("b", "xx"), ("c", ["xxxx"]))]
    assert found == [True, False, True, False, True]


# --- which schemas are taken -----------------------------------------------------------------------------


def nested(levels: int) -> dict[str, Any]:
    node: dict[str, Any] = {"type": "string"}
    for _ in range(levels):
        node = {"items": node}
    return node


EXPLODING = {f"d{n}": {"allOf": [{"$ref": f"#/$defs/d{n + 1}"}] * 2} for n in range(14)} | {"d14": {}}


@pytest.mark.parametrize(
    ("document", "place"),
    [
        ({}, "x-confer-version"),
        (form(0), "x-confer-version"),
        (form(True), "x-confer-version"),
        (form(type="array"), "type"),
        (form(properties=[]), "properties"),
        (form(required=["a"]), "form.required"),
        (form(patternProperties={"a": {}}), "form.patternProperties"),
        (fields(a={"maxLenght": 3}), "properties.a.maxLenght"),
        (fields(a={"unevaluatedProperties": False}), "properties.a.unevaluatedProperties"),
        (fields(a={"type": "text"}), "properties.a"),
        (fields(a={"minimum": "1"}), "properties.a"),
        (fields(a={"items": {"x-confer-policy": "mine"}}), "properties.a.items.x-confer-policy"),
        (fields(a={"x-confer-policy": "first"}), "properties.a.x-confer-policy"),
        (fields(a={"x-confer-merge": "letters"}), "properties.a.x-confer-merge"),
        (fields(a={"$ref": "https://example.com/a.json"}), "properties.a.$ref"),
        (fields(a={"$ref": "#/properties/b"}), "properties.a.$ref"),
        (fields(a={"$ref": 7}), "properties.a.$ref"),
        (fields(a=7), "properties.a"),
        (fields(a=nested(40)), "properties.a"),
        (fields(a={"pattern": "(?=a)b"}), "properties.a"),
        (fields(a={"pattern": "(a{500}){500}"}), "properties.a"),
        ({**fields(a={"$ref": "#/$defs/b"}), "$defs": {"b": {"items": {"$ref": "#/$defs/b"}}}}, "$defs.b"),
        ({**fields(a={"$ref": "#/$defs/d0"}), "$defs": EXPLODING}, "$defs."),
        (form(**{"x-confer-steps": [{"step": 1, "name": "a"}, {"step": 1, "name": "b"}]}), "x-confer-steps"),
        (form(**{"x-confer-steps": [{"step": -1, "name": "a"}]}), "x-confer-steps"),
        (form(**{"x-confer-steps": {}}), "x-confer-steps"),
    ],
)
def test_what_is_no_form_is_refused_with_place_and_rule(document: dict[str, Any], place: str) -> None:
    with pytest.raises(Rejection) as refused:
        SchemaForm(document)
    assert refused.value.code is ErrorCode.INVALID
    assert refused.value.message.startswith(place), refused.value.message
    assert len(refused.value.message) < 600


def test_a_pattern_cannot_make_a_check_slow() -> None:
    """A backtracking matcher would need longer than the universe has."""
    assert SchemaForm(fields(a={"pattern": "^(a+)+$"})).problem("a", "a" * 60_000 + "!")


def test_as_many_parts_as_are_allowed_are_taken() -> None:
    parse(fields(**{f"f{n}": {} for n in range(NODES_MAX - 1)}))


# --- what follows what -----------------------------------------------------------------------------------


def test_the_first_form_is_taken_and_the_same_again_does_nothing() -> None:
    given().when(register(EYE)).then(registered(EYE))
    given(registered(EYE)).when(register(json.loads(json.dumps(EYE)))).then_nothing()


def test_a_form_must_be_newer_than_the_one_that_holds() -> None:
    for version in (1, 2):
        refusal = given(registered(form(2))).when(register(form(version, title="x"))).then_refused(ErrorCode.CONFLICT)
        assert refusal.details == {"current_version": 2}
    given(registered(form(2))).when(register(form(3))).then(registered(form(3)))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({"type": "string"}, {"type": ["string", "null"]}),
        ({"type": "integer"}, {"type": "number"}),
        ({"type": "string", "maxLength": 30}, {"type": "string", "maxLength": 20}),
        ({"enum": ["a"]}, {"enum": ["a", "b"]}),
        ({"enum": ["a"]}, {}),
        ({"x-confer-policy": "merge"}, {"x-confer-policy": "refuse"}),
    ],
)
def test_a_form_that_still_takes_what_was_written_may_follow(before: Any, after: Any) -> None:
    given(registered(fields(1, a=before))).when(register(fields(2, a=after))).then(registered(fields(2, a=after)))


@pytest.mark.parametrize(
    ("before", "after", "reason"),
    [
        (
            fields(1, a={"type": ["string", "null"]}),
            fields(2, a={"type": "string"}),
            "properties.a: no longer takes null",
        ),
        (fields(1, a={"type": "number"}), fields(2, a={"type": "integer"}), "properties.a: no longer takes number"),
        (fields(1, a={}), fields(2), "properties.a: is gone"),
        (fields(1, a={"enum": ["a", "b"]}), fields(2, a={"enum": ["a"]}), "properties.a: no longer takes every word"),
        (fields(1, a={}), fields(2, a={"enum": ["a"]}), "properties.a: no longer takes every word"),
        (form(1), fields(2), "additionalProperties: "),
    ],
)
def test_a_form_that_records_would_not_fit_is_refused_with_the_reason(before: Any, after: Any, reason: str) -> None:
    refusal = given(registered(before)).when(register(after)).then_refused(ErrorCode.INVALID)
    assert refusal.message.startswith(reason)


def test_a_registered_form_comes_back_as_it_was_stored() -> None:
    codec, event = FormCodec(), registered(EYE)
    fact = encode_form(event, "patient", "s").stored(1, at=T0)
    assert codec.decode(fact) == event
    assert (codec.aggregate(fact.subject), codec.guard("patient")) == ("patient", str(fact.subject))
    assert fact.event is None, "it is nobody's to hear"


def test_each_kind_of_room_has_a_form_of_its_own() -> None:
    assert [kind_of(room) for room in ("P1", "session_7", "free_x", "=73ession_7")] == [
        "patient", "session", "free", "patient"
    ]  # fmt: skip


# --- files -----------------------------------------------------------------------------------------------


def test_files_are_read_by_the_name_of_their_kind(tmp_path: Path) -> None:
    (tmp_path / "patient.json").write_text(json.dumps(EYE))
    (tmp_path / "README.md").write_text("notes")
    assert read_files(tmp_path) == {"patient": EYE}
    assert read_files(None) == {}


@pytest.mark.parametrize(
    ("name", "text", "why"),
    [
        ("patients.json", "{}", "must be called"),
        ("patient.json", "{", "patient.json: "),
        ("patient.json", "[]", "must be a JSON object"),
        ("patient.json", "{}", "x-confer-version"),
        ("patient.json", " " * 70_000, "larger"),
    ],
)
def test_a_file_that_is_no_form_ends_the_process_with_a_sentence(
    tmp_path: Path, name: str, text: str, why: str
) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(SystemExit, match=why):
        read_files(tmp_path)


def test_a_directory_that_is_not_there_ends_the_process_with_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="CONFER_SYNC_SCHEMAS"):
        read_files(tmp_path / "nowhere")
