"""The locks of fields: taking and giving, and their ends, which any replica may find."""

from functools import partial

from confer_contracts.errors import ErrorCode, Rejection
from confer_contracts.presence import FieldLock
from confer_kit import clock
from confer_kit.facts import NewFact, StoredFact
from confer_kit.service import Service
from presence_svc.codec import person_key
from presence_svc.domain.lock import Acquire, Command, Expire, HolderLeft, Lock, Release, Use, decide
from presence_svc.hearing import Hearing
from presence_svc.index import Index
from presence_svc.lock_codec import LockCodec, lock_key, shown
from presence_svc.people import BACKGROUND_S
from presence_svc.settings import Settings


class Locks:
    """Those that are held, by room. A lock ends by its holder's word, with its time, or when they have left."""

    def __init__(self, service: Service, settings: Settings, hearing: Hearing, people: Index) -> None:
        self._service = service
        self._settings = settings
        self._hearing = hearing
        self._people = people
        self._codec = LockCodec()
        self._ledger = service.ledger(self._codec)
        self._held: dict[str, dict[str, Lock]] = {}
        self._seqs: dict[str, int] = {}

    async def acquire(
        self, room: str, field: str, command: Acquire, *, deadline: float, origin: str | None
    ) -> FieldLock:
        """Rejection(conflict) with the `lock` where somebody else holds it; `unavailable` when presence has not heard
        of the caller in this room; `limit_exceeded`."""
        key = lock_key(room, field)
        if self._people.get(person_key(room, command.user)) is None:
            raise Rejection(ErrorCode.UNAVAILABLE, "presence has not heard of you in this room yet")
        most, held = self._settings.presence_room_locks_max, self._held.get(room, {})
        if key not in held and len(held) >= most:
            raise Rejection(ErrorCode.LIMIT_EXCEEDED, f"more than {most} locks in this room")
        return shown(key, await self._change(key, command, deadline, command.op, origin))

    async def release(self, room: str, field: str, command: Release, *, deadline: float, origin: str | None) -> None:
        """Rejection(conflict) with the `lock` where somebody else holds it."""
        await self._change(lock_key(room, field), command, deadline, command.op, origin)

    async def used(self, room: str, user: str, now: float) -> None:
        """The person was active there: what they hold is renewed when its time is half over."""
        use = Use(user=user, now=now)
        for key, lock in tuple(self._held.get(room, {}).items()):
            if decide(use, lock) is not None:
                await self._change(key, use)

    def observe(self, fact: StoredFact) -> None:
        """A fact of the own stream, in order."""
        key = self._codec.aggregate(fact.subject)
        lock = None if key is None else self._codec.decode(fact)
        if key is not None and lock is not None:
            self._know(key, lock, fact.seq)
            if lock.holder is None and self._seqs.get(key) == fact.seq:
                del self._seqs[key]  # nothing older will come

    def lasts_s(self, asked: float | None) -> float:
        """How long a lock is to last. Rejection(invalid) for more than may be."""
        most = self._settings.presence_lock_max_s
        if asked is not None and asked > most:
            raise Rejection(ErrorCode.INVALID, f"lasts_s: must be at most {most:g}", field="lasts_s")
        return asked or self._settings.presence_lock_s

    def shown(self, room: str) -> list[FieldLock]:
        now = clock.now()
        return [shown(key, lock) for key, lock in self._held.get(room, {}).items() if lock.held(now)]

    def held(self) -> int:
        """How many there are."""
        return sum(map(len, self._held.values()))

    def clear(self) -> None:
        """The log is read anew."""
        self._held.clear()
        self._seqs.clear()

    async def sweep(self) -> None:
        """Called every second or so: who has left a room holds nothing there."""
        if self._hearing.blind_since is not None:
            return
        left = [
            (key, lock)
            for room, held in self._held.items()
            for key, lock in held.items()
            if lock.holder is not None and self._people.get(person_key(room, lock.holder)) is None
        ]
        for key, lock in left:
            await self._change(key, HolderLeft(token=lock.token, now=clock.now()))

    async def _change(
        self, key: str, command: Command, deadline: float | None = None, op: str | None = None,
        origin: str | None = None,
    ) -> Lock:  # fmt: skip
        def decided(lock: Lock) -> NewFact | None:
            try:
                event = decide(command, lock)
            except Rejection as refusal:
                if refusal.code is not ErrorCode.CONFLICT or not lock.held(clock.now()):
                    raise
                details = {"lock": shown(key, lock).model_dump()}
                raise Rejection(refusal.code, refusal.message, field=refusal.field, details=details) from None
            return None if event is None else self._codec.encode(key, event, op=op, origin=origin)

        folded = await self._ledger.transact(key, decided, deadline or clock.now() + BACKGROUND_S)
        self._know(key, folded.state, folded.seq)
        return folded.state

    def _know(self, key: str, lock: Lock, seq: int) -> None:
        if seq <= self._seqs.get(key, 0):
            return
        room, timer = key.partition(".")[0], f"lock {key}"
        self._seqs[key] = seq
        if lock.holder is None:
            self._held.get(room, {}).pop(key, None)
            if not self._held.get(room):
                self._held.pop(room, None)
            self._service.timers.cancel(timer)
        else:
            self._held.setdefault(room, {})[key] = lock
            self._service.timers.set(timer, self._due(lock), partial(self._expire, key, lock))

    async def _expire(self, key: str, lock: Lock) -> None:
        await self._hearing.check()
        if clock.now() < self._due(lock):  # nobody could renew it meanwhile
            self._service.timers.set(f"lock {key}", self._due(lock), partial(self._expire, key, lock))
            return
        await self._change(key, Expire(token=lock.token, expires_at=lock.expires_at, now=clock.now()))

    def _due(self, lock: Lock) -> float:
        return max(lock.expires_at, self._hearing.settled_at)
