"""What is a person's own: inbox, role, what is for everybody, and the dashboard of the role."""

import asyncio

from confer_contracts import notify, queue
from confer_contracts.access import JOIN
from confer_contracts.errors import Rejection
from confer_contracts.ids import token
from confer_contracts.portal import DASHBOARDS
from confer_contracts.subjects import EVERYBODY, Kind, audience
from confer_edge.access import Access
from confer_edge.calls import FORBIDDEN, Calls
from confer_edge.following import Following
from confer_edge.joins import DEFAULT_QUEUE, Joins
from confer_edge.respond import Responder
from confer_edge.session import Session


class Personal:
    """Entered without being asked, as far as that is allowed."""

    def __init__(self, joins: Joins, calls: Calls, access: Access, following: Following) -> None:
        self._joins = joins
        self._calls = calls
        self._access = access
        self._following = following

    async def enter(self, session: Session) -> None:
        """The audiences of the person; with the first snapshot of the inbox the person becomes known to notify."""
        await self.enter_role(session)
        if not session.bound:
            inbox_alone = audience(Kind.USER, session.claim.user_id)
            if await self._access.may(session.claim, session.sid, JOIN, inbox_alone):
                await self._joins.follow(session, inbox_alone)
            return
        try:
            inbox = await self._joins.join(session, Kind.USER, token(session.claim.user_id))
        except Rejection as refusal:
            Responder(session, "connect", None).refuse(refusal)
            session.settle()
            return
        await self._following.heard(session, inbox.parts)
        part = inbox.parts[notify.SERVICE]
        if not session.follows <= session.memberships.keys():  # what is withheld is known only now
            own = token(session.claim.user_id)
            part = await self._calls.snapshot(session, notify.SERVICE, Kind.USER, own, {})
        if part.get("status") == "ok":
            Responder(session, "connect", None).emit("notification_counts", notify.counts_of(part))
        await self._joins.complete(session, inbox)

    async def enter_role(self, session: Session) -> None:
        """What the role brings, and what is for everybody."""
        for own in (audience(Kind.ROLE, session.claim.role), EVERYBODY):
            if await self._access.may(session.claim, session.sid, JOIN, own):  # no word where not: nobody has asked
                self._joins.enter(session, own)

    async def dashboard(self, session: Session) -> None:
        """What is known for a role that has one; members that no service knows are absent."""
        event, members = DASHBOARDS[session.claim.role]
        who = {"role": session.claim.role, "user_id": session.claim.user_id}
        asked = {notify.SERVICE: self._calls.reply(session, notify.DASHBOARD, notify.DashboardQuery(**who))}
        if await self._access.may(session.claim, session.sid, JOIN, DEFAULT_QUEUE):
            asked[queue.SERVICE] = self._calls.reply(session, queue.DASHBOARD, queue.DashboardQuery(**who))
        found = {queue.SERVICE: FORBIDDEN} | dict(zip(asked, await asyncio.gather(*asked.values()), strict=True))
        body = {m: found[service][field] for m, (service, field) in members.items() if field in found[service]}
        Responder(session, "connect", None).emit(event, body)
