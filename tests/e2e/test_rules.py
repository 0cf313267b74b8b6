"""The example's rules in a running system: what happens at a queue and in a record tells those whom it concerns."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import nats
import pytest
import pytest_asyncio

from confer_kit.testing import System, running_system
from confer_kit.testing.client import Client

pytestmark = pytest.mark.asyncio(loop_scope="module")
EXAMPLE = Path(__file__).parents[2] / "deploy" / "rules.example.toml"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def system() -> AsyncIterator[System]:
    async with running_system(CONFER_NOTIFY_RULES_FILE=str(EXAMPLE)) as running:
        await followed(running.nats.url)
        yield running


async def followed(url: str) -> None:
    """The rules' consumers are there: what is stored from now on is theirs."""
    client = await nats.connect(url)
    async with asyncio.timeout(120):
        for stream in ("QUEUE", "PRESENCE"):
            name = f"notify-rules-on-{stream.lower()}"
            while name not in {each.name for each in await client.jetstream().consumers_info(stream)}:
                await asyncio.sleep(0.1)
    await client.close()


def titles(client: Client) -> list[str]:
    return [got.json["title"] for got in client.of("notification")]


async def test_who_is_assigned_hears_when_the_patient_is_called_and_who_is_staff_when_nobody_comes(
    system: System,
) -> None:
    ann, ben, eve = [await Client(name).connect(system.url()) for name in ("ann", "ben", "eve")]
    await eve.until_ok("topic_follow", staff="eyes")
    ticket = (await ann.until_ok("queue_enqueue", queue="eyes", patient_id="P-1", priority="high"))["ticket"]["ticket"]
    await ann.until_ok("queue_assign", queue="eyes", ticket=ticket, user_id="ben")
    called = await ann.until_ok("queue_call_next", queue="eyes", station="Room 2")
    await ben.until(lambda: "P-1 is called" in titles(ben))
    (note,) = ben.of("notification")
    assert note.json["message"] == "Queue eyes, station Room 2, by ann"
    assert note.json["from_user"] == "rule:called"
    await ann.until_ok("queue_no_show", queue="eyes", ticket=ticket, token=called["token"])
    await eve.until(lambda: "P-1 did not come" in titles(eve))
    assert titles(eve) == ["P-1 did not come"]
    assert titles(ben) == ["P-1 is called"]
    for client in (ann, ben, eve):
        await client.close()


async def test_the_nurses_hear_when_the_doctor_joins_the_record_of_who_is_next(system: System) -> None:
    nina = await Client("nina", role="nurse").connect(system.url())
    dora = await Client("dora", role="doctor").connect(system.url())
    for patient in ("P-7", "P-8"):
        await nina.until_ok("queue_enqueue", patient_id=patient)
    await dora.until_ok("join_patient_room", patient_id="P-8")
    await dora.until_ok("join_patient_room", patient_id="P-7")
    await nina.until(lambda: titles(nina))
    assert titles(nina) == ["Dora waits for P-7"]
    (note,) = nina.of("notification")
    told = await nina.until_ok("notification_acknowledge", id=note.json["acknowledge"]["id"])
    assert told["acknowledge"]["by"] == "nina"
    await nina.close()
    await dora.close()
