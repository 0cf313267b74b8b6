"""The queue's table as the portal draws it."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from pydantic import TypeAdapter

from confer_contracts.queue import DashboardQuery, QueueRow
from confer_contracts.route import View
from queue_svc.codec import encode
from queue_svc.domain.estimate import BASIS_MIN
from queue_svc.domain.number import Number
from queue_svc.domain.ticket import Attendance, Change, Claim, Ticket, TicketChanged
from queue_svc.table import TABLE_BYTES_MAX, bounded, rows
from queue_svc.views import Tables

T0 = 1_700_000_000.0
CLAIM = Claim("ana", "s-ana", "token-1", T0 + 1800)


class Sent:
    """Renders at once what a service would render soon."""

    def __init__(self) -> None:
        self.bodies: dict[str, Any] = {}
        self.boards: dict[str, Any] = {}
        self.as_of = 0

    def coalesce(self, view: View, ident: str, render: Callable[[], tuple[bytes, int]]) -> None:
        body, self.as_of = render()
        shown = self.bodies if view.event == "queue_updated" else self.boards
        shown[ident] = json.loads(body)


class Log:
    """Facts in order, into tables."""

    def __init__(self) -> None:
        self.sent = Sent()
        self.position = 0
        self.tables = Tables(self.sent, lambda: self.position)

    def add(self, change: Change, ticket: Ticket, key: str = "screening") -> None:
        event = TicketChanged(change=change, ticket=ticket, user="ana", op=f"o{self.position}", at=T0)
        self.position += 1
        assert self.tables.apply(encode(key, event).stored(self.position, T0)) == (key, ticket)
        self.tables.changed(key)


def ticket(number: int, **members: object) -> Ticket:
    made = Ticket(id=f"t{number}", patient_id=f"p{number}", priority="normal", arrival=number, created_at=T0)
    return replace(made, **members)  # type: ignore[arg-type]


def test_rows_have_the_portals_members_and_are_in_calling_order() -> None:
    log = Log()
    log.add(Change.QUEUED, ticket(1))
    log.add(Change.QUEUED, ticket(2, staff=(Attendance("ana", 5, True), Attendance("ben", 6, False)), step=3))
    log.add(Change.QUEUED, ticket(3, priority="high"))
    log.add(Change.CALLED, ticket(2, staff=(Attendance("ana", 5, True),), step=3, status="called", claim=CLAIM))
    table = log.sent.bodies["screening"]
    assert [(row["patient_id"], row["queue_position"]) for row in table] == [("p2", 1), ("p3", 2), ("p1", 3)]
    assert table[0] == {
        "patient_id": "p2", "queue_position": 1, "current_step": 3, "priority": "normal", "staff_working": ["ana"],
        "status": "called", "ticket": "t2", "number": "#2", "estimated_completion": None,
        "created_at": "2023-11-14T22:13:20.000Z",
    }  # fmt: skip
    assert log.sent.as_of == 4


def test_a_queue_that_empties_sends_an_empty_table_and_is_forgotten() -> None:
    log = Log()
    log.add(Change.QUEUED, ticket(1))
    log.add(Change.CANCELLED, ticket(1, status="cancelled"))
    assert log.sent.bodies == {"screening": []}
    assert log.tables.table("screening").as_of == {"QUEUE": 2}
    assert list(log.tables.claimed()) == []


def test_claims_of_every_queue_are_known() -> None:
    log = Log()
    log.add(Change.QUEUED, ticket(1))
    log.add(Change.CALLED, ticket(1, status="called", claim=CLAIM))
    log.add(Change.QUEUED, ticket(2), key="x-ray")
    log.add(Change.CALLED, ticket(2, status="called", claim=CLAIM), key="x-ray")
    assert [(key, held.id) for key, held in log.tables.claimed()] == [("screening", "t1"), ("x-ray", "t2")]


def test_the_dashboard_tells_who_waits_how_many_there_are_and_how_many_were_done() -> None:
    log = Log()
    for number in (1, 2, 3, 4):
        log.add(Change.QUEUED, ticket(number))
    log.add(Change.CALLED, ticket(1, status="called", claim=CLAIM))
    log.add(Change.DONE, ticket(1, status="done", claim=CLAIM))
    log.add(Change.CALLED, ticket(2, status="called", claim=CLAIM))
    log.add(Change.QUEUED, ticket(9), key="x-ray")
    dashboard = log.tables.dashboard(DashboardQuery(role="doctor", user_id="ana", limit=1))
    assert [row.patient_id for row in dashboard.pending_screenings] == ["p3"]
    assert (dashboard.total_patients, dashboard.total_screenings) == (4, 1)


def test_a_table_fits_one_message_whatever_the_ids_are() -> None:
    log = Log()
    wide = tuple(Attendance(f"{number:04}" + "ก" * 41, 1, True) for number in range(50))
    for number in range(200):
        log.add(Change.QUEUED, ticket(number, patient_id='"' * 120 + f"{number:08}", staff=wide))
    table = bounded(rows(log.tables.queue("screening"), log.tables.statistics("screening")))
    assert 0 < len(table) < 200
    sent = json.dumps(log.sent.bodies["screening"], ensure_ascii=False, separators=(",", ":")).encode()
    assert TABLE_BYTES_MAX / 2 < len(sent) <= TABLE_BYTES_MAX


def test_what_is_drawn_is_what_the_models_say_after_each_change() -> None:
    """Also where what was kept of a row has to be made anew, and with completions once they can be known."""
    log, model = Log(), TypeAdapter(list[QueueRow])

    def happens(change: Change, changed: Ticket) -> None:
        log.add(change, changed)
        expected = list(rows(log.tables.queue("screening"), log.tables.statistics("screening")))
        drawn = log.tables._drawn("screening")
        assert drawn == model.dump_json(expected)
        assert json.loads(drawn) == log.sent.bodies["screening"]

    for number in range(1, BASIS_MIN + 4):
        shown = Number("S", "2026-11-23", number)
        happens(Change.QUEUED, replace(ticket(number), patient_id=f'ผู้ป่วย "{number}"\\', number=shown))
    waits = log.tables.queue("screening").tickets
    for number in range(1, BASIS_MIN + 1):
        called = replace(waits[f"t{number}"], status="called", claim=CLAIM)
        happens(Change.CALLED, called)
        happens(Change.STAFF_JOINED, replace(called, staff=(Attendance("ก", 5, True),), step=number))
        happens(Change.DONE, replace(called, status="done"))
    happens(Change.HELD, replace(waits[f"t{BASIS_MIN + 1}"], status="held"))
    happens(Change.CALLED, replace(waits[f"t{BASIS_MIN + 2}"], status="called", claim=CLAIM))
    table = log.sent.bodies["screening"]
    assert [(row["status"], row["estimated_completion"] is not None) for row in table] == [
        ("called", True), ("waiting", True), ("held", False),
    ]  # fmt: skip


def test_a_room_has_the_first_rows_and_its_patients_wherever_they_are() -> None:
    log = Log()
    for number in range(1, 8):
        log.add(Change.QUEUED, ticket(number))
    log.add(Change.HELD, ticket(6, status="held"))
    log.tables._rows_beside = 2
    for patient, positions in (("p1", [1, 2]), ("p5", [1, 2, 5]), ("p6", [1, 2, 7]), ("nobody", [1, 2])):
        found = log.tables.beside(patient)
        whole = {row.queue_position: row for row in log.tables.table("screening").rows}
        assert found.rows == [whole[position] for position in positions]
        assert found.total == 7
