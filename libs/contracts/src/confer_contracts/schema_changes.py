"""Two JSON Schemas of one message: how the newer one breaks what worked with the older.

Who writes by the older one must be understood (`ASKED`): no new duty, no narrower type or limit. Who reads by it must
find what there was (`TOLD`): no member gone, no type that was not there before. Values that are listed may become more,
never fewer, both ways: readers pass over those that they do not know.
"""

from collections.abc import Iterator
from enum import Flag, auto
from typing import Any, Final, NamedTuple

Json = dict[str, Any]

KEEP: Final = "Keep it, and add the new one beside it."
OPTIONAL: Final = "Give it a default: who was built on the release does not send it."
WIDER: Final = "Take all that was taken; what is stricter is a new member."
READABLE: Final = "Keep its type; what is of another is a new member."

_SCHEMAS: Final = "#/components/schemas/"
_NO_RULES: Final = frozenset({"title", "description", "default", "examples"})
_HIGHEST: Final[tuple[str, ...]] = ("maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties")
_LOWEST: Final[tuple[str, ...]] = ("minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties")
_COMPARED: Final = frozenset(
    {"type", "enum", "const", "$ref", "anyOf", "oneOf", "properties", "required", "items", "prefixItems",
     "additionalProperties", "propertyNames", "discriminator", *_HIGHEST, *_LOWEST}
)  # fmt: skip
ANYTHING: Final = "anything"


class Way(Flag):
    """Who was built on the older schema: who writes the message, who reads it, or both."""

    ASKED = auto()
    TOLD = auto()


class _Alternative(NamedTuple):
    """One of the schemas that a message may follow; `name`: of its model, if it has one."""

    name: str
    schema: Json

    @property
    def kind(self) -> str:
        told = self.schema.get("type")
        return told if isinstance(told, str) else "object" if "properties" in self.schema else ANYTHING

    @property
    def values(self) -> list[Any] | None:
        """The possible ones, where they are listed."""
        return [self.schema["const"]] if "const" in self.schema else self.schema.get("enum")


class SchemaChanges:
    """Of the models in two documents (`#/components/schemas`)."""

    def __init__(self, way: Way, before: Json, now: Json) -> None:
        self._asked, self._told = Way.ASKED in way, Way.TOLD in way
        self._before, self._now = before, now
        self._open: set[tuple[str, str]] = set()  # models that are being compared

    def between(self, at: str, old: Json | bool, new: Json | bool) -> list[str]:
        """The breaks, each a sentence that begins with `at`."""
        olds, news = _alternatives(old, self._before), _alternatives(new, self._now)
        if olds and not news:
            return [f"{at} is gone. {KEEP}"]
        found: list[str] = []
        for one in olds:
            same = [other for other in news if one.name and other.name == one.name]
            nearest: list[str] = min([self._of_two(at, one, other) for other in same or news], key=len)
            found += nearest
        if self._told and not found:
            found += _unknown_kinds(at, olds, news)
        return found

    def _of_two(self, at: str, old: _Alternative, new: _Alternative) -> list[str]:
        pair = (old.name, new.name)
        if pair in self._open:  # a model that contains itself
            return []
        if not self._fits(old.kind, new.kind):
            return [f"{at} is {new.kind}, was {old.kind}. {WIDER if self._asked else READABLE}"]
        if all(pair):
            self._open.add(pair)
        found = [*self._values(at, old, new), *self._members(at, old.schema, new.schema)]
        found += [*self._items(at, old.schema, new.schema), *self._limits(at, old.schema, new.schema)]
        self._open.discard(pair)
        return found

    def _fits(self, old: str, new: str) -> bool:
        """Whether one JSON type can stand for the other. That `anything` is too much for readers is told elsewhere."""
        writers = not self._asked or (old, new) == ("integer", "number")
        readers = not self._told or old == ANYTHING or (old, new) == ("number", "integer")
        return new in (old, ANYTHING) or (writers and readers)

    def _values(self, at: str, old: _Alternative, new: _Alternative) -> Iterator[str]:
        if new.values is None:
            return
        if old.values is None:
            if self._asked:
                yield f"{at} takes {_listed(new.values)} alone. {WIDER}"
        elif gone := [value for value in old.values if value not in new.values]:
            yield f"{at}: {_listed(gone)} is gone. {KEEP}"

    def _members(self, at: str, old: Json, new: Json) -> Iterator[str]:
        members = new.get("properties", {})
        for name, schema in old.get("properties", {}).items():
            yield from self.between(f"{at}.{name}", schema, members.get(name, False))
        was, needed = set(old.get("required", ())), set(new.get("required", ()))
        if self._asked:
            yield from (f"{at}.{name} is needed. {OPTIONAL}" for name in sorted(needed - was))
            yield from self._part(f"{at}, a name", "propertyNames", old, new)
        if self._told:
            yield from (f"{at}.{name} may be missing. {KEEP}" for name in sorted(was & members.keys() - needed))
        further, takes = old.get("additionalProperties", True), new.get("additionalProperties", True)
        if takes is not False:
            yield from self._part(f"{at}.*", "additionalProperties", old, new)
        elif further is not False and (self._asked or further is not True):
            yield f"{at} takes no further members. {WIDER}"

    def _items(self, at: str, old: Json, new: Json) -> Iterator[str]:
        yield from self._part(f"{at}[]", "items", old, new)
        places = new.get("prefixItems", [])
        for number, schema in enumerate(old.get("prefixItems", [])):
            yield from self.between(f"{at}[{number}]", schema, places[number] if number < len(places) else False)

    def _part(self, at: str, name: str, old: Json, new: Json) -> list[str]:
        """Of a keyword without which anything goes."""
        return self.between(at, old.get(name, {}), new.get(name, {})) if name in old or name in new else []

    def _limits(self, at: str, old: Json, new: Json) -> Iterator[str]:
        """And rules that are not understood here, such as a pattern: they may not change."""
        if not self._asked:
            return
        narrower = [name for name in _HIGHEST if name in new and new[name] < old.get(name, float("inf"))]
        narrower += [name for name in _LOWEST if name in new and new[name] > old.get(name, float("-inf"))]
        narrower += [name for name in new.keys() - _NO_RULES - _COMPARED if new[name] != old.get(name)]
        for name in sorted(narrower):
            yield f"{at}: {name} is {new[name]}, was {old.get(name, 'not there')}. {WIDER}"


def _alternatives(schema: Json | bool, models: Json, name: str = "") -> list[_Alternative]:
    """Without references; True and {} stand for anything, False for nothing."""
    if isinstance(schema, bool):
        return [_Alternative("", {})] if schema else []
    if "$ref" in schema:
        name = schema["$ref"].removeprefix(_SCHEMAS)
        return _alternatives(models[name], models, name)
    inner = schema.get("anyOf") or schema.get("oneOf")
    return [one for each in inner for one in _alternatives(each, models)] if inner else [_Alternative(name, schema)]


def _unknown_kinds(at: str, olds: list[_Alternative], news: list[_Alternative]) -> Iterator[str]:
    """JSON types that somebody who reads by the older schema has never met there."""
    known = {one.kind for one in olds}
    more = {one.kind for one in news} - known - ({"integer"} if "number" in known else set())
    if more and ANYTHING not in known:
        yield f"{at} may be {' or '.join(sorted(more))}, was {' or '.join(sorted(known))}. {READABLE}"


def _listed(values: list[Any]) -> str:
    return ", ".join(map(repr, values))
