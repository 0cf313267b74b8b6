"""What presence shows without storing it: the roster of a room, what is being typed, where a cursor is."""

from pydantic import TypeAdapter

from confer_contracts.message import Identity
from confer_contracts.presence import (
    VIEWS,
    ActiveUser,
    CursorPosition,
    LiveFieldTyping,
    LiveTyping,
    UserCursorMoved,
)
from confer_kit.clock import iso
from presence_svc.codec import shown
from presence_svc.index import Index

ROSTER, TYPING, CURSOR = VIEWS
_USERS: TypeAdapter[list[ActiveUser]] = TypeAdapter(list[ActiveUser])


def users(index: Index, room: str) -> list[ActiveUser]:
    """Everybody in the room, in the order in which they came."""
    return [shown(person) for person in index.in_room(room)]


def roster(index: Index, room: str) -> bytes:
    return _USERS.dump_json(users(index, room))


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
