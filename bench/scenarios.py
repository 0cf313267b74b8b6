"""What is run: the load, and the servers that get it one after the other."""

from dataclasses import dataclass
from typing import Literal

FACT_SUBJECT = "log.sync.room.p%ROOM%.record"
FACT_HEADERS = "|".join(  # as sync-svc writes them
    (
        "Confer-Event: field_updated",
        "Confer-Op: 0198c0de-0000-7000-8000-%SEQ%",
        "Confer-Actor: u1",
        "Confer-Origin: GkR4k1mZ1dQW7rTtAAAB",
        "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00",
    )
)
BROWSER = "|".join(
    (
        "Origin: http://localhost:3000",
        "User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 "
        "Safari/537.36",
        "Accept-Language: en-US,en;q=0.9,th;q=0.8",
        "Accept-Encoding: gzip, deflate, br, zstd",
        "Cache-Control: no-cache",
        "Pragma: no-cache",
        f"Cookie: session={'a' * 400}; csrf={'b' * 40}",
        "X-Forwarded-For: 10.1.2.3",
        "X-Forwarded-Proto: https",
    )
)
SYNC_UPDATE = (
    '["field_update",{"patient_id":"p%ROOM%","field":"notes","value":{"seq":%SEQ%,"ts":%TIME%,"text":"%PAD%"}}]'
)
Source = Literal["nats", "member", "call"]


@dataclass(frozen=True)
class Scenario:
    """`source` of updates: facts by NATS, a member that emits, or (of the edge) a member's call to sync-svc.
    `options` of the load generator; `quick`: those that a trial run overrides."""

    key: str
    servers: tuple[str, ...]
    options: dict[str, str | int | float]
    quick: dict[str, str | int | float]
    source: Source = "nats"
    services: bool = False

    def arguments(self, server: str, *, quick: bool) -> dict[str, str | int | float]:
        chosen = {**self.options, **(self.quick if quick else {})}
        if self.source == "nats" and server != "stock" and "rooms" in chosen:
            chosen |= {"subject": FACT_SUBJECT, "headers": FACT_HEADERS}
        if self.source == "call" and server == "edge":
            chosen |= {"update": SYNC_UPDATE}
        return chosen

    def fed(self, server: str) -> bool:
        return self.source == "nats" and server not in ("stock", "transport") and "rooms" in self.options


ROOM_1000: dict[str, str | int | float] = {"rooms": 1, "members": 1000}
ROOMS_200: dict[str, str | int | float] = {"rooms": 200, "members": 5}
_QUICK: dict[str, str | int | float] = {"seconds": 1.5, "warmup": 0.5}

SCENARIOS = (
    Scenario("room", ("floor", "node", "edge", "stock"), {**ROOM_1000, "window": 1, "seconds": 4}, _QUICK),
    Scenario("rooms", ("floor", "node", "edge"), {**ROOMS_200, "window": 40, "seconds": 4}, _QUICK),
    Scenario("rooms-paced", ("floor", "node", "edge"), {**ROOMS_200, "rate": 400, "seconds": 4}, _QUICK),
    Scenario(
        "calls", ("node", "edge"), {**ROOMS_200, "rate": 100, "seconds": 4}, _QUICK, source="call", services=True
    ),
    Scenario("burst", ("floor", "node", "edge"), {**ROOM_1000, "window": 32, "seconds": 4}, _QUICK),
    Scenario(
        "slow",
        ("node", "edge"),
        {"rooms": 1, "members": 100, "slow": 5, "rate": 200, "padding": 4000, "seconds": 10},
        {"seconds": 4},
    ),
    Scenario(
        "life", ("node", "transport", "edge"), {"mode": "life", "clients": 5000, "seconds": 25, "header": BROWSER},
        {"clients": 1000, "seconds": 3}, services=True,
    ),
    Scenario(
        "life-fewer", ("node", "transport", "edge", "stock"),
        {"mode": "life", "clients": 1000, "seconds": 2, "header": BROWSER},
        {"clients": 250, "seconds": 1}, services=True,
    ),
)  # fmt: skip
