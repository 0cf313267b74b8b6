"""What is run: so many updates in flight, by each of these."""

from dataclasses import dataclass

from bench.scenarios import FACT_HEADERS, SYNC_UPDATE

MEMBERS = 5  # of a room
ROOMS = 500  # that calls and publishes go to in turn: at most one in flight each
PADDING = 100  # bytes of text in each value
LOG_SUBJECT = "log.sync.room.p%ROOM%.bench"
HEADERS = tuple((name, value) for name, value in (header.split(": ", 1) for header in FACT_HEADERS.split("|")))
BODY = (  # as sync-svc appends it
    '{"patient_id":"p%ROOM%","user_id":"u1","op":"0198c0de-0000-7000-8000-0af7651916cd","timestamp":'
    '"2026-11-23T09:48:28.544Z","field":"notes","version":1,"value":{"seq":1,"ts":1,"text":"'
    + "x" * PADDING
    + '"},"outcome":"accepted","replaced":null,"restored":null}'
)
CALL = "call.sync.field_update"
UPDATE = SYNC_UPDATE.removeprefix('["field_update",').removesuffix("]")


@dataclass(frozen=True)
class Load:
    in_flight: int
    servers: tuple[str, ...] = ("publish", "log", "service", "replicas", "path")

    @property
    def key(self) -> str:
        return str(self.in_flight)


SCENARIOS = (Load(1), Load(8), Load(64), Load(256))
