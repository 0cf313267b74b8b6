"""Rights: what may be asked about, and the facts that end or change them (docs/access.md).

An action is `join` (to become a member of an audience and to stay one, so to receive) or the name of a call that
clients may send.

Facts are `log.access.<user|session>.<token>.<key>` in the stream ACCESS, the latest of each subject:
  revoked   tokens issued before it count no more, and the sessions that live by them end; `lifted` ends that
  kicked    sessions that began before it end and cannot be taken up; the user may come back with a new one
  rights    the rights of a user may have changed: ask again
Their time is the one that NATS gave them. None of them is ever sent to a browser.

CHECK is the question to an installation's own authoriser, which is no service of ours.
"""

from enum import StrEnum
from typing import Annotated, Final, Literal

from pydantic import Field, StrictBool

from confer_contracts.catalogue import PUBLIC_CALLS
from confer_contracts.ids import token
from confer_contracts.message import Body, Ok, ShortText
from confer_contracts.route import Call
from confer_contracts.subjects import FactSubject, stream_of

SERVICE: Final = "access"
STREAM: Final = stream_of(SERVICE)
SUBJECTS: Final = f"log.{SERVICE}.*.*.*"
JOIN: Final = "join"
ACTIONS: Final[tuple[str, ...]] = (JOIN, *PUBLIC_CALLS)
PERSONAL: Final = frozenset({"activity_log"})  # in `user.<id>`: always for that person, for others only if said so
KICK_AGE_S: Final = 24 * 3600  # no session can be taken up later than that: a kick, or a change, is forgotten

Who = Literal["user", "session"]


class Key(StrEnum):
    REVOKED = "revoked"
    KICKED = "kicked"
    RIGHTS = "rights"


FACTS: Final[dict[Who, tuple[Key, ...]]] = {"user": (Key.REVOKED, Key.KICKED, Key.RIGHTS), "session": (Key.KICKED,)}


class AccessFact(Body):
    """`reason` is for the record, `message` for the person; who did it is in the fact's header `Confer-Actor`."""

    reason: ShortText | None = None
    message: ShortText | None = None
    lifted: bool = False


class AccessQuestion(Body):
    """May this user do that there? `audience` is in token form, `shown` as people know it. The answer is remembered by
    user, role, action and audience: it must not depend on the rest."""

    user_id: str
    role: str
    name: str
    session: str
    action: str
    audience: str
    shown: str


class AccessAnswer(Ok):
    """`reason` is for the person; `ttl_s`: for how many seconds it counts, if not for as long as edges like to."""

    allowed: StrictBool
    reason: ShortText | None = None
    ttl_s: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = None


CHECK = Call(
    service=SERVICE, event="check", request=AccessQuestion, reply=AccessAnswer, public=False, ordered=False,
    doc="Whether a user may do something: answered by the installation's own authoriser.",
)  # fmt: skip


def subject(who: Who, ident: str, key: Key) -> FactSubject:
    """Of the fact about a user id or a sid."""
    return FactSubject(SERVICE, who, token(ident), key)
