"""A service of the kit on a real server: every request has an answer, and the answer is honest."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import orjson
import pytest
from nats.aio.msg import Msg
from prometheus_client import REGISTRY

from confer_contracts import catalogue, sync
from confer_contracts.errors import ErrorCode, Rejection
from confer_contracts.message import Identity, Ok
from confer_contracts.presence import RoomSnapshotRequest
from confer_contracts.subjects import VIEWS_AGAIN, FactSubject, Kind
from confer_kit import clock
from confer_kit.calls import Context, ask
from confer_kit.event_log import OutcomeUnknown, Unavailable
from confer_kit.facts import NewFact, StoredFact
from confer_kit.jetstream import JetStreamEventLog
from confer_kit.nats_link import Link
from confer_kit.process import started
from confer_kit.service import Service
from confer_kit.settings import KitSettings
from confer_kit.tasks import Tasks
from confer_kit.testing import NatsServer, nats_server
from confer_kit.testing.counter import Counters
from confer_ops.provision import provision

ANN = Identity(user_id="แอน a.>", name="Ann Thai ไทย", role="doctor", session="s1")
STEP = {"patient_id": "p1", "step": 3, "step_name": "vision"}
SUBJECT = sync.STEP_CHANGE.subject
Handler = Callable[[Any, Context], Awaitable[Any]]
Build = Callable[[Service, KitSettings], None]


def sync_service(handler: Handler, more: Build = lambda service, settings: None) -> Build:
    """A sync-svc whose calls all go to `handler`, and that has no snapshot of its own unless `more` gives it one."""

    async def snapshot(request: RoomSnapshotRequest) -> sync.Record:
        return sync.Record()

    def build(service: Service, settings: KitSettings) -> None:
        for call in catalogue.CALLS:
            if call.service == sync.SERVICE:
                service.serve(call, handler)
        service.snapshot(Kind.ROOM, snapshot)
        more(service, settings)

    return build


async def fine(request: Any, context: Context) -> Ok:
    return Ok(op=context.op)


class Rig:
    def __init__(self, server: NatsServer, stack: AsyncExitStack) -> None:
        self.server = server
        self._stack = stack
        self.link = Link()

    async def connected(self) -> Link:
        link = Link()
        await link.connect(KitSettings(nats_url=self.server.url), "test")
        self._stack.push_async_callback(link.nc.close)
        return link

    async def serve(
        self, handler: Handler = fine, more: Build = lambda service, settings: None, **settings: Any
    ) -> Service:
        own = KitSettings(nats_url=self.server.url, **settings)
        return await self._stack.enter_async_context(
            started("sync", await self.connected(), own, sync_service(handler, more))
        )

    async def ask(self, request: Any = STEP, *, op: str = "op-1", timeout_s: float = 30, subject: str = SUBJECT) -> Any:
        body = request if isinstance(request, bytes) else orjson.dumps(request)
        return orjson.loads(await ask(self.link.nc, subject, body, ANN, op=op, timeout_s=timeout_s))

    async def append(self) -> int:
        log = JetStreamEventLog(self.link.nc)
        subject = FactSubject("sync", "room", f"r{clock.new_id()}", "record")
        return await log.append(NewFact(subject=subject, body=b'{"op":"x"}'), guard=str(subject), expected=0, timeout=5)


@pytest.fixture
async def rig() -> AsyncIterator[Rig]:
    async with AsyncExitStack() as stack:
        made = Rig(await stack.enter_async_context(nats_server()), stack)
        made.link = await made.connected()
        await provision(made.link.nc)
        yield made


async def test_a_handler_gets_the_request_and_who_when_under_which_operation(rig: Rig) -> None:
    heard: list[tuple[Any, Context]] = []

    async def listen(request: Any, context: Context) -> Ok:
        heard.append((request, context))
        return Ok(op=context.op)

    await rig.serve(listen)
    assert await rig.ask(op="ทำ 1.>") == {"status": "ok", "op": "ทำ 1.>"}
    ((request, context),) = heard
    assert request == sync.StepChange.model_validate(STEP)
    assert (context.identity, context.op) == (ANN, "ทำ 1.>")
    assert abs(context.now - clock.now()) < 30
    assert 0 < context.deadline - context.now <= 30


async def test_operators_are_told_of_calls_of_failures_and_of_what_is_read(rig: Rig) -> None:
    async def broken(request: Any, context: Context) -> Ok:
        if context.op == "bad":
            raise ZeroDivisionError
        if context.op == "refused":
            raise Rejection(ErrorCode.CONFLICT, "no")
        return Ok(op=context.op)

    service = await rig.serve(broken)
    for op in ("good", "bad", "refused"):
        await rig.ask(op=op)
    seq = await rig.append()
    assert await service.reached(seq, 30)
    answer = orjson.loads((await rig.link.nc.request("$SRV.STATS.sync-svc", timeout=30)).data)
    (told,) = (each for each in answer["endpoints"] if each["subject"] == SUBJECT)
    assert (told["num_requests"], told["num_errors"]) == (3, 1)
    assert told["data"] | {"now": ""} == {"now": "", "stream": "SYNC", "position": seq, "ready": True}


async def test_nobody_who_serves_is_told_at_once(rig: Rig) -> None:
    async with asyncio.timeout(30):
        with pytest.raises(Rejection) as refused:
            await rig.ask(timeout_s=60)
    assert (refused.value.code, refused.value.code.retry) == (ErrorCode.UNAVAILABLE, True)
    assert "sync" in refused.value.message


async def test_a_server_that_is_away_is_told_at_once(rig: Rig) -> None:
    away = asyncio.Event()
    rig.link.on_disconnect.append(away.set)
    await rig.server.kill()
    await away.wait()
    async with asyncio.timeout(30):
        with pytest.raises(Rejection) as refused:
            await rig.ask(timeout_s=60)
    assert refused.value.code == ErrorCode.UNAVAILABLE
    await rig.server.start()
    async with asyncio.timeout(30):
        while not rig.link.nc.is_connected:
            await asyncio.sleep(0.02)


async def test_only_a_connection_that_we_did_not_close_is_away(rig: Rig, capsys: pytest.CaptureFixture[str]) -> None:
    own, lost = await rig.connected(), await rig.connected()
    away = asyncio.Event()
    lost.on_disconnect.append(away.set)
    await own.close(5)
    assert "NATS is away" not in capsys.readouterr().out
    await rig.server.kill()
    await away.wait()
    assert "NATS is away" in capsys.readouterr().out


async def test_no_answer_in_time_leaves_the_outcome_open(rig: Rig) -> None:
    async def slow(request: Any, context: Context) -> Ok:
        await asyncio.sleep(5)
        return Ok()

    await rig.serve(slow, drain_s=0.1)
    with pytest.raises(Rejection) as refused:
        await rig.ask(timeout_s=0.2)
    assert (refused.value.code, refused.value.code.retry) == (ErrorCode.OUTCOME_UNKNOWN, True)


async def test_a_defect_is_answered_without_its_details(rig: Rig, capsys: pytest.CaptureFixture[str]) -> None:
    async def broken(request: Any, context: Context) -> Ok:
        raise KeyError("the secret of patient 17")

    await rig.serve(broken)
    answer = await rig.ask()
    assert {k: answer[k] for k in ("status", "code", "retry", "op")} == {
        "status": "error", "code": "internal", "retry": False, "op": "op-1",
    }  # fmt: skip
    assert "secret" not in orjson.dumps(answer).decode()
    trace_id = answer["message"].rsplit(" ", 1)[-1]
    assert len(trace_id) == 32
    assert trace_id in capsys.readouterr().out


async def test_an_answer_that_fits_into_no_message_is_told_as_a_defect(rig: Rig) -> None:
    async def long(request: Any, context: Context) -> Ok:
        return Ok(op="x" * 2_000_000)

    await rig.serve(long)
    answer = await rig.ask()
    assert (answer["code"], answer["retry"]) == ("internal", False)


@pytest.mark.parametrize(
    ("error", "code"), [(Unavailable("away"), "unavailable"), (OutcomeUnknown(""), "outcome_unknown")]
)
async def test_what_the_log_could_not_do_is_a_refusal_and_no_defect(rig: Rig, error: Exception, code: str) -> None:
    async def failing(request: Any, context: Context) -> Ok:
        raise error

    await rig.serve(failing)
    answer = await rig.ask()
    assert (answer["code"], answer["retry"], answer["op"]) == (code, True, "op-1")


async def test_a_refusal_carries_its_code_field_and_details(rig: Rig) -> None:
    async def refuse(request: Any, context: Context) -> Ok:
        raise Rejection(ErrorCode.CONFLICT, "base_version: moved on", field="base_version", details={"version": 4})

    await rig.serve(refuse)
    assert await rig.ask() == {
        "status": "error", "code": "conflict", "message": "base_version: moved on", "retry": False, "op": "op-1",
        "field": "base_version", "version": 4,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (STEP | {"step": "three"}, "step"),
        (STEP | {"patient_id": ""}, "patient_id"),
        ({"step": 3, "step_name": "x"}, "patient_id"),
        (b"[1]", None),
        (b"{", None),
        (b"", None),
        (b"\xff\xfe", None),
    ],
)
async def test_a_wrong_request_is_refused_before_the_handler_sees_it(rig: Rig, body: Any, field: str | None) -> None:
    async def unreachable(request: Any, context: Context) -> Ok:
        raise AssertionError

    await rig.serve(unreachable)
    answer = await rig.ask(body)
    assert (answer["code"], answer.get("field")) == ("invalid", field)


async def test_a_request_without_its_headers_is_refused(rig: Rig) -> None:
    await rig.serve()
    for headers in (None, {"Confer-Op": "x"}, {"Confer-Identity": "{}", "Confer-Op": "x", "Confer-Deadline": "soon"}):
        answer = orjson.loads((await rig.link.nc.request(SUBJECT, b"{}", timeout=5, headers=headers)).data)
        assert answer["code"] == "invalid"


async def test_a_request_that_wants_no_answer_does_no_harm(rig: Rig, capsys: pytest.CaptureFixture[str]) -> None:
    """No part of ours sends one, but whoever has an edge's key may."""
    held, release = asyncio.Event(), asyncio.Event()

    async def hold(request: Any, context: Context) -> Ok:
        held.set()
        await release.wait()
        return Ok(op=context.op)

    await rig.serve(hold, in_flight_max=1)
    before = refusals("invalid")
    await rig.link.nc.publish(SUBJECT, b"{}")  # refused for its headers
    async with asyncio.timeout(60):
        while refusals("invalid") == before:
            await asyncio.sleep(0.01)
        waiting = asyncio.ensure_future(rig.ask(op="1"))
        await held.wait()
    await rig.link.nc.publish(SUBJECT, b"{}")  # over the limit
    assert (await rig.ask(op="2"))["code"] == "limit_exceeded"
    release.set()
    assert (await waiting)["status"] == "ok"
    assert "failed" not in capsys.readouterr().out


def refusals(outcome: str = "limit_exceeded") -> float:
    return REGISTRY.get_sample_value("confer_requests_total", {"route": SUBJECT, "outcome": outcome}) or 0.0


async def test_more_than_the_limit_in_flight_is_refused_at_once(rig: Rig) -> None:
    release, busy = asyncio.Event(), asyncio.Semaphore(0)

    async def hold(request: Any, context: Context) -> Ok:
        busy.release()
        await release.wait()
        return Ok(op=context.op)

    await rig.serve(hold, in_flight_max=2)
    held = asyncio.gather(rig.ask(op="1"), rig.ask(op="2"))
    await busy.acquire()
    await busy.acquire()
    before = refusals()
    refused = await rig.ask(op="3")
    assert (refused["code"], refused["retry"]) == ("limit_exceeded", True)
    assert refusals() == before + 1
    assert REGISTRY.get_sample_value("confer_requests_in_flight") == 2
    release.set()
    assert [answer["op"] for answer in await held] == ["1", "2"]
    assert (await rig.ask(op="3"))["status"] == "ok"


async def test_a_drain_answers_what_is_in_flight_and_takes_nothing_new(rig: Rig) -> None:
    release, busy = asyncio.Event(), asyncio.Event()

    async def hold(request: Any, context: Context) -> Ok:
        busy.set()
        await release.wait()
        return Ok(op=context.op)

    service = await rig.serve(hold)
    tasks = Tasks()
    answer = tasks.start(rig.ask(op="in flight"))
    await busy.wait()
    draining = tasks.start(service.drain())
    async with asyncio.timeout(30):
        while True:  # the server hears of the drain a moment later
            with pytest.raises(Rejection) as refused:
                await rig.ask(timeout_s=0.2)
            if refused.value.code == ErrorCode.UNAVAILABLE:
                break
    assert not answer.done()
    release.set()
    assert await answer == {"status": "ok", "op": "in flight"}
    await draining


async def test_a_snapshot_waits_until_the_service_has_what_the_edge_has_seen(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("confer_kit.service.SNAPSHOT_WAIT_S", 30.0)
    answered_at: list[int] = []

    def more(service: Service, settings: KitSettings) -> None:
        async def snapshot(request: RoomSnapshotRequest) -> sync.Record:
            answered_at.append(service.position)
            return sync.Record(as_of={service.stream: service.position})

        service.snapshot(Kind.ROOM, snapshot)

    service = await rig.serve(more=more)
    seen = service.position + 1
    request = RoomSnapshotRequest(kind="room", id="r1", seen={"SYNC": seen}).model_dump()
    asked = asyncio.gather(rig.ask(request, subject="call.sync.snapshot"))
    await asyncio.sleep(0.2)
    assert not answered_at
    await rig.append()
    (answer,) = await asked
    assert answered_at == [seen]
    assert answer["as_of"] == {"SYNC": seen}


async def test_a_replica_that_stays_behind_gives_no_snapshot(rig: Rig) -> None:
    """It would lack, without a word, what the asking edge has delivered already."""
    await rig.serve()
    request = RoomSnapshotRequest(kind="room", id="r1", seen={"SYNC": 10**9}).model_dump()
    answer = await rig.ask(request, subject="call.sync.snapshot")
    assert (answer["code"], answer["retry"]) == ("unavailable", True)


async def test_observers_see_each_fact_after_the_ledgers_had_it(rig: Rig) -> None:
    counters = Counters()
    states: list[tuple[int, int]] = []

    def more(service: Service, settings: KitSettings) -> None:
        ledger = service.ledger(counters)

        def observe(fact: StoredFact) -> None:
            folded = ledger._folds.get("r1")
            states.append((fact.seq, folded.state.value if folded else 0))

        async def load(request: RoomSnapshotRequest) -> sync.Record:
            await ledger.load("r1")
            return sync.Record()

        service.snapshot(Kind.ROOM, load)
        service.follow(observe)

    service = await rig.serve(more=more)
    await rig.ask(RoomSnapshotRequest(kind="room", id="r1").model_dump(), subject="call.sync.snapshot")
    subject, last = counters.subject("r1"), 0
    for _ in range(3):
        fact = NewFact(subject=subject, body=b'{"op":"x"}')
        last = await JetStreamEventLog(rig.link.nc).append(fact, guard=str(subject), expected=last, timeout=5)
    assert await service.reached(last, 10)
    assert states == [(last - 2, 1), (last - 1, 2), (last, 3)]


async def test_a_fact_that_no_service_wrote_is_counted_and_told(rig: Rig, capsys: pytest.CaptureFixture[str]) -> None:
    def foreign() -> float:
        return REGISTRY.get_sample_value("confer_facts_foreign_total", {"stream": "SYNC"}) or 0.0

    service = await rig.serve()
    before = foreign()
    assert await service.reached(await rig.append(), 10)
    assert foreign() == before
    ack = await rig.link.nc.jetstream().publish("log.sync.room.r1.record", b"no JSON")
    assert await service.reached(ack.seq, 10)
    assert foreign() == before + 1
    assert f"a fact that no service wrote stream=SYNC seq={ack.seq}" in capsys.readouterr().out


async def test_one_service_asks_another_for_its_snapshot_and_hears_its_refusal(rig: Rig) -> None:
    async def load(request: RoomSnapshotRequest) -> Ok:
        if request.id == "secret":
            raise Rejection(ErrorCode.FORBIDDEN, "id: not for you", field="id", details={"allowed": [1]})
        return Ok(op=request.id)

    service = await rig.serve(more=lambda service, settings: service.snapshot(Kind.ROOM, load))
    assert (await service.ask_snapshot("sync", RoomSnapshotRequest(kind="room", id="r1")))["op"] == "r1"
    with pytest.raises(Rejection) as refused:
        await service.ask_snapshot("sync", RoomSnapshotRequest(kind="room", id="secret"))
    refusal = refused.value
    assert (refusal.code, refusal.field, refusal.details) == (ErrorCode.FORBIDDEN, "id", {"allowed": [1]})


async def test_periodic_work_goes_on_after_it_failed(rig: Rig) -> None:
    runs = asyncio.Semaphore(0)

    async def work() -> None:
        runs.release()
        raise ValueError("this time")

    await rig.serve(more=lambda service, settings: service.every(0.01, work))
    async with asyncio.timeout(30):
        for _ in range(3):
            await runs.acquire()


async def test_a_long_log_is_read_to_its_end_however_long_that_takes(rig: Rig) -> None:
    facts, each_s, patience_s = 2000, 0.001, 1.0
    for _ in range(facts - 1):
        await rig.link.nc.publish("log.sync.room.r1.record", b"{}")
    await rig.link.nc.jetstream().publish("log.sync.room.r1.record", b"{}", timeout=60)  # all are stored
    loop, seen = asyncio.get_running_loop(), list[int]()

    def work(fact: StoredFact) -> None:
        seen.append(fact.seq)
        until = loop.time() + each_s
        while loop.time() < until:
            pass

    began = loop.time()
    await rig.serve(more=lambda service, settings: service.follow(work, start="all"), nats_connect_s=patience_s)
    assert len(seen) == facts
    assert loop.time() - began > patience_s


async def test_a_log_that_cannot_be_read_ends_the_start_with_a_sentence(rig: Rig) -> None:
    link = await rig.connected()
    rig.server.freeze()
    try:
        with pytest.raises(SystemExit, match="the stream SYNC cannot be read"):
            async with started("sync", link, KitSettings(nats_connect_s=0.2, drain_s=0.1), sync_service(fine)):
                pass
    finally:
        rig.server.thaw()


async def test_a_service_without_a_handler_for_each_of_its_calls_does_not_start(rig: Rig) -> None:
    def build(service: Service, settings: KitSettings) -> None:
        service.serve(sync.STEP_CHANGE, fine)

    with pytest.raises(RuntimeError, match=r"call\.sync\.field_update"):
        async with started("sync", await rig.connected(), KitSettings(nats_url=rig.server.url), build):
            pass


async def test_views_are_shown_again_to_who_missed_them_and_never_half_drawn(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("confer_kit.service.ANNOUNCE_S", 3600.0)
    service = await rig.serve()
    shown: asyncio.Queue[Msg] = asyncio.Queue()
    await rig.link.nc.subscribe("view.>", cb=shown.put)
    await rig.link.settled()
    (steps,) = sync.VIEWS
    async with asyncio.timeout(30):
        service.views.coalesce(steps, "r1", lambda: (b"[]", 7))
        assert (await shown.get()).data == b"[]"
        await rig.link.nc.publish(VIEWS_AGAIN)
        assert (await shown.get()).data == b"[]"
        service.views.hold()
        service.views.coalesce(steps, "r1", lambda: (b"[1]", 8))
        await rig.link.nc.publish(VIEWS_AGAIN)
        await asyncio.sleep(1)
        assert shown.empty()
        service.views.release()
        assert (await shown.get()).data == b"[1]"
