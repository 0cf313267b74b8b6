"""The numbers that presence-svc keeps beside those of every process. Each replica has the whole: ask for the
largest."""

from typing import Final

from confer_kit.metrics import Counter, Gauge

PEOPLE: Final = Gauge("confer_presence_people", "People who are present, once for each room that they are in")
ROOMS: Final = Gauge("confer_presence_rooms", "Rooms with somebody in them")
SESSIONS: Final = Gauge("confer_presence_sessions", "Sessions of edges, once for each room that they are in")
EDGES: Final = Gauge("confer_presence_edges", "Edges that have such sessions, and a lease on them")
ANSWERING: Final = Gauge(
    "confer_presence_edges_answering",
    "Edges that presence has an answer of; only of these it sees before their lease is over that they are gone",
)
SILENCE: Final = Gauge(
    "confer_presence_lease_silence_seconds",
    "Since the edge that was not heard for longest was; its lease is lost in time",
)
LOST: Final = Counter(
    "confer_presence_leases_lost",
    "Edges that were silent for their lease, or had no connection, found by this replica",
)
LOCKS: Final = Gauge("confer_presence_locks", "Locks of fields that are held")
