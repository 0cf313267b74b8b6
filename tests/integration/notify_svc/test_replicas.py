"""Two replicas of notify-svc, killed in turn while everybody sends and marks: every note is in every addressee's inbox
exactly once, in one order, with the state and the counts that a plain model has."""

import asyncio
import os
import random
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
import pytest

from confer_contracts import notify
from confer_contracts.errors import Rejection
from confer_contracts.ids import token
from confer_contracts.message import Identity
from confer_contracts.presence import RoomSnapshotRequest
from confer_contracts.route import Call
from confer_kit import clock
from confer_kit.calls import ask
from confer_kit.nats_link import Link
from confer_kit.settings import KitSettings
from confer_kit.tasks import Tasks
from confer_kit.testing import nats_server
from confer_kit.testing.system import Process
from confer_ops.provision import provision

ROLES = {"ana": "nurse", "bob": "nurse", "cleo": "doctor", "สม ชาย": "doctor"}
TARGETS: list[dict[str, Any]] = [
    *({"user": user} for user in ROLES), *({"role": role} for role in ("nurse", "doctor")), {"all": True},
    {"topic": "board"}, {"staff": "eyes"},
]  # fmt: skip
FOLLOWS = {"ana": {"topic": "board"}, "cleo": {"staff": "eyes"}}
KILLS_MIN, KILLS_MAX = 4, 30
SENT_BEFORE_KILL, SENT_PER_KILL = 10, 40  # so that some are under way
TIMEOUT_S = 1.0  # of one attempt
LASTS_S = 240.0
UP = "notify-svc is up"


@dataclass
class Model:
    """What was acknowledged. `marks`: per person and state, ids and `up_to`s in the order in which they were made."""

    sent: list[tuple[dict[str, Any], str]] = field(default_factory=list)  # to whom, id
    marks: dict[tuple[str, str], list[tuple[str, str]]] = field(default_factory=dict)
    unanswered: int = 0  # attempts
    allowed: int = 0  # so many are sent, and no more until it is raised

    def theirs(self, user: str) -> set[str]:
        own = [{"user": user}, {"role": ROLES[user]}, {"all": True}, FOLLOWS.get(user)]
        return {note for to, note in self.sent if to in own}

    def marked(self, user: str, state: str, inbox: list[str]) -> set[str]:
        """`inbox`: newest first."""
        found: set[str] = set()
        for what, note in self.marks.get((user, state), ()):
            match what:
                case "ids":
                    found.add(note)
                case "undo":
                    found.discard(note)
                case "up_to":
                    found |= set(inbox[inbox.index(note) :])
        return found


class World:
    def __init__(self, link: Link, replicas: list[Process]) -> None:
        self._link = link
        self.replicas = replicas
        self.model = Model()

    async def call(self, user: str, call: Call[Any, Any], op: str | None = None, **request: Any) -> dict[str, Any]:
        """The answer, however often it takes: with the same operation id."""
        return await self._until_ok(user, call.subject, call.request.model_validate(request).model_dump_json(), op)

    async def come(self, user: str) -> None:
        request = RoomSnapshotRequest(kind="user", id=token(user), role=ROLES[user])
        await self._until_ok(user, "call.notify.snapshot", request.model_dump_json(), None)

    async def inbox(self, user: str) -> dict[str, Any]:
        """All pages as one."""
        found = page = await self.call(user, notify.NOTIFICATION_INBOX, limit=200, state="all")
        while page["more"]:
            before = page["notifications"][-1]["id"]
            page = await self.call(user, notify.NOTIFICATION_INBOX, limit=200, state="all", before=before)
            found["notifications"] += page["notifications"]
        return found

    async def _until_ok(self, user: str, subject: str, body: str, op: str | None) -> dict[str, Any]:
        op = op or clock.new_id()
        who = Identity(user_id=user, name=user, role=ROLES[user], session=f"session-{token(user)}")
        while True:
            try:
                raw = await ask(self._link.nc, subject, body.encode(), who, op=op, timeout_s=TIMEOUT_S)
            except Rejection as refusal:
                assert refusal.retry, refusal
                self.model.unanswered += refusal.code == "outcome_unknown"
            else:
                answer: dict[str, Any] = orjson.loads(raw)
                if answer["status"] == "ok":
                    return answer
                assert answer["retry"], answer
            await asyncio.sleep(0.05)


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with nats_server() as server:
        link = Link()
        await link.connect(KitSettings(nats_url=server.url), "test")
        await provision(link.nc)
        environment = {**os.environ, "CONFER_NATS_URL": server.url, "CONFER_METRICS_PORT": "0"}
        environment |= {"CONFER_LOG_FORMAT": "text", "CONFER_NOTIFY_INBOX_KEPT": "5000"}
        replicas = [Process(f"notify-{name}", "notify_svc", environment, tmp_path) for name in "ab"]
        try:
            for replica in replicas:
                await rise(replica)
            yield World(link, replicas)
        finally:
            for replica in replicas:
                await replica.kill()
            await link.nc.close()


async def rise(replica: Process) -> None:
    before = replica.log.count(UP)
    await replica.start()
    async with asyncio.timeout(60):
        while replica.log.count(UP) == before:
            assert replica.running, replica.log[-2000:]
            await asyncio.sleep(0.05)


async def test_every_note_reaches_every_inbox_once_whoever_is_killed(world: World) -> None:
    for user in ROLES:
        await world.come(user)
    for user, what in FOLLOWS.items():
        await world.call(user, notify.TOPIC_FOLLOW, **what)
    tasks, over = Tasks(), asyncio.Event()
    workers = [
        *(tasks.start(sends(world, f"{user}-{n}", user, over.is_set)) for user in ROLES for n in range(2)),
        *(tasks.start(marks(world, user, over.is_set)) for user in ROLES),
    ]
    kills = 0
    async with asyncio.timeout(LASTS_S):
        while kills < KILLS_MIN or (not world.model.unanswered and kills < KILLS_MAX):
            replica, enough = world.replicas[kills % 2], len(world.model.sent) + SENT_BEFORE_KILL
            world.model.allowed = len(world.model.sent) + SENT_PER_KILL
            while len(world.model.sent) < enough:
                await asyncio.sleep(0.01)
            await replica.kill()
            await rise(replica)
            kills += 1
        over.set()
        await asyncio.gather(*workers)
    assert world.model.unanswered, "no call was cut off by a kill: this has proved nothing"
    for user in ROLES:
        for _ in range(4):  # whichever replica answers
            check(world.model, user, await world.inbox(user))


async def sends(world: World, name: str, user: str, over: Callable[[], bool]) -> None:
    chance = random.Random(name)
    while not over():
        if len(world.model.sent) >= world.model.allowed:
            await asyncio.sleep(0.01)
            continue
        to = chance.choice(TARGETS)
        answer = await world.call(user, notify.NOTIFICATION_SEND, to=to, title=name)
        world.model.sent.append((to, answer["id"]))
        again = await world.call(user, notify.NOTIFICATION_SEND, answer["op"], to=to, title=name)
        assert again["id"] == answer["id"]


async def marks(world: World, user: str, over: Callable[[], bool]) -> None:
    chance = random.Random(user)
    calls: dict[str, Call[Any, Any]] = {
        "seen": notify.NOTIFICATION_SEEN, "read": notify.NOTIFICATION_READ, "archived": notify.NOTIFICATION_ARCHIVE,
    }  # fmt: skip
    while not over():
        page = await world.call(user, notify.NOTIFICATION_INBOX, limit=20, state="all")
        notes = [note["id"] for note in page["notifications"]]
        if not notes:
            continue
        state, note = chance.choice(sorted(calls)), chance.choice(notes)
        ways: dict[str, dict[str, Any]] = {"ids": {"ids": [note]}, "up_to": {"up_to": note}}
        if state == "archived":
            ways = {"ids": {"ids": [note]}, "undo": {"ids": [note], "undo": True}}
        way = chance.choice(sorted(ways))
        await world.call(user, calls[state], **ways[way])
        world.model.marks.setdefault((user, state), []).append((way, note))


def check(model: Model, user: str, inbox: dict[str, Any]) -> None:
    notes = inbox["notifications"]
    ids = [note["id"] for note in notes]
    assert len(ids) == len(set(ids))
    assert set(ids) == model.theirs(user)
    assert not inbox["trimmed"]
    marked = {state: model.marked(user, state, ids) for state in ("seen", "read", "archived")}

    def state(note: str) -> str:
        return next((s for s in ("archived", "read", "seen") if note in marked[s]), "unseen")

    assert {note["id"]: note["state"] for note in notes} == {note: state(note) for note in ids}
    states = [state(note) for note in ids]
    assert inbox["unread"] == states.count("unseen") + states.count("seen")
    assert inbox["unseen"] == states.count("unseen")
