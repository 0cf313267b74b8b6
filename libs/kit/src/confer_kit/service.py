"""A service: calls answered, own log followed, other logs reacted to, views published. Wiring only."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Collection, Coroutine, Sequence
from pathlib import Path
from typing import Any, Literal, TypeVar

import orjson
from nats.aio.msg import Msg
from nats.js.api import StreamInfo
from pydantic import BaseModel

from confer_contracts import catalogue, reactions
from confer_contracts.errors import ErrorCode, Rejection
from confer_contracts.message import refusal_of
from confer_contracts.presence import RoomSnapshotRequest
from confer_contracts.route import Call
from confer_contracts.subjects import VIEWS_AGAIN, FactSubject, Header, Kind, stream_of
from confer_kit import clock, metrics, telemetry
from confer_kit.audit import Audit, Audited
from confer_kit.calls import Context, ask, nobody
from confer_kit.deliveries import Delivering, Delivery, deliver_durably
from confer_kit.event_log import EventLog
from confer_kit.facts import StoredFact
from confer_kit.follower import Delivered, Follower
from confer_kit.jetstream import JetStreamEventLog, is_foreign
from confer_kit.ledger import Codec, Ledger
from confer_kit.logs import logger
from confer_kit.micro import Micro
from confer_kit.nats_link import Link
from confer_kit.reactions import Reaction, follow_durably
from confer_kit.serving import Endpoint, Handler
from confer_kit.settings import KitSettings
from confer_kit.snapshots import Snapshots, State
from confer_kit.tasks import Tasks, again
from confer_kit.timers import Timers
from confer_kit.views import ANNOUNCE_S, Views
from confer_kit.watched_file import LOOK_S, operators_file

log = logger(__name__)

Q = TypeVar("Q", bound=BaseModel)
A = TypeVar("A", bound=BaseModel)
S = TypeVar("S")
T = TypeVar("T")
E = TypeVar("E")
Start = Literal["new", "last_per_subject", "all"]
SNAPSHOT_WAIT_S = 1.0
SNAPSHOT_TIMEOUT_S = 3.0


class Service:
    """What `build` of a service wires. Nothing happens before `start`."""

    def __init__(self, name: str, link: Link, settings: KitSettings) -> None:
        self.name = name
        self.link = link
        self.settings = settings
        self.stream = stream_of(name)
        self.log: EventLog = JetStreamEventLog(link.nc)
        self.timers = Timers()
        self.views = Views(link)
        self.tasks = Tasks()
        self._requests = Tasks()
        self._audit = Audit(link, settings.audit_rate)
        metrics.REQUESTS_IN_FLIGHT.set_function(lambda: len(self._requests))
        self._ledgers: list[Ledger[Any, Any]] = []
        self._endpoints: dict[str, Endpoint] = {}
        self._snapshots: dict[str, Callable[[RoomSnapshotRequest], Awaitable[BaseModel]]] = {}
        self._durables: dict[str, Callable[[], Coroutine[Any, Any, None]]] = {}
        self._working: dict[str, asyncio.Task[None]] | None = None  # on those; None: not yet
        self._observers: list[Callable[[StoredFact], None]] = []
        self._when_caught_up: list[Callable[[], None]] = []
        self._when_reset: list[Callable[[], None]] = []
        self._loops: list[tuple[float, Callable[[], Awaitable[None]]]] = []
        self._start: Start = "new"
        self._follower: Follower | None = None
        self._caught_up = asyncio.Event()
        self.kept: Snapshots | None = None
        self._micro = Micro(
            link.nc, f"{name}-svc", group=name, state=self._state, failures=lambda s: self._endpoints[s].failures
        )

    # --- what `build` calls ---------------------------------------------------------------------------

    def ledger(
        self, codec: Codec[S, E], capacity: int = 10_000, segment: Callable[[str, S], str] | None = None
    ) -> Ledger[S, E]:
        """Folds of the own stream, kept current by its follower. `segment` as of Ledger."""
        made = Ledger(self.log, codec, capacity, segment)
        self._ledgers.append(made)
        return made

    def serve(self, call: Call[Q, A], handler: Callable[[Q, Context], Awaitable[A]]) -> None:
        told = Audited(call.event, call.audience, call.reads) if call.public else None
        self._endpoints[call.subject] = self._endpoint(call.subject, call.request, handler, told)

    def snapshot(self, kind: Kind, handler: Callable[[RoomSnapshotRequest], Awaitable[BaseModel]]) -> None:
        """Answer joins of audiences of this kind; the follower has reached what the asking edge has delivered."""
        self._snapshots[kind.value] = handler
        subject = f"call.{self.name}.snapshot"
        reads = any(part.reads for part in catalogue.SNAPSHOTS if part.service == self.name)
        told = Audited("snapshot", lambda q: f"{q.kind}.{q.id}", reads) if reads else None
        self._endpoints[subject] = self._endpoint(subject, RoomSnapshotRequest, self._answer_snapshot, told)

    def react(
        self, stream: str, filters: Sequence[str], handler: Reaction, *, purpose: str = "", only_new: bool = False,
        events: Collection[str] = (),
    ) -> str:  # fmt: skip
        """React to another service's facts, at least once each; for each `purpose` at its own pace. `only_new`: not to
        those of before the first time. `events`: only to these public names; next to nothing is spent on others.
        Answers the name for `leave`; what was begun under it before ends."""
        name = reactions.consumer(self.name, stream, purpose)
        return self._work(
            name, lambda: follow_durably(self.link, name, stream, filters, handler, only_new=only_new, events=events)
        )

    def deliver(self, name: str, filters: Sequence[str], handler: Delivering, *, ack_wait_s: float) -> str:
        """Hand the own facts from now on to the world outside: tried again for as long as `handler` says so. Answers as
        `react` does."""
        delivery = Delivery(f"{self.name}-to-{name}", filters, handler, ack_wait_s)
        return self._work(delivery.name, lambda: deliver_durably(self.link, self.stream, delivery))

    def leave(self, name: str) -> None:
        """Neither react nor deliver under this name any more; what comes waits in the log."""
        del self._durables[name]
        if self._working is not None:
            self._working.pop(name).cancel()

    def use_file(
        self, variable: str, path: Path | None, parse: Callable[[bytes], T], what: str, use: Callable[[T], None]
    ) -> None:
        """Use what is in the file that a setting names, if it names one, and again whenever the file says something
        else. SystemExit with a sentence when it cannot be used now; later it counts as it was."""
        if path is None:
            return
        file = operators_file(variable, path, parse, what)

        async def look() -> None:
            if file.look():
                use(file.value)

        use(file.value)
        self.every(LOOK_S, look)

    def follow(self, observer: Callable[[StoredFact], None], start: Start = "new") -> None:
        """Call `observer` for each fact of the own stream, in order, after the ledgers had it."""
        self._observers.append(observer)
        self._start = start

    def keep(self, state: State, facts: int, check_s: float) -> None:
        """Start from the last snapshot of what is followed from the first fact on; one is made after so many facts, for
        which is looked every `check_s` seconds."""
        self.kept = Snapshots(self.link, self.name, self.stream, state, facts)
        self.every(check_s, self.kept.keep)

    def on_caught_up(self, done: Callable[[], None]) -> None:
        self._when_caught_up.append(done)

    def on_reset(self, done: Callable[[], None]) -> None:
        """The own stream was made anew or lost facts: what was projected from it is void."""
        self._when_reset.append(done)

    def every(self, seconds: float, work: Callable[[], Awaitable[None]]) -> None:
        """Call `work` again and again, `seconds` apart with jitter; a failure is logged."""
        self._loops.append((seconds, work))

    async def ask_snapshot(self, service: str, query: RoomSnapshotRequest) -> Any:
        """Another service's part of a snapshot, parsed. Rejection as from `ask`, or as it answered."""
        subject, body = f"call.{service}.snapshot", query.model_dump_json().encode()
        answer = orjson.loads(
            await ask(self.link.nc, subject, body, nobody(self.name), op=clock.new_id(), timeout_s=SNAPSHOT_TIMEOUT_S)
        )
        if answer["status"] == "error":
            raise refusal_of(answer)
        return answer

    @property
    def position(self) -> int:
        """The sequence of the own stream up to which projections and folds are current."""
        return self._follower.position if self._follower else 0

    async def reached(self, seq: int, timeout: float) -> bool:
        """Wait until projections and folds are current up to `seq`; False when that took longer (seconds)."""
        return self._follower is not None and await self._follower.reached(seq, timeout)

    def _state(self) -> dict[str, Any]:
        """What operators are told (`confer status`)."""
        current = self._follower is not None and self._follower.current
        return {"stream": self.stream, "position": self.position, "ready": current}

    # --- life -----------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Follow, catch up, then answer. Raises RuntimeError when a call of the catalogue has no handler."""
        missing = catalogue.calls_of(self.name) - self._endpoints.keys()
        if missing:
            raise RuntimeError(f"{self.name} has no handler for {sorted(missing)}")
        self._follower = Follower(
            self.link, self.stream, self._deliver, start=self._start, on_reset=self._reset,
            on_caught_up=self._on_caught_up,
        )  # fmt: skip
        metrics.FACTS_FOREIGN.labels(self.stream)
        self._begin()
        if self.kept is not None:
            await self.kept.begin(self._follower)
        self.tasks.start(self._follower.run(), "follower")
        await self._catch_up(self._follower)
        for told in self._when_caught_up:
            told()
        self.tasks.start(self.timers.run(), "timers")
        self.tasks.start(self.views.run(), "views")
        self.tasks.start(self.views.answer(), "views again")
        self.link.on_reconnect.append(self.views.ask)
        for seconds, work in [*self._loops, (ANNOUNCE_S, self.views.announce)]:
            self.tasks.start(again(seconds, work), work.__qualname__)
        await self._open()
        self._working = {name: self.tasks.start(work(), name) for name, work in self._durables.items()}

    def _work(self, name: str, work: Callable[[], Coroutine[Any, Any, None]]) -> str:
        """From the start on, or from now on."""
        self._durables[name] = work
        if self._working is not None:
            if (before := self._working.get(name)) is not None:
                before.cancel()
            self._working[name] = self.tasks.start(work(), name)
        return name

    async def _catch_up(self, follower: Follower) -> None:
        """A long log takes its time: only standing still for `nats_connect_s` ends the process, with a sentence."""
        position = -1
        while not self._caught_up.is_set():
            if follower.position == position:
                raise SystemExit(f"{self.name}-svc: the stream {self.stream} cannot be read (position {position}).")
            position = follower.position
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._caught_up.wait(), self.settings.nats_connect_s)

    async def drain(self) -> None:
        """Take no further request, answer those in flight within `drain_s`, end the loops."""
        if self.link.nc.is_connected:  # away: there is nobody to tell
            await self._micro.drain()
        await self._requests.finished(self.settings.drain_s)
        await self.tasks.cancel()

    async def _open(self) -> None:
        await self._micro.open({subject: endpoint.receive for subject, endpoint in self._endpoints.items()})
        await self.link.nc.subscribe(VIEWS_AGAIN, cb=self._views_were_missed)
        await self.link.settled()

    def _endpoint(
        self, subject: str, model: type[BaseModel], handler: Handler[Any], audited: Audited | None
    ) -> Endpoint:
        return Endpoint(
            self.link.nc, subject, model, handler, tasks=self._requests, in_flight_max=self.settings.in_flight_max,
            audit=self._audit, audited=audited,
        )  # fmt: skip

    async def _answer_snapshot(self, request: RoomSnapshotRequest, context: Context) -> BaseModel:
        handler = self._snapshots.get(request.kind)
        if handler is None:
            raise Rejection(ErrorCode.NOT_FOUND, f"kind: {self.name} has no snapshot of a {request.kind}", field="kind")
        assert self._follower is not None
        current = await self._follower.reached(request.seen.get(self.stream, 0), SNAPSHOT_WAIT_S)
        if not current or not self._caught_up.is_set():  # what we have not read would be missing without a word
            raise Rejection(ErrorCode.UNAVAILABLE, f"the {self.name} service is behind its log: try again")
        return await handler(request)

    def _deliver(self, message: Delivered) -> None:
        try:
            subject = FactSubject.parse(message.subject)
        except ValueError:  # nobody's
            self._foreign(message.seq)
            return
        fact = StoredFact(
            subject=subject,
            seq=message.seq,
            at=message.at,
            body=message.data,
            headers=message.headers,
            foreign=is_foreign(message.headers),
        )
        if fact.foreign:
            self._foreign(fact.seq)
        with telemetry.following(message.headers.get(Header.TRACEPARENT, "")):
            for ledger in self._ledgers:
                ledger.apply(fact)
            for observer in self._observers:
                observer(fact)

    def _foreign(self, seq: int) -> None:
        metrics.FACTS_FOREIGN.labels(self.stream).inc()
        log.error("a fact that no service wrote", stream=self.stream, seq=seq)

    def _begin(self) -> None:
        if self._start == "all":
            for ledger in self._ledgers:
                ledger.begin()

    async def _reset(self, info: StreamInfo) -> None:
        self._caught_up.clear()
        self.views.hold()
        for ledger in self._ledgers:
            ledger.forget_all()
        self._begin()
        for told in self._when_reset:
            told()

    def _on_caught_up(self) -> None:
        self._caught_up.set()
        self.views.release()

    async def _views_were_missed(self, msg: Msg) -> None:
        self.views.ask()
