"""Updates of fields: what each field's policy makes of its base, and all of them as one commit."""

from confer_contracts.errors import ErrorCode, Rejection
from sync_svc.domain import merge
from sync_svc.domain.messages import Change, Committed, FieldsUpdated, Json, Replaced, UpdateFields
from sync_svc.domain.state import Field, Record, WrittenFields, fingerprint, same, size_of

FIELDS_MAX = 1000  # per record
RECORD_BYTES_MAX = 512 * 1024  # all names and values as JSON, so that a snapshot fits into one message


class BasesNeeded(Exception):  # noqa: N818 - a question, not an error
    """A merge needs older versions, (field, version) each: read them and decide again with `bases`."""

    def __init__(self, wanted: frozenset[tuple[str, int]]) -> None:
        super().__init__(wanted)
        self.wanted = wanted


class Refused(Exception):  # noqa: N818 - as a Rejection
    """One change cannot be committed. `current`: what the field is instead; `rule`: the input that broke one."""

    def __init__(self, field: str, code: ErrorCode, message: str, current: Field | None, rule: str) -> None:
        super().__init__(message)
        self.field, self.code, self.message, self.current, self.rule = field, code, message, current, rule


class UpdateRefused(Rejection):
    """Nothing was committed. What breaks a rule is told before what came too late."""

    def __init__(self, refused: list[Refused]) -> None:
        first = next((r for r in refused if r.code is ErrorCode.INVALID), refused[0])
        details = {"current_version": _version_of(first.current)} if first.rule == "base_version" else None
        super().__init__(first.code, first.message, field=first.rule, details=details)
        self.refused = refused


def update(command: UpdateFields, record: Record) -> FieldsUpdated:
    """The commit of the changes: all of them, or with `partial` those that can be. UpdateRefused, or a limit's
    Rejection, otherwise; BasesNeeded when older texts have to be read first."""
    if command.bases is None and (wanted := _wanted(command, record)):
        raise BasesNeeded(wanted)
    committed, refused = list[Committed](), list[Refused]()
    for change in command.changes:
        try:
            committed.append(_commit(change, command, record))
        except Refused as refusal:
            refused.append(refusal)
    if refused and not (command.partial and committed):
        raise UpdateRefused(refused)
    _refuse_if_too_large(committed, record)
    as_asked = not refused and all(change.outcome != "merged" for change in committed)
    request = None if as_asked else request_of(command)
    return FieldsUpdated(command.user, command.op, command.now, tuple(committed), command.form_step, request)


def request_of(command: UpdateFields) -> str:
    return fingerprint((change.field, change.value) for change in command.changes)


def refused(command: UpdateFields, written: WrittenFields, record: Record) -> list[Refused]:
    """Which changes of a command that ran were left out of its commit, and what the record has instead now: the same
    for the first run and for a repeat."""
    done = {name for name, _, _ in written.changes}
    return [_why(change, command, record) for change in command.changes if change.field not in done]


def _why(change: Change, command: UpdateFields, record: Record) -> Refused:
    current = record.fields.get(change.field)
    try:
        _commit(change, command, record)
    except Refused as refusal:
        return refusal
    return _conflict(change, current, "was refused when this operation ran")


def _wanted(command: UpdateFields, record: Record) -> frozenset[tuple[str, int]]:
    return frozenset(
        (change.field, base)
        for change in command.changes
        if (base := change.base_version) and command.form.policy(change.field) == "merge"
        if base < _version_of(record.fields.get(change.field)) and record.version(change.field, base) is None
    )


def _commit(change: Change, command: UpdateFields, record: Record) -> Committed:
    """What becomes of one change; Refused if nothing does."""
    current = record.fields.get(change.field)
    version = _version_of(current)
    if problem := command.form.problem(change.field, change.value):
        raise Refused(change.field, ErrorCode.INVALID, f"{change.field}: {problem}", current, change.field)
    base = version if change.base_version is None else change.base_version
    if base > version:
        message = f"base_version: is {base}, but field {change.field!r} is at version {version}"
        raise Refused(change.field, ErrorCode.INVALID, message, current, "base_version")
    if current is None or base == version or same(current.value, change.value):
        return Committed(change.field, change.value, version + 1, restored=change.restores)
    match command.form.policy(change.field):
        case "last_write":
            replaced = Replaced(current.value, current.version, current.user, current.at)
            return Committed(change.field, change.value, version + 1, "overwrote", replaced, change.restores)
        case "merge":
            return Committed(change.field, _merge(change, current, command, record), version + 1, "merged")
        case "refuse":
            raise _conflict(change, current, "must be updated from its current version")


def _merge(change: Change, current: Field, command: UpdateFields, record: Record) -> str:
    """The text with both changes. Refused where there is none."""
    base = _text(_base(change, command, record))
    mine, theirs = _text(change.value), _text(current.value)
    if base is None or mine is None or theirs is None:
        raise _conflict(change, current, "can only be merged where base, change and current value are texts")
    if merge.too_long(base, mine, theirs):
        raise _conflict(change, current, f"is longer than {merge.MERGE_BYTES_MAX} bytes, which is too much to merge")
    merged = merge.merge(base, mine, theirs, command.form.merge_by(change.field))
    if merged is None:
        raise _conflict(change, current, "was changed in the same place")
    if problem := command.form.problem(change.field, merged):
        raise _conflict(change, current, f"cannot be merged: the merged text {problem}")
    return merged


def _base(change: Change, command: UpdateFields, record: Record) -> Json:
    """The value that the change was made from; Refused when nobody knows it any more."""
    number = change.base_version
    if not number:
        return ""  # before the first version
    if known := record.version(change.field, number):
        return known.value
    if command.bases is not None and (change.field, number) in command.bases:
        return command.bases[change.field, number]
    raise _conflict(change, record.fields[change.field], f"has no version {number} any more to merge with")


def _text(value: Json) -> str | None:
    """An empty field counts as an empty text."""
    return "" if value is None else value if isinstance(value, str) else None


def _conflict(change: Change, current: Field | None, why: str) -> Refused:
    version = _version_of(current)
    message = f"{change.field}: {why} (base {change.base_version}, current {version})"
    return Refused(change.field, ErrorCode.CONFLICT, message, current, change.field)


def _refuse_if_too_large(changes: list[Committed], record: Record) -> None:
    added = sum(change.field not in record.fields for change in changes)
    if len(record.fields) + added > FIELDS_MAX:
        raise full(f"field: a record has at most {FIELDS_MAX} fields", "field")
    replaced = sum(record.fields[change.field].size for change in changes if change.field in record.fields)
    size = record.size - replaced + sum(size_of(change.field, change.value) for change in changes)
    if size > RECORD_BYTES_MAX:
        raise full(f"value: the fields of a record have at most {RECORD_BYTES_MAX} bytes of JSON together", "value")


def full(rule: str, name: str) -> Rejection:
    """Waiting makes no room in a record: sent again, the request would only hold up what waits behind it."""
    return Rejection(ErrorCode.LIMIT_EXCEEDED, rule, field=name, retry=False)


def _version_of(current: Field | None) -> int:
    return current.version if current else 0
