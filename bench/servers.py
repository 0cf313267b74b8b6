"""The servers that are compared: how each is started, and when it is ready."""

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from bench import process
from bench.backplane import Backplane
from bench.tools import HERE, Tools

MANY = "1000000"
_UNLIMITED = {  # one address and a few senders stand for thousands of people here
    "CONFER_EVENTS_PER_S": MANY,
    "CONFER_EVENTS_BURST": MANY,
    "CONFER_CONNECTIONS_PER_ADDRESS_MAX": MANY,
    "CONFER_CONNECTIONS_PER_USER_MAX": MANY,
    "CONFER_CONNECTS_PER_ADDRESS_BURST": MANY,
    "CONFER_CONNECTS_PER_USER_BURST": MANY,
}


@dataclass(frozen=True)
class Start:
    """A server about to be started on `port`; `fed`: updates come by NATS and not from members."""

    tools: Tools
    port: int
    there: Backplane
    fed: bool


@dataclass(frozen=True)
class Server:
    name: str
    about: str
    command: Callable[[Start], tuple[Sequence[str], dict[str, str]]]
    health: str | None = None  # a path that answers 200 once it is ready; None: it listens
    query: str = ""

    def is_ready(self, port: int) -> Callable[[], bool]:
        return partial(process.answers, port, self.health) if self.health else partial(process.greets, port)


def _floor(start: Start) -> tuple[Sequence[str], dict[str, str]]:
    return [str(start.tools.floor), str(start.port), *([str(start.there.port)] if start.fed else [])], {}


def _node(start: Start) -> tuple[Sequence[str], dict[str, str]]:
    fed = {"NATS_PORT": str(start.there.port)} if start.fed else {}
    return [str(start.tools.node), str(HERE / "node" / "server.mjs")], {"PORT": str(start.port), **fed}


def _stock(start: Start) -> tuple[Sequence[str], dict[str, str]]:
    return [sys.executable, str(HERE / "peers" / "stock.py"), str(start.port)], {}


def _transport(start: Start) -> tuple[Sequence[str], dict[str, str]]:
    return [sys.executable, str(HERE / "peers" / "transport.py"), str(start.port)], _UNLIMITED


def _edge(start: Start) -> tuple[Sequence[str], dict[str, str]]:
    settings = {
        "CONFER_PORT": str(start.port),
        "CONFER_NATS_URL": start.there.url,
        "CONFER_IDENTITY": "trusted-query",
        "CONFER_LOG_LEVEL": "warning",
        "CONFER_METRICS_PORT": "0",
    }
    return [sys.executable, "-m", "confer_edge"], {**settings, **_UNLIMITED}


SERVERS = {
    server.name: server
    for server in (
        Server("floor", "C, one send() per member, nothing else", _floor),
        Server("node", "JavaScript Socket.IO server, ws", _node),
        Server("stock", "python-socketio on uvicorn, as documented", _stock),
        Server("transport", "Confer's transport alone: no portal, no sessions, no NATS", _transport),
        Server("edge", "Confer's edge, everything on", _edge, health="/health", query="user_id=u%CLIENT%"),
    )
}
