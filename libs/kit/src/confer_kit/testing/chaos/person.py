"""A browser without a browser: connection state recovery as the stock JavaScript client does it (Socket.IO v4.6), over
one WebSocket after the other; it comes back by itself and keeps every byte."""

import asyncio
import contextlib
import json
import random
from collections.abc import Sequence
from typing import Any, Final

import aiohttp

from confer_kit import clock
from confer_kit.testing.chaos.member import CALL_S, Member
from confer_kit.testing.chaos.sightings import of_event

BACK_AFTER_S: Final = (0.05, 0.6)
CONNECT_S: Final = 5.0
CUT: Final = aiohttp.ClientError, OSError, TimeoutError, ConnectionError


class Person(Member):
    """`urls`: the edges, one of which is chosen at each connection."""

    def __init__(self, name: str, urls: Sequence[str], patients: Sequence[str], dice: random.Random) -> None:
        super().__init__(name, patients)
        self.url = ""  # where it is
        self._urls = list(urls)
        self._dice = dice
        self._pid: str | None = None
        self._offset: str | None = None
        self._socket: aiohttp.ClientWebSocketResponse | None = None
        self._answers: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._number = 0

    async def run(self) -> None:
        """Until cancelled."""
        async with aiohttp.ClientSession() as session:
            while True:
                with contextlib.suppress(*CUT):
                    await self._connection(session)
                self.connected = False
                self._forget_calls()
                await asyncio.sleep(self._dice.uniform(*BACK_AFTER_S))

    async def cut(self) -> None:
        """The connection breaks."""
        if self._socket is not None and (transport := self._socket.get_extra_info("socket")) is not None:
            with contextlib.suppress(OSError):
                transport.shutdown(2)

    async def call(self, event: str, payload: dict[str, Any], timeout: float = CALL_S) -> dict[str, Any] | None:
        """The acknowledgement; None: the connection was lost, or none came in time."""
        if self._socket is None or not self.connected:
            return None
        self._number += 1
        number, answer = self._number, asyncio.get_running_loop().create_future()
        self._answers[number] = answer
        try:
            await self._socket.send_str(f"42{number}" + json.dumps([event, payload]))
            async with asyncio.timeout(timeout):
                return dict(await answer)
        except (asyncio.CancelledError, *CUT):
            if (current := asyncio.current_task()) and current.cancelling():
                raise
            return None
        finally:
            self._answers.pop(number, None)

    # --- one connection -----------------------------------------------------------------------------------

    async def _connection(self, session: aiohttp.ClientSession) -> None:
        query = {"EIO": "4", "transport": "websocket", "user_id": self.name, "user_role": "nurse"}
        self.url = self._dice.choice(self._urls)
        async with asyncio.timeout(CONNECT_S):
            self._socket = await session.ws_connect(f"{self.url}/socket.io/", params=query, max_msg_size=0)
        try:
            hello = json.loads((await self._hear(CONNECT_S))[1:])
            patience = (hello["pingInterval"] + hello["pingTimeout"]) / 1000
            auth = {"pid": self._pid, **({"offset": self._offset} if self._offset else {})} if self._pid else None
            await self._socket.send_str("40" + (json.dumps(auth) if auth else ""))
            while True:
                await self._receive(await self._hear(patience))
        finally:
            await self._socket.close()

    async def _hear(self, patience: float) -> str:
        assert self._socket is not None
        message = await self._socket.receive(patience)
        if message.type is not aiohttp.WSMsgType.TEXT:
            raise ConnectionError("closed")
        return str(message.data)

    async def _receive(self, text: str) -> None:
        assert self._socket is not None
        if text == "2":
            await self._socket.send_str("3")
        elif text.startswith("40"):
            self._let_in(json.loads(text[2:]))
        elif text.startswith("42"):
            self._told(text[2:])
        elif text.startswith("43"):
            digits = len(text) - 2 - len(text[2:].lstrip("0123456789"))
            waiting = self._answers.get(int(text[2 : 2 + digits]))
            if waiting is not None and not waiting.done():
                (answer,) = json.loads(text[2 + digits :])
                self.answered(answer)
                waiting.set_result(answer)
        elif text.startswith("44"):
            raise ConnectionError(text)

    def _let_in(self, told: dict[str, Any]) -> None:
        recovered = self._pid is not None and told.get("pid") == self._pid
        self._pid = told.get("pid")
        self.began(told["sid"], recovered)

    def _told(self, text: str) -> None:
        name, *args = json.loads(text)
        offset = args[-1] if args and isinstance(args[-1], str) else None
        if offset is not None:
            self._offset = offset
        body = text[len(f'["{name}",') : len(text) - len(f',"{offset}"]')].encode()
        sighting = of_event(name, args, body, clock.now(), parsed=False)
        if sighting is not None:
            self.saw.append(sighting)

    def _forget_calls(self) -> None:
        for answer in self._answers.values():
            answer.cancel()
        self._answers.clear()
