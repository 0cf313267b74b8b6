"""Events that are well-formed JSON and yet refused by our parser: named, so that they can be refused by name.

orjson refuses lone surrogates, numbers that no double holds, and nesting that would exhaust the stack; all of them
are legal JSON (RFC 8259, sections 6, 8.2 and 9).
"""

import json
from typing import Any, NamedTuple

from confer_edge.packets import nesting

IDENTIFIER_DIGITS_MAX = 15
HEAD_BYTES = 512


class UnparsedEvent(NamedTuple):
    """`field` breaks a rule, which `why` tells; `identifier` is the ack's."""

    event: str
    field: str
    why: str
    identifier: int | None


def unparsed_event(text: str) -> UnparsedEvent | None:
    """What is wrong with an EVENT packet; None: it is no such packet, or no JSON at all."""
    if not text.startswith("2"):
        return None
    body = text[1:].lstrip("0123456789")
    digits = text[1 : len(text) - len(body)]
    identifier = int(digits) if 0 < len(digits) <= IDENTIFIER_DIGITS_MAX else None
    try:
        parsed = json.loads(body, parse_int=float, parse_constant=_refuse)
    except RecursionError:
        name = _name(body)
        why = f"nested {nesting(body)} levels deep, which is too deep"
        return None if name is None else UnparsedEvent(_shown(name), "payload", why, identifier)
    except ValueError:
        return None
    if not isinstance(parsed, list) or not parsed or not isinstance(parsed[0], str):
        return None
    field = _not_unicode(parsed[1] if len(parsed) > 1 else None)
    if field is not None:
        return UnparsedEvent(
            _shown(parsed[0]), _shown(field), "must be valid Unicode, without lone surrogates", identifier
        )
    why = "holds something out of bounds: a lone surrogate, a number, or its nesting"
    return UnparsedEvent(_shown(parsed[0]), "payload", why, identifier)


def head_of_event(data: bytes) -> tuple[str, int | None] | None:
    """Name (or its beginning) and ack id of an event of the namespace `/`, whose payload is not looked at; None: it is
    none."""
    if data[:1] not in (b"2", b"5"):
        return None
    start = data[1:HEAD_BYTES].decode(errors="replace")
    if data[:1] == b"5":
        start = start.partition("-")[2]
    body = start.lstrip("0123456789")
    digits = start[: len(start) - len(body)]
    if not body.startswith('["'):
        return None
    identifier = int(digits) if 0 < len(digits) <= IDENTIFIER_DIGITS_MAX else None
    return _shown(_name(body) or body[2:]), identifier


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")


def _name(body: str) -> str | None:
    """The event's name, read without the rest."""
    try:
        name, _ = json.JSONDecoder().raw_decode(body, 1)
    except ValueError:
        return None
    return name if isinstance(name, str) else None


def _not_unicode(payload: Any) -> str | None:
    """Where the first string with a lone surrogate is, as `user.name`; None: nowhere in the payload."""
    pending: list[tuple[str, Any]] = [("", payload)]
    while pending:
        path, value = pending.pop()
        if isinstance(value, str) and _shown(value) != value:
            return path or "payload"
        children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
        for key, child in children:
            inner = f"{path}.{key}" if path else str(key)
            if _shown(inner) != inner:
                return inner
            pending.append((inner, child))
    return None


def _shown(text: str) -> str:
    """Without lone surrogates."""
    return text.encode(errors="replace").decode()
