"""The stock Socket.IO Admin UI may look at this edge, where a password is set: its namespace, and aggregates alone.

The protocol is that of @socket.io/admin-ui 0.5 in mode `production`, read-only: `session`, `config`, `server_stats`.
Nothing of it names a client; what it costs does not grow with what clients do, and is nothing while nobody looks.
"""

import os
import socket
import time
from collections.abc import Callable
from typing import Any, Final

from socketio.exceptions import ConnectionRefusedError as Refused

from confer_edge import metrics
from confer_edge.credentials import Credentials
from confer_edge.rate import Bucket
from confer_edge.settings import EdgeSettings
from confer_edge.transport import Server
from confer_kit import clock
from confer_kit.logs import logger
from confer_kit.metrics import Counter

log = logger(__name__)

NAMESPACE: Final = "/admin"
STATS_S: Final = 2.0
PASSWORD_CHARS_MIN: Final = 12
ATTEMPTS, ATTEMPTS_PER_S = 10, 10 / 60  # to log in, by anybody: so many at once, and then ten a minute
_AGGREGATES: Final = {
    "rawConnection": metrics.HANDSHAKES,
    "rawDisconnection": metrics.DISCONNECTS,
    "packetsIn": metrics.CALLS,
    "packetsOut": metrics.DELIVERIES,
}


class Admin:
    """`sessions` counts the clients. `send` is to be called every `STATS_S`."""

    def __init__(self, server: Server, settings: EdgeSettings, password: str, sessions: Callable[[], int]) -> None:
        self._server = server
        self._sessions = sessions
        self._credentials = Credentials(settings.admin_user, password)
        self._attempts = Bucket(ATTEMPTS_PER_S, ATTEMPTS, time.monotonic())
        self._admins: set[str] = set()
        self._began = time.monotonic()
        self._told: dict[tuple[str, str], float] = {}  # the counters at the last stats
        host = socket.gethostname()
        self._server_id = {"serverId": f"{host}#{os.getpid()}", "hostname": host, "pid": os.getpid()}
        server.on("connect", self._connect, namespace=NAMESPACE)
        server.on("disconnect", self._disconnect, namespace=NAMESPACE)

    async def _connect(self, sid: str, _: Any, auth: Any = None) -> None:
        """What is emitted here goes after the answer to CONNECT."""
        await self._check(sid, auth if isinstance(auth, dict) else {})
        if not self._admins:
            self._events()  # what was before nobody sees
        self._admins.add(sid)
        features = {"supportedFeatures": ["AGGREGATED_EVENTS"]}
        await self._server.emit("config", features, to=sid, namespace=NAMESPACE)
        await self._server.emit("server_stats", self._stats([]), to=sid, namespace=NAMESPACE)

    async def _check(self, sid: str, auth: dict[str, Any]) -> None:
        """A session id, or a name and a password; Refused with the words that the UI knows."""
        if self._credentials.knows(auth.get("sessionId"), clock.now()):
            return
        if "password" not in auth:
            raise Refused("invalid credentials")
        if not self._attempts.take(1, time.monotonic()):
            metrics.LIMITS.labels("admin_attempts").inc()
            raise Refused("too many attempts to log in: wait a minute")
        if not self._credentials.accepts(auth.get("username"), auth["password"]):
            log.warning("an admin was refused: wrong name or password")
            raise Refused("invalid credentials")
        log.info("an admin has logged in")
        await self._server.emit("session", self._credentials.session(clock.now()), to=sid, namespace=NAMESPACE)

    def _disconnect(self, sid: str, *_: Any) -> None:
        self._admins.discard(sid)

    async def send(self) -> None:
        """The stats, to those who look."""
        if self._admins:
            await self._server.emit("server_stats", self._stats(self._events()), namespace=NAMESPACE)

    def _stats(self, events: list[dict[str, Any]]) -> dict[str, Any]:
        sockets = self._server.eio.sockets.values()
        return {
            **self._server_id,
            "uptime": time.monotonic() - self._began,
            "clientsCount": sum(not each.closed for each in sockets),
            "pollingClientsCount": sum(each.link is None and not each.closed for each in sockets),
            "aggregatedEvents": events,
            "namespaces": [
                {"name": "/", "socketsCount": self._sessions()},
                {"name": NAMESPACE, "socketsCount": len(self._admins)},
            ],
        }

    def _events(self) -> list[dict[str, Any]]:
        """What has happened since this was asked last; by reason where the UI asks for one."""
        now_ms = int(clock.now()) * 1000
        found = []
        for kind, counter in _AGGREGATES.items():
            for reason, total in _totals(counter, by_reason=kind == "rawDisconnection").items():
                count = total - self._told.get((kind, reason), 0)
                self._told[kind, reason] = total
                if count:
                    found.append({"timestamp": now_ms, "type": kind, "count": count, "subType": reason or None})
        return found


def _totals(counter: Counter, *, by_reason: bool) -> dict[str, float]:
    totals: dict[str, float] = {}
    for sample in (sample for family in counter.collect() for sample in family.samples):
        if sample.name.endswith("_total"):
            reason = sample.labels.get("reason", "") if by_reason else ""
            totals[reason] = totals.get(reason, 0) + sample.value
    return totals


def password_of(settings: EdgeSettings) -> str | None:
    """The admin's password; None: the UI is off. SystemExit with a sentence where it cannot be used."""
    given = settings.admin_password.get_secret_value() if settings.admin_password else None
    if given is not None and len(given) < PASSWORD_CHARS_MIN:
        raise SystemExit(f"CONFER_ADMIN_PASSWORD: must have {PASSWORD_CHARS_MIN} characters or more")
    return given
