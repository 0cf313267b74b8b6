"""People as this service knows them: since when, and how what they do comes into the log."""

from collections.abc import Iterable

from confer_contracts.ids import token, untoken
from confer_contracts.message import Identity
from confer_contracts.notify import Followed
from confer_kit import clock
from confer_kit.facts import NewFact
from confer_kit.ledger import Ledger
from confer_kit.service import Service
from notify_svc.domain.person import Command, Event, Person, See, decide
from notify_svc.pages import Reader
from notify_svc.person_codec import PERSONS


class People:
    """`user` is a token."""

    def __init__(self, service: Service) -> None:
        self.ledger: Ledger[Person, Event] = service.ledger(PERSONS)

    async def person(self, user: str) -> Person:
        return (await self.ledger.load(user)).state

    async def known(
        self, user: str, role: str | None, deadline: float, *, withheld: tuple[str, ...] | None = None
    ) -> Person:
        """The person's state, after noting that they are here: at first, and where it is told what is `withheld` also
        with that, or in another role."""
        state = await self.person(user)
        same = withheld is None or (role in (None, state.role) and withheld == state.withheld)
        if state.known_since is not None and same:
            return state
        return await self.do(user, See(role=role, now=clock.now(), withheld=withheld or ()), deadline)

    async def reader(self, who: Identity, deadline: float) -> Reader:
        """Whose inbox a caller reads."""
        user = token(who.user_id)
        return Reader(user, who.role, await self.known(user, who.role, deadline), who.withheld)

    async def do(self, user: str, command: Command, deadline: float, origin: str | None = None) -> Person:
        """The state after a command. Rejection as the domain decides, or where the log cannot be reached."""

        def deciding(state: Person) -> NewFact | None:
            event = decide(command, state)
            return None if event is None else PERSONS.encode(user, event, origin)

        return (await self.ledger.transact(user, deciding, deadline)).state


def followed(audiences: Iterable[str]) -> list[Followed]:
    """Audiences in token form as browsers name them."""
    parts = (audience.partition(".") for audience in audiences)
    return [Followed.model_validate({"kind": kind, "id": untoken(ident)}) for kind, _, ident in parts]
