"""What is silent, and when it is quiet: over midnight, in the person's zone, when clocks change."""

from datetime import UTC, datetime, time
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notify_svc.domain.preferences import Preferences, Quiet, known_zone

NIGHT = Quiet(time(22), time(6, 30), "Asia/Bangkok")  # UTC+7, all year
ZONES = ["Asia/Bangkok", "Europe/Berlin", "America/St_Johns", "Australia/Lord_Howe", "UTC"]


def utc(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("now", "until"),
    [
        ("2026-11-23T14:59:59", None),
        ("2026-11-23T15:00:00", "2026-11-23T23:30:00"),
        ("2026-11-23T23:29:59", "2026-11-23T23:30:00"),
        ("2026-11-23T23:30:00", None),
    ],
)
def test_quiet_hours_over_midnight(now: str, until: str | None) -> None:
    assert NIGHT.until(utc(now)) == (until and utc(until))


def test_quiet_hours_within_a_day() -> None:
    noon = Quiet(time(12), time(13), "UTC")
    assert noon.until(utc("2026-11-23T12:30:00")) == utc("2026-11-23T13:00:00")
    assert noon.until(utc("2026-11-23T11:59:59")) is None
    assert noon.begins(utc("2026-11-23T12:00:00")) == utc("2026-11-24T12:00:00")


def test_the_clocks_of_the_zone_count_when_they_change() -> None:
    night = Quiet(time(22), time(6), "Europe/Berlin")
    assert night.until(utc("2026-03-28T22:00:00")) == utc("2026-03-29T04:00:00"), "an hour shorter"
    assert night.until(utc("2026-10-24T21:00:00")) == utc("2026-10-25T05:00:00"), "an hour longer"
    short = Quiet(time(1), time(2, 30), "Europe/Berlin")
    assert short.until(utc("2026-10-25T01:10:00")) == utc("2026-10-25T01:30:00"), "02:10 for the second time"


@given(
    now=st.integers(1_700_000_000, 1_900_000_000), start=st.times().map(lambda t: t.replace(second=0, microsecond=0)),
    hours=st.integers(1, 23), zone=st.sampled_from(ZONES),
)  # fmt: skip
def test_they_begin_and_end_at_the_persons_time(now: int, start: time, hours: int, zone: str) -> None:
    quiet = Quiet(start, start.replace(hour=(start.hour + hours) % 24), zone)
    begins = quiet.begins(now)
    assert now < begins <= now + 25 * 3600 + 1800
    until = quiet.until(begins)
    if datetime.fromtimestamp(begins, ZoneInfo(zone)).time() == start:  # it is not left out that day
        assert until is not None
        assert begins < until <= begins + 25 * 3600


def test_what_is_muted_or_collected_is_silent_unless_it_is_critical() -> None:
    wish = Preferences(mute=frozenset({"info"}), digest=frozenset({"success"}), digest_s=3600)
    assert wish.silent("info", "high")
    assert wish.silent("success", "normal")
    assert not wish.silent("warning", "low")
    assert not wish.silent("info", "critical")


def test_a_zone_is_one_that_the_machine_knows() -> None:
    assert all(map(known_zone, ZONES))
    assert not any(map(known_zone, ["Mars/Olympus", "../../etc/passwd", "/etc/passwd", "Asia", "a b"]))
