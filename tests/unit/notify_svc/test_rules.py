"""The file of rules: what cannot work is refused with its place, and templates only ever substitute."""

import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from confer_contracts.notify import NotificationSend
from confer_contracts.rules import FACTS, Rule, parse
from confer_contracts.templates import filled, holes, values_of

ROOT = Path(__file__).parents[3]
CALLED = """
[[rules]]
name = "called"
when = "ticket_called"
where = { priority = ["high", "normal"], queue = "eyes" }
to = ["user:{called_by}", "role:nurse"]
title = "{patient_id} is called"
message = "To {station}, by {actor}: {{soon}}"
"""
TICKET = {
    "queue": "eyes", "ticket": "t-1", "patient_id": "P-1", "priority": "high", "status": "called", "called_by": "ana",
    "station": "room 2", "created_at": "x", "actor": "ana",
}  # fmt: skip


def rule(text: str = CALLED) -> Rule:
    (only,) = parse(text.encode()).rules
    return only


def sent(values: dict[str, Any], text: str = CALLED) -> list[NotificationSend]:
    found = rule(text)
    return found.notifications(values) if found.matches(values) else []


def test_a_rule_makes_notifications_of_a_fact() -> None:
    first, second = sent(TICKET)
    assert (first.to.audience, second.to.audience) == ("user.ana", "role.nurse")
    assert (first.title, first.message) == ("P-1 is called", "To room 2, by ana: {soon}")


@pytest.mark.parametrize("change", [{"priority": "low"}, {"queue": "ears"}, {"queue": None}])
def test_a_fact_that_is_not_so_is_none_of_its(change: dict[str, Any]) -> None:
    assert sent(TICKET | change) == []


def test_who_is_not_named_is_not_told() -> None:
    (only,) = sent(TICKET | {"called_by": None})
    assert only.to.role == "nurse"


def test_a_member_that_is_a_list_is_each_of_its_people() -> None:
    text = '[[rules]]\nname="x"\nwhen="step_status_updated"\nto=["all"]\ntitle="x"'
    with pytest.raises(ValueError, match="there is no fact"):
        parse(text.encode())  # a view
    listed = rule(CALLED).model_copy(update={"to": ["user:{staff}"]})
    told = listed.notifications(TICKET | {"staff": ["a", "b c", "a"]})
    assert [each.to.user for each in told] == ["a", "b c"]
    with pytest.raises(ValueError, match="more than 50"):
        listed.notifications(TICKET | {"staff": [f"u{n}" for n in range(51)]})


def test_people_inside_a_list_are_told_each() -> None:
    text = CALLED.replace("{called_by}", "{assigned.user_id}").replace("{station}", "{assigned.role}")
    people = [{"user_id": "a", "role": "nurse"}, {"user_id": "b", "role": "doctor"}]
    told = sent(values_of(TICKET | {"assigned": people}), text)
    assert [each.to.user for each in told] == ["a", "b", None]
    assert told[0].message.startswith("To nurse, doctor")
    assert [each.to.role for each in sent(values_of(TICKET), text)] == ["nurse"], "nobody is assigned"


def test_what_is_said_is_cut_to_what_a_notification_holds() -> None:
    (first, _) = sent(TICKET | {"patient_id": "ก" * 300, "station": "x" * 9000})
    assert (len(first.title), len(first.message)) == (200, 4000)


def test_a_fact_may_hold_what_looks_like_a_template_or_like_markup() -> None:
    (first, _) = sent(TICKET | {"patient_id": "{actor} <script>"})
    assert first.title == "{actor} <script> is called"


PLAIN = '[[rules]]\nname="plain"\nwhen="{}"\nto=["all"]\ntitle="x"\n{}'


def test_the_examples_are_rules() -> None:
    assert len(parse((ROOT / "deploy" / "rules.example.toml").read_bytes()).rules) == 3
    shown = re.findall(r"```toml\n(.*?)```", (ROOT / "docs" / "notifications.md").read_text(), re.DOTALL)
    (rules,) = [text for text in shown if "[[rules]]" in text]
    assert len(parse(rules.encode()).rules) == 2


WRONG = [
    ("it is [", "it is not TOML"),
    ('rules = "x"', "rules: "),
    (CALLED + CALLED, "two rules have the name called"),
    (CALLED.replace('"ticket_called"', '"ticket_lost"'), "rule 1, when: there is no fact 'ticket_lost'; there are "),
    (CALLED.replace('"ticket_called"', '"notification"'), "rule 1, when: notification is what rules cause"),
    (CALLED.replace('"ticket_called"', '"notification_reminder"'), "this one would trigger itself"),
    (CALLED.replace("{station}", "{room}"), "rule 1, message: ticket_called has no member 'room'; there are "),
    (CALLED.replace("{called_by}", "{caller}"), "rule 1, to: ticket_called has no member 'caller'"),
    (CALLED.replace("queue =", "line ="), "rule 1, where: ticket_called has no member 'line'"),
    (CALLED.replace('"high", ', '"urgent", '), "rule 1, where: priority is never 'urgent'"),
    (CALLED.replace('"eyes"', "7"), "rule 1, where: queue is never 7"),
    (CALLED.replace("{station}", "{station"), "has a '{' alone"),
    (CALLED.replace("{station}", "{station.name}"), "rule 1, message: ticket_called has no member 'station.name'"),
    (CALLED.replace("{station}", "{assigned.name}"), "ticket_called has no member 'assigned.name'"),
    (CALLED.replace("{station}", "{station.name.first}"), "alone"),
    (CALLED.replace("{station}", "{station!r}"), "alone"),
    (CALLED.replace("role:nurse", "nurse"), "rule 1, to, 2: 'nurse': must be all, or one of user:<id>"),
    (CALLED.replace("role:nurse", "{called_by}"), "must be all, or one of"),
    (CALLED + "colour = 1", "rule 1, colour: Extra inputs are not permitted"),
    (CALLED.replace('"called"', '"Called!"'), "rule 1, name: "),
    (CALLED.replace("role:nurse", "patient:{patient_id}") + "must_acknowledge = {}", "patient_id}': what is said"),
    (CALLED + "must_acknowledge = { escalate_to = ['queue:eyes'] }", "must_acknowledge: 'queue:eyes': what is said"),
    (CALLED + "must_acknowledge = { repeats = -1 }", "rule 1, must_acknowledge, repeats: "),
    (CALLED + "must_acknowledge = { escalate_to = ['role:{nobody}'] }", "must_acknowledge: ticket_called has no"),
    (PLAIN.format("notification_closed", "must_acknowledge = {}"), "an end of an acknowledgement that asks for one"),
    (PLAIN.format("notification_closed", 'next_in = "eyes"'), "next_in: notification_closed is about no patient"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "complaint"), WRONG, ids=range(len(WRONG)))
def test_what_cannot_work_is_refused_with_its_place(text: str, complaint: str) -> None:
    with pytest.raises(ValueError) as raised:
        parse(text.encode())
    assert complaint in str(raised.value)


def test_two_rules_may_not_drive_each_other() -> None:
    closing = '[[rules]]\nname="after"\nwhen="notification_closed"\nto=["all"]\ntitle="It is over"\n'
    assert parse((closing + CALLED).encode())
    with pytest.raises(ValueError, match="called would trigger after"):
        parse((closing + CALLED + "must_acknowledge = {}").encode())


def test_no_rule_can_be_about_what_rules_cause() -> None:
    for event in FACTS:
        text = f'[[rules]]\nname="x"\nwhen="{event}"\nto=["all"]\ntitle="x"\nmust_acknowledge={{}}'
        caused = event in ("notification", "notification_reminder", "notification_escalated", "notification_closed")
        if caused:
            with pytest.raises(ValueError, match="would trigger itself"):
                parse(text.encode())
        else:
            assert parse(text.encode())


@given(st.text(), st.text())
def test_templates_never_fail_once_they_are_accepted(template: str, value: str) -> None:
    try:
        named = set(holes(template))
    except ValueError:
        return
    done = filled(template, dict.fromkeys(named, value))
    if not named and "{" not in template:
        assert done == template
