"""The activity of a person over all records: one's own always, another's only where the installation says so."""

from pathlib import Path
from typing import Any

import pytest

from confer_contracts.errors import ErrorCode, Rejection
from confer_contracts.subjects import Kind, audience
from confer_edge.access import Access
from confer_edge.identity import Claim
from confer_edge.policy import Policy, parse
from confer_edge.revocations import Revocations
from confer_kit.watched_file import WatchedFile

ANN = Claim.of("ann", None, "nurse")
CHIEF = Claim.of("chief", None, "auditor")
BY_ROLE = """default = "deny"
[[rules]]
roles = ["auditor"]
actions = ["activity_log"]
audiences = ["user.*"]
effect = "allow"
"""


def access(tmp_path: Path, policy: str | None) -> Access:
    if policy is None:
        return Access(None, Revocations(0))
    file = tmp_path / "policy.toml"
    file.write_text(policy)
    watched: WatchedFile[Policy] = WatchedFile(file, parse, "policy", patient=True)
    return Access(watched, Revocations(0))


def may(access: Access, claim: Claim, user: str, action: str = "activity_log") -> Any:
    try:
        access.must_now(claim, action, audience(Kind.USER, user))
    except Rejection as refusal:
        return refusal.code
    return True


@pytest.mark.parametrize("policy", [None, 'default = "deny"', BY_ROLE])
def test_ones_own_activity_may_always_be_asked_for(tmp_path: Path, policy: str | None) -> None:
    assert may(access(tmp_path, policy), ANN, "ann") is True


@pytest.mark.parametrize("policy", [None, 'default = "deny"', BY_ROLE])
def test_anothers_is_refused_where_no_rule_allows_it(tmp_path: Path, policy: str | None) -> None:
    assert may(access(tmp_path, policy), ANN, "bob") == ErrorCode.FORBIDDEN


def test_anothers_is_for_those_whom_a_rule_allows_it(tmp_path: Path) -> None:
    assert may(access(tmp_path, BY_ROLE), CHIEF, "bob") is True


def test_what_else_is_sent_to_a_person_needs_no_rule_without_a_policy(tmp_path: Path) -> None:
    assert may(access(tmp_path, None), ANN, "bob", "send_message") is True
