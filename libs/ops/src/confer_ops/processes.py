"""The processes of an installation, as they tell about themselves over NATS: `$SRV.STATS` of each (ADR-32 of NATS)."""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import nats.errors
import nats.js.errors
import orjson
from nats.aio.client import Client

from confer_contracts.catalogue import SERVICES
from confer_kit import clock
from confer_ops.trouble import Trouble

EDGE = "confer-edge"
EXPECTED = (EDGE, *(f"{name}-svc" for name in SERVICES))
WAIT_S = 3.0  # for whoever is slow to answer
QUIET_S = 0.4  # nobody else has answered for so long: that is all, if nothing is missing


@dataclass(frozen=True, slots=True)
class Process:
    """One that answered. `id` is what it is called by; `lag`: how much of its stream it has not read yet, None where it
    is not known; `clients` and `address`: of an edge; `now`: what its clock says, Unix seconds; `ahead`: by how many
    seconds, at least, it is ahead of ours; `reason`: why it is not ready."""

    name: str
    id: str
    version: str
    started: float
    now: float | None
    calls: int
    errors: int
    lag: int | None
    ready: bool
    ahead: float = 0.0
    reason: str | None = None
    clients: int | None = None
    address: str | None = None


async def found(nc: Client, wait_s: float = WAIT_S) -> list[Process]:
    """Whoever answers within `wait_s`, by name and age. Sooner where nobody is missing."""
    lasts = await _lasts(nc)  # before: what comes meanwhile is no lag
    told: list[Mapping[str, Any]] = []
    asked_at, came_at = clock.now(), list[float]()
    replies = await nc.subscribe(inbox := nc.new_inbox())
    await nc.publish("$SRV.STATS", reply=inbox)
    try:
        async with asyncio.timeout(wait_s):
            while True:
                complete = not missing({each["name"] for each in told})
                message = await replies.next_msg(timeout=QUIET_S if complete else wait_s)
                if not message.data:  # the server's word that nobody listens
                    break
                came_at.append(clock.now())
                told.append(orjson.loads(message.data))
    except (TimeoutError, nats.errors.TimeoutError, nats.errors.NoRespondersError):
        pass  # that was all
    finally:
        await replies.unsubscribe()
    made = (_process(each, lasts, (asked_at, came)) for each, came in zip(told, came_at, strict=True))
    return sorted(made, key=_order)


def _order(process: Process) -> tuple[int, str, float]:
    """As the catalogue has them; then whoever else answers, such as an authoriser of the installation's own."""
    place = EXPECTED.index(process.name) if process.name in EXPECTED else len(EXPECTED)
    return place, process.name, process.started


def missing(names: Collection[str]) -> list[str]:
    """Deployables of which none answers."""
    return [name for name in EXPECTED if name not in names]


def complaints(processes: Sequence[Process]) -> list[str]:
    """What is not as it should be, a sentence each."""
    said = [f"no {name} answers" for name in missing({p.name for p in processes})]
    return said + [f"{p.name} {p.id} is not ready: {p.reason}" for p in processes if not p.ready]


def versions(processes: Sequence[Process]) -> list[str]:
    """Those that run; more than one during an upgrade."""
    return sorted({p.version for p in processes if p.name in EXPECTED})


async def _lasts(nc: Client) -> dict[str, int]:
    """The last sequence of each stream. Trouble where JetStream does not answer."""
    try:
        infos = await nc.jetstream(timeout=5).streams_info()
    except (TimeoutError, nats.errors.Error, nats.js.errors.Error) as error:
        raise Trouble(
            f"JetStream does not answer ({type(error).__name__}: {error}): is it on, and does this NATS user have the "
            "rights of an operator? `confer doctor` looks closer."
        ) from None
    return {info.config.name or "": info.state.last_seq for info in infos}


def ahead(at: float, between: tuple[float, float]) -> float:
    """By how much, for sure, a clock is ahead of ours that showed `at` between two moments of ours; negative: it is
    behind."""
    return at - min(max(at, between[0]), between[1])


def _process(told: Mapping[str, Any], lasts: Mapping[str, int], between: tuple[float, float]) -> Process:
    """Of an answer to `$SRV.STATS` that came between two moments; one of an older release tells no `data`."""
    endpoints = told["endpoints"]
    state: Mapping[str, Any] = next((e["data"] for e in endpoints if e.get("data")), {})
    last = lasts.get(state.get("stream", ""))
    now = unix(state["now"]) if "now" in state else None
    return Process(
        name=told["name"],
        id=state.get("edge") or told["id"],
        version=told["version"],
        started=unix(told["started"]),
        now=now,
        ahead=0.0 if now is None else round(ahead(now, between), 3),
        calls=state.get("calls", sum(e["num_requests"] for e in endpoints)),
        errors=state.get("errors", sum(e["num_errors"] for e in endpoints)),
        lag=None if last is None else max(0, last - state["position"]),
        ready=state.get("ready", True),
        reason=None if state.get("ready", True) else state.get("reason") or "it is behind its log",
        clients=state.get("clients"),
        address=state.get("address"),
    )


def unix(text: str) -> float:
    """Of ISO 8601."""
    return datetime.fromisoformat(text).timestamp()
