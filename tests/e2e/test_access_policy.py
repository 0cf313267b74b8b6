"""A policy file: who may join, send and receive what; and a right that ends while the session lives."""

import asyncio
import itertools
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from confer_kit.testing import System, running_system
from confer_kit.testing.javascript import JavaScriptClient, Node, node
from confer_kit.testing.raw import raw_client
from confer_kit.testing.tokens import SECRET, token

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.node]

EXAMPLE = (Path(__file__).parents[2] / "deploy" / "policy.example.toml").read_text()
OWN = """default = "deny"
[[rules]]
audiences = ["user.{user}", "role.{role}", "all.all"]
effect = "allow"
"""
ROOMS = """[[rules]]
audiences = ["room.*", "queue.*", "topic.*"]
effect = "allow"
"""
_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def policy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("policy") / "policy.toml"
    path.write_text(EXAMPLE)
    return path


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def system(policy: Path) -> AsyncIterator[System]:
    settings = {"CONFER_IDENTITY": "jwt", "CONFER_JWT_SECRET": SECRET, "CONFER_POLICY_FILE": str(policy)}
    async with running_system(**settings) as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def process() -> AsyncIterator[Node]:
    async with node(Path(__file__).parent / "js") as running:
        yield running


def person(system: System, user: str, role: str, query: dict[str, str] | None = None) -> Any:
    return raw_client(system.url(), query, {"token": token(user, role)}, name=user)


async def page(process: Node, system: System, user: str, delay_ms: int = 50) -> JavaScriptClient:
    options = {"transports": ["websocket"], "auth": {"token": token(user)}, "reconnectionDelay": delay_ms}
    client = await process.open("4.8", system.url(), options, name=user)
    await client.is_connected()
    return client


async def counts_within(system: System, policy: Path, text: str) -> None:
    """Until the edge has read a new version, or has refused it."""
    edge = system.processes["edge"]
    before = edge.log.count("the policy file")
    fresh = policy.with_suffix(".new")
    fresh.write_text(text)
    fresh.replace(policy)
    async with asyncio.timeout(30):
        while edge.log.count("the policy file") == before:
            await asyncio.sleep(0.05)


REQUESTS: list[tuple[str, dict[str, Any]]] = [
    ("join_patient_room", {"patient_id": "P-9"}),
    ("join_screening", {"patient_id": "P-9"}),
    ("join_room", {"room": "screening_P-9"}),
    ("join_room", {"room": "team_desk"}),
    ("queue_open", {"queue": "eyes"}),
    ("subscribe_to_updates", {"type": "results"}),
    ("field_update", {"patient_id": "P-9", "field": "f", "value": 1}),
    ("step_update", {"patient_id": "P-9", "step": 1}),
    ("field_focus", {"patient_id": "P-9", "field": "f"}),
    ("presence_get", {"patient_id": "P-9"}),
    ("field_lock", {"patient_id": "P-9", "field": "f"}),
    ("live_typing", {"session_id": "S", "step": "s", "field_name": "f", "current_value": "v", "user_name": "n"}),
    ("activity_log", {"patient_id": "P-9"}),
    ("queue_enqueue", {"queue": "eyes", "patient_id": "P-9"}),
    ("queue_call_next", {"queue": "eyes"}),
    ("send_message", {"target_user": "pat", "message": "m"}),
    ("notification_send", {"to": {"user": "pat"}, "title": "t"}),
    ("notification_send", {"to": {"role": "doctor"}, "title": "t"}),
]


async def test_what_a_patient_asks_for_is_refused_and_a_nurse_gets_it(system: System) -> None:
    async with (
        person(system, "pat", "patient", {"patient_id": "P-9"}) as patient,
        person(system, "nina", "nurse") as nurse,
    ):
        assert (await patient.got("error"))["code"] == "forbidden"  # the room that the query names
        for event, payload in REQUESTS:
            refused = await patient.call(event, payload)
            assert (refused["status"], refused["code"], refused["retry"]) == ("error", "forbidden", False), (
                event,
                refused,
            )
            answer = await nurse.call(event, payload)
            assert answer["status"] == "ok", (event, answer)
        assert (await patient.call("subscribe_to_updates", {"type": "board"}))["status"] == "ok"
        assert (await patient.call("notification_inbox", {}))["status"] == "ok"
        assert (await nurse.call("notification_send", {"to": {"all": True}, "title": "t"}))["code"] == "forbidden"
        assert not {"field_updated", "queue_updated", "user_joined", "ticket_queued"} & set(patient.names())


async def test_the_queue_beside_a_patient_is_only_for_those_who_may_see_it(system: System, policy: Path) -> None:
    async with AsyncExitStack() as stack:
        desk = await stack.enter_async_context(person(system, "desk", "staff"))
        assert (await desk.call("queue_enqueue", {"queue": "screening", "patient_id": "P-8"}))["status"] == "ok"
        await counts_within(system, policy, OWN + '[[rules]]\naudiences = ["room.*"]\neffect = "allow"\n')
        doctor = await stack.enter_async_context(person(system, "dora", "doctor", {"patient_id": "P-8"}))
        await doctor.got("active_users_updated")
        assert await doctor.got("doctor_dashboard_data") == {"recent_alerts": []}
        joined = await doctor.call("join_patient_room", {"patient_id": "P-8"})
        assert joined["queue"] == {"status": "forbidden"}
        assert joined["sync"]["status"] == "ok"
        assert "queue_updated" not in doctor.names()
    await counts_within(system, policy, EXAMPLE)


async def test_a_transfer_needs_the_right_to_both_queues(system: System, policy: Path) -> None:
    rule = '[[rules]]\naudiences = ["queue.eyes"]\neffect = "allow"\n'
    async with person(system, "nina", "nurse") as nurse:
        queued = await nurse.call("queue_enqueue", {"queue": "eyes", "patient_id": "P-7"})
        moved = {"queue": "eyes", "ticket": queued["ticket"]["ticket"], "to": "surgery"}
        await counts_within(system, policy, OWN + rule)
        assert (await nurse.call("queue_transfer", moved))["code"] == "forbidden"
        await counts_within(system, policy, EXAMPLE)
        assert (await nurse.call("queue_transfer", moved))["ticket"]["queue"] == "surgery"


async def test_a_right_that_ends_ends_the_membership_at_once(system: System, process: Node, policy: Path) -> None:
    """Facts come without a pause while the file changes: the others get them all, who lost the right not one more."""
    await counts_within(system, policy, OWN + ROOMS)
    patient = f"P-{next(_numbers)}"
    reader, writer, other = [await page(process, system, user) for user in ("reader", "writer", "other")]
    for client in (reader, writer, other):
        assert (await client.call("join_patient_room", {"patient_id": patient}))["status"] == "ok"
    for event, payload in (("queue_open", {"queue": "eyes"}), ("subscribe_to_updates", {"type": "t"})):
        assert (await reader.call(event, payload))["status"] == "ok"
    done = asyncio.Event()

    async def write() -> int:
        for n in itertools.count():
            update = {"patient_id": patient, "field": "f", "value": n, "op": f"{patient}-{n}"}
            while (answer := await writer.call("field_update", update))["status"] != "ok":
                assert answer["retry"], answer
                await asyncio.sleep(answer.get("retry_after_s", 0.1))
            if done.is_set():
                return n
        raise AssertionError

    async with asyncio.TaskGroup() as group:
        writing = group.create_task(write())
        await reader.until(lambda: len(reader.bodies("field_updated")) > 5, "facts")
        await counts_within(system, policy, OWN + '[[rules]]\nusers = ["reader"]\neffect = "deny"\n' + ROOMS)
        await reader.until(lambda: len(reader.bodies("room_left")) == 3, "the ends")
        assert {body["room"] for body in reader.bodies("room_left")} == {
            f"screening_{patient}",
            "queue.eyes",
            "topic.t",
        }
        seen = len(other.bodies("field_updated"))
        await other.until(lambda: len(other.bodies("field_updated")) > seen + 10, "facts after the end")
        done.set()
    last = writing.result()
    await other.got("field_updated", lambda body: body["value"] == last)
    assert [body["value"] for body in other.bodies("field_updated")] == list(range(last + 1))
    assert "field_updated" not in reader.names(since=reader.names().index("room_left"))
    assert "reader" in [await other.got("user_left")]
    refused = await reader.call("field_update", {"patient_id": patient, "field": "f", "value": "too late"})
    assert refused["code"] == "forbidden"
    assert (await reader.call("join_patient_room", {"patient_id": patient}))["code"] == "forbidden"
    assert (await reader.call("ping"))["status"] == "ok"

    await reader.cut()  # what is left of the session is taken up again
    await reader.is_connected(times=2)
    assert reader.recovered == [False, True]
    await counts_within(system, policy, OWN + ROOMS)
    assert (await reader.call("join_patient_room", {"patient_id": patient}))["status"] == "ok"
    await process.close_all()


async def test_who_lost_a_right_while_away_starts_anew(system: System, process: Node, policy: Path) -> None:
    await counts_within(system, policy, OWN + ROOMS)
    patient = f"P-{next(_numbers)}"
    away = await page(process, system, "away", delay_ms=20_000)
    assert (await away.call("join_patient_room", {"patient_id": patient}))["status"] == "ok"
    await away.cut()
    await away.until(lambda: not away.connected, "the cut")
    process.freeze()
    try:
        async with asyncio.timeout(60):
            while (await system.health())[1]["connected_clients"]:
                await asyncio.sleep(0.05)
        await counts_within(system, policy, OWN)
    finally:
        process.thaw()
    await away.is_connected(times=2)
    assert away.recovered == [False, False]
    assert (await away.call("join_patient_room", {"patient_id": patient}))["code"] == "forbidden"
    await process.close_all()


async def test_an_end_that_was_lost_with_the_connection_is_told_again(system: System, policy: Path) -> None:
    await counts_within(system, policy, OWN + ROOMS)
    async with person(system, "lost", "nurse") as first:
        assert (await first.call("join_room", {"room": "tea"}))["status"] == "ok"
        await counts_within(system, policy, OWN)
        await first.got("room_left")
    async with raw_client(system.url(), None, {"token": token("lost"), "pid": first.pid}) as again:
        assert again.sid == first.sid
        assert (await again.got("room_left"))["room"] == "tea"
        await counts_within(system, policy, OWN + ROOMS)
        assert (await again.call("join_room", {"room": "tea"}))["status"] == "ok"
    async with raw_client(system.url(), None, {"token": token("lost"), "pid": first.pid}) as third:
        assert third.sid == first.sid
        assert (await third.call("ping"))["status"] == "ok"
        assert "room_left" not in third.names()


async def test_the_inbox_holds_what_the_person_may_receive(system: System, policy: Path) -> None:
    """In the snapshot, its count, the pages, the dashboard and what can be marked as read."""
    shared = '[[rules]]\nroles = ["doctor"]\nactions = ["join"]\naudiences = ["role.*", "all.all"]\neffect = "deny"\n'
    await counts_within(system, policy, f'default = "allow"\n{shared}')
    async with person(system, "dina", "doctor") as doctor, person(system, "nora", "nurse") as nurse:
        await doctor.got("notification_counts", lambda body: body["unread"] == 0)
        await nurse.got("notification_counts", lambda body: body["unread"] == 0)
        for to in ({"role": "doctor"}, {"all": True}, {"user": "dina"}):
            note = {"to": to, "title": str(to), "type": "warning"}
            assert (await nurse.call("notification_send", note))["status"] == "ok"
        await nurse.got("notification_counts", lambda body: body["unread"] == 1)
        inbox = await doctor.call("notification_inbox", {})
        assert ([n["title"] for n in inbox["notifications"]], inbox["unread"]) == ([str({"user": "dina"})], 1)
        assert (await doctor.call("notification_read", {"all": True}))["status"] == "ok"
        await doctor.got("notification_read", lambda body: body["unread"] == 0)
        theirs = await nurse.call("notification_inbox", {})
        assert (await doctor.call("notification_read", {"ids": [theirs["notifications"][0]["id"]]}))[
            "code"
        ] == "not_found"
    async with person(system, "dina", "doctor") as again:
        await again.got("notification_counts", lambda body: body["unread"] == 0)
        assert not (await again.got("doctor_dashboard_data"))["recent_alerts"][1:]
    await counts_within(system, policy, 'default = "allow"\n')
    async with person(system, "dina", "doctor") as allowed:
        titles = [n["title"] for n in (await allowed.call("notification_inbox", {}))["notifications"]]
        assert titles == [str(to) for to in ({"user": "dina"}, {"all": True}, {"role": "doctor"})]


async def test_a_broken_version_is_refused_and_the_old_one_stays(system: System, policy: Path) -> None:
    await counts_within(system, policy, OWN)
    for broken in ("default = 'allow'\n[[rules]]\neffect = 'allw'\n", "", "default = 'allow"):
        await counts_within(system, policy, broken)
        async with person(system, "nina", "nurse") as nurse:
            assert (await nurse.call("queue_open", {"queue": "eyes"}))["code"] == "forbidden"
            assert (await nurse.call("notification_inbox", {}))["status"] == "ok"
    assert "rule 1, effect" in system.processes["edge"].log


async def test_an_edge_does_not_start_without_a_policy_that_it_understands(system: System, tmp_path: Path) -> None:
    broken = tmp_path / "broken.toml"
    broken.write_text("default = 'deny'\n[[rules]]\nroles = 'nurse'\neffect = 'allow'\n")
    for path, said in ((broken, "rule 1, roles: "), (tmp_path / "none.toml", "No such file")):
        edge = await system.add_edge("broken", CONFER_POLICY_FILE=str(path))
        assert edge.process
        assert await asyncio.wait_for(edge.process.wait(), 60) == 1
        assert f"CONFER_POLICY_FILE={path} cannot be used: " in edge.log
        assert said in edge.log
        assert "Traceback" not in edge.log


async def test_activity_of_a_person_is_for_them_and_for_whom_the_policy_allows_it(system: System, policy: Path) -> None:
    """And the record tells who was refused what in it."""
    await counts_within(system, policy, EXAMPLE + "# as at the beginning\n")
    update: dict[str, Any] = {"patient_id": "P-7", "field": "f", "value": 1}
    async with (
        person(system, "nell", "nurse") as nurse,
        person(system, "pete", "patient") as patient,
        person(system, "amy", "admin") as admin,
    ):
        assert (await nurse.call("field_update", update))["status"] == "ok"
        assert (await patient.call("join_patient_room", {"patient_id": "P-7"}))["code"] == "forbidden"
        assert (await patient.call("field_update", {"patient_id": "P-7", "field": "f", "value": 2}))[
            "code"
        ] == "forbidden"
        assert (await nurse.call("activity_log", {"user": "pete"}))["code"] == "forbidden"
        assert (await patient.call("activity_log", {"user": "pete"}))["status"] == "ok"

        async def told(client: Any, count: int, **query: Any) -> list[tuple[str, str, str]]:
            async with asyncio.timeout(30):
                while True:
                    rows = (await client.call("activity_log", query)).get("rows", [])
                    if len(rows) == count:
                        return [(row["user_id"], row["kind"], row["outcome"]) for row in rows]
                    await asyncio.sleep(0.05)

        assert await told(nurse, 1, user="nell") == [("nell", "field", "ok")]
        assert await told(admin, 1, user="nell") == [("nell", "field", "ok")]
        refused = await told(nurse, 2, patient_id="P-7", kinds=["refusal"])
        assert refused == [("pete", "refusal", "forbidden")] * 2
        assert ("nell", "refusal", "forbidden") in await told(admin, 1, user="nell", kinds=["refusal"])
