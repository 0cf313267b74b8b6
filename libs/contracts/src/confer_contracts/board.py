"""What a public display shows of a queue, on a namespace of its own: numbers and stations, never who they are. Part of
`queue`."""

from confer_contracts.message import Body, Id, Ok
from confer_contracts.queue import SERVICE
from confer_contracts.queue_reading import EstimatedWait
from confer_contracts.route import Call, View
from confer_contracts.subjects import Kind

NAMESPACE = "/board"
CALLED_MAX, NEXT_MAX = 20, 20  # tickets that a board shows


class BoardTicket(Body):
    """`called_at` (ISO 8601) is later after each further call."""

    number: str
    station: str | None = None
    serving: bool = False
    called_at: str


class Board(Body):
    """`called`: who was called, the latest first. `next`: who is likely to be called next. `waiting`: how many in all.
    `estimated_wait`: of somebody who came when this changed last."""

    queue: str
    called: list[BoardTicket] = []
    next: list[str] = []
    waiting: int = 0
    estimated_wait: EstimatedWait | None = None


class BoardQuery(Body):
    queue: Id


class BoardReply(Ok):
    """`as_of`: the sequence of the queue's log that it reflects, as of a view."""

    as_of: int
    board: Board


class Display(Body):
    """What a display tells in `auth` when it connects. `token`: the installation's board token, where it has one."""

    queue: Id
    token: str | None = None


QUEUE_BOARD = View(service=SERVICE, event="queue_board", kind=Kind.QUEUE, name="board", body=Board, namespace=NAMESPACE,
                   doc="The public board of a queue, on the namespace /board alone.")  # fmt: skip
BOARD = Call(service=SERVICE, event="board", request=BoardQuery, reply=BoardReply, public=False, ordered=False,
             doc="The public board of a queue, for a display that connects.")  # fmt: skip
CALLS = (BOARD,)
VIEWS = (QUEUE_BOARD,)
