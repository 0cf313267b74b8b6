"""What every client of a storm does alike: it enters its rooms whenever it begins anew, and notes what it sees."""

import asyncio
import random
from collections.abc import Sequence
from typing import Any, Final

from confer_contracts.ids import token
from confer_contracts.subjects import EVERYBODY, Kind, audience
from confer_kit import clock
from confer_kit.tasks import Tasks
from confer_kit.testing.chaos.sightings import Asked, Began, Joined, Left, Offset, Sighting, Told, of_join

CALL_S: Final = 6.0
WANDERS_AFTER_S: Final = (0.5, 3.0)
ROLE: Final = "nurse"
QUEUE: Final = "screening"


class Member:
    """`saw`: everything, in order. `patients`: whose rooms it is in."""

    def __init__(self, name: str, patients: Sequence[str]) -> None:
        self.name = name
        self.saw: list[Sighting] = []
        self.connected = False
        self.lost_by = ""  # why the connection ended, where the client tells
        self.connections = 0
        self._patients = list(patients)
        self._life = 0
        self._tasks = Tasks()

    @property
    def own(self) -> tuple[str, ...]:
        """The audiences it is in without asking."""
        return audience(Kind.USER, self.name), audience(Kind.ROLE, ROLE), EVERYBODY

    @property
    def recoveries(self) -> int:
        return sum(isinstance(sighting, Began) and sighting.recovered for sighting in self.saw)

    @property
    def latest(self) -> Offset | None:
        """Of the last fact that came."""
        return next((sighting.offset for sighting in reversed(self.saw) if isinstance(sighting, Told)), None)

    @property
    def present(self) -> list[frozenset[str]]:
        """Whom the rosters named when it last entered its rooms."""
        joins = [sighting for sighting in self.saw if isinstance(sighting, Joined)]
        return [joined.present for joined in joins[-len(self._patients) :]]

    async def call(self, event: str, payload: dict[str, Any], timeout: float = CALL_S) -> dict[str, Any] | None:
        """The acknowledgement; None: the connection was lost, or none came in time."""
        raise NotImplementedError

    async def cut(self) -> None:
        """The connection breaks."""
        raise NotImplementedError

    def began(self, sid: str, recovered: bool) -> None:
        self.saw.append(Began(sid, recovered, self.own))
        self.connected = True
        self.connections += 1
        if not recovered:
            self._life += 1
            self._tasks.start(self._enter(self._life), f"{self.name} enters")

    def answered(self, answer: dict[str, Any]) -> None:
        """Of a join or leave it is noted where it comes: what follows is of after it."""
        if "patient_id" in answer and "offset" in answer:
            self.saw.append(of_join(answer, clock.now()))
        elif "patient_id" in answer and "room" in answer:
            self.saw.append(Left(answer["room"]))

    async def enter(self) -> None:
        """All rooms, each until it is acknowledged."""
        await self._enter(self._life)

    async def wander(self, dice: random.Random) -> None:
        """Out of a room and in again, on and on, whatever happens meanwhile."""
        while True:
            await asyncio.sleep(dice.uniform(*WANDERS_AFTER_S))
            patient = dice.choice(self._patients)
            for event in ("leave_patient_room", "join_patient_room"):
                await self._ask(event, patient, self._life)

    async def _enter(self, life: int) -> None:
        for patient in self._patients:
            await self._ask("join_patient_room", patient, life)

    async def _ask(self, event: str, patient: str, life: int) -> None:
        """Until it is acknowledged. A connection that was recovered goes on with it; another beginning starts over."""
        self.saw.append(Asked(f"{Kind.ROOM}.{token(patient)}"))
        while self._life == life:
            answer = await self.call(event, {"patient_id": patient})
            if answer is not None and answer["status"] == "ok":
                break
            await asyncio.sleep(0.1)
