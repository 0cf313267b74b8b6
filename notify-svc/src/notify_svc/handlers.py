"""One coroutine per call: a command, decided on the current state, appended, answered from the state after."""

from collections.abc import Callable

from confer_contracts.errors import ErrorCode, Rejection
from confer_contracts.ids import token
from confer_contracts.message import Ok
from confer_contracts.notify import (
    DashboardQuery,
    Inbox,
    InboxQuery,
    NotificationRead,
    NotificationSend,
    NotificationSendReply,
    NotifyDashboard,
    SendMessage,
    SendMessageReply,
)
from confer_contracts.presence import RoomSnapshotRequest
from confer_contracts.subjects import EVERYBODY, Kind, audience
from confer_kit import clock
from confer_kit.calls import Context
from confer_kit.facts import NewFact
from confer_kit.ledger import Ledger
from confer_kit.service import Service
from notify_svc.codec import AUDIENCES, PERSONS
from notify_svc.domain.audience import DIRECT_MESSAGE, Audience, Content, Receipt, Send
from notify_svc.domain.audience import decide as decide_send
from notify_svc.domain.person import MarkedRead, MarkRead, Person, See, Seen
from notify_svc.domain.person import decide as decide_person
from notify_svc.views import Inboxes, SeenLately, alerts

SNAPSHOT_NOTES = 20
SNAPSHOT_DEADLINE_S = 2.0
CATCH_UP_S = 1.0


class Handlers:
    def __init__(self, service: Service, inboxes: Inboxes, lately: SeenLately) -> None:
        self._service = service
        self._inboxes = inboxes
        self._lately = lately
        self._audiences = service.ledger(AUDIENCES)
        self.persons: Ledger[Person, Seen | MarkedRead] = service.ledger(PERSONS)

    async def notification_send(self, request: NotificationSend, context: Context) -> NotificationSendReply:
        content = Content(
            type=request.type, title=request.title, message=request.message, priority=request.priority,
            link=request.link, data=request.data,
        )  # fmt: skip
        receipt = await self._send(request.to.audience, content, context)
        return NotificationSendReply(op=context.op, id=receipt.id)

    async def send_message(self, request: SendMessage, context: Context) -> SendMessageReply:
        """Rejection(not_found) when nobody of this id has ever been here."""
        if (await self.persons.load(token(request.target_user))).state.known_since is None:
            text = "target_user: nobody with this id has been here yet"
            raise Rejection(ErrorCode.NOT_FOUND, text, field="target_user")
        sender = context.identity
        content = Content(
            type=DIRECT_MESSAGE, title=sender.user_id, message=request.message, from_role=sender.role
        )  # fmt: skip
        receipt = await self._send(audience(Kind.USER, request.target_user), content, context)
        return SendMessageReply(
            op=context.op, id=receipt.id, target_user=request.target_user, message=request.message,
            timestamp=clock.iso(receipt.at),
        )  # fmt: skip

    async def notification_read(self, request: NotificationRead, context: Context) -> Ok:
        """Rejection(not_found) names the notes that are not in the caller's inbox."""
        user = token(context.identity.user_id)
        await self._known(user, context.identity.role, context.deadline)
        try:
            await self._read(user, request, context)
        except Rejection as refusal:
            if refusal.code is not ErrorCode.NOT_FOUND:
                raise
            await self._catch_up(user, context.identity.role)  # the caller may have seen a note before this replica
            await self._read(user, request, context)
        return Ok(op=context.op)

    async def notification_inbox(self, request: InboxQuery, context: Context) -> Inbox:
        user, role = token(context.identity.user_id), context.identity.role
        person = await self._known(user, role, context.deadline)
        page = self._inboxes.page(request, user, role, person, context.identity.withheld)
        return page.model_copy(update={"op": context.op, "as_of": self._as_of()})

    async def dashboard(self, request: DashboardQuery, context: Context) -> NotifyDashboard:
        user, limit = token(request.user_id), max(1, min(request.limit, SNAPSHOT_NOTES))
        person = (await self.persons.load(user)).state
        withheld = context.identity.withheld
        page = self._inboxes.page(InboxQuery(limit=limit), user, request.role, person, withheld)
        urgent = alerts(self._inboxes.entries(user, request.role, person, withheld), person, limit)
        return NotifyDashboard(op=context.op, notifications=page.notifications, recent_alerts=urgent)

    async def snapshot(self, request: RoomSnapshotRequest) -> Inbox:
        """The inbox's first page; the first time that it is asked for, the person is known from then on."""
        deadline = clock.now() + SNAPSHOT_DEADLINE_S
        withheld = request.withheld
        person = await self._known(request.id, request.role, deadline, withheld=withheld)
        self._lately.saw(request.id, request.role)
        role = request.role or person.role
        page = self._inboxes.page(InboxQuery(limit=SNAPSHOT_NOTES), request.id, role, person, withheld)
        return page.model_copy(update={"as_of": self._as_of()})

    async def _send(self, key: str, content: Content, context: Context) -> Receipt:
        sender = context.identity
        command = Send(sender=sender.user_id, op=context.op, now=context.now, id=clock.new_id(), content=content)

        def decide(state: Audience) -> NewFact | None:
            event = decide_send(command, state)
            return None if event is None else AUDIENCES.encode(key, event, sender.session)

        folded = await self._audiences.transact(key, decide, context.deadline)
        receipt = folded.state.operations.find(sender.user_id, context.op)
        assert receipt is not None, "the state after a send holds its operation"
        await self._service.reached(folded.seq, CATCH_UP_S)  # who asks for the inbox next, finds it there
        return receipt

    async def _read(self, user: str, request: NotificationRead, context: Context) -> None:
        person = (await self.persons.load(user)).state
        who = context.identity
        inbox = {e.note.id: e.position for e in self._inboxes.entries(user, who.role, person, who.withheld)}
        up_to = next(iter(inbox), None) if request.all else request.up_to
        if request.all and up_to is None:
            return
        command = MarkRead(
            user=context.identity.user_id, op=context.op, now=context.now, inbox=inbox,
            ids=tuple(request.ids or ()), up_to=up_to,
        )  # fmt: skip
        await self.persons.transact(user, self._deciding(user, command, context.identity.session), context.deadline)

    async def _known(
        self, user: str, role: str | None, deadline: float, *, withheld: tuple[str, ...] | None = None
    ) -> Person:
        """The person's state, after noting that they are here: at first, and where it is told what is `withheld` also
        with that, or in another role."""
        state = (await self.persons.load(user)).state
        same = withheld is None or (role in (None, state.role) and withheld == state.withheld)
        if state.known_since is not None and same:
            return state
        command = See(role=role, now=clock.now(), withheld=withheld or ())
        return (await self.persons.transact(user, self._deciding(user, command), deadline)).state

    def _deciding(
        self, user: str, command: See | MarkRead, origin: str | None = None
    ) -> Callable[[Person], NewFact | None]:
        def decide(state: Person) -> NewFact | None:
            event = decide_person(command, state)
            return None if event is None else PERSONS.encode(user, event, origin)

        return decide

    async def _catch_up(self, user: str, role: str) -> None:
        """Wait until the inboxes hold what the log holds for this person now."""
        keys = (f"{Kind.USER}.{user}", audience(Kind.ROLE, role), EVERYBODY)
        last = [await self._service.log.last(AUDIENCES.guard(key)) for key in keys]
        await self._service.reached(max((fact.seq for fact in last if fact), default=0), CATCH_UP_S)

    def _as_of(self) -> dict[str, int]:
        return {self._service.stream: self._service.position}
