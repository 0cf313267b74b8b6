"""A service as a process: `run` connects, wires, serves, and on SIGTERM drains within a deadline."""

import asyncio
import signal
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import Any, TypeVar

import nats.errors
import nats.js.errors
import uvloop
from pydantic import AliasChoices, ValidationError

from confer_contracts.subjects import stream_of
from confer_kit import clock, garbage, handled, logs, telemetry
from confer_kit.exposition import exposed
from confer_kit.nats_link import Link, wait_for_nats
from confer_kit.service import Service
from confer_kit.settings import KitSettings
from confer_kit.tasks import Tasks, again
from confer_kit.watched_file import LOOK_S, operators_file

log = logs.logger(__name__)

T = TypeVar("T", bound=KitSettings)


def read_settings(settings: type[T], **given: Any) -> T:
    """The settings from the environment, which those `given` beat; SystemExit with one line per wrong variable."""
    try:
        return settings(**given)
    except ValidationError as error:
        lines = [f"  {each}" for each in complaints(settings, error)]
        raise SystemExit("\n".join(["these settings are wrong:", *lines])) from None


def complaints(settings: type[KitSettings], error: ValidationError) -> list[str]:
    """What is wrong, a line each. One about several variables names them itself."""
    told = [(each["loc"], each["msg"].removeprefix("Value error, ")) for each in error.errors()]
    return [f"{_variable(settings, where)}: {what}" if where else what for where, what in told]


def _variable(settings: type[KitSettings], location: tuple[int | str, ...]) -> str:
    """The variable that an error is about: pydantic tells the field's name, or the first of its aliases."""
    name = str(location[0])
    if name in settings.model_fields:
        return f"CONFER_{name.upper()}"
    aliases = (f.validation_alias for f in settings.model_fields.values())
    choices = (a.choices for a in aliases if isinstance(a, AliasChoices))
    return next((" or ".join(map(str, each)) for each in choices if name in each), name)


def run(name: str, settings: type[T], build: Callable[[Service, T], None]) -> None:
    """The whole life of the service `name` (presence, sync, queue, notify). Ends the process."""
    read = read_settings(settings)
    process = f"{name}-svc"
    logs.configure(process, read.log_level, read.log_format)
    telemetry.setup(process, read.traces_to, version("confer-kit"), ids=read.trace_ids)
    uvloop.run(_serve(name, process, read, build))


async def _serve(name: str, process: str, settings: T, build: Callable[[Service, T], None]) -> None:
    stop = stop_event()
    async with connected(settings, process, stop) as link:
        await unless_stopped(stop, wait_for_stream(link, stream_of(name), settings))
        async with started(name, link, settings, build):
            garbage.settle()
            link.judged = link.away
            log.info(f"{process} is up")
            await stop.wait()
            link.judged = lambda: "it is draining"
            log.info(f"{process} is draining")


@asynccontextmanager
async def connected(settings: KitSettings, process: str, stop: asyncio.Event) -> AsyncIterator[Link]:
    """A link that is drained at the end; `stop` is set when NATS closes it for good. Metrics are served meanwhile."""
    link, tasks = Link(), Tasks()
    link.on_closed.append(stop.set)
    _watch_levels(settings, tasks)
    async with exposed(settings, process, link.complaint):
        await unless_stopped(stop, wait_for_nats(link, settings, process))
        try:
            yield link
        finally:
            await link.close(settings.drain_s)
            await tasks.cancel()
            telemetry.shutdown()


def _watch_levels(settings: KitSettings, tasks: Tasks) -> None:
    """What is logged can change while the process runs."""
    handled.configure(settings.log_lines_max)
    if settings.log_levels_file is None:
        return
    path, parse = settings.log_levels_file, logs.parse_levels
    file = operators_file("CONFER_LOG_LEVELS_FILE", path, parse, "log levels")
    logs.set_levels(file.value)

    async def look() -> None:
        if file.look():
            logs.set_levels(file.value)

    tasks.start(again(LOOK_S, look), "log levels")


@asynccontextmanager
async def started(name: str, link: Link, settings: T, build: Callable[[Service, T], None]) -> AsyncIterator[Service]:
    """The service, answering; tests use this with their own link."""
    service = Service(name, link, settings)
    build(service, settings)
    try:
        await service.start()
        yield service
    finally:
        await service.drain()


async def wait_for_stream(link: Link, stream: str, settings: KitSettings) -> None:
    """Provisioning makes the streams; SystemExit with a sentence when it has not within `nats_connect_s`."""
    deadline = clock.now() + settings.nats_connect_s
    while True:
        try:
            await link.nc.jetstream(timeout=2).stream_info(stream)
        except (TimeoutError, nats.errors.Error, nats.js.errors.Error) as error:
            if clock.now() > deadline:
                missing = f"the stream {stream} is missing ({error}). Run `confer provision` first."
                kept_from_it = not_ours(link) if isinstance(error, TimeoutError) else None
                raise SystemExit(kept_from_it or missing) from error
            await asyncio.sleep(0.25)
        else:
            return


def not_ours(link: Link) -> str | None:
    """The sentence where the key is another user's, who may not do what this process must; None: it may."""
    if not link.forbidden:
        return None
    return (
        f"NATS does not permit {link.forbidden} to this process: CONFER_NATS_NKEY_SEED_FILE is the key of another one, "
        "or the servers' accounts.conf is older than this version (docs/nats.md)."
    )


async def unless_stopped(stop: asyncio.Event, work: Coroutine[Any, Any, None]) -> None:
    """Do the work, or end the process cleanly when `stop` is set before it is done."""
    async with asyncio.TaskGroup() as group:
        working = group.create_task(work)
        stopping = group.create_task(stop.wait())
        await asyncio.wait((working, stopping), return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if not working.done():
            working.cancel()
    if stop.is_set():
        raise SystemExit(0)


def stop_event() -> asyncio.Event:
    """Set by SIGTERM and SIGINT."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    return stop
