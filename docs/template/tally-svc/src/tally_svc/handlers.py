"""One coroutine per call: request -> command -> one append -> the answer, which the state after it gives.

First run and repeat of an operation take the same way, so they get the same answer.
"""

from confer_contracts import tally
from confer_contracts.ids import patient_room
from confer_kit.calls import Context
from confer_kit.facts import NewFact
from confer_kit.ledger import Ledger
from tally_svc.codec import encode
from tally_svc.domain.tally import Add, Added, Tally, decide


class Handlers:
    def __init__(self, ledger: Ledger[Tally, Added]) -> None:
        self._ledger = ledger

    async def tally_add(self, request: tally.TallyAdd, context: Context) -> tally.TallyAdded:
        room = patient_room(request.patient_id)
        command = Add(context.identity.user_id, context.op, context.now, request.amount)

        def attempt(state: Tally) -> NewFact | None:
            event = decide(command, state)
            return None if event is None else encode(event, room, context.identity.session)

        folded = await self._ledger.transact(room, attempt, context.deadline)
        total = folded.state.operations.find(command.user, command.op)
        assert total is not None, "the state after a command holds its operation"
        return tally.TallyAdded(op=context.op, total=total)
