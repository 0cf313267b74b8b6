"""Notes that wait, and notes that must be acknowledged: over restarts and two replicas, once."""

from collections import Counter
from typing import Any

import pytest

from confer_contracts.notify import NotificationSend
from confer_kit import clock
from confer_kit.notifying import notify
from notify_svc import metrics
from notify_svc.domain.audience import Content
from notify_svc.domain.escalation import Demand, Ended, EscalatedTo, Plan, Reminded
from notify_svc.domain.schedule import Released, Scheduled
from notify_svc.plan_codec import ESCALATIONS, SCHEDULES

Rig = Any  # of conftest
pytestmark = pytest.mark.timeout(600)
NURSES, DOCTORS = "log.notify.role.nurse.note", "log.notify.role.doctor.note"
ACKS = "log.notify.*.*.{}"
FAR = "2999-01-01T00:00:00Z"


def some(facts: list[Any]) -> bool:
    return bool(facts)


async def settle(rig: Rig, service: Any) -> None:
    """Everything that is stored now has been followed."""
    last = await rig.log.last("log.notify.*.*.*")
    assert await service.reached(last.seq, 60)


# --- scheduled -----------------------------------------------------------------------------------------


async def test_notes_are_sent_when_their_time_has_come_and_once_by_two_replicas(rig: Rig) -> None:
    """What one of both sent twice would be there before the last one, which is due two seconds later."""
    replicas = await rig.replicas(2)
    promised = await rig.send("Round 0", op="op-0", in_s=1)
    assert await rig.send("Round 0", op="op-0", in_s=1) == promised
    for number in range(1, 20):
        await rig.send(f"Round {number}", in_s=1)
    await rig.send("last", in_s=3)
    titles = {*(f"Round {number}" for number in range(20)), "last"}
    await rig.until(NURSES, lambda facts: {fact.json()["title"] for fact in facts} >= titles)
    for service in replicas:
        await settle(rig, service)
    stored = await rig.facts(NURSES)
    assert Counter(fact.json()["title"] for fact in stored) == Counter(titles)
    (first,) = [fact.json() for fact in stored if fact.json()["id"] == promised["id"]]
    assert (first["title"], first["from_user"]) == ("Round 0", "ana")
    assert (await rig.ok("notification_scheduled", {}))["scheduled"] == []


async def test_what_waits_is_listed_and_cancelled_by_its_sender_alone(rig: Rig) -> None:
    await rig.replicas(1)
    later = await rig.send("later", at=clock.iso(clock.now() + 7200), priority="high")
    sooner = await rig.send("sooner", in_s=3600)
    told = await rig.ok("notification_scheduled", {})
    assert [(note["title"], note["to"]) for note in told["scheduled"]] == [
        ("sooner", "role.nurse"), ("later", "role.nurse"),
    ]  # fmt: skip
    assert (told["total"], told["limit"]) == (2, 200)
    assert (await rig.ok("notification_scheduled", {}, user="bob"))["scheduled"] == []
    refusal = await rig.call("notification_cancel", {"id": later["id"]}, user="bob")
    assert (refusal["code"], refusal["field"]) == ("not_found", "id")
    for _ in range(2):
        assert (await rig.ok("notification_cancel", {"id": later["id"]}, op="op-c"))["status"] == "ok"
    assert [n["id"] for n in (await rig.ok("notification_scheduled", {}))["scheduled"]] == [sooner["id"]]


@pytest.mark.parametrize(
    ("more", "field", "rule"),
    [
        ({"at": "2020-01-01T00:00:00Z"}, "at", "must be in the future"),
        ({"at": FAR}, "at", "must not be more than 366 days ahead"),
        ({"at": "tomorrow"}, "at", "must be a date and time as of ISO 8601"),
        ({"at": "2026-01-01T00:00:00"}, "at", "must name its"),
        ({"in_s": 0}, "in_s", "greater than or equal to 1"),
        ({"in_s": 60, "expires_at": "2020-01-01T00:00:00Z"}, "expires_at", "must be after the time of sending"),
        ({"in_s": 60, "dedupe": "k"}, None, "dedupe goes with what is sent at once"),
        ({"in_s": 1, "at": FAR}, None, "at and in_s cannot both be given"),
        ({"must_acknowledge": {"repeat_s": 0}}, "must_acknowledge.repeat_s", "greater than or equal to 1"),
        ({"must_acknowledge": {"escalate_to": [{"all": True}] * 6}}, "must_acknowledge.escalate_to", "at most 5"),
        ({"must_acknowledge": {}, "to": {"patient": "p1"}}, "must_acknowledge", "in nobody's inbox"),
        ({"must_acknowledge": {"escalate_to": [{"queue": "q"}]}}, "must_acknowledge", "in nobody's inbox"),
    ],
)
async def test_what_cannot_be_is_refused_and_nothing_is_stored(
    rig: Rig, more: dict[str, Any], field: str | None, rule: str
) -> None:
    await rig.replicas(1)
    refusal = await rig.call("notification_send", {"to": {"role": "nurse"}, "title": "x"} | more)
    assert (refusal["status"], refusal["code"], refusal.get("field")) == ("error", "invalid", field)
    assert rule in refusal["message"]
    assert await rig.facts("log.notify.*.*.*") == []


async def test_a_sender_has_so_many_that_wait(rig: Rig) -> None:
    await rig.replicas(1, notify_scheduled_max=2)
    for _ in range(2):
        await rig.send("x", in_s=3600)
    refusal = await rig.call("notification_send", {"to": {"all": True}, "title": "x", "in_s": 3600})
    assert (refusal["code"], refusal["retry"]) == ("limit_exceeded", False)
    await rig.send("somebody else's", user="bob", in_s=3600)


WAITING = Scheduled(
    sender="ana", op="op-1", made_at=1000.0, id="n-1", at=2000.0, to="role.nurse",
    content=Content(type="info", title="half done", message=""),
)  # fmt: skip


async def test_a_note_that_came_due_while_nobody_ran_is_sent_at_start(rig: Rig) -> None:
    await rig.store(SCHEDULES.encode("ana", WAITING))
    async with rig.replica():
        (fact,) = await rig.until(NURSES, some)
        assert fact.json()["id"] == "n-1"
        assert (await rig.ok("notification_scheduled", {}))["total"] == 0


async def test_a_note_that_was_released_before_a_crash_is_sent_by_whoever_starts(rig: Rig) -> None:
    for event in (WAITING, Released(id="n-1", at=2000.0)):
        await rig.store(SCHEDULES.encode("ana", event))
    async with rig.replica():
        await rig.until(NURSES, some)
    async with rig.replica() as service:
        await rig.send("the only other one")
        await settle(rig, service)
        assert next(iter(metrics.SCHEDULED.collect())).samples[0].value == 0, "it is owed no longer"
        assert [fact.json()["id"] for fact in await rig.facts(NURSES)][:1] == ["n-1"]
        assert len(await rig.facts(NURSES)) == 2


# --- to be acknowledged --------------------------------------------------------------------------------


MUST = {"repeat_s": 1, "repeats": 1, "escalate_to": [{"role": "doctor"}]}


async def test_it_is_repeated_and_escalated_until_somebody_acknowledges(rig: Rig) -> None:
    await rig.replicas(2)
    await rig.come("bob", "nurse")
    await rig.come("dora", "doctor")
    plan = {"repeat_s": 2, "repeats": 2, "escalate_to": [{"role": "doctor"}, *({"user": f"far {n}"} for n in range(4))]}
    note = (await rig.send("Alarm", priority="critical", must_acknowledge=plan))["id"]
    acks = ACKS.format(f"ack_{note}")
    (copy,) = await rig.until(DOCTORS, some)
    assert copy.json()["acknowledge"] == {"id": note, "state": "open", "by": None, "at": None}
    assert (await rig.events(acks))[:3] == ["notification_reminder", "notification_reminder", "notification_escalated"]
    (shown,) = await rig.inbox("dora", "doctor")
    assert shown["acknowledge"]["state"] == "open"

    refusal = await rig.call("notification_acknowledge", {"id": note}, user="eve", role="patient")
    assert (refusal["code"], refusal["field"]) == ("not_found", "id")
    first = await rig.ok("notification_acknowledge", {"id": note}, user="dora", op="op-a")
    assert (first["acknowledge"]["state"], first["acknowledge"]["by"]) == ("acknowledged", "dora")
    for user, role, op in (("dora", "doctor", "op-a"), ("bob", "nurse", "op-b")):
        again = await rig.ok("notification_acknowledge", {"id": note}, user=user, role=role, op=op)
        assert again["acknowledge"] == first["acknowledge"], "whoever comes later is told who was first"

    told = {f"log.notify.{name}.ack_{note}" for name in ("role.nurse", "role.doctor", "user.ana")}
    closed = await rig.until(
        acks, lambda facts: {str(f.subject) for f in facts if f.event == "notification_closed"} >= told
    )
    for user, role in (("bob", "nurse"), ("dora", "doctor")):
        (shown,) = await rig.inbox(user, role)
        assert shown["acknowledge"] == first["acknowledge"]
    steps = [f.fold["step"] for f in closed if "step" in (f.fold or {})]
    assert steps == list(range(1, len(steps) + 1)), "each step once, over both replicas"


async def test_when_nobody_acknowledges_it_is_given_up_and_the_sender_hears(rig: Rig) -> None:
    await rig.replicas(2)
    note = (await rig.send("Alarm", must_acknowledge=MUST | {"repeats": 0}))["id"]
    (fact,) = await rig.until(f"log.notify.user.ana.ack_{note}", some)
    assert fact.json()["acknowledge"]["state"] == "given_up"
    stored = await rig.until(
        ACKS.format(f"ack_{note}"), lambda facts: sum(f.event == "notification_closed" for f in facts) == 3
    )
    assert [f.event for f in stored][:2] == ["notification_escalated", "notification_closed"]
    assert len(await rig.facts(DOCTORS)) == 1


async def test_it_may_come_back_to_its_sender(rig: Rig) -> None:
    await rig.replicas(1)
    note = (await rig.send("Alarm", must_acknowledge={"repeat_s": 1, "repeats": 0, "escalate_to": [{"user": "ana"}]}))[
        "id"
    ]
    other = (await rig.send("not to ana", must_acknowledge={"repeat_s": 3600}))["id"]
    assert (await rig.call("notification_acknowledge", {"id": other}))["code"] == "not_found"
    (copy,) = await rig.until("log.notify.user.ana.note", some)
    assert copy.json()["acknowledge"]["id"] == note
    await rig.until(f"log.notify.user.ana.ack_{note}", some)


async def test_its_sender_cancels_it_and_nobody_else(rig: Rig) -> None:
    await rig.replicas(1)
    note = (await rig.send("Alarm", must_acknowledge={"repeat_s": 3600}))["id"]
    assert (await rig.call("notification_cancel", {"id": note}, user="bob"))["code"] == "not_found"
    await rig.ok("notification_cancel", {"id": note}, op="op-c")
    await rig.ok("notification_cancel", {"id": note}, op="op-c")
    told = await rig.ok("notification_acknowledge", {"id": note}, user="bob", role="nurse")
    assert (told["acknowledge"]["state"], told["acknowledge"]["by"]) == ("cancelled", "ana")


async def test_a_newer_note_of_its_group_supersedes_it_on_all_replicas_once(rig: Rig) -> None:
    await rig.replicas(2)
    note = (await rig.send("Bed 1 calls", group="bed 1", must_acknowledge={"repeat_s": 3600}))["id"]
    newer = (await rig.send("Bed 1 calls again", group="bed 1", must_acknowledge={"repeat_s": 3600}))["id"]
    (fact, _) = await rig.until(ACKS.format(f"ack_{note}"), lambda facts: len(facts) == 2)
    assert (fact.event, fact.json()["acknowledge"]["state"]) == ("notification_closed", "superseded")
    told = await rig.ok("notification_acknowledge", {"id": newer}, user="bob", role="nurse")
    assert told["acknowledge"]["state"] == "acknowledged"


async def test_when_it_expires_nobody_is_reminded_any_more(rig: Rig) -> None:
    await rig.replicas(1)
    more = {"expires_at": clock.iso(clock.now() + 8), "must_acknowledge": {"repeat_s": 3600}}
    note = (await rig.send("Alarm", **more))["id"]
    (fact, _) = await rig.until(ACKS.format(f"ack_{note}"), lambda facts: len(facts) == 2)
    assert fact.json()["acknowledge"]["state"] == "expired"


async def test_those_who_follow_may_acknowledge_what_is_said_to_a_topic_or_to_staff(rig: Rig) -> None:
    await rig.replicas(1)
    for to in ({"topic": "fire drill"}, {"staff": "eyes"}):
        await rig.ok("topic_follow", to, user="bob", role="nurse")
        note = (await rig.send("Alarm", to=to, must_acknowledge={"repeat_s": 3600}))["id"]
        refusal = await rig.call("notification_acknowledge", {"id": note}, user="eve", role="nurse")
        assert refusal["code"] == "not_found"
        told = await rig.ok("notification_acknowledge", {"id": note}, user="bob", role="nurse")
        assert told["acknowledge"]["by"] == "bob"


async def test_a_scheduled_note_may_have_to_be_acknowledged(rig: Rig) -> None:
    await rig.replicas(1)
    note = (await rig.send("Alarm", in_s=1, must_acknowledge=MUST))["id"]
    await rig.until(f"log.notify.role.nurse.ack_{note}", some)
    await rig.ok("notification_acknowledge", {"id": note}, user="bob", role="nurse")


async def test_reminders_are_so_far_apart_at_least(rig: Rig) -> None:
    await rig.replicas(1, notify_repeat_min_s=10.0)
    asked = {"to": {"all": True}, "title": "x", "must_acknowledge": {"repeat_s": 9}}
    refusal = await rig.call("notification_send", asked)
    assert (refusal["code"], refusal["field"]) == ("invalid", "must_acknowledge.repeat_s")
    assert "CONFER_NOTIFY_REPEAT_MIN_S" in refusal["message"]


async def test_so_many_are_open_at_a_time(rig: Rig) -> None:
    await rig.replicas(1, notify_unacknowledged_max=1)
    first = await rig.send("first", op="op-1", must_acknowledge={"repeat_s": 3600})
    assert await rig.send("first", op="op-1", must_acknowledge={"repeat_s": 3600}) == first, "it is sent already"
    asked = {"to": {"all": True}, "title": "second", "must_acknowledge": {}}
    refusal = await rig.call("notification_send", asked)
    assert (refusal["code"], refusal["retry"]) == ("limit_exceeded", False)
    await rig.send("without")


PLAN = Plan(repeat_s=3600, repeats=0, levels=("role.doctor",))
CONTENT = Content(type="warning", title="Alarm", message="", must=PLAN)


async def half_done(rig: Rig, *events: Any) -> str:
    """A note, and what a replica has stored of it before it died; its id."""
    async with rig.replica():
        plan = {"repeat_s": 3600, "repeats": 0, "escalate_to": [{"role": "doctor"}]}
        note: str = (await rig.send("Alarm", must_acknowledge=plan))["id"]
    demand = Demand(id=note, audience="role.nurse", sender="ana", at=clock.now(), plan=PLAN)
    for event in events:
        await rig.store(ESCALATIONS.encode(demand, CONTENT, event))
    return note


async def test_a_level_that_was_decided_on_before_a_crash_is_told_by_whoever_starts(rig: Rig) -> None:
    now = clock.now()
    note = await half_done(rig, EscalatedTo(step=1, level=1, to="role.doctor", at=now, due=now + 3600))
    for _ in range(2):
        async with rig.replica() as service:
            (fact,) = await rig.until(DOCTORS, some)
            assert fact.json()["acknowledge"]["id"] == note
            await settle(rig, service)


async def test_an_end_that_not_all_have_heard_of_before_a_crash_is_passed_on(rig: Rig) -> None:
    end = Ended(state="acknowledged", by="bob", op="op-1", at=clock.now(), audience="role.nurse")
    note = await half_done(rig, end)
    async with rig.replica():
        (fact,) = await rig.until(f"log.notify.user.ana.ack_{note}", some)
        assert fact.json()["acknowledge"]["by"] == "bob"
    assert await rig.facts(DOCTORS) == []


async def test_reminders_that_were_missed_do_not_come_in_a_burst(rig: Rig) -> None:
    """The next step was due an hour ago, and there would have been many since."""
    now = clock.now()
    note = await half_done(rig, Reminded(step=1, audience="role.nurse", at=now - 7200, due=now - 3600))
    async with rig.replica() as service:
        stored = await rig.until(ACKS.format(f"ack_{note}"), lambda facts: len(facts) > 1)
        await settle(rig, service)
        assert stored[1].event == "notification_closed", "with this plan the second step gives it up"


async def test_a_service_sends_one_over_nats(rig: Rig) -> None:
    await rig.replicas(1)
    request = NotificationSend.model_validate({"to": {"role": "nurse"}, "title": "Printer is out of paper"})
    first = await notify(rig.link.nc, request, sender="printer", op="op-1")
    assert (await notify(rig.link.nc, request, sender="printer", op="op-1")).id == first.id
    (fact,) = await rig.facts(NURSES)
    assert (fact.actor, fact.json()["from_user"]) == ("printer", "printer")
