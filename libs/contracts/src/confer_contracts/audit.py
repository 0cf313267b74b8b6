"""What is kept beside the facts: who read a record, and what was refused. In the stream AUDIT, which LIVE does not
source; ACTIVITY does (docs/adr/0024).

    log.audit.<kind>.<id>.<call>    `<kind>.<id>` is the audience whose rights the call needed

Written by whoever answered, best effort: no call waits for it. No value and no text of anybody's.
"""

from enum import StrEnum
from typing import Final

from confer_contracts.message import Body
from confer_contracts.subjects import FactSubject, stream_of

SERVICE: Final = "audit"
STREAM: Final = stream_of(SERVICE)
SUBJECTS: Final = f"log.{SERVICE}.*.*.*"


class Event(StrEnum):
    """The fact's header `Confer-Event`."""

    READ = "read"
    REFUSED = "refused"


class AuditFact(Body):
    """`outcome`: `ok`, or the code of the refusal; `field`: the input that broke a rule. Who it was, the operation and
    the trace are in the headers."""

    call: str
    outcome: str
    field: str | None = None
    role: str
    timestamp: str


def subject(audience: str, call: str) -> FactSubject:
    """Of what happened to `audience`, in token form."""
    kind, _, ident = audience.partition(".")
    return FactSubject(SERVICE, kind, ident, call)
