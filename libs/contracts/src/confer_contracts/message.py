"""What messages are made of: payload models, who is calling, and the shape of an answer."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, JsonValue

from confer_contracts.errors import ErrorCode, Rejection
from confer_contracts.ids import check_id

TEXT_CHARS_MAX = 4000
VALUE_BYTES_MAX = 64 * 1024
VALUE_DEPTH_MAX = 16


def _id(value: str) -> str:
    try:
        return check_id(value, "id")
    except Rejection as refusal:
        raise ValueError(refusal.message.removeprefix("id: ")) from None


Id = Annotated[str, Field(strict=True), AfterValidator(_id)]
OpId = Id
Text = Annotated[str, Field(strict=True, max_length=TEXT_CHARS_MAX)]
ShortText = Annotated[str, Field(strict=True, max_length=200)]
Step = Annotated[int, Field(strict=True, ge=0, le=1000)]
Version = Annotated[int, Field(strict=True, ge=0, le=2**53)]


class Payload(BaseModel):
    """A client's input. Unknown members are refused, so that a misspelt `base_version` is not lost in silence."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class PortalPayload(Payload):
    """Input of the first portal's events: what it sends beyond our members (claims of identity, times) is ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore", populate_by_name=True)


class Body(BaseModel):
    """What a process of ours writes and others read: members may be added, so unknown ones are ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore", populate_by_name=True)


class Identity(Body):
    """Who calls: what the edge authenticated, never what a payload claims. Travels in `Confer-Identity`.

    `withheld`: which audiences of the role and of everybody the session does not receive, where a call asks for that.
    """

    user_id: Id
    name: ShortText
    role: Id
    session: Id
    guest: bool = False
    withheld: tuple[str, ...] = ()


class Ok(Body):
    """A positive acknowledgement; services add their members."""

    status: Literal["ok"] = "ok"
    op: str | None = None


class Failed(Body):
    """A negative acknowledgement. `details` of a Rejection stand beside these members."""

    model_config = ConfigDict(frozen=True, extra="allow")

    status: Literal["error"] = "error"
    code: str
    message: str
    retry: bool
    op: str | None = None
    field: str | None = Field(default=None, exclude_if=lambda field: field is None)


def json_depth(value: object) -> int:
    """Levels of nesting of a JSON value, counted without recursion."""
    deepest, pending = 0, [(value, 1)]
    while pending:
        item, level = pending.pop()
        deepest = max(deepest, level)
        children = item.values() if isinstance(item, dict) else item if isinstance(item, list) else ()
        pending += [(child, level + 1) for child in children]
    return deepest


def failed(refusal: Rejection, op: str | None = None) -> dict[str, Any]:
    """The error acknowledgement of a refusal, as JSON-ready members."""
    body: dict[str, Any] = {
        "status": "error",
        "code": refusal.code.value,
        "message": refusal.message,
        "retry": refusal.retry,
        "op": op,
    }
    if refusal.field is not None:
        body["field"] = refusal.field
    return {**refusal.details, **body}


def refusal_of(body: dict[str, Any]) -> Rejection:
    """The refusal behind an error acknowledgement: the reverse of `failed`."""
    own = {"status", "code", "message", "retry", "op", "field"}
    details = {name: value for name, value in body.items() if name not in own}
    code, message, retry = ErrorCode(body["code"]), body["message"], body["retry"]
    return Rejection(code, message, field=body.get("field"), details=details, retry=retry)


__all__ = [
    "Body", "Failed", "Id", "Identity", "JsonValue", "Ok", "OpId", "Payload", "PortalPayload", "ShortText", "Step",
    "Text", "Version", "failed", "json_depth", "refusal_of",
]  # fmt: skip
