"""Policies of queues from a file (TOML), declared in the queues' own logs, so that all replicas agree.

version = 3                         # what holds is the newest that was declared

[queues.registration]
next = "screening"                  # whoever is done here waits there

[queues.screening]
claim_s = 900
recalls = 2                         # the third recall is a no-show
ageing_s = 1800                     # or: shares = { high = 4, normal = 2, low = 1 }
kinds = { adult = [], child = ["children"] }        # each with the skills that it needs
[queues.screening.stations."room 3"]
skills = ["children"]
"""

import asyncio
from typing import Annotated, Final

from pydantic import AfterValidator, Field, model_validator

from confer_contracts.errors import Rejection
from confer_contracts.ids import token
from confer_contracts.message import Id, ShortText
from confer_contracts.written import Written, parse_toml
from confer_kit import clock
from confer_kit.logs import logger
from confer_kit.tasks import Tasks
from queue_svc.claims import SYSTEM
from queue_svc.domain.commands import By, Declare
from queue_svc.domain.order import Ordering
from queue_svc.domain.policy import TICKETS_MAX, Back, Policy, Station
from queue_svc.tickets import Tickets

log = logger(__name__)

QUEUES_MAX: Final = 1000
NAMES_MAX: Final = 100  # kinds, stations, and skills of one, each
DECLARE_S, RETRY_S = 5.0, 1.0
Seconds = Annotated[float, Field(gt=0, le=7 * 24 * 3600)]
Share = Annotated[int, Field(ge=1, le=100)]


def _all_different(names: list[str]) -> list[str]:
    if len(set(names)) != len(names):
        raise ValueError("names must differ")
    return names


Names = Annotated[list[Id], Field(max_length=NAMES_MAX), AfterValidator(_all_different)]


class Shares(Written):
    """Of so many calls, how many each priority gets while somebody of it waits."""

    high: Share
    normal: Share
    low: Share


class StationDeclared(Written):
    """`kinds`: the ones that are called to it, if not all that its skills allow."""

    kinds: Names | None = None
    skills: Names = []


class QueueDeclared(Written):
    """A queue's policy, as an operator writes it; what is left out is as without a file."""

    claim_s: Seconds | None = None
    renew_while_present: bool = True
    return_when_holder_leaves: bool = True
    recalls: Annotated[int, Field(ge=0, le=100)] | None = None
    requeue: Back = "old"
    requeue_choice: bool = False
    ageing_s: Seconds | None = None
    shares: Shares | None = None
    kinds: Annotated[dict[Id, Names], Field(max_length=NAMES_MAX)] = {}
    stations: Annotated[dict[ShortText, StationDeclared], Field(max_length=NAMES_MAX)] = {}
    next: Id | None = None
    tickets_per_patient: Annotated[int, Field(ge=1, le=20)] = 1
    tickets_max: Annotated[int, Field(ge=1, le=TICKETS_MAX)] = TICKETS_MAX

    @model_validator(mode="after")
    def _agrees_with_itself(self) -> "QueueDeclared":
        if self.ageing_s is not None and self.shares is not None:
            raise ValueError("ageing_s and shares: one of the two, each keeps low priorities from starving")
        for name, station in self.stations.items():
            unknown = sorted(set(station.kinds or ()) - set(self.kinds))
            if self.kinds and unknown:
                raise ValueError(f"stations.{name}.kinds: not among the queue's kinds: {', '.join(unknown)}")
        return self

    def policy(self, version: int) -> Policy:
        shares = (self.shares.high, self.shares.normal, self.shares.low) if self.shares else None
        return Policy(
            version=version, claim_s=self.claim_s, renew_present=self.renew_while_present,
            return_when_left=self.return_when_holder_leaves, recalls_max=self.recalls, requeue=self.requeue,
            requeue_choice=self.requeue_choice, ordering=Ordering(self.ageing_s, shares),
            kinds={kind: frozenset(skills) for kind, skills in self.kinds.items()},
            stations={
                name: Station(kinds=None if one.kinds is None else frozenset(one.kinds), skills=frozenset(one.skills))
                for name, one in self.stations.items()
            },
            next_queue=self.next, tickets_per_patient=self.tickets_per_patient, tickets_max=self.tickets_max,
        )  # fmt: skip


class PolicyFile(Written):
    """All queues with a policy. `version`: raised with each change; of the same version nothing is declared anew."""

    version: Annotated[int, Field(ge=1, le=2**53)]
    queues: Annotated[dict[Id, QueueDeclared], Field(max_length=QUEUES_MAX)]

    @model_validator(mode="after")
    def _journeys_end(self) -> "PolicyFile":
        for first in self.queues:
            seen, name = [first], self.queues[first].next
            while name is not None:
                if name not in self.queues:
                    raise ValueError(f"queues.{seen[-1]}.next: no queue called {name} is declared")
                if name in seen:
                    raise ValueError(f"queues.{seen[-1]}.next: the journey {' > '.join([*seen, name])} has no end")
                seen.append(name)
                name = self.queues[name].next
        return self


def policies_of(raw: bytes) -> dict[str, Policy]:
    """The policies in a TOML file, by queue. ValueError that names queue, field and what is wrong with it."""
    declared = parse_toml(PolicyFile, raw)
    return {name: queue.policy(declared.version) for name, queue in declared.queues.items()}


class Declaring:
    """Declares what the file says, once the log was read, and whenever the file says something else."""

    def __init__(self, tasks: Tasks, tickets: Tickets) -> None:
        self._tasks = tasks
        self._tickets = tickets
        self._policies: dict[str, Policy] = {}
        self._begun = False

    def use(self, policies: dict[str, Policy]) -> None:
        self._policies = policies
        if self._begun:
            self.begin()

    def begin(self) -> None:
        self._begun = True
        self._tasks.start(declare(self._tickets, self._policies), "policies of a file")


async def declare(tickets: Tickets, policies: dict[str, Policy]) -> None:
    """Each replica declares the same file; one of them is first."""
    for queue, policy in policies.items():
        while True:
            by = By(SYSTEM, "", clock.new_id(), clock.now())
            try:
                await tickets.run(token(queue), Declare(by, policy), clock.now() + DECLARE_S)
            except Rejection as refusal:
                if refusal.retry:
                    await asyncio.sleep(RETRY_S)
                    continue
                log.error("the policy of a queue was refused", queue=queue, reason=refusal.message)
            else:
                held = await tickets.policy(token(queue))
                if held != policy:
                    log.warning("another policy holds: raise the file's version", queue=queue, version=held.version)
            break
