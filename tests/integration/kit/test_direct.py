"""Reading a subject from replicas of which some lag behind: what they leave out is not taken for the end."""

import pytest
from nats.aio.client import Client
from nats.js.api import StreamConfig

from confer_kit import direct
from confer_kit.direct import read, read_all
from confer_kit.event_log import Unavailable
from confer_kit.follower import Delivered
from confer_kit.nats_link import Link
from confer_kit.settings import KitSettings
from confer_kit.testing import nats_server

SUBJECT = "room.P1"


async def test_a_replica_that_has_not_got_everything_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    batch, behind = direct._batch, [0]

    async def lagging(nc: Client, stream: str, subject: str, start: int) -> list[Delivered]:
        """The next `behind` answers lack the last two messages."""
        found = await batch(nc, stream, subject, start)
        behind[0] -= 1
        return found[:-2] if behind[0] >= 0 else found

    async with nats_server() as server:
        link = Link()
        await link.connect(KitSettings(nats_url=server.url), "test")
        js = link.nc.jetstream()
        await js.add_stream(StreamConfig(name="LIVE", subjects=["room.*"], allow_direct=True))
        for number in range(1, 6):
            await js.publish(SUBJECT, str(number).encode())
        await js.publish("room.P2", b"another")
        monkeypatch.setattr(direct, "_batch", lagging)

        behind[0] = 2
        assert len(await read(link.nc, "LIVE", SUBJECT, after=1, upto=4)) == 2, "nobody lagged behind"
        behind[0] = 2
        whole = await read_all(link.nc, "LIVE", SUBJECT, after=1, upto=4)
        assert [message.data for message in whole] == [b"2", b"3", b"4"]
        behind[0] = 100
        with pytest.raises(Unavailable):
            await read_all(link.nc, "LIVE", SUBJECT, after=1, upto=4)
        behind[0] = 0
        assert await read_all(link.nc, "LIVE", SUBJECT, after=5, upto=6) == []
        assert await read_all(link.nc, "LIVE", "room.P3", after=0, upto=6) == []
        with pytest.raises(Unavailable):
            await read_all(link.nc, "NOWHERE", SUBJECT, after=0, upto=6)
        await link.close(1)
