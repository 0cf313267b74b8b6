"""The ends of claims: when their time is over, and when presence says that their holder left."""

from collections.abc import Awaitable, Callable

from confer_contracts.errors import Rejection
from confer_contracts.ids import patient_room
from confer_contracts.presence import Roster
from confer_kit import clock
from confer_kit.logs import logger
from confer_kit.timers import Timers
from queue_svc.domain.commands import By, ExpireClaim, HolderLeft
from queue_svc.domain.ticket import CLAIMED, Claim, Ticket
from queue_svc.tickets import Tickets

log = logger(__name__)

AskRoster = Callable[[str, int], Awaitable[Roster]]  # of a room; as new as that sequence of PRESENCE
SYSTEM = "system"  # who acts when nobody does
END_S = 10.0
DOUBT_S = 5.0  # after the end of a claim: for so long presence may be away, or start


class Claims:
    """Every replica watches all claims; the first one to append an end is heard.

    `roster` asks presence who is in a room; `claim_s` as of Handlers.
    """

    def __init__(self, tickets: Tickets, timers: Timers, roster: AskRoster, claim_s: float) -> None:
        self._tickets = tickets
        self._timers = timers
        self._roster = roster
        self._claim_s = claim_s

    def watch(self, key: str, ticket: Ticket) -> None:
        """Wait for the end of the claim on a ticket of the queue with this token, if it has one."""
        name, claim = f"claim {key} {ticket.id}", ticket.claim
        if claim is None or ticket.status not in CLAIMED:
            self._timers.cancel(name)
            return
        self._timers.set(name, claim.until, lambda: self._expire(key, ticket, claim))

    async def _expire(self, key: str, ticket: Ticket, claim: Claim) -> None:
        """A holder who is with the patient keeps the claim. Who is there is asked for DOUBT_S, and then nobody is."""
        renews = (await self._tickets.policy(key)).renew_present
        present = renews and await self._is_with(claim, ticket.patient_id)
        now = clock.now()
        by = By(SYSTEM, "", clock.new_id(), now)
        prolong_s = self._claim_s if present else None
        command = ExpireClaim(by, ticket.id, claim.token, claim.until, prolong_s)
        await self._tickets.run(key, command, now + END_S)

    async def holder_left(self, key: str, patient: str, by: By, left_at: float, sequence: int) -> None:
        """Presence told in its fact `sequence` that a person left: their claims on the patient's tickets that are
        older than that end, if presence, asked again, still says so. Rejection when it does not answer."""
        held = await self._tickets.find(key, lambda queue: _held_by(by.user, queue.tickets_of(patient)))
        if held.ticket is None or not (await self._tickets.policy(key)).return_when_left:
            return
        if by.user in {one.user_id for one in (await self._roster(patient_room(patient), sequence)).users}:
            return
        number = 0
        while True:
            number += 1
            again = By(by.user, by.session, f"{by.op}-left-{number}", by.now)
            command = HolderLeft(again, patient, left_at)
            if (await self._tickets.run(key, command, clock.now() + END_S)).ticket is None:
                return

    async def _is_with(self, claim: Claim, patient: str) -> bool:
        """Rejection while it is worth asking again: the timer does."""
        try:
            there = await self._roster(patient_room(patient), 0)
        except Rejection as refusal:
            if clock.now() < claim.until + DOUBT_S:
                raise
            log.info("presence does not say whether a holder is there", reason=refusal.code)
            return False
        return claim.user in {one.user_id for one in there.users}


def _held_by(user: str, tickets: list[Ticket]) -> Ticket | None:
    return next((one for one in tickets if one.claim and one.claim.user == user), None)
