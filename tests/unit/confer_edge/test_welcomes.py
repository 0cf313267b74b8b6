"""Sessions that have just begun are welcomed so many at once, each before what its client asks for."""

import asyncio

from confer_edge.session import Session
from confer_edge.welcomes import STEP_MAX, Form, Welcomes, form_in
from confer_kit.tasks import Tasks

from .conftest import session

AT_ONCE, CLIENTS = 3, 20


async def test_so_many_at_once_in_their_order_and_each_before_its_calls() -> None:
    done: list[str] = []
    inside = most = 0
    tasks = Tasks()

    async def welcome(one: Session, form: Form | None) -> None:
        nonlocal inside, most
        inside += 1
        most = max(most, inside)
        await asyncio.sleep(0)
        inside -= 1
        done.append(one.sid)
        if one.sid == "s4":
            raise RuntimeError("a defect")

    async def called(one: Session) -> None:
        done.append(f"call of {one.sid}")

    welcomes = Welcomes(welcome, AT_ONCE)
    people = [session(f"s{number}", tasks=tasks)[0] for number in range(CLIENTS)]
    for one in people:
        welcomes.add(one, None)
        one.lane.submit(lambda one=one: called(one))  # type: ignore[misc]
    people[-1].closed = True
    assert not any(one.lane.rests for one in people)
    assert await tasks.finished(10)
    assert most == AT_ONCE
    sids = [one.sid for one in people]
    assert [each for each in done if each in sids] == sids[:-1]
    assert all(done.index(sid) < done.index(f"call of {sid}") for sid in sids[:-1])
    assert done.count(f"call of {sids[-1]}") == 1
    assert all(one.lane.rests for one in people)


def test_a_query_may_name_the_form_that_is_open() -> None:
    assert form_in({"user_id": "u1"}) is None
    assert form_in({"patient_id": "p1"}) == Form("p1", None)
    assert form_in({"patient_id": "p1", "step": "3"}) == Form("p1", 3)
    assert form_in({"patient_id": "p1", "step": "99999"}) == Form("p1", STEP_MAX)
    assert form_in({"patient_id": "p1", "step": "9" * 5000}) == Form("p1", None)
