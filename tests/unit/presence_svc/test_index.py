"""Who is present, by room and by edge."""

from confer_contracts.presence import SESSIONS_PER_PAGE, EdgeSessions, SessionEntry, digest, session_pages
from presence_svc.domain.person import Person, Session
from presence_svc.index import Index, Place


def person(user: str, joined_at: float = 1.0, **sessions: Session) -> Person:
    return Person(user_id=user, joined_at=joined_at, sessions=sessions)


def names(index: Index, room: str) -> list[str]:
    return [person.user_id for person in index.roll(room).page(None, 100)[0]]


def test_a_room_lists_people_in_the_order_they_came() -> None:
    index = Index()
    index.put("r1.ben", person("ben", 2.0, t2=Session("A", 2)), 1)
    index.put("r1.ana", person("ana", 1.0, t1=Session("A", 1)), 2)
    index.put("r2.eve", person("eve", 3.0, t3=Session("A", 3)), 3)
    assert names(index, "r1") == ["ana", "ben"]
    assert (sorted(index.rooms()), index.rooms_of("A")) == (["r1", "r2"], {"r1", "r2"})


def test_who_left_is_forgotten_and_old_news_change_nothing() -> None:
    index = Index()
    here = person("ana", t1=Session("A", 1))
    assert index.put("r1.ana", here, 5)
    assert not index.put("r1.ana", person("ana", t0=Session("A", 0)), 4)
    assert index.sessions("A") == {Place("r1", "ana", "t1"): 1}
    index.put("r1.ana", Person(user_id="ana", left_at=9.0), 6)
    assert (index.get("r1.ana"), index.rooms(), index.edges()) == (None, [], [])


def test_what_the_log_brings_late_does_not_bring_back_who_left() -> None:
    """Our own append is known before the log has brought what came before it."""
    index = Index()
    index.put("r1.ana", Person(user_id="ana", left_at=9.0), 6)
    assert not index.put("r1.ana", person("ana", t1=Session("A", 1)), 5)
    index.read("r1.ana", 5)
    assert not index.put("r1.ana", person("ana", t1=Session("A", 1)), 6)
    index.read("r1.ana", 6)
    assert index.put("r1.ana", person("ana", t1=Session("A", 1)), 7)


def test_a_session_that_moves_changes_both_edges_lists() -> None:
    index = Index()
    index.put("r1.ana", person("ana", t1=Session("A", 1)), 1)
    assert index.digest("A") == digest([("r1", "t1", 1)])
    index.put("r1.ana", person("ana", t1=Session("B", 7)), 2)
    assert index.digest("A") == digest([])
    assert index.digest("B") == digest([("r1", "t1", 7)])


def test_a_digest_does_not_depend_on_the_order() -> None:
    sessions = [("r2", "a b", 1), ("r1", "t1", 2)]
    assert digest(sessions) == digest(reversed(sessions))


def entry(number: int) -> SessionEntry:
    return SessionEntry(user_id="ana", name="Ana", role="nurse", session=f"t{number:04}", room="r1", attach=number)


def test_pages_cover_everything_once() -> None:
    entries = [entry(n) for n in range(2 * SESSIONS_PER_PAGE + 1)]
    pages = session_pages("A", reversed(entries))
    assert [e for page in pages for e in page.entries] == entries
    assert [(p.page, p.pages) for p in pages] == [(1, 3), (2, 3), (3, 3)]
    for place in [*((e.room, e.session) for e in entries), ("a", ""), ("z", "z"), ("r1", "t0199x")]:
        assert sum(page.covers(*place) for page in pages) == 1, place


def test_an_empty_list_is_one_page_that_covers_all() -> None:
    assert session_pages("A", []) == [EdgeSessions(incarnation="A", page=1, pages=1, entries=[])]
