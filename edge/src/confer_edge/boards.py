"""Public displays: a namespace of their own, on which the boards of queues are shown and nothing can be asked.

A display is nobody: it has no session, no rooms and no recovery. It gets the views that the catalogue gives to this
namespace, of the queue that it names, and a whole board when it comes and every half minute.
"""

import hmac
import time
from typing import Any, Final, NamedTuple

import orjson
from pydantic import ValidationError
from socketio.exceptions import ConnectionRefusedError as Refused

from confer_contracts import subjects
from confer_contracts.board import BOARD, NAMESPACE, QUEUE_BOARD, BoardQuery, Display
from confer_contracts.errors import ErrorCode, Rejection
from confer_contracts.message import failed
from confer_contracts.subjects import Kind
from confer_edge import metrics
from confer_edge.rate import Bucket
from confer_edge.settings import EdgeSettings
from confer_edge.transport import Server
from confer_kit import clock
from confer_kit.calls import ask, nobody
from confer_kit.nats_link import Link
from confer_kit.serving import explain
from confer_kit.tasks import Tasks

REFRESH_S: Final = 30.0
TOKEN_CHARS_MIN: Final = 16
ATTEMPTS, ATTEMPTS_PER_S = 100, 1.0  # displays with a wrong token, of anybody: so many at once, and then one a second


class Shown(NamedTuple):
    """A board, and the sequence of the queue's log that it reflects."""

    as_of: int
    board: dict[str, Any]


class Boards:
    """`refresh` is to be called every `REFRESH_S`."""

    def __init__(self, server: Server, link: Link, settings: EdgeSettings) -> None:
        self._server = server
        self._link = link
        self._token = token_of(settings)
        self._open = settings.identity == "trusted-query" and self._token is None
        self._attempts = Bucket(ATTEMPTS_PER_S, ATTEMPTS, time.monotonic())
        self._displays: dict[str, dict[str, str]] = {}  # by audience: sid -> queue
        self._shown: dict[str, Shown] = {}  # by audience: what its displays have
        self._tasks = Tasks()
        server.on("connect", self._connect, namespace=NAMESPACE)
        server.on("disconnect", self._disconnect, namespace=NAMESPACE)
        self._max = settings.displays_max
        metrics.DISPLAYS.set_function(self._count)

    def has(self, audience: str) -> bool:
        """Whether a display shows this queue."""
        return audience in self._displays

    async def show(self, audience: str, body: bytes, as_of: int) -> int:
        """A board that a service has sent, as JSON, to the displays of its audience; answers to how many."""
        return await self._show(audience, Shown(as_of, orjson.loads(body)))

    def forget(self) -> None:
        """Sequences begin anew with a new log."""
        self._shown.clear()

    async def refresh(self) -> None:
        """What was lost on the way, or while a service was away, is made good."""
        for audience, displays in tuple(self._displays.items()):
            board = await self._ask(next(iter(displays.values())))
            if board is not None and board != self._shown.get(audience):
                await self._show(audience, board)

    async def _show(self, audience: str, shown: Shown) -> int:
        before = self._shown.get(audience)
        if audience not in self._displays or (before is not None and shown.as_of < before.as_of):
            return 0
        self._shown[audience] = shown
        displays = tuple(self._displays[audience])
        for sid in displays:
            await self._send(sid, shown)
        return len(displays)

    async def _send(self, sid: str, shown: Shown) -> None:
        await self._server.emit(QUEUE_BOARD.event, shown.board, to=sid, namespace=NAMESPACE)

    async def _connect(self, sid: str, _: Any, auth: Any = None) -> None:
        """Nothing is awaited here: of a client that goes meanwhile the library would not tell."""
        try:
            display = self._admitted(auth)
            self._must_have_room()
        except Rejection as refusal:
            raise Refused(refusal.message, failed(refusal)) from None
        self._displays.setdefault(subjects.audience(Kind.QUEUE, display.queue), {})[sid] = display.queue
        self._tasks.start(self._greet(sid, display.queue), "greet a display")

    async def _greet(self, sid: str, queue: str) -> None:
        """The board as it is: what is emitted goes after the answer to CONNECT."""
        audience = subjects.audience(Kind.QUEUE, queue)
        shown = self._shown.get(audience)
        if shown is not None:
            await self._send(sid, shown)
        elif (board := await self._ask(queue)) is not None:
            await self._show(audience, board)

    def _admitted(self, auth: Any) -> Display:
        """Rejection for who names no queue, or has not the token that this installation asks for."""
        try:
            display = Display.model_validate(auth if isinstance(auth, dict) else {})
        except ValidationError as error:
            raise explain(error) from error
        if self._open or self._knows(display.token):
            return display
        if not self._attempts.take(1, time.monotonic()):
            metrics.LIMITS.labels("board_attempts").inc()
            raise Rejection(ErrorCode.LIMIT_EXCEEDED, "token: too many were wrong: wait a minute", field="token")
        metrics.DENIED.labels("board").inc()
        text = "token: is not the board token of this installation (CONFER_BOARD_TOKEN)"
        raise Rejection(ErrorCode.UNAUTHENTICATED, text, field="token")

    def _must_have_room(self) -> None:
        if self._count() >= self._max:
            metrics.LIMITS.labels("displays_max").inc()
            text = f"displays: this edge serves {self._max} at most (CONFER_DISPLAYS_MAX)"
            raise Rejection(ErrorCode.LIMIT_EXCEEDED, text)

    def _count(self) -> int:
        return sum(map(len, self._displays.values()))

    def _knows(self, token: str | None) -> bool:
        """In constant time."""
        return self._token is not None and hmac.compare_digest(
            (token or "").encode(errors="surrogatepass"), self._token.encode()
        )

    async def _disconnect(self, sid: str, *_: Any) -> None:
        for audience, displays in tuple(self._displays.items()):
            if displays.pop(sid, None) is not None and not displays:
                del self._displays[audience]
                self._shown.pop(audience, None)

    async def _ask(self, queue: str) -> Shown | None:
        """A queue's board; None while its service is away: `refresh` asks again."""
        body = BoardQuery(queue=queue).model_dump_json().encode()
        try:
            answer = await ask(
                self._link.nc, BOARD.subject, body, nobody("display"), op=clock.new_id(), timeout_s=BOARD.timeout_s
            )
        except Rejection:
            return None
        found = orjson.loads(answer)
        return Shown(found["as_of"], found["board"]) if found["status"] == "ok" else None


def token_of(settings: EdgeSettings) -> str | None:
    """The board token; None: there is none. SystemExit with a sentence where it cannot be used."""
    given = settings.board_token.get_secret_value() if settings.board_token else None
    if given is not None and len(given) < TOKEN_CHARS_MIN:
        raise SystemExit(f"CONFER_BOARD_TOKEN: must have {TOKEN_CHARS_MIN} characters or more")
    return given
