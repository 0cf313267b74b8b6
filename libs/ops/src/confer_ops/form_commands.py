"""`confer form`: the forms of the kinds of rooms, registered and shown."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from nats.aio.client import Client
from pydantic import ValidationError

from confer_contracts.forms import FORM_KINDS, FormList, FormListReply, FormRegister, FormRegisterReply
from confer_contracts.sync import FORM_LIST, FORM_REGISTER
from confer_kit.serving import explain
from confer_ops.asking import HERE, Actor, NatsUrl, answer, by, doing
from confer_ops.console import table
from confer_ops.trouble import Trouble

app = typer.Typer(no_args_is_help=True, help="Register and show the forms: which fields a kind of room has.")

Json = Annotated[bool, typer.Option("--json", help="answer in JSON")]
_KINDS = ", ".join(FORM_KINDS)


@app.command()
def register(
    file: Annotated[Path, typer.Argument(help="a JSON Schema with `x-confer-version`")],
    *,
    kind: Annotated[str | None, typer.Option(help=f"{_KINDS}; the file's name without .json if not given")] = None,
    actor: Actor = None,
    as_json: Json = False,
    nats_url: NatsUrl = HERE,
) -> None:
    """Let a form hold from now on, on all replicas. It must be newer than the one that holds."""
    try:
        read = {"kind": kind or file.stem, "form": json.loads(file.read_text())}
        request = FormRegister.model_validate(read)
    except OSError as error:
        raise Trouble(f"{file} cannot be read: {error.strerror}.") from None
    except ValidationError as error:
        raise Trouble(f"{file}: {explain(error).message}") from None
    except ValueError as error:
        raise Trouble(f"{file} is not JSON: {error}.") from None

    async def ask(nc: Client) -> FormRegisterReply:
        return await answer(nc, FORM_REGISTER, request, by(actor))

    told = doing(nats_url, ask)
    sentence = f"version {told.version} of the form of {told.kind} rooms holds"
    print(json.dumps({"kind": told.kind, "version": told.version}) if as_json else sentence)


@app.command("list")
def show_all(*, actor: Actor = None, as_json: Json = False, nats_url: NatsUrl = HERE) -> None:
    """Show which forms hold, since when, and by whom."""
    found = _forms(nats_url, by(actor))
    if as_json:
        print(json.dumps([form.model_dump(exclude={"form"}) for form in found.forms], ensure_ascii=False))
    elif not found.forms:
        print("there are no forms: any field takes any value")
    else:
        rows = [[form.kind, str(form.version), form.timestamp, form.user_id] for form in found.forms]
        print("\n".join(table([["kind", "version", "since", "by"], *rows], indent="")))


@app.command()
def show(kind: Annotated[str, typer.Argument(help=_KINDS)], *, actor: Actor = None, nats_url: NatsUrl = HERE) -> None:
    """Print the form that holds for a kind of rooms, as it was registered."""
    if kind not in FORM_KINDS:
        raise Trouble(f"{kind!r} is no kind of rooms; there are {_KINDS}.")
    held: list[dict[str, Any]] = [form.form for form in _forms(nats_url, by(actor)).forms if form.kind == kind]
    if not held:
        raise Trouble(f"no form is registered for {kind} rooms; any field takes any value.")
    print(json.dumps(held[0], ensure_ascii=False, indent=2))


def _forms(nats_url: str, actor: str) -> FormListReply:
    async def ask(nc: Client) -> FormListReply:
        return await answer(nc, FORM_LIST, FormList(), actor)

    return doing(nats_url, ask)
