"""What a person does with the own inbox: marks, follows, prefers. One coroutine per call."""

from confer_contracts.errors import ErrorCode, Rejection
from confer_contracts.ids import token
from confer_contracts.message import Ok
from confer_contracts.notify import (
    SERVICE,
    Follow,
    FollowReply,
    Inbox,
    InboxQuery,
    NotificationArchive,
    NotificationPreferences,
    NotificationPreferencesReply,
    NotificationRead,
    NotificationSeen,
)
from confer_kit.calls import Context
from confer_kit.service import Service
from notify_svc.acknowledging import Acknowledging
from notify_svc.codec import NOTE
from notify_svc.domain import person as domain
from notify_svc.domain.person import Mark, Person, Prefer, State
from notify_svc.domain.preferences import known_zone
from notify_svc.inboxes import Inboxes
from notify_svc.pages import entries, page
from notify_svc.people import People, followed
from notify_svc.person_codec import preferences_in, preferences_out

CATCH_UP_S = 1.0
_ANY_NOTE = f"log.{SERVICE}.*.*.{NOTE}"


class Own:
    """`follows_max`: what one person may follow."""

    def __init__(
        self, service: Service, inboxes: Inboxes, people: People, acknowledging: Acknowledging, *, follows_max: int
    ) -> None:
        self._service = service
        self._inboxes = inboxes
        self._people = people
        self._acknowledging = acknowledging
        self._follows_max = follows_max

    async def notification_inbox(self, request: InboxQuery, context: Context) -> Inbox:
        reader = await self._people.reader(context.identity, context.deadline)
        found = page(self._inboxes, reader, request, context.now)
        as_of = {self._service.stream: self._service.position}
        notes = self._acknowledging.marked(found.notifications)
        follows = followed(reader.person.follows)
        return found.model_copy(
            update={"op": context.op, "as_of": as_of, "follows": follows, "notifications": notes}
        )  # fmt: skip

    async def notification_seen(self, request: NotificationSeen, context: Context) -> Ok:
        return await self._marks("seen", context, ids=request.ids, up_to=request.up_to)

    async def notification_read(self, request: NotificationRead, context: Context) -> Ok:
        return await self._marks("read", context, ids=request.ids, up_to=request.up_to)

    async def notification_archive(self, request: NotificationArchive, context: Context) -> Ok:
        return await self._marks("archived", context, ids=request.ids, up_to=request.up_to, undo=request.undo)

    async def topic_follow(self, request: Follow, context: Context) -> FollowReply:
        return await self._follow(request, context, on=True)

    async def topic_unfollow(self, request: Follow, context: Context) -> FollowReply:
        return await self._follow(request, context, on=False)

    async def notification_preferences(
        self, request: NotificationPreferences, context: Context
    ) -> NotificationPreferencesReply:
        """Rejection(invalid) for a time zone that this machine does not know."""
        person = await self._known(context)
        if (wanted := request.preferences) is not None:
            if wanted.quiet and not known_zone(wanted.quiet.zone):
                field = "preferences.quiet.zone"
                text = f"{field}: must be a time zone of the IANA database, as in Asia/Bangkok"
                raise Rejection(ErrorCode.INVALID, text, field=field)
            command = Prefer(
                user=context.identity.user_id, op=context.op, now=context.now, preferences=preferences_in(wanted)
            )
            person = await self._do(command, context)
        return NotificationPreferencesReply(op=context.op, preferences=preferences_out(person.preferences))

    async def _follow(self, request: Follow, context: Context, *, on: bool) -> FollowReply:
        await self._known(context)
        command = domain.Follow(
            user=context.identity.user_id, op=context.op, now=context.now, audience=request.followed.audience, on=on,
            most=self._follows_max,
        )  # fmt: skip
        person = await self._do(command, context)
        return FollowReply(op=context.op, follows=followed(person.follows))

    async def _marks(
        self, state: State, context: Context, *, ids: list[str] | None = None, up_to: str | None = None,
        undo: bool = False,
    ) -> Ok:  # fmt: skip
        """`ids`, or everything up to `up_to`, or everything. Rejection(not_found) names the notes that are not in the
        caller's inbox."""
        try:
            await self._mark(state, context, ids, up_to, undo=undo)
        except Rejection as refusal:
            if refusal.code is not ErrorCode.NOT_FOUND:
                raise
            await self._catch_up()  # the caller may have seen a note before this replica
            await self._mark(state, context, ids, up_to, undo=undo)
        return Ok(op=context.op)

    async def _mark(
        self, state: State, context: Context, ids: list[str] | None, up_to: str | None, *, undo: bool
    ) -> None:
        reader = await self._people.reader(context.identity, context.deadline)
        found = list(entries(self._inboxes, reader))
        if not ids and not up_to:
            if not found:
                return
            up_to = found[0].sent.id
        command = Mark(
            user=context.identity.user_id, op=context.op, now=context.now, state=state,
            inbox={entry.sent.id: entry.position for entry in found},
            silent={entry.position for entry in found if reader.silent(entry)},
            ids=tuple(ids or ()), up_to=up_to, undo=undo,
        )  # fmt: skip
        await self._do(command, context)

    async def _known(self, context: Context) -> Person:
        who = context.identity
        return await self._people.known(token(who.user_id), who.role, context.deadline)

    async def _do(self, command: domain.Command, context: Context) -> Person:
        who = context.identity
        return await self._people.do(token(who.user_id), command, context.deadline, who.session)

    async def _catch_up(self) -> None:
        """Wait until the inboxes hold what the log holds now."""
        last = await self._service.log.last(_ANY_NOTE)
        await self._service.reached(last.seq if last else 0, CATCH_UP_S)
