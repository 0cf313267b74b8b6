"""Who is present, by room and by edge: what this replica has read of the log. People who left are not in it."""

from typing import NamedTuple

from confer_contracts import presence
from presence_svc.domain.person import Person
from presence_svc.roll import Roll


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
        self._left: dict[str, int] = {}  # who left by our own word, until the log brings it
        self._rooms: dict[str, Roll] = {}
        self._edges: dict[str, dict[Place, int]] = {}
        self._digests: dict[str, str] = {}

    def put(self, key: str, person: Person, seq: int) -> bool:
        """The person is like this since that sequence; False: that is old news."""
        before, known = self._people.get(key, (None, 0))
        if seq <= max(known, self._left.get(key, 0)):
            return False
        if before is None or before.sessions != person.sessions:
            self._move_sessions(key, before, person)
        room, _, user = key.partition(".")
        if person.present:
            self._people[key] = (person, seq)
        else:
            self._people.pop(key, None)
            self._left[key] = seq
        roll = self._rooms.setdefault(room, Roll())
        roll.put(user, person)
        if not roll:
            del self._rooms[room]
        return True

    def read(self, key: str, seq: int) -> None:
        """The log has brought what was appended up to there: nothing older will come."""
        if self._left.get(key, seq + 1) <= seq:
            del self._left[key]

    def clear(self) -> None:
        for part in (self._people, self._left, self._rooms, self._edges, self._digests):
            part.clear()

    def people(self) -> int:
        """How many there are, once for each room."""
        return len(self._people)

    def get(self, key: str) -> Person | None:
        return self._people.get(key, (None, 0))[0]

    def rooms(self) -> list[str]:
        """Those with people."""
        return list(self._rooms)

    def roll(self, room: str) -> Roll:
        return self._rooms.get(room) or Roll()

    def edges(self) -> list[str]:
        """The incarnations that have sessions."""
        return list(self._edges)

    def rooms_of(self, incarnation: str) -> set[str]:
        """Where the edge has sessions."""
        return {place.room for place in self._edges.get(incarnation, ())}

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
