"""Ids are UUIDv7 as RFC 9562 says, and times are ISO 8601 in UTC."""

import uuid

import pytest

from confer_contracts.operations import made_at
from confer_kit import clock


def test_a_new_id_is_a_uuid_of_version_7_made_now() -> None:
    before = clock.now()
    made = uuid.UUID(clock.new_id())
    assert (made.version, made.variant) == (7, uuid.RFC_4122)
    at = made_at(str(made))
    assert at is not None
    assert before - 0.002 <= at <= clock.now() + 0.002


def test_ids_differ_and_sort_by_time(monkeypatch: pytest.MonkeyPatch) -> None:
    assert len({clock.new_id() for _ in range(1000)}) == 1000
    ids = []
    for now in (1.0, 1_700_000_000.0, 1_700_000_000.001, 4_000_000_000.0):
        monkeypatch.setattr(clock, "now", lambda now=now: now)
        ids.append(clock.new_id())
    assert ids == sorted(ids)


@pytest.mark.parametrize(
    ("at", "text"), [(0.0, "1970-01-01T00:00:00.000Z"), (1_763_780_645.678, "2025-11-22T03:04:05.678Z")]
)
def test_times_are_iso_8601_in_utc_to_the_millisecond(at: float, text: str) -> None:
    assert clock.iso(at) == text
