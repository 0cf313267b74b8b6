"""A ticket, and a policy, as JSON: what is as by default is left out, and what is not there is read as the default."""

from dataclasses import fields
from typing import Any

from queue_svc.domain.number import Number
from queue_svc.domain.order import Ordering
from queue_svc.domain.policy import Policy, Station
from queue_svc.domain.ticket import Assigned, Attendance, Claim, Note, Spot, Ticket, Visit

_TUPLES: dict[str, Any] = {"staff": Attendance, "assigned": Assigned, "notes": Note, "visits": Visit}
_ONE: dict[str, Any] = {"claim": Claim, "moved": Spot, "number": Number}
_MEMBERS = tuple((one.name, one.default) for one in fields(Ticket))


def packed(ticket: Ticket) -> dict[str, Any]:
    """All members that are not as by default."""
    return {name: _packed(value) for name, default in _MEMBERS if (value := getattr(ticket, name)) != default}


def unpacked(told: dict[str, Any]) -> Ticket:
    """The ticket of `packed`; older facts have fewer members, and none of ours is unknown."""
    members = {name: _unpacked(name, told[name]) for name, _ in _MEMBERS if told.get(name) is not None}
    return Ticket(**members)


def packed_policy(policy: Policy) -> dict[str, Any]:
    """JSON of a policy."""
    told = {one.name: getattr(policy, one.name) for one in fields(Policy)}
    return told | {
        "ordering": [policy.ordering.ageing_s, policy.ordering.shares],
        "kinds": {kind: sorted(skills) for kind, skills in policy.kinds.items()},
        "stations": {
            name: [None if one.kinds is None else sorted(one.kinds), sorted(one.skills)]
            for name, one in policy.stations.items()
        },
    }


def unpacked_policy(told: dict[str, Any]) -> Policy:
    ageing_s, shares = told["ordering"]
    known = {one.name for one in fields(Policy)}
    return Policy(**{name: value for name, value in told.items() if name in known} | {
        "ordering": Ordering(ageing_s, tuple(shares) if shares else None),
        "kinds": {kind: frozenset(skills) for kind, skills in told["kinds"].items()},
        "stations": {
            name: Station(kinds=None if kinds is None else frozenset(kinds), skills=frozenset(skills))
            for name, (kinds, skills) in told["stations"].items()
        },
    })  # fmt: skip


def _packed(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_packed(one) for one in value]
    if hasattr(value, "__dataclass_fields__"):
        return [getattr(value, one.name) for one in fields(value)]
    return value


def _unpacked(name: str, value: Any) -> Any:
    if name in _TUPLES:
        return tuple(_TUPLES[name](*one) for one in value)
    return _ONE[name](*value) if name in _ONE else value
