"""A snapshot is the log up to `as_of`, no more and no less, while people write; and it is quick enough to join by."""

import asyncio
import itertools
from typing import Any

from confer_contracts.ids import patient_room
from confer_contracts.presence import RoomSnapshotRequest
from confer_contracts.subjects import Kind

PATIENT = "P1"
FIELDS, WRITERS, SNAPSHOTS = 200, 4, 40
Rig = Any  # of conftest


async def test_a_snapshot_under_writers_is_the_log_up_to_where_it_says(rig: Rig) -> None:
    for _ in range(2):
        await rig.replica()
    whole = [{"field": f"f{n}", "value": "x" * 50} for n in range(FIELDS)]
    await rig.call("field_update", {"patient_id": PATIENT, "changes": whole})
    stop = asyncio.Event()

    async def write(writer: int) -> None:
        for number in itertools.count():
            if stop.is_set():
                return
            names = {f"f{(number * 7 + k + writer) % FIELDS}" for k in range(3)}
            changes = [{"field": name, "value": f"{writer}-{number}"} for name in sorted(names)]
            answer = await rig.call("field_update", {"patient_id": PATIENT, "changes": changes}, user=f"u{writer}")
            assert answer["status"] == "ok", answer

    taken: list[Any] = []
    async with asyncio.timeout(300), asyncio.TaskGroup() as group:
        for writer in range(WRITERS):
            group.create_task(write(writer))
        asked = RoomSnapshotRequest(kind=Kind.ROOM, id=patient_room(PATIENT), seen={}).model_dump(mode="json")
        seen = 0
        while len(taken) < SNAPSHOTS or taken[-1]["as_of"]["SYNC"] < SNAPSHOTS:
            taken.append(await rig.call("snapshot", {**asked, "seen": {"SYNC": seen}}))
            assert taken[-1]["as_of"]["SYNC"] >= seen, "behind what the joiner has been sent already"
            seen = taken[-1]["as_of"]["SYNC"]
        stop.set()

    facts = await rig.facts(patient_room(PATIENT))
    assert len({part["as_of"]["SYNC"] for part in taken}) > 10, "nobody wrote while they were taken"
    for part in taken:
        expected: dict[str, tuple[int, Any]] = {}
        for fact in facts:
            if fact.seq <= part["as_of"]["SYNC"]:
                expected |= {c["field"]: (c["version"], c["value"]) for c in fact.json()["changes"]}
        assert {name: (f["version"], f["value"]) for name, f in part["fields"].items()} == expected
