"""The people of one room, in the order in which they came."""

from bisect import bisect_left, bisect_right, insort

from confer_contracts.errors import ErrorCode, Rejection
from presence_svc.domain.person import Person

Place = tuple[float, str]  # when they came, and their token


class Roll:
    def __init__(self) -> None:
        self._order: list[Place] = []
        self._people: dict[str, Person] = {}
        self.away = 0

    def __len__(self) -> int:
        return len(self._order)

    def put(self, user: str, person: Person) -> None:
        """`user` is a token. Whoever is not present is not on it."""
        before = self._people.pop(user, None)
        if before is not None:
            self.away -= before.status == "away"
        if before is not None and not (person.present and before.joined_at == person.joined_at):
            del self._order[bisect_left(self._order, (before.joined_at, user))]
            before = None
        if person.present:
            self._people[user] = person
            self.away += person.status == "away"
            if before is None:
                insort(self._order, (person.joined_at, user))

    def place(self, user: str) -> int | None:
        """How many came before them; None: they are not here."""
        person = self._people.get(user)
        return None if person is None else bisect_left(self._order, (person.joined_at, user))

    def page(self, after: str | None, limit: int) -> tuple[list[Person], str | None]:
        """Up to `limit` people after that cursor, and the cursor of the next page; None: there is none.

        A cursor stays good when people come and go. Rejection(invalid) for what is none.
        """
        start = 0 if after is None else bisect_right(self._order, _place(after))
        places = self._order[start : start + limit]
        more = start + limit < len(self._order)
        return [self._people[user] for _, user in places], _cursor(places[-1]) if more else None


def _cursor(place: Place) -> str:
    return f"{place[0]!r}~{place[1]}"


def _place(cursor: str) -> Place:
    at, _, user = cursor.partition("~")
    try:
        return float(at), user
    except ValueError:
        raise Rejection(ErrorCode.INVALID, "after: is not the `next` of a page", field="after") from None
