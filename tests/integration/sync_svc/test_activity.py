"""The activity log over a real nats-server: who did what, instead of what, who read it, and what was refused."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest

from confer_contracts.errors import Rejection
from confer_contracts.presence import RoomSnapshotRequest
from confer_contracts.subjects import ACTIVITY, FactSubject
from confer_kit import clock
from confer_kit.facts import NewFact
from confer_kit.process import connected, started
from confer_ops.provision import Ages, provision
from sync_svc import activity
from sync_svc.app import build

Rig = Any  # of conftest
P = {"patient_id": "p 1"}


async def eventually(read: Callable[[], Awaitable[Any]], accept: Callable[[Any], bool]) -> Any:
    """What `read` gives once it is accepted; fails after 90 seconds."""
    async with asyncio.timeout(90):
        while not accept(value := await read()):
            await asyncio.sleep(0.02)
    return value


Rows = list[dict[str, Any]]


async def rows_until(rig: Rig, accept: Callable[[Rows], bool], **query: Any) -> Rows:
    """The rows of a query, once they are accepted."""

    async def listed() -> Any:
        return (await rig.call("activity_log", query)).get("rows", [])

    return list(await eventually(listed, accept))


async def rows(rig: Rig, count: int, **query: Any) -> Rows:
    """The rows of a query, once there are so many."""
    return await rows_until(rig, lambda found: len(found) == count, **query)


async def put(rig: Rig, subject: str, event: str, actor: str, body: bytes = b"{}") -> None:
    fact = NewFact(subject=FactSubject.parse(subject), body=body, event=event, actor=actor, op=clock.new_id())
    last = await rig.log.last(subject)
    await rig.log.append(fact, guard=subject, expected=last.seq if last else 0, timeout=5)


async def test_each_row_tells_who_did_what_instead_of_what(rig: Rig) -> None:
    await rig.replica()
    await rig.call("field_update", {**P, "field": "iop", "value": 14})
    await rig.call("field_update", {**P, "changes": [{"field": "iop", "value": 15}, {"field": "b", "value": None}]})
    await rig.call("field_update", {**P, "field": "iop", "value": 16, "base_version": 1}, user="bob")
    await rig.call("step_change", {**P, "step": 3, "step_name": "Acuity"}, user="bob")
    found = await rows(rig, 4, **P)
    told = [(row["user_id"], row["kind"], row["outcome"], row["changes"]) for row in found]
    iop = {"name": "iop"}
    assert told == [
        ("bob", "step", "ok", [{"name": "step", "old": None, "new": 3}]),
        ("bob", "field", "overwrote", [{**iop, "old": 15, "new": 16, "version": 3}]),
        ("ann", "field", "ok", [{**iop, "old": 14, "new": 15, "version": 2},
                                {"name": "b", "old": None, "new": None, "version": 1}]),
        ("ann", "field", "ok", [{**iop, "old": None, "new": 14, "version": 1}]),
    ]  # fmt: skip
    assert all(len(row["trace_id"]) == 32 and row["patient_id"] == "p 1" for row in found)
    page = await rig.call("activity_log", {**P, "limit": 1, "before": found[1]["sequence"]})
    assert page["rows"] == [found[2]], "a page has its old values from before itself"


async def test_a_person_is_found_in_all_records_and_in_one(rig: Rig) -> None:
    await rig.replica()
    await rig.call("field_update", {**P, "field": "a", "value": 1})
    await rig.call("field_update", {"patient_id": "p 2", "field": "a", "value": 2})
    await rig.call("field_update", {"patient_id": "p 2", "field": "a", "value": 3}, user="bob")
    await put(rig, "log.notify.user.bob.note", "notification", "ann", b'{"id":"n","title":"secret"}')
    await put(rig, "log.presence.room.p=202.ann", "user_joined", "ann")

    async def of(**query: Any) -> list[tuple[str, str]]:
        answer = await rig.call("activity_log", query)
        return sorted((row["kind"], row["audience"]) for row in answer.get("rows", []))

    everywhere = [
        ("field", "room.screening_p 1"), ("field", "room.screening_p 2"), ("notification", "user.bob"),
        ("presence", "room.screening_p 2"),
    ]  # fmt: skip
    await eventually(lambda: of(user="ann"), lambda told: told == everywhere)
    assert await of(user="ann", patient_id="p 2") == [everywhere[1], everywhere[3]]
    assert await of(user="ann", kinds=["notification", "presence"]) == everywhere[2:]
    assert "secret" not in str(await rig.call("activity_log", {"user": "ann"}))


async def test_who_was_in_a_record_between_two_times(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    await rig.replica()
    room = "log.presence.room.p=201"
    for user, event in (("ann", "joined"), ("ben", "joined"), ("ann", "left")):
        await put(rig, f"{room}.{user}", f"user_{event}", user)
    await asyncio.sleep(0.01)  # times are told in milliseconds
    between = clock.iso(clock.now())
    await asyncio.sleep(0.01)
    for user, event in (("cat", "joined"), ("ben", "left")):
        await put(rig, f"{room}.{user}", f"user_{event}", user)

    async def stays(**query: Any) -> list[tuple[str, bool, bool]]:
        answer = await rig.call("presence_history", {**P, **query})
        return [(s["user_id"], s["joined_at"] is not None, s["left_at"] is not None) for s in answer.get("stays", [])]

    everybody = [("ann", True, True), ("ben", True, True), ("cat", True, False)]
    await eventually(stays, lambda found: found == everybody)
    assert await stays(since=between) == everybody[1:]
    assert await stays(until=between) == [("ann", True, True), ("ben", True, False)]

    monkeypatch.setattr(activity, "ROWS_MAX", 2)
    monkeypatch.setattr(activity, "STAYS_ROWS", 2)
    newest = await rig.call("presence_history", P)
    assert (len(newest["stays"]), newest["more"]) == (2, True)
    assert await stays(before=newest["before"]) == [("ann", False, True), ("ben", True, False)]


async def test_reads_and_refusals_are_kept_beside_the_facts(rig: Rig) -> None:
    await rig.replica()
    await rig.call("field_update", {**P, "field": "a", "value": 1})
    refused = await rig.call("field_update", {**P, "field": "a", "value": 1, "base_version": 7}, user="bob", op="o 7")
    assert refused["status"] == "error"
    await rig.call("snapshot", RoomSnapshotRequest(kind="room", id="p=201").model_dump(), user="cat")
    await rig.call("field_history", P, user="dan")
    expected = {
        ("bob", "refusal", "field_update", "invalid"), ("cat", "read", "snapshot", "ok"),
        ("dan", "read", "field_history", "ok"),
    }  # fmt: skip

    def told(found: Rows) -> bool:
        """Those who ask for the rows are told of themselves, too."""
        seen = [(row["user_id"], row["kind"], row["detail"]["call"], row["outcome"]) for row in found]
        return sorted(who for who in seen if who[0] != "ann") == sorted(expected)

    found = await rows_until(rig, told, **P, kinds=["refusal", "read"])
    (refusal,) = [row for row in found if row["kind"] == "refusal"]
    assert (refusal["op"], refusal["detail"]["field"], len(refusal["trace_id"])) == ("o 7", "base_version", 32)
    assert [row["kind"] for row in await rows(rig, 1, **P)] == ["field"], "unless they are asked for"


async def test_rows_between_two_times(rig: Rig) -> None:
    """By the facts' own times, also where ACTIVITY took them in much later."""
    await rig.replica()
    for day in (1, 2, 3):
        body = f'{{"field":"a","value":{day},"version":{day},"timestamp":"2025-01-0{day}T00:00:00.000Z"}}'
        await put(rig, "log.sync.room.p=201.record", "field_updated", "ann", body.encode())
    await rows(rig, 3, **P)

    async def values(**times: str) -> list[int]:
        answer = await rig.call("activity_log", {**P, **times})
        return [row["detail"]["value"] for row in answer["rows"]]

    assert await values(since="2025-01-02T00:00:00Z") == [3, 2]
    assert await values(until="2025-01-02T07:00:00+07:00") == [1]
    assert await values(since="2025-01-01T00:00:00Z", until="2025-01-03T00:00:00Z") == [2, 1]
    assert await values(since="2100-01-01T00:00:00Z") == []
    assert await values(until="2000-01-01T00:00:00Z") == []
    for wrong in ("yesterday", "2025-01-01T00:00:00", "12"):
        answer = await rig.call("activity_log", {**P, "since": wrong})
        assert (answer["code"], "since" in answer["message"]) == ("invalid", True)


async def test_paging_under_writers_gives_each_row_once(rig: Rig) -> None:
    """What is written while somebody pages is newer than the first page: it shifts nothing."""
    await rig.replica()
    for value in range(30):
        await rig.call("field_update", {**P, "field": "a", "value": value})
    await rows(rig, 30, **P)
    done = asyncio.Event()

    async def write() -> int:
        count = 0
        while not done.is_set() or count < 20:
            await rig.call("field_update", {**P, "field": f"b{count % 3}", "value": count}, user="bob")
            count += 1
        return count

    writing = asyncio.create_task(write())
    seen: list[dict[str, Any]] = []
    before = None
    while True:
        page = await rig.call("activity_log", {**P, "limit": 4} | ({"before": before} if before else {}))
        seen += page["rows"]
        before = page["before"]
        assert page["more"] == (before is not None)
        if before is None:
            break
    done.set()
    assert await writing >= 20
    sequences = [row["sequence"] for row in seen]
    assert sequences == sorted(set(sequences), reverse=True)
    assert [row["detail"]["value"] for row in seen if row["user_id"] == "ann"] == list(range(29, -1, -1))


async def test_more_always_says_where_to_go_on(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of rows that are there no longer a page looks through so many; then it says where the next one begins."""
    monkeypatch.setattr(activity, "SEARCHED_MAX", 10)
    await rig.replica()
    for value in range(30):
        await rig.call("field_update", {**P, "field": "a", "value": value})
    found = await rows_until(rig, lambda found: bool(found) and found[0]["detail"]["value"] == 29, **P)
    js = rig.link.nc.jetstream()
    whole = [await js.get_msg(ACTIVITY, seq=seq) for seq in range(1, found[0]["sequence"] + 1)]
    updates = [msg.seq for msg in whole if msg.subject == "log.sync.room.p=201.record"]
    for seq in updates[2:]:
        await js.delete_msg(ACTIVITY, seq)
    pages, before = list[list[int]](), None
    while True:
        page = await rig.call("activity_log", P | ({"before": before} if before else {}))
        pages.append([row["detail"]["value"] for row in page["rows"]])
        before = page["before"]
        if not page["more"]:
            break
        assert before is not None
    assert [value for page in pages for value in page] == [1, 0]
    assert len(pages) == 3


async def test_what_aged_out_is_neither_there_nor_more(rig: Rig) -> None:
    await rig.replica()
    await rig.call("field_update", {**P, "field": "a", "value": 1})
    await rows(rig, 1, **P)
    await provision(rig.link.nc, ages=Ages(activity_days=0.1 / 86400))

    async def listed() -> Any:
        return await rig.call("activity_log", P)

    page = await eventually(listed, lambda answer: answer.get("rows") == [])
    assert (page["more"], page["before"]) == (False, None)


async def test_nobody_reads_activity_until_somebody_asks(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(activity, "FOLLOWED_S", 0.2)
    await rig.replica()

    async def readers() -> int:
        return len(await rig.link.nc.jetstream().consumers_info(ACTIVITY))

    for value in range(3):
        await rig.call("field_update", {**P, "field": "a", "value": value})
        assert await readers() == 0
        found = await rows(rig, value + 1, **P)
        assert [row["detail"]["value"] for row in found] == list(range(value, -1, -1))
        await eventually(readers, lambda count: count == 0)


async def test_only_the_newest_facts_are_looked_through(rig: Rig) -> None:
    for value in range(10):
        await put(rig, "log.sync.room.p=201.record", "field_updated", "ann", b'{"field":"a","value":%d}' % value)
    await eventually(lambda: last_of_activity(rig), lambda last: last == 10)
    await rig.replica(sync_activity_rows=4)
    await put(rig, "log.sync.room.p=201.record", "field_updated", "ann", b'{"field":"a","value":10}')
    found = await rows_until(rig, lambda found: bool(found) and found[0]["detail"]["value"] == 10, **P)
    values = [row["detail"]["value"] for row in found]
    assert values in ([10, 9, 8, 7, 6], [10, 9, 8, 7])  # the last one came after the first question, or before
    assert (await rig.call("activity_log", P))["trimmed"]
    assert not (await rig.call("activity_log", {**P, "since": clock.iso(clock.now() + 3600)}))["trimmed"]


async def last_of_activity(rig: Rig) -> int:
    return int((await rig.link.nc.jetstream().stream_info(ACTIVITY)).state.last_seq)


async def test_a_new_replica_knows_what_was_before_it(rig: Rig) -> None:
    async with AsyncExitStack() as first:
        link = await first.enter_async_context(connected(rig.settings, "sync-svc", asyncio.Event()))
        await first.enter_async_context(started("sync", link, rig.settings, build))
        await link.nc.flush()
        for value in range(5):
            await rig.call("field_update", {**P, "field": "a", "value": value})
        before = await rows(rig, 5, **P)
        of_ann = (await rig.call("activity_log", {"user": "ann"}))["rows"]
    await rig.replica()
    assert await rows(rig, 5, **P) == before == of_ann


async def test_after_the_servers_crash_each_row_is_there_once(rig: Rig) -> None:
    """For a replica that lived through it, and for one that begins after it."""
    await rig.replica()
    for value in range(5):
        await rig.call("field_update", {**P, "field": "a", "value": value})
    before = await rows(rig, 5, **P)
    await rig.server.kill()
    await rig.server.start()

    op = clock.new_id()  # one operation, however often it is sent

    async def write() -> Any:
        try:
            return (await rig.call("field_update", {**P, "field": "b", "value": 1}, op=op))["status"]
        except Rejection:
            return "away"

    await eventually(write, lambda status: status == "ok")
    after = await rows(rig, 6, **P)
    assert after[1:] == before
    await rig.replica()
    for _ in range(4):
        assert await rows(rig, 6, **P) == after


async def test_exported_as_audit_events(rig: Rig) -> None:
    await rig.replica()
    await rig.call("field_update", {**P, "field": "a", "value": 1})
    (row,) = await rows(rig, 1, **P)
    answer = await rig.call("activity_log", {**P, "format": "fhir"})
    (event,) = answer["events"]
    assert answer["rows"] == []
    assert (event["resourceType"], event["recorded"], event["action"]) == ("AuditEvent", row["timestamp"], "C")


async def test_a_sessions_record_has_activity_history_and_restore_too(rig: Rig) -> None:
    await rig.replica()
    session = {"session_id": "S 1"}
    typed = {**session, "step": "vision", "field_name": "va", "final_value": "6/9"}
    await rig.call("field_completed", typed)
    await rig.call("field_completed", {**typed, "final_value": "6/6"})
    history = await rig.call("field_history", {**session, "field": "va"})
    assert [(row["version"], row["value"]) for row in history["rows"]] == [(2, "6/6"), (1, "6/9")]
    op = clock.new_id()
    restore = {**session, "field": "va", "version": 1, "base_version": 2, "step": "vision"}
    answer = await rig.call("field_restore", restore, op=op)
    assert (answer["version"], answer["changes"][0]["value"], answer["changes"][0]["restored"]) == (3, "6/9", 1)
    assert await rig.call("field_restore", restore, op=op) == answer
    *_, fact = await rig.facts("session_S=201")
    assert (fact.event, fact.headers["Confer-Alias"]) == ("field_updated", "live_field_updated")
    assert (fact.json()["new_value"], fact.json()["restored"], fact.json()["step"]) == ("6/9", 1, "vision")
    found = await rows(rig, 3, **session)
    assert [(row["session_id"], row["changes"][0]["old"]) for row in found] == [
        ("S 1", "6/6"), ("S 1", "6/9"), ("S 1", None)
    ]  # fmt: skip
    for wrong in ({}, {**session, **P}):
        assert (await rig.call("field_history", wrong))["code"] == "invalid"
