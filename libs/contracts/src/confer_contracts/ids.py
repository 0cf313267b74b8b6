"""Ids as clients send them, and the subject tokens that stand for them.

An id is any non-empty string of 1-128 UTF-8 bytes without control characters: Thai, spaces, `.`, `*` and `>`
are legal. A token is its injective, reversible image in `[A-Za-z0-9_=-]`, so that an id can never widen a NATS
subject or meet another one (docs/adr/0006 says how rooms are kept apart).
"""

import re

from confer_contracts.errors import ErrorCode, Rejection

ID_BYTES_MAX = 128
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f]")  # Unicode's category Cc
_PLAIN = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-")
_ITSELF = re.compile(r"[A-Za-z0-9_-]*")
_TOKEN = re.compile(r"(?:[A-Za-z0-9_-]|=[0-9A-F]{2})+")
SESSION, FREE = "session_", "free_"
_SPACES = (SESSION, FREE)  # rooms beside the patients': their names may not be reached by a patient id


def check_id(value: object, field: str) -> str:
    """`value` as an id, or a Rejection(invalid) that names `field` and the rule."""
    if not isinstance(value, str):
        raise Rejection(ErrorCode.INVALID, f"{field}: must be a string", field=field)
    try:
        size = len(value.encode())
    except UnicodeEncodeError:
        raise Rejection(ErrorCode.INVALID, f"{field}: must be valid Unicode", field=field) from None
    if not 1 <= size <= ID_BYTES_MAX:
        rule = f"must have 1 to {ID_BYTES_MAX} bytes of UTF-8, has {size}"
        raise Rejection(ErrorCode.INVALID, f"{field}: {rule}", field=field)
    if _CONTROL.search(value):
        raise Rejection(ErrorCode.INVALID, f"{field}: must not contain control characters", field=field)
    return value


def token(identifier: str) -> str:
    """The subject token of an id: every byte outside `[A-Za-z0-9_-]` as `=XX`."""
    if _ITSELF.fullmatch(identifier):  # nearly always
        return identifier
    return "".join(chr(b) if b in _PLAIN else f"={b:02X}" for b in identifier.encode())


def untoken(text: str) -> str:
    """The id that `token` made this of; ValueError when `text` is no token."""
    if text and _ITSELF.fullmatch(text):  # nearly always
        return text
    if not _TOKEN.fullmatch(text):
        raise ValueError(f"not a subject token: {text!r}")
    return re.sub(rb"=([0-9A-F]{2})", lambda m: bytes([int(m[1], 16)]), text.encode()).decode()


def plain(text: str) -> str:
    """As `untoken`; what no part of ours wrote may be no token, and is answered as it is."""
    try:
        return untoken(text)
    except ValueError:
        return text


def patient_room(patient_id: str) -> str:
    """The token of a patient's room; a patient called `session_1` stays apart from the session of that name."""
    text = token(patient_id)
    return f"={ord(text[0]):02X}{text[1:]}" if text.startswith(_SPACES) else text


def session_room(session_id: str) -> str:
    """The token of a hospital_mobile session's room."""
    return SESSION + token(session_id)


def free_room(name: str) -> str:
    """The token of a room that clients name themselves (`join_room`)."""
    return FREE + token(name)


def patient_of(room: str) -> str | None:
    """The patient id behind a room token; None for a session's or a free room."""
    return None if room.startswith(_SPACES) else untoken(room)
