"""The AsyncAPI document tells everything of the catalogue, and the official parser has nothing against it."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from confer_contracts import catalogue
from confer_contracts.asyncapi import document, server_events
from confer_contracts.examples import EXAMPLES

PACKAGES = Path(__file__).parents[1] / "e2e" / "js"
DOCUMENT = document()


def resolved(reference: str) -> Any:
    """What a local `$ref` points to; KeyError when nothing is there."""
    found: Any = DOCUMENT
    for part in reference.removeprefix("#/").split("/"):
        found = found[part]
    return found


def references(value: Any) -> list[str]:
    if isinstance(value, dict):
        own = [value["$ref"]] if isinstance(value.get("$ref"), str) else []
        return own + [ref for item in value.values() for ref in references(item)]
    return [ref for item in value for ref in references(item)] if isinstance(value, list) else []


def test_every_event_and_every_subject_has_a_channel() -> None:
    channels = DOCUMENT["channels"]
    emitted = {c["x-socketio-event"] for name, c in channels.items() if name.startswith("emit_")}
    heard = {c["x-socketio-event"] for name, c in channels.items() if name.startswith("on_")}
    assert emitted == {*catalogue.PUBLIC_CALLS, *(event.event for event in catalogue.EDGE_EVENTS)}
    assert heard == server_events().keys()
    subjects = {channel["address"] for channel in channels.values()}
    assert subjects >= set().union(*(catalogue.calls_of(service) for service in catalogue.SERVICES))
    assert subjects >= {f"view.{view.kind}.{{id}}.{view.name}" for view in catalogue.VIEWS}
    assert subjects >= {f"log.{fact.service}.{fact.kind}.{{id}}.{{key}}" for fact in catalogue.FACTS}


def test_every_reference_points_to_something() -> None:
    for reference in references(DOCUMENT):
        assert resolved(reference) is not None


def test_what_a_client_emits_is_acknowledged_or_refused() -> None:
    for name, operation in DOCUMENT["operations"].items():
        if name.startswith("receive_emit_"):
            replies = [ref["$ref"].rsplit("/", 1)[1] for ref in operation["reply"]["messages"]]
            assert replies == ["ack", "refusal"]


@pytest.mark.parametrize("event", EXAMPLES)
def test_the_seeds_events_carry_their_examples(event: str) -> None:
    channels, example = DOCUMENT["channels"], EXAMPLES[event]
    messages = channels[f"emit_{event}"]["messages"]
    assert messages["request"]["examples"][0]["payload"] == example.request
    assert messages["ack"]["examples"][0]["payload"] == example.ack
    for name in example.broadcast:
        assert channels[f"on_{name}"]["messages"]["event"]["examples"]


@pytest.mark.node
def test_the_official_parser_takes_it() -> None:
    node = shutil.which("node")
    assert node, "Node is missing"
    assert (PACKAGES / "node_modules").is_dir(), f"run `npm ci` in {PACKAGES}"
    text = json.dumps(DOCUMENT, ensure_ascii=False)
    done = subprocess.run(
        [node, str(PACKAGES / "asyncapi.mjs")], input=text, capture_output=True, text=True, timeout=120, check=False
    )
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 0, done.stderr or found
    assert [problem for problem in found if problem["severity"] in ("error", "warning")] == []
