"""The live feed: LIVE as one ordered, contiguous stream, handed to the audiences (design.md, section 1)."""

from collections.abc import Callable
from typing import Final

from nats.js.api import StreamInfo

from confer_contracts.subjects import LIVE, Header
from confer_edge import packets
from confer_edge.audiences import Audiences
from confer_kit import telemetry
from confer_kit.follower import Delivered, Follower
from confer_kit.nats_link import Link

_NAME_FOR: Final = {kind: Header.EVENT_FOR + kind for kind in ("room", "queue", "user", "role", "staff", "topic")}


class Feed:
    """Follows LIVE. `delivered`: per source stream, the last sequence handed out."""

    def __init__(self, link: Link, audiences: Audiences, on_reset: Callable[[], None]) -> None:
        self._audiences = audiences
        self._on_reset = on_reset
        self.delivered: dict[str, int] = {}
        self._follower = Follower(link, LIVE, self._deliver, on_reset=self._reset)

    @property
    def offset(self) -> str:
        """`<epoch>.<sequence>` of what was handed out last."""
        return f"{self._follower.epoch}.{self._follower.position}"

    async def run(self) -> None:
        await self._follower.run()

    def _deliver(self, message: Delivered) -> None:
        headers = message.headers
        stream, seq = _source(headers.get(Header.SOURCE, ""))
        audience = message.subject
        kind = audience.partition(".")[0]
        name = headers.get(_NAME_FOR.get(kind, "")) or headers.get(Header.EVENT)
        if name and self._audiences.has(audience):
            if telemetry.sampled(headers):
                self._emit_traced(message, kind, name, stream, seq)
            else:
                self._emit(message, name, stream, seq)
        self.delivered[stream] = max(seq, self.delivered.get(stream, 0))

    def _emit(self, message: Delivered, name: str, stream: str, seq: int) -> int:
        origin = message.headers.get(Header.ORIGIN)
        members = 0
        for event in (name, message.headers.get(Header.ALIAS)):
            if event:
                packet = packets.event(event, message.data)
                members = self._audiences.emit(message.subject, event, packet, origin=origin, stream=stream, seq=seq)
        return members

    def _emit_traced(self, message: Delivered, kind: str, name: str, stream: str, seq: int) -> None:
        fact = telemetry.incoming(message.headers)
        attributes: dict[str, str | int] = {telemetry.AUDIENCE_KIND: kind, telemetry.SEQUENCE: message.seq}
        with telemetry.span(f"emit {name}", telemetry.Kind.CONSUMER, fact, link=fact, attributes=attributes) as span:
            span.set_attribute(telemetry.MEMBERS, self._emit(message, name, stream, seq))

    def _reset(self, info: StreamInfo) -> None:
        self.delivered.clear()
        self._on_reset()


def _source(value: str) -> tuple[str, int]:
    """Stream and sequence of `Nats-Stream-Source` (`SYNC:C=<consumer> 12 ...`); a message without it is LIVE's own."""
    parts = value.split(" ", 2)
    return (parts[0].partition(":")[0], int(parts[1])) if len(parts) > 1 and parts[1].isdigit() else ("", 0)
