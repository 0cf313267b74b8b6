"""Staff at one queue, over NATS as an edge asks: each puts a patient into it, calls the next one and finishes that one,
again and again. Prints JSON; an update is one of these calls.

`python staff.py URL PIDS STAFF WAITING WARMUP_S SECONDS`; PIDS: of queue-svc and of the others at work, separated by
commas; WAITING: who waits before it begins.
"""

import asyncio
import itertools
import json
import sys
import time
from collections.abc import Iterator
from typing import Any

import nats
import orjson
import uvloop
from nats.aio.client import Client

from bench import process
from confer_contracts import queue
from confer_contracts.message import Identity
from confer_contracts.queue import CallNext, ClaimedTicket, Enqueue, InQueue
from confer_contracts.route import Call
from confer_kit import clock
from confer_kit.calls import ask

TIMEOUT_S = 60.0
AT_ONCE = 64  # who come, before the measurement


class Staff:
    """One person; `took`: seconds of each call since `began`."""

    def __init__(self, nc: Client, name: str, patients: Iterator[int]) -> None:
        self._nc = nc
        self._who = Identity(user_id=name, name=name, role="nurse", session=name)
        self._patients = patients
        self.took: list[float] = []
        self.refused = 0

    async def enqueue(self) -> None:
        await self._ask(queue.ENQUEUE, Enqueue(patient_id=f"p{next(self._patients)}"))

    async def round(self) -> None:
        await self.enqueue()
        called = await self._ask(queue.CALL_NEXT, CallNext(station=self._who.name))
        if ticket := called.get("ticket"):
            await self._ask(queue.DONE, ClaimedTicket(ticket=ticket["ticket"], token=called["token"]))

    async def _ask(self, call: Call[Any, Any], request: InQueue) -> dict[str, Any]:
        sent = time.perf_counter()
        body = request.model_dump_json().encode()
        answer = orjson.loads(
            await ask(self._nc, call.subject, body, self._who, op=clock.new_id(), timeout_s=TIMEOUT_S)
        )
        self.took.append(time.perf_counter() - sent)
        self.refused += answer["status"] != "ok"
        return dict(answer)


async def main(url: str, pids: list[int], staff: int, waiting: int, times: tuple[float, float]) -> None:
    nc = await nats.connect(url)
    people = [Staff(nc, f"u{number}", _patients) for number in range(staff)]
    await _fill(nc, waiting)
    warmup_s, seconds = times
    await _work(people, warmup_s)
    for person in people:
        person.took.clear()
    clocks = [process.cpu_clock(pid) for pid in pids]
    before, began = [time.clock_gettime(each) for each in clocks], time.perf_counter()
    own = time.process_time()
    await _work(people, seconds)
    spent, own = time.perf_counter() - began, time.process_time() - own
    service, *others = (time.clock_gettime(each) - was for each, was in zip(clocks, before, strict=True))
    took = sorted(itertools.chain.from_iterable(person.took for person in people))
    p50, p99 = (round(took[int(len(took) * part)] * 1e6) for part in (0.5, 0.99))
    result = {
        "seconds": round(spent, 3), "updates": len(took), "updates_per_s": round(len(took) / spent, 1),
        "cpu_us_per_update": round(service / len(took) * 1e6, 1),
        "all_cpu_us_per_update": round((service + sum(others) + own) / len(took) * 1e6, 1),
        "p50_us": p50, "p99_us": p99, "refused": sum(person.refused for person in people),
    }  # fmt: skip
    print(json.dumps(result))
    await nc.close()


async def _fill(nc: Client, waiting: int) -> None:
    """So many wait."""
    left = iter(range(waiting))

    async def come(person: Staff) -> None:
        for _ in left:
            await person.enqueue()

    await asyncio.gather(*(come(Staff(nc, f"r{number}", _patients)) for number in range(AT_ONCE)))


async def _work(people: list[Staff], seconds: float) -> None:
    end = time.perf_counter() + seconds

    async def work(person: Staff) -> None:
        while time.perf_counter() < end:
            await person.round()

    await asyncio.gather(*map(work, people))


_patients = itertools.count()

if __name__ == "__main__":
    _, url, pids, staff, waiting, warmup_s, seconds = sys.argv
    times = float(warmup_s), float(seconds)
    uvloop.run(main(url, [int(pid) for pid in pids.split(",")], int(staff), int(waiting), times))
