"""Forms: the schema of a kind of room's fields, registered by an operator or the portal's backend. Part of `sync`."""

import json
from typing import Annotated, Any, Final, Literal, get_args

from pydantic import AfterValidator, JsonValue

from confer_contracts.message import VALUE_DEPTH_MAX, Body, Ok, Payload, json_depth

FormKind = Literal["patient", "session", "free"]
FORM_KINDS: Final[tuple[FormKind, ...]] = get_args(FormKind)
FORM_BYTES_MAX = 64 * 1024
FORM_DEPTH_MAX = 2 * VALUE_DEPTH_MAX


def _bounded(value: Any) -> Any:
    if json_depth(value) > FORM_DEPTH_MAX:
        raise ValueError(f"must not be nested deeper than {FORM_DEPTH_MAX} levels")
    if len(json.dumps(value, ensure_ascii=False).encode(errors="surrogatepass")) > FORM_BYTES_MAX:
        raise ValueError(f"must not be larger than {FORM_BYTES_MAX} bytes of JSON")
    return value


class FormRegister(Payload):
    """A JSON Schema (draft 2020-12) of the fields of a kind of room, with `x-confer-version`, which must be newer
    than the registered one's; per field `x-confer-policy` (`merge`, `last_write`, `refuse`) and `x-confer-merge`
    (`words`, `lines`); `x-confer-steps` is the workflow in its order."""

    kind: FormKind
    form: Annotated[dict[str, JsonValue], AfterValidator(_bounded)]


class FormRegisterReply(Ok):
    """The version that holds."""

    kind: FormKind
    version: int


class FormList(Payload):
    """Which forms hold?"""


class RegisteredForm(Body):
    """`user_id` registered it at `timestamp`."""

    kind: FormKind
    version: int
    form: dict[str, JsonValue]
    user_id: str
    timestamp: str


class FormListReply(Ok):
    """One of each kind that has any."""

    forms: list[RegisteredForm] = []
