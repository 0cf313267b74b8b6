"""Views: many changes, few messages; the last word is always said, and said again."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import nats.errors
import pytest

from confer_contracts.route import View
from confer_contracts.subjects import Header, Kind
from confer_kit import metrics, views
from confer_kit.nats_link import Link
from confer_kit.tasks import Tasks
from confer_kit.views import ANNOUNCED_FOR_S, COALESCE_S, Views

TABLE = View(service="queue", event="queue_updated", kind=Kind.QUEUE, name="table", body=list[str], doc="rows")
COUNTS = View(service="notify", event="notification_counts", kind=Kind.USER, name="counts", body=int, doc="unread")


@dataclass
class Recorder:
    """Stands where the NATS client is: notes what is published; `broken` refuses everything."""

    sent: list[tuple[str, bytes, dict[str, str]]] = field(default_factory=list)
    broken: bool = False

    async def publish(self, subject: str, body: bytes, headers: dict[str, str]) -> None:
        if self.broken:
            raise nats.errors.OutboundBufferLimitError
        self.sent.append((subject, body, headers))


class Rig:
    def __init__(self) -> None:
        self.recorder = Recorder()
        link = Link()
        link.nc = self.recorder  # type: ignore[assignment]
        self.views = Views(link)
        self.value = 0

    def draw(self) -> tuple[bytes, int]:
        return str(self.value).encode(), self.value

    async def until_sent(self, count: int) -> None:
        async with asyncio.timeout(30):
            while len(self.recorder.sent) < count:
                await asyncio.sleep(0.005)

    @property
    def bodies(self) -> list[str]:
        return [body.decode() for _, body, _ in self.recorder.sent]


@pytest.fixture
async def rig() -> AsyncIterator[Rig]:
    made, tasks = Rig(), Tasks()
    tasks.start(made.views.run())
    yield made
    await tasks.cancel()


async def test_a_view_goes_out_under_its_subject_with_what_it_reflects(rig: Rig) -> None:
    await rig.views.publish(TABLE, "screening", b"[]", as_of=7)
    await rig.views.publish(TABLE, "screening", b"[]", as_of=8, origin="s1")
    subjects, _, headers = zip(*rig.recorder.sent, strict=True)
    assert set(subjects) == {"view.queue.screening.table"}
    assert headers[0] == {Header.EVENT: "queue_updated", Header.AS_OF: "7"}
    assert headers[1] == {Header.EVENT: "queue_updated", Header.AS_OF: "8", Header.ORIGIN: "s1"}


async def test_a_large_view_is_sent_less_often_and_its_last_word_is_said(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(views, "BYTES_PER_S", 10)  # a letter rests for two turns
    for rig.value in (1, 2, 3):
        rig.views.coalesce(TABLE, "q", rig.draw)
        await rig.until_sent(rig.value)
    assert rig.bodies == ["1", "2", "3"]


async def test_while_a_large_view_rests_others_are_sent(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(views, "BYTES_PER_S", 1e-6)  # a letter rests for ever
    rig.views.coalesce(TABLE, "large", lambda: (b"x", 1))
    await rig.until_sent(1)
    rig.views.coalesce(TABLE, "large", lambda: (b"y", 2))
    for number in (1, 2):
        rig.views.coalesce(TABLE, f"q{number}", lambda number=number: (b"%d" % number, number))  # type: ignore[misc]
        await rig.until_sent(1 + number)
    assert rig.bodies == ["x", "1", "2"]


async def test_many_changes_at_once_are_one_message_with_the_last_state(rig: Rig) -> None:
    for rig.value in range(1, 101):
        rig.views.coalesce(TABLE, "q", rig.draw)
    await rig.until_sent(1)
    await asyncio.sleep(0.1)
    assert rig.bodies == ["100"]
    assert rig.recorder.sent[0][2][Header.AS_OF] == "100"


async def test_changes_over_time_are_few_messages_and_the_last_one_is_among_them(rig: Rig) -> None:
    changes, began = 60, asyncio.get_running_loop().time()
    for rig.value in range(1, changes + 1):
        rig.views.coalesce(TABLE, "q", rig.draw)
        await asyncio.sleep(0.004)
    async with asyncio.timeout(30):
        while rig.bodies[-1:] != [str(changes)]:
            await asyncio.sleep(0.005)
    passed_s = asyncio.get_running_loop().time() - began
    assert len(rig.bodies) <= passed_s / COALESCE_S + 2


async def test_each_audience_has_a_message_of_its_own(rig: Rig) -> None:
    for ident in ("a", "b"):
        rig.views.coalesce(TABLE, ident, rig.draw)
        rig.views.coalesce(COUNTS, ident, rig.draw)
    await rig.until_sent(4)
    subjects = {subject for subject, *_ in rig.recorder.sent}
    assert subjects == {"view.queue.a.table", "view.queue.b.table", "view.user.a.counts", "view.user.b.counts"}


async def test_a_view_that_cannot_be_drawn_holds_up_no_other(rig: Rig) -> None:
    def broken() -> tuple[bytes, int]:
        raise KeyError("a defect")

    rig.views.coalesce(TABLE, "broken", broken)
    rig.views.coalesce(TABLE, "fine", rig.draw)
    await rig.until_sent(1)
    assert rig.recorder.sent[0][0] == "view.queue.fine.table"


async def test_what_could_not_be_sent_is_announced_later(rig: Rig) -> None:
    rig.recorder.broken = True
    rig.value = 5
    rig.views.coalesce(TABLE, "q", rig.draw)
    await asyncio.sleep(0.1)
    rig.recorder.broken = False
    await rig.views.announce()
    assert rig.bodies == ["5"]


async def test_what_changed_lately_is_announced_as_it_is_now_and_the_rest_is_not(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    now: dict[str, Any] = {"at": 1000.0}
    monkeypatch.setattr("confer_kit.clock.now", lambda: now["at"])
    rig.views.coalesce(TABLE, "old", rig.draw)
    await rig.until_sent(1)
    now["at"] += ANNOUNCED_FOR_S
    rig.views.coalesce(TABLE, "fresh", rig.draw)
    await rig.until_sent(2)
    now["at"] += 1
    rig.value = 9
    await rig.views.announce()
    assert [subject for subject, *_ in rig.recorder.sent[2:]] == ["view.queue.fresh.table"]
    assert rig.bodies[-1] == "9"


async def test_what_is_shown_again_says_so_even_when_a_change_comes_in_between(rig: Rig) -> None:
    rig.views.coalesce(TABLE, "screening", rig.draw, again=True)
    rig.views.coalesce(TABLE, "screening", rig.draw)
    await rig.until_sent(1)
    rig.views.coalesce(TABLE, "screening", rig.draw)
    await rig.until_sent(2)
    assert [Header.AGAIN in headers for _, _, headers in rig.recorder.sent] == [True, False]


async def test_as_many_wait_as_the_bound_while_they_are_held(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(views, "WAITING_MAX", 3)
    before = metrics.VIEWS_DROPPED._value.get()
    rig.views.hold()
    for ident in ("a", "b", "c", "a", "d", "e"):
        rig.views.coalesce(TABLE, ident, rig.draw)
    rig.views.release()
    await rig.until_sent(3)
    assert [subject.split(".")[2] for subject, _, _ in rig.recorder.sent] == ["c", "d", "e"]
    assert metrics.VIEWS_DROPPED._value.get() - before == 2


async def test_as_many_are_announced_as_the_bound_those_that_changed_last(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(views, "ANNOUNCED_MAX", 3)
    for ident in ("a", "b", "c", "a", "d", "e"):
        rig.views.coalesce(TABLE, ident, rig.draw)
    await rig.until_sent(5)
    before = len(rig.recorder.sent)
    await rig.views.announce()
    again = [subject.split(".")[2] for subject, _, _ in rig.recorder.sent[before:]]
    assert again == ["a", "d", "e"]
