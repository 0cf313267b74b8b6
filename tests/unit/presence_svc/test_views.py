"""What is shown of a room fits into a message, whatever its people are called and do."""

from confer_contracts.presence import PresenceQuery
from confer_kit.clock import iso
from presence_svc.domain.decide import SESSIONS_MAX
from presence_svc.domain.lock import Lock
from presence_svc.domain.marks import MARKS_MAX, Mark, chosen
from presence_svc.domain.person import Person, Session
from presence_svc.lock_codec import lock_key, shown
from presence_svc.roll import Roll
from presence_svc.settings import Settings
from presence_svc.views import described, page

MESSAGE_BYTES = 1_000_000  # `max_payload` of nats-server, less its headers
T0 = 1_700_000_000.123
WIDE = "\U0001f441"  # of four bytes


def limit_of(model: type[Settings] | type[PresenceQuery], name: str) -> int:
    return next(int(rule.le) for rule in model.model_fields[name].metadata if hasattr(rule, "le"))


def roll(people: int) -> Roll:
    made = Roll()
    for number in range(people):
        user = f"{number:0128}"
        sessions = {f"{n:020}": Session("e", 1, device=f"{n:02}{WIDE * 38}") for n in range(SESSIONS_MAX)}
        marks = {f"{n:020}": Mark(f"{n:04}{WIDE * 31}", T0) for n in range(MARKS_MAX)}
        person = Person(
            user_id=user, name=WIDE * 200, role="r" * 128, sessions=sessions, marks=marks, joined_at=T0 + number
        )
        made.put(user, person)
    return made


def test_the_largest_page_fits_with_all_locks() -> None:
    most, locks = limit_of(Settings, "presence_page"), Settings(nats_url="nats://x").presence_room_locks_max
    lock = shown(lock_key("r", WIDE * 32), Lock(holder=WIDE * 32, token=2**53, since=T0, expires_at=T0))
    largest = page(roll(most + 1), None, most, T0).model_copy(update={"locks": [lock] * locks})
    assert (len(largest.users), largest.since) == (most, iso(T0))
    assert len(largest.model_dump_json().encode()) < MESSAGE_BYTES


def test_the_largest_answer_to_who_is_here_fits() -> None:
    most = limit_of(PresenceQuery, "limit")
    assert len(described(roll(most + 1), None, most, T0).model_dump_json().encode()) < MESSAGE_BYTES


def test_the_oldest_of_too_many_marks_ends() -> None:
    marks = chosen({}, "tab0", "f0", T0)
    for n in range(1, MARKS_MAX + 1):
        marks = chosen(marks, f"tab{n}", f"f{n}", T0)
    assert list(marks) == [f"tab{n}" for n in range(1, MARKS_MAX + 1)]
