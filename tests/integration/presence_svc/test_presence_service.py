"""The real service, as one or two replicas, over a real nats-server."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import Any

import pytest
from nats.aio.msg import Msg
from pydantic import BaseModel

from confer_contracts import presence
from confer_contracts.errors import Rejection
from confer_contracts.ids import patient_room, token
from confer_contracts.message import Identity
from confer_contracts.presence import (
    ActiveUser,
    Attach,
    CursorPosition,
    Detach,
    EdgeBeat,
    FieldFocus,
    LiveTyping,
    LockedField,
    LockField,
    PresenceQuery,
    RoomSnapshotRequest,
    SessionEntry,
    TakeOverLock,
    UserHeartbeat,
    digest,
    session_pages,
)
from confer_contracts.route import Call
from confer_contracts.subjects import FactSubject, Header
from confer_kit import clock
from confer_kit.calls import ask
from confer_kit.facts import NewFact, StoredFact
from confer_kit.jetstream import JetStreamEventLog
from confer_kit.metrics import REGISTRY
from confer_kit.nats_link import Link
from confer_kit.process import started
from confer_kit.service import Service
from confer_kit.tasks import Tasks, again
from confer_kit.testing import NatsServer, nats_server
from confer_ops import streams
from presence_svc.app import build
from presence_svc.settings import Settings

EDGE = "edge.A >"  # an incarnation is any id
ROOM = patient_room("ผู้ป่วย.>")
PEOPLE = "log.presence.room.*.*"
Body = dict[str, Any]


def who(user: str, session: str = "") -> Identity:
    return Identity(user_id=user, name=user.title(), role="nurse", session=session or f"s-{user}")


def entry(user: str, attach: int, room: str = ROOM) -> SessionEntry:
    return SessionEntry(
        user_id=user, name=user.title(), role="nurse", session=f"s-{user}", room=room, attach=attach, step=1
    )


class World:
    """A server with the streams, replicas of the service, an edge that asks, and what is published."""

    def __init__(self, server: NatsServer, link: Link, stack: AsyncExitStack) -> None:
        self.server = server
        self.link = link
        self.stack = stack
        self.log = JetStreamEventLog(link.nc)
        self.views: list[Msg] = []

    async def replica(self, stack: AsyncExitStack | None = None, **settings: float) -> Service:
        """Another replica, until the end or until `stack` is closed."""
        into = stack or self.stack
        link = await into.enter_async_context(connected(self.server))
        quick = {"presence_settle_s": 0.2} | settings
        read = Settings(nats_url=self.server.url, metrics_port=0, **quick)  # type: ignore[arg-type]
        service = await into.enter_async_context(started("presence", link, read, build))
        await link.settled()
        return service

    async def ask(self, call: Call[Any, Any], request: BaseModel, caller: Identity | None = None, op: str = "") -> Body:
        body = request.model_dump_json().encode()
        answer = await ask(
            self.link.nc, call.subject, body, caller or who("ana"), op=op or clock.new_id(), timeout_s=20
        )
        found: Body = json.loads(answer)
        return found

    async def attach(self, user: str, n: int, session: str = "", room: str = ROOM, step: int | None = 1) -> Body:
        request = Attach(room=room, incarnation=EDGE, attach=n, step=step)
        return await self.ask(presence.ATTACH, request, who(user, session))

    async def detach(self, user: str, n: int, grace_s: float = 0, session: str = "") -> Body:
        request = Detach(room=ROOM, incarnation=EDGE, attach=n, grace_s=grace_s)
        return await self.ask(presence.DETACH, request, who(user, session))

    async def beat(self, *sessions: tuple[str, str, int]) -> bool:
        answer = await self.ask(presence.EDGE_BEAT, EdgeBeat(incarnation=EDGE, digest=digest(sessions)))
        assert answer["status"] == "ok", answer
        return bool(answer["known"])

    async def until_known(self, *sessions: tuple[str, str, int]) -> None:
        """Beat until every replica has heard it, as far as a few beats can tell."""
        async with asyncio.timeout(60):
            while not all([await self.beat(*sessions) for _ in range(6)]):
                await asyncio.sleep(0.05)

    async def tell_list(self, *entries: SessionEntry) -> None:
        for page in session_pages(EDGE, entries):
            assert (await self.ask(presence.EDGE_SESSIONS, page))["status"] == "ok"

    async def snapshot(self, seen: int = 0, room: str = ROOM, after: str | None = None) -> Body:
        request = RoomSnapshotRequest(kind="room", id=room, seen={"PRESENCE": seen}, after=after)
        body = request.model_dump_json().encode()
        answer = await ask(self.link.nc, "call.presence.snapshot", body, who("ana"), op="o", timeout_s=20)
        found: Body = json.loads(answer)
        return found

    async def facts(self) -> list[StoredFact]:
        last = await self.log.last(PEOPLE)
        return list(await self.log.read(PEOPLE, after=0, upto=last.seq)) if last else []

    async def events(self) -> list[tuple[str | None, str | None]]:
        """Event and person of each fact about people."""
        return [(fact.event, fact.actor) for fact in await self.facts()]

    async def until(self, *wanted: tuple[str | None, str | None], within: float = 60) -> None:
        """Wait until these events are the log's last ones."""
        try:
            async with asyncio.timeout(within):
                while (await self.events())[-len(wanted) :] != list(wanted):
                    await asyncio.sleep(0.02)
        except TimeoutError:
            raise AssertionError(await self.events()) from None

    async def until_view(self, event: str, enough: Callable[[Any], bool] = bool) -> Msg:
        async with asyncio.timeout(60):
            while True:
                for msg in self.views:
                    if msg.headers and msg.headers[Header.EVENT] == event and enough(json.loads(msg.data)):
                        return msg
                await asyncio.sleep(0.02)

    async def keep_views(self) -> None:
        async def keep(msg: Msg) -> None:
            self.views.append(msg)

        await self.link.nc.subscribe("view.>", cb=keep)
        await self.link.settled()


@asynccontextmanager
async def connected(server: NatsServer) -> AsyncIterator[Link]:
    link = Link()
    await link.connect(Settings(nats_url=server.url), "test")
    try:
        yield link
    finally:
        await link.nc.close()


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(nats_server())
        link = await stack.enter_async_context(connected(server))
        for stream in streams.logs():
            await link.nc.jetstream().add_stream(stream)
        yield World(server, link, stack)


def names(users: list[Body]) -> list[str]:
    return [user["user_id"] for user in users]


async def test_people_come_and_go_and_every_replica_shows_them(world: World) -> None:
    await world.keep_views()
    await world.replica()
    await world.replica()
    assert names((await world.attach("ana", 1))["users"]) == ["ana"]
    await world.attach("ben", 2)
    await world.attach("ana", 1)
    await world.attach("ana", 3, session="second tab")
    assert await world.events() == [("user_joined", "ana"), ("user_joined", "ben"), (None, "ana")]
    joined = (await world.facts())[0]
    assert (str(joined.subject), joined.origin) == (f"log.presence.room.{ROOM}.ana", "s-ana")
    assert ActiveUser.model_validate_json(joined.body).step == 1

    for _ in range(6):  # whichever replica answers
        snapshot = await world.snapshot(seen=3)
        assert (names(snapshot["users"]), snapshot["as_of"]) == (["ana", "ben"], {"PRESENCE": 3})
    view = await world.until_view("active_users_updated", lambda users: names(users) == ["ana", "ben"])
    assert view.subject == f"view.room.{ROOM}.roster"

    await world.detach("ana", 1)
    await world.detach("ana", 3, session="second tab")
    await world.until(("user_left", "ana"))
    assert json.loads((await world.facts())[-1].body) == "ana"
    view = await world.until_view("active_users_updated", lambda users: names(users) == ["ben"])
    assert view.headers and int(view.headers[Header.AS_OF]) >= 5


async def test_the_answer_to_an_attach_holds_everybody_who_came_before(world: World) -> None:
    """Whichever replica answers: what an edge has delivered is in the roster, also in that of a repeated attach."""
    await world.replica()
    await world.replica()
    for number in range(1, 30):
        answer = await world.attach(f"u{number:02}", number)
        assert names(answer["users"]) == [f"u{n:02}" for n in range(1, number + 1)]
        assert answer["as_of"] >= number
        again = await world.attach("u01", 1)
        assert (len(again["users"]), again["as_of"]) == (number, number)


async def test_a_short_cut_is_no_news_and_a_long_one_ends_once_over_two_replicas(world: World) -> None:
    await world.replica()
    await world.replica()
    await world.attach("ana", 1)
    await world.detach("ana", 1, grace_s=5)
    await world.attach("ana", 2)
    await asyncio.sleep(5.3)
    assert await world.events() == [("user_joined", "ana"), (None, "ana"), (None, "ana")]
    await world.detach("ana", 2, grace_s=3)
    assert names((await world.snapshot(seen=4))["users"]) == ["ana"]
    await world.until(("user_left", "ana"))
    await asyncio.sleep(0.5)  # the other replica's timer has fired as well
    assert [event for event, _ in await world.events()].count("user_left") == 1


async def test_heartbeats_show_the_roster_and_keep_a_person_active(world: World) -> None:
    await world.keep_views()
    await world.replica(presence_away_after_s=4)
    await world.attach("ana", 1)
    await world.until(("user_updated", "ana"))
    assert (await world.snapshot(seen=2))["users"][0]["status"] == "away"
    beat = UserHeartbeat(step=1, rooms=[ROOM, "a=2Froom=20without=20them"])
    assert (await world.ask(presence.USER_HEARTBEAT, beat))["status"] == "ok"
    assert (await world.snapshot(seen=3))["users"][0]["status"] == "active"
    world.views.clear()
    await world.ask(presence.USER_HEARTBEAT, beat)
    await world.until_view("active_users_updated")
    await world.ask(presence.USER_HEARTBEAT, UserHeartbeat(step=0, rooms=[ROOM]))
    assert (await world.snapshot(seen=4))["users"][0]["step"] == 0


async def test_a_focus_is_told_to_the_room(world: World) -> None:
    await world.replica()
    await world.attach("ana", 1)
    for field, op in (("va", "o1"), ("va", "o2"), (None, "o3"), ("va", "o1")):
        answer = await world.ask(presence.FIELD_FOCUS, FieldFocus(patient_id="ผู้ป่วย.>", field=field), op=op)
        assert (answer["status"], answer["op"]) == ("ok", op)
    facts = await world.facts()
    assert [(fact.event, fact.json()["focus"]) for fact in facts[1:]] == [
        ("user_updated", "va"),
        ("user_updated", None),
    ]


async def test_all_who_edit_a_field_are_shown_until_they_are_silent(world: World) -> None:
    """Each tab has its own mark; whichever replica's timer fires, a silent one ends once."""
    await world.replica(presence_editing_s=8)
    await world.replica(presence_editing_s=8)
    for number, (user, session) in enumerate((("ana", "a1"), ("ana", "a2"), ("ben", "b1")), 1):
        await world.attach(user, number, session)
    for user, session, field in (("ana", "a1", "va"), ("ben", "b1", "va"), ("ana", "a2", "iop")):
        focus = FieldFocus(patient_id="ผู้ป่วย.>", field=field)
        assert (await world.ask(presence.FIELD_FOCUS, focus, who(user, session)))["status"] == "ok"
    shown = {fact.actor: fact.json() for fact in await world.facts()}
    assert {user: told["editing"] for user, told in shown.items()} == {"ana": ["va", "iop"], "ben": ["va"]}
    assert shown["ana"]["focus"] == "iop"

    async with asyncio.timeout(60):
        while any(user["editing"] for user in (await world.snapshot())["users"]):
            await asyncio.sleep(0.1)
    ended = [fact.json()["editing"] for fact in await world.facts() if fact.actor == "ana" and fact.event]
    assert (ended[-1], ended.count([])) == ([], 2), "at the join, and once at the end"


async def test_who_writes_goes_on_editing(world: World) -> None:
    """What sync stores is activity of its session, and renews the mark of that field."""
    await world.replica()
    await world.attach("ana", 1)
    await world.ask(presence.FIELD_FOCUS, FieldFocus(patient_id="ผู้ป่วย.>", field="va"))
    marked = await world.facts()
    earlier = clock.now() - 60  # as if it had been a minute ago
    fold = {**marked[-1].fold, "last_activity": earlier, "marks": {"s-ana": ["va", earlier]}}
    aged = NewFact(
        subject=marked[-1].subject, body=marked[-1].body, event="user_updated", fold=json.dumps(fold).encode()
    )
    await world.log.append(aged, guard=str(aged.subject), expected=marked[-1].seq, timeout=10)
    subject = FactSubject("sync", "room", ROOM, "record")
    body = {"patient_id": "ผู้ป่วย.>", "changes": [{"field": "iop"}, {"field": "va"}]}
    written = NewFact(
        subject=subject, body=json.dumps(body).encode(), event="fields_updated", actor="ana", origin="s-ana"
    )
    await world.log.append(written, guard=str(subject), expected=0, timeout=10)
    await world.until((None, "ana"))
    fact = (await world.facts())[-1]
    assert (fact.op, fact.fold["marks"]["s-ana"][0]) == ("SYNC-1", "va")
    assert fact.fold["marks"]["s-ana"][1] > earlier + 50


async def test_a_step_that_sync_told_moves_the_person(world: World) -> None:
    await world.replica()
    await world.attach("ana", 1)
    body = {"user_id": "ana", "step": 4, "step_name": "tonometry", "patient_id": "ผู้ป่วย.>", "timestamp": ""}
    subject = FactSubject("sync", "room", ROOM, "record")
    fact = NewFact(subject=subject, body=json.dumps(body).encode(), event="step_changed", actor="ana")
    await world.log.append(fact, guard=str(subject), expected=0, timeout=10)
    await world.until(("user_updated", "ana"))
    last = (await world.facts())[-1]
    assert (last.json()["step"], last.op) == (4, "SYNC-1")


async def test_what_is_typed_is_shown_but_not_stored(world: World) -> None:
    await world.keep_views()
    await world.replica()
    place = {"session_id": "s.1", "step": "va", "field_name": "left"}
    typed = LiveTyping.model_validate({**place, "current_value": "6/9", "user_name": "Somebody else"})
    assert (await world.ask(presence.LIVE_TYPING, typed))["status"] == "ok"
    await world.ask(presence.CURSOR_POSITION, CursorPosition.model_validate(place))
    typing = await world.until_view("live_field_typing")
    await world.until_view("user_cursor_moved")
    assert typing.subject == "view.room.session_s=2E1.typing"
    assert typing.headers and typing.headers[Header.ORIGIN] == "s-ana"
    shown = json.loads(typing.data)
    assert (shown["user_id"], shown["user_name"], shown["current_value"]) == ("ana", "Ana", "6/9")
    assert await world.events() == []


async def test_a_session_leaves_all_its_rooms_by_one_call(world: World) -> None:
    """The last attach of each is meant; where it is not, the session stays."""
    await world.replica()
    rooms = [f"{ROOM}-{n}" for n in range(40)]
    await asyncio.gather(*(world.attach("ana", n + 1, room=room) for n, room in enumerate(rooms)))
    left = [presence.LeftRoom(room=room, attach=n + 1) for n, room in enumerate(rooms)]
    left[7] = left[7].model_copy(update={"attach": 1})
    request = presence.DetachRooms(rooms=left, incarnation=EDGE)
    assert (await world.ask(presence.DETACH_ROOMS, request))["status"] == "ok"
    gone = {str(fact.subject.ident) for fact in await world.facts() if fact.event == "user_left"}
    assert gone == set(rooms) - {rooms[7]}


async def test_an_edge_and_presence_agree_on_its_sessions(world: World) -> None:
    await world.replica()
    await world.replica()
    assert not await world.beat((ROOM, "s-ana", 1), (ROOM, "s-ben", 2))
    await world.tell_list(entry("ana", 1), entry("ben", 2))  # people are attached side by side
    assert sorted(await world.events()) == [("user_joined", "ana"), ("user_joined", "ben")]
    await world.until_known((ROOM, "s-ana", 1), (ROOM, "s-ben", 2))

    await world.tell_list(entry("ben", 2))  # just changed: perhaps the list is older than that
    assert len(await world.events()) == 2
    await asyncio.sleep(2.1)
    await world.tell_list(entry("ben", 2))
    await world.until((None, "ana"))
    assert (await world.facts())[-1].fold["grace_until"] > clock.now() + 10


async def test_a_page_sweeps_only_its_own_part(world: World) -> None:
    await world.replica(presence_dropped_grace_s=0)
    users = [f"u{number:03}" for number in range(250)]
    entries = [entry(user, number) for number, user in enumerate(users)]
    await world.tell_list(*entries)
    assert len(await world.events()) == 250
    await asyncio.sleep(2.1)
    first, second = session_pages(EDGE, [e for e in entries if e.user_id not in ("u100", "u240")])
    await world.ask(presence.EDGE_SESSIONS, second)
    await world.until(("user_left", "u240"))
    await world.ask(presence.EDGE_SESSIONS, first)
    await world.until(("user_left", "u240"), ("user_left", "u100"))
    assert await world.beat(*((e.room, e.session, e.attach) for e in entries if e.user_id not in ("u100", "u240")))


async def test_a_silent_edge_loses_its_sessions_and_a_beating_one_does_not(world: World) -> None:
    await world.replica(presence_lease_s=8)
    await world.replica(presence_lease_s=8)
    await world.attach("ana", 1)
    other = Attach(room=ROOM, incarnation="edgeB", attach=1)
    await world.ask(presence.ATTACH, other, who("ben"))
    lost = REGISTRY.get_sample_value("confer_presence_leases_lost_total") or 0
    async with asyncio.timeout(60):
        while ("user_left", "ben") not in await world.events():
            await world.beat((ROOM, "s-ana", 1))
            await asyncio.sleep(0.5)
    await asyncio.sleep(1)
    assert await world.events() == [("user_joined", "ana"), ("user_joined", "ben"), ("user_left", "ben")]
    assert (REGISTRY.get_sample_value("confer_presence_leases_lost_total") or 0) > lost


async def test_a_new_process_knows_who_is_there_and_gives_every_edge_a_fresh_lease(world: World) -> None:
    async with AsyncExitStack() as first:
        await world.replica(first)
        await world.attach("ana", 1)
        await world.attach("ben", 2)
        await world.detach("ben", 2, grace_s=0.5)
    with pytest.raises(Exception, match="away"):
        await world.attach("eve", 3)
    await asyncio.sleep(8.5)
    await world.replica(presence_lease_s=8)
    assert names((await world.snapshot())["users"])[0] == "ana"
    await world.until(("user_left", "ben"))
    await asyncio.sleep(1)
    assert ("user_left", "ana") not in await world.events()
    assert await world.beat((ROOM, "s-ana", 1))


async def test_who_was_deaf_does_not_judge_silence(world: World) -> None:
    """nats-server is frozen for longer than the lease and the grace period; nobody is shown as left afterwards."""
    await world.replica(presence_lease_s=5, presence_settle_s=4)
    await world.attach("ana", 1)
    await world.attach("ben", 2)
    await world.beat((ROOM, "s-ana", 1), (ROOM, "s-ben", 2))
    await world.detach("ben", 2, grace_s=2)
    world.server.freeze()
    await asyncio.sleep(7)
    world.server.thaw()
    async with asyncio.timeout(60):
        while not await attached(world, "ben", 3):
            await asyncio.sleep(0.1)
    for _ in range(10):
        await world.beat((ROOM, "s-ana", 1), (ROOM, "s-ben", 3))
        await asyncio.sleep(0.5)
    assert [event for event in await world.events() if event[0]] == [("user_joined", "ana"), ("user_joined", "ben")]


async def attached(world: World, user: str, n: int) -> bool:
    """Whether it was; not while NATS is away."""
    try:
        return bool((await world.attach(user, n))["status"] == "ok")
    except Rejection:
        return False


async def test_two_hundred_tabs_side_by_side_are_one_person_each(world: World) -> None:
    """Callers of two replicas fight for the same people: one join each, and in the end nobody is left over."""
    await world.replica()
    await world.replica()
    tabs = [(f"u{n % 20}", n, f"tab{n}") for n in range(200)]
    answers = await asyncio.gather(*(world.attach(user, n, session) for user, n, session in tabs))
    assert {answer["status"] for answer in answers} == {"ok"}
    assert [event for event, _ in await world.events()].count("user_joined") == 20
    answers = await asyncio.gather(*(world.detach(user, n, session=session) for user, n, session in tabs))
    assert {answer["status"] for answer in answers} == {"ok"}
    events = [event for event, _ in await world.events()]
    assert (events.count("user_joined"), events.count("user_left")) == (20, 20)
    assert (await world.snapshot(seen=len(events)))["users"] == []


@pytest.mark.parametrize("room", ["", "a.b", "*", ">", "a b", "=zz", "ผู้ป่วย"])
async def test_a_room_that_is_no_token_never_becomes_a_subject(world: World, room: str) -> None:
    await world.replica()
    answer = await world.attach("ana", 1, room=room)
    assert (answer["status"], answer["code"], answer["field"]) == ("error", "invalid", "room")
    assert await world.log.last("log.presence.>") is None


async def test_a_full_room_says_so(world: World) -> None:
    await world.replica(presence_room_people_max=1)
    await world.attach("ana", 1)
    refused = await world.attach("ben", 2)
    assert (refused["code"], refused["retry"]) == ("limit_exceeded", True)
    assert (await world.attach("ana", 3, session="tab2"))["status"] == "ok"
    assert (await world.attach("ben", 4, room=token("elsewhere")))["status"] == "ok"


async def test_a_large_room_shows_a_page_and_how_many_there_are(world: World) -> None:
    await world.keep_views()
    await world.replica(presence_page=3)
    users = [f"u{n}" for n in range(7)]
    for number, user in enumerate(users):
        answer = await world.attach(user, number)
        assert (names(answer["users"]), answer["total"]) == (users[: min(3, number + 1)], number + 1)
    second = await world.snapshot(after=answer["next"])
    third = await world.snapshot(after=second["next"])
    assert (names(second["users"]), names(third["users"]), third["next"]) == (users[3:6], users[6:], None)

    summary = json.loads((await world.until_view("presence_summary", lambda told: told["count"] == 7)).data)
    assert summary == {"count": 7, "active": 7, "away": 0, "truncated": True, "stale": False, "since": None}
    world.views.clear()
    await world.ask(presence.USER_HEARTBEAT, UserHeartbeat(step=1, rooms=[ROOM]), who("u1"))
    await world.detach("u5", 5)
    await world.until_view("presence_summary", lambda told: told["count"] == 6)
    assert not [msg for msg in world.views if msg.subject.endswith(".roster")], "nobody of the page has changed"
    await world.detach("u1", 1)
    await world.until_view("active_users_updated", lambda users: names(users) == ["u0", "u2", "u3"])


async def test_who_is_shown_after_a_gap_may_be_wrong_and_that_is_said(world: World) -> None:
    async with AsyncExitStack() as first:
        await world.replica(first, presence_lease_s=6)
        await world.attach("ana", 1)
    await asyncio.sleep(5)  # longer than an edge is quiet
    await world.keep_views()
    await world.replica(presence_lease_s=6, presence_settle_s=3)
    snapshot = await world.snapshot()
    assert (names(snapshot["users"]), snapshot["stale"], snapshot["since"] is None) == (["ana"], True, False)
    await world.until_view("presence_summary", lambda told: told["count"] == 1 and told["stale"])
    assert not [msg for msg in world.views if msg.subject.endswith(".roster")]
    beats = Tasks()
    beats.start(again(0.5, partial(world.until_known, (ROOM, "s-ana", 1)), at_once=True))
    await world.until_view("presence_summary", lambda told: not told["stale"])
    await world.until_view("active_users_updated", lambda users: names(users) == ["ana"])
    await beats.cancel()
    assert ("user_left", "ana") not in await world.events()


async def test_a_room_whose_edge_is_quiet_says_so_until_it_is_heard_or_lost(world: World) -> None:
    await world.keep_views()
    await world.replica(presence_lease_s=15)
    await world.attach("ana", 1)
    await world.until_view("presence_summary", lambda told: told["stale"] and told["count"] == 1)
    assert (await world.snapshot())["stale"]
    assert ("user_left", "ana") not in await world.events()
    world.views.clear()
    await world.until_view("presence_summary", lambda told: told["count"] == 0 and not told["stale"])
    assert not (await world.snapshot())["stale"]


async def test_a_log_that_is_made_anew_shows_nobody_as_gone(world: World) -> None:
    """What an edge lists is there again; until then the rooms are stale, and no shorter roster is shown."""
    await world.keep_views()
    await world.replica(presence_settle_s=5)
    for number, user in enumerate(("ana", "ben")):
        await world.attach(user, number)
    await world.until_view("active_users_updated", lambda users: names(users) == ["ana", "ben"])
    world.views.clear()
    stream = next(stream for stream in streams.logs() if stream.name == "PRESENCE")
    await world.link.nc.jetstream().delete_stream("PRESENCE")
    await world.link.nc.jetstream().add_stream(stream)
    await world.until_view("presence_summary", lambda told: told["stale"])
    snapshot = await world.snapshot()
    assert (snapshot["stale"], snapshot["users"]) == (True, [])
    sessions = ((ROOM, "s-ana", 0), (ROOM, "s-ben", 1))
    assert not await world.beat(*sessions)
    await world.tell_list(entry("ana", 0), entry("ben", 1))
    await world.until_view("presence_summary", lambda told: told["count"] == 2 and not told["stale"])
    rosters = [names(json.loads(msg.data)) for msg in world.views if msg.subject.endswith(".roster")]
    assert rosters and all(sorted(roster) == ["ana", "ben"] for roster in rosters), rosters


async def test_a_lock_has_one_holder_and_ends_with_their_leave_or_its_time(world: World) -> None:
    await world.replica()
    await world.replica()
    people = {name: who(name) for name in ("ana", "ben")}
    for number, name in enumerate(people):
        await world.attach(name, number)
    field: Body = {"patient_id": "ผู้ป่วย.>", "field": "va.*"}

    async def lock(name: str, **more: float) -> Body:
        return await world.ask(presence.FIELD_LOCK, LockField(**field, **more), people[name])

    answers = await asyncio.gather(*(lock(name) for name in [*people] * 5))
    holders = {answer["lock"]["user_id"] for answer in answers}
    assert len(holders) == 1, "side by side, one is first and the other is told who"
    (holder,) = holders
    other = next(name for name in people if name != holder)
    assert {answer.get("code") for answer in answers} == {None, "conflict"}
    for _ in range(6):  # of both replicas
        assert [held["user_id"] for held in (await world.snapshot(seen=2))["locks"]] == [holder]
    assert (await world.ask(presence.FIELD_UNLOCK, LockedField(**field), people[other]))["code"] == "conflict"

    taken = await world.ask(presence.FIELD_LOCK_TAKEOVER, TakeOverLock(**field, token=1, lasts_s=2), people[other])
    assert (taken["lock"]["user_id"], taken["lock"]["token"]) == (other, 2)
    late = await world.ask(presence.FIELD_LOCK_TAKEOVER, TakeOverLock(**field, token=1), people[holder])
    assert (late["code"], late["lock"]["token"]) == ("conflict", 2)
    await world.until(("field_unlocked", other))
    assert (await world.facts())[-1].json()["reason"] == "expired"

    assert (await lock(holder))["lock"]["token"] == 3
    await world.detach(holder, [*people].index(holder))
    await world.until(("user_left", holder), ("field_unlocked", holder))
    told = [fact for fact in await world.facts() if fact.event in ("field_locked", "field_unlocked")]
    assert [(fact.event, fact.json().get("taken_from"), fact.json().get("reason")) for fact in told] == [
        ("field_locked", None, None),
        ("field_locked", holder, None),
        ("field_unlocked", None, "expired"),
        ("field_locked", None, None),
        ("field_unlocked", None, "holder_left"),
    ]
    assert (await lock(holder))["code"] == "unavailable", "who is not there locks nothing"


async def test_the_limits_of_locks_are_told_by_name(world: World) -> None:
    await world.replica(presence_room_locks_max=1, presence_lock_max_s=100)
    await world.attach("ana", 1)
    for request, code, named in (
        (LockField(patient_id="ผู้ป่วย.>", field="va", lasts_s=101), "invalid", "lasts_s"),
        (LockField(patient_id="ผู้ป่วย.>", field="va"), None, None),
        (LockField(patient_id="ผู้ป่วย.>", field="iop"), "limit_exceeded", "1 locks"),
        (LockField(patient_id="ผู้ป่วย.>", field="va"), None, None),
    ):
        answer = await world.ask(presence.FIELD_LOCK, request)
        assert answer.get("code") == code, answer
        assert named is None or named in answer["message"]


async def test_who_asks_is_told_who_is_here_since_when_and_with_what(world: World) -> None:
    await world.replica()
    for number, (user, session) in enumerate((("ana", "a1"), ("ana", "a2"), ("ben", "b1"))):
        await world.attach(user, number, session)
    for session, device in (("a1", "tablet"), ("a2", "desktop"), ("a2", "desktop")):
        beat = UserHeartbeat(step=1, rooms=[ROOM], device=device)
        await world.ask(presence.USER_HEARTBEAT, beat, who("ana", session))
    assert len(await world.facts()) == 5, "a device is stored once"
    await world.attach("ana", 7, "a1")  # its connection was made anew
    query = PresenceQuery(patient_id="ผู้ป่วย.>", limit=1)
    first = await world.ask(presence.PRESENCE_GET, query)
    (ana,) = first["users"]
    assert (ana["user_id"], ana["tabs"], ana["devices"], ana["status"]) == ("ana", 2, ["desktop", "tablet"], "active")
    assert ana["joined_at"] <= ana["last_activity"]
    assert (first["total"], first["active"], first["away"], first["stale"]) == (2, 2, 0, False)
    second = await world.ask(presence.PRESENCE_GET, query.model_copy(update={"after": first["next"]}))
    assert (names(second["users"]), second["next"]) == (["ben"], None)
    wrong = await world.ask(presence.PRESENCE_GET, query.model_copy(update={"after": "soon"}))
    assert (wrong["code"], wrong["field"]) == ("invalid", "after")
