"""Who is present, by room and by edge: what this replica has read of the log. People who left are not in it."""

from typing import NamedTuple

from confer_contracts import presence
from presence_svc.codec import room_of
from presence_svc.domain.person import Person


class Place(NamedTuple):
    """Where an edge has a session, and whose it is."""

    room: str
    user: str  # a token
    session: str

    @property
    def key(self) -> str:
        return f"{self.room}.{self.user}"


class Index:
    def __init__(self) -> None:
        self._people: dict[str, tuple[Person, int]] = {}
        self._rooms: dict[str, set[str]] = {}
        self._edges: dict[str, dict[Place, int]] = {}
        self._digests: dict[str, str] = {}

    def put(self, key: str, person: Person, seq: int) -> bool:
        """The person is like this since that sequence; False: that is old news."""
        before, known = self._people.get(key, (None, 0))
        if seq <= known:
            return False
        if before is None or before.sessions != person.sessions:
            self._move_sessions(key, before, person)
        room = room_of(key)
        if person.present:
            self._people[key] = (person, seq)
            self._rooms.setdefault(room, set()).add(key)
        elif before is not None:
            del self._people[key]
            self._rooms[room].discard(key)
            if not self._rooms[room]:
                del self._rooms[room]
        return True

    def clear(self) -> None:
        for part in (self._people, self._rooms, self._edges, self._digests):
            part.clear()

    def get(self, key: str) -> Person | None:
        return self._people.get(key, (None, 0))[0]

    def count(self, room: str) -> int:
        return len(self._rooms.get(room, ()))

    def in_room(self, room: str) -> list[Person]:
        """In the order in which they came."""
        people = [self._people[key][0] for key in self._rooms.get(room, ())]
        return sorted(people, key=lambda person: (person.joined_at, person.user_id))

    def edges(self) -> list[str]:
        """The incarnations that have sessions."""
        return list(self._edges)

    def sessions(self, incarnation: str) -> dict[Place, int]:
        """Attach numbers by place."""
        return dict(self._edges.get(incarnation, {}))

    def digest(self, incarnation: str) -> str:
        """As the edge makes it over its own list."""
        if (known := self._digests.get(incarnation)) is None:
            held = self._edges.get(incarnation, {})
            known = presence.digest((place.room, place.session, attach) for place, attach in held.items())
            if held:
                self._digests[incarnation] = known
        return known

    def _move_sessions(self, key: str, before: Person | None, after: Person) -> None:
        room, _, user = key.partition(".")
        for name, session in before.sessions.items() if before else ():
            self._digests.pop(session.incarnation, None)
            held = self._edges[session.incarnation]
            del held[Place(room, user, name)]
            if not held:
                del self._edges[session.incarnation]
        for name, session in after.sessions.items():
            self._digests.pop(session.incarnation, None)
            self._edges.setdefault(session.incarnation, {})[Place(room, user, name)] = session.attach
