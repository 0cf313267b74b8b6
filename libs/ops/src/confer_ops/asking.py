"""A command that asks a service: in the name of who sits at the keyboard, answered, or told in one sentence."""

import asyncio
import getpass
from collections.abc import Awaitable, Callable
from typing import Annotated, Any, TypeVar

import orjson
import typer
from nats.aio.client import Client
from pydantic import BaseModel

from confer_contracts.errors import Rejection
from confer_contracts.ids import check_id
from confer_contracts.message import Identity, refusal_of
from confer_contracts.route import Call
from confer_kit import clock
from confer_kit.calls import ask
from confer_ops.connection import connected
from confer_ops.trouble import Trouble

NatsUrl = Annotated[str, typer.Option(help="the NATS server", envvar="CONFER_NATS_URL")]
Actor = Annotated[str | None, typer.Option(help="who does it, for the record; your login name if not given")]
HERE = "nats://127.0.0.1:4222"
TIMEOUT_S = 10.0

A = TypeVar("A", bound=BaseModel)
T = TypeVar("T")


async def answer(nc: Client, call: Call[Any, A], request: BaseModel, actor: str, op: str | None = None) -> A:
    """Rejection as the service refuses it. `op`: the operation id, where it is to have one that is known."""
    who = Identity(user_id=check_id(actor, "actor"), name=actor[:200], role="operator", session="confer")
    body = request.model_dump_json(exclude_none=True).encode()
    told = await ask(nc, call.subject, body, who, op=op or clock.new_id(), timeout_s=TIMEOUT_S)
    found = orjson.loads(told)
    if found["status"] != "ok":
        raise refusal_of(found)
    return call.reply.model_validate(found)


def doing(nats_url: str, work: Callable[[Client], Awaitable[T]]) -> T:
    """What `work` answers; Trouble where it is refused, or nobody answers."""

    async def connect() -> T:
        async with connected(nats_url) as nc:
            return await work(nc)

    try:
        return asyncio.run(connect())
    except Rejection as refusal:
        raise Trouble(refusal.message) from None


def by(actor: str | None) -> str:
    return actor or getpass.getuser()
