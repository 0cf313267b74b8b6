"""The rules of a policy: the first that matches decides, an id is never a pattern, and a mistake has a place."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from confer_contracts.access import ACTIONS, JOIN
from confer_edge.policy import Policy, Rule, parse

EXAMPLE = Path(__file__).parents[3] / "deploy" / "policy.example.toml"
texts = st.text(st.characters(exclude_categories=("Cc", "Cs")), min_size=1, max_size=12)
rules = st.builds(
    Rule,
    roles=st.lists(st.sampled_from(["*", "nurse", "doc*", "?"]), min_size=1).map(tuple),
    users=st.lists(st.sampled_from(["*", "a*", "anna"]), min_size=1).map(tuple),
    actions=st.lists(st.sampled_from(["*", "join", "queue_*"]), min_size=1).map(tuple),
    audiences=st.lists(st.sampled_from(["*", "queue.*", "user.{user}", "role.{role}"]), min_size=1).map(tuple),
    effect=st.sampled_from(["allow", "deny"]),
)
asked = st.fixed_dictionaries({
    "user": st.sampled_from(["anna", "bob"]) | texts, "role": st.sampled_from(["nurse", "doctor"]) | texts,
    "action": st.sampled_from(ACTIONS), "audience": st.sampled_from(["queue.eyes", "user.anna", "all.all"]),
})  # fmt: skip


@given(st.lists(rules, max_size=5), st.sampled_from(["allow", "deny"]), asked)
def test_the_first_that_matches_decides(written: list[Rule], default: str, question: dict[str, str]) -> None:
    decision = Policy.model_validate({"default": default, "rules": written}).decide(**question)
    if decision.rule is None:
        assert decision.allowed == (default == "allow")
        assert not any(rule.matches(**question) for rule in written)
    else:
        assert decision.allowed == (written[decision.rule - 1].effect == "allow")
        assert not any(rule.matches(**question) for rule in written[: decision.rule - 1])
        assert written[decision.rule - 1].matches(**question)


@given(texts, texts)
def test_who_asks_is_no_pattern(one: str, other: str) -> None:
    own = Rule(audiences=("user.{user}",), effect="allow")
    assert own.matches(one, "nurse", JOIN, f"user.{one}")
    assert own.matches(one, "nurse", JOIN, f"user.{other}") == (one == other)


@pytest.mark.parametrize("user", ["*", "[a-z]*", "{role}", "a?na", "{user}"])
def test_a_hostile_id_widens_nothing(user: str) -> None:
    own = Rule(audiences=("user.{user}", "role.{role}"), effect="allow")
    assert own.matches(user, "nurse", JOIN, f"user.{user}")
    for audience in ("user.anna", "user.nurse", "role.doctor", f"role.{user}"):
        assert not own.matches(user, "nurse", JOIN, audience)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "default: Field required"),
        ("default = 'maybe'", "default: "),
        ("default =", "it is not TOML"),
        ("default = 'deny'\nrule = []", "rule: Extra inputs are not permitted"),
        ("default = 'deny'\n[[rules]]\neffect='allow'\n[[rules]]\nroles=['x']", "rule 2, effect: Field required"),
        ("default = 'deny'\n[[rules]]\neffect='allow'\nrole=['x']", "rule 1, role: Extra inputs"),
        ("default = 'deny'\n[[rules]]\neffect='allow'\nroles=[]", "rule 1, roles: "),
        ("default = 'deny'\n[[rules]]\neffect='allow'\nroles='nurse'", "rule 1, roles: "),
        ("default = 'deny'\n[[rules]]\neffect='allow'\nusers=['a', 7]", "rule 1, users, 2: "),
        ("default = 'deny'\n[[rules]]\neffect='allow'\nactions=['que']", "actions, 1: 'que' matches no action"),
        ("default = 'deny'\n[[rules]]\neffect='allow'\naudiences=['rooms.*']", "audiences, 1: 'rooms.*' must begin"),
        ("default = 'deny'\n[[rules]]\neffect='allow'\naudiences=['screening_*']", "must begin with a kind"),
    ],
)  # fmt: skip
def test_a_mistake_is_named_with_its_place(text: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=r"^[^\n]*$") as error:
        parse(text.encode())
    assert complaint in str(error.value)


def test_not_utf_8() -> None:
    with pytest.raises(ValueError, match="not TOML"):
        parse(b"default = '\xff'")


STAFF = ("doctor", "nurse", "staff")


@pytest.mark.parametrize(
    ("roles", "action", "audience", "allowed"),
    [
        (("doctor", "nurse", "staff", "admin", "patient", "visitor"), JOIN, "user.me", True),
        (("doctor", "nurse", "staff", "patient", "visitor"), JOIN, "user.somebody", False),
        (("doctor", "nurse", "patient"), "notification_inbox", "user.me", True),
        (("doctor", "staff", "patient"), JOIN, "role.admin", False),
        (("doctor", "patient", "visitor", "guest"), JOIN, "all.all", True),
        (STAFF, JOIN, "room.screening_P-1", True),
        (STAFF, "field_update", "room.screening_P-1", True),
        (STAFF, JOIN, "room.hospital_mobile_session_S-1", True),
        (STAFF, JOIN, "room.team_desk", True),
        (STAFF, JOIN, "room.tea", False),
        (("patient", "guest", "visitor"), JOIN, "room.screening_P-1", False),
        (("patient", "guest", "visitor"), "field_update", "room.screening_P-1", False),
        (STAFF, JOIN, "queue.screening", True),
        (STAFF, "queue_enqueue", "queue.screening", True),
        (("doctor", "nurse"), "queue_call_next", "queue.screening", True),
        (("staff", "patient"), "queue_call_next", "queue.screening", False),
        (("patient",), JOIN, "queue.screening", False),
        (("patient",), JOIN, "topic.board", True),
        (("patient", "staff"), JOIN, "topic.results", False),
        (STAFF, "send_message", "user.somebody", True),
        (("patient",), "send_message", "user.somebody", False),
        (STAFF, "notification_send", "all.all", False),
        (("admin",), "notification_send", "all.all", True),
        (("admin",), JOIN, "room.tea", True),
    ],
)  # fmt: skip
def test_the_example_says_what_its_comments_say(
    roles: tuple[str, ...], action: str, audience: str, allowed: bool
) -> None:
    policy = parse(EXAMPLE.read_bytes())
    for role in roles:
        assert policy.decide(user="me", role=role, action=action, audience=audience).allowed is allowed, role
