"""Somebody who writes without pause: each write under one operation id, sent again until it is acknowledged."""

import asyncio
import random
from collections import Counter
from collections.abc import Sequence
from typing import Any, Final

from confer_kit import clock
from confer_kit.testing.chaos.member import QUEUE, Member

PAUSE_S: Final = (0.02, 0.15)
FIELDS: Final = [f"field_{n}" for n in range(4)]


class Writer:
    """`acknowledged`: operation ids. `asking`: the one that waits for its answer, None: none does. `unanswered`: how
    often a call that was sent got none. `refusals`: how often each code, all of which invite to try again."""

    def __init__(self, member: Member, patients: Sequence[str], dice: random.Random) -> None:
        self.member = member
        self.acknowledged: list[str] = []
        self.asking: str | None = None
        self.unanswered = 0
        self.refusals: Counter[str] = Counter()
        self.problems: list[str] = []
        self.may_write = asyncio.Event()  # something new
        self.may_call = asyncio.Event()  # at all
        self.go_on()
        self._patients = list(patients)
        self._dice = dice

    async def run(self) -> None:
        """Until cancelled; `rest` lets the write that is under way come to its end."""
        while True:
            await self.may_write.wait()
            op = clock.new_id()
            event, payload = self._something(op)
            while not await self._done(event, {**payload, "op": op}):  # noqa: ASYNC110 - not only for a moment
                await asyncio.sleep(self._dice.uniform(0.05, 0.3))
            self.acknowledged.append(op)
            await asyncio.sleep(self._dice.uniform(*PAUSE_S))

    def go_on(self) -> None:
        self.may_write.set()
        self.may_call.set()

    def hush(self) -> None:
        """Call nobody."""
        self.may_call.clear()

    async def rest(self) -> None:
        """Write nothing new; returns when nothing is under way."""
        self.may_write.clear()
        while self.asking is not None:  # noqa: ASYNC110 - the writer's own doing
            await asyncio.sleep(0.02)

    async def _done(self, event: str, payload: dict[str, Any]) -> bool:
        await self.may_call.wait()
        self.asking = payload["op"]
        if not self.member.connected:
            return False
        answer = await self.member.call(event, payload)
        if answer is None:
            self.unanswered += 1
            return False
        if answer["status"] != "ok":
            self.refusals[answer["code"]] += 1
            if not answer["retry"]:
                self.problems.append(f"{self.member.name}: {event} was refused for good: {answer}")
            return not answer["retry"]
        self.asking = None
        return True

    def _something(self, op: str) -> tuple[str, dict[str, Any]]:
        """Mostly a field; sometimes a word to everybody, or a new patient in the queue."""
        chance = self._dice.random()
        if chance < 0.9:
            field = self._dice.choice(FIELDS)
            return "field_update", {"patient_id": self._dice.choice(self._patients), "field": field, "value": op}
        if chance < 0.99:
            return "notification_send", {"to": {"all": True}, "title": op}
        return "queue_enqueue", {"patient_id": f"T-{op}", "queue": QUEUE}
