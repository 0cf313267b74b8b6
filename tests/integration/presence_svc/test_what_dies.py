"""Replicas as processes, edges that beat, and a nats-server, killed in any order while people come, move and go:
presence becomes the set of live connections again (invariant 5), and each room hears of each person in turns."""

import asyncio
import itertools
import os
import random
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import orjson
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from pydantic import BaseModel

from confer_contracts import presence
from confer_contracts.errors import Rejection
from confer_contracts.message import Identity
from confer_contracts.presence import Attach, Detach, EdgeAlive, EdgeBeat, RoomSnapshotRequest, SessionEntry
from confer_contracts.subjects import alive
from confer_kit import clock
from confer_kit.calls import ask, nobody
from confer_kit.facts import StoredFact
from confer_kit.jetstream import JetStreamEventLog
from confer_kit.nats_link import Link
from confer_kit.tasks import Tasks, again
from confer_kit.testing import NatsServer, nats_server
from confer_kit.testing.system import Process
from confer_ops.provision import provision
from presence_svc.edges import SETTLED_S
from presence_svc.settings import Settings

ROOMS = ("r1", "r2")
PEOPLE = "log.presence.room.*.*"
LEASE_S = 12
ENVIRONMENT = {
    "CONFER_METRICS_PORT": "0", "CONFER_PRESENCE_LEASE_S": str(LEASE_S), "CONFER_PRESENCE_SETTLE_S": "6",
    "CONFER_PRESENCE_DROPPED_GRACE_S": "1",
}  # fmt: skip
PATIENCE_S = 250


class Edge:
    """What presence sees of an edge: attaches and detaches as they come, a beat with a digest of what it serves, and
    that it is there. Killed, it says nothing more, and its sessions are gone."""

    def __init__(self, link: Link, incarnation: str) -> None:
        self._link = link
        self._incarnation = incarnation
        self._numbers = itertools.count(1)
        self._tasks = Tasks()
        self._asked: Subscription | None = None
        self.sessions: dict[str, SessionEntry] = {}

    async def start(self) -> None:
        self._asked = await self._link.nc.subscribe(alive(self._incarnation), cb=self._answer)
        self._tasks.start(again(0.4, self._beat))

    async def kill(self) -> None:
        await self._tasks.cancel()
        if self._asked is not None:
            await self._asked.unsubscribe()
            self._asked = None
        self.sessions.clear()

    def take(self, user: str, session: str, room: str, taken_up: int = 0) -> SessionEntry:
        """It serves the session from now on, whether or not presence hears of it at once."""
        entry = SessionEntry(
            user_id=user, name=user, role="nurse", session=session, room=room, attach=next(self._numbers),
            taken_up=taken_up,
        )  # fmt: skip
        self.sessions[session] = entry
        return entry

    async def attach(self, user: str, session: str, room: str, taken_up: int = 0) -> None:
        entry = self.take(user, session, room, taken_up)
        request = Attach(room=room, incarnation=self._incarnation, attach=entry.attach, taken_up=taken_up)
        await self._tell(presence.ATTACH.subject, request, entry)

    async def detach(self, session: str) -> None:
        entry = self.sessions.pop(session)
        request = Detach(room=entry.room, incarnation=self._incarnation, attach=entry.attach)
        await self._tell(presence.DETACH.subject, request, entry)

    async def beat(self) -> bool:
        """Whether presence knew what it serves."""
        entries = list(self.sessions.values())
        digest = presence.digest((e.room, e.session, e.attach) for e in entries)
        known = await self._tell(presence.EDGE_BEAT.subject, EdgeBeat(incarnation=self._incarnation, digest=digest))
        if known is False:
            for page in presence.session_pages(self._incarnation, entries):
                await self._tell(presence.EDGE_SESSIONS.subject, page, timeout_s=20)
        return known is True

    async def _answer(self, message: Msg) -> None:
        await message.respond(EdgeAlive(server=self._link.nc.server).model_dump_json().encode())

    async def _beat(self) -> None:
        await self.beat()

    async def _tell(
        self, subject: str, request: BaseModel, entry: SessionEntry | None = None, timeout_s: float = 4
    ) -> bool | None:
        """`known` of the answer; None where there is none: whoever is away hears of it by a later beat."""
        who = nobody("edge") if entry is None else Identity.model_validate(entry.model_dump(exclude={"room"}))
        body = request.model_dump_json().encode()
        try:
            answer = orjson.loads(await ask(self._link.nc, subject, body, who, op=clock.new_id(), timeout_s=timeout_s))
        except Rejection:
            return None
        return answer.get("known") if answer["status"] == "ok" else None


class World:
    def __init__(self, server: NatsServer, link: Link, directory: Path, gone_s: float) -> None:
        self.server, self.link = server, link
        self.log = JetStreamEventLog(link.nc)
        own = {"CONFER_NATS_URL": server.url, "CONFER_PRESENCE_GONE_S": str(gone_s)}
        environment = {**os.environ, **ENVIRONMENT, **own}
        self.replicas = [Process(f"presence-{name}", "presence_svc", environment, directory) for name in "ab"]
        self._starts = itertools.count(1)
        self.edges = [self.edge(), self.edge()]

    def edge(self) -> Edge:
        return Edge(self.link, f"edge{next(self._starts)}")

    async def kill(self, what: str) -> None:
        """A replica or NATS, which start again, or an edge, in whose place a new one comes."""
        if what.startswith("edge"):
            number = int(what[-1])
            await self.edges[number].kill()
            self.edges[number] = self.edge()
            await self.edges[number].start()
            return
        dying = self.server if what == "nats" else self.replicas[int(what[-1])]
        await dying.kill()
        await dying.start()

    def alive(self) -> dict[str, list[str]]:
        """Who has a live connection, by room."""
        entries = [entry for edge in self.edges for entry in edge.sessions.values()]
        return {room: sorted({e.user_id for e in entries if e.room == room}) for room in ROOMS}

    async def shown(self, room: str) -> list[str] | None:
        """Who is in the room as some replica tells; None: it does not know."""
        body, after, users = b"", None, []
        while True:
            body = RoomSnapshotRequest(kind="room", id=room, after=after).model_dump_json().encode()
            try:
                answer = orjson.loads(
                    await ask(self.link.nc, "call.presence.snapshot", body, nobody(), op=clock.new_id(), timeout_s=2)
                )
            except Rejection:
                return None
            if answer["status"] != "ok" or answer["stale"]:
                return None
            users += [user["user_id"] for user in answer["users"]]
            after = answer["next"]
            if after is None:
                return sorted(users)

    async def until_equal(self) -> None:
        """Each replica, as far as several answers can tell, shows exactly who is alive."""
        alive = self.alive()
        while True:
            shown = [{room: await self.shown(room) for room in ROOMS} for _ in range(6)]
            if all(told == alive for told in shown) and all([await edge.beat() for edge in self.edges]):
                return
            await asyncio.sleep(0.2)

    async def events(self) -> dict[tuple[str, str], list[str]]:
        """By room and person: `user_joined` and `user_left`, as the log has them."""
        last = await self.log.last(PEOPLE)
        facts: list[StoredFact] = list(await self.log.read(PEOPLE, after=0, upto=last.seq)) if last else []
        told: dict[tuple[str, str], list[str]] = {}
        for fact in facts:
            if fact.event in ("user_joined", "user_left"):
                told.setdefault((fact.subject.ident, fact.actor or ""), []).append(fact.event)
        return told


@asynccontextmanager
async def world(gone_s: float = LEASE_S) -> AsyncIterator[World]:
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(nats_server())
        link = Link()
        await link.connect(Settings(nats_url=server.url, metrics_port=0), "test")
        stack.push_async_callback(link.nc.close)
        await provision(link.nc)
        made = World(server, link, Path(stack.enter_context(TemporaryDirectory())), gone_s)
        for replica in made.replicas:
            await replica.start()
            stack.push_async_callback(replica.kill)
        for edge in made.edges:
            await edge.start()
        try:
            await made.until_equal()
            yield made
        finally:
            for edge in made.edges:
                await edge.kill()


class Crowd:
    """People who open tabs, close them, and come back through another edge, one after the other."""

    def __init__(self, made: World, seed: int) -> None:
        self._world = made
        self._rng = random.Random(seed)
        self._names = itertools.count(1)
        self.steps = 0

    async def live(self) -> None:
        while True:
            await self._step()
            self.steps += 1
            await asyncio.sleep(0.01)

    async def _step(self) -> None:
        here, there = self._rng.sample(self._world.edges, 2)
        match self._rng.choice(("open", "open", "close", "move")):
            case "close" if here.sessions:
                await here.detach(self._rng.choice(list(here.sessions)))
            case "move" if here.sessions:  # the connection broke; its client is back before the first edge noticed
                entry = here.sessions.pop(self._rng.choice(list(here.sessions)))
                await there.attach(entry.user_id, entry.session, entry.room)
            case _ if len(here.sessions) < 20:
                user, room = f"u{self._rng.randrange(8)}", self._rng.choice(ROOMS)
                await here.attach(user, f"s{next(self._names)}", room)


@given(
    st.lists(st.sampled_from(["replica0", "replica1", "nats", "edge0", "edge1"]), min_size=3, max_size=5),
    st.integers(0, 1000),
)
@settings(max_examples=2, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
async def test_whatever_dies_presence_becomes_the_live_connections_again(deaths: list[str], seed: int) -> None:
    async with asyncio.timeout(PATIENCE_S), world(gone_s=2) as made:
        crowd, living = Crowd(made, seed), Tasks()
        living.start(crowd.live())
        for death in deaths:
            before = crowd.steps
            while crowd.steps < before + 25:
                await asyncio.sleep(0.02)
            await made.kill(death)
        await living.cancel()
        await made.until_equal()
        alive = {(room, user) for room, users in made.alive().items() for user in users}
        events = await made.events()
        assert events.keys() >= alive
        for who, told in events.items():
            expected = itertools.cycle(("user_joined", "user_left"))
            assert told == list(itertools.islice(expected, len(told))), who
            assert (told[-1] == "user_joined") == (who in alive), who


async def test_a_thousand_sessions_of_a_killed_edge_are_gone_once_but_for_those_that_moved() -> None:
    """Two replicas sweep; one of them is killed in the middle."""
    async with asyncio.timeout(PATIENCE_S), world() as made:
        dying, other = made.edges
        users = [f"u{number:04}" for number in range(1000)]
        for user in users:
            dying.take(user, f"s-{user}", ROOMS[0])
        while not await dying.beat():
            await asyncio.sleep(0.1)
        assert made.alive()[ROOMS[0]] == users
        await made.until_equal()

        await dying.kill()
        made.edges.remove(dying)
        moved = users[::20]
        for user in moved:
            await other.attach(user, f"s-{user}", ROOMS[0])
        while not any("user_left" in told for told in (await made.events()).values()):
            await asyncio.sleep(0.1)
        await made.kill("replica0")
        await made.until_equal()
        assert made.alive()[ROOMS[0]] == moved
        expected = {user: ["user_joined"] if user in moved else ["user_joined", "user_left"] for user in users}
        assert {user: told for (_, user), told in (await made.events()).items()} == expected


async def test_an_edge_that_still_lists_a_session_that_has_moved_makes_no_facts() -> None:
    """It has not noticed, and sends its list again and again, as the two never agree."""
    async with asyncio.timeout(PATIENCE_S), world() as made:
        late, other = made.edges
        await late.attach("u1", "s1", ROOMS[0])
        await other.attach("u1", "s1", ROOMS[0], taken_up=7)
        await late.kill()  # it only stays silent here: what it says is said below
        late.take("u1", "s1", ROOMS[0])
        last = await made.log.last(PEOPLE)
        assert last is not None
        while clock.now() - last.at < 2 * SETTLED_S:  # by then nothing is passed over for being fresh
            assert not await late.beat()
            await asyncio.sleep(0.1)
        now = await made.log.last(PEOPLE)
        assert now is not None
        assert (now.seq, now.json()["status"]) == (last.seq, "active")
