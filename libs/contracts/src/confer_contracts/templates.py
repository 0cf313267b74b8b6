"""Texts with `{field}` in them, filled with what a fact says. Nothing is ever evaluated. Part of `rules`."""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from pydantic import ValidationError

from confer_contracts.notify import Addressee

LIST_MAX: Final = 50  # people whom one `{field}` may name
HOLE: Final = re.compile(r"\{\{|\}\}|\{([a-z_]+(?:\.[a-z_]+)?)\}|[{}]")
Values = Mapping[str, Any]
KINDS: Final = tuple(name for name in Addressee.model_fields if name != "all")


def values_of(body: Any) -> dict[str, Any]:
    """The members of a fact's body as rules name them: with those inside, `assigned.user_id`, of each in a list."""
    values: dict[str, Any] = dict(body) if isinstance(body, dict) else {}
    for name, value in tuple(values.items()):
        if isinstance(value, dict):
            values |= {f"{name}.{inner}": each for inner, each in value.items()}
        elif isinstance(value, list):
            parts = [each for each in value if isinstance(each, dict)]
            inside = {inner: None for each in parts for inner in each}
            values |= {f"{name}.{inner}": [each.get(inner) for each in parts] for inner in inside}
    return values


def holes(template: str) -> Iterator[str]:
    """The fields that a template names. ValueError for a brace that is none of its own."""
    for found in HOLE.finditer(template):
        if found[1]:
            yield found[1]
        elif found[0] in "{}":
            raise ValueError(f"{template!r} has a {found[0]!r} alone: a field is {{name}}, a brace is written twice")


def filled(template: str, values: Values) -> str:
    """With the values in place; what a fact does not say is left out."""
    return HOLE.sub(lambda found: _text(values.get(found[1])) if found[1] else found[0][0], template)


def addressee(text: str) -> Addressee:
    """`user:anna`, `role:nurse`, `all`: as people write one. ValueError."""
    kind, _, ident = text.partition(":")
    if text == "all":
        return Addressee(all=True)
    if kind not in KINDS or not ident:
        raise ValueError(f"{text!r}: must be all, or one of {', '.join(f'{each}:<id>' for each in KINDS)}")
    try:
        return Addressee.model_validate({kind: ident})
    except ValidationError as error:
        raise ValueError(f"{text!r}: {error.errors()[0]['msg'].removeprefix('Value error, ')}") from None


def addressees(text: str, values: Values) -> list[Addressee]:
    """Whom a template means: nobody where the fact names nobody. ValueError for what is no id, or for too many."""
    named = list(holes(text))
    if any(values.get(name) in (None, "", []) for name in named):
        return []
    listed = next((name for name in named if isinstance(values.get(name), list)), None)
    if listed is None:
        return [addressee(filled(text, values))]
    people = [one for one in values[listed] if one not in (None, "")]
    if len(people) > LIST_MAX:
        raise ValueError(f"{listed} names more than {LIST_MAX}")
    return [addressee(filled(text, {**values, listed: one})) for one in people]


def kind_of(text: str) -> str:
    """Of whom an addressee is, whoever that will be: `user`, `role`, ... or `all`."""
    return text.partition(":")[0]


def cut(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"


def _text(value: Any) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "yes" if value else "no"
        case list():
            return ", ".join(map(_text, value))
        case dict():
            return ""
    return str(value)
