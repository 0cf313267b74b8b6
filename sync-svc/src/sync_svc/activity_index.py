"""Where in the stream ACTIVITY the rows of a record, and of a person, are. Pure; sequences only, 9 bytes a row each.

Bounded: the newest 10,000 rows of a record or person, and 4 million rows and 100,000 names for each of both; beyond
that those that were quiet longest are dropped, and asking for one says so.
"""

from array import array
from bisect import bisect_left
from collections import OrderedDict
from collections.abc import Collection, Iterator
from itertools import islice
from typing import Final, get_args

from confer_contracts.activity import ActivityKind
from confer_contracts.errors import ErrorCode, Rejection

ROWS_PER_NAME_MAX = 10_000
ROWS_MAX = 4_000_000
NAMES_MAX = 100_000
_KINDS: Final[tuple[ActivityKind, ...]] = get_args(ActivityKind)
_NUMBER: Final = {kind: number for number, kind in enumerate(_KINDS)}


class Rows:
    """Sequences, ascending, each with its kind. `trimmed`: there were older ones than it keeps."""

    __slots__ = ("kinds", "sequences", "trimmed")

    def __init__(self) -> None:
        self.sequences: array[int] = array("Q")
        self.kinds = bytearray()
        self.trimmed = False

    def __len__(self) -> int:
        return len(self.sequences)

    def drop(self, count: int) -> None:
        """The oldest ones."""
        del self.sequences[:count]
        del self.kinds[:count]

    def newest_first(self, below: int, down_to: int, kinds: Collection[ActivityKind]) -> Iterator[int]:
        """Those of these kinds with `down_to <= sequence < below`."""
        wanted = {_NUMBER[kind] for kind in kinds}
        for place in range(bisect_left(self.sequences, below) - 1, -1, -1):
            if self.sequences[place] < down_to:
                return
            if self.kinds[place] in wanted:
                yield self.sequences[place]

    def has(self, sequence: int) -> bool:
        place = bisect_left(self.sequences, sequence)
        return place < len(self.sequences) and self.sequences[place] == sequence


class Shelf:
    """Rows by name: of records, or of people."""

    def __init__(self, per_name: int = ROWS_PER_NAME_MAX, rows: int = ROWS_MAX, names: int = NAMES_MAX) -> None:
        self._per_name, self._rows_max, self._names_max = per_name, rows, names
        self._named: OrderedDict[str, Rows] = OrderedDict()
        self.count = 0
        self._dropped = False

    def add(self, name: str, sequence: int, kind: ActivityKind) -> None:
        """The next row of `name`: the newest of all."""
        rows = self._named.setdefault(name, Rows())
        self._named.move_to_end(name)
        rows.sequences.append(sequence)
        rows.kinds.append(_NUMBER[kind])
        self.count += 1
        if len(rows) > self._per_name:
            oldest = max(1, self._per_name // 10)  # several at once: each cut moves the rest
            rows.drop(oldest)
            rows.trimmed = True
            self.count -= oldest
        while self.count > self._rows_max or len(self._named) > self._names_max:
            _, dropped = self._named.popitem(last=False)
            self.count -= len(dropped)
            self._dropped = True

    def find(self, name: str) -> Rows:
        """Rejection(limit_exceeded) where it may have been dropped."""
        if (rows := self._named.get(name)) is not None:
            return rows
        if self._dropped:
            text = "this activity is older than what is indexed"
            raise Rejection(ErrorCode.LIMIT_EXCEEDED, text, retry=False)
        return Rows()

    def forget_below(self, first: int) -> None:
        """What the stream no longer holds."""
        for name in list(self._named):
            rows = self._named[name]
            gone = bisect_left(rows.sequences, first)
            rows.drop(gone)
            self.count -= gone
            if not rows:
                del self._named[name]


class ActivityIndex:
    def __init__(self) -> None:
        self.clear()

    @property
    def count(self) -> int:
        """Rows of records and of people; most facts have one of each."""
        return self.records.count + self.people.count

    def clear(self) -> None:
        """What was indexed is void."""
        self.records, self.people = Shelf(), Shelf()

    def add(self, sequence: int, kind: ActivityKind, room: str | None, user: str | None) -> None:
        """The next row; `room` and `user` are tokens."""
        if room is not None:
            self.records.add(room, sequence, kind)
        if user is not None:
            self.people.add(user, sequence, kind)

    def forget_below(self, first: int) -> None:
        self.records.forget_below(first)
        self.people.forget_below(first)

    def search(
        self,
        room: str | None,
        user: str | None,
        kinds: Collection[ActivityKind],
        *,
        below: int,
        down_to: int,
        most: int,
    ) -> tuple[list[int], bool]:  # fmt: skip
        """Up to `most` sequences, newest first, of the room, the user, or both; and whether older rows are kept no
        longer. Rejection `limit_exceeded` for what was dropped."""
        of_room = None if room is None else self.records.find(room)
        of_user = None if user is None else self.people.find(user)
        rows = [rows for rows in (of_room, of_user) if rows is not None]
        shorter, *other = sorted(rows, key=len)
        found = shorter.newest_first(below, down_to, kinds)
        both = (sequence for sequence in found if all(rows.has(sequence) for rows in other))
        return list(islice(both, most)), any(rows.trimmed for rows in rows)
