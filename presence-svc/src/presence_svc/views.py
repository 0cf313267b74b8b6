"""What presence shows without storing it: who and how many are in a room, what is being typed, where a cursor is."""

from typing import Any

from pydantic import TypeAdapter

from confer_contracts.message import Identity
from confer_contracts.presence import (
    VIEWS,
    ActiveUser,
    CursorPosition,
    LiveFieldTyping,
    LiveTyping,
    PresenceReply,
    PresenceSummary,
    RosterPage,
    UserCursorMoved,
)
from confer_kit.clock import iso
from presence_svc import codec
from presence_svc.codec import shown
from presence_svc.roll import Roll

ROSTER, SUMMARY, TYPING, CURSOR = VIEWS
_USERS: TypeAdapter[list[ActiveUser]] = TypeAdapter(list[ActiveUser])


def page(roll: Roll, after: str | None, limit: int, stale_since: float | None) -> RosterPage:
    people, cursor = roll.page(after, limit)
    return RosterPage(
        users=[shown(person) for person in people], total=len(roll), away=roll.away, next=cursor,
        **_stale(stale_since),
    )  # fmt: skip


def described(roll: Roll, after: str | None, limit: int, stale_since: float | None) -> PresenceReply:
    people, cursor = roll.page(after, limit)
    return PresenceReply(
        users=[codec.described(person) for person in people], total=len(roll), active=len(roll) - roll.away,
        away=roll.away, next=cursor, **_stale(stale_since),
    )  # fmt: skip


def roster(roll: Roll, limit: int) -> bytes:
    return _USERS.dump_json([shown(person) for person in roll.page(None, limit)[0]])


def summary(roll: Roll, limit: int, stale_since: float | None) -> bytes:
    body = PresenceSummary(
        count=len(roll), active=len(roll) - roll.away, away=roll.away, truncated=len(roll) > limit,
        **_stale(stale_since),
    )  # fmt: skip
    return body.model_dump_json().encode()


def _stale(since: float | None) -> dict[str, Any]:
    return {"stale": since is not None, "since": None if since is None else iso(since)}


def typing(told: LiveTyping, who: Identity, now: float) -> bytes:
    body = LiveFieldTyping(
        session_id=told.session_id, step=told.step, field_name=told.field_name, current_value=told.current_value,
        user_id=who.user_id, user_name=who.name, typing_speed=told.typing_speed, timestamp=iso(now),
    )  # fmt: skip
    return body.model_dump_json().encode()


def cursor(told: CursorPosition, who: Identity, now: float) -> bytes:
    body = UserCursorMoved(
        session_id=told.session_id, step=told.step, field_name=told.field_name,
        user_id=who.user_id, user_name=who.name, timestamp=iso(now),
    )  # fmt: skip
    return body.model_dump_json().encode()
