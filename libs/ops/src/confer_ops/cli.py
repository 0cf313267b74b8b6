"""The command `confer`."""

import asyncio
import json
import subprocess
import sys
from collections.abc import Coroutine
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from confer_contracts.permissions import PROVISION
from confer_ops.access_commands import app as access_app
from confer_ops.activity_commands import activity
from confer_ops.checkout import root
from confer_ops.child import environment
from confer_ops.connection import connected
from confer_ops.console import Console
from confer_ops.data import DataDirectory
from confer_ops.demo import Demo
from confer_ops.doctor_command import doctor
from confer_ops.drain_command import drain
from confer_ops.fact_command import fact
from confer_ops.form_commands import app as form_app
from confer_ops.nats_commands import users as nats_users
from confer_ops.nats_monitoring import run as run_monitoring
from confer_ops.new_service import new_service
from confer_ops.notify_commands import app as notify_app
from confer_ops.ports import METRICS_PORT, WATCH_PORT
from confer_ops.provision import Ages, provision_patiently
from confer_ops.queue_commands import app as queue_app
from confer_ops.rule_commands import app as rule_app
from confer_ops.status_command import status
from confer_ops.tail_command import tail
from confer_ops.token_command import token
from confer_ops.trouble import Trouble
from confer_ops.up import Options, must_make_sense
from confer_ops.up import up as run_system
from confer_ops.whereabouts import defaults

app = typer.Typer(
    no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None, help=__doc__
)
app.add_typer(access_app, name="access")
app.add_typer(form_app, name="form")
app.add_typer(notify_app, name="notify")
app.add_typer(rule_app, name="rules")
app.add_typer(queue_app, name="queue")
for command in (activity, doctor, drain, fact, new_service, status, tail, token):
    app.command()(command)
app.command("nats-users")(nats_users)


_AS_IT_IS = "if not given as it is, 90 at first"
ActivityDays = Annotated[
    float | None,
    typer.Option(help=f"days for which the activity log is kept; {_AS_IT_IS}", min=0.01, envvar="CONFER_ACTIVITY_DAYS"),
]
AuditDays = Annotated[
    float | None,
    typer.Option(help=f"days for which reads and refusals are; {_AS_IT_IS}", min=0.01, envvar="CONFER_AUDIT_DAYS"),
]


class Identity(StrEnum):
    TRUSTED_QUERY = "trusted-query"
    JWT = "jwt"


@app.command()
def up(
    *,
    port: Annotated[
        int, typer.Option(help="where the edge listens", min=1, max=65535, envvar=["CONFER_PORT", "SOCKETIO_PORT"])
    ] = 9014,
    data: Annotated[Path | None, typer.Option(help="where data is kept; .confer in the checkout if not given")] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="delete the data first")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="do not ask before deleting")] = False,
    demo: Annotated[bool, typer.Option(help="build and serve the demo portal")] = True,
    nats_port: Annotated[
        int | None, typer.Option(help="where NATS listens; 4222 or the next free port if not given", min=1, max=65535)
    ] = None,
    metrics_port: Annotated[
        int,
        typer.Option(
            help="where metrics begin, a port for each process; those in use are passed over; 0: none",
            min=0,
            max=65535,
            envvar="CONFER_METRICS_PORT",
        ),
    ] = METRICS_PORT,
    watch_port: Annotated[
        int,
        typer.Option(
            help="where the page of traces and vital numbers is, or the next free port; 0: none",
            min=0,
            max=65535,
            envvar="CONFER_WATCH_PORT",
        ),
    ] = WATCH_PORT,
    identity: Annotated[
        Identity, typer.Option(help="how the edge knows who connects; trusted-query believes what clients say")
    ] = Identity.TRUSTED_QUERY,
    activity_days: ActivityDays = None,
    audit_days: AuditDays = None,
) -> None:
    """Start everything on this machine, and keep it running until Ctrl-C."""
    console = Console(sys.stdout, colour=sys.stdout.isatty() and not environment({}).get("NO_COLOR"))
    checkout = root()

    async def start() -> int:
        directory = DataDirectory(data or checkout / ".confer")
        ages = Ages(activity_days, audit_days)
        options = Options(
            checkout, port, directory.path, nats_port, identity.value, demo, metrics_port, watch_port, ages
        )
        must_make_sense(options)
        directory.open()
        if fresh:
            _forget(directory, yes)
        directory.check()
        return await run_system(options, directory, console)

    _finish(start())


def _forget(directory: DataDirectory, yes: bool) -> None:
    if not directory.has_data:
        return
    if not yes:
        if not sys.stdin.isatty():
            raise Trouble(f"--fresh would delete the data in {directory.path}: say --yes as well to do so unasked.")
        typer.confirm(f"Delete all data in {directory.path}?", abort=True)
    directory.forget()


@app.command()
def provision(
    nats_url: Annotated[str, typer.Option(help="the NATS server", envvar="CONFER_NATS_URL")] = "nats://127.0.0.1:4222",
    replicas: Annotated[
        int | None,
        typer.Option(
            help="copies of each stream: 1, or 3 in a cluster; if not given as it is, 1 at first", min=1, max=5
        ),
    ] = None,
    activity_days: ActivityDays = None,
    audit_days: AuditDays = None,
    as_json: Annotated[bool, typer.Option("--json", help="answer in JSON")] = False,
) -> None:
    """Make the streams that are missing; what is there stays."""
    done: list[str] = []

    async def make() -> int:
        async with connected(nats_url, PROVISION) as nc:
            say = done.append if as_json else print
            await provision_patiently(nc, replicas, say, Ages(activity_days, audit_days))
        print(json.dumps({"done": done}) if as_json else "the streams are as they should be")
        return 0

    _finish(make())


@app.command()
def nats_metrics() -> None:
    """Serve for Prometheus what the NATS servers tell of themselves; its settings: docs/settings.md."""
    asyncio.run(run_monitoring())


@app.command()
def demo() -> None:
    """Build the demo portal, if it is not current."""
    portal = Demo(root())
    if portal.current:
        print("the demo portal is current")
        return
    try:
        portal.build()
    except (OSError, subprocess.SubprocessError) as error:
        print(f"the demo portal could not be built: {error}", file=sys.stderr)
        raise SystemExit(1) from None


def _finish(work: Coroutine[Any, Any, int]) -> None:
    """Run it and leave with its exit code; Trouble is a sentence and exit code 1."""
    try:
        code = asyncio.run(work)
    except Trouble as trouble:
        print(f"confer: {trouble}", file=sys.stderr)
        code = 1
    raise SystemExit(code)


def main() -> None:
    """As typer has it, but a wrong option is one sentence that names the command people type."""
    try:
        raise SystemExit(app(standalone_mode=False, default_map=defaults(app, DataDirectory(root() / ".confer"))))
    except typer.Abort:
        raise SystemExit("confer: aborted") from None
    except Trouble as trouble:
        raise SystemExit(f"confer: {trouble}") from None
    except typer.TyperException as error:
        print(complaint(error), file=sys.stderr)
        raise SystemExit(error.exit_code) from None


def complaint(error: typer.TyperException) -> str:
    """What is wrong with the command line, or with a variable that stands for an option."""
    context, parameter = getattr(error, "ctx", None), getattr(error, "param", None)
    if context is None or context.parent is None:  # no command: typer's text lists them
        return error.format_message()
    text = error.format_message()
    if not context.args and text.startswith("Usage: "):  # a group without its command: the text lists them
        return text
    if parameter is not None:
        variables = parameter.envvar or []
        named = [*parameter.opts, *([variables] if isinstance(variables, str) else variables)]
        text = f"{' or '.join(named)}: {error.message or 'must be given'}"
    command = context.info_name
    if context.parent.parent is not None:
        command = f"{context.parent.info_name} {command}"
    shown = "./run --help" if command == "up" else f"./run {command} --help"
    return f"confer: {text}; `{shown}` lists the options"


if __name__ == "__main__":
    main()
