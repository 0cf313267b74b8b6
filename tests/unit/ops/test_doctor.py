"""`confer doctor`: what it says of settings, of clocks, and of a server's durability and disk."""

from pathlib import Path

import pytest

from confer_kit import clock
from confer_ops import doctor_nats, doctor_settings
from confer_ops.doctor_command import _settings
from confer_ops.findings import Level
from confer_ops.processes import ahead
from confer_ops.trouble import Trouble

SETTINGS = Path(__file__).parents[3] / "docs" / "settings.md"
MB = 1_000_000


def said(told: dict[str, str]) -> list[tuple[Level, str, str]]:
    return [(each.level, each.said, each.do) for each in doctor_settings.look(told, [SETTINGS])]


def test_settings_that_are_right_are_one_line() -> None:
    told = {"CONFER_NATS_URL": "nats://a:4222", "CONFER_LOG_LEVEL": "debug", "CONFER_JWT_SECRET": "s" * 32}
    of_the_command = {"PATH": "/bin", "CONFER_EDGE_URL": "http://e"}
    assert said(told | of_the_command) == [(Level.OK, "4 set, each one known and usable", "")]


@pytest.mark.parametrize(
    ("told", "level", "what", "do"),
    [
        ({"CONFER_LEAVE_GRACE": "5"}, Level.WRONG, "CONFER_LEAVE_GRACE is no", "did you mean CONFER_LEAVE_GRACE_S?"),
        ({"SOCKETIO_PROT": "5"}, Level.WRONG, "SOCKETIO_PROT is no setting", "did you mean SOCKETIO_PORT?"),
        ({"CONFER_LOG_LEVEL": "loud"}, Level.WRONG, "CONFER_LOG_LEVEL=loud: String should match", "No process starts"),
        ({"CONFER_DRAIN_S": "0"}, Level.WRONG, "CONFER_DRAIN_S=0: Input should be greater than 0", "No process starts"),
        ({"CONFER_JWT_SECRET": "short"}, Level.WRONG, "CONFER_JWT_SECRET has 5 bytes", "openssl rand"),
        ({"CONFER_IDENTITY": "trusted-query"}, Level.NOTE, "believes what clients say", "one machine only"),
        (
            {"CONFER_IDENTITY": "trusted-query", "CONFER_JWKS_URL": "https://a"}, Level.WRONG, "yet CONFER_JWKS_URL",
            "CONFER_IDENTITY=jwt",
        ),
        ({"SOCKETIO_PORT": "abc"}, Level.WRONG, "SOCKETIO_PORT=abc: Input should be", "No confer-edge starts"),
        ({"CONFER_PING_INTERVAL_S": "0"}, Level.WRONG, "CONFER_PING_INTERVAL_S=0: ", "No confer-edge starts"),
        ({"CONFER_TICK_LATE_S": "1"}, Level.WRONG, "CONFER_TICK_LATE_S must be more", "No confer-edge starts"),
        ({"CONFER_QUEUE_TIMEZONE": "Bangkok"}, Level.WRONG, "CONFER_QUEUE_TIMEZONE=Bangkok: is no", "No queue-svc"),
        ({"CONFER_NATS_TLS_CA": "/no/such"}, Level.WRONG, "CONFER_NATS_TLS_CA: there is no /no/such", "path"),
        ({"CONFER_JWT_SECRET_FILE": "/tmp"}, Level.WRONG, "CONFER_JWT_SECRET_FILE: /tmp is a directory", "path"),
        ({"CONFER_NATS_NKEY_SEED_FILE": "/dev/null"}, Level.WRONG, "not a seed of a NATS user", "confer nats-users"),
        ({"CONFER_POLICY_FILE": "/no/such"}, Level.WRONG, "CONFER_POLICY_FILE: there is no /no/such", "path"),
    ],
)  # fmt: skip
def test_a_setting_that_is_wrong_is_named_with_what_to_do(
    told: dict[str, str], level: Level, what: str, do: str
) -> None:
    (found,) = said(told)
    assert found[0] == level
    assert what in found[1]
    assert do in found[2]
    assert "short" not in found[1], "a secret is not shown"


def test_rules_are_read(tmp_path: Path) -> None:
    rules = tmp_path / "rules.toml"
    rules.write_text("[[rule]]\nname = 1\n")
    ((level, what, do),) = said({"CONFER_NOTIFY_RULES_FILE": str(rules)})
    assert level == Level.WRONG
    assert "CONFER_NOTIFY_RULES_FILE: " in what
    assert "confer rules check" in do


def test_a_file_for_compose_is_read_as_compose_reads_it(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text(
        "# CONFER_X=1\nCONFER_LOG_LEVEL = 'debug'\n\nCONFER_ORIGINS=https://a,https://b?x=1\nCONFER_EMPTY=\n"
    )
    told = {"CONFER_LOG_LEVEL": "debug", "CONFER_ORIGINS": "https://a,https://b?x=1", "CONFER_EMPTY": ""}
    assert doctor_settings.read_file(file) == told
    with pytest.raises(Trouble, match="cannot be read"):
        doctor_settings.read_file(tmp_path / "none")


def test_of_a_file_nothing_is_said_of_the_shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / ".env"
    file.write_text("CONFER_LOG_LEVEL=debug\n")
    monkeypatch.setenv("CONFER_DRAIN_S", "soon")
    monkeypatch.setenv("CONFER_JWT_SECRET_FILE", str(tmp_path / "none"))
    assert [each.level for each in _settings(file)] == [Level.OK]
    assert {each.level for each in _settings(None)} == {Level.WRONG}


@pytest.mark.parametrize(("at", "by"), [(99.0, -1.0), (100.0, 0.0), (105.0, 0.0), (110.0, 0.0), (112.5, 2.5)])
def test_a_clock_is_off_only_where_no_delay_explains_it(at: float, by: float) -> None:
    assert ahead(at, (100.0, 110.0)) == by


def test_a_clock_that_is_off_is_told_with_its_direction() -> None:
    assert list(doctor_nats.clock_of("x", 0.9)) == []
    (fast,) = doctor_nats.clock_of("x", 2.5)
    (slow,) = doctor_nats.clock_of("x", -2.5)
    assert (fast.level, fast.said) == (Level.WRONG, "that of x is 2.5 s ahead of this machine's")
    assert slow.said == "that of x is 2.5 s behind this machine's"


def test_a_server_that_does_not_sync_or_is_nearly_full_is_told() -> None:
    config = {"sync_always": True, "sync_interval": 120e9, "max_storage": 100 * MB, "store_dir": "/"}
    server = {"jetstream": {"config": config, "stats": {"storage": 50 * MB}}}
    assert [each.level for each in doctor_nats.durability(server, "n1")] == [Level.OK]
    assert not [each for each in doctor_nats.disk(server, "n1") if "of what JetStream may have" in each.said]
    lax = {"jetstream": {"config": config | {"sync_always": False}, "stats": {"storage": 90 * MB}}}
    (durability,) = doctor_nats.durability(lax, "n1")
    assert "n1 syncs every 120 s: a power cut loses what was acknowledged" in durability.said
    assert "sync_interval: always" in durability.do
    assert "n1 has used 90% of what JetStream may have" in next(doctor_nats.disk(lax, "n1")).said
    (off,) = doctor_nats.durability({}, "n1")
    assert "JetStream is off" in off.said


def test_tls_is_missed_where_there_is_a_network_and_its_end_is_foretold() -> None:
    def said(told: dict[str, object], url: str = "http://nats:8222") -> list[tuple[Level, str]]:
        return [(each.level, each.said) for each in doctor_nats.tls(told, url)]

    assert said({"tls_required": False}, "http://127.0.0.1:8222") == []
    ((level, text),) = said({})
    assert (level, "reads names and fields" in text) == (Level.NOTE, True)
    for days, wanted in ((400, []), (3, [Level.WRONG]), (-3, [Level.WRONG])):
        ends = clock.iso(clock.now() + days * 86400)
        assert [level for level, _ in said({"tls_required": True, "tls_cert_not_after": ends})] == wanted
