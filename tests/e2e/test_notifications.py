"""Notifications as pages see them: followed topics on every tab and edge, inboxes and counts in step, bad input."""

import asyncio
import itertools
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from confer_kit.nats_link import settled
from confer_kit.testing import System, running_system
from confer_kit.testing.javascript import JavaScriptClient, Node, node
from confer_kit.testing.log import log_reader
from confer_kit.testing.raw import RawClient, raw_client

pytestmark = [pytest.mark.asyncio(loop_scope="module")]

POLICY = """default = "allow"
[[rules]]
users = ["barred*"]
actions = ["join"]
audiences = ["topic.*"]
effect = "deny"
"""
_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def policy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("policy") / "policy.toml"
    path.write_text(POLICY)
    return path


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def system(policy: Path) -> AsyncIterator[System]:
    async with running_system(CONFER_POLICY_FILE=str(policy), CONFER_HEALTH_CHECK_S="600") as running:
        await running.add_edge("second")
        await running.healthy("second")
        yield running


@pytest_asyncio.fixture(loop_scope="module")
async def stack() -> AsyncIterator[AsyncExitStack]:
    async with AsyncExitStack() as opened:
        yield opened


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def process() -> AsyncIterator[Node]:
    async with node(Path(__file__).parent / "js") as running:
        yield running


def fresh(name: str) -> str:
    return f"{name}-{next(_numbers)}"


async def tab(stack: AsyncExitStack, system: System, user: str, edge: str = "edge", role: str = "nurse") -> RawClient:
    """A window of a person, who is known by now."""
    query = {"user_id": user, "user_role": role}
    client = await stack.enter_async_context(raw_client(system.url(edge), query, name=f"{user} at {edge}"))
    await client.got("sync_point")
    return client


async def ok(client: RawClient | JavaScriptClient, event: str, **payload: Any) -> Any:
    answer = await client.call(event, payload)
    assert answer["status"] == "ok", answer
    return answer


async def say(client: RawClient, title: str, **to: Any) -> None:
    await ok(client, "notification_send", to=to, title=title)


def heard(client: RawClient | JavaScriptClient) -> list[str]:
    return [body["title"] for body in client.bodies("notification")]


async def titles(client: RawClient, **query: Any) -> list[str]:
    return [note["title"] for note in (await ok(client, "notification_inbox", **query))["notifications"]]


@pytest.mark.parametrize("kind", ["topic", "staff"])
async def test_what_is_followed_reaches_every_tab_on_every_edge_and_the_inbox(
    system: System, stack: AsyncExitStack, kind: str
) -> None:
    name, ana = fresh("board ก"), fresh("ana")
    tabs = [await tab(stack, system, ana), await tab(stack, system, ana, "second")]
    stranger, sender = await tab(stack, system, fresh("stranger")), await tab(stack, system, fresh("sender"), "second")
    await say(sender, "before", **{kind: name})
    assert (await ok(tabs[0], "topic_follow", **{kind: name}))["follows"] == [{"kind": kind, "id": name}]
    for one in tabs:
        assert (await one.got("topic_followed"))["id"] == name
    await say(sender, "first", **{kind: name})
    later = await tab(stack, system, ana)  # which enters by itself
    await say(sender, "second", **{kind: name})
    for one, expected in ((tabs[0], ["first", "second"]), (tabs[1], ["first", "second"]), (later, ["second"])):
        await one.got("notification", lambda body: body["title"] == "second")
        assert heard(one) == expected
    assert await titles(tabs[0]) == ["second", "first"]
    assert (await ok(tabs[1], "topic_unfollow", **{kind: name}))["follows"] == []
    for one in (*tabs, later):
        await one.got("topic_unfollowed")
    assert await titles(tabs[0]) == []
    await say(sender, "third", **{kind: name})
    await say(sender, "to all", all=True)
    for one in (*tabs, later, stranger):
        await one.got("notification", lambda body: body["title"] == "to all")
        assert "third" not in heard(one)
    assert heard(stranger) == ["to all"]


@pytest.mark.node
async def test_a_page_that_comes_back_is_in_what_was_followed_and_left_meanwhile(
    system: System, stack: AsyncExitStack, process: Node
) -> None:
    old, new, ana = fresh("old"), fresh("new"), fresh("ana")
    third = await system.add_edge("third")
    await system.healthy("third")
    options: dict[str, Any] = {
        "transports": ["websocket"], "query": {"user_id": ana, "user_role": "nurse"}, "reconnectionDelay": 50,
    }  # fmt: skip
    page = await process.open("4.8", system.url("third"), options, name=ana)
    await page.is_connected()
    other, sender = await tab(stack, system, ana, "second"), await tab(stack, system, fresh("sender"))
    await ok(page, "topic_follow", topic=old)
    await page.got("topic_followed")
    await third.kill()
    await ok(other, "topic_unfollow", topic=old)
    await ok(other, "topic_follow", topic=new)
    await page.move(system.url("second"))
    await page.is_connected(times=2)
    assert page.recovered == [False, True]
    await ok(page, "ping")  # in its turn, after the resumption
    for topic in (old, new):
        await say(sender, topic, topic=topic)
    await say(sender, "the end", user=ana)
    await page.got("notification", lambda body: body["title"] == "the end")
    assert heard(page) == [new, "the end"]


async def test_a_topic_without_the_right_to_it_is_neither_heard_nor_in_the_inbox(
    system: System, stack: AsyncExitStack
) -> None:
    """The right to follow is there, that to receive is not: as after it was taken."""
    topic, barred = fresh("board"), fresh("barred")
    one, sender = await tab(stack, system, barred), await tab(stack, system, fresh("sender"))
    await ok(one, "topic_follow", topic=topic)
    await one.got("topic_followed")
    await say(sender, "not for them", topic=topic)
    await say(sender, "for them", user=barred)
    await one.got("notification", lambda body: body["title"] == "for them")
    assert heard(one) == ["for them"]
    assert await titles(one) == ["for them"]
    again = await tab(stack, system, barred)
    assert (await again.got("notification_counts"))["unread"] == 1
    assert await titles(again) == ["for them"]


async def test_a_topic_whose_right_ends_leaves_the_page_and_the_inbox(
    system: System, stack: AsyncExitStack, policy: Path
) -> None:
    topic, ana = fresh("board"), fresh("ana")
    one, sender = await tab(stack, system, ana), await tab(stack, system, fresh("sender"))
    await ok(one, "topic_follow", topic=topic)
    await one.got("topic_followed")
    await say(sender, "before", topic=topic)
    await one.got("notification")
    assert await titles(one) == ["before"]
    policy.write_text(POLICY.replace('"barred*"', f'"barred*", "{ana}"'))
    assert (await one.got("room_left"))["room"] == f"topic.{topic}"
    await say(sender, "after", topic=topic)
    await say(sender, "for them", user=ana)
    await one.got("notification", lambda body: body["title"] == "for them")
    assert heard(one) == ["before", "for them"]
    assert await titles(one) == ["for them"]


async def test_what_is_followed_takes_no_room_from_the_rooms(system: System, stack: AsyncExitStack) -> None:
    await system.add_edge("narrow", CONFER_ROOMS_MAX="4")  # the person, their role, everybody, and one room
    await system.healthy("narrow")
    one = await tab(stack, system, fresh("ana"), "narrow")
    for _ in range(3):
        await ok(one, "topic_follow", topic=fresh("board"))
    await one.until(lambda: len(one.bodies("topic_followed")) == 3, "all three")
    await ok(one, "join_patient_room", patient_id=fresh("P"))
    refusal = await one.call("join_patient_room", {"patient_id": fresh("P")})
    assert refusal["code"] == "limit_exceeded"


async def test_who_connects_while_notify_is_away_follows_when_it_is_back(system: System, stack: AsyncExitStack) -> None:
    topic, ana = fresh("board"), fresh("ana")
    before, sender = await tab(stack, system, ana), await tab(stack, system, fresh("sender"))
    await ok(before, "topic_follow", topic=topic)
    await system.processes["notify-svc"].kill()
    meanwhile = await tab(stack, system, ana, "second")
    await system.restart("notify-svc")
    async with asyncio.timeout(60):
        while not heard(meanwhile):
            await say(sender, "again", topic=topic)
            await asyncio.sleep(0.2)


async def test_states_and_counts_are_the_same_on_every_tab(system: System, stack: AsyncExitStack) -> None:
    ana = fresh("ana")
    tabs = [await tab(stack, system, ana), await tab(stack, system, ana, "second")]
    sender = await tab(stack, system, fresh("sender"))
    for title in ("one", "two", "three"):
        await say(sender, title, user=ana)
    for one in tabs:
        await one.got("notification_counts", lambda body: body == {"unread": 3, "unseen": 3})
    notes = {note["title"]: note["id"] for note in (await ok(tabs[0], "notification_inbox"))["notifications"]}
    for event, payload, left in (
        ("notification_seen", {"all": True}, {"unread": 3, "unseen": 0}),
        ("notification_read", {"ids": [notes["one"]]}, {"unread": 2, "unseen": 0}),
        ("notification_archive", {"ids": [notes["two"]]}, {"unread": 1, "unseen": 0}),
        ("notification_archive", {"ids": [notes["two"]], "undo": True}, {"unread": 2, "unseen": 0}),
    ):
        begun = [len(one.events) for one in tabs]
        await ok(tabs[0], event, **payload)
        for one, since in zip(tabs, begun, strict=True):
            told = await one.got(event, since=since)
            assert {name: told[name] for name in left} == left
            await one.got("notification_counts", left.__eq__, since=since)
    shown = (await ok(tabs[1], "notification_inbox"))["notifications"]
    assert [(note["title"], note["state"]) for note in shown] == [("three", "seen"), ("two", "seen"), ("one", "read")]
    assert await titles(tabs[1], state="read") == ["one"]


async def test_what_is_muted_is_kept_and_not_counted_and_every_tab_knows(system: System, stack: AsyncExitStack) -> None:
    ana = fresh("ana")
    tabs = [await tab(stack, system, ana), await tab(stack, system, ana, "second")]
    wish = {"mute": ["info"], "quiet": {"start": "22:00", "end": "06:30", "zone": "Asia/Bangkok"}}
    answer = await ok(tabs[0], "notification_preferences", preferences=wish)
    assert answer["preferences"] == {**wish, "digest": None}
    for one in tabs:
        assert (await one.got("notification_preferences"))["preferences"] == answer["preferences"]
    assert (await ok(tabs[1], "notification_preferences"))["preferences"] == answer["preferences"]
    await say(tabs[0], "muted", user=ana)
    await ok(tabs[0], "notification_send", to={"user": ana}, title="loud", priority="critical")
    await tabs[1].got("notification_counts", lambda body: body["unread"] == 1)
    shown = (await ok(tabs[1], "notification_inbox"))["notifications"]
    assert [(note["title"], note.get("muted", False)) for note in shown] == [("loud", False), ("muted", True)]
    wish["quiet"] = {"start": "22:00", "end": "06:30", "zone": "Mars/Olympus"}
    refusal = await tabs[0].call("notification_preferences", {"preferences": wish})
    assert (refusal["code"], refusal["field"]) == ("invalid", "preferences.quiet.zone")


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"to": {}}, "to"),
        ({"to": {"user": "a", "role": "b"}}, "to"),
        ({"to": {"users": ["a", "b"]}}, "to.users"),
        ({"title": ""}, "title"),
        ({"title": "x" * 201}, "title"),
        ({"message": "x" * 900_000}, "message"),
        ({"data": {"x": "x" * 5000}}, "data"),
        ({"expires_at": "2020-01-01T00:00:00Z"}, "expires_at"),
        ({"expires_at": "2099-01-01T00:00:00Z"}, "expires_at"),
        ({"expires_at": "2035-01-01T00:00:00"}, "expires_at"),
        ({"expires_at": "tomorrow"}, "expires_at"),
        ({"link": "javascript:alert(1)"}, "link"),
        ({"link": "//elsewhere.example/x"}, "link"),
        ({"link": "java\nscript:alert(1)"}, "link"),
        ({"link": "/\\elsewhere.example"}, "link"),
        ({"link": "data:text/html,x"}, "link"),
        ({"link": "http:x"}, "link"),
        ({"type": "message"}, "type"),
        ({"read": True}, "read"),
        ({"actor": "somebody else"}, "actor"),
    ],
    ids=lambda value: str(value)[:50],
)
async def test_a_bad_note_is_refused_and_nobody_has_it(
    system: System, stack: AsyncExitStack, wrong: dict[str, Any], field: str
) -> None:
    ana = fresh("ana")
    one = await tab(stack, system, ana)
    refusal = await one.call("notification_send", {"to": {"user": ana}, "title": "t", **wrong})
    assert (refusal["code"], refusal["field"], refusal["retry"]) == ("invalid", field, False), refusal
    assert field in refusal["message"]
    assert len(refusal["message"]) < 500
    assert await titles(one) == []


async def test_script_in_a_title_stays_text_and_links_are_addresses_or_paths(
    system: System, stack: AsyncExitStack
) -> None:
    ana, title = fresh("ana"), "<script>alert(1)</script> & <img onerror=x>"
    one = await tab(stack, system, ana)
    links = ["https://example.org/a?b#c", "/patients/P-1?tab=2", "patients/P-1", "#top", "?q=1", None]
    for link in links:
        await ok(one, "notification_send", to={"user": ana}, title=title, message=title, link=link)
    await one.until(lambda: len(heard(one)) == len(links), "all of them")
    assert {(body["title"], body["message"]) for body in one.bodies("notification")} == {(title, title)}
    assert [body["link"] for body in one.bodies("notification")] == links


async def test_who_nobody_knows_yet_has_the_note_when_they_come(system: System, stack: AsyncExitStack) -> None:
    ana, sender = fresh("ana"), await tab(stack, system, fresh("sender"))
    await say(sender, "welcome", user=ana)
    await say(sender, "to nobody at all", role=fresh("role"))
    assert await titles(await tab(stack, system, ana)) == ["welcome"]


async def test_a_service_is_asked_what_the_page_said_and_no_member_more(system: System, stack: AsyncExitStack) -> None:
    """One of before a member was invented refuses it, also where it is null."""
    ana = fresh("ana")
    one, asked = await tab(stack, system, ana), {"to": {"user": ana}, "title": "t", "link": None}
    async with log_reader(system.nats.url) as log:
        calls = await log.nc.subscribe("call.notify.notification_send")
        await settled(log.nc)
        await ok(one, "notification_send", **asked)
        message = await calls.next_msg(timeout=60)
    assert json.loads(message.data) == asked
