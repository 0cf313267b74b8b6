"""notify-svc, the real object against a real nats-server: what it answers, stores and publishes."""

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest
from pydantic import BaseModel

from confer_contracts import notify
from confer_contracts.ids import token
from confer_contracts.message import Identity
from confer_contracts.presence import RoomSnapshotRequest
from confer_contracts.route import Call
from confer_kit import clock
from confer_kit.calls import ask
from confer_kit.facts import StoredFact
from confer_kit.nats_link import Link
from confer_kit.notifying import notify as tell
from confer_kit.process import connected, started
from confer_kit.service import Service
from confer_kit.testing import NatsServer, nats_server
from confer_ops.provision import provision
from notify_svc.app import build
from notify_svc.settings import Settings


class Person:
    """Somebody who calls through an edge. Answers are the JSON that a client gets."""

    def __init__(self, link: Link, user: str, role: str) -> None:
        self._link = link
        self._identity = Identity(user_id=user, name=user, role=role, session=f"session-{token(user)}")

    async def call(self, call: Call[Any, Any], op: str | None = None, **request: Any) -> dict[str, Any]:
        return await self._ask(call.subject, call.request.model_validate(request), op)

    async def come(self, seen: int = 0) -> dict[str, Any]:
        """What the edge does when the person connects."""
        user, role = token(self._identity.user_id), self._identity.role
        request = RoomSnapshotRequest(kind="user", id=user, seen={"NOTIFY": seen}, role=role)
        return await self._ask("call.notify.snapshot", request, None)

    async def send(self, title: str, op: str | None = None, **to: Any) -> dict[str, Any]:
        return await self.call(notify.NOTIFICATION_SEND, op, to=to, title=title)

    async def inbox(self, **query: Any) -> dict[str, Any]:
        return await self.call(notify.NOTIFICATION_INBOX, **query)

    async def titles(self) -> list[str]:
        return [note["title"] for note in (await self.inbox())["notifications"]]

    async def _ask(self, subject: str, request: BaseModel, op: str | None) -> dict[str, Any]:
        body = request.model_dump_json().encode()
        answer = await ask(self._link.nc, subject, body, self._identity, op=op or clock.new_id(), timeout_s=20)
        parsed: dict[str, Any] = orjson.loads(answer)
        return parsed


@pytest.fixture
async def server() -> AsyncIterator[NatsServer]:
    async with nats_server() as running:
        yield running


@pytest.fixture
def settings(server: NatsServer) -> Settings:
    return Settings(nats_url=server.url, metrics_port=0)


@pytest.fixture
async def link(settings: Settings) -> AsyncIterator[Link]:
    async with connected(settings, "notify-test", asyncio.Event()) as made:
        await provision(made.nc)
        yield made


@pytest.fixture
async def service(link: Link, settings: Settings) -> AsyncIterator[Service]:
    async with started("notify", link, settings, build) as running:
        yield running


@pytest.fixture
def ana(service: Service, link: Link) -> Person:
    return Person(link, "ana", "doctor")


@pytest.fixture
def bob(service: Service, link: Link) -> Person:
    return Person(link, "bob", "nurse")


async def facts(service: Service, guard: str) -> list[StoredFact]:
    return list(await service.log.read(guard, after=0, upto=1000))


async def test_a_note_is_one_fact_and_waits_for_a_person_who_was_never_here(
    service: Service, ana: Person, bob: Person
) -> None:
    first = await ana.send("Room 2 is free", op="op-1", user="bob")
    again = await ana.send("Room 2 is free", op="op-1", user="bob")
    assert first["status"] == "ok"
    assert again == first
    [fact] = await facts(service, "log.notify.user.bob.note")
    assert (fact.event, fact.op, fact.actor, fact.origin) == ("notification", "op-1", "ana", "session-ana")
    inbox = await bob.inbox()
    assert inbox["unread"] == 1
    assert inbox["notifications"] == [fact.json() | {"state": "unseen"}]
    assert fact.json()["id"] == first["id"]


async def test_shared_notes_are_a_persons_own_from_the_first_time_they_are_seen(ana: Person, bob: Person) -> None:
    await ana.send("before bob", all=True)
    await ana.send("before bob, to bob", user="bob")
    snapshot = await bob.come()
    assert [n["title"] for n in snapshot["notifications"]] == ["before bob, to bob"]
    await ana.send("to nurses", role="nurse")
    await ana.send("to doctors", role="doctor")
    await ana.send("to all", all=True)
    await ana.send("to a room", patient="p1")
    await ana.send("to a queue", queue="screening")
    assert await bob.titles() == ["to all", "to nurses", "before bob, to bob"]


async def test_being_seen_is_noted_once_and_never_emitted(service: Service, bob: Person) -> None:
    for _ in range(3):
        await bob.come()
    [fact] = await facts(service, "log.notify.user.bob.state")
    assert (fact.event, fact.actor) == (None, "bob")


async def test_a_snapshot_reflects_what_the_edge_has_delivered(service: Service, ana: Person, bob: Person) -> None:
    for number in range(25):
        await ana.send(f"note {number}", user="bob")
    [*_, last] = await facts(service, "log.notify.user.bob.note")
    snapshot = await bob.come(seen=last.seq)
    assert len(snapshot["notifications"]) == 20
    assert (snapshot["unread"], snapshot["more"], snapshot["trimmed"]) == (25, True, False)
    assert snapshot["as_of"]["NOTIFY"] >= last.seq


async def test_reading_reaches_every_tab_and_happens_once(service: Service, ana: Person, bob: Person) -> None:
    await bob.come()
    notes = [(await ana.send(f"note {number}", user="bob"))["id"] for number in range(4)]
    for _ in range(2):
        assert (await bob.call(notify.NOTIFICATION_READ, op="op-1", ids=notes[:1]))["status"] == "ok"
    assert (await bob.call(notify.NOTIFICATION_READ, ids=notes[:1]))["status"] == "ok"
    await bob.call(notify.NOTIFICATION_READ, up_to=notes[2])
    _, one, up_to = await facts(service, "log.notify.user.bob.state")
    assert (one.event, one.json()["ids"], one.json()["unread"]) == ("notification_read", notes[:1], 3)
    assert (up_to.json()["up_to"], up_to.json()["unread"]) == (notes[2], 1)
    inbox = await bob.inbox()
    assert [(n["id"], n["read"]) for n in inbox["notifications"]] == [
        (notes[3], False), (notes[2], True), (notes[1], True), (notes[0], True),
    ]  # fmt: skip
    await bob.call(notify.NOTIFICATION_READ, all=True)
    assert (await bob.inbox(unread_only=True))["notifications"] == []


async def test_nobody_reads_what_is_not_theirs(service: Service, ana: Person, bob: Person) -> None:
    theirs = (await ana.send("to ana", user="ana"))["id"]
    before = await service.log.last("log.notify.*.*.*")
    refusal = await bob.call(notify.NOTIFICATION_READ, ids=[theirs])
    assert (refusal["code"], refusal["field"]) == ("not_found", "ids")
    assert theirs in refusal["message"]
    assert await ana.titles() == ["to ana"]
    after = await facts(service, "log.notify.*.*.*")
    assert before is not None
    assert [f.event for f in after if f.seq > before.seq] == [None, None], "only that the two were seen"


async def test_counts_follow_notes_and_readings(link: Link, ana: Person, bob: Person) -> None:
    counts = await link.nc.subscribe("view.user.bob.counts")
    await bob.come()
    for to in ({"user": "bob"}, {"role": "nurse"}, {"all": True}):
        await ana.send("note", **to)
    await _unread(counts, 3)
    await bob.call(notify.NOTIFICATION_READ, all=True)
    await _unread(counts, 0)


async def _unread(counts: Any, expected: int) -> None:
    """Wait until the view says so."""
    await _next(counts, lambda body: body["unread"] == expected)


async def _next(counts: Any, wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """The next view that is as wanted: those before are drawn again now and then."""
    async with asyncio.timeout(60):
        while True:
            msg = await counts.next_msg(timeout=60)
            assert msg.headers["Confer-Event"] == "notification_counts"
            body: dict[str, Any] = orjson.loads(msg.data)
            if wanted(body):
                return body


async def test_a_note_of_a_group_replaces_the_one_before_it(ana: Person, bob: Person) -> None:
    await bob.come()
    for number in range(3):
        await ana.call(notify.NOTIFICATION_SEND, to={"role": "nurse"}, title=f"Room {number}", group="room")
    await ana.call(notify.NOTIFICATION_SEND, to={"user": "bob"}, title="another audience", group="room")
    inbox = await bob.inbox()
    assert [n["title"] for n in inbox["notifications"]] == ["another audience", "Room 2"]
    assert inbox["unread"] == 2


async def test_the_same_key_has_one_effect_and_one_answer(service: Service, ana: Person, bob: Person) -> None:
    note: dict[str, Any] = {"to": {"user": "bob"}, "title": "fire", "dedupe": "fire-1"}
    answers = [await ana.call(notify.NOTIFICATION_SEND, **note) for _ in range(3)]
    assert len({answer["id"] for answer in answers}) == 1
    assert len({answer["op"] for answer in answers}) == 3
    assert (await bob.call(notify.NOTIFICATION_SEND, **note))["id"] != answers[0]["id"]
    assert len(await facts(service, "log.notify.user.bob.note")) == 2


async def test_what_expires_leaves_the_inbox_and_the_counts_by_itself(link: Link, ana: Person, bob: Person) -> None:
    counts = await link.nc.subscribe("view.user.bob.counts")
    await bob.come()
    await ana.send("stays", user="bob")
    soon = clock.iso(clock.now() + 6)
    await ana.call(notify.NOTIFICATION_SEND, to={"role": "nurse"}, title="goes", expires_at=soon)
    await _unread(counts, 2)
    await _unread(counts, 1)
    assert await bob.titles() == ["stays"]


async def test_a_restarted_service_lets_go_what_expired_meanwhile(link: Link, settings: Settings) -> None:
    ana, bob = Person(link, "ana", "doctor"), Person(link, "bob", "nurse")
    async with started("notify", link, settings, build):
        await bob.come()
        await ana.call(
            notify.NOTIFICATION_SEND, to={"user": "bob"}, title="goes", expires_at=clock.iso(clock.now() + 1)
        )
    async with started("notify", link, settings, build), asyncio.timeout(30):
        while (await bob.inbox())["unread"]:
            await asyncio.sleep(0.1)


async def test_a_digest_tells_of_each_note_once_whichever_replica_is_first(
    link: Link, settings: Settings, service: Service, ana: Person, bob: Person
) -> None:
    wish = {"digest": {"types": ["info"], "every_s": 10}}
    await bob.call(notify.NOTIFICATION_PREFERENCES, preferences=wish)
    async with started("notify", link, settings, build):
        for sent in (3, 5):
            while len([n for n in (await bob.inbox())["notifications"] if n.get("muted")]) < sent:
                await ana.send("one of many", user="bob")
            assert await _collected(bob, sent) == sent
    notes = (await bob.inbox())["notifications"]
    assert all(n["type"] == "info" for n in notes)
    assert (await bob.inbox())["unread"] == len([n for n in notes if not n.get("muted")])


async def _collected(person: Person, expected: int) -> int:
    """Of how many notes the digests told, once they told of so many."""
    async with asyncio.timeout(60):
        while True:
            notes = (await person.inbox())["notifications"]
            told: int = sum(n["data"]["digest"]["count"] for n in notes if n["data"])
            if told >= expected:
                return told
            await asyncio.sleep(0.2)


async def test_counts_say_when_quiet_hours_have_begun(link: Link, bob: Person) -> None:
    counts = await link.nc.subscribe("view.user.bob.counts")
    await bob.come()
    now = datetime.fromtimestamp(clock.now(), UTC)
    start, end = (now - timedelta(minutes=1)).strftime("%H:%M"), (now + timedelta(hours=2)).strftime("%H:%M")
    wish = {"quiet": {"start": start, "end": end, "zone": "UTC"}}
    await bob.call(notify.NOTIFICATION_PREFERENCES, preferences=wish)
    told = await _next(counts, lambda body: "quiet_until" in body)
    until = datetime.fromisoformat(told["quiet_until"])
    assert until.strftime("%H:%M") == end
    assert (await bob.inbox())["quiet_until"] == told["quiet_until"]
    await bob.call(notify.NOTIFICATION_PREFERENCES, preferences={})
    await _next(counts, lambda body: "quiet_until" not in body)


async def test_a_direct_message_needs_somebody_who_was_here(service: Service, ana: Person, bob: Person) -> None:
    refusal = await ana.call(notify.SEND_MESSAGE, target_user="bob", message="Hello")
    assert (refusal["code"], refusal["field"]) == ("not_found", "target_user")
    await bob.come()
    sent = await ana.call(notify.SEND_MESSAGE, op="op-1", target_user="bob", message="<b>สวัสดี</b>")
    assert await ana.call(notify.SEND_MESSAGE, op="op-1", target_user="bob", message="<b>สวัสดี</b>") == sent
    [fact] = await facts(service, "log.notify.user.bob.note")
    assert fact.event == "new_message"
    assert fact.json() == {
        "id": sent["id"], "from_user": "ana", "from_role": "doctor", "message": "<b>สวัสดี</b>",
        "timestamp": sent["timestamp"],
    }  # fmt: skip
    [note] = (await bob.inbox())["notifications"]
    assert (note["type"], note["title"], note["message"]) == ("message", "ana", "<b>สวัสดี</b>")


async def test_a_service_says_whose_doing_a_note_tells_of(link: Link, ana: Person, bob: Person) -> None:
    note = notify.NotificationTell(to=notify.Addressee(user="bob"), title="You are next", actor="ana")
    await tell(link.nc, note, sender="queue", op="op-1")
    await tell(link.nc, notify.NotificationSend(to=note.to, title="Lift is out of order"), sender="house", op="op-2")
    notes = (await bob.inbox())["notifications"]
    assert [(n["from_user"], n.get("actor")) for n in notes] == [("house", None), ("queue", "ana")]


async def test_hostile_ids_stay_apart(link: Link, ana: Person) -> None:
    names = ["a.>", "*", "สม ชาย", "a"]
    for name in names:
        await ana.send(f"to {name}", user=name)
    for name in names:
        assert await Person(link, name, "nurse").titles() == [f"to {name}"]


async def test_dashboards_get_the_newest_notes_and_the_alerts(ana: Person, bob: Person) -> None:
    await bob.come()
    await ana.send("calm", user="bob")
    await ana.call(notify.NOTIFICATION_SEND, to={"all": True}, title="fire", type="error")
    await ana.call(notify.NOTIFICATION_SEND, to={"role": "nurse"}, title="hurry", priority="critical")
    dashboard = await bob.call(notify.DASHBOARD, role="nurse", user_id="bob")
    assert [n["title"] for n in dashboard["notifications"]] == ["hurry", "fire", "calm"]
    assert [n["title"] for n in dashboard["recent_alerts"]] == ["hurry", "fire"]


async def test_a_second_replica_knows_what_the_first_one_wrote(
    link: Link, settings: Settings, service: Service, ana: Person, bob: Person
) -> None:
    await bob.come()
    note = (await ana.send("one", user="bob"))["id"]
    await bob.call(notify.NOTIFICATION_READ, ids=[note])
    async with started("notify", link, settings, build):
        for number in range(8):  # the queue group spreads these over both
            answers = await asyncio.gather(*(ana.send("x", op=f"op-{number}", user="bob") for _ in range(4)))
            assert len({answer["id"] for answer in answers}) == 1
        stored = await facts(service, "log.notify.user.bob.note")
        assert len(stored) == 9
        newest = stored[-1].json()["id"]
        answers = await asyncio.gather(*(bob.call(notify.NOTIFICATION_READ, op="r", all=True) for _ in range(4)))
        assert {answer["status"] for answer in answers} == {"ok"}
        read = [f for f in await facts(service, "log.notify.user.bob.state") if f.op == "r"]
        assert [f.json()["up_to"] for f in read] == [newest]


async def test_a_restarted_service_has_it_all_from_the_log(link: Link, settings: Settings) -> None:
    ana, bob = Person(link, "ana", "doctor"), Person(link, "bob", "nurse")
    async with started("notify", link, settings, build):
        await bob.come()
        sent = await ana.send("one", op="op-1", user="bob")
        await ana.send("two", all=True)
        await bob.call(notify.NOTIFICATION_READ, ids=[sent["id"]])
        before = await bob.inbox()
    async with started("notify", link, settings, build):
        after = await bob.inbox()
        assert (after["notifications"], after["unread"]) == (before["notifications"], 1)
        assert await ana.send("one", op="op-1", user="bob") == sent
        assert len((await bob.inbox())["notifications"]) == 2


async def test_acknowledged_notes_survive_a_killed_nats_server(
    server: NatsServer, service: Service, ana: Person, bob: Person
) -> None:
    sent = [await ana.send(f"note {number}", op=f"op-{number}", user="bob") for number in range(5)]
    await server.kill()
    await server.start()
    async with asyncio.timeout(60):
        while not service.link.nc.is_connected:
            await asyncio.sleep(0.05)
    for number in range(5):
        async with asyncio.timeout(60):
            while (again := await ana.send(f"note {number}", op=f"op-{number}", user="bob"))["status"] == "error":
                assert again["retry"]
        assert again["id"] == sent[number]["id"]
    assert len(await facts(service, "log.notify.user.bob.note")) == 5
    async with asyncio.timeout(60):
        while (inbox := await bob.inbox())["status"] == "error":
            assert inbox["retry"]  # what the server was asked when it died is waited for
    assert [note["title"] for note in inbox["notifications"]] == [f"note {number}" for number in reversed(range(5))]
