"""The forms of each kind of room: schemas from files and over NATS, made ready to check values."""

import asyncio
import json
from pathlib import Path
from typing import Any

import jsonschema_rs

from confer_contracts.errors import ErrorCode, Rejection
from confer_contracts.forms import FORM_BYTES_MAX, FORM_KINDS, FormKind
from confer_contracts.ids import FREE as FREE_ROOM
from confer_contracts.ids import SESSION
from confer_kit import clock
from confer_kit.ledger import Ledger
from confer_kit.logs import logger
from confer_kit.tasks import Tasks
from sync_svc.codec import encode_form
from sync_svc.domain.form import FREE, Form, MergeBy, Policy
from sync_svc.domain.registry import FormRegistered, Registered, RegisterForm, decide
from sync_svc.domain.schema import MERGE_BY, POLICY, Node, Schema, parse

log = logger(__name__)

PATTERN_BYTES_MAX = 256 * 1024  # of a compiled pattern
MESSAGE_MAX = 300
REGISTER_S, RETRY_S = 5.0, 1.0
_PATTERNS = jsonschema_rs.RegexOptions(size_limit=PATTERN_BYTES_MAX, dfa_size_limit=PATTERN_BYTES_MAX)


class SchemaForm:
    """A schema as the rules of fields. Rejection(invalid) when a field's schema is none."""

    def __init__(self, document: Any) -> None:
        self.schema: Schema = parse(document)
        self._checks = {name: _validator(node, f"properties.{name}") for name, node in self.schema.fields.items()}
        self._others = _validator(self.schema.others, "additionalProperties")

    @property
    def steps(self) -> tuple[tuple[int, str], ...]:
        return self.schema.steps

    def policy(self, field: str) -> Policy:
        node = self._node(field)
        chosen: Policy = node.get(POLICY, self.schema.policy) if isinstance(node, dict) else self.schema.policy
        return chosen

    def merge_by(self, field: str) -> MergeBy:
        node = self._node(field)
        chosen: MergeBy = node.get(MERGE_BY, "words") if isinstance(node, dict) else "words"
        return chosen

    def problem(self, field: str, value: Any) -> str | None:
        if self._node(field) is False:
            return "is no field of this form"
        try:
            self._checks.get(field, self._others).validate(value)
        except jsonschema_rs.ValidationError as error:
            where = "".join(f"[{part!r}]" for part in error.instance_path)
            rule = error.message if len(error.message) <= MESSAGE_MAX else error.message[:MESSAGE_MAX] + "..."
            return f"{where} {rule}".strip()
        return None

    def _node(self, field: str) -> Node:
        return self.schema.fields.get(field, self.schema.others)


def _validator(node: Node, place: str) -> jsonschema_rs.Draft202012Validator:
    try:
        return jsonschema_rs.Draft202012Validator(node, pattern_options=_PATTERNS, mask="the value")
    except ValueError as error:
        rule = getattr(error, "message", str(error))[:MESSAGE_MAX]
        raise Rejection(ErrorCode.INVALID, f"{place}: {rule}", field=place) from error


def kind_of(room: str) -> FormKind:
    """Of a room's token."""
    return "session" if room.startswith(SESSION) else "free" if room.startswith(FREE_ROOM) else "patient"


class Forms:
    """The form that holds for a room: the newest one in the log, so that all replicas agree."""

    def __init__(self, ledger: Ledger[Registered, FormRegistered], from_files: dict[FormKind, Any]) -> None:
        self._ledger = ledger
        self._from_files = from_files
        self._ready: dict[FormKind, tuple[int, SchemaForm]] = {}

    def start(self, tasks: Tasks) -> None:
        tasks.start(self.register_files(), "forms of files")

    async def of(self, room: str) -> Form:
        """The rules of the room's fields. Raises as `Ledger.load`."""
        kind = kind_of(room)
        registered = (await self._ledger.load(kind)).state
        if registered.document is None:
            return FREE
        if self._ready.get(kind, (0,))[0] != registered.version:
            self._ready[kind] = (registered.version, SchemaForm(registered.document))
        return self._ready[kind][1]

    async def register(self, kind: FormKind, command: RegisterForm, deadline: float, origin: str) -> int:
        """The version that holds now. Rejection as of `registry.decide`, or when a field's schema is none."""
        SchemaForm(command.document)

        def attempt(current: Registered) -> Any:
            event = decide(command, current)
            return None if event is None else encode_form(event, kind, origin)

        return (await self._ledger.transact(kind, attempt, deadline)).state.version

    async def held(self) -> list[tuple[FormKind, Registered]]:
        """What is registered, by kind. Raises as `Ledger.load`."""
        found = [(kind, (await self._ledger.load(kind)).state) for kind in FORM_KINDS]
        return [(kind, registered) for kind, registered in found if registered.document is not None]

    async def register_files(self) -> None:
        """Each replica registers the same files; one of them is first. What is refused is told in the log."""
        for kind, document in self._from_files.items():
            command = RegisterForm("system", clock.new_id(), clock.now(), document)
            while True:
                try:
                    version = await self.register(kind, command, clock.now() + REGISTER_S, "system")
                    log.info("the form of a file holds", kind=kind, version=version)
                except Rejection as refusal:
                    if refusal.retry:
                        await asyncio.sleep(RETRY_S)
                        continue
                    log.error("the form of a file was refused", kind=kind, reason=refusal.message)
                break


def read_files(directory: Path | None) -> dict[FormKind, Any]:
    """`patient.json`, `session.json` and `free.json`, those that are there; SystemExit with a sentence when one is
    no form."""
    if directory is None:
        return {}
    if not directory.is_dir():
        raise SystemExit(f"CONFER_SYNC_SCHEMAS: {directory} is no directory")
    read: dict[FormKind, Any] = {}
    for path in sorted(directory.glob("*.json")):
        kind = next((kind for kind in FORM_KINDS if kind == path.stem), None)
        if kind is None:
            raise SystemExit(f"{path}: must be called {' or '.join(f'{kind}.json' for kind in FORM_KINDS)}")
        if path.stat().st_size > FORM_BYTES_MAX:
            raise SystemExit(f"{path}: must not be larger than {FORM_BYTES_MAX} bytes")
        try:
            document = json.loads(path.read_text())
            if not isinstance(document, dict):
                raise SystemExit(f"{path}: must be a JSON object")
            SchemaForm(document)
        except ValueError as error:
            raise SystemExit(f"{path}: {error}") from error
        except Rejection as refusal:
            raise SystemExit(f"{path}: {refusal.message}") from refusal
        read[kind] = document
    return read
