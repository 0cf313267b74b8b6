"""What has been revoked, and who was kicked: a fold of the stream ACCESS (`confer_contracts.access`). Pure.

Times are those of NATS. A token's `iat` is the signer's time, so that `leeway_s` (by how much that clock may differ)
counts against the token. A kick ends the sessions that are there when it is heard, whatever the clocks say; which ones
cannot be taken up again is told by the time at which they began on their edge's clock, with SKEW_S against them.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal

from confer_contracts.access import KICK_AGE_S, Key, Who
from confer_edge.identity import Claim
from confer_kit.access import Said

SKEW_S: Final = 1.0
_TOLD: Final = {"revoked": "Your access has been revoked", "kicked": "You have been disconnected by an operator"}


@dataclass(frozen=True, slots=True)
class Ended:
    """Why a session is over, as its client is told."""

    reason: Literal["revoked", "kicked"]
    message: str


class Revocations:
    """The latest of each, by user id or sid. Kicks are forgotten when no session can be as old any more.

    `heard` counts the kicks: a session that begins notes it.
    """

    def __init__(self, leeway_s: float) -> None:
        self._leeway_s = leeway_s
        self._revoked: dict[str, Said] = {}
        self._kicked: dict[tuple[Who, str], tuple[Said, int]] = {}  # with its number, in the order of time
        self.heard = 0

    def __len__(self) -> int:
        return len(self._revoked) + len(self._kicked)

    def apply(self, said: Said) -> None:
        if said.key is Key.REVOKED and said.who == "user":
            self._revoked.pop(said.ident, None)
            if not said.fact.lifted:
                self._revoked[said.ident] = said
        elif said.key is Key.KICKED:
            known = self._kicked.pop((said.who, said.ident), None)
            self.heard += 1
            number = known[1] if known is not None and known[0].at == said.at else self.heard  # the stream read anew
            self._kicked[said.who, said.ident] = said, number
            self._forget_before(said.at - KICK_AGE_S)

    def of_token(self, claim: Claim) -> Ended | None:
        """Whether the identity counts no more. One that does not tell when it was issued (no `iat`; trusted-query)
        does not until it is restored."""
        said = self._revoked.get(claim.user_id)
        if said is None or (claim.issued_at is not None and claim.issued_at >= said.at + self._leeway_s):
            return None
        return _ended("revoked", said)

    def of_session(self, claim: Claim, sid: str, heard: int) -> Ended | None:
        """Whether a session is over that noted this number."""
        for said, number in self._kicks(claim, sid):
            if number > heard:
                return _ended("kicked", said)
        return self.of_token(claim)

    def of_stored(self, claim: Claim, sid: str, began: float) -> Ended | None:
        """Whether a session that began then (Unix seconds) cannot be taken up."""
        for said, _ in self._kicks(claim, sid):
            if said.who == "session" or began < said.at + SKEW_S:
                return _ended("kicked", said)
        return self.of_token(claim)

    def _kicks(self, claim: Claim, sid: str) -> Iterator[tuple[Said, int]]:
        for about in (("session", sid), ("user", claim.user_id)):
            if (found := self._kicked.get(about)) is not None:
                yield found

    def _forget_before(self, at: float) -> None:
        while self._kicked and next(iter(self._kicked.values()))[0].at < at:
            del self._kicked[next(iter(self._kicked))]


def _ended(reason: Literal["revoked", "kicked"], said: Said) -> Ended:
    return Ended(reason, said.fact.message or _TOLD[reason])
