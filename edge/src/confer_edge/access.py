"""One question, one place: may this client do that there? Every source must say yes (ADR 0011).

revocations   what operators and services said about the user
claims        the room patterns of the token
policy        the rules of CONFER_POLICY_FILE
authoriser    where CONFER_ACCESS_CHECK is on, the installation's own service
"""

from pathlib import Path

from confer_contracts import subjects
from confer_contracts.access import JOIN, PERSONAL
from confer_contracts.errors import ErrorCode, Rejection
from confer_contracts.message import Identity
from confer_contracts.portal import shown_name
from confer_contracts.subjects import Kind
from confer_edge import metrics
from confer_edge.authoriser import Authoriser
from confer_edge.identity import Claim
from confer_edge.policy import Policy, parse
from confer_edge.recovery import SessionRecord
from confer_edge.revocations import Ended, Revocations
from confer_edge.session import Session
from confer_edge.settings import EdgeSettings
from confer_kit.audit import Audit
from confer_kit.event_log import Unavailable
from confer_kit.logs import logger
from confer_kit.watched_file import WatchedFile, operators_file

log = logger(__name__)

PolicyFile = WatchedFile[Policy]


class Access:
    """`action` is one of `confer_contracts.access.ACTIONS`; an audience is in token form."""

    def __init__(
        self, policy: PolicyFile | None, revocations: Revocations, authoriser: Authoriser | None = None,
        audit: Audit | None = None,
    ) -> None:  # fmt: skip
        self._policy = policy
        self._revocations = revocations
        self._authoriser = authoriser
        self._audit = audit

    def must_count(self, claim: Claim) -> None:
        """Rejection(unauthenticated) for an identity that has been revoked."""
        ended = self._revocations.of_token(claim)
        if ended is not None:
            metrics.DENIED.labels("revoked").inc()
            raise Rejection(ErrorCode.UNAUTHENTICATED, ended.message, details={"reason": ended.reason})

    @property
    def heard(self) -> int:
        """What a session notes before it begins."""
        return self._revocations.heard

    def over(self, session: Session) -> Ended | None:
        """Why a session must end; None: it goes on."""
        return self._revocations.of_session(session.claim, session.sid, session.heard)

    def cannot_be_taken_up(self, claim: Claim, record: SessionRecord) -> bool:
        return self._revocations.of_stored(claim, record.sid, record.began) is not None

    async def must(self, claim: Claim, session: str, action: str, audience: str, *, asked: bool = True) -> None:
        """Rejection(forbidden) where a source says no, with `retry` where it cannot be known now. Where
        somebody `asked` for it, the refusal is told to AUDIT."""
        try:
            await self._must(claim, session, action, audience)
        except Rejection as refusal:
            if asked and self._audit is not None:
                who = Identity(user_id=claim.user_id, name=claim.name, role=claim.role, session=session)
                await self._audit.note(action, audience, who, outcome=refusal.code)
            raise

    async def _must(self, claim: Claim, session: str, action: str, audience: str) -> None:
        self.must_now(claim, action, audience)
        if self._authoriser is not None and self.asks(claim, action, audience):
            await self._authoriser.ask(claim, session, action, audience)
            self.must_now(claim, action, audience)  # the policy may have changed meanwhile

    def asks(self, claim: Claim, action: str, audience: str) -> bool:
        """Whether the authoriser is asked: not about what is a person's own anyhow."""
        own = audience == subjects.audience(Kind.USER, claim.user_id)
        shared = (subjects.audience(Kind.ROLE, claim.role), subjects.EVERYBODY)
        return self._authoriser is not None and not own and not (action == JOIN and audience in shared)

    async def ask_anew(self, claim: Claim, session: str, action: str, audience: str) -> None:
        """Only the authoriser, and nothing that is remembered. Rejection as of `must`."""
        if self._authoriser is not None:
            await self._authoriser.ask(claim, session, action, audience, anew=True)

    def forget(self, user: str) -> None:
        """The rights of a user may have changed."""
        if self._authoriser is not None:
            self._authoriser.forget(user)

    async def may(self, claim: Claim, session: str, action: str, audience: str) -> bool:
        try:
            await self.must(claim, session, action, audience, asked=False)
        except Rejection:
            return False
        return True

    def must_now(self, claim: Claim, action: str, audience: str) -> None:
        """What is known here, without a wait. Rejection(forbidden)."""
        if not claim.allows(audience):
            metrics.DENIED.labels("claims").inc()
        claim.must_allow(audience)
        if action in PERSONAL and audience == subjects.audience(Kind.USER, claim.user_id):
            return
        if self._policy is None:
            if action in PERSONAL and audience.startswith(f"{Kind.USER}.") and self._authoriser is None:
                metrics.DENIED.labels("policy").inc()
                text = f"{shown_name(audience)}: {action} of others takes a policy that allows it"
                raise Rejection(ErrorCode.FORBIDDEN, text)
            return
        shown = shown_name(audience)
        decision = self._policy.value.decide(user=claim.user_id, role=claim.role, action=action, audience=shown)
        if not decision.allowed:
            metrics.DENIED.labels("policy").inc()
            log.debug("the policy refuses", rule=decision.rule, action=action, role=claim.role)
            raise Rejection(ErrorCode.FORBIDDEN, f"{shown}: the policy of this installation does not allow {action}")

    def policy_changed(self) -> bool:
        """Whether the policy file says something new."""
        return self._policy is not None and self._policy.look()


async def still_allowed(access: Access, claim: Claim | None, record: SessionRecord) -> bool:
    """Whether who is back now may be in everything that the session was in. If not it starts anew: to take up a part
    would look like the whole to the client. Raises Unavailable where that cannot be known now."""
    who = claim or record.claim
    if who.role != record.claim.role or access.cannot_be_taken_up(who, record):
        return False
    for audience in record.memberships:
        try:
            await access.must(who, record.sid, JOIN, audience, asked=False)
        except Rejection as refusal:
            if refusal.retry:
                raise Unavailable(refusal.message) from None
            return False
    return True


def policy_file(settings: EdgeSettings) -> PolicyFile | None:
    """What the settings name; SystemExit with a sentence when it cannot be used."""
    if settings.policy_file is None:
        return None
    return operators_file("CONFER_POLICY_FILE", Path(settings.policy_file), parse, "policy")
