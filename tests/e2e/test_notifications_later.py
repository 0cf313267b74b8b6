"""Scheduled notes and those that must be acknowledged, with SIGKILL of every replica in between: each thing once."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from confer_kit import clock
from confer_kit.testing import System, running_system
from confer_kit.testing.client import Client
from confer_kit.testing.log import log_reader

pytestmark = pytest.mark.asyncio(loop_scope="module")
NOTIFY = ("notify-svc", "notify-svc2")
NOTES = 20


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def system() -> AsyncIterator[System]:
    async with running_system(CONFER_NOTIFY_REPEAT_MIN_S="1") as running:
        await running.add_service("notify-svc", "2")
        yield running


async def crash(system: System) -> None:
    """All replicas of notify-svc, at once, and again at work."""
    await asyncio.gather(*(system.processes[name].kill() for name in NOTIFY))
    await asyncio.gather(*(system.restart(name) for name in NOTIFY))


def titles(client: Client) -> list[str]:
    return [got.json["title"] for got in client.of("notification")]


async def test_what_was_scheduled_before_a_crash_arrives_once(system: System) -> None:
    ana = await Client("ana", role="doctor").connect(system.url())
    bob = await Client("bob", role="nurse").connect(system.url())
    expected = set()
    for number in range(NOTES):
        await ana.until_ok(
            "notification_send", to={"role": "nurse"}, title=f"note {number}", in_s=1 + number % 4, op=clock.new_id()
        )
        expected.add(f"note {number}")
        if number in (NOTES // 3, NOTES - 1):
            await crash(system)
    await bob.until(lambda: set(titles(bob)) == expected, within=120)
    await ana.until_ok("notification_send", to={"role": "nurse"}, title="the last one")
    await bob.until(lambda: "the last one" in titles(bob))
    assert Counter(titles(bob)) == Counter({*expected, "the last one"}), "live, each once"
    inbox = (await bob.until_ok("notification_inbox", limit=200))["notifications"]
    assert Counter(note["title"] for note in inbox) == Counter({*expected, "the last one"}), "in the inbox, each once"
    assert (await ana.until_ok("notification_scheduled"))["scheduled"] == []
    for client in (ana, bob):
        await client.close()


async def test_reminders_and_escalation_go_on_over_crashes_until_somebody_acknowledges(system: System) -> None:
    """Six steps: two reminders, the doctors, two reminders, the head. Between them everybody dies. There are others
    behind the head, so that there is time to acknowledge."""
    clients = [Client("ann", role="nurse"), Client("dan", role="doctor"), Client("head", role="chief")]
    ann, dan, head = [await client.connect(system.url()) for client in clients]
    lab = await Client("lab", role="system").connect(system.url())
    levels = [{"role": "doctor"}, {"user": "head"}, *({"user": f"far {n}"} for n in range(3))]
    plan: dict[str, Any] = {"repeat_s": 2, "repeats": 2, "escalate_to": levels}
    sent = await lab.until_ok(
        "notification_send", to={"role": "nurse"}, title="Alarm", must_acknowledge=plan, op=clock.new_id()
    )
    await ann.until(lambda: ann.of("notification_reminder"), within=120)
    await crash(system)
    await dan.until(lambda: "Alarm" in titles(dan), within=120)
    await crash(system)
    await head.until(lambda: "Alarm" in titles(head), within=120)

    told = await head.until_ok("notification_acknowledge", id=sent["id"], op=clock.new_id())
    assert told["acknowledge"]["by"] == "head"
    for client in (ann, dan, head, lab):
        await client.until(lambda client=client: client.of("notification_closed"), within=120)  # type: ignore[misc]
        closed = client.of("notification_closed")[0].json["acknowledge"]
        assert (closed["id"], closed["state"], closed["by"]) == (sent["id"], "acknowledged", "head")
    async with log_reader(system.nats.url) as log:
        facts = await log.facts(f"log.notify.*.*.ack_{sent['id']}")
    steps = [fact.fold["step"] for fact in facts if "step" in (fact.fold or {})]
    assert steps == list(range(1, len(steps) + 1)), "every step once, in order"
    ended = next(place for place, fact in enumerate(facts) if fact.event == "notification_closed")
    assert {fact.event for fact in facts[ended:]} == {"notification_closed"}, "after the end nobody is reminded"
    for client in (ann, dan, head):
        assert titles(client).count("Alarm") == 1
        await client.close()
    await lab.close()


async def test_who_may_not_send_to_an_audience_may_not_escalate_to_it(tmp_path_factory: pytest.TempPathFactory) -> None:
    policy = tmp_path_factory.mktemp("policy") / "policy.toml"
    policy.write_text(
        'default = "allow"\n[[rules]]\nactions = ["notification_send"]\naudiences = ["all.all"]\neffect = "deny"\n'
    )
    async with running_system(CONFER_POLICY_FILE=str(policy)) as system:
        ana = await Client("ana").connect(system.url())
        send: dict[str, Any] = {"to": {"user": "bob"}, "title": "x", "must_acknowledge": {}}
        assert (await ana.until_ok("notification_send", **send))["id"]
        send["must_acknowledge"] = {"escalate_to": [{"role": "nurse"}, {"all": True}]}
        refusal = await ana.call("notification_send", **send)
        assert (refusal["status"], refusal["code"]) == ("error", "forbidden")
        await ana.close()
