"""What a change of the catalogue takes away from those who were built on a release of it (docs/adr/0040)."""

from collections.abc import Iterator

from confer_contracts.schema_changes import KEEP, Json, SchemaChanges, Way


def breaks(before: Json, now: Json) -> list[str]:
    """What somebody who was built on `before` loses in `now` (two documents of `asyncapi.document`): a sentence each,
    with what to do in its place. Empty: nothing."""
    found: list[str] = []
    for name, channel in before["channels"].items():
        schemas = (before["components"]["schemas"], now["components"]["schemas"])
        found += _of_channel(name, channel, now["channels"].get(name), schemas)
    return list(dict.fromkeys(found))


def _of_channel(name: str, old: Json, new: Json | None, schemas: tuple[Json, Json]) -> Iterator[str]:
    if new is None:
        yield f"{name} is gone. {KEEP}"
        return
    if new["address"] != old["address"]:
        yield f"{name}: its address is {new['address']}, was {old['address']}. {KEEP}"
    for title, message in old["messages"].items():
        if title not in new["messages"]:
            yield f"{name}: the message {title} is gone. {KEEP}"
            continue
        changes, told = SchemaChanges(way_of(name, title), *schemas), new["messages"][title]
        for part in ("headers", "payload"):
            yield from changes.between(f"{name} {title}", message.get(part, {}), told.get(part, {}))


def way_of(channel: str, message: str) -> Way:
    """Facts in the log go both ways: those that the release wrote are read for ever."""
    if channel.startswith("log_"):
        return Way.ASKED | Way.TOLD
    return Way.ASKED if message == "request" else Way.TOLD
