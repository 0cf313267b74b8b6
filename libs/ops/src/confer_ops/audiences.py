"""Audiences as people write them on the command line."""

from typing import Final

from confer_contracts.errors import Rejection
from confer_contracts.ids import check_id, free_room, patient_room, session_room
from confer_contracts.subjects import EVERYBODY, Kind, audience, room_audience
from confer_ops.trouble import Trouble

_ROOMS: Final = {"room": patient_room, "session": session_room, "free": free_room}
_KINDS: Final = ("user", "role", "queue", "staff", "topic")
FORMS: Final = ", ".join(["all", *(f"{kind}:ID" for kind in (*_ROOMS, *_KINDS))])


def audience_of(text: str) -> str:
    """`room:P-1001` (a patient), `session:S-1`, `free:NAME`, `queue:screening`, ... as LIVE names them."""
    kind, _, ident = text.partition(":")
    if text == "all":
        return EVERYBODY
    if kind not in (*_ROOMS, *_KINDS) or not ident:
        raise Trouble(f"{text!r} is no audience; there are {FORMS}.")
    try:
        check_id(ident, "ID")
    except Rejection as refusal:
        raise Trouble(f"{text!r}: {refusal.message}.") from None
    return room_audience(_ROOMS[kind](ident)) if kind in _ROOMS else audience(Kind(kind), ident)
