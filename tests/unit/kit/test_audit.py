"""What AUDIT is told: reads and refusals, without contents, at a bounded rate; the rest is counted."""

import json
from dataclasses import dataclass, field
from typing import Any

import nats.errors
import pytest

from confer_contracts.errors import FAILURES
from confer_contracts.message import Identity
from confer_contracts.sync import ACTIVITY_LOG, FIELD_UPDATE
from confer_kit import clock
from confer_kit.audit import BURST_S, Audit, Audited
from confer_kit.calls import Context, nobody
from confer_kit.metrics import REGISTRY
from confer_kit.nats_link import Link

ANN = Identity(user_id="แอน", name="Ann", role="nurse", session="s1")
UPDATE = Audited(FIELD_UPDATE.event, FIELD_UPDATE.audience, FIELD_UPDATE.reads)
ACTIVITY = Audited(ACTIVITY_LOG.event, ACTIVITY_LOG.audience, ACTIVITY_LOG.reads)
INBOX = Audited("notification_read", None)
WRITING = FIELD_UPDATE.request.model_validate({"patient_id": "p 1", "field": "iop", "value": "secret"})
READING = ACTIVITY_LOG.request.model_validate({"patient_id": "p 1"})


@dataclass
class Recorder:
    """Stands where the NATS client is: notes what is published."""

    sent: list[tuple[str, dict[str, Any], dict[str, str]]] = field(default_factory=list)
    is_connected: bool = True
    broken: bool = False

    async def publish(self, subject: str, body: bytes, headers: dict[str, str]) -> None:
        if self.broken:
            raise nats.errors.OutboundBufferLimitError
        self.sent.append((subject, json.loads(body), headers))


class Rig:
    def __init__(self, rate: float = 10) -> None:
        self.recorder = Recorder()
        link = Link()
        link.nc = self.recorder  # type: ignore[assignment]
        self.audit = Audit(link, rate)

    async def tell(
        self, about: Audited = UPDATE, outcome: str = "conflict", who: Identity = ANN, what: str | None = None
    ) -> None:
        context = Context(identity=who, op="op 1", now=0, deadline=0)
        await self.audit.tell(about, READING if about is ACTIVITY else WRITING, context, outcome, what)


@pytest.fixture(autouse=True)
def now(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    time = [1_750_000_000.0]
    monkeypatch.setattr(clock, "now", lambda: time[0])
    return time


def counted(outcome: str) -> float:
    return REGISTRY.get_sample_value("confer_audit_total", {"outcome": outcome}) or 0.0


async def test_a_refusal_is_told_with_its_code_and_no_value() -> None:
    rig = Rig()
    await rig.tell(what="base_version")
    ((subject, body, headers),) = rig.recorder.sent
    assert subject == "log.audit.room.p=201.field_update"
    assert body == {
        "call": "field_update", "outcome": "conflict", "field": "base_version", "role": "nurse",
        "timestamp": clock.iso(1_750_000_000.0),
    }  # fmt: skip
    assert headers == {
        "Confer-Event": "refused", "Confer-Actor": "=E0=B9=81=E0=B8=AD=E0=B8=99", "Confer-Origin": "s1",
        "Confer-Op": "op=201",
    }  # fmt: skip


async def test_a_read_is_told_and_a_write_that_was_taken_is_not() -> None:
    rig = Rig()
    await rig.tell(UPDATE, "ok")
    await rig.tell(ACTIVITY, "ok")
    ((subject, body, headers),) = rig.recorder.sent
    assert (subject, body["outcome"], headers["Confer-Event"]) == ("log.audit.room.p=201.activity_log", "ok", "read")


async def test_what_has_no_audience_is_of_the_callers_own() -> None:
    rig = Rig()
    await rig.tell(INBOX, "invalid")
    assert rig.recorder.sent[0][0] == "log.audit.user.=E0=B9=81=E0=B8=AD=E0=B8=99.notification_read"


async def test_failures_and_processes_that_ask_for_themselves_are_not_told() -> None:
    rig = Rig()
    for outcome in FAILURES:
        await rig.tell(outcome=outcome)
    await rig.tell(ACTIVITY, "ok", who=nobody("queue"))
    assert rig.recorder.sent == []


async def test_what_is_over_the_rate_is_dropped_and_counted(now: list[float]) -> None:
    rig, before = Rig(rate=2), counted("over_rate")
    for _ in range(15):
        await rig.tell()
    assert (len(rig.recorder.sent), counted("over_rate") - before) == (2 * BURST_S, 5)
    now[0] += 1
    for _ in range(5):
        await rig.tell()
    assert len(rig.recorder.sent) == 2 * BURST_S + 2
    now[0] -= 3600  # a clock that is put back gives nothing and takes nothing
    await rig.tell()
    assert len(rig.recorder.sent) == 2 * BURST_S + 2


async def test_with_a_rate_of_0_nothing_is_told() -> None:
    rig = Rig(rate=0)
    await rig.tell()
    assert rig.recorder.sent == []


@pytest.mark.parametrize(("connected", "broken"), [(False, False), (True, True)])
async def test_while_nats_is_away_it_is_counted_and_nobody_fails(connected: bool, broken: bool) -> None:
    rig, before = Rig(), counted("away")
    rig.recorder.is_connected, rig.recorder.broken = connected, broken
    await rig.tell()
    assert (rig.recorder.sent, counted("away") - before) == ([], 1)
