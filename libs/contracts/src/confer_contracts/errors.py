"""Why something was refused: one closed list of codes, and the exception that carries one.

    Rejection          the answer is no, and the caller is told why (an ordinary outcome)
      code             what a program branches on
      retry            whether to try again: as the code says, unless this refusal knows better
      field            the input that broke a rule, where one did

Everything else that escapes a handler is a bug and is answered as `internal`, without details.
"""

from collections.abc import Mapping
from enum import StrEnum


class ErrorCode(StrEnum):
    """The codes of an error acknowledgement: `{status: "error", code, message, retry, op}`."""

    INVALID = "invalid"  # the input breaks a rule; the message names field and rule
    UNAUTHENTICATED = "unauthenticated"  # no proved identity, or it ended
    FORBIDDEN = "forbidden"  # a proved identity without this right
    NOT_FOUND = "not_found"
    CONFLICT = "conflict"  # the state moved on; the answer tells the current one
    STALE_OPERATION = "stale_operation"  # an operation id too old to know whether it already ran
    LIMIT_EXCEEDED = "limit_exceeded"  # a limit was reached; the message names it
    UNAVAILABLE = "unavailable"  # nothing was done: the part that answers this is away
    OUTCOME_UNKNOWN = "outcome_unknown"  # it may have been done: send it again with the same operation id
    INTERNAL = "internal"  # our defect; reported with the trace id, never explained to the client

    @property
    def retry(self) -> bool:
        """Whether the same request, with the same operation id, may succeed later."""
        return self in RETRYABLE


FAILURES = frozenset(
    {ErrorCode.INTERNAL, ErrorCode.UNAVAILABLE, ErrorCode.OUTCOME_UNKNOWN}
)  # ours; others are refusals
RETRYABLE = frozenset({ErrorCode.UNAVAILABLE, ErrorCode.OUTCOME_UNKNOWN, ErrorCode.LIMIT_EXCEEDED})


class Rejection(Exception):  # noqa: N818 - a refusal is an answer, not an error of ours
    """A refusal. `details` are extra members of the error acknowledgement (a current value, what is allowed).

    `retry`: False for a limit that waiting does not lift; None: as the code says.
    """

    def __init__(
        self,
        code: ErrorCode,
        message: str,
        *,
        field: str | None = None,
        details: Mapping[str, object] | None = None,
        retry: bool | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.field = field
        self.details = dict(details or {})
        self.retry = code.retry if retry is None else retry
