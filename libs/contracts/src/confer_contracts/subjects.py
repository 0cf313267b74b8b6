"""The subject grammar and the headers that travel with messages.

call.<service>.<event>                 a client's request, answered once
log.<service>.<kind>.<id>.<key>        a fact, in its service's stream: exactly five tokens; in segment n of a log that
                                       is in segments (docs/adr/0043) the kind is <kind>-<n>, but for the first, n = 0
log.audit.<kind>.<id>.<call>           a read or a refusal, told by any service; never in LIVE
<kind>.<id>                            the same fact in LIVE; also called its audience
view.<kind>.<id>.<name>                latest-wins state and ephemera; not stored
control.<...>                          hints that make things quick; never the only carrier of anything
"""

from enum import StrEnum
from typing import Final, NamedTuple

from confer_contracts.ids import token


class Kind(StrEnum):
    """What an audience is: the first token of its name."""

    ROOM = "room"
    USER = "user"
    ROLE = "role"
    QUEUE = "queue"
    STAFF = "staff"
    TOPIC = "topic"
    ALL = "all"
    PROBE = "probe"


EVERYBODY: Final = f"{Kind.ALL}.all"
LIVE: Final = "LIVE"
ACTIVITY: Final = "ACTIVITY"
SERVERS: Final = "$SYS.REQ.ACCOUNT.PING.CONNZ"  # each NATS server answers, with its name and connections
VIEWS_AGAIN: Final = "control.views.again"  # an edge was away: services show their fresh views once more
SESSIONS: Final = "SESSIONS"  # the edges' own: `session.<hash of the pid>`


def stream_of(service: str) -> str:
    """The stream that a service (`presence`, `sync`, `queue`, `notify`, `edge`) appends to."""
    return service.upper()


def snapshots_of(service: str) -> str:
    """The stream of what a service starts from: `snapshot.<service>.>`."""
    return f"SNAPSHOTS_{stream_of(service)}"


def inbox(user: str) -> str:
    """Where answers to a user of NATS come: nobody else may listen there."""
    return f"_INBOX_{user}".replace("-", "_")


def answerer(subject: str) -> str:
    """The token, of a place for an answer, that says who may answer there: the service that is asked, or `-`."""
    return subject.split(".", 2)[1] if subject.startswith("call.") else "-"


def call(service: str, event: str) -> str:
    return f"call.{service}.{event}"


def audience(kind: Kind, identifier: str) -> str:
    """The audience of a plain id (a user, role, queue, topic); rooms have their tokens from `ids`."""
    return f"{kind}.{token(identifier)}"


def drain(edge: str) -> str:
    """Where an edge, named by its incarnation, is asked to send its clients away and to end."""
    return f"control.edge.{edge}.drain"


def alive(edge: str) -> str:
    """Where an edge, named by its incarnation, answers as long as it has a connection."""
    return f"control.edge.{token(edge)}.alive"


def room_audience(room: str) -> str:
    return f"{Kind.ROOM}.{room}"


class FactSubject(NamedTuple):
    """`log.<service>.<kind>.<id>.<key>`, taken apart; `ident` and `key` are tokens."""

    service: str
    kind: str
    ident: str
    key: str
    segment: int = 0

    def __str__(self) -> str:
        return f"log.{self.service}.{in_segment(self.kind, self.segment)}.{self.ident}.{self.key}"

    @property
    def template(self) -> str:
        """The subject without ids, for traces and metrics."""
        return f"log.{self.service}.{self.kind}.{{id}}.{{key}}"

    @classmethod
    def parse(cls, subject: str) -> "FactSubject":
        _, service, kind, ident, key = subject.split(".")
        name, _, segment = kind.partition("-")
        if segment.isdecimal():
            return cls(service, name, ident, key, int(segment))
        return cls(service, kind, ident, key)


def in_segment(kind: str, segment: int) -> str:
    """The token of this kind in this segment of a log."""
    return f"{kind}-{segment}" if segment else kind


def template(subject: str) -> str:
    """Any subject without ids, for logs."""
    first, *rest = subject.split(".")
    if first == "call":
        return subject
    if first == "log" and len(rest) == 4:
        return FactSubject.parse(subject).template
    return ".".join([first, *("{id}" for _ in rest)])


class Header:
    """Header names, each written once. A fact carries few: every one costs at each edge."""

    EVENT: Final = "Confer-Event"  # the Socket.IO event of a fact or view; absent: stored, never emitted
    ALIAS: Final = "Confer-Alias"  # a second Socket.IO name of the same body
    EVENT_FOR: Final = "Confer-Event-"  # + kind: the name for the copy that this kind of audience gets
    OP: Final = "Confer-Op"  # the operation id
    ACTOR: Final = "Confer-Actor"  # token of the user id of who did it
    ORIGIN: Final = "Confer-Origin"  # the session that it came from
    FOLD: Final = "Confer-Fold"  # JSON (ASCII) for the service's own fold; never emitted
    FOLLOW: Final = "Confer-Follow"  # `+` or `-` and an audience: the sessions that get this fact enter it, or leave it
    AS_OF: Final = "Confer-As-Of"  # of a view: the source sequence that it reflects
    AGAIN: Final = "Confer-Again"  # of a view: shown on purpose although nothing changed
    IDENTITY: Final = "Confer-Identity"  # of a call: JSON (ASCII) of an Identity
    DEADLINE: Final = "Confer-Deadline"  # of a call: Unix milliseconds after which nobody waits for it
    TRACEPARENT: Final = "traceparent"  # W3C Trace Context
    SOURCE: Final = "Nats-Stream-Source"  # set by the server: stream, sequence ... of a sourced message
