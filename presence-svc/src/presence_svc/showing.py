"""What the members of each room are shown, and when: the roster, how many they are, and whether that may be wrong."""

from functools import partial

from confer_contracts.presence import PresenceReply, RosterPage
from confer_kit import clock
from confer_kit.service import Service
from presence_svc import views
from presence_svc.hearing import Hearing
from presence_svc.index import Index

LARGE_EVERY_S = 1.0  # what thousands read is drawn at most this often


class Showing:
    """A room is large when its people do not fit into a page. Its members follow the facts; the roster stays the first
    page, and is drawn again only when that changes."""

    def __init__(self, service: Service, index: Index, hearing: Hearing, page: int) -> None:
        self._service = service
        self._index = index
        self._hearing = hearing
        self._page = page
        self._late: dict[str, tuple[bool, bool]] = {}  # large rooms that are to be drawn soon: as in `changed`
        self._blind: float | None = None
        self._stale: dict[str, float] = {}
        self._cleared: set[str] = set()  # rooms that had people before the log was made anew

    def page(self, room: str, after: str | None = None) -> RosterPage:
        """Rejection(invalid) for an `after` that is no cursor."""
        return views.page(self._index.roll(room), after, self._page, self._stale_since(room))

    def described(self, room: str, after: str | None, limit: int) -> PresenceReply:
        """Rejection as for `page`."""
        return views.described(self._index.roll(room), after, limit, self._stale_since(room))

    def listed(self, place: int | None) -> bool:
        """Whether who has that place in a room is in its roster."""
        return place is not None and place < self._page

    def changed(self, room: str, *, listed: bool, counted: bool) -> None:
        """The room has changed: its roster, what its summary counts, or both."""
        if len(self._index.roll(room)) <= self._page:
            self._show(room, listed, counted)
            return
        if room not in self._late:
            self._service.timers.set(f"show {room}", clock.now() + LARGE_EVERY_S, partial(self._show_late, room))
        before = self._late.get(room, (False, False))
        self._late[room] = (listed or before[0], counted or before[1])

    def again(self, room: str) -> None:
        """Somebody asks for the roster, in a room where it is read by few."""
        if len(self._index.roll(room)) <= self._page:
            self._service.views.coalesce(views.ROSTER, room, partial(self._roster, room), again=True)

    async def look(self) -> None:
        """Called every second or so: rooms that we cannot see any more, or can see again, say so."""
        blind = self._hearing.blind_since
        quiet = self._hearing.quiet(self._index.edges())
        stale: dict[str, float] = {}
        for edge, since in quiet.items():
            for room in self._index.rooms_of(edge):
                stale[room] = min(since, stale.get(room, since))
        turned = stale.keys() ^ self._stale.keys()
        self._stale = stale
        if (blind is None) != (self._blind is None):
            turned = {*self._index.rooms(), *self._cleared}
            if blind is None:
                self._cleared.clear()
        self._blind = blind
        for room in turned:
            self._show(room, listed=True, counted=True)

    def clear(self) -> None:
        """The log is read anew: what was known of the rooms is void."""
        self._cleared.update(self._index.rooms())
        self._late.clear()

    def _stale_since(self, room: str) -> float | None:
        """Since when this room may be other than we know; None: it is as we know it."""
        return self._hearing.blind_since or self._stale.get(room)

    async def _show_late(self, room: str) -> None:
        self._show(room, *self._late.pop(room))

    def _show(self, room: str, listed: bool, counted: bool) -> None:
        if listed:
            self._service.views.coalesce(views.ROSTER, room, partial(self._roster, room))
        if counted:
            self._service.views.coalesce(views.SUMMARY, room, partial(self._summary, room))

    def _roster(self, room: str) -> tuple[bytes, int] | None:
        """A list cannot say that it may be wrong: while we are blind, the one that clients have stays."""
        if self._hearing.blind_since is not None:
            return None
        return views.roster(self._index.roll(room), self._page), self._service.position

    def _summary(self, room: str) -> tuple[bytes, int]:
        return views.summary(self._index.roll(room), self._page, self._stale_since(room)), self._service.position
