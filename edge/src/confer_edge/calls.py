"""Calls of the catalogue, forwarded: the edge knows none of them by name."""

from typing import Any

import orjson
from pydantic import BaseModel

from confer_contracts.catalogue import snapshots_of
from confer_contracts.errors import Rejection
from confer_contracts.message import refusal_of
from confer_contracts.presence import RoomSnapshotRequest
from confer_contracts.route import Call
from confer_contracts.subjects import Kind, stream_of
from confer_contracts.subjects import call as subject_of
from confer_edge.respond import Responder
from confer_edge.session import Session
from confer_kit import clock
from confer_kit.calls import ask
from confer_kit.nats_link import Link

SNAPSHOT_TIMEOUT_S = 3.0
_OK = b'{"status":"ok"'
UNAVAILABLE = {"status": "unavailable"}
FORBIDDEN = {"status": "forbidden"}


class Calls:
    """Requests to the services, in a session's name."""

    def __init__(self, link: Link) -> None:
        self._link = link

    async def forward(self, session: Session, call: Call[Any, Any], request: BaseModel, respond: Responder) -> None:
        """Ask the owner and answer the client with its very bytes."""
        session.bound = True  # whoever acts has a name from now on
        op = getattr(request, "op", None) or clock.new_id()
        respond.op = op
        if call.with_rooms:
            request = request.model_copy(update={"rooms": session.rooms})
        try:
            answer = await self.ask(session, call, request, op)
        except Rejection as refusal:
            self._refuse(call, request, respond, refusal, op)
            return
        if not answer.startswith(_OK):
            refused = refusal_of(orjson.loads(answer))
            respond.outcome, respond.field = refused.code, refused.field
            if respond.wants_ack:
                respond.raw(answer)
            else:
                self._refuse(call, request, respond, refused, op)
        elif respond.wants_ack:
            respond.raw(answer)
        elif call.reply_event is not None:
            reply = call.reply.model_validate_json(answer)
            respond.emit(call.reply_event, reply.event_body())

    async def ask(self, session: Session, call: Call[Any, Any], request: BaseModel, op: str) -> bytes:
        """The service's answer as bytes of JSON. Rejection as of `confer_kit.calls.ask`. Members that nobody gave
        are not sent: a service of before they were invented would refuse them."""
        body, who = request.model_dump_json(exclude_unset=True).encode(), session.identity
        if call.with_withheld:
            who = who.model_copy(update={"withheld": session.withheld})
        return await ask(self._link.nc, call.subject, body, who, op=op, timeout_s=call.timeout_s)

    async def reply(self, session: Session, call: Call[Any, Any], request: BaseModel) -> dict[str, Any]:
        """The service's answer, parsed; `{"status": "unavailable"}` in place of any failure."""
        try:
            return dict(orjson.loads(await self.ask(session, call, request, clock.new_id())))
        except Rejection:
            return UNAVAILABLE

    async def snapshot(
        self, session: Session, service: str, kind: Kind, ident: str, seen: dict[str, int]
    ) -> dict[str, Any]:
        """One part of the answer to a join; unavailable where its service is away or refuses."""
        withheld = session.withheld if kind is Kind.USER else ()
        query = RoomSnapshotRequest(kind=kind, id=ident, seen=seen, role=session.claim.role, withheld=withheld)
        subject = subject_of(service, "snapshot")
        body = query.model_dump_json().encode()
        try:
            answer = await ask(
                self._link.nc, subject, body, session.identity, op=clock.new_id(), timeout_s=SNAPSHOT_TIMEOUT_S
            )
        except Rejection:
            return UNAVAILABLE
        part = dict(orjson.loads(answer))
        return part if part.get("status") == "ok" else UNAVAILABLE

    def _refuse(
        self, call: Call[Any, Any], request: BaseModel, respond: Responder, refusal: Rejection, op: str
    ) -> None:
        if call.error_event is not None and not respond.wants_ack:
            respond.outcome = refusal.code
            name, body = call.error_event(request, refusal.message)
            respond.emit(name, body)
        else:
            respond.refuse(refusal, op)


def as_of(parts: dict[str, dict[str, Any]]) -> dict[str, int]:
    """Up to which source sequences the parts are true, over all of them."""
    merged: dict[str, int] = {}
    for service, part in parts.items():
        told = part.get("as_of")
        if isinstance(told, int):  # the answer to an attach
            told = {stream_of(service): told}
        merged.update(told or {})
    return merged


def services_with_snapshot(kind: Kind) -> list[str]:
    return [part.service for part in snapshots_of(kind)]
