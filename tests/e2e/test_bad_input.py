"""Every client event with every field wrong in every way: refused by name, nothing stored, the connection lives on."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import pytest
import pytest_asyncio

from confer_contracts import catalogue
from confer_kit import clock
from confer_kit.testing import System, running_system
from confer_kit.testing.bad_input import BINARY, Case, cases
from confer_kit.testing.log import LogReader, log_reader
from confer_kit.testing.raw import RawClient, raw_client

pytestmark = pytest.mark.asyncio(loop_scope="module")

BYTES = b"binary"  # also valid UTF-8, which a lenient model would take for text
FACTS = ("log.presence.room.>", "log.sync.>", "log.queue.>", "log.notify.>")  # not the leases of edges
REQUESTS = {
    **{name: call.request for name, call in catalogue.PUBLIC_CALLS.items()},
    **{event.event: event.request for event in catalogue.EDGE_EVENTS if event.request is not None},
}
WITHOUT_REQUEST = sorted(event.event for event in catalogue.EDGE_EVENTS if event.request is None)
_PATIENT = {"patient_id": "P-1"}
_SESSION = {"session_id": "S-1", "step": "vision", "field_name": "left_eye"}
_TICKET = {"queue": "side", "ticket": "t-1"}
_CLAIM = {"queue": "side", "ticket": "t-1", "token": "k-1"}
SAMPLES: dict[str, list[dict[str, Any]]] = {
    "user_heartbeat": [{"step": 1, "last_activity": "2025-11-22", "rooms": ["elsewhere"], "device": "tablet"}],
    "presence_get": [{**_PATIENT, "limit": 5, "after": "1.5~anna"}],
    "field_focus": [{**_PATIENT, "field": "left_eye"}],
    "field_lock": [{**_PATIENT, "field": "left_eye", "lasts_s": 30.5}],
    "field_unlock": [{**_PATIENT, "field": "left_eye"}],
    "field_lock_takeover": [{**_PATIENT, "field": "left_eye", "token": 1, "lasts_s": 30.5}],
    "live_typing": [{**_SESSION, "current_value": "6/", "user_name": "Anna", "typing_speed": 2.5}],
    "cursor_position": [{**_SESSION, "user_name": "Anna"}],
    "field_update": [
        {**_PATIENT, "field": "left_eye", "value": {"a": [1]}},
        {**_PATIENT, "changes": [{"field": "right_eye", "value": 1}]},
    ],
    "step_update": [{**_PATIENT, "step": 1, "status": "completed", "step_name": "Vision"}],
    "step_change": [{**_PATIENT, "step": 1, "step_name": "Vision"}],
    "field_completed": [{**_SESSION, "final_value": "6/9", "user_name": "Anna"}],
    "field_conflict_detected": [{"session_id": "S-1", "field_name": "left_eye", "message": "two"}],
    "activity_log": [
        {**_PATIENT, "limit": 5, "before": 10, "format": "fhir"},
        {"session_id": "S-1", "user": "mali", "kinds": ["field"], "since": "2025-11-22T00:00:00Z",
         "until": "2025-11-23T00:00:00+07:00"},
    ],
    "presence_history": [{**_PATIENT, "since": "2025-11-22T08:00:00Z", "until": "2025-11-23T08:00:00Z", "before": 10}],
    "field_history": [
        {**_PATIENT, "field": "left_eye", "limit": 5, "before": 10}, {"session_id": "S-1", "field": "left_eye"},
    ],
    "field_restore": [
        {**_PATIENT, "field": "left_eye", "version": 1, "base_version": 0},
        {"session_id": "S-1", "step": "vision", "field": "left_eye", "version": 1},
    ],
    "queue_enqueue": [{"queue": "side", "patient_id": "P-1", "priority": "high", "kind": "child"}],
    "queue_call_next": [{"queue": "side", "station": "Room 2", "kinds": ["child"]}],
    "queue_serve": [_CLAIM],
    "queue_done": [_CLAIM],
    "queue_requeue": [_CLAIM | {"place": "end", "reason": "not yet"}],
    "queue_no_show": [_CLAIM | {"reason": "not seen"}],
    "queue_recall": [_CLAIM | {"reason": "not seen"}],
    "queue_renew": [_CLAIM],
    "queue_cancel": [_TICKET | {"reason": "went home"}],
    "queue_hold": [_TICKET | {"token": "k", "reason": "at the toilet"}],
    "queue_resume": [_TICKET | {"reason": "is back"}],
    "queue_priority": [_TICKET | {"priority": "low", "reason": "can wait"}],
    "queue_move": [_TICKET | {"position": 2, "reason": "in pain"}, _TICKET | {"before": "t-2", "reason": "in pain"}],
    "queue_transfer": [_TICKET | {"to": "doctor", "token": "k", "priority": "low", "kind": "child"}],
    "queue_assign": [_TICKET | {"user_id": "ben", "role": "interpreter"}],
    "queue_unassign": [_TICKET | {"user_id": "ben"}],
    "queue_note": [_TICKET | {"text": "wears glasses"}],
    "queue_position": [_TICKET, {"queue": "side", "patient_id": "P-1"}],
    "queue_policy": [{"queue": "side"}],
    "queue_get": [{
        "queue": "side", "statuses": ["waiting"], "priorities": ["low"], "kinds": ["child"], "station": "Room 2",
        "patient_id": "P-1", "limit": 5, "after": 1,
    }],
    "queue_ticket": [_TICKET | {"patient_id": "P-1", "limit": 5, "after": 1}],
    "queue_statistics": [{"queue": "side"}],
    "notification_send": [{
        "to": {"user": "mali"}, "title": "T", "message": "m", "type": "info", "priority": "low", "link": "/x",
        "data": {"a": 1}, "group": "g", "expires_at": clock.iso(clock.now() + 86400), "dedupe": "d",
    }, {"to": {"user": "mali"}, "title": "T", "in_s": 3600}, {
        "to": {"user": "mali"}, "title": "T", "at": clock.iso(clock.now() + 3600),
        "must_acknowledge": {"repeat_s": 60, "repeats": 1, "escalate_to": [{"role": "doctor"}]},
    }],
    "notification_scheduled": [{"limit": 5}],
    "notification_cancel": [{"id": "n-1"}],
    "notification_acknowledge": [{"id": "n-1"}],
    "notification_read": [{"ids": ["n-1"]}],
    "notification_seen": [{"ids": ["n-1"]}],
    "notification_archive": [{"ids": ["n-1"], "undo": True}],
    "notification_inbox": [{
        "limit": 5, "before": "n-1", "unread_only": True, "state": "all", "types": ["info"], "priorities": ["low"],
        "group": "g", "since": "2025-11-22T00:00:00Z",
    }],
    "notification_preferences": [{"preferences": {
        "mute": ["info"], "digest": {"types": ["success"], "every_s": 3600},
        "quiet": {"start": "22:00", "end": "06:30", "zone": "Asia/Bangkok"},
    }}],
    "topic_follow": [{"topic": "board"}],
    "topic_unfollow": [{"topic": "board"}],
    "send_message": [{"target_user": "mali", "message": "hello"}],
    "join_patient_room": [{**_PATIENT, "step": 1}],
    "leave_patient_room": [{**_PATIENT, "step": 1}],
    "join_screening": [{**_PATIENT, "user": {"user_id": "anna", "name": "Anna", "role": "nurse", "step": 1}}],
    "leave_screening": [{**_PATIENT, "step": 1}],
    "join_room": [{"room": "corridor"}],
    "leave_room": [{"room": "corridor"}],
    "queue_open": [{"queue": "side"}],
    "queue_close": [{"queue": "side"}],
    "subscribe_to_updates": [{"type": "alerts", "filters": {"a": [1]}}],
    "authenticate": [{"token": "x", "user_id": "anna", "role": "nurse"}],
}  # fmt: skip


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def system() -> AsyncIterator[System]:
    async with running_system(
        CONFER_PRESENCE_AWAY_AFTER_S="100000", CONFER_LEAVE_GRACE_S="0", CONFER_EVENTS_PER_S="100000"
    ) as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def log(system: System) -> AsyncIterator[LogReader]:
    async with log_reader(system.nats.url) as reader:
        yield reader


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def client(system: System, log: LogReader) -> AsyncIterator[RawClient]:
    """In two rooms and a queue; all that this made is in the logs."""
    async with raw_client(system.url(), {"user_id": "anna", "user_name": "Anna"}) as raw:
        for event, payload in (
            ("join_screening", _PATIENT), ("join_room", {"room": "hospital_mobile_session_S-1"}),
            ("queue_open", {"queue": "side"}),
        ):  # fmt: skip
            assert (await raw.call(event, payload))["status"] == "ok"
        await raw.got(
            "queue_updated", lambda rows: [row["staff_working"] for row in rows] == [["anna"]]
        )  # the last of it
        before = None
        while before != (before := await sequences(log)):
            await asyncio.sleep(0.5)
        yield raw


async def sequences(log: LogReader) -> dict[str, int]:
    return {facts: await log.last_seq(facts) for facts in FACTS}


async def test_the_samples_cover_the_catalogue() -> None:
    assert set(SAMPLES) == set(REQUESTS)


@pytest.mark.parametrize("event", sorted(REQUESTS))
async def test_each_bad_value_is_refused(client: RawClient, log: LogReader, event: str) -> None:
    """First with an ack, then without: the same refusals, as answers and as `error` events."""
    matrix = list(cases(REQUESTS[event], SAMPLES[event]))
    before, begun = await sequences(log), len(client.events)
    numbers = [await send(client, event, case, client.next_number()) for case in matrix]
    messages = []
    for case, number in zip(matrix, numbers, strict=True):
        assert number is not None
        answer = await client.acked(number)
        told = f"{event} {case.label}: {str(answer)[:300]}"
        assert (answer["status"], answer["code"], answer["retry"]) == ("error", "invalid", False), told
        assert any(name in answer["message"] for name in case.names), told
        assert len(answer["message"]) < 1000, told
        messages.append(answer["message"])
    assert not client.bodies("error", begun), "who gets an ack gets no event"

    for case in matrix:
        await send(client, event, case, None)
    await client.until(
        lambda: len(client.bodies("error", begun)) >= len(matrix), "all refusals", since=len(client.events)
    )
    errors = client.bodies("error", begun)
    assert Counter(error["message"] for error in errors) == Counter(messages)
    assert {error["event"] for error in errors} == {event}

    assert (await client.call("ping"))["status"] == "ok"
    assert not client.ended
    assert await sequences(log) == before, "nothing is stored"


async def send(client: RawClient, event: str, case: Case, number: int | None) -> int | None:
    acked = "" if number is None else str(number)
    if case.binary:
        await client.send(f'451-{acked}["{event}",{case.text}]')
        await client.send_bytes(BYTES)
    else:
        await client.send(f'42{acked}["{event}",{case.text}]')
    return number


async def test_no_payload_at_all(client: RawClient, log: LogReader) -> None:
    before = await sequences(log)
    for event in REQUESTS:
        answer = await client.call(event)
        assert (answer["status"], answer["code"], answer["field"]) == ("error", "invalid", "payload")
    assert await sequences(log) == before


@pytest.mark.parametrize("event", WITHOUT_REQUEST)
async def test_events_without_a_request_take_anything(client: RawClient, event: str) -> None:
    begun = len(client.events)
    for text in ("null", "7", '"x"', "[[]]", '{"a":{"b":1}}', "1,2,3", "[" * 500 + "]" * 500):
        number = client.next_number()
        await client.send(f'42{number}["{event}",{text}]')
        assert (await client.acked(number))["status"] == "ok"
    number = client.next_number()
    await client.send(f'451-{number}["{event}",{BINARY}]')
    await client.send_bytes(BYTES)
    assert (await client.acked(number))["status"] == "ok"
    assert not client.bodies("error", begun)


@pytest.mark.parametrize(
    "event",
    ["no_such_event", "connect", "disconnect", "error", "message", "", " ", "*", "call.sync.field_update", "__class__",
     "ห้อง", "a\x00b", 'quote"and\\', "x" * 10_240],
)  # fmt: skip
async def test_an_unknown_event_is_refused(client: RawClient, log: LogReader, event: str) -> None:
    before, begun = await sequences(log), len(client.events)
    answer = await client.call(event, _PATIENT)
    assert (answer["status"], answer["code"], answer["field"]) == ("error", "invalid", "event")
    assert len(answer["message"]) < 300
    await client.emit(event, _PATIENT)
    told = await client.got("error", since=begun)
    assert told["message"] == answer["message"]
    assert await sequences(log) == before


@pytest.mark.parametrize(
    "packet", ["", '42["ping"', "42{}", "42[]", "42[7]", "42", "9", "4x", '42["a",]', '42["a",NaN]'],
)  # fmt: skip
async def test_a_broken_packet_ends_only_its_own_connection(system: System, client: RawClient, packet: str) -> None:
    async with raw_client(system.url(), name="broken") as broken:
        await broken.send(packet)
        await broken.until(lambda: broken.ended, "the end of the connection")
        assert broken.goodbye is not None
        assert broken.goodbye[0] == 1000
        assert "event" in broken.goodbye[1] or "packet" in broken.goodbye[1]
    assert (await client.call("ping"))["status"] == "ok"


async def test_the_samples_are_valid(client: RawClient) -> None:
    """So that each refusal above is for the bad value alone."""
    for event, samples in SAMPLES.items():
        for sample in samples:
            answer = await client.call(event, sample)
            assert answer.get("code") in (None, "not_found", "conflict"), f"{event}: {answer}"


# --- at CONNECT ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"user_id": "x" * 129}, "user_id"),
        ({"user_id": "a\x00b"}, "user_id"),
        ({"user_id": "anna", "user_name": "x" * 201}, "name"),
        ({"user_id": "anna", "user_role": "a\nb"}, "role"),
    ],
)
async def test_a_bad_identity_in_the_query_is_refused(system: System, query: dict[str, str], field: str) -> None:
    async with raw_client(system.url(), query) as client:
        assert client.sid is None
        assert client.refused["data"]["code"] == "invalid"
        assert field in client.refused["message"]


@pytest.mark.parametrize("patient", ["x" * 7000, "a\x00b", "\x7f"])
async def test_a_bad_patient_in_the_query_is_told(system: System, log: LogReader, patient: str) -> None:
    async with raw_client(system.url(), {"user_id": "anna", "patient_id": patient}) as client:
        before = await log.last_seq("log.presence.room.>")
        told = await client.got("error")
        assert (told["code"], told["field"]) == ("invalid", "patient_id")
        assert (await client.call("ping"))["status"] == "ok"
        assert await log.last_seq("log.presence.room.>") == before


@pytest.mark.parametrize("step", ["-1", "abc", "", "1e3", "9" * 5000, "٣", "²", "1001"])
async def test_a_bad_step_in_the_query_is_passed_over(system: System, step: str) -> None:
    query = {"user_id": "anna", "patient_id": f"step {step}"[:60], "step": step}
    async with raw_client(system.url(), query) as client:
        (user,) = await client.got("active_users_updated")
        assert user["step"] is None or 0 <= user["step"] <= 1000


@pytest.mark.parametrize(
    "auth",
    [[], [1], 7, "text", True, {"user_id": 7}, {"user_id": ["x"]}, {"user_id": "a", "role": {"b": 1}}, {}],
    ids=str,
)
async def test_a_bad_auth_payload_is_refused_or_passed_over(system: System, auth: Any) -> None:
    async with raw_client(system.url(), auth=auth) as client:
        if client.sid is None:
            assert client.refused["data"]["code"] == "invalid"
        else:
            assert (await client.got("system_status"))["user_info"]["role"] == "guest"


# --- hostile ids, which are legal ------------------------------------------------------------------------

HOSTILE = [
    "a.>",
    "a",
    "a.b",
    "*",
    ">",
    "a b",
    "=2E",
    "=",
    "สมชาย",
    "😀",
    "session_1",
    "free_x",
    "a/b",
    "'; --",
    "ก" * 42,
]


async def test_hostile_patients_stay_apart(system: System) -> None:
    """Each has a member of its own; a fact for one reaches its room alone."""
    async with AsyncExitStack() as stack:
        members = {}
        for patient in HOSTILE:
            member = members[patient] = await entered(stack, system, patient)
            answer = await member.call("join_patient_room", {"patient_id": patient})
            assert (answer["status"], answer["patient_id"]) == ("ok", patient)
        await_facts = []
        for patient, member in members.items():
            answer = await member.call("field_update", {"patient_id": patient, "field": patient, "value": patient})
            assert (answer["status"], answer["field"], answer["version"]) == ("ok", patient, 1), "a record of its own"
            await_facts.append(member.got("field_updated"))
        await asyncio.gather(*await_facts)
        await asyncio.sleep(0.3)
        for patient, member in members.items():
            told = [(body["patient_id"], body["field"], body["value"]) for body in member.bodies("field_updated")]
            assert told == [(patient, patient, patient)]
            assert not member.bodies("user_joined"), "nobody else is in this room"
            snapshot = await member.call("join_patient_room", {"patient_id": patient})
            assert list(snapshot["sync"]["fields"]) == [patient]
            assert [user["user_id"] for user in snapshot["presence"]["users"]] == [patient]
            rows = (await member.call("activity_log", {"patient_id": patient}))["rows"]
            assert {row["user_id"] for row in rows} == {patient}


async def test_hostile_sessions_and_rooms_stay_apart(system: System) -> None:
    async with AsyncExitStack() as stack:
        names = [*HOSTILE, *(f"hospital_mobile_session_{name}" for name in HOSTILE)]
        members = {}
        for number, room in enumerate(names):
            member = members[room] = await entered(stack, system, f"member-{number}")
            assert (await member.call("join_room", {"room": room}))["room"] == room
            assert not member.bodies("user_joined")
        for session in HOSTILE:
            member = members[f"hospital_mobile_session_{session}"]
            told = {"session_id": session, "step": "s", "field_name": "f", "final_value": session}
            assert (await member.call("field_conflict_detected", {**told, "message": session}))["status"] == "ok"
            assert (await member.call("field_completed", told))["status"] == "ok"
        await asyncio.sleep(0.5)
        for room, member in members.items():
            own = [room.removeprefix("hospital_mobile_session_")] if "hospital" in room else []
            assert [body["message"] for body in member.bodies("collaborative_conflict")] == own
            assert [body["value"] for body in member.bodies("field_updated")] == own
            assert not member.bodies("user_joined")


async def test_hostile_people_queues_and_tickets_stay_apart(system: System) -> None:
    async with AsyncExitStack() as stack:
        people = {name: await entered(stack, system, name) for name in HOSTILE}
        for name, person in people.items():
            queue = {"queue": name}
            assert (await person.call("queue_open", queue))["rows"] == []
            answer = await person.call("queue_enqueue", {**queue, "patient_id": name})
            assert (answer["status"], answer["queue_position"], answer["ticket"]["patient_id"]) == ("ok", 1, name)
            note = {"to": {"user": name}, "title": name}
            assert (await person.call("notification_send", note))["status"] == "ok"
        await asyncio.sleep(0.5)
        for name, person in people.items():
            assert [body["patient_id"] for body in person.bodies("ticket_queued")] == [name]
            assert [body["title"] for body in person.bodies("notification")] == [name]
            called = await person.call("queue_call_next", {"queue": name})
            assert called["ticket"]["patient_id"] == name


async def entered(stack: AsyncExitStack, system: System, user: str) -> RawClient:
    client = await stack.enter_async_context(raw_client(system.url(), {"user_id": user}, name=user))
    await client.got("sync_point")
    return client
