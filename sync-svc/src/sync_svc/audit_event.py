"""A row of the activity log as an AuditEvent of FHIR R4 (http://hl7.org/fhir/R4/auditevent.html).

Ids of people and patients are Confer's, not those of resources: they are logical references, by identifier. The trace
is an entity, as IHE's Basic Audit Log Patterns have it. Old and new values are details of the entity that changed.
"""

import json
import re
from typing import Any, Final

from confer_contracts.activity import ActivityChange, ActivityKind, ActivityRow
from confer_contracts.message import JsonValue

Json = dict[str, Any]

DICOM: Final = "http://dicom.nema.org/resources/ontology/DCM"
ENTITY_TYPE: Final = "http://terminology.hl7.org/CodeSystem/audit-entity-type"
ENTITY_ROLE: Final = "http://terminology.hl7.org/CodeSystem/object-role"
BALP_ENTITY: Final = "https://profiles.ihe.net/ITI/BALP/CodeSystem/BasicAuditEntityType"
OURS: Final = "urn:confer:"  # + event, call, user, patient, session, audience: the namespaces of our own names

_PATIENT_RECORD: Final = {"system": DICOM, "code": "110110", "display": "Patient Record"}
_APPLICATION: Final = {"system": DICOM, "code": "110100", "display": "Application Activity"}
_SECURITY: Final = {"system": DICOM, "code": "110113", "display": "Security Alert"}
_ODD_SPACE: Final = re.compile(r"[^\S \t\r\n]")
_SUCCESS, _MINOR_FAILURE = "0", "4"  # http://terminology.hl7.org/CodeSystem/audit-event-outcome


def audit_event(row: ActivityRow) -> Json:
    """JSON-ready."""
    refused = row.kind == "refusal"
    event: Json = {
        "resourceType": "AuditEvent",
        "type": _SECURITY if row.outcome == "forbidden" else _type(row),
        "subtype": [{"system": f"{OURS}event", "code": row.event}, *_call(row)],
        "action": _action(row),
        "recorded": row.timestamp,
        "outcome": _MINOR_FAILURE if refused else _SUCCESS,
        "agent": [{"who": _named("user", row.user_id or "unknown"), "requestor": True}],
        "source": {"observer": {"display": f"Confer {row.service}"}},
        "entity": [_where(row), *map(_changed, row.changes), *_request(row)],
    }
    if row.outcome != "ok":
        event["outcomeDesc"] = row.outcome
    return event


def _type(row: ActivityRow) -> Json:
    return _PATIENT_RECORD if row.patient_id is not None else _APPLICATION


def _call(row: ActivityRow) -> list[Json]:
    """What was asked for, of a read or a refusal."""
    call = row.detail.get("call") if isinstance(row.detail, dict) else None
    return [{"system": f"{OURS}call", "code": call}] if isinstance(call, str) else []


def _action(row: ActivityRow) -> str:
    """Create, Read, Update or Execute."""
    actions: dict[ActivityKind, str] = {"read": "R", "field": "U", "step": "U"}
    created = row.kind == "field" and bool(row.changes) and all(change.version == 1 for change in row.changes)
    return "C" if created else actions.get(row.kind, "E")


def _where(row: ActivityRow) -> Json:
    """The record; where there is none, the queue, or the people who were told."""
    if row.patient_id is not None:
        person, patient = {"system": ENTITY_TYPE, "code": "1"}, {"system": ENTITY_ROLE, "code": "1"}
        return {"what": {"type": "Patient", **_named("patient", row.patient_id)}, "type": person, "role": patient}
    if row.session_id is not None:
        return {"what": _named("session", row.session_id)}
    return {"what": _named("audience", row.audience)}


def _changed(change: ActivityChange) -> Json:
    values = [] if change.omitted else [("new", change.new)]
    if not (change.unknown or change.omitted):
        values.insert(0, ("old", change.old))
    details = [{"type": name, "valueString": _text(value)} for name, value in values]
    return {"name": change.name} | ({"detail": details} if details else {})


def _text(value: JsonValue) -> str:
    """JSON. Spaces that FHIR's pattern of a string may not take, such as U+00A0, are escaped."""
    text = json.dumps(value, ensure_ascii=False)
    return _ODD_SPACE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def _request(row: ActivityRow) -> list[Json]:
    if row.trace_id is None:
        return []
    return [{"what": {"identifier": {"value": row.trace_id}}, "type": {"system": BALP_ENTITY, "code": "XrequestId"}}]


def _named(space: str, value: str) -> Json:
    return {"identifier": {"system": OURS + space, "value": value}}
