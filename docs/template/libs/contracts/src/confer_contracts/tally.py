"""What tally-svc is asked and tells: how many of something there are in a room.

Owner: tally-svc.
"""

from typing import Annotated, Final

from pydantic import Field

from confer_contracts import subjects
from confer_contracts.ids import patient_room
from confer_contracts.message import Body, Id, Ok, OpId, Payload
from confer_contracts.route import Call, Fact, Snapshot, View
from confer_contracts.subjects import Kind

SERVICE: Final = "tally"
AMOUNT_MAX: Final = 1000


class TallyAdd(Payload):
    """`amount` may be negative, but the total may not."""

    patient_id: Id
    amount: Annotated[int, Field(strict=True, ge=-AMOUNT_MAX, le=AMOUNT_MAX)] = 1
    op: OpId | None = None


class TallyAdded(Ok):
    total: int


class TallyChanged(Body):
    patient_id: str
    amount: int
    total: int
    user_id: str
    op: str
    timestamp: str


class TallyTotal(Body):
    total: int


TALLY_ADD = Call(
    service=SERVICE, event="tally_add", request=TallyAdd, reply=TallyAdded,
    audience=lambda q: subjects.room_audience(patient_room(q.patient_id)),
    doc="Adds to the tally of a room; every member gets `tally_changed`.",
)  # fmt: skip
CALLS = (TALLY_ADD,)
SNAPSHOTS: tuple[Snapshot, ...] = ()
FACTS = (
    Fact(service=SERVICE, event="tally_changed", kind=Kind.ROOM, body=TallyChanged, doc="Something was added."),
)  # fmt: skip
VIEWS = (
    View(service=SERVICE, event="tally_total", kind=Kind.ROOM, name="tally", body=TallyTotal, doc="What it comes to."),
)  # fmt: skip
