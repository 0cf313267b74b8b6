"""The official JavaScript clients, 4.7 and 4.8, driven from here: one Node process for any number of clients."""

import asyncio
import contextlib
import itertools
import json
import shutil
import signal
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

from confer_kit.tasks import Tasks
from confer_kit.testing.received import WAIT_S, Received

LINE_BYTES_MAX = 16 * 1024 * 1024


class Way(NamedTuple):
    """A version of the client, and how it connects."""

    version: str
    name: str
    transports: list[str]

    def __str__(self) -> str:
        return f"{self.version}-{self.name}"


WAYS = [
    Way(version, name, transports)
    for version in ("4.7", "4.8")
    for name, transports in (
        ("polling", ["polling"]),
        ("websocket", ["websocket"]),
        ("upgrade", ["polling", "websocket"]),
    )
]


class JavaScriptClient(Received):
    """One socket. `sids` are those of all its connections, in order; `transports` what each began with,
    `recovered` what it said of each. `disconnects` are the reasons of their ends, `details` the close codes of those
    by WebSocket, or what the client tells in place of one. `turned_away` is what the server said when it ended a
    connection, or refused one: the reason of the close, or the body of the answer. `order` is all that it heard, as it
    came."""

    def __init__(self, node: "Node", name: str) -> None:
        super().__init__(name)
        self._node = node
        self._acks: dict[int, asyncio.Future[Any]] = {}
        self.sids: list[str] = []
        self.transports: list[str] = []
        self.recovered: list[bool] = []
        self.upgrades: list[str] = []
        self.disconnects: list[str] = []
        self.details: list[Any] = []
        self.connect_errors: list[tuple[str, Any]] = []
        self.turned_away: list[str] = []
        self.connected = False
        self.order: list[tuple[str, Any]] = []  # ("ack", its body), or an event's name and body
        self.listener: Callable[[str, list[Any]], None] = lambda what, values: None

    async def emit(self, event: str, *args: Any) -> None:
        await self.steps(["emit", event, *args])

    async def call(self, event: str, *args: Any, timeout: float = WAIT_S) -> Any:
        """The acknowledgement's first argument."""
        number = next(self._node.numbers)
        answer = self._acks[number] = asyncio.get_running_loop().create_future()
        await self.steps(["call", number, event, *args])
        async with asyncio.timeout(timeout):
            return await answer

    async def call_within(self, seconds: float, event: str, *args: Any) -> Any:
        """The acknowledgement by `timeout(...).emitWithAck`; TimeoutError where the client gives up."""
        number = next(self._node.numbers)
        answer = self._acks[number] = asyncio.get_running_loop().create_future()
        await self.steps(["call within", seconds * 1000, number, event, *args])
        return await answer

    async def move(self, url: str) -> None:
        """Where it connects the next time, as a page does that knows of a second server."""
        await self.steps(["move", url])

    async def close(self) -> None:
        await self.steps(["close"])

    async def connect(self) -> None:
        await self.steps(["connect"])

    async def cut(self) -> None:
        """The connection breaks as in a bad network; the client comes back by itself."""
        await self.steps(["cut"])

    async def steps(self, *steps: list[Any]) -> None:
        """All of them in one tick of the page."""
        await self._node.command(self.name, *steps)

    async def is_connected(self, times: int = 1) -> None:
        await self.until(lambda: self.connected and len(self.sids) >= times, f"connection {times}")

    def told(self, what: str, values: list[Any]) -> None:
        self.listener(what, values)
        match what:
            case "event":
                self.order.append((values[0], values[1] if len(values) > 1 else None))
                self.put(values[0], values[1:])
            case "ack":
                body = values[1] if len(values) > 1 else None
                self.order.append(("ack", body))
                self._answer(values[0]).set_result(body)
            case "late":
                self._answer(values[0]).set_exception(TimeoutError(values[1]))
            case "connect":
                self.connected = True
                self.sids.append(values[0])
                self.transports.append(values[1])
                self.recovered.append(values[2])
            case "disconnect":
                self.connected = False
                self.disconnects.append(values[0])
                self.details.append(values[1])
                self.turned_away += filter(None, values[2:])
            case "connect_error":
                self.connect_errors.append((values[0], values[1]))
                self.turned_away += filter(None, values[2:])
            case "upgrade":
                self.upgrades.append(values[0])
            case _:
                self.put(f"failed: {what}", values)
        self.changed()

    def _answer(self, number: int) -> asyncio.Future[Any]:
        """Who waits for it; a future of nobody where that one has given up."""
        waiting = self._acks.pop(number)
        return asyncio.get_running_loop().create_future() if waiting.cancelled() else waiting


class Node:
    """The process, and the clients in it."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._clients: dict[str, JavaScriptClient] = {}
        self._names = itertools.count(1)
        self.numbers = itertools.count(1)

    async def open(
        self, version: str, url: str | None, options: Mapping[str, Any], *steps: list[Any], name: str = "client"
    ) -> JavaScriptClient:
        """A new socket; `steps` follow in the same tick, before the connection is up."""
        return await self.begin(self.prepared(f"{name} ({version})"), version, url, options, *steps)

    def prepared(self, name: str) -> JavaScriptClient:
        """A client that is not open yet."""
        client = JavaScriptClient(self, f"{name} {next(self._names)}")
        self._clients[client.name] = client
        return client

    async def begin(
        self, client: JavaScriptClient, version: str, url: str | None, options: Mapping[str, Any], *steps: list[Any]
    ) -> JavaScriptClient:
        await client.steps(["open", version, url, dict(options)], *steps)
        return client

    def freeze(self) -> None:
        """All its clients stop: they read and send nothing until `thaw`."""
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._process.send_signal(signal.SIGCONT)

    async def close_all(self) -> None:
        for client in tuple(self._clients.values()):
            await client.close()
        self._clients.clear()

    async def command(self, name: str, *steps: list[Any]) -> None:
        assert self._process.stdin
        assert self._process.returncode is None, f"Node has ended, exit status {self._process.returncode}"
        self._process.stdin.write(json.dumps([name, *steps]).encode() + b"\n")
        await self._process.stdin.drain()

    async def read(self) -> None:
        """Hand out what the process tells, until it ends; with it all its clients are gone."""
        assert self._process.stdout
        async for line in self._process.stdout:
            name, what, *values = json.loads(line)
            if name in self._clients:
                self._clients[name].told(what, values)
        status = await self._process.wait()
        for client in tuple(self._clients.values()):
            client.told("disconnect", [f"Node has ended, exit status {status}", None])


@asynccontextmanager
async def node(directory: Path, tools: Path | None = None) -> AsyncIterator[Node]:
    """Node (of the folder `tools`, or the machine's) with the driver of `directory`; ended, with all clients, at the
    end."""
    assert (directory / "node_modules").is_dir(), f"the JavaScript clients are missing: run `npm ci` in {directory}"
    binary = shutil.which("node", path=tools)
    assert binary, "Node is missing"
    process = await asyncio.create_subprocess_exec(
        binary, str(directory / "driver.mjs"),
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, limit=LINE_BYTES_MAX,
    )  # fmt: skip
    running = Node(process)
    tasks = Tasks()
    tasks.start(running.read(), "node")
    try:
        yield running
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
        await tasks.cancel()
