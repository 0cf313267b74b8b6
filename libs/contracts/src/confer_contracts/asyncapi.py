"""The catalogue as an AsyncAPI 3.0 document. `python -m confer_contracts.asyncapi` prints it.

Channels are what a client may emit (`emit_<event>`, with its ack), what a client may hear (`on_<event>`), and the
NATS subjects behind them (`call_`, `log_`, `view_`). `x-socketio-event` is the Socket.IO name.
"""

import json
import re
import sys
from collections.abc import Iterator
from importlib.metadata import version
from typing import Any, Final, Literal, NamedTuple

from pydantic import BaseModel, TypeAdapter
from pydantic.json_schema import GenerateJsonSchema

from confer_contracts import access, answers, portal
from confer_contracts.catalogue import CALLS, EDGE_EVENTS, FACTS, SNAPSHOTS, VIEWS
from confer_contracts.examples import EXAMPLES
from confer_contracts.message import Failed
from confer_contracts.presence import RoomSnapshotRequest
from confer_contracts.subjects import Header
from confer_contracts.subjects import call as subject_of

Json = dict[str, Any]
Mode = Literal["validation", "serialization"]
SCHEMAS: Final = "#/components/schemas/"


class Emitted(NamedTuple):
    """What a client may hear: the body (None: no data), what it means, and where that comes from."""

    body: Any
    doc: str


def client_events() -> Iterator[tuple[str, Any, Any, str]]:
    """Event, request model, ack model, meaning."""
    for event in EDGE_EVENTS:
        yield event.event, event.request, answers.ACKS[event.event], event.doc
    for call in CALLS:
        if call.public:
            yield call.event, call.request, call.reply, call.doc


def server_events() -> dict[str, Emitted]:
    """Every event that a client may get, by name."""
    told: dict[str, Emitted] = {}
    for fact in FACTS:
        told.setdefault(fact.event, Emitted(fact.body, fact.doc))
        for kind, name in fact.copies:
            told.setdefault(name, Emitted(fact.body, f"{fact.doc} The copy of `{fact.event}` for a {kind}."))
    for view in VIEWS:
        told.setdefault(view.event, Emitted(view.body, view.doc))
    for name, body in answers.EVENTS.items():
        told.setdefault(name, Emitted(body, portal.EDGE_EMITS.get(name) or _meaning(body)))
    return told


def document(generator: type[GenerateJsonSchema] = GenerateJsonSchema) -> Json:
    """The whole document, in a stable order."""
    schemas = _Schemas(generator)
    channels: Json = {}
    operations: Json = {}
    for name, channel, operation in (*_socketio(schemas), *_nats(schemas)):
        channels[name] = channel
        operations[("send_" if operation["action"] == "send" else "receive_") + name] = operation
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Confer",
            "version": version("confer-contracts"),
            "description": "The real-time backend of a web portal: presence, live form fields, queues, notifications. "
            "Browsers speak Socket.IO to an edge; the edge and the services speak NATS.",
            "license": {"name": "MIT"},
        },
        "defaultContentType": "application/json",
        "servers": {
            "edge": {
                "host": "127.0.0.1:9014", "pathname": "/socket.io/", "protocol": "socket.io", "protocolVersion": "5",
                "description": "Socket.IO 5 over Engine.IO 4: WebSocket and polling, namespace /.",
            },
            "nats": {"host": "127.0.0.1:4222", "protocol": "nats", "description": "Inside an installation."},
        },
        "channels": channels,
        "operations": operations,
        "components": {"schemas": schemas.all()},
    }  # fmt: skip


class _Schemas:
    """Collects the types that are mentioned; `all` resolves them together, so that equal names stay apart."""

    def __init__(self, generator: type[GenerateJsonSchema]) -> None:
        self._generator = generator
        self._wanted: dict[tuple[str, Mode], tuple[Any, Json]] = {}

    def ref(self, body: Any, mode: Mode = "serialization") -> Json:
        """A place in the document that `all` will fill with the schema of `body`."""
        return self._wanted.setdefault((repr(body), mode), (body, {}))[1]

    def all(self) -> Json:
        inputs = [(key, mode, TypeAdapter(body)) for (key, mode), (body, _) in self._wanted.items()]
        found, shared = TypeAdapter.json_schemas(
            inputs, ref_template=SCHEMAS + "{model}", schema_generator=self._generator
        )
        for (key, mode), (_, place) in self._wanted.items():
            place.update(found[key, mode])
        return dict(sorted(shared["$defs"].items()))


def _socketio(schemas: _Schemas) -> Iterator[tuple[str, Json, Json]]:
    refusal = {"title": "Refused", "payload": schemas.ref(Failed)}
    for event, request, reply, doc in client_events():
        example = EXAMPLES.get(event)
        asked = _message(event, schemas.ref(request, "validation") if request else {}, example and example.request)
        acked = _message(f"{event} ack", schemas.ref(reply), example and example.ack)
        name = f"emit_{event}"
        channel = _channel("edge", event, doc, {"request": asked, "ack": acked, "refusal": refusal})
        yield name, channel, _operation("receive", name, ["request"], reply=["ack", "refusal"])
    broadcast = {event: body for example in EXAMPLES.values() for event, body in example.broadcast.items()}
    for event, emitted in sorted(server_events().items()):
        payload = {"type": "null"} if emitted.body is None else schemas.ref(emitted.body)
        name = f"on_{event}"
        channel = _channel("edge", event, emitted.doc, {"event": _message(event, payload, broadcast.get(event))})
        yield name, channel, _operation("send", name, ["event"])


def _nats(schemas: _Schemas) -> Iterator[tuple[str, Json, Json]]:
    asked = {"type": "object", "properties": _headers(Header.IDENTITY, Header.OP, Header.DEADLINE)}
    refusal = {"title": "Refused", "payload": schemas.ref(Failed)}
    calls = [(c.subject, c.request, c.reply, c.doc) for c in (*CALLS, access.CHECK)]
    parts: dict[str, tuple[str, Any, Any, str]] = {}
    for part in SNAPSHOTS:
        subject = subject_of(part.service, "snapshot")
        reply = parts[subject][2] | part.reply if subject in parts and parts[subject][2] != part.reply else part.reply
        parts[subject] = (subject, RoomSnapshotRequest, reply, f"The {part.service} part of the answer to a join.")
    for subject, request, reply, doc in (*calls, *parts.values()):
        name = subject.replace(".", "_")
        messages = {
            "request": {"headers": asked, **_message(subject, schemas.ref(request, "validation"))},
            "reply": _message(f"{subject} reply", schemas.ref(reply)),
            "refusal": refusal,
        }
        yield (
            name,
            _channel("nats", subject, doc, messages),
            _operation("receive", name, ["request"], ["reply", "refusal"]),
        )
    facts = {
        "type": "object",
        "properties": _headers(Header.EVENT, Header.OP, Header.ACTOR, Header.ORIGIN, Header.FOLLOW, Header.FOLD),
    }
    for service, kind in dict.fromkeys((fact.service, fact.kind) for fact in FACTS):
        own = [f for f in FACTS if (f.service, f.kind, f.alias_of) == (service, kind, None)]
        messages = {f.event: {"headers": facts, **_message(f.event, schemas.ref(f.body))} for f in own}
        subject, name = f"log.{service}.{kind}.{{id}}.{{key}}", f"log_{service}_{kind}"
        doc = f"Facts of {service} for a {kind}; LIVE has them under `{kind}.{{id}}`."
        yield name, _channel("nats", subject, doc, messages), _operation("send", name, [*messages])
    for who, keys in access.FACTS.items():
        subject, name = f"log.{access.SERVICE}.{who}.{{id}}.{{key}}", f"log_{access.SERVICE}_{who}"
        messages = {key.value: {"headers": facts, **_message(key, schemas.ref(access.AccessFact))} for key in keys}
        doc = f"What was said about a {who}; the key is the message's name. The latest of each, in ACCESS."
        yield name, _channel("nats", subject, doc, messages), _operation("send", name, [*messages])
    for view in VIEWS:
        subject, name = f"view.{view.kind}.{{id}}.{view.name}", f"view_{view.kind}_{view.name}"
        message = {view.event: _message(view.event, schemas.ref(view.body))}
        yield name, _channel("nats", subject, view.doc, message), _operation("send", name, [view.event])


def _channel(server: str, address: str, doc: str, messages: Json) -> Json:
    channel: Json = {
        "address": address, "servers": [{"$ref": f"#/servers/{server}"}], "description": doc, "messages": messages,
    }  # fmt: skip
    if server == "edge":
        channel["x-socketio-event"] = address
    if parameters := re.findall(r"\{(\w+)\}", address):
        channel["parameters"] = {name: {"description": _PARAMETERS[name]} for name in parameters}
    return channel


_PARAMETERS: Final = {
    "id": "subject token of the audience's id: `=XX` for every byte outside A-Z a-z 0-9 _ -",
    "key": "subject token inside the aggregate",
}


def _operation(action: str, channel: str, messages: list[str], reply: list[str] | None = None) -> Json:
    at = f"#/channels/{channel}"
    operation: Json = {"action": action, "channel": {"$ref": at}, "messages": _refs(at, messages)}
    if reply:
        operation["reply"] = {"channel": {"$ref": at}, "messages": _refs(at, reply)}
    return operation


def _refs(channel: str, messages: list[str]) -> list[Json]:
    return [{"$ref": f"{channel}/messages/{name}"} for name in messages]


def _message(title: str, payload: Json, example: Any = None) -> Json:
    message: Json = {"title": title, "payload": payload}
    return message if example is None else {**message, "examples": [{"name": "example", "payload": example}]}


def _headers(*names: str) -> Json:
    return {name: {"type": "string"} for name in names}


def _meaning(body: Any) -> str:
    own = body.__doc__ if isinstance(body, type) and issubclass(body, BaseModel) else None
    return " ".join((own or "Answers the first portal.").split())


if __name__ == "__main__":
    json.dump(document(), sys.stdout, indent=1, ensure_ascii=False)
    sys.stdout.write("\n")
