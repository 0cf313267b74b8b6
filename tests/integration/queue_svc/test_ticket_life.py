"""What may happen to a ticket on its way, on real replicas: who is told, what is answered, what is refused."""

import asyncio
from typing import Any

from confer_contracts.subjects import Header
from confer_kit import clock
from confer_kit.facts import StoredFact

JOURNEY = """
version = 1
[queues.a]
next = "b"
recalls = 2
requeue_choice = true
[queues.b]
"""
ROOMS = """
version = 1
[queues.b]
kinds = { adult = [], child = ["children"] }
[queues.b.stations.1]
[queues.b.stations.2]
skills = ["children"]
[queues.b.stations.3]
kinds = ["child"]
skills = ["children"]
"""


def told(facts: list[StoredFact]) -> list[tuple[str, str]]:
    """Event and queue of each."""
    return [(str(fact.event).removeprefix("ticket_"), fact.subject.ident) for fact in facts]


async def enqueued(clinic: Any, queue: str, *patients: str, **more: Any) -> list[str]:
    """The tickets."""
    answers = [await clinic.ok("queue_enqueue", queue=queue, patient_id=p, **more) for p in patients]
    return [answer["ticket"]["ticket"] for answer in answers]


async def called(clinic: Any, queue: str, user: str = "ana", **more: Any) -> dict[str, str]:
    """What the holder names in each later request."""
    answer = await clinic.ok("queue_call_next", user, queue=queue, **more)
    return {"queue": queue, "ticket": answer["ticket"]["ticket"], "token": answer["token"]}


async def test_a_ticket_on_hold_is_passed_over_and_has_its_place_again(clinic: Any) -> None:
    await clinic.replica()
    first, second = await enqueued(clinic, "a", "p1", "p2")
    held = await clinic.ok("queue_hold", queue="a", ticket=first, reason="eats")
    assert (held["ticket"]["status"], held["ticket"]["hold_reason"], held["queue_position"]) == ("held", "eats", 2)
    claim = await called(clinic, "a")
    assert claim["ticket"] == second
    assert (await clinic.ok("queue_call_next", queue="a"))["ticket"] is None
    assert (await clinic.ask("queue_serve", **claim | {"ticket": first}))["ticket_status"] == "held"

    refused = await clinic.ask("queue_hold", "ben", queue="a", ticket=second)
    assert (refused["code"], refused["field"]) == ("conflict", "token")
    held = await clinic.ok("queue_hold", **claim)  # by its holder, who holds it no longer
    assert (held["ticket"]["called_by"], held["queue_position"]) == (None, 2)
    assert (await clinic.ask("queue_done", **claim))["field"] == "ticket"
    for ticket in (second, first):
        assert "hold_reason" not in (await clinic.ok("queue_resume", queue="a", ticket=ticket))["ticket"]
    assert (await called(clinic, "a"))["ticket"] == first


async def test_recalls_end_in_a_no_show_and_a_ticket_may_go_to_the_end(clinic: Any) -> None:
    await clinic.replica(JOURNEY)
    first, second = await enqueued(clinic, "a", "p1", "p2")
    claim = await called(clinic, "a")
    again = await clinic.ok("queue_recall", **claim)
    assert (again["ticket"]["recalls"], again["token"]) == (1, claim["token"])
    back = await clinic.ok("queue_requeue", **claim, place="end", reason="not ready")
    assert (back["queue_position"], back["place"]["reason"].startswith("1 of normal priority go")) == (2, True)
    claim = await called(clinic, "a")
    assert claim["ticket"] == second
    recalled = [(await clinic.ok("queue_recall", **claim))["ticket"]["status"] for _ in range(3)]
    assert recalled == ["called", "called", "no_show"]
    facts = await clinic.facts()
    assert [event for event, _ in told(facts)[-3:]] == ["recalled", "recalled", "no_show"]
    assert (facts[-1].json()["reason"], facts[4].json()["reason"]) == ("recalled 2 times", "not ready")
    assert (await called(clinic, "a"))["ticket"] == first


async def test_priorities_and_moves_are_seen_in_the_place_and_recorded(clinic: Any) -> None:
    await clinic.replica()
    first, second, third = await enqueued(clinic, "a", "p1", "p2", "p3")
    raised = await clinic.ok("queue_priority", queue="a", ticket=third, priority="high", reason="in pain")
    assert raised["place"] == {
        "position": 1, "waiting": 3, "ahead": {"high": 0, "normal": 0, "low": 0}, "rule": "priority",
        "reason": "nobody goes first",
    }  # fmt: skip
    where = await clinic.ok("queue_position", queue="a", patient_id="p1")
    assert (where["queue_position"], where["place"]["ahead"]) == (2, {"high": 1, "normal": 0, "low": 0})
    moved = await clinic.ok("queue_move", "eva", queue="a", ticket=second, position=1, reason="faint")
    assert (moved["place"]["position"], moved["ticket"]["moved"], moved["ticket"]["priority"]) == (1, True, "normal")
    await clinic.ok("queue_move", queue="a", ticket=third, before=first, reason="calm again")
    fact = (await clinic.facts())[4]
    assert (fact.event, fact.actor, fact.json()["reason"]) == ("ticket_moved", "eva", "faint")
    assert [(await called(clinic, "a"))["ticket"] for _ in range(3)] == [second, third, first]
    refused = await clinic.ask("queue_move", queue="a", ticket=first, position=1, reason="r")
    assert (refused["code"], refused["ticket_status"]) == ("conflict", "called")
    for bad in ({"position": 0}, {"position": 1, "before": first}, {}, {"position": 10**9}):
        assert (await clinic.ask("queue_move", queue="a", ticket=first, reason="r", **bad))["code"] == "invalid"


async def test_a_transfer_is_one_ticket_in_two_adjacent_facts_and_one_answer(clinic: Any) -> None:
    await clinic.replica()
    await clinic.replica()
    (ticket,) = await enqueued(clinic, "a.>", "p1")
    await clinic.ok("queue_assign", queue="a.>", ticket=ticket, user_id="ben", role="interpreter")
    await clinic.ok("queue_note", queue="a.>", ticket=ticket, text="wears glasses")
    op = clock.new_id()
    request = {"queue": "a.>", "ticket": ticket, "to": "b", "reason": "for the doctor", "priority": "high"}
    answers = await asyncio.gather(*(clinic.ask("queue_transfer", op=op, **request) for _ in range(6)))
    assert answers == [answers[0]] * 6
    there = answers[0]["ticket"]
    assert (there["ticket"], there["queue"], there["priority"], there["from_queue"]) == (ticket, "b", "high", "a.>")
    assert there["assigned"] == [{"user_id": "ben", "role": "interpreter"}]
    left, came = (await clinic.facts())[-2:]
    assert (left.seq + 1, told([left, came])) == (came.seq, [("transferred", "a=2E=3E"), ("queued", "b")])
    assert (left.json()["to_queue"], came.json()["from_queue"], left.op, came.op) == ("b", "a.>", op, op)
    assert left.headers[f"{Header.EVENT_FOR}room"] == "patient_ticket_transferred"
    past = await clinic.ok("queue_ticket", queue="b", ticket=ticket)
    (visit,) = past["visits"]
    assert (visit["queue"], visit["status"], visit["user_id"]) == ("a.>", "transferred", "ana")
    before = (await clinic.ok("queue_ticket", queue="a.>", ticket=ticket, patient_id="p1"))["history"]
    assert [(e["change"], e.get("note"), e.get("assigned")) for e in before] == [
        ("queued", None, None), ("assigned", None, there["assigned"]), ("noted", "wears glasses", None),
        ("transferred", None, None),
    ]  # fmt: skip
    noted = (await clinic.facts())[-3].json()["note"]["text"]
    assert (noted, b"glasses" in came.body, "glasses" in str(came.headers)) == ("wears glasses", False, False)

    gone = await clinic.ask("queue_transfer", **request)
    assert (gone["code"], gone["field"]) == ("not_found", "ticket")
    await enqueued(clinic, "a.>", "p1")
    (other,) = await enqueued(clinic, "c", "p1")
    full = await clinic.ask("queue_transfer", queue="c", ticket=other, to="b")
    assert (full["code"], full["field"]) == ("conflict", "to")
    assert (await clinic.ask("queue_transfer", queue="c", ticket=other, to="c"))["code"] == "invalid"


async def test_a_note_that_is_erased_leaves_a_queue_that_goes_on(clinic: Any) -> None:
    await clinic.replica()
    (ticket,) = await enqueued(clinic, "a", "p1")
    await clinic.ok("queue_note", queue="a", ticket=ticket, text="private")
    noted = (await clinic.facts())[-1]
    await clinic.link.nc.jetstream().delete_msg("QUEUE", noted.seq)
    assert (await called(clinic, "a"))["ticket"] == ticket
    assert [event for event, _ in told(await clinic.facts())] == ["queued", "called"]


async def test_whoever_is_done_is_in_the_next_queue_once(clinic: Any) -> None:
    await clinic.replica(JOURNEY)
    await clinic.replica()
    (ticket,) = await enqueued(clinic, "a", "p1")
    claim, op = await called(clinic, "a"), clock.new_id()
    answers = await asyncio.gather(*(clinic.ask("queue_done", op=op, **claim) for _ in range(6)))
    assert answers == [answers[0]] * 6
    assert (answers[0]["ticket"]["status"], answers[0]["next"]["queue"]) == ("done", "b")
    done, came = (await clinic.facts())[-2:]
    assert (done.seq + 1, told([done, came])) == (came.seq, [("done", "a"), ("queued", "b")])
    assert (done.json()["to_queue"], came.json()["ticket"]) == ("b", ticket)

    await enqueued(clinic, "a", "p1")
    done_again = await clinic.ok("queue_done", **await called(clinic, "a"))  # p1 still waits in b
    assert ("next" in done_again, told(await clinic.facts())[-1]) == (False, ("done", "a"))


async def test_a_station_gets_what_it_can_do_and_unknown_names_are_told(clinic: Any) -> None:
    await clinic.replica(ROOMS, queue_declared_only=True)
    child, adult, any_kind = [
        (await enqueued(clinic, "b", patient, **kind))[0]
        for patient, kind in (("p1", {"kind": "child"}), ("p2", {"kind": "adult"}), ("p3", {}))
    ]
    assert (await called(clinic, "b", station="1"))["ticket"] == adult
    assert (await called(clinic, "b", station="3", kinds=["child"]))["ticket"] == child
    assert (await called(clinic, "b", station="1"))["ticket"] == any_kind
    wrong: dict[str, dict[str, Any]] = {
        "station": {"queue": "b", "station": "9"}, "kinds": {"queue": "b", "station": "1", "kinds": ["dog"]},
        "queue": {"queue": "nowhere"}, "none": {"queue": "b"},
    }  # fmt: skip
    answers = {name: await clinic.ask("queue_call_next", **request) for name, request in wrong.items()}
    assert {name: (answer["code"], answer["field"]) for name, answer in answers.items()} == {
        "station": ("invalid", "station"), "kinds": ("invalid", "kind"), "queue": ("not_found", "queue"),
        "none": ("invalid", "station"),
    }  # fmt: skip
    assert answers["station"]["known"] == ["1", "2", "3"]
    for event, more in (
        ("queue_get", {}), ("queue_statistics", {}), ("queue_position", {"patient_id": "p1"}),
        ("queue_ticket", {"ticket": adult, "patient_id": "p2"}), ("queue_transfer", {"ticket": adult, "to": "b"}),
    ):  # fmt: skip
        refused = await clinic.ask(event, queue="nowhere", **more)
        assert (refused["code"], refused["field"]) == ("not_found", "queue"), event
    assert (await clinic.ask("queue_enqueue", queue="b", patient_id="p4", kind="dog"))["known"] == ["adult", "child"]


async def test_a_file_that_changes_is_declared_at_once(clinic: Any) -> None:
    service = await clinic.replica(JOURNEY)
    for version, recalls, new in ((2, 5, "c"), (1, 7, "d")):  # the second is older than what holds
        text = f"version = {version}\n[queues.a]\nrecalls = {recalls}\n[queues.{new}]"
        service.settings.queue_policies.write_text(text)
        async with asyncio.timeout(60):
            while not (await clinic.ok("queue_policy", queue=new))["version"]:
                await asyncio.sleep(0.05)
    held = await clinic.ok("queue_policy", queue="a")
    assert (held["version"], held["recalls_max"], held.get("next_queue")) == (2, 5, None)
    assert (await clinic.ok("queue_policy", queue="b"))["version"] == 1, "what the file leaves out stays as it is"


async def test_a_holder_who_leaves_loses_the_ticket_and_an_old_token_moves_nothing(clinic: Any) -> None:
    await clinic.presence()
    await clinic.replica()
    await clinic.replica()
    await enqueued(clinic, "a", "p1")
    claim = await called(clinic, "a", "ben")
    await clinic.attend("ben", "p1")
    await clinic.attend("eva", "p1")
    await clinic.leave("eva", "p1")  # holds nothing
    await clinic.leave("ben", "p1")
    facts = await clinic.until(lambda facts: bool(facts) and facts[-1].event == "ticket_returned")
    body = facts[-1].json()
    assert (body["reason"], body["user_id"], body["status"], len(facts)) == ("holder left", "ben", "waiting", 3)
    assert (await clinic.ask("queue_done", "ben", **claim))["code"] == "conflict"


async def test_a_claim_goes_on_while_the_holder_is_with_the_patient_and_ends_when_nobody_is(clinic: Any) -> None:
    await clinic.presence()
    await clinic.replica(queue_claim_s=1.0)
    await clinic.replica(queue_claim_s=1.0)
    await enqueued(clinic, "a", "p1", "p2")
    await clinic.attend("ben", "p1")
    kept, lost = await called(clinic, "a", "ben"), await called(clinic, "a", "ben")
    facts = await clinic.until(lambda facts: facts[-1].event == "ticket_returned")
    assert (facts[-1].json()["ticket"], facts[-1].json()["reason"]) == (lost["ticket"], "claim expired")
    every, last = "log.queue.*.a.*", await clinic.log.last("log.queue.*.a.*")
    while not [f for f in await clinic.log.read(every, after=0, upto=last.seq) if f.fold["change"] == "renewed"]:
        await asyncio.sleep(0.02)
        last = await clinic.log.last(every)
    assert (await clinic.ok("queue_done", "ben", **kept))["ticket"]["status"] == "done"
