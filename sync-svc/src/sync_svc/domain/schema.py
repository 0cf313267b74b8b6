"""A form's schema: JSON Schema 2020-12 within bounds, which version follows which, and what may not change.

    {"x-confer-version": 3, "type": "object", "properties": {"notes": {"type": "string", "x-confer-policy": "merge"}},
     "additionalProperties": false, "x-confer-steps": [{"step": 3, "name": "Vision screening"}]}

Each field is checked alone, so what would tie fields to each other (`required`, `if` of the whole) is refused. Known
keywords only: a misspelt one is not lost in silence. `$ref` reaches `$defs` of the same schema, not itself; it is
replaced by what it names, and the whole is bounded, so that no schema can make a check slow.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, get_args

from confer_contracts.errors import ErrorCode, Rejection
from sync_svc.domain.form import MergeBy, Policy
from sync_svc.domain.state import same

NODES_MAX = 5000  # of all fields' schemas, references replaced
NESTING_MAX = 32
STEPS_MAX = 100
POLICY, MERGE_BY, VERSION, STEPS = "x-confer-policy", "x-confer-merge", "x-confer-version", "x-confer-steps"
DEFS = "#/$defs/"

_ROOT = frozenset(
    {"$schema", "$id", "$comment", "$defs", "title", "description", "type", "properties", "additionalProperties"}
    | {POLICY, VERSION, STEPS}
)
_NOTES = frozenset({"$comment", "title", "description", "default", "examples", "format", POLICY, MERGE_BY})
_RULES = frozenset(
    {"type", "enum", "const", "minLength", "maxLength", "pattern", "minimum", "maximum", "exclusiveMinimum"}
    | {"exclusiveMaximum", "multipleOf", "minItems", "maxItems", "uniqueItems", "required", "minProperties"}
    | {"maxProperties"}
)
_ONE, _SOME, _NAMED = (
    frozenset({"items", "additionalProperties", "not", "if", "then", "else"}),
    frozenset({"prefixItems", "anyOf", "oneOf", "allOf"}),
    frozenset({"properties"}),
)
_KNOWN = _NOTES | _RULES | _ONE | _SOME | _NAMED | {"$ref"}
_TYPES = frozenset({"null", "boolean", "integer", "number", "string", "array", "object"})

Json = Any
Node = dict[str, Json] | bool


@dataclass(frozen=True, slots=True)
class Schema:
    """`others`: the schema of fields that are not named. `steps`: the workflow in its order, number and name."""

    version: int
    fields: Mapping[str, Node]
    others: Node
    policy: Policy
    steps: tuple[tuple[int, str], ...]


def parse(document: Mapping[str, Json]) -> Schema:
    """Rejection(invalid) that names place and rule where the document is no schema that we take."""
    _only_known(document, _ROOT, "form")
    version = document.get(VERSION)
    if not isinstance(version, int) or isinstance(version, bool) or not 1 <= version <= 2**53:
        raise _invalid(VERSION, "must be a number from 1 on")
    if document.get("type", "object") != "object":
        raise _invalid("type", "must be object")
    named, defs = document.get("properties", {}), document.get("$defs", {})
    for name, value in (("properties", named), ("$defs", defs)):
        if not isinstance(value, dict):
            raise _invalid(name, "must be an object")
    reader = _Reader(defs)
    fields = {name: reader.node(node, f"properties.{name}", ()) for name, node in named.items()}
    others = reader.node(document.get("additionalProperties", True), "additionalProperties", ())
    return Schema(version, fields, others, _policy(document, "form") or "last_write", _steps(document.get(STEPS, [])))


class _Reader:
    """Puts what references name into their places, within bounds."""

    def __init__(self, defs: Mapping[str, Json]) -> None:
        self._defs = defs
        self._left = NODES_MAX

    def node(self, node: Json, place: str, through: tuple[str, ...], nesting: int = 0) -> Node:
        """`through`: the references that led here."""
        self._left -= 1
        if self._left < 0:
            raise _invalid(place, f"the schema has more than {NODES_MAX} parts, references replaced")
        if nesting > NESTING_MAX:
            raise _invalid(place, f"must not be nested deeper than {NESTING_MAX} levels")
        if isinstance(node, bool):
            return node
        if not isinstance(node, dict):
            raise _invalid(place, "must be a schema")
        _only_known(node, _KNOWN, place)
        _policy(node, place)
        if node.get(MERGE_BY, "words") not in get_args(MergeBy):
            raise _invalid(f"{place}.{MERGE_BY}", f"must be one of {', '.join(get_args(MergeBy))}")
        read: dict[str, Json] = {}
        for keyword, value in node.items():
            if keyword != "$ref":
                read[keyword] = self._keyword(keyword, value, f"{place}.{keyword}", through, nesting + 1)
        return read if "$ref" not in node else self._referred(node["$ref"], read, place, through, nesting + 1)

    def _keyword(self, keyword: str, value: Json, place: str, through: tuple[str, ...], nesting: int) -> Json:
        if keyword in _ONE:
            return self.node(value, place, through, nesting)
        if keyword in _SOME and isinstance(value, list):
            return [self.node(item, f"{place}.{n}", through, nesting) for n, item in enumerate(value)]
        if keyword in _NAMED and isinstance(value, dict):
            return {name: self.node(item, f"{place}.{name}", through, nesting) for name, item in value.items()}
        return value

    def _referred(
        self, reference: Json, beside: dict[str, Json], place: str, through: tuple[str, ...], nesting: int
    ) -> Node:
        name = reference.removeprefix(DEFS) if isinstance(reference, str) and reference.startswith(DEFS) else None
        if name is None or name not in self._defs:
            raise _invalid(f"{place}.$ref", f"must name something below {DEFS}")
        if name in through:
            raise _invalid(f"{place}.$ref", "must not lead back to itself")
        named = self.node(self._defs[name], f"$defs.{name}", (*through, name), nesting)
        if isinstance(named, dict) and beside.keys() <= _NOTES:
            return named | beside
        return {**beside, "allOf": [named, *beside.get("allOf", [])]}


def incompatibility(old: Schema, new: Schema) -> str | None:
    """Why records that were filled in by `old` do not fit `new`: a field must still take the types and words that it
    took. Narrower lengths and ranges are allowed: they hold for what is written from now on."""
    if old.others is not False and new.others is False:
        return "additionalProperties: other fields were allowed, and records may have some"
    for name, before in old.fields.items():
        after = new.fields.get(name, new.others)
        if after is False:
            return f"properties.{name}: is gone, and records may have it"
        if lost := _types(before) - _types(after):
            return f"properties.{name}: no longer takes {', '.join(sorted(lost))}"
        if not _words_fit(before, after):
            return f"properties.{name}: no longer takes every word of its enum"
    return None


def _types(node: Node) -> frozenset[str]:
    if isinstance(node, bool):
        return _TYPES if node else frozenset()
    told = node.get("type", [*_TYPES])
    types = frozenset([told] if isinstance(told, str) else told)
    return types | {"integer"} if "number" in types else types


def _words_fit(before: Node, after: Node) -> bool:
    if isinstance(after, bool) or "enum" not in after:
        return True
    words = before.get("enum") if isinstance(before, dict) else None
    return words is not None and all(any(same(word, other) for other in after["enum"]) for word in words)


def _only_known(node: Mapping[str, Json], known: frozenset[str], place: str) -> None:
    if unknown := sorted(node.keys() - known):
        raise _invalid(f"{place}.{unknown[0]}", "is no keyword that is supported here")


def _policy(node: Mapping[str, Json], place: str) -> Policy | None:
    policy: Policy | None = node.get(POLICY)
    if policy is not None and policy not in get_args(Policy):
        raise _invalid(f"{place}.{POLICY}", f"must be one of {', '.join(get_args(Policy))}")
    return policy


def _steps(told: Json) -> tuple[tuple[int, str], ...]:
    if not isinstance(told, list) or len(told) > STEPS_MAX:
        raise _invalid(STEPS, f"must be a list of at most {STEPS_MAX} steps")
    steps = list[tuple[int, str]]()
    for row in told:
        number, name = (row.get("step"), row.get("name")) if isinstance(row, dict) else (None, None)
        if type(number) is not int or not 0 <= number <= 1000 or not isinstance(name, str) or not 0 < len(name) <= 200:
            raise _invalid(STEPS, "each must have `step`, from 0 to 1000, and `name`, up to 200 characters")
        steps.append((number, name))
    if len({number for number, _ in steps}) < len(steps):
        raise _invalid(STEPS, "must not name a step twice")
    return tuple(steps)


def _invalid(place: str, rule: str) -> Rejection:
    shown = place[:200]
    return Rejection(ErrorCode.INVALID, f"{shown}: {rule}", field=shown)
