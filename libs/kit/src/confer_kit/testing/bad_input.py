"""Bad payloads, made from the catalogue's models: every field of a request, with everything that it must refuse.

A bad value is a fragment of JSON text, because some of them (a lone surrogate, a hundred thousand brackets) are
nothing that a program could hold and encode.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from pydantic import BaseModel

BINARY = '{"_placeholder":true,"num":0}'
ID_BYTES = 10_240
_MARK = "@bad value@"
_ANY = frozenset({"string", "integer", "number", "boolean", "null", "array", "object"})
_WRONG_TYPES = {
    "string": '"text"',
    "integer": "7",
    "number": "1.5",
    "boolean": "true",
    "null": "null",
    "array": '[["nested", ["list"]]]',
    "object": '{"nested": {"object": 1}}',
}
_EVERYWHERE = {
    "bytes": BINARY,
    "a lone surrogate": '"a\\ud800b"',
    "1000 levels": "[" * 1000 + "]" * 1000,
    "100000 levels": "[" * 100_000 + "]" * 100_000,
}


class Place(NamedTuple):
    """A field of a model, and what its JSON schema allows there."""

    path: tuple[str | int, ...]
    branches: Sequence[Mapping[str, Any]]
    required: bool


class Case(NamedTuple):
    """A payload that must be refused with a message that has one of `names` in it."""

    label: str
    text: str
    names: tuple[str, ...]
    binary: bool


def places(model: type[BaseModel]) -> Iterator[Place]:
    """Every field of the model, those of nested models and of list items included."""
    schema = model.model_json_schema()
    yield from _walk(schema, schema.get("$defs", {}), ())


def cases(model: type[BaseModel], samples: Sequence[dict[str, Any]]) -> Iterator[Case]:
    """Bad payloads: each is a valid sample with one bad value. Samples must reach every field of the model."""
    for place in places(model):
        sample = next((sample for sample in samples if _reaches(sample, place.path)), None)
        assert sample is not None, f"no sample reaches {place.path} of {model.__name__}"
        named = next(str(part) for part in reversed(place.path) if isinstance(part, str))
        shown = ".".join(map(str, place.path))
        for label, fragment in _bad_values(place).items():
            text = json.dumps(_with(sample, place.path, _MARK)).replace(json.dumps(_MARK), fragment)
            nameless = label in _EVERYWHERE or fragment.isdecimal()  # the parser does not tell where it was
            names = (named, "payload") if nameless else (named,)
            yield Case(f"{shown}: {label}", text, names, fragment == BINARY)
        if place.required:
            yield Case(f"{shown}: missing", json.dumps(_without(sample, place.path)), (named,), binary=False)
    if model.model_config.get("extra") == "forbid":
        yield Case("an unknown member", json.dumps({**samples[0], "bogus": 1}), ("bogus",), binary=False)
    for label, text in {**_WRONG_TYPES, **_EVERYWHERE}.items():
        if label != "object":
            yield Case(f"the payload is {label}", text, ("payload",), text == BINARY)


def _walk(schema: Mapping[str, Any], defs: Mapping[str, Any], path: tuple[str | int, ...]) -> Iterator[Place]:
    for branch in _branches(schema, defs):
        for name, inner in branch.get("properties", {}).items():
            here = (*path, name)
            yield Place(here, _branches(inner, defs), name in branch.get("required", ()))
            yield from _walk(inner, defs, here)
        if isinstance(branch.get("items"), dict) and branch["items"]:
            here = (*path, 0)
            yield Place(here, _branches(branch["items"], defs), required=False)
            yield from _walk(branch["items"], defs, here)


def _branches(schema: Mapping[str, Any], defs: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The alternatives of a schema, without references."""
    if "$ref" in schema:
        return _branches(defs[schema["$ref"].rsplit("/", 1)[-1]], defs)
    if "anyOf" in schema:
        return [branch for option in schema["anyOf"] for branch in _branches(option, defs)]
    return [schema]


def _bad_values(place: Place) -> dict[str, str]:
    allowed = frozenset(kind for branch in place.branches for kind in _kinds(branch))
    bad = {kind: text for kind, text in _WRONG_TYPES.items() if kind not in allowed}
    if "number" in allowed:
        bad.pop("integer", None)
    if allowed != _ANY:
        for branch in place.branches:
            bad |= _out_of_bounds(branch)
    return {**bad, **_EVERYWHERE}


def _kinds(branch: Mapping[str, Any]) -> frozenset[str]:
    kind = branch.get("type")
    return frozenset({kind}) if kind else _ANY


def _out_of_bounds(branch: Mapping[str, Any]) -> dict[str, str]:
    """Values of the right type that break a rule of it."""
    kind, bad = branch.get("type"), dict[str, str]()
    if kind == "string" and "enum" in branch:
        bad |= {"no such word": '"nonsense"', "empty": '""'}
    elif kind == "string":
        is_id = "maxLength" not in branch
        bad["too long"] = json.dumps("x" * (ID_BYTES if is_id else branch["maxLength"] + 1))
        if is_id or branch.get("minLength"):
            bad["empty"] = '""'
        if is_id:
            bad |= {"NUL": '"a\\u0000b"', "a control character": '"a\\u007fb"', "129 bytes": json.dumps("ก" * 43)}
    elif kind == "integer":
        bad |= {"huge": str(10**30), "five thousand digits": "9" * 5000, "2^64": str(2**64), "negative": "-1"}
        if "maximum" in branch:
            bad["too much"] = str(int(branch["maximum"]) + 1)
    elif kind == "array" and branch.get("minItems"):
        bad["no items"] = "[]"
    return bad


def _reaches(sample: Any, path: tuple[str | int, ...]) -> bool:
    """Whether the sample holds what stands around the field."""
    for part in path[:-1]:
        try:
            sample = sample[part]
        except (KeyError, IndexError, TypeError):
            return False
    return isinstance(sample, list if isinstance(path[-1], int) else dict)


def _with(sample: Any, path: tuple[str | int, ...], value: Any) -> Any:
    copied = json.loads(json.dumps(sample))
    inner = copied
    for part in path[:-1]:
        inner = inner[part]
    inner[path[-1]] = value
    return copied


def _without(sample: Any, path: tuple[str | int, ...]) -> Any:
    copied = json.loads(json.dumps(sample))
    inner = copied
    for part in path[:-1]:
        inner = inner[part]
    del inner[path[-1]]
    return copied
