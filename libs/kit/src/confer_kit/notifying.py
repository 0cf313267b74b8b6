"""Telling people something, from any service."""

import orjson
from nats.aio.client import Client

from confer_contracts.message import Identity, refusal_of
from confer_contracts.notify import NOTIFICATION_TELL, NotificationSend, NotificationSendReply
from confer_kit.calls import ask


async def notify(
    nc: Client, request: NotificationSend, *, sender: str, op: str, timeout_s: float = NOTIFICATION_TELL.timeout_s
) -> NotificationSendReply:
    """Send a notification in the name of `sender`, a service or a person; the same operation again sends nothing more.
    A NotificationTell says whose doing it tells of.

    Rejection as notify-svc refuses it, and as of `confer_kit.calls.ask`: kept and tried again where `retry` says so.
    """
    who = Identity(user_id=sender, name=sender, role="system", session="service")
    body = request.model_dump_json(exclude_none=True).encode()
    told = orjson.loads(await ask(nc, NOTIFICATION_TELL.subject, body, who, op=op, timeout_s=timeout_s))
    if told["status"] != "ok":
        raise refusal_of(told)
    return NotificationSendReply.model_validate(told)
