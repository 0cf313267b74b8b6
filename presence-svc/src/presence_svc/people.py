"""Changing people, and what follows from each change: this replica's index, its timers, what is shown."""

from functools import partial
from typing import Any

from confer_contracts.errors import ErrorCode, Rejection
from confer_kit import clock
from confer_kit.facts import NewFact, StoredFact
from confer_kit.service import Service
from presence_svc.codec import PersonCodec, room_of
from presence_svc.domain.commands import Attach, Command, Edit, EndMarks, Expire, GoAway, Heartbeat
from presence_svc.domain.decide import decide
from presence_svc.domain.person import Person
from presence_svc.hearing import Hearing
from presence_svc.index import Index
from presence_svc.settings import Settings
from presence_svc.showing import Showing

BACKGROUND_S = 5.0  # the deadline of what nobody waits for


class People:
    """Everybody who is present anywhere, as this replica knows them."""

    def __init__(self, service: Service, settings: Settings, hearing: Hearing, index: Index, showing: Showing) -> None:
        self.index = index
        self._showing = showing
        self._service = service
        self._settings = settings
        self._hearing = hearing
        self._codec = PersonCodec()
        self._ledger = service.ledger(self._codec)

    async def change(
        self, key: str, command: Command, *, deadline: float | None = None, op: str | None = None,
        origin: str | None = None,
    ) -> int:  # fmt: skip
        """Run a command; answers the sequence of the person's last fact after it (0: there is none).

        Rejection as the domain's, `limit_exceeded` when the room is full, or as `Ledger.transact`.
        """
        if isinstance(command, Attach):
            self._refuse_if_full(key)

        def decided(person: Person) -> NewFact | None:
            event = decide(command, person)
            return None if event is None else self._codec.encode(key, event, op=op, origin=origin)

        folded = await self._ledger.transact(key, decided, deadline or clock.now() + BACKGROUND_S)
        self._know(key, folded.state, folded.seq)
        return folded.seq

    async def noticed(self, key: str, command: Heartbeat | Edit, **call: Any) -> None:
        """What mostly changes nothing: it is run only where something comes of it as this replica knows the person."""
        person = self.index.get(key)
        if person is not None and decide(command, person) is not None:
            await self.change(key, command, **call)

    def observe(self, fact: StoredFact) -> None:
        """A fact of the own stream, in order."""
        key = self._codec.aggregate(fact.subject)
        event = None if key is None else self._codec.decode(fact)
        if key is not None and event is not None:
            self._know(key, event.person, fact.seq)
            self.index.read(key, fact.seq)

    def clear(self) -> None:
        """The log is read anew."""
        self.index.clear()
        self._service.timers.clear()

    def _know(self, key: str, person: Person, seq: int) -> None:
        room, _, user = key.partition(".")
        before, placed = self.index.get(key), self.index.roll(room).place(user)
        if not self.index.put(key, person, seq):
            return
        for name, session in person.sessions.items():
            if before is None or before.sessions.get(name) != session:
                self._hearing.hear(session.incarnation, person.changed_at)
        self._set_timers(key, person)
        after = person if person.present else None
        if (before and before.shown) != (after and after.shown):
            places = (placed, self.index.roll(room).place(user))
            counted = (before and before.status) != (after and after.status)
            self._showing.changed(room, listed=any(map(self._showing.listed, places)), counted=counted)

    def _set_timers(self, key: str, person: Person) -> None:
        """Every replica sets them; whoever is first appends, the others find it done."""
        timers, grace, away, marks = self._service.timers, f"grace {key}", f"away {key}", f"marks {key}"
        if person.grace_until is not None:
            due = max(person.grace_until, self._hearing.settled_at)
            timers.set(grace, due, partial(self._expire, key, person.grace_until))
        else:
            timers.cancel(grace)
        if person.sessions and person.status == "active":
            timers.set(away, self._away_at(person.last_activity), partial(self._go_away, key, person.last_activity))
        else:
            timers.cancel(away)
        if person.marks:
            oldest = min(mark.at for mark in person.marks.values())
            timers.set(marks, self._silent_at(oldest), partial(self._end_marks, key, oldest))
        else:
            timers.cancel(marks)

    async def _expire(self, key: str, grace_until: float) -> None:
        await self._hearing.check()
        if clock.now() < self._hearing.settled_at:  # we were deaf meanwhile: they may be back
            self._service.timers.set(f"grace {key}", self._hearing.settled_at, partial(self._expire, key, grace_until))
            return
        await self.change(key, Expire(grace_until=grace_until, now=clock.now()))

    async def _go_away(self, key: str, last_activity: float) -> None:
        await self._hearing.check()
        due = self._away_at(last_activity)
        if clock.now() < due:
            self._service.timers.set(f"away {key}", due, partial(self._go_away, key, last_activity))
            return
        await self.change(key, GoAway(last_activity=last_activity))

    async def _end_marks(self, key: str, oldest: float) -> None:
        await self._hearing.check()
        due = self._silent_at(oldest)
        if clock.now() < due:
            self._service.timers.set(f"marks {key}", due, partial(self._end_marks, key, oldest))
            return
        await self.change(key, EndMarks(silent_since=oldest))

    def _away_at(self, last_activity: float) -> float:
        return max(last_activity, self._hearing.since) + self._settings.presence_away_after_s

    def _silent_at(self, heard: float) -> float:
        return max(heard, self._hearing.since) + self._settings.presence_editing_s

    def _refuse_if_full(self, key: str) -> None:
        room, most = room_of(key), self._settings.presence_room_people_max
        if self.index.get(key) is None and len(self.index.roll(room)) >= most:
            raise Rejection(ErrorCode.LIMIT_EXCEEDED, f"more than {most} people in this room")
