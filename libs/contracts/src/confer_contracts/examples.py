"""The seed's four events as JSON: request, acknowledgement, and what every member of the room gets.

One story in this order, on a record that has a value and a step in progress. The README and the AsyncAPI document
show these; one test holds them against the models, another against what a running system really sends.
"""

from dataclasses import dataclass
from typing import Any, Final

_OP: Final = "019a1b2c-3d4e-7f50-8a6b-9c0d1e2f3a4b"
_OP_2: Final = "019a1b2c-5d6e-7f50-8a6b-9c0d1e2f3a4b"
_AT: Final = "2025-11-22T03:04:05.678Z"
_ME: Final = {
    "user_id": "u-17", "name": "มาลี Suk", "role": "nurse", "step": 3, "status": "active", "focus": None,
    "editing": [], "last_activity": _AT, "joined_at": _AT,
}  # fmt: skip
_STEP: Final = {
    "step": 3, "step_number": 3, "step_name": "Vision screening", "status": "completed",
    "completion_status": "completed", "version": 2, "assigned_staff": [], "actual_duration": 12.5,
}  # fmt: skip
_STEP_BEFORE: Final = {
    **_STEP, "status": "in_progress", "completion_status": "in_progress", "version": 1, "actual_duration": None,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Example:
    """`broadcast`: event -> body, as the room's members get it (`user_joined` and `user_left`: the others)."""

    request: dict[str, Any]
    ack: dict[str, Any]
    broadcast: dict[str, Any]


EXAMPLES: Final[dict[str, Example]] = {
    "join_patient_room": Example(
        request={"patient_id": "P-1001", "step": 3},
        ack={
            "status": "ok",
            "room": "room.P-1001",
            "patient_id": "P-1001",
            "offset": "5f1c9a2e.412",
            "presence": {
                "status": "ok", "users": [_ME], "locks": [], "total": 1, "away": 0, "next": None, "stale": False,
                "since": None,
            },
            "sync": {
                "status": "ok",
                "fields": {"va_left": {"value": "6/9", "version": 4, "user_id": "u-17", "timestamp": _AT}},
                "steps": [_STEP_BEFORE],
            },
            "queue": {"status": "ok", "queue": "screening", "rows": [], "total": 0},
        },
        broadcast={
            "user_joined": _ME,
            "active_users_updated": [_ME],
            "presence_summary": {
                "count": 1, "active": 1, "away": 0, "truncated": False, "stale": False, "since": None,
            },
        },
    ),
    "field_update": Example(
        request={"patient_id": "P-1001", "field": "va_left", "value": "6/6", "base_version": 4, "op": _OP},
        ack={
            "status": "ok",
            "op": _OP,
            "patient_id": "P-1001",
            "field": "va_left",
            "version": 5,
            "changes": [{"field": "va_left", "version": 5, "value": "6/6", "outcome": "accepted"}],
        },
        broadcast={
            "field_updated": {
                "patient_id": "P-1001", "field": "va_left", "value": "6/6", "version": 5, "outcome": "accepted",
                "user_id": "u-17", "op": _OP, "timestamp": _AT,
            },
        },
    ),
    "step_update": Example(
        request={
            "patient_id": "P-1001", "step": 3, "status": "completed", "step_name": "Vision screening", "op": _OP_2,
        },
        ack={
            "status": "ok", "op": _OP_2, "patient_id": "P-1001", "step": 3, "step_status": "completed", "version": 2,
        },
        broadcast={
            "step_updated": {
                "patient_id": "P-1001", "step": 3, "step_name": "Vision screening", "status": "completed",
                "version": 2, "previous_status": "in_progress", "duration_s": 750.0, "user_id": "u-17", "op": _OP_2,
                "timestamp": _AT,
            },
            "step_status_updated": [_STEP],
        },
    ),
    "leave_patient_room": Example(
        request={"patient_id": "P-1001"},
        ack={"status": "ok", "room": "room.P-1001", "patient_id": "P-1001"},
        broadcast={"user_left": "u-17", "active_users_updated": []},
    ),
}  # fmt: skip
