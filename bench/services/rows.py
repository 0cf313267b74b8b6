"""The targets: what is measured of ours, against a bare publish with as many in flight."""

from bench.rows import Row, Target

NAMES = {
    "publish": "publish",
    "log": "publish into the log",
    "service": "one sync-svc",
    "replicas": "two sync-svc",
    "path": "whole path",
}
BARE = ("publish", "log")


def _at_most(limit: float, quantity: str) -> tuple[Target, ...]:
    return tuple(Target(each, limit, quantity=quantity) for each in BARE)


ROWS = (
    Row("one update in flight: the client's acknowledgement, half within", "1", "p50_us", "ms", "path",
        _at_most(3, "p50_us")),
    Row("the same, the last of 5 members has it", "1", "last_p50_us", "ms", "path", _at_most(3, "p50_us")),
    Row("one update in flight: the client's acknowledgement, 99% within", "1", "p99_us", "ms", "path",
        _at_most(5, "p99_us")),
    Row("the same, the last of 5 members has it", "1", "last_p99_us", "ms", "path", _at_most(5, "p99_us")),
    Row("64 in flight: acknowledged by one sync-svc", "64", "updates_per_s", "per second", "service",
        tuple(Target(each, 0.6, at_least=True) for each in BARE)),
    Row("the same: CPU of all processes, NATS and the client too", "64", "all_cpu_us_per_update", "µs", "service"),
    Row("64 in flight, different rooms: acknowledged by two sync-svc", "64", "updates_per_s", "per second", "replicas",
        (Target("service", 1, at_least=True),)),
)  # fmt: skip
