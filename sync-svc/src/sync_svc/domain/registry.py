"""The form of a kind of room: which schema holds, and what may follow it. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from confer_contracts.errors import ErrorCode, Rejection
from sync_svc.domain.schema import VERSION, incompatibility, parse
from sync_svc.domain.state import same


@dataclass(frozen=True, slots=True)
class RegisterForm:
    """`now` in Unix seconds; `document`: the schema as JSON."""

    user: str
    op: str
    now: float
    document: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class FormRegistered:
    user: str
    op: str
    at: float
    document: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Registered:
    """The latest schema of a kind, and who registered it; version 0 and no document: there is none, and anything
    goes."""

    version: int = 0
    document: Mapping[str, Any] | None = None
    user: str = ""
    at: float = 0.0


def decide(command: RegisterForm, current: Registered) -> FormRegistered | None:
    """None: it is registered already. Rejection when it is no schema, not newer, or does not fit the records."""
    schema = parse(command.document)
    if current.document is not None:
        if same(command.document, current.document):
            return None
        if schema.version <= current.version:
            message = f"{VERSION}: is {schema.version}, but version {current.version} is registered"
            raise Rejection(ErrorCode.CONFLICT, message, field=VERSION, details={"current_version": current.version})
        if reason := incompatibility(parse(current.document), schema):
            raise Rejection(ErrorCode.INVALID, reason, field=reason.partition(":")[0])
    return FormRegistered(command.user, command.op, command.now, command.document)


def evolve(current: Registered, event: FormRegistered) -> Registered:
    return Registered(event.document[VERSION], event.document, event.user, event.at)
