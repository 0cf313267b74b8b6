"""Fifty people call next at once, on a thousand tickets, at two replicas: a thousand single winners, in order."""

import asyncio
from typing import Any

STAFF, TICKETS = 50, 1000


async def test_a_thousand_tickets_have_a_thousand_single_winners(clinic: Any) -> None:
    await clinic.replica(queue_segment_facts=100)

    async def enqueue(first: int) -> None:
        for number in range(first, TICKETS, STAFF):
            await clinic.ok("queue_enqueue", queue="a", patient_id=f"p{number}")

    async def call_until_empty(user: str) -> list[tuple[str, str]]:
        won = []
        while (answer := await clinic.ok("queue_call_next", user, queue="a"))["ticket"] is not None:
            won.append((answer["ticket"]["ticket"], answer["token"]))
        return won

    await asyncio.gather(*(enqueue(first) for first in range(STAFF)))
    await clinic.replica(queue_segment_facts=100)
    won = await asyncio.gather(*(call_until_empty(f"u{number}") for number in range(STAFF)))
    facts = await clinic.facts("log.queue.*.a.*")
    arrived = [fact.json()["ticket"] for fact in facts if fact.event == "ticket_queued"]
    winners = [(fact.json()["ticket"], fact.actor) for fact in facts if fact.event == "ticket_called"]
    assert [ticket for ticket, _ in winners] == arrived
    assert len(set(arrived)) == TICKETS
    assert sorted(winners) == sorted((ticket, f"u{n}") for n, mine in enumerate(won) for ticket, _ in mine)
    assert len({token for mine in won for _, token in mine}) == TICKETS
