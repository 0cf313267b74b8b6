"""A member of a storm on the stock JavaScript client."""

from collections.abc import Sequence
from typing import Any

from confer_kit import clock
from confer_kit.testing.chaos.member import CALL_S, ROLE, Member
from confer_kit.testing.chaos.sightings import of_event
from confer_kit.testing.javascript import JavaScriptClient, Node, Way


class Page(Member):
    """It parses what it gets: its facts are compared as JSON."""

    def __init__(self, name: str, patients: Sequence[str], client: JavaScriptClient) -> None:
        super().__init__(name, patients)
        self._client = client
        client.listener = self._told

    async def call(self, event: str, payload: dict[str, Any], timeout: float = CALL_S) -> dict[str, Any] | None:
        if not self.connected:
            return None
        try:
            return dict(await self._client.call(event, payload, timeout=timeout))
        except TimeoutError:
            return None

    async def cut(self) -> None:
        await self._client.cut()

    def _told(self, what: str, values: list[Any]) -> None:
        match what:
            case "connect":
                self.began(values[0], recovered=values[2])
            case "disconnect":
                self.connected, self.lost_by = False, str(values[0])
            case "ack":
                self.answered(values[1])
            case "event":
                name, *args = values
                sighting = of_event(name, args, args[0] if args else None, clock.now(), parsed=True)
                if sighting is not None:
                    self.saw.append(sighting)


async def open_page(node: Node, way: Way, url: str, name: str, patients: Sequence[str]) -> Page:
    options = {
        "transports": way.transports,
        "query": {"user_id": name, "user_role": ROLE},
        "reconnectionDelay": 50,
        "reconnectionDelayMax": 600,
    }
    page = Page(name, patients, node.prepared(name))
    await node.begin(page._client, way.version, url, options)
    return page
