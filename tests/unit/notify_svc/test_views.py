"""Who is told a new count."""

from notify_svc.views import SeenLately


def test_who_was_seen_lately_is_told_of_notes_to_roles_topics_and_all() -> None:
    lately = SeenLately(people_max=2)
    for user, role in (("ana", "nurse"), ("bob", "doctor"), ("cleo", "nurse"), ("bob", None)):
        lately.saw(user, role, ["topic.board"])
    lately.follows("bob", "staff.eyes", on=True)
    lately.follows("cleo", "topic.board", on=False)
    lately.follows("ana", "staff.eyes", on=True)
    assert lately.told_by("role.nurse") == ["cleo"], "ana was forgotten: two are remembered"
    assert lately.told_by("role.doctor") == ["bob"]
    assert lately.told_by("topic.board") == ["bob"]
    assert lately.told_by("staff.eyes") == ["bob"]
    assert sorted(lately.told_by("all.all")) == ["bob", "cleo"]
    assert lately.told_by("user.ana") == ["ana"], "a note to a person needs no memory"
    assert lately.told_by("room.p1") == []


def test_what_somebody_follows_stays_known_where_it_is_not_told_again() -> None:
    lately = SeenLately(people_max=2)
    lately.saw("ana", "nurse", ["topic.board"])
    lately.saw("ana", "doctor")
    assert lately.told_by("topic.board") == ["ana"]
