"""What a notification costs: to many who are connected, while many are away, and to whoever comes back."""

import asyncio
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, Final, Protocol

import orjson

from bench.document import number
from bench.rows import Results, Row, middle
from bench.services.scenarios import PADDING
from confer_contracts import notify
from confer_contracts.message import Identity
from confer_kit import clock
from confer_kit.calls import ask, encode_context
from confer_ops.connection import connected

AT_ONCE: Final = 64  # who come, before the measurement
NOTES: Final = 200  # that whoever comes back has missed
WITHIN_S: Final = 60.0
NAMES: Final = {
    "connected": "everybody has it",
    "away": "acknowledged",
    "back": f"inbox of somebody who missed {NOTES} notes",
}
SEND: Final = (
    '{"to":{"all":true},"title":"Round","message":"%PAD%","data":{"seq":%SEQ%,"ts":%TIME%}}'  # as clients send it
)
_JOIN: Final = '["notification_inbox",{"limit":1}]'
_SNAPSHOT: Final = '{"kind":"user","id":"u%ROOM%","role":"nurse","seen":{}}'
_SNAPSHOT_SUBJECT: Final = f"call.{notify.SERVICE}.snapshot"


@dataclass(frozen=True)
class Notified:
    """So many people who are connected, or who are known and away."""

    people: int

    @property
    def key(self) -> str:
        return f"notify-{self.people}"

    @property
    def servers(self) -> tuple[str, ...]:
        return tuple(NAMES)


SCENARIOS: Final = (Notified(1), Notified(100), Notified(1000), Notified(10_000))


class Bench(Protocol):
    """What a measurement needs; `stack` ends what it starts."""

    @property
    def url(self) -> str: ...
    def through_edge(self, stack: ExitStack, **options: str | float) -> dict[str, Any]: ...
    def by_call(self, pids: list[int], **options: str | float) -> dict[str, Any]: ...
    def service(self, stack: ExitStack, name: str) -> int: ...


def measure(bench: Bench, stack: ExitStack, scenario: Notified, name: str, times: dict[str, float]) -> dict[str, Any]:
    """One after the other, the next note when the one before has been acknowledged, and where people are connected when
    the last of them has it."""
    if name == "connected":
        event = f'["{notify.NOTIFICATION_SEND.event}",{SEND}]'
        return bench.through_edge(
            stack, mode="path", rooms=1, members=scenario.people, clients=scenario.people, join=_JOIN, update=event,
            received="notification", **times,
        )  # fmt: skip
    pid = bench.service(stack, notify.SERVICE)
    asyncio.run(_come(bench.url, scenario.people, NOTES if name == "back" else 0))
    subject, payload, rooms = notify.NOTIFICATION_SEND.subject, SEND, 1
    if name == "back":
        subject, payload, rooms = _SNAPSHOT_SUBJECT, _SNAPSHOT, scenario.people
    return bench.by_call([pid], rooms=rooms, window=1, subject=subject, payload=payload, headers=_headers(), **times)


def _headers() -> str:
    headers = encode_context(_who("u0"), "", clock.now() + 10 * WITHIN_S) | {"Confer-Op": "bench-%SEQ%"}
    return "|".join(f"{name}: {value}" for name, value in headers.items())


def _who(user: str) -> Identity:
    return Identity(user_id=user, name=user, role="nurse", session="bench")


async def _come(url: str, people: int, notes: int) -> None:
    """Everybody comes once, and goes; then they are told so many things."""
    async with connected(url, "bench") as nc:
        turns = iter(range(people))

        async def call(subject: str, request: dict[str, Any], user: str) -> None:
            answer = await ask(
                nc, subject, orjson.dumps(request), _who(user), op=clock.new_id(), timeout_s=WITHIN_S
            )  # fmt: skip
            assert orjson.loads(answer)["status"] == "ok", answer

        async def come() -> None:
            for person in turns:
                user = f"u{person}"
                await call(_SNAPSHOT_SUBJECT, {"kind": "user", "id": user, "role": "nurse"}, user)

        await asyncio.gather(*(come() for _ in range(AT_ONCE)))
        for _ in range(notes):
            request = {"to": {"all": True}, "title": "Round", "message": "x" * PADDING}
            await call(notify.NOTIFICATION_SEND.subject, request, "u0")


def tables(results: Results) -> Iterator[str]:
    """Medians; nothing where nothing of it was measured."""
    lines = [line for scenario in SCENARIOS for name in NAMES if (line := _line(results, scenario, name))]
    if not lines:
        return
    yield from (
        "",
        "## Notifications",
        "",
        "| people | a note to everybody, one after the other | per second | acknowledged: half, 99% within, ms | "
        "last person, ms | CPU, of all, µs |",
        "|---:|---|---:|---:|---:|---:|",
        *lines,
        "",
        "- **everybody has it**: the people are connected by Socket.IO to one edge; one of them sends, and again when "
        "the note is acknowledged and all have it. CPU is that of the edge.",
        "- **acknowledged**: the people were here once and are away; a note to everybody is one fact, however many "
        "they are. Called over NATS; CPU is that of notify-svc, with the counts that it tells those seen last.",
        f"- **inbox**: what one of them is answered who comes back and has missed {NOTES} notes: the first page, and "
        "how many are unread. Per second are answers.",
    )


def _line(results: Results, scenario: Notified, name: str) -> str | None:
    def value(quantity: str) -> float | None:
        return middle(results, Row("", scenario.key, quantity, ""), name)

    if (rate := value("updates_per_s")) is None:
        return None

    def shown(scale: float, *quantities: str) -> str:
        found = [value(quantity) for quantity in quantities]
        return " / ".join(number(each / scale) for each in found if each is not None)

    acknowledged, last = shown(1000, "p50_us", "p99_us"), shown(1000, "last_p50_us", "last_p99_us")
    cpu = shown(1, "cpu_us_per_update", "all_cpu_us_per_update")
    return f"| {scenario.people:,} | {NAMES[name]} | {number(rate)} | {acknowledged} | {last} | {cpu} |"
