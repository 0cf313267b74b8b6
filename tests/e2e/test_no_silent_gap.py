"""A client hears a fact of a new LIVE, then loses its connection before the snapshots that make up for the old one have
reached it: it must not be told that it has everything."""

import asyncio
import random
from contextlib import AsyncExitStack

from confer_contracts.subjects import LIVE
from confer_edge.recovery import SessionRecord, _subject
from confer_kit.settings import KitSettings
from confer_kit.tasks import Tasks
from confer_kit.testing import System, running_system
from confer_kit.testing.chaos.judge import Judge
from confer_kit.testing.chaos.member import Member
from confer_kit.testing.chaos.person import Person
from confer_kit.testing.chaos.sightings import Began, Joined
from confer_kit.testing.chaos.truth import Recorder
from confer_kit.testing.tcp_proxy import tcp_proxy

PATIENT = "A"


async def test_who_was_cut_between_a_reset_and_its_snapshots_begins_anew() -> None:
    tasks = Tasks()
    async with AsyncExitStack() as stack:
        system = await stack.enter_async_context(running_system(CONFER_SLOW_CLIENT_S="60"))
        door = await stack.enter_async_context(tcp_proxy(system.ports["edge"]))
        recorder = Recorder(KitSettings(nats_url=system.nats.url), "chaos")
        await recorder.start()
        stack.push_async_callback(recorder.close)
        stack.push_async_callback(tasks.cancel)
        reader, writer = [Person(name, [url], [PATIENT], random.Random(1)) for name, url in
                          (("reader", door.url), ("writer", system.url()))]  # fmt: skip
        for person in (reader, writer):
            tasks.start(person.run(), person.name)
            await until(lambda p=person: joins(p) == 1)
        await wrote(writer, "before")
        await remade_while_its_lane_is_busy(system, recorder, reader, writer)

        door.black_hole()
        system.processes["sync-svc"].thaw()
        assert reader._pid is not None
        await until_stored(recorder, reader._pid)
        door.reset()
        door.mend()
        await until(lambda: began(reader) == 2)
        await wrote(writer, "after")
        await until(lambda: reader.latest == writer.latest)
        async with recorder.still():
            for person in (reader, writer):
                assert not Judge(person.name, recorder.truth).hear(person.saw).close().problems


async def remade_while_its_lane_is_busy(system: System, recorder: Recorder, reader: Member, writer: Member) -> None:
    """LIVE is another, without what was written meanwhile; and the reader's snapshots wait behind calls of its own."""
    await recorder.catch_up_to_its_end()
    await recorder.link.nc.jetstream(timeout=5).delete_stream(LIVE)
    await wrote(writer, "in no LIVE")
    system.processes["sync-svc"].freeze()
    tasks = Tasks()
    for _ in range(6):
        tasks.start(reader.call("field_update", {"patient_id": PATIENT, "field": "f", "value": 0}))
    await system.provision()
    await recorder.catch_up()
    await until(lambda: "reset or trimmed" in system.processes["edge"].log)
    answer = await writer.call("notification_send", {"to": {"all": True}, "title": "is heard before the snapshots"}, 30)
    assert answer is not None
    await asyncio.sleep(1)


def joins(person: Member) -> int:
    return sum(isinstance(sighting, Joined) for sighting in person.saw)


def began(person: Member) -> int:
    return sum(isinstance(sighting, Began) for sighting in person.saw)


async def wrote(writer: Member, value: str) -> None:
    answer = None
    while answer is None or answer["status"] != "ok":
        answer = await writer.call("field_update", {"patient_id": PATIENT, "field": "f", "value": value})


async def until_stored(recorder: Recorder, pid: str) -> None:
    """Its session is stored as one of the new LIVE: it was mended, as far as the edge knows."""
    js = recorder.link.nc.jetstream(timeout=5)
    async with asyncio.timeout(60):
        while True:
            raw = await js.get_last_msg("SESSIONS", _subject(pid))
            if raw.data and SessionRecord.model_validate_json(raw.data).epoch == recorder.truth.end.epoch:
                return
            await asyncio.sleep(0.2)


async def until(condition: object, within_s: float = 60) -> None:
    assert callable(condition)
    async with asyncio.timeout(within_s):
        while not condition():
            await asyncio.sleep(0.05)
