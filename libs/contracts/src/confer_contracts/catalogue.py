"""Everything that crosses a process, in one place. A name that is not here does not exist.

Importing this refuses a repeated name or a subject outside the grammar.
"""

import re

from confer_contracts import board, notify, portal, presence, queue, queue_life, queue_reading, sync
from confer_contracts.route import Call, EdgeEvent, Fact, Snapshot, View
from confer_contracts.subjects import Kind

_OWNERS = (presence, sync, queue, notify)
_ASKED = (*_OWNERS, queue_life, queue_reading, board)
SERVICES: tuple[str, ...] = tuple(owner.SERVICE for owner in _OWNERS)
CALLS: tuple[Call, ...] = tuple(call for owner in _ASKED for call in owner.CALLS)  # type: ignore[type-arg]
SNAPSHOTS: tuple[Snapshot, ...] = tuple(part for owner in _OWNERS for part in owner.SNAPSHOTS)
FACTS: tuple[Fact, ...] = (*presence.FACTS, *sync.FACTS, *queue.FACTS, *queue_life.FACTS, *notify.FACTS)
VIEWS: tuple[View, ...] = (*presence.VIEWS, *sync.VIEWS, *queue.VIEWS, *board.VIEWS, *notify.VIEWS)
EDGE_EVENTS: tuple[EdgeEvent, ...] = portal.EDGE_EVENTS

PUBLIC_CALLS = {call.event: call for call in CALLS if call.public}
_EMITTED: tuple[Fact | View, ...] = (*FACTS, *VIEWS)
OTHERS = frozenset(e.event for e in _EMITTED if e.others)  # skip the session that they came from
EPHEMERA = frozenset(view.event for view in VIEWS if view.ephemeral)  # of which each one counts, or none
BESIDE = {view.event: view.namespace for view in VIEWS if view.namespace != "/"}  # what another namespace gets


def calls_of(service: str) -> frozenset[str]:
    """The subjects that a service must answer, its snapshot included."""
    named = {call.subject for call in CALLS if call.service == service}
    snapshot = {f"call.{part.service}.snapshot" for part in SNAPSHOTS if part.service == service}
    return frozenset(named | snapshot)


def snapshots_of(kind: Kind) -> tuple[Snapshot, ...]:
    """The parts of the answer to a join of an audience of this kind."""
    return tuple(part for part in SNAPSHOTS if part.kind == kind)


def _refuse_mistakes() -> None:
    incoming = [call.event for call in CALLS if call.public] + [event.event for event in EDGE_EVENTS]
    repeated = {name for name in incoming if incoming.count(name) > 1}
    if repeated:
        raise ValueError(f"client events with two owners: {sorted(repeated)}")
    routed = [call.subject for call in CALLS]
    repeated = {name for name in routed if routed.count(name) > 1}
    if repeated:
        raise ValueError(f"subjects with two calls: {sorted(repeated)}")
    wrong = [name for name in (*incoming, *(e.event for e in _EMITTED)) if not re.fullmatch(r"[a-z_]+", name)]
    if wrong:
        raise ValueError(f"names outside the grammar: {wrong}")


_refuse_mistakes()
