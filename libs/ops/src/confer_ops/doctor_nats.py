"""Looks at NATS: the server, its clock, its disk, and the streams beside what provisioning wants."""

import asyncio
import http.client
import json
import shutil
from collections.abc import AsyncIterator, Iterable, Iterator
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import nats.errors
import nats.js.errors
from nats.aio.client import Client
from nats.js import JetStreamContext
from nats.js.api import StreamConfig, StreamInfo

from confer_contracts.subjects import LIVE
from confer_kit import clock
from confer_ops import nats_monitoring, streams
from confer_ops.findings import Finding, note, ok, wrong
from confer_ops.nats_metrics import REFUSALS
from confer_ops.processes import ahead, unix
from confer_ops.provision import ADJUSTABLE, log_streams
from confer_ops.streams import Sourced

OLDEST: Final = (2, 14)  # docs/adr/0008
CLOCK_S: Final = 1.0  # deadlines travel as times: a call may take four seconds
FULL: Final = 0.85
CERTIFICATE_DAYS: Final = 14
DISK_MIN: Final = 1 << 30
BEHIND_MAX: Final = 1000
LATELY_S: Final = 600
PROVISION: Final = "Run `confer provision`"
_HERE: Final = ("127.0.0.1", "localhost", "::1")
_BY_OPERATORS: Final = {"max_age", "num_replicas"}  # an operator may have chosen another


async def server(nc: Client) -> AsyncIterator[Finding]:
    version = nc.connected_server_version
    number = f"{version.major}.{version.minor}.{version.patch}"
    if (version.major, version.minor) < OLDEST:
        yield wrong("NATS", f"the server is {number}", f"Upgrade it: {'.'.join(map(str, OLDEST))} or later is needed.")
    else:
        where = nc.connected_url.netloc.rpartition("@")[2] if nc.connected_url else "?"
        yield ok("NATS", f"version {number} answers at {where}")
    asked_at = clock.now()
    try:
        told = json.loads((await nc.request("$JS.API.INFO", timeout=5)).data)
        info = json.loads((await nc.request(f"$JS.API.STREAM.INFO.{LIVE}", timeout=5)).data)
    except (TimeoutError, nats.errors.Error) as error:
        yield wrong(
            "JetStream",
            f"does not answer ({type(error).__name__})",
            "Is it on (`jetstream {}` in nats.conf)? Has it a quorum? Is this user an operator?",
        )
        return
    yield ok("JetStream", f"{told['streams']} streams, {told['storage'] / 1e6:.1f} MB")
    limit = told.get("limits", {}).get("max_storage", -1)
    if limit > 0 and told["storage"] > FULL * limit:
        yield wrong(
            "JetStream",
            f"{told['storage'] / limit:.0%} of what this account may store is used",
            "Raise its limit, or keep less: docs/alerts.md, ConferStorageFull.",
        )
    if "ts" in info:
        for finding in clock_of(
            "the NATS server", ahead(unix(info["ts"][:26].rstrip("Z") + "Z"), (asked_at, clock.now()))
        ):
            yield finding


def clock_of(whose: str, seconds: float) -> Iterator[Finding]:
    if abs(seconds) > CLOCK_S:
        where = "ahead of" if seconds > 0 else "behind"
        yield wrong(
            "clocks",
            f"that of {whose} is {abs(seconds):.1f} s {where} this machine's",
            "Let all hosts keep time (chrony, systemd-timesyncd): calls that look late are refused.",
        )


async def monitoring(urls: str) -> AsyncIterator[Finding]:
    """What a server tells at its monitoring port alone."""
    for url in nats_monitoring.monitored(urls):
        try:
            told = await asyncio.to_thread(nats_monitoring.get, f"{url}/varz")
            closed = await asyncio.to_thread(nats_monitoring.get, url + nats_monitoring.CLOSED)
        except (OSError, http.client.HTTPException, ValueError) as error:
            yield note(
                "durability",
                f"not looked at: no NATS server answers at {url} ({error})",
                "Name its monitoring port by --monitoring to have it looked at.",
            )
            continue
        for finding in (*durability(told, url), *disk(told, url), *refused(closed, told["now"], url), *tls(told, url)):
            yield finding
        if not told.get("auth_required"):
            yield note(
                "permissions",
                "NATS asks nobody who they are: whoever reaches it may write facts",
                "Outside of one machine, give each process its user.",
            )


def refused(closed: dict[str, Any], now: str, url: str) -> Iterator[Finding]:
    """Who was not let in during the last ten minutes."""
    since = _moment(now) - LATELY_S
    found = [each for each in closed["connections"] if each["reason"] in REFUSALS and _moment(each["stop"]) > since]
    if found:
        last = found[0]
        name = f", {last['name']}" if last.get("name") else ""
        yield note(
            "log-ins",
            f"{url} did not let {len(found)} in within ten minutes, the last at {last['stop'][:19]}Z from "
            f"{last['ip']}{name}",
            "A process of ours with no key, or an old one, says so in its log; else somebody tries: docs/alerts.md, "
            "ConferNatsStranger.",
        )


def tls(told: dict[str, Any], url: str) -> Iterator[Finding]:
    """Whether what crosses a network can be read there, and how long the certificate lasts."""
    if not told.get("tls_required"):
        if urlsplit(url).hostname not in _HERE:
            yield note(
                "TLS",
                f"{url} speaks without: who is on its network reads names and fields",
                "Give it a certificate: docs/nats.md, TLS.",
            )
        return
    days = (_moment(told["tls_cert_not_after"]) - clock.now()) / 86400
    if days < CERTIFICATE_DAYS:
        text = f"the certificate of {url} ends in {days:.0f} days: then nobody connects any more"
        yield wrong("TLS", text, "Make it anew: docs/nats.md, TLS.")


def _moment(stamp: str) -> float:
    """Of a server, which tells nanoseconds."""
    return unix(f"{stamp[:19]}+00:00")


def durability(told: dict[str, Any], url: str) -> Iterator[Finding]:
    config = told.get("jetstream", {}).get("config", {})
    if not config:
        yield wrong("durability", f"JetStream is off at {url}", "Switch it on: `jetstream { store_dir: ... }`.")
    elif not config.get("sync_always"):
        yield wrong(
            "durability",
            f"{url} syncs every {config.get('sync_interval', 0) / 1e9:.0f} s: a power cut loses what was acknowledged",
            "Set `sync_interval: always` in its `jetstream` block, and restart it.",
        )
    else:
        yield ok("durability", "an acknowledged fact is on disk (sync_interval: always)")


def disk(told: dict[str, Any], url: str) -> Iterator[Finding]:
    jetstream = told.get("jetstream", {})
    used, limit = jetstream.get("stats", {}).get("storage", 0), jetstream.get("config", {}).get("max_storage", 0)
    if limit and used > FULL * limit:
        yield wrong(
            "disk",
            f"{url} has used {used / limit:.0%} of what JetStream may have",
            "A larger disk or max_file_store, or shorter ages: docs/alerts.md, ConferStorageFull.",
        )
    store = Path(jetstream.get("config", {}).get("store_dir", ""))
    if store.is_absolute() and store.is_dir():  # it is on this machine
        free = shutil.disk_usage(store).free
        if free < DISK_MIN:
            yield wrong("disk", f"{free / 1e6:.0f} MB are left below {store}", "Make room: a full disk takes no fact.")
        else:
            yield ok("disk", f"{free / 1e9:.0f} GB are left below {store}")


async def stored(nc: Client) -> AsyncIterator[Finding]:
    """Each stream that provisioning makes, and what feeds those that others feed."""
    js = nc.jetstream(timeout=5)
    try:
        there = {info.config.name: info for info in await js.streams_info()}
    except (TimeoutError, nats.errors.Error, nats.js.errors.Error) as error:
        yield wrong("streams", f"they cannot be listed ({type(error).__name__})", "Is this user an operator?")
        return
    findings = [finding for wanted in _wanted() for finding in _stream(wanted, there.get(wanted.name))]
    findings += _copies(there.values())
    for source in (*streams.activity_sources(), *streams.live_sources()):
        if source.stream in there and source.target in there:
            findings += await _fed(js, source)
    for finding in findings or [ok("streams", f"all {len(_wanted())} are as provisioning makes them")]:
        yield finding


def _wanted() -> tuple[StreamConfig, ...]:
    return (
        *streams.logs(), streams.access(), streams.audit(), streams.ticks(), streams.sessions(), *streams.snapshots(),
        streams.activity(), streams.live("-"),
    )  # fmt: skip


def _stream(wanted: StreamConfig, info: StreamInfo | None) -> Iterator[Finding]:
    name = wanted.name
    if info is None:
        lost = ", and its facts with it, unless this installation is new" if name in log_streams() else ""
        yield wrong("streams", f"{name} is missing{lost}", f"{PROVISION}; or restore NATS from its backup first.")
        return
    differs = [
        field
        for field in ADJUSTABLE
        if field not in _BY_OPERATORS and getattr(wanted, field) not in (None, getattr(info.config, field))
    ]
    if differs:
        yield wrong("streams", f"{name} has another {', '.join(differs)}", f"{PROVISION}: it adjusts what may be.")
    for source in info.sources or []:
        if (source.lag or 0) > BEHIND_MAX:
            yield wrong(
                "streams",
                f"{name} is {source.lag} facts behind {source.name}",
                "Look at the servers' disks and load: docs/alerts.md, ConferConsumerBehind.",
            )


def _copies(infos: Iterable[StreamInfo]) -> Iterator[Finding]:
    """By the server that has no current one."""
    behind: dict[str, list[str]] = {}
    for info in infos:
        for copy in (info.cluster.replicas if info.cluster else None) or []:
            if copy.offline or not copy.current:
                behind.setdefault(copy.name or "?", []).append(info.config.name or "?")
    for server, names in sorted(behind.items()):
        yield wrong(
            "streams",
            f"the server {server} has no current copy of {', '.join(sorted(names))}",
            "Start it again, or let it catch up: docs/alerts.md, ConferNatsServerAway and ConferStreamCopiesMissing.",
        )


async def _fed(js: JetStreamContext, source: Sourced) -> list[Finding]:
    """By its durable consumer, without which what is said meanwhile is missed."""
    if source.name in {consumer.name for consumer in await js.consumers_info(source.stream)}:
        return []
    target = source.target
    return [
        wrong(
            "streams",
            f"{target} gets nothing from {source.stream} any more: consumer {source.name} is gone",
            f"{PROVISION}: {target} is made anew, and clients get fresh snapshots.",
        )
    ]
