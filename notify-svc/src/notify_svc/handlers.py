"""Telling somebody something, and what edges ask for. One coroutine per call: a command, decided on the current state,
appended, answered from the state after."""

from confer_contracts.errors import ErrorCode, Rejection
from confer_contracts.ids import token
from confer_contracts.message import Ok
from confer_contracts.notify import (
    DashboardQuery,
    Inbox,
    InboxQuery,
    NotificationSend,
    NotificationSendReply,
    NotificationTell,
    NotifyDashboard,
    SendMessage,
    SendMessageReply,
)
from confer_contracts.notify_plan import NotificationCancel
from confer_contracts.presence import RoomSnapshotRequest
from confer_contracts.subjects import Kind, audience
from confer_kit import clock
from confer_kit.calls import Context
from confer_kit.facts import NewFact
from confer_kit.ledger import Ledger
from confer_kit.service import Service
from notify_svc.acknowledging import Acknowledging
from notify_svc.codec import AUDIENCES, unix
from notify_svc.domain.audience import DIRECT_MESSAGE, Audience, Content, Receipt, Send, Sent, decide, receipt_of
from notify_svc.domain.escalation import Plan
from notify_svc.inboxes import Inboxes
from notify_svc.pages import Reader, alerts, page
from notify_svc.people import People, followed
from notify_svc.scheduling import Scheduling
from notify_svc.settings import Settings
from notify_svc.views import SeenLately

SNAPSHOT_NOTES = 20
SNAPSHOT_DEADLINE_S = 2.0
CATCH_UP_S = 1.0


class Handlers:
    def __init__(
        self, service: Service, audiences: Ledger[Audience, Sent], inboxes: Inboxes, lately: SeenLately,
        people: People, *, settings: Settings,
    ) -> None:  # fmt: skip
        self._service = service
        self._inboxes = inboxes
        self._lately = lately
        self._people = people
        self._dedupe_s = settings.notify_dedupe_s
        self._expiry_s = settings.notify_expiry_days * 86400
        self._audiences = audiences
        self.scheduling = Scheduling(service, settings, self.send)
        self.acknowledging = Acknowledging(service, people, self.send, settings)

    async def notification_send(self, request: NotificationSend, context: Context) -> NotificationSendReply:
        content = content_of(request)
        self.acknowledging.must_be_possible(content, request.to.audience)
        if request.waits:
            return await self.scheduling.schedule(request, content, context)
        receipt = await self.send(request.to.audience, content, context, request.dedupe)
        return NotificationSendReply(op=context.op, id=receipt.id)

    async def notification_cancel(self, request: NotificationCancel, context: Context) -> Ok:
        """Rejection(not_found) when no note of the caller's with this id waits, or is to be acknowledged."""
        try:
            await self.scheduling.cancel(request.id, context)
        except Rejection as refusal:
            if refusal.code is not ErrorCode.NOT_FOUND:
                raise
            await self.acknowledging.cancel(request.id, context)
        return Ok(op=context.op)

    async def send_message(self, request: SendMessage, context: Context) -> SendMessageReply:
        """Rejection(not_found) when nobody of this id has ever been here."""
        if (await self._people.person(token(request.target_user))).known_since is None:
            text = "target_user: nobody with this id has been here yet"
            raise Rejection(ErrorCode.NOT_FOUND, text, field="target_user")
        sender = context.identity
        content = Content(
            type=DIRECT_MESSAGE, title=sender.user_id, message=request.message, from_role=sender.role
        )  # fmt: skip
        receipt = await self.send(audience(Kind.USER, request.target_user), content, context)
        return SendMessageReply(
            op=context.op, id=receipt.id, target_user=request.target_user, message=request.message,
            timestamp=clock.iso(receipt.at),
        )  # fmt: skip

    async def dashboard(self, request: DashboardQuery, context: Context) -> NotifyDashboard:
        user, limit = token(request.user_id), max(1, min(request.limit, SNAPSHOT_NOTES))
        reader = Reader(user, request.role, await self._people.person(user), context.identity.withheld)
        found = page(self._inboxes, reader, InboxQuery(limit=limit), context.now)
        urgent = alerts(self._inboxes, reader, limit)
        marked = self.acknowledging.marked
        return NotifyDashboard(op=context.op, notifications=marked(found.notifications), recent_alerts=marked(urgent))

    async def snapshot(self, request: RoomSnapshotRequest) -> Inbox:
        """The inbox's first page; the first time that it is asked for, the person is known from then on."""
        now = clock.now()
        person = await self._people.known(
            request.id, request.role, now + SNAPSHOT_DEADLINE_S, withheld=request.withheld
        )  # fmt: skip
        self._lately.saw(request.id, request.role, person.follows)
        reader = Reader(request.id, request.role or person.role, person, request.withheld)
        found = page(self._inboxes, reader, InboxQuery(limit=SNAPSHOT_NOTES), now)
        self._lately.told(request.id, found.unread)
        as_of = {self._service.stream: self._service.position}
        notes = self.acknowledging.marked(found.notifications)
        follows = followed(person.follows)
        return found.model_copy(update={"as_of": as_of, "follows": follows, "notifications": notes})

    async def send(
        self, key: str, content: Content, context: Context, dedupe: str | None = None, *, note: str | None = None
    ) -> Receipt:
        """Tell an audience (`<kind>.<token>`) something; what the sender is told of it. `note`: the id that it is to
        have."""
        sender = context.identity
        command = Send(
            sender=sender.user_id, op=context.op, now=context.now, id=note or clock.new_id(), content=content,
            dedupe=dedupe, dedupe_s=self._dedupe_s, expiry_s=self._expiry_s,
        )  # fmt: skip

        def deciding(state: Audience) -> NewFact | None:
            event = decide(command, state)
            if event is not None and note is None:  # what was promised before is sent
                self.acknowledging.must_have_room(content)
            return None if event is None else AUDIENCES.encode(key, event, sender.session)

        folded = await self._audiences.transact(key, deciding, context.deadline)
        receipt = receipt_of(command, folded.state)
        assert receipt is not None, "the state after a send holds its operation, or its key"
        await self._service.reached(folded.seq, CATCH_UP_S)  # who asks for the inbox next, finds it there
        return receipt


def content_of(request: NotificationSend) -> Content:
    return Content(
        type=request.type, title=request.title, message=request.message, priority=request.priority,
        link=request.link, data=request.data, group=request.group,
        actor=request.actor if isinstance(request, NotificationTell) else None,
        expires_at=None if request.expires_at is None else unix(request.expires_at), must=_plan(request),
    )  # fmt: skip


def _plan(request: NotificationSend) -> Plan | None:
    must = request.must_acknowledge
    if must is None:
        return None
    return Plan(
        repeat_s=must.repeat_s, repeats=must.repeats, levels=tuple(to.audience for to in must.escalate_to)
    )  # fmt: skip
