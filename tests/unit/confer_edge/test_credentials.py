from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from confer_edge.credentials import SESSION_S, Credentials

NOW = 1_763_800_000.0
CREDENTIALS = Credentials("admin", "correct horse battery")
ANYTHING = st.one_of(st.text(), st.none(), st.integers(), st.binary(), st.just("admin"))


def test_the_name_and_the_password_are_accepted() -> None:
    assert CREDENTIALS.accepts("admin", "correct horse battery")


@given(user=ANYTHING, password=ANYTHING)
def test_nothing_else_is(user: Any, password: Any) -> None:
    assert not CREDENTIALS.accepts(user, password)
    assert not CREDENTIALS.accepts(user, "correct horse battery") or user == "admin"


def test_a_session_lasts_until_its_end_on_every_edge_with_the_password() -> None:
    session = CREDENTIALS.session(NOW)
    twin = Credentials("admin", "correct horse battery")
    assert twin.knows(session, NOW + SESSION_S - 1)
    assert not twin.knows(session, NOW + SESSION_S)
    assert not Credentials("admin", "another password").knows(session, NOW)
    assert not Credentials("root", "correct horse battery").knows(session, NOW)


@given(st.one_of(ANYTHING, st.from_regex(r"[0-9]{1,12}\.[0-9a-f]{64}")))
def test_what_was_not_given_out_is_no_session(session: Any) -> None:
    assert not CREDENTIALS.knows(session, NOW)


@pytest.mark.parametrize("change", [lambda s: "9" + s, lambda s: s + "0", lambda s: s[:-1], lambda s: s.upper()])
def test_a_changed_session_is_none(change: Any) -> None:
    assert not CREDENTIALS.knows(change(CREDENTIALS.session(NOW)), NOW)
