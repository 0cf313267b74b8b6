"""Who may do what on NATS: a user for each deployable, with the subjects that it needs and no other (docs/adr/0038).

Made from the catalogue, so that a new service has its user with the line that adds it there.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from confer_contracts import access, audit, notify, presence, queue, reactions, subjects, sync
from confer_contracts.catalogue import CALLS, SERVICES, SNAPSHOTS, VIEWS
from confer_contracts.reactions import Reaction
from confer_contracts.subjects import ACTIVITY, LIVE, SESSIONS, VIEWS_AGAIN, Kind, inbox, snapshots_of, stream_of

EDGE: Final = "edge"
EDGES: Final = "confer-edge"
PROVISION: Final = "confer-provision"
OPERATOR: Final = "confer-operator"
AUTHORISER: Final = "confer-authoriser"
SYSTEM: Final = "confer-system"
APP: Final = "APP"  # the account of all who take part
OPS: Final = "OPS"  # that of operators: what crosses the boundary is what they may do, and nothing else
DELIVERS: Final = (notify.SERVICE,)  # by durable consumers of their own, whose names are settings

# whose state another service's needs, and calls that are not for edges: those of operators, and between services
SNAPSHOTS_ASKED: Final = {queue.SERVICE: (presence.SERVICE,), notify.SERVICE: (queue.SERVICE,)}
ALIVE: Final = "control.edge.*.alive"
TELL: Final = notify.NOTIFICATION_TELL.subject
NOT_FOR_EDGES: Final = (TELL, notify.DEAD_LETTERS.subject, sync.FORM_REGISTER.subject, sync.FORM_LIST.subject)


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """What one may send, and what one may hear. `never`: exceptions from `publish`. A subscription `<subject> <group>`
    is allowed in that queue group alone. `answers`: may reply to what it is sent."""

    name: str
    about: str
    account: str = APP
    publish: tuple[str, ...] = ()
    never: tuple[str, ...] = ()
    subscribe: tuple[str, ...] = ()
    answers: bool = False


def sourced(service: str) -> tuple[str, ...]:
    """The consumers of a log by which LIVE and ACTIVITY are fed."""
    return ("live", "live-room", "activity") if service == queue.SERVICE else ("live", "activity")


def users() -> tuple[User, ...]:
    """Everybody who takes part, and operators."""
    return (_edge(), *map(_service, SERVICES), _authoriser(), _provision(), _operator())


def _service(name: str) -> User:
    own, user = stream_of(name), f"{name}-svc"
    asked = [subjects.call(other, "snapshot") for other in SNAPSHOTS_ASKED.get(name, ())]
    tells = [TELL] if name != notify.SERVICE else []
    more = [*_reads(ACTIVITY), *_follows(ACTIVITY)] if name == sync.SERVICE else []
    looks = [ALIVE, subjects.SERVERS] if name == presence.SERVICE else []
    shown = sorted({f"view.{view.kind}.*.{view.name}" for view in VIEWS if view.service == name})
    reacted = [r for r in reactions.ALL if r.service == name and r.on != name]
    return User(
        name=user,
        about=f"the service {name}",
        publish=(
            f"log.{name}.*.*.*", *_audits(name), *shown,
            *asked, *tells, *looks, *(f"{inbox(user)}.*.{name}.*" for user in _askers(name)), f"snapshot.{name}.>",
            *_reads(own), *_follows(own), *(_works(own, "*") if name in DELIVERS else ()),
            *_reads(snapshots_of(name)), f"$JS.API.STREAM.PURGE.{snapshots_of(name)}",
            *more, *(subject for r in reacted for subject in _reacts(r)),
        ),
        never=tuple(_others(name)),
        subscribe=(f"call.{name}.* {name}", VIEWS_AGAIN, *_told(user)),
        answers=True,
    )  # fmt: skip


def _edge() -> User:
    return User(
        name=EDGES,
        about="every edge",
        publish=(
            *(subjects.call(service, "*") for service in SERVICES), access.CHECK.subject,
            f"log.{EDGE}.{Kind.PROBE}.*.tick", audit.SUBJECTS, "session.*", VIEWS_AGAIN,
            *(subject for stream in (LIVE, access.STREAM) for subject in (*_reads(stream), *_follows(stream))),
            *_reads(SESSIONS), *(f"$JS.API.STREAM.INFO.{stream_of(service)}" for service in SERVICES),
        ),
        never=NOT_FOR_EDGES,
        subscribe=("view.>", f"{subjects.drain('*')} {EDGE}", f"{ALIVE} {EDGE}", *_told(EDGES)),
        answers=True,
    )  # fmt: skip


def _authoriser() -> User:
    check = access.CHECK.subject
    about = "the installation's own authoriser, in any queue group"
    return User(name=AUTHORISER, about=about, subscribe=(check, f"{check} *"), answers=True)


def _provision() -> User:
    """Makes streams, and what feeds LIVE; backs streams up and restores them: whoever holds this holds everything."""
    heard = (f"{inbox(PROVISION)}.>",)
    may = ("$JS.API.>", "$JS.SNAPSHOT.ACK.*.*", "$JS.SNAPSHOT.RESTORE.*.*")
    return User(name=PROVISION, about="`confer provision`", publish=may, subscribe=heard)


def _operator() -> User:
    """Sees everything and asks services; changes rights, and nothing else in the log. No two subjects meet: what is
    imported twice is asked twice."""
    readable = [*map(stream_of, SERVICES), ACTIVITY, access.STREAM, audit.STREAM, stream_of(EDGE), SESSIONS]
    return User(
        name=OPERATOR,
        about="the command `confer`",
        account=OPS,
        publish=(
            "call.*.*", "$SRV.>", access.SUBJECTS, subjects.drain("*"),
            "$JS.API.INFO", "$JS.API.STREAM.NAMES", "$JS.API.STREAM.LIST", "$JS.API.STREAM.INFO.*",
            "$JS.API.CONSUMER.LIST.*", "$JS.API.CONSUMER.INFO.*.*",
            *_follows(LIVE), *(subject for stream in (LIVE, *readable) for subject in _gets(stream)),
        ),
        subscribe=("view.>", f"{inbox(OPERATOR)}.>"),
    )  # fmt: skip


def _audits(service: str) -> Iterator[str]:
    """Who read, and what was refused, of its own calls; edges refuse anybody's."""
    yield from (f"log.{audit.SERVICE}.*.*.{call.event}" for call in CALLS if call.public and call.service == service)
    if any(part.reads for part in SNAPSHOTS if part.service == service):
        yield f"log.{audit.SERVICE}.*.*.snapshot"


def _askers(service: str) -> Iterator[str]:
    """Whose inboxes have a place for a service's answers. `answers` would be enough, but for those that come when the
    connection by which it was asked is gone: the server remembers who was asked with the connection."""
    yield EDGES
    asking = SERVICES if service == notify.SERVICE else [s for s, asked in SNAPSHOTS_ASKED.items() if service in asked]
    yield from (f"{other}-svc" for other in asking if other != service)


def _told(user: str) -> Iterator[str]:
    """What every process hears: answers, and who asks what it is (nats-server ADR-32)."""
    yield f"{inbox(user)}.>"
    yield from ("$SRV.*", f"$SRV.*.{user}", f"$SRV.*.{user}.*")


# --- what JetStream is asked for (nats-server ADR-1, ADR-31) ------------------------------------------------


def _reads(stream: str) -> Iterator[str]:
    yield f"$JS.API.STREAM.INFO.{stream}"
    yield from _gets(stream)


def _gets(stream: str) -> Iterator[str]:
    yield f"$JS.API.STREAM.MSG.GET.{stream}"
    yield f"$JS.API.DIRECT.GET.{stream}"


def _follows(stream: str) -> Iterator[str]:
    """Ordered consumers: they have no name of their own, and acknowledge nothing but the flow."""
    yield f"$JS.API.CONSUMER.CREATE.{stream}"
    yield f"$JS.API.CONSUMER.DELETE.{stream}.*"
    yield f"$JS.FC.{stream}.>"


def _works(stream: str, consumer: str) -> Iterator[str]:
    """A durable consumer, made, pulled from and acknowledged."""
    yield f"$JS.API.CONSUMER.DURABLE.CREATE.{stream}.{consumer}"
    yield f"$JS.API.CONSUMER.CREATE.{stream}.{consumer}.>"
    yield f"$JS.API.CONSUMER.MSG.NEXT.{stream}.{consumer}"
    yield f"$JS.ACK.{stream}.{consumer}.>"


def _reacts(reaction: Reaction) -> Iterator[str]:
    """What is read is in the subject, where it is one pattern; only the rules may be about more."""
    _, _, *work = _works(reaction.stream, reaction.consumer)
    yield from work
    create = f"$JS.API.CONSUMER.CREATE.{reaction.stream}.{reaction.consumer}"
    yield from (f"{create}.{subject}" for subject in reaction.subjects)
    if len(reaction.subjects) > 1:
        yield f"$JS.API.CONSUMER.DURABLE.CREATE.{reaction.stream}.{reaction.consumer}"


def _others(service: str) -> Iterator[str]:
    """The consumers that others have in a service's stream: who may read the facts may not keep others from them."""
    own = stream_of(service)
    foreign = (r.consumer for r in reactions.ALL if r.on == service and r.service != service)
    for name in (*sourced(service), *foreign):
        yield f"$JS.API.CONSUMER.DELETE.{own}.{name}"
        if service in DELIVERS:
            yield f"$JS.API.CONSUMER.*.CREATE.{own}.{name}"
            yield f"$JS.API.CONSUMER.CREATE.{own}.{name}.>"
            yield f"$JS.ACK.{own}.{name}.>"
