"""The judge of the chaos tests finds every kind of lie: a checker that cannot fail would prove nothing."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from confer_kit.testing.chaos.judge import Judge
from confer_kit.testing.chaos.sightings import Asked, Began, Joined, Left, Offset, Resynced, Sighting, SyncPoint, Told
from confer_kit.testing.chaos.truth import LiveFact, Truth

A, B, EVERYBODY, ME = "room.A", "room.B", "all.all", "user.u1"


def fact(seq: int, audience: str = A, stream: str = "SYNC", name: str = "field_updated", origin: str = "") -> LiveFact:
    """The `seq`th of LIVE and of its stream; each is another version of one field."""
    body = b'{"field":"f","version":%d}' % seq
    return LiveFact(seq, audience, name, body, (stream, seq), origin or None)


def truth(*facts: LiveFact, later: tuple[LiveFact, ...] = (), unsourced: tuple[LiveFact, ...] = ()) -> Truth:
    """What LIVE `e1` had, a later LIVE `e2`, and the log between them, when there was none."""
    made = Truth()
    for epoch, of_epoch in (("e1", facts), ("e2", later)):
        if of_epoch:
            made.epochs[epoch] = {one.seq: one for one in of_epoch}
    for one in (*facts, *unsourced, *later):
        made.log[one.audience].append(one.source)
        made.appended[one.source] = float(one.seq)
    return made


def told(one: LiveFact, epoch: str = "e1") -> Told:
    return Told(one.name, one.body, Offset(epoch, one.seq))


def joined(audience: str, at: int, *, epoch: str = "e1", versions: int | None = None) -> list[Sighting]:
    has = at if versions is None else versions
    return [Asked(audience), Joined(audience, Offset(epoch, at), {"f": has}, at=float(at) + 0.5)]


BEGAN = Began("s1", recovered=False, own=(ME, EVERYBODY))
BACK = Began("s1", recovered=True, own=(ME, EVERYBODY))
IN = [BEGAN, SyncPoint(ME, Offset("e1", 0), 0.0), *joined(A, 0), *joined(B, 0)]
FACTS = [fact(1), fact(2, B), fact(3), fact(4, EVERYBODY, "NOTIFY", "notification"), fact(5)]
ALL = [told(one) for one in FACTS]


def judged(sightings: list[Sighting], known: Truth) -> Judge:
    return Judge("u1", known).hear(sightings).close()


def test_everything_once_in_order_is_right() -> None:
    judge = judged([*IN, *ALL], truth(*FACTS))
    assert not judge.problems
    assert judge.counts["facts"] == len(FACTS)


def test_over_a_cut_too() -> None:
    assert not judged([*IN, *ALL[:2], BACK, *ALL[2:]], truth(*FACTS)).problems


Change = Callable[[list[Told]], list[Told]]
LIES: dict[str, tuple[Change, str]] = {
    "one is missing": (lambda all_: all_[:2] + all_[3:], "was skipped"),
    "one of everybody's is missing": (lambda all_: all_[:3] + all_[4:], "never came"),
    "the last is missing": (lambda all_: all_[:-1], "never came"),
    "one comes twice": (lambda all_: [*all_[:2], *all_[1:]], "after"),
    "two change places over two rooms": (lambda all_: [all_[1], all_[0], *all_[2:]], "after"),
    "a byte is another": (lambda all_: [replace(all_[0], body=all_[0].body + b" "), *all_[1:]], "instead of"),
    "the name is another": (lambda all_: [replace(all_[0], name="step_updated"), *all_[1:]], "instead of"),
    "it never was": (lambda all_: [*all_, Told("x", b"1", Offset("e1", 99))], "never had it"),
    "the epoch never was": (lambda all_: [*all_, Told("x", b"1", Offset("e9", 1))], "never had it"),
}


@pytest.mark.parametrize("lie", LIES)
@pytest.mark.parametrize("cut_after", [0, 2, 4])
def test_every_lie_is_found(lie: str, cut_after: int) -> None:
    change, problem = LIES[lie]
    came: list[Sighting] = list(change(ALL))
    judge = judged([*IN, *came[:cut_after], BACK, *came[cut_after:]], truth(*FACTS))
    assert any(problem in found for found in judge.problems), judge.problems


def test_what_a_join_contains_need_not_come_and_what_it_lacks_must() -> None:
    begin: list[Sighting] = [BEGAN, *joined(B, 0)]
    newer = [*begin, ALL[1], Asked(A), Joined(A, Offset("e1", 2), {"f": 3}, at=4.0), ALL[4]]
    assert not judged(newer, truth(*FACTS)).problems
    older = [*begin, ALL[1], Asked(A), Joined(A, Offset("e1", 2), {"f": 2}, at=4.0), ALL[4]]
    assert "was skipped" in judged(older, truth(*FACTS)).problems[0]
    too_old = [*begin, ALL[1], Asked(A), Joined(A, Offset("e1", 2), {"f": 0}, at=4.0), ALL[2], ALL[4]]
    assert "lacks" in judged(too_old, truth(*FACTS)).problems[0]


def test_a_snapshot_contains_nothing_that_came_after_it() -> None:
    after_heard = [*IN, *ALL[:2], Joined(A, Offset("e1", 2), {"f": 9}, at=9.0), ALL[2]]
    assert "never came" in judged([*after_heard, ALL[3]], truth(*FACTS)).problems[0]


def test_a_fact_of_a_room_that_it_is_not_in() -> None:
    assert "not in" in judged([*IN, Left(B), *ALL], truth(*FACTS)).problems[0]


def test_its_own_step_need_not_come_back() -> None:
    own = fact(6, A, "SYNC", "step_changed", origin="s1")
    others = fact(6, A, "SYNC", "step_changed", origin="s2")
    assert not judged([*IN, *ALL], truth(*FACTS, own)).problems
    assert judged([*IN, *ALL], truth(*FACTS, others)).problems


LATER = tuple(replace(one, source=("SYNC", one.seq + 10)) for one in (fact(1, A), fact(2, B)))
BETWEEN = replace(fact(8), source=("SYNC", 8))
KNOWN = truth(*FACTS, later=LATER, unsourced=(BETWEEN,))
RESYNC = [Resynced(room, Offset("e2", 0), {"SYNC": 9, "NOTIFY": 4}, ()) for room in (A, B, ME)]


def test_a_new_live_is_covered_by_a_resync_of_each_room() -> None:
    known = [told(one, "e2") for one in LATER]
    assert not judged([*IN, *ALL, *RESYNC, *known], KNOWN).problems
    assert not judged([*IN, *ALL[:1], *RESYNC, *known], KNOWN).problems, "the snapshot has what had not come"
    silent = judged([*IN, *ALL, *known], KNOWN).problems
    assert "without a resync" in silent[0]
    assert "never heard of" in judged([*IN, *ALL], KNOWN).problems[0]


@pytest.mark.parametrize("upto", [4, 7])
def test_a_resync_that_is_older_than_what_was_missed_is_no_cover(upto: int) -> None:
    """Of the old LIVE (5), or of the time between both (8)."""
    short = [replace(one, as_of={"SYNC": upto, "NOTIFY": 4}) for one in RESYNC]
    judge = judged([*IN, *ALL, *short, *[told(one, "e2") for one in LATER]], KNOWN)
    assert "lacks" in judge.problems[0]
