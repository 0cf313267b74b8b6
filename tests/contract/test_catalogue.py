"""The catalogue: one name, one owner; every event of the first portal has its place in it."""

import re

import pytest

from confer_contracts import answers, catalogue, portal
from confer_contracts.asyncapi import client_events, server_events
from confer_contracts.ids import untoken
from confer_contracts.message import Payload
from confer_contracts.route import Call, Fact, View
from confer_contracts.subjects import FactSubject, Header, Kind

EMITTED: tuple[Fact | View, ...] = (*catalogue.FACTS, *catalogue.VIEWS)
HOSTILE = "ผู้ป่วย a.>*"

# a request for each call that a client may send
SAMPLES: dict[str, dict[str, object]] = {
    "user_heartbeat": {"step": 3},
    "field_focus": {"patient_id": HOSTILE, "field": "va"},
    "presence_get": {"patient_id": HOSTILE},
    "field_lock": {"patient_id": HOSTILE, "field": "va"},
    "field_unlock": {"patient_id": HOSTILE, "field": "va"},
    "field_lock_takeover": {"patient_id": HOSTILE, "field": "va", "token": 1},
    "live_typing": {
        "session_id": HOSTILE, "step": "s", "field_name": "f", "current_value": "v", "user_name": "Ann",
    },
    "cursor_position": {"session_id": HOSTILE, "step": "s", "field_name": "f"},
    "field_update": {"patient_id": HOSTILE, "field": "va", "value": 1},
    "step_update": {"patient_id": HOSTILE, "step": 3},
    "step_change": {"patient_id": HOSTILE, "step": 3, "step_name": "Vision"},
    "field_completed": {"session_id": HOSTILE, "step": "s", "field_name": "f", "final_value": None},
    "field_conflict_detected": {"session_id": HOSTILE, "field_name": "f"},
    "activity_log": {"patient_id": HOSTILE},
    "presence_history": {"patient_id": HOSTILE},
    "field_history": {"patient_id": HOSTILE},
    "field_restore": {"patient_id": HOSTILE, "field": "va", "version": 1},
    "queue_enqueue": {"queue": HOSTILE, "patient_id": "p"},
    "queue_call_next": {"queue": HOSTILE},
    "queue_serve": {"queue": HOSTILE, "ticket": "t", "token": "k"},
    "queue_done": {"queue": HOSTILE, "ticket": "t", "token": "k"},
    "queue_requeue": {"queue": HOSTILE, "ticket": "t", "token": "k"},
    "queue_no_show": {"queue": HOSTILE, "ticket": "t", "token": "k"},
    "queue_cancel": {"queue": HOSTILE, "ticket": "t"},
    "queue_hold": {"queue": HOSTILE, "ticket": "t"},
    "queue_resume": {"queue": HOSTILE, "ticket": "t"},
    "queue_recall": {"queue": HOSTILE, "ticket": "t", "token": "k"},
    "queue_renew": {"queue": HOSTILE, "ticket": "t", "token": "k"},
    "queue_priority": {"queue": HOSTILE, "ticket": "t", "priority": "high"},
    "queue_move": {"queue": HOSTILE, "ticket": "t", "position": 1, "reason": "r"},
    "queue_transfer": {"queue": HOSTILE, "ticket": "t", "to": "q"},
    "queue_assign": {"queue": HOSTILE, "ticket": "t", "user_id": "u"},
    "queue_unassign": {"queue": HOSTILE, "ticket": "t", "user_id": "u"},
    "queue_note": {"queue": HOSTILE, "ticket": "t", "text": "x"},
    "queue_position": {"queue": HOSTILE, "ticket": "t"},
    "queue_policy": {"queue": HOSTILE},
    "queue_get": {"queue": HOSTILE},
    "queue_ticket": {"queue": HOSTILE, "ticket": "t"},
    "queue_statistics": {"queue": HOSTILE},
    "notification_send": {"to": {"user": HOSTILE}, "title": "t"},
    "notification_read": {"all": True},
    "notification_scheduled": {},
    "notification_cancel": {"id": HOSTILE},
    "notification_acknowledge": {"id": HOSTILE},
    "notification_seen": {"all": True},
    "notification_archive": {"all": True},
    "notification_preferences": {},
    "topic_follow": {"topic": HOSTILE},
    "topic_unfollow": {"staff": HOSTILE},
    "notification_inbox": {},
    "send_message": {"target_user": HOSTILE, "message": "m"},
}  # fmt: skip

PORTAL_EMITS = {
    "join_screening", "step_change", "user_heartbeat", "leave_screening", "connection_established", "join_room",
    "leave_room", "subscribe_to_updates", "send_message", "ping", "authenticate", "live_typing", "field_completed",
    "cursor_position", "field_conflict_detected", "join_patient_room", "leave_patient_room", "field_update",
    "step_update",
}  # fmt: skip
PORTAL_HEARS = {
    "user_joined", "user_left", "active_users_updated", "step_changed", "queue_updated", "step_status_updated",
    "system_status", "joined_room", "system_message", "room_joined", "room_left", "subscription_confirmed",
    "message_sent", "message_error", "new_message", "pong", "doctor_dashboard_data", "parent_dashboard_data",
    "teacher_dashboard_data", "executive_dashboard_data", "health_check", "notification", "error",
    "authentication_success", "live_field_typing", "live_field_updated", "user_cursor_moved",
    "collaborative_conflict",
}  # fmt: skip
# events that the portal's own REST backend makes, or that only its documents know: nobody could send them here
NOT_OURS = {
    "screening_updated", "hospital_mobile_session_update", "session_step_completed", "session_user_joined",
    "session_approval_requested", "session_activity_logged", "joined_session_room", "session_updated",
    "conflict_detected", "conflict_resolved", "field_change_queued", "potential_conflict_warning",
}  # fmt: skip


def test_everything_that_the_portal_emits_is_understood() -> None:
    assert {event for event, *_ in client_events()} >= PORTAL_EMITS


def test_everything_that_the_portal_hears_can_be_sent() -> None:
    assert server_events().keys() >= PORTAL_HEARS
    assert not server_events().keys() & NOT_OURS


def test_an_event_from_a_client_has_one_owner() -> None:
    names = [event for event, *_ in client_events()]
    assert len(names) == len(set(names))


def test_names_and_subjects_keep_to_the_grammar() -> None:
    for name in {event for event, *_ in client_events()} | server_events().keys():
        assert re.fullmatch(r"[a-z]+(_[a-z]+)*", name), name
    for call in catalogue.CALLS:
        assert re.fullmatch(r"call\.[a-z]+\.[a-z_]+", call.subject), call.subject
        assert call.service in catalogue.SERVICES
    views = [(view.kind, view.name) for view in catalogue.VIEWS]
    assert len(views) == len(set(views))
    facts = [(fact.service, fact.kind, fact.event) for fact in catalogue.FACTS]
    assert len(facts) == len(set(facts))


def test_a_body_has_one_type_per_event() -> None:
    bodies: dict[str, set[str]] = {}
    for emitted in EMITTED:
        bodies.setdefault(emitted.event, set()).add(repr(emitted.body))
    assert {event: types for event, types in bodies.items() if len(types) > 1} == {}


def test_the_copy_for_a_second_audience_has_a_name_of_its_own() -> None:
    own = {e.event for e in EMITTED}
    copies = [name for fact in catalogue.FACTS for _, name in fact.copies]
    assert len(copies) == len(set(copies))
    assert not own & set(copies)


def test_a_second_name_belongs_to_a_fact_of_the_same_audience() -> None:
    known = {(fact.service, fact.kind, fact.event) for fact in catalogue.FACTS}
    for fact in catalogue.FACTS:
        assert fact.alias_of is None or (fact.service, fact.kind, fact.alias_of) in known


def test_there_is_a_sample_for_each_public_call() -> None:
    assert SAMPLES.keys() == catalogue.PUBLIC_CALLS.keys()


@pytest.mark.parametrize("call", catalogue.PUBLIC_CALLS.values(), ids=lambda call: call.event)
def test_a_call_names_the_audience_whose_rights_it_needs(call: Call) -> None:  # type: ignore[type-arg]
    request = call.request.model_validate(SAMPLES[call.event])
    assert isinstance(request, Payload)
    if call.audience is None:
        return
    kind, ident = call.audience(request).split(".")
    assert kind in set(Kind)
    assert untoken(ident.removeprefix("session_")) == HOSTILE
    assert FactSubject.parse(f"log.{call.service}.{kind}.{ident}.x").ident == ident


def test_what_is_answered_by_an_event_can_be_answered_by_it() -> None:
    for call in catalogue.CALLS:
        assert (call.reply_event is None) == (not hasattr(call.reply, "event_body"))
        if call.error_event is not None:
            request = call.request.model_validate(SAMPLES[call.event])
            name, body = call.error_event(request, "why")
            assert answers.EVENTS[name].model_validate(body)


def test_the_edges_own_events_have_their_bodies_and_the_others_have_none() -> None:
    emitted = {e.event for e in EMITTED}
    answered = {name for event in catalogue.EDGE_EVENTS for name in event.answers} - emitted
    replies = {call.reply_event for call in catalogue.CALLS if call.reply_event} | {"message_error"}
    dashboards = {event for event, _ in portal.DASHBOARDS.values()}
    assert answers.EVENTS.keys() == portal.EDGE_EMITS.keys() | answered | replies | dashboards
    assert answers.ACKS.keys() == {event.event for event in catalogue.EDGE_EVENTS}


def test_dashboards_show_members_that_their_services_answer() -> None:
    replies = {call.service: call.reply for call in catalogue.CALLS if call.event == "dashboard"}
    for event, members in portal.DASHBOARDS.values():
        assert members.keys() == answers.EVENTS[event].model_fields.keys()
        for service, member in members.values():
            assert member in replies[service].model_fields


def test_every_service_answers_its_calls_and_its_snapshots() -> None:
    for service in catalogue.SERVICES:
        expected = {call.subject for call in catalogue.CALLS if call.service == service}
        assert catalogue.calls_of(service) >= expected
    assert {part.service for part in catalogue.snapshots_of(Kind.ROOM)} == {"presence", "sync", "queue"}


def test_a_fact_carries_few_headers_and_each_has_one_name() -> None:
    names = [value for name, value in vars(Header).items() if not name.startswith("_")]
    assert len(names) == len(set(names))
