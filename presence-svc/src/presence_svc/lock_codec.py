"""Locks in the log: `log.presence.room.<room>.<LOCK><field token>`. Every fact carries the whole lock in its fold.

To a replica that knows no locks such a fact is somebody of a strange name who is not there.
"""

from typing import Any

import orjson

from confer_contracts.ids import patient_of, token, untoken
from confer_contracts.presence import LOCK, SERVICE, FieldLock, FieldLocked, FieldUnlocked
from confer_contracts.subjects import FactSubject, Kind, stream_of
from confer_kit.clock import iso
from confer_kit.facts import NewFact, StoredFact
from presence_svc import fold
from presence_svc.domain import lock as locks
from presence_svc.domain.lock import Changed, Lock, Notice

_EVENTS = {Notice.LOCKED: "field_locked", Notice.UNLOCKED: "field_unlocked"}
_PLAIN = ("holder", "token", "since", "lasts_s", "expires_at")


def lock_key(room: str, field: str) -> str:
    return f"{room}.{LOCK}{token(field)}"


def field_of(key: str) -> str:
    return untoken(key.partition(".")[2].removeprefix(LOCK))


class LockCodec:
    """Key: `<room token>.<LOCK><field token>`."""

    stream = stream_of(SERVICE)
    last_only = True

    def aggregate(self, subject: FactSubject) -> str | None:
        is_lock = subject.kind == Kind.ROOM and subject.key.startswith(LOCK)
        return f"{subject.ident}.{subject.key}" if is_lock else None

    def guard(self, key: str) -> str:
        return f"log.{SERVICE}.{Kind.ROOM}.{key}"

    def initial(self, key: str) -> Lock:
        return Lock()

    def decode(self, fact: StoredFact) -> Lock | None:
        told: Any = fact.fold
        told = told.get("lock") if isinstance(told, dict) else None
        if not isinstance(told, dict):
            return None
        return Lock(**{name: told[name] for name in _PLAIN if name in told}, operations=fold.operations(told))

    def evolve(self, state: Lock, event: Lock) -> Lock:
        return locks.evolve(state, event)

    def encode(self, key: str, event: Changed, *, op: str | None = None, origin: str | None = None) -> NewFact:
        """The fact of an event; `origin` is the session that it came from."""
        lock = event.lock
        room, name = key.split(".")
        plain = {name: value for name in _PLAIN if (value := getattr(lock, name)) is not None}
        told = {"lock": plain | fold.told_operations(lock.operations)}
        return NewFact(
            subject=FactSubject(SERVICE, Kind.ROOM, room, name), body=_body(key, event).model_dump_json().encode(),
            event=_EVENTS.get(event.notice), fold=orjson.dumps(told), op=op, actor=lock.holder or event.earlier,
            origin=origin,
        )  # fmt: skip


def shown(key: str, lock: Lock) -> FieldLock:
    """A lock that is held, as browsers see it."""
    return FieldLock(
        field=field_of(key), user_id=lock.holder or "", token=lock.token, since=iso(lock.since),
        expires_at=iso(lock.expires_at),
    )  # fmt: skip


def _body(key: str, event: Changed) -> FieldLocked | FieldUnlocked:
    patient = patient_of(key.partition(".")[0]) or ""
    if event.reason is not None:
        return FieldUnlocked(
            patient_id=patient, field=field_of(key), user_id=event.earlier or "", token=event.lock.token,
            reason=event.reason,
        )  # fmt: skip
    return FieldLocked(**shown(key, event.lock).model_dump(), patient_id=patient, taken_from=event.earlier)
