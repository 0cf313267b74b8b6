"""A fact of ACTIVITY as a row: where it belongs, what kind it is, and what it changed."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any, Final

from confer_contracts import audit, notify, presence, queue, sync
from confer_contracts.activity import ActivityChange, ActivityKind, ActivityRow
from confer_contracts.ids import SESSION, patient_of, untoken
from confer_contracts.portal import shown_name
from confer_contracts.subjects import FactSubject, Header, Kind
from confer_kit import clock
from confer_kit.facts import StoredFact
from confer_kit.logs import logger
from confer_kit.telemetry import trace_id_of

log = logger(__name__)

UNREADABLE: Final = "unreadable"  # the outcome of a row that tells no more than the fact's headers
NOISE = frozenset({"user_updated"})  # each move of somebody's focus; a step is told by sync
_KINDS: Final[dict[str, ActivityKind]] = {
    sync.SERVICE: "field",
    presence.SERVICE: "presence",
    queue.SERVICE: "queue",
    notify.SERVICE: "notification",
    audit.SERVICE: "refusal",
}
_NO_PATIENT: Final = (queue.POLICY, queue.SEALED)  # keys of a queue's own facts
_TIMES = {"user_joined": "joined_at", "field_locked": "since"}  # of bodies without a `timestamp`
_TOLD_OF_A_NOTE = ("id", "type", "priority")


def kind_of(subject: FactSubject, event: str | None) -> ActivityKind | None:
    """None: it is no activity of anybody's."""
    if event is None or event in NOISE:
        return None
    match subject.service, event:
        case sync.SERVICE, "step_updated" | "step_changed":
            return "step"
        case audit.SERVICE, audit.Event.READ:
            return "read"
        case notify.SERVICE, _ if subject.key != "note":
            return None  # what somebody did with the own inbox
    return _KINDS.get(subject.service)


def room_of(subject: FactSubject) -> str | None:
    """The room whose record it belongs to: its audience, or, for a ticket, the patient's, which its key names."""
    if subject.kind == Kind.ROOM:
        return subject.ident
    is_ticket = subject.service == queue.SERVICE and subject.kind == Kind.QUEUE and subject.key not in _NO_PATIENT
    return subject.key if is_ticket else None


def source_of(fact: StoredFact) -> int | None:
    """The sequence in its service's own stream of a fact of ACTIVITY (`Nats-Stream-Source`: stream, sequence, ...)."""
    told = fact.headers.get(Header.SOURCE, "").split(" ")
    return int(told[1]) if len(told) > 1 and told[1].isdigit() else None


def row_of(fact: StoredFact) -> ActivityRow | None:
    """None for a fact that is no activity. The values before are still to be found where `unknown` says so. What cannot
    be read, for no service wrote it, is a row all the same."""
    kind = kind_of(fact.subject, fact.event)
    if kind is None:
        return None
    try:
        return _row(fact, kind)
    except Exception:
        log.exception("a fact of the activity log cannot be read", seq=fact.seq)
        return ActivityRow(
            sequence=fact.seq, timestamp=clock.iso(fact.at), service=fact.subject.service, event=fact.event or "",
            user_id=fact.actor or "", op=fact.op, trace_id=trace_id_of(fact.headers), kind=kind,
            audience=f"{fact.subject.kind}.{fact.subject.ident}", outcome=UNREADABLE,
        )  # fmt: skip


def _row(fact: StoredFact, kind: ActivityKind) -> ActivityRow:
    body = fact.json()
    told = body if isinstance(body, dict) else {}
    room = room_of(fact.subject)
    at = told.get("timestamp") or told.get(_TIMES.get(fact.event or "", "")) or clock.iso(fact.at)
    datetime.fromisoformat(at)  # pages are searched by it
    return ActivityRow(
        sequence=fact.seq,
        timestamp=at,
        service=fact.subject.service,
        event=fact.event or "",
        user_id=fact.actor or "",
        op=fact.op,
        trace_id=trace_id_of(fact.headers),
        detail={name: told.get(name) for name in _TOLD_OF_A_NOTE} if kind == "notification" else body,
        kind=kind,
        audience=shown_name(f"{fact.subject.kind}.{fact.subject.ident}"),
        patient_id=None if room is None else patient_of(room),
        session_id=untoken(room.removeprefix(SESSION)) if room is not None and room.startswith(SESSION) else None,
        outcome=_outcome(kind, told),
        changes=list(_changes(kind, told)),
    )


def _outcome(kind: ActivityKind, body: dict[str, Any]) -> str:
    """Of several fields the first outcome that tells of more than a plain write."""
    if kind in ("read", "refusal"):
        return str(body.get("outcome", "ok"))
    if kind == "presence":
        return "taken_over" if body.get("taken_from") else "ok"
    outcomes = [change.get("outcome", "accepted") for change in body.get("changes", [body])] if kind == "field" else []
    return next((outcome for outcome in outcomes if outcome != "accepted"), "ok")


def _changes(kind: ActivityKind, body: dict[str, Any]) -> Iterator[ActivityChange]:
    match kind:
        case "field":
            yield from (_of_field(change) for change in body.get("changes", [body]) if "version" in change)
        case "step" if "status" in body:
            yield ActivityChange(name="status", old=body.get("previous_status"), new=body["status"])
        case "step":
            yield ActivityChange(name="step", old=body.get("previous_step"), new=body.get("step"))
        case "presence" if "token" in body:  # of a lock
            held = "since" in body
            old, new = (body.get("taken_from"), body["user_id"]) if held else (body["user_id"], None)
            yield ActivityChange(name=f"lock of {body['field']}", old=old, new=new)
        case "queue" if "status" in body:
            old = body.get("previous_status")  # older facts do not tell it
            known = old is not None or (body["status"] == "waiting" and not body.get("reason"))
            yield ActivityChange(name="status", old=old, new=body["status"], unknown=not known)


def _of_field(change: dict[str, Any]) -> ActivityChange:
    """Only what wrote over another version tells it; of others the version before is in the record's log."""
    replaced = change.get("replaced") or {"omitted": True}
    told = replaced.get("omitted") is not True
    return ActivityChange(
        name=change["field"], new=change["value"], version=change["version"],
        old=replaced["value"] if told else None, unknown=not told and change["version"] > 1,
    )  # fmt: skip
