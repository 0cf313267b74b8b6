"""Rules at work: real facts of other services' logs, read by real replicas, tell people once."""

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import orjson
import pytest

from confer_contracts.ids import patient_room
from confer_contracts.notify import NotificationSend
from confer_contracts.subjects import FactSubject
from confer_kit import clock
from confer_kit.calls import Context
from confer_kit.facts import NewFact
from confer_kit.notifying import notify
from confer_kit.process import connected, started
from notify_svc.ruling import Ruling, rules_of
from queue_svc.app import build as build_queue
from queue_svc.settings import Settings as QueueSettings

Rig = Any  # of conftest
pytestmark = pytest.mark.timeout(600)
RULES = """
[[rules]]
name = "called"
when = "ticket_called"
where = { queue = "screening" }
to = ["user:{called_by}", "role:nurse"]
title = "{patient_id} is called to {station}"

[[rules]]
name = "doctor-is-here"
when = "user_joined"
where = { role = "doctor" }
next_in = "screening"
to = ["role:nurse"]
title = "{name} waits for {patient_id}"
must_acknowledge = { repeat_s = 3600 }
"""


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    file = tmp_path / "rules.toml"
    file.write_text(RULES)
    return file


def joined(user: str, role: str, patient: str) -> NewFact:
    room = patient_room(patient)
    body = {"user_id": user, "name": user.title(), "role": role, "last_activity": "x", "joined_at": "x"}
    return NewFact(
        subject=FactSubject("presence", "room", room, user), event="user_joined", body=orjson.dumps(body), actor=user
    )  # fmt: skip


def called(patient: str = "P-1", by: str = "dora", queue: str = "screening") -> NewFact:
    body = {"queue": queue, "ticket": "t", "patient_id": patient, "called_by": by, "station": "room 2"}
    subject = FactSubject("queue", "queue", queue, patient_room(patient))
    return NewFact(subject=subject, event="ticket_called", body=orjson.dumps(body), actor=by)


async def following(rig: Rig, *streams: str) -> None:
    """The consumers are there: what is stored from now on is theirs."""
    js = rig.link.nc.jetstream()
    async with asyncio.timeout(120):
        for stream in streams:
            while f"notify-rules-on-{stream.lower()}" not in {c.name for c in await js.consumers_info(stream)}:
                await asyncio.sleep(0.05)


async def handled(rig: Rig, stream: str) -> None:
    """Every fact of the stream has been dealt with, and acknowledged."""
    js, name = rig.link.nc.jetstream(), f"notify-rules-on-{stream.lower()}"
    async with asyncio.timeout(120):
        while True:
            info = await js.consumer_info(stream, name)
            if not info.num_pending and not info.num_ack_pending:
                return
            await asyncio.sleep(0.05)


async def test_when_a_patient_is_called_those_are_told_whom_the_rule_names(rig: Rig, rules: Path) -> None:
    await rig.replicas(2, notify_rules_file=rules)
    await following(rig, "QUEUE", "PRESENCE")
    await rig.store(called(queue="elsewhere"))
    seq = await rig.store(called())
    (own,) = await rig.until("log.notify.user.dora.note", bool)
    (shared,) = await rig.until("log.notify.role.nurse.note", bool)
    assert own.json()["title"] == shared.json()["title"] == "P-1 is called to room 2"
    assert (own.actor, own.op) == ("rule:called", f"QUEUE-{seq}")


async def test_a_fact_that_comes_again_and_to_another_replica_tells_nobody_again(rig: Rig, rules: Path) -> None:
    """As after a crash between the note and the acknowledgement of the fact."""
    replicas = await rig.replicas(2)

    async def send(request: NotificationSend, context: Context) -> None:
        await notify(rig.link.nc, request, sender=context.identity.user_id, op=context.op, timeout_s=30)

    at_work = [Ruling(each, send, 60.0) for each in replicas * 2]
    for ruling in at_work:
        ruling.use(rules_of(rules.read_bytes()))
    for patient in ("P-1", "P-2"):
        seq = await rig.store(called(patient))
        fact = called(patient).stored(seq, clock.now())
        await asyncio.gather(*(ruling.on_fact(fact) for ruling in at_work))
    assert [f.json()["title"][:3] for f in await rig.facts("log.notify.role.nurse.note")] == ["P-1", "P-2"]


async def test_what_was_stored_before_there_were_rules_and_what_is_old_is_no_news(rig: Rig, rules: Path) -> None:
    await rig.store(called("before"))
    async with rig.replica(notify_rules_file=rules):
        await following(rig, "QUEUE", "PRESENCE")
    await rig.store(called("late"))
    await asyncio.sleep(1.1)
    async with rig.replica(notify_rules_file=rules, notify_rules_age_s=1.0):
        await handled(rig, "QUEUE")
    async with rig.replica(notify_rules_file=rules):
        await rig.store(called("now"))
        await rig.until("log.notify.role.nurse.note", bool)
    assert [f.json()["title"][:3] for f in await rig.facts("log.notify.role.nurse.note")] == ["now"]


async def test_new_rules_take_over_where_those_before_them_ended(rig: Rig, rules: Path) -> None:
    async with rig.replica(notify_rules_file=rules):
        await following(rig, "QUEUE", "PRESENCE")
    more = '[[rules]]\nname="noted"\nwhen="notification_read"\nto=["all"]\ntitle="x"'
    rules.write_text(f"{RULES}{more}")
    await rig.store(called("P-1"))
    async with rig.replica(notify_rules_file=rules):
        await following(rig, "QUEUE", "PRESENCE", "NOTIFY")
        await rig.until("log.notify.role.nurse.note", bool)


async def test_the_patient_must_be_the_next_one_where_a_rule_says_so(rig: Rig, rules: Path) -> None:
    await rig.replicas(1, notify_rules_file=rules)
    await following(rig, "QUEUE", "PRESENCE")
    async with AsyncExitStack() as stack:
        settings = QueueSettings(nats_url=rig.server.url, metrics_port=0)
        await rig.store(joined("dan", "doctor", "P-2"))  # queue-svc is away: it is asked again when it is there
        link = await stack.enter_async_context(connected(settings, "queue-svc", asyncio.Event()))
        await stack.enter_async_context(started("queue", link, settings, build_queue))
        for patient in ("P-1", "P-2"):
            told = await rig.ask("queue", "queue_enqueue", {"patient_id": patient})
            assert told["status"] == "ok"
        await handled(rig, "PRESENCE")
        await rig.store(joined("dora", "doctor", "P-2"))
        await rig.store(joined("nina", "nurse", "P-1"))
        await rig.store(joined("dora", "doctor", "P-1"))
        (fact,) = await rig.until("log.notify.role.nurse.note", bool)
        assert fact.json()["title"] == "Dora waits for P-1"
        assert fact.json()["acknowledge"]["state"] == "open"
        await handled(rig, "PRESENCE")
        assert len(await rig.facts("log.notify.role.nurse.note")) == 1


async def test_a_fact_of_which_no_notification_can_be_made_holds_up_none_behind_it(rig: Rig, rules: Path) -> None:
    await rig.replicas(1, notify_rules_file=rules)
    await following(rig, "QUEUE", "PRESENCE")
    await rig.store(called("P-1", by="x" * 200))  # no id
    await rig.store(called("P-2"))
    stored = await rig.until("log.notify.role.nurse.note", bool)
    assert [f.json()["title"][:3] for f in stored] == ["P-2"], "of the first nothing is half done"


def test_rules_remind_no_more_often_than_is_allowed() -> None:
    assert rules_of(RULES.encode(), 3600)
    with pytest.raises(ValueError, match="rule 2, must_acknowledge, repeat_s: must be at least 3601"):
        rules_of(RULES.encode(), 3601)


async def test_a_file_that_changes_counts_at_once_and_a_broken_one_does_not(rig: Rig, rules: Path) -> None:
    """Another text for the same facts, facts of another log, and one log less."""
    await rig.replicas(1, notify_rules_file=rules)
    await following(rig, "QUEUE", "PRESENCE")
    rules.write_text("rules = 1")
    await rig.store(called("P-1"))
    await rig.until("log.notify.role.nurse.note", bool)
    rules.write_text(
        '[[rules]]\nname="called"\nwhen="ticket_called"\nto=["role:nurse"]\ntitle="Now {patient_id}"\n'
        '[[rules]]\nname="read"\nwhen="notification_read"\nto=["role:doctor"]\ntitle="read"\n'
    )
    await following(rig, "NOTIFY")
    await rig.store(called("P-2"))
    notes = await rig.until("log.notify.role.nurse.note", lambda facts: len(facts) == 2)
    assert [fact.json()["title"] for fact in notes] == ["P-1 is called to room 2", "Now P-2"]
    note = (await rig.send("x", to={"user": "bob"}))["id"]
    await rig.ok("notification_read", {"ids": [note]}, user="bob", role="nurse")
    await rig.until("log.notify.role.doctor.note", bool)
