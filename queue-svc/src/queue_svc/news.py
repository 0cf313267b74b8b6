"""News of other services: who is with a patient, and at which step the record is."""

from collections.abc import Callable, Iterable

from confer_contracts import presence, sync
from confer_contracts.errors import Rejection
from confer_contracts.ids import patient_of, patient_room, token, untoken
from confer_contracts.queue import DEFAULT_QUEUE
from confer_contracts.subjects import stream_of
from confer_kit import clock
from confer_kit.facts import StoredFact
from confer_kit.logs import logger
from confer_kit.reactions import operation
from confer_kit.tasks import Tasks
from queue_svc.claims import SYSTEM, AskRoster, Claims
from queue_svc.days import Days
from queue_svc.domain import commands
from queue_svc.domain.commands import By, Command
from queue_svc.tickets import Tickets

log = logger(__name__)

REACTION_S = 10.0
SCREENING = token(DEFAULT_QUEUE)


class News:
    """`queues_of`: the tokens of the queues that a patient is in, as this replica knows."""

    def __init__(
        self, tickets: Tickets, claims: Claims, tasks: Tasks, roster: AskRoster, *,
        queues_of: Callable[[str], Iterable[str]], days: Days,
    ) -> None:  # fmt: skip
        self._tickets = tickets
        self._claims = claims
        self._tasks = tasks
        self._roster = roster
        self._queues_of = queues_of
        self._days = days

    async def on_presence(self, fact: StoredFact) -> None:
        """Who begins to screen a patient queues the patient, once. Who is there is listed with the patient's tickets
        until they leave; what they had called then returns."""
        patient, user = patient_of(fact.subject.ident), untoken(fact.subject.key)
        if patient is None:
            return
        by = _heard(fact, presence.SERVICE, user)
        if fact.event == "user_left":
            for key in self._queues(patient):
                await self._react(key, commands.StaffLeft(by, patient, fact.seq))
                await self._claims.holder_left(key, patient, by, fact.at, fact.seq)
            return
        screening = bool((fact.fold or {}).get("joined_screening"))
        if screening or fact.event == "user_joined":
            told = fact.json()
            for key in self._queues(patient):
                enqueue = screening and key == SCREENING
                await self._react(
                    key,
                    commands.Attend(
                        by,
                        clock.new_id(),
                        patient,
                        fact.seq,
                        told.get("step"),
                        enqueue,
                        told.get("role") or "",
                        self._days.series(untoken(key), fact.at),
                    ),
                )

    async def on_sync(self, fact: StoredFact) -> None:
        """The record's step is shown beside the patient."""
        patient = patient_of(fact.subject.ident)
        if patient is None or fact.event != "step_changed":
            return
        by = _heard(fact, sync.SERVICE, fact.actor or SYSTEM)
        for key in self._queues(patient):
            await self._react(key, commands.ReachStep(by, patient, fact.json()["step"], fact.seq))

    def look_who_is_there(self, key: str, patient: str) -> None:
        """Whoever was with the patient before the ticket was made: presence told of them when there was none."""
        self._tasks.start(self._list_present(key, patient), "list who is there")

    async def _list_present(self, key: str, patient: str) -> None:
        try:
            there = await self._roster(patient_room(patient), 0)
            for user in there.users:
                by = By(user.user_id, "", clock.new_id(), clock.now())
                seq = there.as_of.get(stream_of(presence.SERVICE), 0)
                await self._react(
                    key, commands.Attend(by, clock.new_id(), patient, seq, user.step, enqueue=False, role=user.role)
                )
        except Rejection as refusal:
            log.info("the staff of a new ticket are not known", reason=refusal.code)

    def _queues(self, patient: str) -> list[str]:
        """The default queue is always asked: it may be ahead of what this replica knows."""
        return sorted({SCREENING, *self._queues_of(patient)})

    async def _react(self, key: str, command: Command) -> None:
        await self._tickets.run(key, command, clock.now() + REACTION_S)


def _heard(fact: StoredFact, service: str, user: str) -> By:
    """News happened when its fact was stored; its operation is the same however often it arrives."""
    return By(user, "", operation(stream_of(service), fact), fact.at)
