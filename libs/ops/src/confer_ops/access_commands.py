"""`confer access`: operators end and give back access. Every edge hears of it, also one that is away just now."""

import json
from collections.abc import Awaitable, Callable
from typing import Annotated, Any, TypeVar

import typer
from nats.aio.client import Client

from confer_kit import access, clock
from confer_kit.access import Said
from confer_kit.event_log import OutcomeUnknown, Unavailable
from confer_ops.asking import HERE, Actor, NatsUrl, by, doing
from confer_ops.console import table
from confer_ops.trouble import Trouble

app = typer.Typer(no_args_is_help=True, help="End and give back the access of users and sessions.")

Reason = Annotated[str | None, typer.Option(help="why, for the record")]
Message = Annotated[str | None, typer.Option(help="what the person is told")]
Json = Annotated[bool, typer.Option("--json", help="answer in JSON")]
T = TypeVar("T")


@app.command()
def revoke(
    user: str, *, reason: Reason = None, message: Message = None, actor: Actor = None,
    as_json: Json = False, nats_url: NatsUrl = HERE,
) -> None:  # fmt: skip
    """Let a user's tokens count no more, and end the sessions. A token that is issued later counts."""
    who = by(actor)
    _do(nats_url, lambda nc: access.revoke(nc, user, actor=who, reason=reason, message=message))
    _done(as_json, f"user {user} is revoked", action="revoke", user=user, actor=who)


@app.command()
def restore(
    user: str, *, reason: Reason = None, actor: Actor = None, as_json: Json = False, nats_url: NatsUrl = HERE
) -> None:
    """Lift a revocation: all tokens of the user that have not expired count again."""
    who = by(actor)
    if not _do(nats_url, lambda nc: access.restore(nc, user, actor=who, reason=reason)):
        raise Trouble(f"user {user} is not revoked; `confer access list` shows who is.")
    _done(as_json, f"user {user} is restored", action="restore", user=user, actor=who)


@app.command()
def kick(
    user: Annotated[str | None, typer.Argument(help="the user's id")] = None,
    *,
    session: Annotated[str | None, typer.Option(help="in place of a user: one session, by its sid")] = None,
    reason: Reason = None,
    message: Message = None,
    actor: Actor = None,
    as_json: Json = False,
    nats_url: NatsUrl = HERE,
) -> None:
    """End the sessions of a user, or one session. The user may come back with a new one."""
    who = by(actor)
    if user is not None and session is None:
        _do(nats_url, lambda nc: access.kick(nc, "user", user, actor=who, reason=reason, message=message))
        _done(as_json, f"user {user} is kicked", action="kick", user=user, actor=who)
    elif session is not None and user is None:
        _do(nats_url, lambda nc: access.kick(nc, "session", session, actor=who, reason=reason, message=message))
        _done(as_json, f"session {session} is kicked", action="kick", session=session, actor=who)
    else:
        raise Trouble("Name a user, or a session by --session, and not both.")


@app.command()
def recheck(
    user: str, *, reason: Reason = None, actor: Actor = None, as_json: Json = False, nats_url: NatsUrl = HERE
) -> None:
    """Let the edges ask anew what a user may do, and end what is no longer allowed."""
    who = by(actor)
    _do(nats_url, lambda nc: access.rights_changed(nc, user, actor=who, reason=reason))
    _done(as_json, f"the rights of user {user} are looked at again", action="recheck", user=user, actor=who)


@app.command("list")
def show(*, as_json: Json = False, nats_url: NatsUrl = HERE) -> None:
    """Show who is revoked, and who was kicked within the last day."""
    found = [_row(said) for said in _do(nats_url, access.said) if not said.fact.lifted]
    if as_json:
        print(json.dumps(found, ensure_ascii=False))
    elif not found:
        print("nobody is revoked, and nobody was kicked lately")
    else:
        rows = [[row["about"], row["id"], row["what"], row["at"], row["actor"], row["reason"] or ""] for row in found]
        print("\n".join(table([["about", "id", "what", "at", "by", "why"], *rows], indent="")))


def _row(said: Said) -> dict[str, Any]:
    return {
        "about": said.who, "id": said.ident, "what": said.key.value, "at": clock.iso(said.at),
        "actor": said.actor or "", "reason": said.fact.reason, "message": said.fact.message,
    }  # fmt: skip


def _done(as_json: bool, sentence: str, **told: str) -> None:
    print(json.dumps(told, ensure_ascii=False) if as_json else sentence)


def _do(nats_url: str, work: Callable[[Client], Awaitable[T]]) -> T:
    """What `work` answers; Trouble when nobody can."""
    try:
        return doing(nats_url, work)
    except (Unavailable, OutcomeUnknown) as error:
        hint = "is it provisioned (`confer provision`)? Doing it again does no harm."
        raise Trouble(f"The stream ACCESS did not take or tell it ({error}): {hint}") from None
