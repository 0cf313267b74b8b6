"""Who is connected: python-socketio's client manager, at our scale."""

from collections.abc import Iterator
from typing import Any

from socketio.async_manager import AsyncManager


class Manager(AsyncManager):  # type: ignore[misc]
    """Who is connected. Rooms are ours (`audiences`), so that leaving does not look through those of every client, and
    there is no room for each client alone, which would take a kilobyte."""

    def admit(self, sid: str, eio_sid: str) -> None:
        """A session with this sid, in place of an earlier connection that had it."""
        if self.eio_sid_from_sid(sid, "/") is not None:
            self.basic_disconnect(sid, "/")
        self.basic_enter_room(sid, "/", None, eio_sid=eio_sid)

    def basic_disconnect(self, sid: str, namespace: str, **_: Any) -> None:
        if namespace != "/":
            super().basic_disconnect(sid, namespace)
            return
        self.basic_leave_room(sid, namespace, None)
        self.callbacks.pop(sid, None)

    def get_participants(self, namespace: str, room: Any) -> Iterator[tuple[str, str]]:
        """`room` may be a client's sid, which the library makes a room of."""
        eio_sid = self.eio_sid_from_sid(room, namespace) if namespace == "/" and isinstance(room, str) else None
        return super().get_participants(namespace, room) if eio_sid is None else iter([(room, eio_sid)])
